//! Stores, reads, renames, reactivates and deletes API keys.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::decode::write_actions;
use super::list::{Limit, ids};
use super::model::{api_key, api_key_role};
use super::{Scope, Store, Tx, error, is_taken, of_user, statement};
use crate::domain::api_key::{ApiKey, NewApiKey};
use crate::domain::clock::{Timestamp, iso};
use crate::domain::filter::Query;
use crate::domain::id::{ApiKeyId, UserId};
use crate::domain::reason::Reason;
use crate::error::{Error, Result};

impl Store {
    /// Returns the first key that `query` matches within `scope`; `None` if there is none.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn api_key(&self, query: &Query, scope: &Scope) -> Result<Option<ApiKey>> {
        // Does not use a lane (a connection for lists), so that the revocation of a key never waits for a list.
        let ids = ids(&self.read, query, scope, 1, Limit::LIST).await?;
        match ids.first() {
            Some(id) => api_key_by_id(&self.read, id).await,
            None => Ok(None),
        }
    }
}

impl Tx {
    /// Returns the first key that `query` matches within `scope`, as this write sees it; `None` if there is none.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn api_key(&self, query: &Query, scope: &Scope) -> Result<Option<ApiKey>> {
        let ids = self.ids(query, scope, 1).await?;
        match ids.first() {
            Some(id) => api_key_by_id(&self.db, id).await,
            None => Ok(None),
        }
    }

    /// Stores a new key.
    ///
    /// # Errors
    /// `Unauthenticated` if the owner was deleted in the meantime.
    /// `Invalid` if the key is classic and the owner already has a classic key.
    /// `Unavailable` if the database is unreachable.
    pub async fn insert_api_key(&self, key: NewApiKey, now: Timestamp) -> Result<()> {
        let number = match key.classic {
            Some(_) => Some(self.next_number().await?),
            None => None,
        };
        let (creator, sealed) = key.classic.map(|it| (Some(it.creator.to_string()), it.sealed)).unwrap_or_default();
        let row = api_key::ActiveModel {
            id: Set(key.id.to_string()),
            address_restriction: Set(None),
            amr: Set(serde_json::Value::from(key.provenance.amr).to_string()),
            auth_address: Set(key.provenance.auth_address.map(|address| address.to_string())),
            auth_time: Set(key.provenance.auth_time.map(iso)),
            ceiling: Set(write_actions(&key.ceiling)),
            changed_at: Set(number.map(|_| iso(now))),
            classic_of: Set(number.map(|_| key.user.to_string())),
            created_at: Set(iso(now)),
            made_by: Set(creator),
            description: Set(key.description),
            digest: Set(key.digest.as_bytes().to_vec()),
            editable: Set(true),
            name: Set(key.name),
            number: Set(number),
            sealed: Set(sealed),
            suspended_at: Set(None),
            user_id: Set(key.user.to_string()),
        };
        let insert = api_key::Entity::insert(row).exec_without_returning(&self.db).await;
        insert.map_err(|cause| {
            if is_taken(&cause) { Error::refused_change(Reason::SecondClassicKey) } else { of_user(cause) }
        })?;
        let roles = key.roles.iter().map(|role| api_key_role::ActiveModel {
            api_key_id: Set(key.id.to_string()),
            role_id: Set(role.to_string()),
        });
        if !key.roles.is_empty() {
            api_key_role::Entity::insert_many(roles).exec_without_returning(&self.db).await.map_err(error)?;
        }
        Ok(())
    }

    /// Changes the name or the description of a key, or both. A parameter that is `None` leaves the stored text as it is. At least one of
    /// the two must be `Some`.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
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

    /// Reactivates a suspended key.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn resume_api_key(&self, id: &ApiKeyId) -> Result<()> {
        let update =
            api_key::Entity::update_many().col_expr(api_key::Column::SuspendedAt, Option::<String>::None.into());
        update.filter(api_key::Column::Id.eq(id.as_str())).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Deletes a key and returns its name; `None` if another request deleted the key first.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn delete_api_key(&self, id: &ApiKeyId) -> Result<Option<String>> {
        let sql = "DELETE FROM api_keys WHERE id = $1 RETURNING name";
        let delete = statement(self.db.get_database_backend(), sql, [id.as_str().into()]);
        let row = self.db.query_one_raw(delete).await.map_err(error)?;
        row.map(|row| row.try_get("", "name").map_err(error)).transpose()
    }

    /// Returns the id and the name of each key of a user.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn keys_of(&self, user: &UserId) -> Result<Vec<(ApiKeyId, String)>> {
        let query = api_key::Entity::find().filter(api_key::Column::UserId.eq(user.as_str()));
        let columns = [api_key::Column::Id, api_key::Column::Name];
        let query = query.select_only().columns(columns).order_by_asc(api_key::Column::Id);
        let rows: Vec<(String, String)> = query.into_tuple().all(&self.db).await.map_err(error)?;
        Ok(rows.into_iter().map(|(id, name)| (ApiKeyId::from(id), name)).collect())
    }
}

async fn api_key_by_id(db: &impl ConnectionTrait, id: &str) -> Result<Option<ApiKey>> {
    let row = api_key::Entity::find_by_id(id).one(db).await.map_err(error)?;
    Ok(row.map(|row| ApiKey { id: ApiKeyId::from(row.id), name: row.name, user: UserId::from(row.user_id) }))
}
