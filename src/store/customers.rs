//! Users in SoftLayer's model: numbers that are never reused, statuses, the hierarchy, and at most one classic key for each user.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::decode::{own_rights, role_rights, status};
use super::model::{api_key, user};
use super::people::number;
use super::{Store, Tx, error, is_taken, statement};
use crate::domain::api_key::Provenance;
use crate::domain::clock::{Timestamp, iso, parse_iso};
use crate::domain::customer::{ClassicKey, Customer, CustomerChange, Status, Which};
use crate::domain::id::{ApiKeyId, UserId};
use crate::domain::permission::ROOT;
use crate::domain::rights::Rights;
use crate::domain::text::text;
use crate::error::{Error, Result};

impl Store {
    /// Returns the users that `which` selects, ordered by number.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn customers(&self, which: Which) -> Result<Vec<Customer>> {
        customers(&self.reader(), which, None).await
    }

    /// Returns at most `most` of the users that `which` selects, ordered by number. If `which` selects more users, it is unspecified which
    /// of these users are returned.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn customers_at_most(&self, which: Which, most: u64) -> Result<Vec<Customer>> {
        customers(&self.reader(), which, Some(most)).await
    }

    /// Returns the user with this number; `None` if there is none.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn customer(&self, number: i64) -> Result<Option<Customer>> {
        Ok(customers(&self.reader(), Which::Number(number), None).await?.pop())
    }

    /// Returns the ids of a user and of all users below this user in the hierarchy.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn below(&self, id: &UserId) -> Result<Vec<UserId>> {
        below(&self.reader(), id).await
    }

    /// Returns the classic keys of the given users.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn classic_keys_of(&self, owners: &[UserId]) -> Result<Vec<ClassicKey>> {
        let mut found = Vec::new();
        for owners in owners.chunks(CHUNK) {
            let theirs = api_key::Column::ClassicOf.is_in(owners.iter().map(UserId::as_str));
            found.extend(classic_keys(&self.reader(), theirs).await?);
        }
        Ok(found)
    }

    /// Returns the classic key with this number; `None` if there is none.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn classic_key(&self, number: i64) -> Result<Option<ClassicKey>> {
        let by_number = api_key::Column::Number.eq(number).and(api_key::Column::ClassicOf.is_not_null());
        Ok(classic_keys(&self.reader(), by_number).await?.pop())
    }

    /// Returns the present rights of the given users, by user id.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn rights_of_all(&self, ids: &[UserId]) -> Result<BTreeMap<UserId, Rights>> {
        let mut found: BTreeMap<UserId, Rights> = BTreeMap::new();
        for ids in ids.chunks(CHUNK) {
            let marks: Vec<String> = (1..=ids.len()).map(|at| format!("${at}")).collect();
            let sql = format!(
                "SELECT u.id, u.permissions, r.actions, r.platform FROM users u LEFT JOIN user_roles ur ON ur.user_id = u.id \
                 LEFT JOIN roles r ON r.id = ur.role_id WHERE u.id IN ({})",
                marks.join(", ")
            );
            let values = ids.iter().map(|id| id.as_str().into()).collect::<Vec<sea_orm::Value>>();
            let rows = self.reader().query_all_raw(statement(self.backend(), &sql, values)).await.map_err(error)?;
            for row in &rows {
                let id = UserId::from(row.try_get::<String>("", "id").map_err(error)?);
                let sum = found.entry(id).or_default();
                *sum = sum.union(&role_rights(row)?).union(&own_rights(row)?);
            }
        }
        Ok(found)
    }
}

impl Tx {
    /// Returns a new number for a user or a classic key. No two users or classic keys ever have the same number.
    pub(super) async fn next_number(&self) -> Result<i64> {
        let sql =
            "UPDATE meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE id = 'last_number' RETURNING value";
        let query = statement(self.db.get_database_backend(), sql, []);
        let row = self.db.query_one_raw(query).await.map_err(error)?;
        let number: Option<String> = row.map(|row| row.try_get("", "value").map_err(error)).transpose()?;
        let number = number.and_then(|number| number.parse().ok());
        number.ok_or_else(|| Error::internal("meta has lost the last number"))
    }

