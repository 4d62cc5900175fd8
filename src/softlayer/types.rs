//! The datatypes of SoftLayer that are served: what a mask may name, what the XSD declares, and in which order SOAP sends it.

mod all;

pub use all::TYPES;

/// A datatype.
#[derive(Debug, PartialEq, Eq)]
pub struct Type {
    /// For example `SoftLayer_User_Customer`.
    pub name: &'static str,
    /// The datatype that it extends.
    pub base: Option<&'static str>,
    /// Its own properties: local ones, relations, counts; each kind in the order of the alphabet.
    pub properties: &'static [Property],
}

/// A property.
#[derive(Debug, PartialEq, Eq)]
pub struct Property {
    /// For example `username`.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// What a property, a parameter or an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: the answer of a method that only does something.
    Void,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// Text.
    Text,
    /// A moment.
    Date,
    /// A list of text.
    Texts,
    /// An object of a datatype.
    One(&'static str),
    /// A list of objects of a datatype.
    Many(&'static str),
    /// How many there are of the relation of this name; shown only where a mask names it.
    Count(&'static str),
}

impl Kind {
    /// Tells whether it is a local property: part of an object that no mask asks for.
    #[must_use]
    pub fn is_local(self) -> bool {
        !matches!(self, Self::One(_) | Self::Many(_) | Self::Count(_))
    }

    /// The datatype of a relation.
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

    /// All properties, those of the datatype that it extends first.
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
