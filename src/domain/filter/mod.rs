//! The list language (contract sections 4.1 to 4.3): `where` as a tree that the store compiles to SQL, `orderBy`, and the window.
//!
//! | file | holds |
//! |---|---|
//! | this file | the tree, and a whole list request |
//! | `operator` | operators of each field, and the names of a field's members in a `where` |
//! | `read` | parser from JSON to the tree, with messages that say what is allowed |
//!
//! Conditions follow SQL's three-valued logic, as the contract's engine does: a comparison with a missing value is unknown, the negation of
//! unknown is unknown, and a list has only the rows for which the condition is true.

pub mod operator;
mod read;

use serde_json::{Map, Value};

use super::entity::{Entity, Field};
use super::page::{Order, Page};
use super::text::{Language, Text, text};
pub use operator::{Operator, Quantifier};

/// A list request: the condition on the rows, the order, and the window.
#[derive(Debug, Clone)]
pub struct Query {
    /// Type of the listed objects.
    pub entity: &'static Entity,
    /// Condition on the rows.
    pub filter: Filter,
    /// Order of the rows; `None` means by id.
    pub order: Option<Order>,
    /// Window of the ordered rows.
    pub page: Page,
    /// Language of the texts that the query compares and returns.
    pub language: Language,
}

/// A condition on a row.
#[derive(Debug, Clone)]
pub enum Filter {
    /// All conditions are true; an empty list is true.
    All(Vec<Filter>),
    /// At least one condition is true; an empty list is false.
    Any(Vec<Filter>),
    /// The condition is false.
    Not(Box<Filter>),
    /// A comparison of the field with one value, or with a list of values for `_in` and `_not_in`.
    Compare(&'static Field, Operator, Vec<Scalar>),
    /// The row is an API key with one of these digests. The service makes this condition from a comparison with a key's text.
    Digests(Vec<Vec<u8>>),
    /// The condition is true for the required number of related rows, or of objects stored in the row.
    Related(&'static Field, Quantifier, Box<Filter>),
    /// The field has no related row or object.
    Unrelated(&'static Field),
}

/// A value to compare with.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// Null, which stands for a missing value.
    Null,
    /// A text, an id, a value of an enumeration, or a time.
    Text(String),
    /// A 32-bit or 64-bit integer.
    Integer(i64),
    /// A double-precision number.
    Float(f64),
    /// A boolean.
    Bool(bool),
}

impl Query {
    /// Returns a query for all rows, ordered by id.
    #[must_use]
    pub fn all(entity: &'static Entity) -> Self {
        Self {
            entity,
            filter: Filter::All(Vec::new()),
            order: None,
            page: Page::default(),
            language: Language::default(),
        }
    }

    /// Returns a query for the rows in which `field` has one of these values.
    #[must_use]
    pub fn having(entity: &'static Entity, field: &'static Field, values: Vec<Scalar>) -> Self {
        Self { filter: Filter::Compare(field, Operator::In, values), ..Self::all(entity) }
    }

    /// Returns a query for all rows that match a `where`.
    ///
    /// # Errors
    /// The text says what is wrong and what is allowed.
    pub fn matching(entity: &'static Entity, conditions: Map<String, Value>) -> Result<Self, Text> {
        Ok(Self { filter: read::filter(entity.shape(), Some(&conditions.into()))?, ..Self::all(entity) })
    }

    /// Parses the body of a list request: `{where, orderBy, first, last, skip, after, before}`, every member optional and nullable.
    ///
    /// # Errors
    /// The text says what is wrong and what is allowed.
    pub fn parse(entity: &'static Entity, list: &Map<String, Value>) -> Result<Self, Text> {
        const MEMBERS: [&str; 7] = ["where", "orderBy", "first", "last", "skip", "after", "before"];
        if let Some(unknown) = list.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(text!(
                "{unknown:?} is not known: allowed are {}",
                "未知的 {unknown:?}：可用的有 {}",
                MEMBERS.join(", ")
            ));
        }
        Ok(Self {
            entity,
            filter: read::filter(entity.shape(), list.get("where"))?,
            order: Order::parse(entity, list)?,
            page: Page::parse(list)?,
            language: Language::default(),
        })
    }
}

impl Filter {
    /// Replaces each comparison in the tree by the result of `change`.
    #[must_use]
    pub fn map(self, change: &dyn Fn(&'static Field, Operator, Vec<Scalar>) -> Self) -> Self {
        let all = |filters: Vec<Self>| filters.into_iter().map(|filter| filter.map(change)).collect();
        match self {
            Self::All(filters) => Self::All(all(filters)),
            Self::Any(filters) => Self::Any(all(filters)),
            Self::Not(filter) => Self::Not(Box::new(filter.map(change))),
            Self::Related(field, quantifier, filter) => Self::Related(field, quantifier, Box::new(filter.map(change))),
            Self::Compare(field, operator, values) => change(field, operator, values),
            other @ (Self::Digests(_) | Self::Unrelated(_)) => other,
        }
    }
}
