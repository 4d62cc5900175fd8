//! Long lists, read without a cursor: first which rows they hold, then these, some at a time. Between two reads no connection is held.

use futures_util::TryStreamExt;
use sea_orm::{DatabaseConnection, StreamTrait};
use tokio::sync::OwnedSemaphorePermit;

use super::{Budget, Node, Projection, Scope, compile, list, matching};
use crate::domain::filter::{Query, Scalar};
use crate::domain::id::UserId;
use crate::error::{Error, Result};
use crate::store::{Store, error};

use std::collections::HashMap;
use std::sync::Arc;

/// Ids in their order, one after another in one text.
#[derive(Debug, Default)]
pub struct Ids {
    text: String,
    ends: Vec<u32>,
    /// The place of the list among its caller's whole lists, as long as the ids are held.
    _place: Option<OwnedSemaphorePermit>,
}

impl Ids {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Some of them, from a place on.
    pub fn slice(&self, from: usize, most: usize) -> impl Iterator<Item = &str> {
        let start = |at: usize| match at.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or_default(),
            None => 0,
        };
        let ends = self.ends.iter().enumerate().skip(from).take(most);
        ends.filter_map(move |(at, end)| self.text.get(start(at) as usize..*end as usize))
    }

    fn reversed(&self) -> Result<Self> {
        let mut reversed = Self::default();
        (0..self.len()).rev().flat_map(|at| self.slice(at, 1)).try_for_each(|id| reversed.push(id))?;
        Ok(reversed)
    }

    fn push(&mut self, id: &str) -> Result<()> {
        self.text.push_str(id);
        self.ends.push(u32::try_from(self.text.len()).map_err(Error::internal)?);
        Ok(())
    }
}

impl Store {
    /// The ids of all rows of a list for a caller, in the order of the list.
    ///
    /// # Errors
    /// Like [`Store::list`]; `TooMany` too when the caller holds the ids of 8 lists already.
    pub async fn list_ids(&self, caller: Option<&UserId>, query: &Query, scope: &Scope) -> Result<Ids> {
        let place = self.lanes.whole(caller).await?;
        let ids = self.lanes.read(caller, async |db| read_ids(&db, query, scope).await).await?;
        Ok(Ids { _place: Some(place), ..ids })
    }

    /// Those rows of a list for a caller that have these ids and are still there, in the order of the ids.
    ///
    /// # Errors
    /// Like [`Store::list`].
    pub async fn list_block(
        &self,
        caller: Option<&UserId>,
        query: &Query,
        scope: &Scope,
        projection: &Projection,
        ids: Vec<String>,
    ) -> Result<Vec<Arc<Node>>> {
        let entity = query.entity;
        let id = entity.field("id").ok_or_else(|| Error::internal(format!("{} has no id", entity.name)))?;
        let these = ids.iter().cloned().map(Scalar::Text).collect();
        let query = Query { language: query.language, ..Query::having(entity, id, these) };
        let budget = Budget::unlimited();
        let read = async |db: DatabaseConnection| list(&db, &query, scope, projection, &budget).await;
        let rows = self.lanes.read(caller, read).await?;
        let mut rows: HashMap<String, Arc<Node>> = rows.into_iter().map(|row| (row.id().to_owned(), row)).collect();
        Ok(ids.iter().filter_map(|id| rows.remove(id)).collect())
    }
}

async fn read_ids(db: &DatabaseConnection, query: &Query, scope: &Scope) -> Result<Ids> {
    let Some(mut select) = matching(db, query, scope).await? else { return Ok(Ids::default()) };
    let database = sea_orm::ConnectionTrait::get_database_backend(db);
    compile::order(database, query, &mut select);
    compile::limit(query, None, &mut select);
    select.column((query.entity.table, "id"));
    let mut ids = Ids::default();
    let mut rows = db.stream_raw(database.build(&select)).await.map_err(error)?;
    while let Some(row) = rows.try_next().await.map_err(error)? {
        ids.push(&row.try_get::<String>("", "id").map_err(error)?)?;
    }
    // The end of a list is read from its end.
    if query.page.last.is_some() { ids.reversed() } else { Ok(ids) }
}
