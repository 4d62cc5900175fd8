//! API keys: made, described, deleted.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::credentials::write_actions;
use super::model::{api_key, api_key_role};
use super::{Tx, error, of_user};
use crate::domain::api_key::NewApiKey;
use crate::domain::clock::{Timestamp, iso};
use crate::domain::id::ApiKeyId;
use crate::error::Result;

impl Tx {
    /// Stores a new key.
    ///
    /// # Errors
    /// `Unauthenticated` when the owner was deleted meanwhile, `Unavailable` when the database is away.
    pub async fn insert_api_key(&self, key: NewApiKey, now: Timestamp) -> Result<()> {
        let row = api_key::ActiveModel {
            id: Set(key.id.to_string()),
            ceiling: Set(write_actions(&key.ceiling)),
            created_at: Set(iso(now)),
            description: Set(key.description),
            digest: Set(key.digest.as_bytes().to_vec()),
            editable: Set(true),
            name: Set(key.name),
            user_id: Set(key.user.to_string()),
        };
        api_key::Entity::insert(row).exec_without_returning(&self.db).await.map_err(of_user)?;
        let roles = key.roles.iter().map(|role| api_key_role::ActiveModel {
            api_key_id: Set(key.id.to_string()),
            role_id: Set(role.to_string()),
        });
        if !key.roles.is_empty() {
            api_key_role::Entity::insert_many(roles).exec_without_returning(&self.db).await.map_err(error)?;
        }
        Ok(())
    }

    /// Changes a key's name or description (one at least); `None` leaves as it is.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn describe_api_key(
        &self,
        id: &ApiKeyId,
        name: Option<String>,
        description: Option<String>,
    ) -> Result<()> {
        let changes = [(api_key::Column::Name, name), (api_key::Column::Description, description)];
        let mut update = api_key::Entity::update_many().filter(api_key::Column::Id.eq(id.as_str()));
        for (column, text) in changes {
            if let Some(text) = text {
                update = update.col_expr(column, text.into());
            }
        }
        update.exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Deletes a key; false when another request was faster.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn delete_api_key(&self, id: &ApiKeyId) -> Result<bool> {
        let done = api_key::Entity::delete_by_id(id.as_str()).exec(&self.db).await.map_err(error)?;
        Ok(done.rows_affected == 1)
    }
}
