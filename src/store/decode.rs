//! Converts between column values and domain types.

use sea_orm::{QueryResult, TryGetable};

use super::error;
use crate::domain::clock::{Timestamp, parse_iso};
use crate::domain::customer::{Status, actions_of};
use crate::domain::permission::{Actions, SELF_SERVICE};
use crate::domain::rights::Rights;
use crate::error::{Error, Result};

pub(super) fn text(row: &QueryResult, column: &str) -> Result<String> {
    row.try_get("", column).map_err(error)
}

pub(super) fn maybe<T: TryGetable>(row: &QueryResult, column: &str) -> Result<Option<T>> {
    row.try_get("", column).map_err(error)
}

pub(super) fn moment(row: &QueryResult, column: &str) -> Result<Timestamp> {
    parse_iso(&text(row, column)?).ok_or_else(|| Error::internal(format!("sessions.{column} is no time")))
}

pub(super) fn number(row: &QueryResult) -> Result<i64> {
    maybe(row, "number")?.ok_or_else(|| Error::internal("a user has no number"))
}

/// Returns the rights that follow from the user's own permissions.
pub(super) fn own_rights(row: &QueryResult) -> Result<Rights> {
    let names: Vec<String> = serde_json::from_str(&text(row, "permissions")?).map_err(Error::internal)?;
    Ok(actions_of(names.iter().map(String::as_str)).into())
}

/// Returns the rights that follow from the role in a row; no rights if the row has no role.
pub(super) fn role_rights(row: &QueryResult) -> Result<Rights> {
    let Some(actions) = maybe::<String>(row, "actions")? else { return Ok(Rights::NONE) };
    let actions = parse_actions(&actions)?;
    Ok(if text(row, "platform")? == SELF_SERVICE { Rights::on_own(actions) } else { Rights::from(actions) })
}

pub(super) fn parse_actions(json: &str) -> Result<Actions> {
    let names: Vec<String> = serde_json::from_str(json).map_err(Error::internal)?;
    Ok(Actions::from_names(names.iter().map(String::as_str)))
}

/// Encodes a set of actions as stored JSON.
pub(super) fn write_actions(actions: &Actions) -> String {
    serde_json::Value::from(actions.names()).to_string()
}

/// Parses a stored user status.
pub(super) fn status(name: &str) -> Result<Status> {
    Status::parse(name).ok_or_else(|| Error::internal(format!("users.status {name:?} is none")))
}