    /// Returns the id of the master: the one user without a parent; `None` if there is no user.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn master(&self) -> Result<Option<UserId>> {
        let row = user::Entity::find().filter(user::Column::Parent.is_null()).one(&self.db).await.map_err(error)?;
        Ok(row.map(|row| UserId::from(row.id)))
    }

    /// Returns the user with this number; `None` if there is none.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn customer(&self, number: i64) -> Result<Option<Customer>> {
        Ok(customers(&self.db, Which::Number(number), None).await?.pop())
    }

    /// Sets a user's status. If the new status is not active, also ends all sessions of the user, and deletes the user's challenges and
    /// password reset links.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
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

    /// Changes a user. A field of `change` that is `None` stays as it is. Ignores the status in `change`.
    ///
    /// # Errors
    /// `Invalid` if the login name is already in use.
    /// `Unavailable` if the database is unreachable.
    pub async fn change_customer(&self, user: &Customer, change: &CustomerChange, now: Timestamp) -> Result<()> {
        let CustomerChange { username, name, email, address_restriction, answers_required, profile, status: _ } =
            change;
        let mut update = user::Entity::update_many().col_expr(user::Column::ModifiedAt, iso(now).into());
        if let Some(username) = username {
            update = update
                .col_expr(user::Column::Username, username.as_str().into())
                .col_expr(user::Column::DisplayUsername, username.as_str().into());
        }
        if let Some(name) = name {
            update = update.col_expr(user::Column::Name, name.as_str().into());
        }
        if let Some(email) = email {
            update = update.col_expr(user::Column::EmailAddress, email.clone().into());
            self.delete_resets_of(&user.id).await?;
        }
        if let Some(addresses) = address_restriction {
            let addresses = Some(addresses.clone()).filter(|addresses| !addresses.trim().is_empty());
            update = update.col_expr(user::Column::AddressRestriction, addresses.into());
        }
        if let Some(required) = answers_required {
            update = update.col_expr(user::Column::AnswersRequired, (*required).into());
        }
        if !profile.is_empty() {
            let mut all = user.profile.clone();
            all.extend(profile.clone());
            all.retain(|_, value| !value.is_empty());
            let all = serde_json::to_string(&all).map_err(Error::internal)?;
            update = update.col_expr(user::Column::Profile, all.into());
        }
        let done = update.filter(user::Column::Id.eq(user.id.as_str())).exec(&self.db).await;
        done.map_err(|cause| match username {
            Some(name) if is_taken(&cause) => {
                Error::invalid(text!("username {name:?} is taken already", "username {name:?} 已被使用"))
            }
            _ => error(cause),
        })?;
        Ok(())
    }

    /// Sets the permissions that a user has in addition to roles.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn set_permissions(&self, id: &UserId, permissions: &BTreeSet<String>) -> Result<()> {
        let json = serde_json::to_string(permissions).map_err(Error::internal)?;
        let update = user::Entity::update_many().col_expr(user::Column::Permissions, json.into());
        update.filter(user::Column::Id.eq(id.as_str())).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Sets a user's parent.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn set_parent(&self, id: &UserId, parent: &UserId) -> Result<()> {
        let update = user::Entity::update_many().col_expr(user::Column::Parent, Some(parent.to_string()).into());
        update.filter(user::Column::Id.eq(id.as_str())).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Returns the users that `which` selects, ordered by number, as this write sees the users.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn customers(&self, which: Which) -> Result<Vec<Customer>> {
        customers(&self.db, which, None).await
    }

    /// Returns true if `ancestor` is above `user` in the hierarchy, at any distance.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn is_above(&self, ancestor: &UserId, user: &UserId) -> Result<bool> {
        // UNION instead of UNION ALL, so that the query ends even if the hierarchy contains a cycle.
        let sql = "WITH RECURSIVE up(id) AS (SELECT parent FROM users WHERE id = $1 \
            UNION SELECT u.parent FROM users u JOIN up ON u.id = up.id) SELECT id FROM up WHERE id = $2";
        let query = statement(self.db.get_database_backend(), sql, [user.as_str().into(), ancestor.as_str().into()]);
        Ok(self.db.query_one_raw(query).await.map_err(error)?.is_some())
    }

    /// Returns the classic key with this number; `None` if there is none.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn classic_key(&self, number: i64) -> Result<Option<ClassicKey>> {
        let by_number = api_key::Column::Number.eq(number).and(api_key::Column::ClassicOf.is_not_null());
        Ok(classic_keys(&self.db, by_number).await?.pop())
    }

    /// Sets the addresses and networks that a classic key is restricted to; `None` means no restriction.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn restrict_key(&self, id: &ApiKeyId, addresses: Option<String>, now: Timestamp) -> Result<()> {
        let update = api_key::Entity::update_many()
            .col_expr(api_key::Column::AddressRestriction, addresses.into())
            .col_expr(api_key::Column::ChangedAt, iso(now).into());
        update.filter(api_key::Column::Id.eq(id.as_str())).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Returns how the owner of a key was authenticated when the key was minted.
    ///
    /// # Errors
    /// `Unauthenticated` if the key was deleted in the meantime.
    /// `Unavailable` if the database is unreachable.
    pub async fn provenance_of(&self, id: &ApiKeyId) -> Result<Provenance> {
        let row = api_key::Entity::find_by_id(id.as_str()).one(&self.db).await.map_err(error)?;
        let row = row.ok_or_else(|| Error::refused("the key was deleted meanwhile"))?;
        Ok(Provenance {
            amr: serde_json::from_str(&row.amr).map_err(Error::internal)?,
            auth_time: row.auth_time.as_deref().and_then(parse_iso),
            auth_address: row.auth_address.and_then(|address| address.parse().ok()),
        })
    }

    /// Moves the children of a user to the user's parent. If the user is the master (the one user without a parent), another user becomes
    /// the master and gets the children: the oldest active user with the preset ROOT, or else the oldest user.
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

    /// Makes another user the new master in place of `master`, and returns the id of the new master; `None` if there is no other user.
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

