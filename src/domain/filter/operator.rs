//! The operators of each field (contract section 4.2), for the check of REST requests, the GraphQL inputs and the OpenAPI schemas.

use crate::domain::entity::{Field, Kind, Shape};

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// The field equals the value. With null: the field has no value.
    Equals,
    /// The field does not equal the value. With null: the field has a value.
    Not,
    /// The field equals one of the values.
    In,
    /// The field equals none of the values.
    NotIn,
    /// The field is less than the value.
    Lt,
    /// The field is less than or equal to the value.
    Lte,
    /// The field is greater than the value.
    Gt,
    /// The field is greater than or equal to the value.
    Gte,
    /// The field contains the text; case-sensitive, without wildcards.
    Contains,
    /// The field does not contain the text.
    NotContains,
    /// The field begins with the text.
    StartsWith,
    /// The field does not begin with the text.
    NotStartsWith,
    /// The field ends with the text.
    EndsWith,
    /// The field does not end with the text.
    NotEndsWith,
}

/// Number of related rows, or of objects stored in the row, that must match a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// The only related row or object must exist and match.
    One,
    /// At least one must match.
    Some,
    /// All must match. The condition is true if there are no related rows or objects.
    Every,
    /// No related row or object may match.
    None,
}

/// A member of a `where`.
#[derive(Debug, Clone, Copy)]
pub enum Member {
    /// A scalar field, and how the field is compared.
    Scalar(&'static Field, Operator),
    /// A relation or nested object, the shape of the related rows or nested objects, and how many must match.
    Related(&'static Field, Shape, Quantifier),
}

/// All operators. Each kind of field except keys has the first few operators of this list.
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
/// The operators of a key's text. Any other operator would be an oracle that reveals the text step by step.
const KEY: &[Operator] = &[Operator::Equals, Operator::In];

impl Operator {
    /// Returns the suffix that the operator adds to the name of the field.
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

    /// Returns whether the operator takes a list of values.
    #[must_use]
    pub fn takes_list(self) -> bool {
        matches!(self, Self::In | Self::NotIn)
    }
}

impl Quantifier {
    /// Returns the suffix that the quantifier adds to the name of the relation.
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
    /// Returns the operators of a scalar field; empty for other fields.
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

    /// Returns the quantifiers of a relation, or of a nested object that has conditions; empty for other fields.
    #[must_use]
    pub fn quantifiers(&self) -> &'static [Quantifier] {
        match self.kind {
            _ if self.related().is_none() => &[],
            Kind::One(_) | Kind::Object(_) => &[Quantifier::One],
            _ => &[Quantifier::Some, Quantifier::Every, Quantifier::None],
        }
    }
}

/// Returns the members that a `where` on an object of this shape can have, by name, except AND, OR and NOT.
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
