//! Reads long lists without a cursor: first the ids of all rows, then the rows, a block at a time. No connection is held between two reads.

use futures_util::TryStreamExt;
use sea_orm::{DatabaseConnection, StreamTrait};
use tokio::sync::OwnedSemaphorePermit;

use super::{Budget, Limit, Node, Projection, Scope, compile, list, matching};
use crate::domain::filter::{Query, Scalar};
use crate::domain::id::UserId;
use crate::error::{Error, Result};
use crate::store::{Store, error};

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Maximum number of rows in a block.
pub const BLOCK: usize = 500;

/// The ids of the rows of a long list that are not read yet, in blocks. Taking a block frees the memory of the block.
#[derive(Debug, Default)]
pub struct Ids {
    blocks: VecDeque<Block>,
    /// Whether the ids are stored in reverse order.
    backward: bool,
    /// The list's place among the long lists that the caller may receive at the same time, held as long as the ids.
    _place: Option<OwnedSemaphorePermit>,
}

/// Some ids, concatenated in one string, and for each id the position where the id ends in the string.
#[derive(Debug, Default)]
struct Block {
    text: String,
    ends: Vec<usize>,
}

impl Ids {
    /// Returns true if no id is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Removes and returns the next ids, at most [`BLOCK`]. Returns no ids if none are left.
    pub fn take(&mut self) -> Vec<String> {
        let next = if self.backward { self.blocks.pop_back() } else { self.blocks.pop_front() };
        let Block { text, ends } = next.unwrap_or_default();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let ids = starts.zip(&ends).filter_map(|(start, end)| text.get(start..*end).map(str::to_owned));
        let mut ids: Vec<String> = ids.collect();
        if self.backward {
            ids.reverse();
        }
        ids
    }

    fn push(&mut self, id: &str) {
        match self.blocks.back_mut().filter(|block| block.ends.len() < BLOCK) {
            Some(block) => block.push(id),
            None => {
                if let Some(full) = self.blocks.back_mut() {
                    full.text.shrink_to_fit();
                    full.ends.shrink_to_fit();
                }
                let mut block = Block::default();
                block.push(id);
                self.blocks.push_back(block);
            }
        }
    }
}

impl Block {
    fn push(&mut self, id: &str) {
        self.text.push_str(id);
        self.ends.push(self.text.len());
    }
}

impl Store {
    /// Returns the ids of all rows of a list for a caller, in the order of the list.
    ///
    /// # Errors
    /// Same as [`Store::list`].
    /// `TooMany` also if the caller already receives 8 long lists.
    pub async fn list_ids(&self, caller: Option<&UserId>, query: &Query, scope: &Scope) -> Result<Ids> {
        let place = self.lanes.whole(caller).await?;
        let ids = self.lanes.read(caller, async |db| read_ids(&db, query, scope).await).await?;
        Ok(Ids { _place: Some(place), ..ids })
    }

    /// Returns the rows of a list that have these ids, in the order of the ids. Omits rows that were deleted in the meantime.
    ///
    /// # Errors
    /// Same as [`Store::list`].
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
        let read = async |db: DatabaseConnection| list(&db, &query, scope, projection, &budget, Limit::LIST).await;
        let rows = self.lanes.read(caller, read).await?;
        let mut rows: HashMap<String, Arc<Node>> = rows.into_iter().map(|row| (row.id().to_owned(), row)).collect();
        Ok(ids.iter().filter_map(|id| rows.remove(id)).collect())
    }
}

async fn read_ids(db: &DatabaseConnection, query: &Query, scope: &Scope) -> Result<Ids> {
    let Some(mut select) = matching(db, query, scope, Limit::LIST).await? else { return Ok(Ids::default()) };
    let database = sea_orm::ConnectionTrait::get_database_backend(db);
    compile::order(database, query, &mut select);
    compile::limit(query, None, &mut select);
    select.column((query.entity.table, "id"));
    // With `last`, the statement returns the rows in reverse order.
    let mut ids = Ids { backward: query.page.last.is_some(), ..Ids::default() };
    let mut rows = db.stream_raw(database.build(&select)).await.map_err(error)?;
    while let Some(row) = rows.try_next().await.map_err(error)? {
        ids.push(&row.try_get::<String>("", "id").map_err(error)?);
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_out_in_the_order_of_the_list() {
        for (many, backward) in [(0, false), (1, false), (500, false), (1_234, false), (1_234, true), (501, true)] {
            let names: Vec<String> = (0..many).map(|at| format!("{at:x}")).collect();
            let mut ids = Ids { backward, ..Ids::default() };
            names.iter().for_each(|name| ids.push(name));
            let mut taken = Vec::new();
            while !ids.is_empty() {
                let some = ids.take();
                assert!((1..=BLOCK).contains(&some.len()));
                taken.extend(some);
            }
            if backward {
                taken.reverse();
            }
            assert_eq!(taken, names);
            assert!(ids.take().is_empty());
        }
    }
}
