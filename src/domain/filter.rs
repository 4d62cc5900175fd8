//! The list language's `where`, read against an entity's description into a tree that the store compiles to SQL.
//!
//! Today: every scalar field by equality and by `_in`, ANDed. The other operators, AND/OR/NOT and relations get their variants
//! here and their arm in the compiler, and nowhere else.

use serde_json::{Map, Value};

use super::entity::{Entity, Field, Kind};
use super::page::{Order, Page};

/// Most values of a whole `where`. A statement of SQLite takes 32,766 of them, one of PostgreSQL 65,535.
const VALUES_MAX: usize = 30_000;

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
}

/// A condition on a row.
#[derive(Debug, Clone)]
pub enum Filter {
    /// All of these hold; none at all is true.
    All(Vec<Filter>),
    /// The field is one of these; an empty list is false. `Null` stands for "no value".
    In(&'static Field, Vec<Scalar>),
    /// The field is one of these API keys, by digest. Made by the service from [`Filter::In`] on a [`Kind::Key`].
    Digests(&'static Field, Vec<Vec<u8>>),
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
        Self { entity, filter: Filter::All(Vec::new()), order: None, page: Page::default() }
    }

    /// The rows whose field is this value.
    #[must_use]
    pub fn one(entity: &'static Entity, field: &'static Field, value: Scalar) -> Self {
        Self { filter: Filter::In(field, vec![value]), ..Self::all(entity) }
    }

    /// Reads a list body: `{where, orderBy, first, last, skip, after, before}`, every member optional and nullable.
    ///
    /// # Errors
    /// What is wrong and what is allowed.
    pub fn parse(entity: &'static Entity, list: &Map<String, Value>) -> Result<Self, String> {
        const MEMBERS: [&str; 7] = ["where", "orderBy", "first", "last", "skip", "after", "before"];
        if let Some(unknown) = list.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(format!("{unknown:?} is not known: allowed are {}", MEMBERS.join(", ")));
        }
        Ok(Self {
            entity,
            filter: Filter::parse(entity, list.get("where"))?,
            order: Order::parse(entity, list)?,
            page: Page::parse(list)?,
        })
    }
}

impl Filter {
    /// Reads a `where`.
    ///
    /// # Errors
    /// What is wrong and what is allowed.
    pub fn parse(entity: &'static Entity, input: Option<&Value>) -> Result<Self, String> {
        let members = match input {
            None | Some(Value::Null) => return Ok(Self::All(Vec::new())),
            Some(Value::Object(members)) => members,
            Some(_) => return Err(format!("where must be an object, a {}", entity.where_input())),
        };
        let conditions: Vec<Self> =
            members.iter().map(|(name, value)| condition(entity, name, value)).collect::<Result<_, _>>()?;
        let values: usize = conditions.iter().map(Self::values).sum();
        if values > VALUES_MAX {
            return Err(format!("where holds {values} values: at most {VALUES_MAX} are allowed"));
        }
        Ok(Self::All(conditions))
    }

    /// How many values are compared with.
    fn values(&self) -> usize {
        match self {
            Self::All(filters) => filters.iter().map(Self::values).sum(),
            Self::In(_, values) => values.len(),
            Self::Digests(_, digests) => digests.len(),
        }
    }
}

fn condition(entity: &'static Entity, name: &str, value: &Value) -> Result<Filter, String> {
    let field = |name: &str| entity.filterable().find(|field| field.name == name);
    if let Some(field) = field(name) {
        return Ok(Filter::In(field, vec![scalar(field, name, value)?]));
    }
    if let Some(field) = name.strip_suffix("_in").and_then(field).filter(|field| field.has_in()) {
        let values = match value {
            Value::Array(values) => values.iter().map(|value| scalar(field, name, value)).collect::<Result<_, _>>()?,
            Value::Null => vec![Scalar::Null],
            _ => return Err(format!("where.{name} must be a list")),
        };
        return Ok(Filter::In(field, values));
    }
    Err(format!("where.{name} is not known: it is no field of {}", entity.where_input()))
}

/// Reads one value for a field. Numbers may be sent as text, as CloudTower's own pages do.
fn scalar(field: &Field, name: &str, value: &Value) -> Result<Scalar, String> {
    let wrong = |allowed: &str| Err(format!("where.{name} must be {allowed}"));
    if value.is_null() {
        return Ok(Scalar::Null);
    }
    match field.kind {
        // GraphQL writes ids as numbers too.
        Kind::Id if value.is_u64() => Ok(Scalar::Text(value.to_string())),
        Kind::Id | Kind::Text | Kind::Key => match value {
            Value::String(text) if !text.contains('\0') => Ok(Scalar::Text(text.clone())),
            _ => wrong("text without NUL"),
        },
        Kind::DateTime => match value.as_str().and_then(super::clock::parse_iso) {
            Some(moment) => Ok(Scalar::Text(super::clock::iso(moment))),
            None => wrong("a time such as \"2026-01-31T12:00:00.000Z\""),
        },
        Kind::Enum(values) => match value.as_str() {
            Some(text) if values.values.contains(&text) => Ok(Scalar::Text(text.to_owned())),
            _ => wrong(&format!("one of {}", values.values.join(", "))),
        },
        Kind::Bool => match value {
            Value::Bool(truth) => Ok(Scalar::Bool(*truth)),
            _ => wrong("true or false"),
        },
        Kind::Int | Kind::Long => {
            let number = value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
            let small = matches!(field.kind, Kind::Long) || number.is_some_and(|number| i32::try_from(number).is_ok());
            match number {
                Some(number) if small => Ok(Scalar::Integer(number)),
                _ => wrong(if matches!(field.kind, Kind::Int) {
                    "a 32-bit whole number"
                } else {
                    "a 64-bit whole number"
                }),
            }
        }
        Kind::Float => {
            let number = value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
            match number.filter(|number| number.is_finite()) {
                Some(number) => Ok(Scalar::Float(number)),
                None => wrong("a number"),
            }
        }
        _ => wrong("a scalar"),
    }
}