/// Maximum number of ids in one statement.
const CHUNK: usize = 5_000;

/// SQL that selects the ids of a user and of all users below this user in the hierarchy.
const BELOW: &str = "WITH RECURSIVE below(id) AS (SELECT id FROM users WHERE id = $1 \
    UNION SELECT u.id FROM users u JOIN below b ON u.parent = b.id) SELECT id FROM below";

async fn customers(db: &impl ConnectionTrait, which: Which, most: Option<u64>) -> Result<Vec<Customer>> {
    let rows = match which {
        Which::All => rows(db, None, most).await?,
        Which::Number(number) => rows(db, Some(user::Column::Number.eq(number)), most).await?,
        Which::Numbers(numbers) => rows(db, Some(user::Column::Number.is_in(numbers)), most).await?,
        Which::Master => rows(db, Some(user::Column::Parent.is_null()), most).await?,
        Which::Ids(ids) => rows_in(db, user::Column::Id, ids, most).await?,
        Which::ChildrenOf(ids) => rows_in(db, user::Column::Parent, ids, most).await?,
        Which::Below(id) => rows_in(db, user::Column::Id, below(db, &id).await?, most).await?,
    };
    let parents: BTreeSet<String> = rows.iter().filter_map(|row| row.parent.clone()).collect();
    let numbers = numbers(db, parents).await?;
    rows.into_iter().map(|row| read(row, &numbers)).collect()
}

async fn rows(db: &impl ConnectionTrait, which: Option<Expr>, most: Option<u64>) -> Result<Vec<user::Model>> {
    let query = user::Entity::find().order_by_asc(user::Column::Number).limit(most);
    let query = which.into_iter().fold(query, |query, which| query.filter(which));
    query.all(db).await.map_err(error)
}

async fn rows_in(
    db: &impl ConnectionTrait,
    column: user::Column,
    ids: Vec<UserId>,
    most: Option<u64>,
) -> Result<Vec<user::Model>> {
    let mut found = Vec::new();
    for ids in ids.chunks(CHUNK) {
        found.extend(rows(db, Some(column.is_in(ids.iter().map(UserId::as_str))), most).await?);
        if most.is_some_and(|most| u64::try_from(found.len()).is_ok_and(|length| length >= most)) {
            break;
        }
    }
    found.sort_by_key(|row| row.number);
    found.truncate(most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX)));
    Ok(found)
}

pub(super) async fn below(db: &impl ConnectionTrait, id: &UserId) -> Result<Vec<UserId>> {
    let query = statement(db.get_database_backend(), BELOW, [id.as_str().into()]);
    let rows = db.query_all_raw(query).await.map_err(error)?;
    rows.iter().map(|row| row.try_get::<String>("", "id").map(UserId::from).map_err(error)).collect()
}

/// Returns the numbers of users, by user id.
async fn numbers(db: &impl ConnectionTrait, ids: BTreeSet<String>) -> Result<BTreeMap<String, i64>> {
    let mut numbers = BTreeMap::new();
    let ids: Vec<String> = ids.into_iter().collect();
    for ids in ids.chunks(CHUNK) {
        let query = user::Entity::find().filter(user::Column::Id.is_in(ids));
        let query = query.select_only().columns([user::Column::Id, user::Column::Number]);
        let rows: Vec<(String, Option<i64>)> = query.into_tuple().all(db).await.map_err(error)?;
        numbers.extend(rows.into_iter().filter_map(|(id, number)| Some((id, number?))));
    }
    Ok(numbers)
}

fn read(row: user::Model, numbers: &BTreeMap<String, i64>) -> Result<Customer> {
    let permissions: Vec<String> = serde_json::from_str(&row.permissions).map_err(Error::internal)?;
    Ok(Customer {
        number: number(&row)?,
        status: status(&row.status)?,
        id: UserId::from(row.id),
        parent_number: row.parent.as_ref().and_then(|parent| numbers.get(parent)).copied(),
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

async fn classic_keys(db: &impl ConnectionTrait, which: Expr) -> Result<Vec<ClassicKey>> {
    let rows =
        api_key::Entity::find().filter(which).order_by_asc(api_key::Column::Number).all(db).await.map_err(error)?;
    let numbers = numbers(db, rows.iter().map(|row| row.user_id.clone()).collect()).await?;
    let lost = || Error::internal("a classic key has lost a part");
    let key = |row: api_key::Model| {
        Ok(ClassicKey {
            number: row.number.ok_or_else(lost)?,
            changed_at: row.changed_at.as_deref().and_then(parse_iso).ok_or_else(lost)?,
            owner_number: numbers.get(&row.user_id).copied().ok_or_else(lost)?,
            id: ApiKeyId::from(row.id),
            owner: UserId::from(row.user_id),
            sealed: row.sealed,
            address_restriction: row.address_restriction,
        })
    };
    rows.into_iter().map(key).collect()
}
