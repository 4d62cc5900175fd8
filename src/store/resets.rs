//! Password reset links, which are sent by mail.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::model::password_reset::{ActiveModel, Column, Entity};
use super::{Store, Tx, error, not_held, of_user, statement};
use crate::domain::clock::{Timestamp, iso};
use crate::domain::id::UserId;
use crate::error::Result;

impl Store {
    /// Returns the user to whom the link with this digest was mailed; `None` if the link is unknown, already used or expired.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn reset(&self, digest: &[u8], now: Timestamp) -> Result<Option<UserId>> {
        let live = Column::Digest.eq(digest).and(Column::ExpiresAt.gt(iso(now)));
        let row = Entity::find().filter(live).one(&self.read).await.map_err(error)?;
        Ok(row.map(|row| UserId::from(row.user_id)))
    }
}

impl Tx {
    /// Stores the digest of a new link for a user, and deletes the user's earlier links.
    ///
    /// # Errors
    /// `Unauthenticated` if the user was deleted in the meantime.
    /// `Unavailable` if the database is unreachable.
    pub async fn insert_reset(
        &self,
        id: String,
        user: &UserId,
        digest: Vec<u8>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<()> {
        self.delete_resets_of(user).await?;
        let row = ActiveModel {
            id: Set(id),
            created_at: Set(iso(now)),
            digest: Set(digest),
            expires_at: Set(iso(until)),
            user_id: Set(user.to_string()),
        };
        Entity::insert(row).exec_without_returning(&self.db).await.map_err(of_user)?;
        Ok(())
    }

    /// Deletes a link, so that the link works only once, and returns the user to whom the link was mailed; `None` if the link is unknown,
    /// already used or expired.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn spend_reset(&self, digest: Vec<u8>, now: Timestamp) -> Result<Option<UserId>> {
        let sql = "DELETE FROM password_resets WHERE digest = $1 AND expires_at > $2 RETURNING user_id";
        let query = statement(self.db.get_database_backend(), sql, [digest.into(), iso(now).into()]);
        let row = self.db.query_one_raw(query).await.map_err(error)?;
        row.map(|row| row.try_get::<String>("", "user_id").map(UserId::from).map_err(error)).transpose()
    }

    /// Deletes all password reset links of a user.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn delete_resets_of(&self, user: &UserId) -> Result<()> {
        Entity::delete_many().filter(Column::UserId.eq(user.as_str())).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Deletes expired password reset links, except links that another write has locked.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn forget_resets(&self, now: Timestamp) -> Result<()> {
        let over = not_held::<Entity>(Column::Id, Column::ExpiresAt.lte(iso(now)));
        Entity::delete_many().filter(Column::Id.in_subquery(over)).exec(&self.db).await.map_err(error)?;
        Ok(())
    }
}
