//! The supported datatypes of SoftLayer: they define the properties for masks, the XSD, and the order of properties in SOAP.

mod all;

pub use all::TYPES;

/// A datatype.
#[derive(Debug, PartialEq, Eq)]
pub struct Type {
    /// For example `SoftLayer_User_Customer`.
    pub name: &'static str,
    /// The datatype that it extends, if any.
    pub base: Option<&'static str>,
    /// Properties of the type itself: local ones, then relations, then counts, each group in alphabetical order.
    pub properties: &'static [Property],
}

/// A property.
#[derive(Debug, PartialEq, Eq)]
pub struct Property {
    /// For example `username`.
    pub name: &'static str,
    /// The type of its value.
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
    /// An object of a datatype.
    One(&'static str),
    /// A list of objects of a datatype.
    Many(&'static str),
    /// The number of objects in the relation of this name; shown only if a mask names it.
    Count(&'static str),
}

impl Kind {
    /// Returns true for a local property: it is part of an object even without a mask.
    #[must_use]
    pub fn is_local(self) -> bool {
        !matches!(self, Self::One(_) | Self::Many(_) | Self::Count(_))
    }

    /// Returns the datatype of a relation; `None` for other types.
    #[must_use]
    pub fn target(self) -> Option<&'static str> {
        match self {
            Self::One(name) | Self::Many(name) => Some(name),
            _ => None,
        }
    }
}

impl Type {
    /// Finds a datatype by its name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        TYPES.iter().find(|known| known.name == name)
    }

    /// Returns all properties; those of the extended datatype come first.
    pub fn properties(&self) -> impl Iterator<Item = &'static Property> + use<> {
        let base = self.base.and_then(Self::find).map(|base| base.properties).unwrap_or_default();
        base.iter().chain(self.properties)
    }

    /// Finds a property by its name.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&'static Property> {
        self.properties().find(|property| property.name == name)
    }
}
