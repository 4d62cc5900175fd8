//! Reads the ids of the rows that a list request matches, for operations on these rows. Such an operation then reads the rows by typed
//! functions.

use sea_orm::ConnectionTrait;

use super::{Limit, Scope, compile, matching};
use crate::domain::filter::Query;
use crate::domain::id::UserId;
use crate::error::Result;
use crate::store::{Store, Tx, error};

impl Store {
    /// Returns the ids of the matching rows in order. Returns at most `most` + 1 ids, so that the caller notices if more than `most` rows
    /// match.
    ///
    /// # Errors
    /// `Invalid` if the list is too costly or takes too long.
    /// `TooMany` if the caller already reads too many lists.
    /// `Unavailable` if the database is unreachable.
    pub async fn ids(&self, caller: Option<&UserId>, query: &Query, scope: &Scope, most: usize) -> Result<Vec<String>> {
        self.lanes.read(caller, async |db| ids(&db, query, scope, most, Limit::LIST).await).await
    }
}

impl Tx {
    /// Returns the ids of the matching rows as this write sees the rows, in order. Returns at most `most` + 1 ids, so that the caller
    /// notices if more than `most` rows match.
    ///
    /// # Errors
    /// `Invalid` if the list is too costly.
    /// `Unavailable` if the database is unreachable.
    pub async fn ids(&self, query: &Query, scope: &Scope, most: usize) -> Result<Vec<String>> {
        ids(&self.db, query, scope, most, Limit::WRITE).await
    }
}

pub(in crate::store) async fn ids(
    db: &impl ConnectionTrait,
    query: &Query,
    scope: &Scope,
    most: usize,
    limit: Limit,
) -> Result<Vec<String>> {
    let Some(mut select) = matching(db, query, scope, limit).await? else { return Ok(Vec::new()) };
    compile::order(db.get_database_backend(), query, &mut select);
    select.column((query.entity.table, "id")).limit(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1));
    let rows = db.query_all(&select).await.map_err(error)?;
    rows.iter().map(|row| row.try_get("", "id").map_err(error)).collect()
}
