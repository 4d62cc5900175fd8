//! Stores, claims, postpones and deletes letters: mails that wait to be sent.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::model::letter::{ActiveModel, Column, Entity};
use super::{Store, Tx, error, statement};
use crate::domain::clock::{Timestamp, iso, parse_iso};
use crate::domain::id::LetterId;
use crate::error::{Error, Result};

/// A letter that waits to be sent.
#[derive(Debug)]
pub struct LetterRow {
    /// Id of the letter.
    pub id: LetterId,
    /// Recipient and content, encrypted.
    pub sealed: Vec<u8>,
    /// Number of attempts to send the letter, including the current one.
    pub tries: i32,
    /// When the service stops trying to send the letter.
    pub expires_at: Timestamp,
}

impl Store {
    /// Returns true if a letter is due.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn has_letters(&self, now: Timestamp) -> Result<bool> {
        let due = Entity::find().filter(Column::DueAt.lte(iso(now))).select_only().column(Column::Id).limit(1);
        Ok(due.into_tuple::<String>().one(&self.read).await.map_err(error)?.is_some())
    }
}

impl Tx {
    /// Stores a letter that is due at once. The service stops trying to send the letter at `until`.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn insert_letter(&self, id: &LetterId, sealed: Vec<u8>, now: Timestamp, until: Timestamp) -> Result<()> {
        let row = ActiveModel {
            id: Set(id.to_string()),
            created_at: Set(iso(now)),
            due_at: Set(iso(now)),
            expires_at: Set(iso(until)),
            sealed: Set(sealed),
            tries: Set(0),
        };
        Entity::insert(row).exec_without_returning(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Claims the letter that has been due for longest, so that no other node claims the same letter before `until`. Returns `None` if no
    /// letter is due, or if another node claimed the letter first.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn claim_letter(&self, now: Timestamp, until: Timestamp) -> Result<Option<LetterRow>> {
        // If another write is claiming the same row, PostgreSQL waits for that write to end, then evaluates the last condition again.
        let sql = "UPDATE letters SET due_at = $1, tries = tries + 1 \
                   WHERE id = (SELECT id FROM letters WHERE due_at <= $2 ORDER BY due_at, id LIMIT 1) AND due_at <= $2 \
                   RETURNING id, sealed, tries, expires_at";
        let query = statement(self.db.get_database_backend(), sql, [iso(until).into(), iso(now).into()]);
        let Some(row) = self.db.query_one_raw(query).await.map_err(error)? else { return Ok(None) };
        let expires_at: String = row.try_get("", "expires_at").map_err(error)?;
        Ok(Some(LetterRow {
            id: LetterId::from(row.try_get::<String>("", "id").map_err(error)?),
            sealed: row.try_get("", "sealed").map_err(error)?,
            tries: row.try_get("", "tries").map_err(error)?,
            expires_at: parse_iso(&expires_at).ok_or_else(|| Error::internal("letters.expires_at is no time"))?,
        }))
    }

    /// Postpones a letter until `until`.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn put_off_letter(&self, id: &LetterId, until: Timestamp) -> Result<()> {
        let update = Entity::update_many().col_expr(Column::DueAt, iso(until).into());
        update.filter(Column::Id.eq(id.as_str())).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Deletes a letter.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn delete_letter(&self, id: &LetterId) -> Result<()> {
        Entity::delete_by_id(id.as_str()).exec(&self.db).await.map_err(error)?;
        Ok(())
    }
}
