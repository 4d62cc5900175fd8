//! The supported datatypes of SoftLayer. They define which properties a mask can name, the XSD, and the order of properties in SOAP.

mod all;

pub use all::TYPES;

/// A datatype of SoftLayer's API.
#[derive(Debug, PartialEq, Eq)]
pub struct Type {
    /// Name of the datatype, for example `SoftLayer_User_Customer`.
    pub name: &'static str,
    /// Name of the datatype that this datatype extends, if any.
    pub base: Option<&'static str>,
    /// Properties, without inherited properties: local properties, then relations, then counts, each group in alphabetical order.
    pub properties: &'static [Property],
}

/// A property of a datatype.
#[derive(Debug, PartialEq, Eq)]
pub struct Property {
    /// Name of the property, for example `username`.
    pub name: &'static str,
    /// Type of the property's value.
    pub kind: Kind,
}

/// The type of a property, a parameter or an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: the answer of a method without a result.
    Void,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// Text.
    Text,
    /// A timestamp.
    Date,
    /// A list of texts.
    Texts,
    /// An object of the datatype with this name.
    One(&'static str),
    /// A list of objects of the datatype with this name.
    Many(&'static str),
    /// The number of objects in the relation with this name; an answer has this property only if the mask names it.
    Count(&'static str),
}

impl Kind {
    /// Returns true for the type of a local property. An answer without a mask has exactly the local properties.
    #[must_use]
    pub fn is_local(self) -> bool {
        !matches!(self, Self::One(_) | Self::Many(_) | Self::Count(_))
    }

    /// Returns the name of the datatype of the objects in a relation; `None` if the type is not a relation.
    #[must_use]
    pub fn target(self) -> Option<&'static str> {
        match self {
            Self::One(name) | Self::Many(name) => Some(name),
            _ => None,
        }
    }
}

impl Type {
    /// Finds a datatype by name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        TYPES.iter().find(|known| known.name == name)
    }

    /// Returns all properties of the datatype; inherited properties come first.
    pub fn properties(&self) -> impl Iterator<Item = &'static Property> + use<> {
        let base = self.base.and_then(Self::find).map(|base| base.properties).unwrap_or_default();
        base.iter().chain(self.properties)
    }

    /// Finds a property of the datatype by name.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&'static Property> {
        self.properties().find(|property| property.name == name)
    }
}
