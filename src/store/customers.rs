//! Users as SoftLayer sees them: numbers that are given once, and the hierarchy.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::model::user;
use super::{Tx, error, statement};
use crate::domain::id::UserId;
use crate::domain::permission::ROOT;
use crate::error::{Error, Result};

impl Tx {
    /// A number that nobody had before and nobody else will have.
    pub(super) async fn next_number(&self) -> Result<i64> {
        let sql =
            "UPDATE meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE id = 'last_number' RETURNING value";
        let query = statement(self.db.get_database_backend(), sql, []);
        let row = self.db.query_one_raw(query).await.map_err(error)?;
        let number: Option<String> = row.map(|row| row.try_get("", "value").map_err(error)).transpose()?;
        let number = number.and_then(|number| number.parse().ok());
        number.ok_or_else(|| Error::internal("meta has lost the last number"))
    }

    /// The one user without a parent; none while there is no user.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn master(&self) -> Result<Option<UserId>> {
        let row = user::Entity::find().filter(user::Column::ParentId.is_null()).one(&self.db).await.map_err(error)?;
        Ok(row.map(|row| UserId::from(row.id)))
    }

    /// Gives those whom a user made to whoever made that one. The master's go to the oldest who holds everything and is left, who becomes
    /// the master; to the oldest of all where nobody does.
    pub(super) async fn orphan(&self, id: &UserId) -> Result<()> {
        let row = user::Entity::find_by_id(id.as_str()).one(&self.db).await.map_err(error)?;
        let Some(row) = row else { return Ok(()) };
        let parent = match row.parent_id {
            Some(parent) => Some(parent),
            None => self.crown_heir(id).await?,
        };
        let adopt = user::Entity::update_many().col_expr(user::Column::ParentId, parent.into());
        adopt.filter(user::Column::ParentId.eq(id.as_str())).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Makes the heir of a master the master; none when nobody is left.
    async fn crown_heir(&self, master: &UserId) -> Result<Option<String>> {
        let heir = self.heir(master).await?;
        if let Some(heir) = &heir {
            let rise = user::Entity::update_many().col_expr(user::Column::ParentId, Option::<String>::None.into());
            rise.filter(user::Column::Id.eq(heir.as_str())).exec(&self.db).await.map_err(error)?;
        }
        Ok(heir)
    }

    async fn heir(&self, master: &UserId) -> Result<Option<String>> {
        let sql = "SELECT u.id FROM users u LEFT JOIN user_roles ur ON ur.user_id = u.id \
            LEFT JOIN roles r ON r.id = ur.role_id AND r.preset = $2 WHERE u.id <> $1 \
            ORDER BY CASE WHEN r.id IS NULL OR u.status <> 'ACTIVE' THEN 1 ELSE 0 END, u.number LIMIT 1";
        let query = statement(self.db.get_database_backend(), sql, [master.as_str().into(), ROOT.into()]);
        let row = self.db.query_one_raw(query).await.map_err(error)?;
        row.map(|row| row.try_get("", "id").map_err(error)).transpose()
    }
}
