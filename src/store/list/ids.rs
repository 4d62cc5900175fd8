//! The ids of the rows that a list request matches, for whoever decides over them: what is decided is read by its own typed reads.

use sea_orm::ConnectionTrait;

use super::{Scope, compile, matching};
use crate::domain::filter::Query;
use crate::domain::id::UserId;
use crate::error::Result;
use crate::store::{Store, Tx, error};

impl Store {
    /// The ids of the rows that match, at most one more than `most`, in order.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn ids(&self, caller: Option<&UserId>, query: &Query, scope: &Scope, most: usize) -> Result<Vec<String>> {
        self.lanes.read(caller, async |db| ids(&db, query, scope, most).await).await
    }
}

impl Tx {
    /// The ids of the rows that match, as this write sees them, at most one more than `most`, in order.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn ids(&self, query: &Query, scope: &Scope, most: usize) -> Result<Vec<String>> {
        ids(&self.db, query, scope, most).await
    }
}

pub(in crate::store) async fn ids(
    db: &impl ConnectionTrait,
    query: &Query,
    scope: &Scope,
    most: usize,
) -> Result<Vec<String>> {
    let Some(mut select) = matching(db, query, scope).await? else { return Ok(Vec::new()) };
    compile::order(db.get_database_backend(), query, &mut select);
    select.column((query.entity.table, "id")).limit(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1));
    let rows = db.query_all(&select).await.map_err(error)?;
    rows.iter().map(|row| row.try_get("", "id").map_err(error)).collect()
}
