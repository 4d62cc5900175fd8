//! Order and window of a list (contract section 4.4).

use serde_json::{Map, Value};

use super::entity::{Entity, Field};
use super::nearest::did_you_mean;
use super::text::{Text, text};

/// The order of a list. Rows that compare equal are always sorted by id, ascending.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// Field to sort by.
    pub field: &'static Field,
    /// Whether the greatest value comes first.
    pub descending: bool,
}

/// Window of an ordered list: the part of the rows to return.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Maximum number of rows, counted from the start.
    pub first: Option<u64>,
    /// Maximum number of rows, counted from the end; the answer keeps the forward order.
    pub last: Option<u64>,
    /// Number of rows to skip: at the end with `last`, else at the start.
    pub skip: u64,
    /// Only rows after the row with this id.
    pub after: Option<String>,
    /// Only rows before the row with this id.
    pub before: Option<String>,
}

impl Page {
    /// Parses `first`, `last`, `skip`, `after` and `before`.
    ///
    /// # Errors
    /// The text says what is wrong and what is allowed.
    pub fn parse(list: &Map<String, Value>) -> Result<Self, Text> {
        let page = Self {
            first: count(list, "first")?,
            last: count(list, "last")?,
            skip: count(list, "skip")?.unwrap_or_default(),
            after: row_id(list, "after")?,
            before: row_id(list, "before")?,
        };
        if page.first.is_some() && page.last.is_some() {
            return Err(text!("first and last can't be used together", "first 和 last 不能同时使用"));
        }
        Ok(page)
    }

    /// Returns whether `first`, `last` or `skip` can leave out rows.
    #[must_use]
    pub fn is_part(&self) -> bool {
        self.first.is_some() || self.last.is_some() || self.skip > 0
    }
}

impl Order {
    /// Parses `orderBy`: one `<field>_ASC` or `<field>_DESC`; `None` if `orderBy` is absent or null.
    ///
    /// # Errors
    /// The text says what is wrong and what is allowed.
    pub fn parse(entity: &'static Entity, list: &Map<String, Value>) -> Result<Option<Self>, Text> {
        let name = match list.get("orderBy") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(name)) => name,
            Some(_) => {
                return Err(text!("orderBy must be text such as \"id_ASC\"", "orderBy 必须是文本，例如 \"id_ASC\""));
            }
        };
        let split = name.strip_suffix("_ASC").map(|field| (field, false));
        let split = split.or_else(|| name.strip_suffix("_DESC").map(|field| (field, true)));
        let found = split.and_then(|(field, descending)| {
            let field = entity.orderable().find(|candidate| candidate.name == field)?;
            Some(Self { field, descending })
        });
        found.map(Some).ok_or_else(|| {
            let meant = did_you_mean(name, entity.orders());
            let unknown = text!(
                "orderBy {name:?} is not known: allowed is a plain field of {} followed by _ASC or _DESC",
                "未知的 orderBy {name:?}：可用的是 {} 的普通字段加 _ASC 或 _DESC",
                entity.name
            );
            unknown.then(&meant)
        })
    }
}

fn count(list: &Map<String, Value>, name: &str) -> Result<Option<u64>, Text> {
    const MAX: u64 = i32::MAX as u64;
    match list.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(count) if count <= MAX => Ok(Some(count)),
            _ => Err(text!("{name} must be a whole number from 0 to {MAX}", "{name} 必须是 0 到 {MAX} 的整数")),
        },
    }
}

fn row_id(list: &Map<String, Value>, name: &str) -> Result<Option<String>, Text> {
    match list.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.contains('\0') => Ok(Some(text.clone())),
        Some(_) => Err(text!("{name} must be the id of a row, as text", "{name} 必须是某一行的 id 文本")),
    }
}
