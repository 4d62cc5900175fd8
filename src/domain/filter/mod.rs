//! The list language (contract sections 4.1 to 4.3): `where` as a tree that the store compiles to SQL, `orderBy`, and the window.
//!
//! | file | holds |
//! |---|---|
//! | this one | the tree, and a whole list request |
//! | `operator` | which operators a field has, and what its members of a `where` are called |
//! | `read` | from JSON to the tree, with messages that say what is allowed |
//!
//! Conditions follow SQL's three-valued logic, as the contract's engine does: a comparison with a missing value is unknown, the
//! opposite of unknown is unknown, and only what is true is listed.

pub mod operator;
mod read;

use serde_json::{Map, Value};

use super::entity::{Entity, Field};
use super::page::{Order, Page};
use super::text::{Language, Text, text};
pub use operator::{Operator, Quantifier};

/// A whole list request.
#[derive(Debug, Clone)]
pub struct Query {
    /// What is listed.
    pub entity: &'static Entity,
    /// Which rows.
    pub filter: Filter,
    /// In which order; by id when absent.
    pub order: Option<Order>,
    /// Which part of them.
    pub page: Page,
    /// In which language their texts are compared and answered.
    pub language: Language,
}

/// A condition on a row.
#[derive(Debug, Clone)]
pub enum Filter {
    /// All of these hold; none at all is true.
    All(Vec<Filter>),
    /// One of these holds; none at all is false.
    Any(Vec<Filter>),
    /// This does not hold.
    Not(Box<Filter>),
    /// The field compares so with these values: one of them, but for `_in` and `_not_in`.
    Compare(&'static Field, Operator, Vec<Scalar>),
    /// The field is one of these API keys, by digest. Made by the service from a comparison of a key's text.
    Digests(Vec<Vec<u8>>),
    /// So many related rows match, or objects kept in the row.
    Related(&'static Field, Quantifier, Box<Filter>),
    /// There is no related row, or object.
    Unrelated(&'static Field),
}

/// A value to compare with.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// No value.
    Null,
    /// Text, ids, enumerations and moments.
    Text(String),
    /// 32-bit and 64-bit integers.
    Integer(i64),
    /// Doubles.
    Float(f64),
    /// Booleans.
    Bool(bool),
}

impl Query {
    /// Everything, in order of id.
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

    /// The rows whose field is one of these values.
    #[must_use]
    pub fn having(entity: &'static Entity, field: &'static Field, values: Vec<Scalar>) -> Self {
        Self { filter: Filter::Compare(field, Operator::In, values), ..Self::all(entity) }
    }

    /// Every row that a `where` matches.
    ///
    /// # Errors
    /// What is wrong and what is allowed.
    pub fn matching(entity: &'static Entity, conditions: Map<String, Value>) -> Result<Self, Text> {
        Ok(Self { filter: read::filter(entity.shape(), Some(&conditions.into()))?, ..Self::all(entity) })
    }

    /// Reads a list body: `{where, orderBy, first, last, skip, after, before}`, every member optional and nullable.
    ///
    /// # Errors
    /// What is wrong and what is allowed.
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
    /// Changes the comparisons of a tree.
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
