//! Stores and reads the rows that a database needs before the service uses the database: facts about the database, the preset roles, an
//! organization, and signing keys.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use sea_orm_migration::SchemaManager;

use super::decode::write_actions;
use super::model::{meta, organization, role, signing_key};
use super::{Store, Tx, error};
use crate::domain::clock::{Timestamp, iso, parse_iso};
use crate::domain::id::{OrganizationId, RoleId, SigningKeyId};
use crate::domain::permission::Preset;
use crate::error::{Error, Result};

/// A stored signing key.
#[derive(Debug, Clone)]
pub struct SigningKeyRow {
    /// Id of the key: the `kid` of the tokens that the key signs.
    pub id: SigningKeyId,
    /// JWA name of the key's algorithm.
    pub algorithm: String,
    /// The public key.
    pub public_key: Vec<u8>,
    /// The private key, encrypted.
    pub sealed_private_key: Vec<u8>,
    /// When the key starts to sign tokens.
    pub active_from: Timestamp,
    /// When the last token signed by the key expires; `None` while the key is the newest.
    pub retired_at: Option<Timestamp>,
}

impl SigningKeyRow {
    /// Returns true if the last token signed by the key has expired.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.retired_at.is_some_and(|at| at <= now)
    }
}

impl Store {
    /// Returns the value of a fact about this database; `None` if the fact is not set, or before the first migration.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn fact(&self, name: &str) -> Result<Option<String>> {
        if !SchemaManager::new(&self.read).has_table("meta").await.map_err(error)? {
            return Ok(None);
        }
        let row = meta::Entity::find_by_id(name).one(&self.read).await.map_err(error)?;
        Ok(row.map(|row| row.value))
    }

    /// Returns the signing keys, oldest first.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKeyRow>> {
        let query = signing_key::Entity::find().order_by_asc(signing_key::Column::ActiveFrom);
        let rows = query.all(&self.read).await.map_err(error)?;
        rows.into_iter().map(signing_key_row).collect()
    }
}

impl Tx {
    /// Stores a new fact about this database.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn insert_fact(&self, name: &str, value: String) -> Result<()> {
        let row = meta::ActiveModel { id: Set(name.to_owned()), value: Set(value) };
        meta::Entity::insert(row).exec_without_returning(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Creates the role of a preset with the id `id`, or updates the existing role to this release's definition. Returns false if the
    /// existing role is already up to date.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn put_preset(&self, preset: &Preset, id: &RoleId) -> Result<bool> {
        let by_preset = role::Column::Preset.eq(preset.name);
        let existing = role::Entity::find().filter(by_preset).one(&self.db).await.map_err(error)?;
        let actions = write_actions(&preset.actions());
        if existing
            .as_ref()
            .is_some_and(|row| row.actions == actions && row.name == preset.title && row.platform == preset.platform)
        {
            return Ok(false);
        }
        let row = role::ActiveModel {
            id: Set(existing.as_ref().map_or_else(|| id.to_string(), |row| row.id.clone())),
            actions: Set(actions),
            name: Set(preset.title.to_owned()),
            platform: Set(preset.platform.to_owned()),
            preset: Set(Some(preset.name.to_owned())),
        };
        if existing.is_some() {
            role::Entity::update(row).exec(&self.db).await.map_err(error)?;
        } else {
            role::Entity::insert(row).exec_without_returning(&self.db).await.map_err(error)?;
        }
        Ok(true)
    }

    /// Creates the organization. Returns false if an organization already exists.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn ensure_organization(&self, id: &OrganizationId, name: &str) -> Result<bool> {
        if organization::Entity::find().count(&self.db).await.map_err(error)? > 0 {
            return Ok(false);
        }
        let row = organization::ActiveModel { id: Set(id.to_string()), name: Set(name.to_owned()) };
        organization::Entity::insert(row).exec_without_returning(&self.db).await.map_err(error)?;
        Ok(true)
    }

    /// Returns the signing keys, oldest first, as this write sees them.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKeyRow>> {
        let query = signing_key::Entity::find().order_by_asc(signing_key::Column::ActiveFrom);
        let rows = query.all(&self.db).await.map_err(error)?;
        rows.into_iter().map(signing_key_row).collect()
    }

    /// Stores a new signing key.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn insert_signing_key(&self, key: &SigningKeyRow, now: Timestamp) -> Result<()> {
        let row = signing_key::ActiveModel {
            id: Set(key.id.to_string()),
            active_from: Set(iso(key.active_from)),
            algorithm: Set(key.algorithm.clone()),
            created_at: Set(iso(now)),
            public_key: Set(key.public_key.clone()),
            retired_at: Set(key.retired_at.map(iso)),
            sealed_private_key: Set(key.sealed_private_key.clone()),
        };
        signing_key::Entity::insert(row).exec_without_returning(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Sets `retired_at` to `at` for every signing key that has no `retired_at`. `at` is the time at which the last token of the key
    /// expires.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn retire_signing_keys(&self, at: Timestamp) -> Result<()> {
        let open = signing_key::Column::RetiredAt.is_null();
        let update = signing_key::Entity::update_many().col_expr(signing_key::Column::RetiredAt, iso(at).into());
        update.filter(open).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Deletes the signing keys whose last token has expired.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn forget_signing_keys(&self, now: Timestamp) -> Result<()> {
        let over = signing_key::Column::RetiredAt.lte(iso(now));
        signing_key::Entity::delete_many().filter(over).exec(&self.db).await.map_err(error)?;
        Ok(())
    }
}

fn signing_key_row(row: signing_key::Model) -> Result<SigningKeyRow> {
    let moment = |text: &str| parse_iso(text).ok_or_else(|| Error::internal("a signing key's time is no time"));
    Ok(SigningKeyRow {
        id: SigningKeyId::from(row.id),
        algorithm: row.algorithm,
        public_key: row.public_key,
        sealed_private_key: row.sealed_private_key,
        active_from: moment(&row.active_from)?,
        retired_at: row.retired_at.as_deref().map(moment).transpose()?,
    })
}
