//! Users as SoftLayer sees them: numbers that are given once, states, the hierarchy, and the one classic key of each.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::model::{api_key, user};
use super::people::{number, status};
use super::{Tx, error, statement};
use crate::domain::api_key::Provenance;
use crate::domain::clock::{Timestamp, iso, parse_iso};
use crate::domain::customer::{ClassicKey, Customer, Status};
use crate::domain::id::{ApiKeyId, UserId};
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
        let row = user::Entity::find().filter(user::Column::Parent.is_null()).one(&self.db).await.map_err(error)?;
        Ok(row.map(|row| UserId::from(row.id)))
    }

    /// A user by their number.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn customer(&self, number: i64) -> Result<Option<Customer>> {
        let row = user::Entity::find().filter(user::Column::Number.eq(number)).one(&self.db).await.map_err(error)?;
        row.map(read).transpose()
    }

    /// The number of a user.
    ///
    /// # Errors
    /// `Internal` when there is no such user, `Unavailable` when the database is away.
    pub async fn number_of(&self, id: &UserId) -> Result<i64> {
        let row = user::Entity::find_by_id(id.as_str()).one(&self.db).await.map_err(error)?;
        number(&row.ok_or_else(|| Error::internal("a key has lost its owner"))?)
    }

    /// Puts a user into another state. One who is not active any more is logged out everywhere.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn set_status(&self, id: &UserId, status: Status, now: Timestamp) -> Result<()> {
        let update = user::Entity::update_many()
            .col_expr(user::Column::Status, status.key_name().into())
            .col_expr(user::Column::StatusAt, iso(now).into());
        update.filter(user::Column::Id.eq(id.as_str())).exec(&self.db).await.map_err(error)?;
        if status != Status::Active {
            self.end_sessions_of(id, None).await?;
            self.delete_challenges_of(id).await?;
            self.delete_resets_of(id).await?;
        }
        Ok(())
    }

    /// Says from where a user may log in; from everywhere where absent.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn restrict_user(&self, id: &UserId, addresses: Option<String>, now: Timestamp) -> Result<()> {
        let update = user::Entity::update_many()
            .col_expr(user::Column::AddressRestriction, addresses.into())
            .col_expr(user::Column::ModifiedAt, iso(now).into());
        update.filter(user::Column::Id.eq(id.as_str())).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Tells whether a user made another one, or somebody who did, and so on.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn is_above(&self, ancestor: &UserId, user: &UserId) -> Result<bool> {
        // UNION, not UNION ALL: a circle would end as well.
        let sql = "WITH RECURSIVE up(id) AS (SELECT parent FROM users WHERE id = $1 \
            UNION SELECT u.parent FROM users u JOIN up ON u.id = up.id) SELECT id FROM up WHERE id = $2";
        let query = statement(self.db.get_database_backend(), sql, [user.as_str().into(), ancestor.as_str().into()]);
        Ok(self.db.query_one_raw(query).await.map_err(error)?.is_some())
    }

    /// A classic key by its number.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn classic_key(&self, number: i64) -> Result<Option<ClassicKey>> {
        let by_number = api_key::Column::Number.eq(number).and(api_key::Column::ClassicOf.is_not_null());
        classic_key(&self.db, by_number).await
    }

    /// The classic key of a user.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn classic_key_of(&self, user: &UserId) -> Result<Option<ClassicKey>> {
        classic_key(&self.db, api_key::Column::ClassicOf.eq(user.as_str())).await
    }

    /// Says from where a classic key works; from everywhere where absent.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn restrict_key(&self, id: &ApiKeyId, addresses: Option<String>, now: Timestamp) -> Result<()> {
        let update = api_key::Entity::update_many()
            .col_expr(api_key::Column::AddressRestriction, addresses.into())
            .col_expr(api_key::Column::ChangedAt, iso(now).into());
        update.filter(api_key::Column::Id.eq(id.as_str())).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// How the owner of a key was authenticated when it was minted.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn provenance_of(&self, id: &ApiKeyId) -> Result<Provenance> {
        let row = api_key::Entity::find_by_id(id.as_str()).one(&self.db).await.map_err(error)?;
        let row = row.ok_or_else(|| Error::refused("the key was deleted meanwhile"))?;
        Ok(Provenance {
            amr: serde_json::from_str(&row.amr).map_err(Error::internal)?,
            auth_time: row.auth_time.as_deref().and_then(parse_iso),
            auth_address: row.auth_address.and_then(|address| address.parse().ok()),
        })
    }

    /// Gives those whom a user made to whoever made that one. The master's go to the oldest who holds everything and is left, who becomes
    /// the master; to the oldest of all where nobody does.
    pub(super) async fn orphan(&self, id: &UserId) -> Result<()> {
        let row = user::Entity::find_by_id(id.as_str()).one(&self.db).await.map_err(error)?;
        let Some(row) = row else { return Ok(()) };
        let parent = match row.parent {
            Some(parent) => Some(parent),
            None => self.crown_heir(id).await?,
        };
        let adopt = user::Entity::update_many().col_expr(user::Column::Parent, parent.into());
        adopt.filter(user::Column::Parent.eq(id.as_str())).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Makes the heir of a master the master; none when nobody is left.
    async fn crown_heir(&self, master: &UserId) -> Result<Option<String>> {
        let heir = self.heir(master).await?;
        if let Some(heir) = &heir {
            let rise = user::Entity::update_many().col_expr(user::Column::Parent, Option::<String>::None.into());
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

fn read(row: user::Model) -> Result<Customer> {
    let permissions: Vec<String> = serde_json::from_str(&row.permissions).map_err(Error::internal)?;
    Ok(Customer {
        number: number(&row)?,
        status: status(&row.status)?,
        id: UserId::from(row.id),
        parent: row.parent.map(UserId::from),
        username: row.username,
        name: row.name,
        email: row.email_address,
        status_at: row.status_at.as_deref().and_then(parse_iso),
        address_restriction: row.address_restriction,
        answers_required: row.answers_required.unwrap_or_default(),
        profile: serde_json::from_str(&row.profile).map_err(Error::internal)?,
        permissions: permissions.into_iter().collect(),
        created_at: parse_iso(&row.created_at),
        modified_at: row.modified_at.as_deref().and_then(parse_iso),
        password_updated_at: row.password_updated_at.as_deref().and_then(parse_iso),
    })
}

async fn classic_key(db: &impl ConnectionTrait, which: Expr) -> Result<Option<ClassicKey>> {
    let found = api_key::Entity::find().filter(which).one(db).await.map_err(error)?;
    let Some(row) = found else { return Ok(None) };
    let lost = || Error::internal("a classic key has lost a part");
    Ok(Some(ClassicKey {
        number: row.number.ok_or_else(lost)?,
        changed_at: row.changed_at.as_deref().and_then(parse_iso).ok_or_else(lost)?,
        id: ApiKeyId::from(row.id),
        owner: UserId::from(row.user_id),
        sealed: row.sealed,
        address_restriction: row.address_restriction,
    }))
}
