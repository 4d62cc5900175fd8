//! Which operators a field has (contract section 4.2). REST's check, the GraphQL inputs and the OpenAPI schemas all ask here.

use crate::domain::entity::{Field, Kind, Shape};

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Equal; with null, missing.
    Equals,
    /// Not equal; with null, present.
    Not,
    /// One of.
    In,
    /// None of.
    NotIn,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Has this text in it; case counts, and no character is a wildcard.
    Contains,
    /// Does not have this text in it.
    NotContains,
    /// Begins with this text.
    StartsWith,
    /// Does not begin with this text.
    NotStartsWith,
    /// Ends with this text.
    EndsWith,
    /// Does not end with this text.
    NotEndsWith,
}

/// How many related rows, or objects kept in the row, must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// The one there is; there must be one.
    One,
    /// At least one.
    Some,
    /// None that does not; true when there is none at all.
    Every,
    /// None that does.
    None,
}

/// A member of a `where`.
#[derive(Debug, Clone, Copy)]
pub enum Member {
    /// A scalar field and how it is compared.
    Scalar(&'static Field, Operator),
    /// A field that conditions can speak of, what it consists of, and how many of its rows or objects must match.
    Related(&'static Field, Shape, Quantifier),
}

/// All operators, in such an order that every kind of field has the first so many of them.
const ALL: &[Operator] = &[
    Operator::Equals,
    Operator::Not,
    Operator::In,
    Operator::NotIn,
    Operator::Lt,
    Operator::Lte,
    Operator::Gt,
    Operator::Gte,
    Operator::Contains,
    Operator::NotContains,
    Operator::StartsWith,
    Operator::NotStartsWith,
    Operator::EndsWith,
    Operator::NotEndsWith,
];
/// Any other operator on a key's text would be an oracle that recovers it.
const KEY: &[Operator] = &[Operator::Equals, Operator::In];

impl Operator {
    /// What stands behind the field's name.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Equals => "",
            Self::Not => "_not",
            Self::In => "_in",
            Self::NotIn => "_not_in",
            Self::Lt => "_lt",
            Self::Lte => "_lte",
            Self::Gt => "_gt",
            Self::Gte => "_gte",
            Self::Contains => "_contains",
            Self::NotContains => "_not_contains",
            Self::StartsWith => "_starts_with",
            Self::NotStartsWith => "_not_starts_with",
            Self::EndsWith => "_ends_with",
            Self::NotEndsWith => "_not_ends_with",
        }
    }

    /// Tells whether it takes a list of values.
    #[must_use]
    pub fn takes_list(self) -> bool {
        matches!(self, Self::In | Self::NotIn)
    }
}

impl Quantifier {
    /// What stands behind the relation's name.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::One => "",
            Self::Some => "_some",
            Self::Every => "_every",
            Self::None => "_none",
        }
    }
}

impl Field {
    /// The operators of a scalar field; none for anything else.
    #[must_use]
    pub fn operators(&self) -> &'static [Operator] {
        let first = |count| ALL.get(..count).unwrap_or(ALL);
        match self.kind {
            Kind::Id | Kind::Text | Kind::Localized => ALL,
            Kind::Key => KEY,
            Kind::DateTime | Kind::Int | Kind::Long | Kind::Float => first(8),
            Kind::Enum(_) => first(4),
            Kind::Bool => first(2),
            _ => &[],
        }
    }

    /// The quantifiers of what conditions can speak of; none for anything else.
    #[must_use]
    pub fn quantifiers(&self) -> &'static [Quantifier] {
        match self.kind {
            _ if self.related().is_none() => &[],
            Kind::One(_) | Kind::Object(_) => &[Quantifier::One],
            _ => &[Quantifier::Some, Quantifier::Every, Quantifier::None],
        }
    }
}

/// The members that a `where` on such an object can have beside AND, OR and NOT, by name.
pub fn members(shape: Shape) -> impl Iterator<Item = (String, Member)> {
    shape.fields.iter().flat_map(|field| {
        let scalars = field
            .operators()
            .iter()
            .map(move |operator| (format!("{}{}", field.name, operator.suffix()), Member::Scalar(field, *operator)));
        let related = field.related().into_iter().flat_map(move |shape| {
            let name = move |quantifier: &Quantifier| format!("{}{}", field.name, quantifier.suffix());
            field.quantifiers().iter().map(move |it| (name(it), Member::Related(field, shape, *it)))
        });
        scalars.chain(related)
    })
}
