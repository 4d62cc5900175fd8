//! Reads and writes users and the roles of users.

use std::collections::{BTreeSet, HashMap};

use sea_orm::ActiveValue::{NotSet, Set, Unchanged};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};

use super::decode::{own_rights, role_rights, status};
use super::model::{role, user, user_role};
use super::{Store, Tx, error, is_taken, statement};
use crate::domain::clock::{Timestamp, iso, parse_iso};
use crate::domain::customer::{Status, actions_of};
use crate::domain::id::{RoleId, SessionId, UserId};
use crate::domain::rights::Rights;
use crate::domain::role::Role;
use crate::domain::text::text;
use crate::domain::user::{LOCAL, LoginUser, NewUser, User, UserChange};
use crate::error::{Error, Result};

impl Store {
    /// Finds the local user with this exact login name.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn find_login_user(&self, username: &str) -> Result<Option<LoginUser>> {
        let by_name = user::Column::Username.eq(username).and(user::Column::Source.eq(LOCAL));
        let row = user::Entity::find().filter(by_name).one(&self.read).await.map_err(error)?;
        row.map(login_user).transpose()
    }

    /// Returns the id of the local user with this exact login name.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn user_with_name(&self, username: &str) -> Result<Option<UserId>> {
        let by_name = user::Column::Username.eq(username).and(user::Column::Source.eq(LOCAL));
        let id = user::Entity::find().filter(by_name).select_only().column(user::Column::Id).into_tuple::<String>();
        Ok(id.one(&self.read).await.map_err(error)?.map(UserId::from))
    }

    /// Returns true if any user exists.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn has_users(&self) -> Result<bool> {
        Ok(user::Entity::find().count(&self.read).await.map_err(error)? > 0)
    }
}

impl Tx {
    /// Returns true if any user exists, as this write sees it.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn has_users(&self) -> Result<bool> {
        Ok(user::Entity::find().count(&self.db).await.map_err(error)? > 0)
    }

    /// Stores a new local user.
    ///
    /// # Errors
    /// `Invalid` if the login name is already in use.
    /// `Unavailable` if the database is unreachable.
    pub async fn insert_user(&self, new: NewUser, now: Timestamp) -> Result<()> {
        let taken = username_taken(&new.username);
        let row = user::ActiveModel {
            id: Set(new.id.to_string()),
            address_restriction: Set(None),
            answers_required: Set(None),
            auth_config_id: Set(None),
            created_at: Set(iso(now)),
            display_username: Set(new.username.clone()),
            email_address: Set(new.contact.email_address),
            internal: Set(new.internal),
            ldap_dn: Set(None),
            mobile_phone: Set(new.contact.mobile_phone),
            modified_at: Set(None),
            name: Set(new.name),
            number: Set(Some(self.next_number().await?)),
            parent: Set(new.parent.map(|parent| parent.to_string())),
            password_expired: Set(Some(false)),
            password_updated_at: Set(new.password_hash.as_ref().map(|_| iso(now))),
            password_hash: Set(new.password_hash),
            password_recover_qa: Set(r#"{"enabled":false,"items":[]}"#.to_owned()),
            permissions: Set("[]".to_owned()),
            profile: Set("{}".to_owned()),
            source: Set(LOCAL.to_owned()),
            status: Set(Status::Active.key_name().to_owned()),
            status_at: Set(None),
            username: Set(new.username),
        };
        user::Entity::insert(row)
            .exec_without_returning(&self.db)
            .await
            .map_err(|cause| if is_taken(&cause) { taken } else { error(cause) })?;
        self.set_role(&new.id, &new.role).await
    }

    /// Changes a user. A field of `change` that is `None` stays as it is. A new password has the same effects as [`Tx::set_password`]. A
    /// new e-mail address invalidates the password reset links that were mailed to the old address.
    ///
    /// # Errors
    /// `Invalid` if the login name is already in use.
    /// `Unavailable` if the database is unreachable.
    pub async fn update_user(&self, id: &UserId, change: &UserChange, now: Timestamp) -> Result<()> {
        let UserChange { username, name, password_hash, email_address, mobile_phone, internal } = change.clone();
        let taken = username.as_deref().map(username_taken);
        let new_address = email_address.is_some();
        let row = user::ActiveModel {
            id: Unchanged(id.to_string()),
            display_username: username.clone().map_or(NotSet, Set),
            email_address: email_address.map_or(NotSet, Set),
            internal: internal.map_or(NotSet, Set),
            mobile_phone: mobile_phone.map_or(NotSet, Set),
            name: name.map_or(NotSet, Set),
            username: username.map_or(NotSet, Set),
            ..Default::default()
        };
        if row.is_changed() {
            let update = user::Entity::update(row).exec(&self.db).await;
            update.map_err(|cause| match taken {
                Some(taken) if is_taken(&cause) => taken,
                _ => error(cause),
            })?;
        }
        if new_address {
            self.delete_resets_of(id).await?;
        }
        match password_hash {
            Some(hash) => self.set_password(id, hash, now, None).await.map(drop),
            None => Ok(()),
        }
    }

    /// Sets a user's password. Ends all sessions of the user except `stays`, and deletes the user's pending challenges and password reset
    /// links. Returns the number of ended sessions.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn set_password(
        &self,
        id: &UserId,
        hash: String,
        now: Timestamp,
        stays: Option<&SessionId>,
    ) -> Result<u64> {
        let update = user::Entity::update_many()
            .col_expr(user::Column::PasswordHash, hash.into())
            .col_expr(user::Column::PasswordExpired, false.into())
            .col_expr(user::Column::PasswordUpdatedAt, iso(now).into());
        update.filter(user::Column::Id.eq(id.as_str())).exec(&self.db).await.map_err(error)?;
        // The update waits for logins that have locked the old password. The sessions are ended after the update, so that the new sessions
        // of these logins end too.
        let ended = self.end_sessions_of(id, stays).await?;
        self.delete_challenges_of(id).await?;
        self.delete_resets_of(id).await?;
        Ok(ended)
    }

    /// Returns the part of a user that a login needs, as this write sees it.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn login_user(&self, id: &UserId) -> Result<Option<LoginUser>> {
        let row = user::Entity::find_by_id(id.as_str()).one(&self.db).await.map_err(error)?;
        row.map(login_user).transpose()
    }

    /// Locks a user's password against changes until this write ends, and returns the password's hash; `None` if the user does not exist or
    /// has no password.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn hold_password(&self, id: &UserId) -> Result<Option<String>> {
        let row = user::Entity::find_by_id(id.as_str()).lock_shared().one(&self.db).await.map_err(error)?;
        Ok(row.and_then(|row| row.password_hash))
    }

    /// Replaces the stored hash `old` with `new`, another hash of the same password, and locks the new hash against changes until this
    /// write ends. Returns false if `old` is no longer stored.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn replace_hash(&self, id: &UserId, old: &str, new: String) -> Result<bool> {
        let done = user::Entity::update_many()
            .col_expr(user::Column::PasswordHash, new.into())
            .filter(user::Column::Id.eq(id.as_str()).and(user::Column::PasswordHash.eq(old)))
            .exec(&self.db)
            .await
            .map_err(error)?;
        Ok(done.rows_affected == 1)
    }

    /// Replaces all roles of a user with the given role.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn set_role(&self, user: &UserId, role: &RoleId) -> Result<()> {
        let of_user = user_role::Column::UserId.eq(user.as_str());
        user_role::Entity::delete_many().filter(of_user).exec(&self.db).await.map_err(error)?;
        let pair = user_role::ActiveModel { user_id: Set(user.to_string()), role_id: Set(role.to_string()) };
        user_role::Entity::insert(pair).exec_without_returning(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Deletes a user and the user's sessions and keys. Moves the user's children in the hierarchy to the user's parent, or to another user
    /// if the user has no parent. Returns false if the user does not exist.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn delete_user(&self, id: &UserId) -> Result<bool> {
        self.orphan(id).await?;
        let done = user::Entity::delete_by_id(id.as_str()).exec(&self.db).await.map_err(error)?;
        Ok(done.rows_affected == 1)
    }

    /// Returns users by id, in the order of `ids`. Omits users that do not exist.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn users(&self, ids: &[UserId]) -> Result<Vec<User>> {
        let ids: Vec<&str> = ids.iter().map(UserId::as_str).collect();
        let rows =
            user::Entity::find().filter(user::Column::Id.is_in(ids.clone())).all(&self.db).await.map_err(error)?;
        let pairs = user_role::Entity::find().filter(user_role::Column::UserId.is_in(ids.clone()));
        let pairs = pairs.all(&self.db).await.map_err(error)?;
        let role_ids: BTreeSet<RoleId> = pairs.iter().map(|pair| RoleId::from(pair.role_id.clone())).collect();
        let known = self.roles(&role_ids.into_iter().collect::<Vec<_>>()).await?;
        let mut roles: HashMap<String, Vec<Role>> = HashMap::new();
        for pair in pairs {
            let role = known.iter().find(|role| role.id.as_str() == pair.role_id);
            roles.entry(pair.user_id).or_default().extend(role.cloned());
        }
        let mut users: HashMap<String, User> = HashMap::new();
        for row in rows {
            let permissions: Vec<String> = serde_json::from_str(&row.permissions).map_err(Error::internal)?;
            let user = User {
                own: actions_of(permissions.iter().map(String::as_str)),
                roles: roles.remove(&row.id).unwrap_or_default(),
                username: row.username,
                email_address: row.email_address,
                id: UserId::from(row.id.clone()),
            };
            users.insert(row.id, user);
        }
        Ok(ids.into_iter().filter_map(|id| users.remove(id)).collect())
    }

    /// Returns the ids of the present roles of a user.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn roles_of(&self, user: &UserId) -> Result<Vec<RoleId>> {
        let of_user = user_role::Column::UserId.eq(user.as_str());
        let rows = user_role::Entity::find().filter(of_user).all(&self.db).await.map_err(error)?;
        Ok(rows.into_iter().map(|row| RoleId::from(row.role_id)).collect())
    }

    /// Returns the present rights of a user, from the user's roles and own permissions.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn rights_of(&self, id: &UserId) -> Result<Rights> {
        let sql = "SELECT u.permissions, r.actions, r.platform FROM users u LEFT JOIN user_roles ur ON ur.user_id = u.id \
            LEFT JOIN roles r ON r.id = ur.role_id WHERE u.id = $1";
        let query = statement(self.db.get_database_backend(), sql, [id.as_str().into()]);
        let rows = self.db.query_all_raw(query).await.map_err(error)?;
        rows.iter().try_fold(Rights::NONE, |sum, row| Ok(sum.union(&role_rights(row)?).union(&own_rights(row)?)))
    }

    /// Returns the id of the role with this preset.
    ///
    /// # Errors
    /// `Internal` if the role is missing.
    /// `Unavailable` if the database is unreachable.
    pub async fn preset_role(&self, preset: &str) -> Result<RoleId> {
        let row = role::Entity::find().filter(role::Column::Preset.eq(preset)).one(&self.db).await.map_err(error)?;
        row.map(|row| RoleId::from(row.id)).ok_or_else(|| Error::internal(format!("no role with preset {preset}")))
    }

    /// Returns the ids of the active users that have the role with this preset.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn holders_of_preset(&self, preset: &str) -> Result<Vec<UserId>> {
        let sql = "SELECT ur.user_id FROM user_roles ur JOIN roles r ON r.id = ur.role_id \
            JOIN users u ON u.id = ur.user_id WHERE r.preset = $1 AND u.status = 'ACTIVE'";
        let query = statement(self.db.get_database_backend(), sql, [preset.into()]);
        let rows = self.db.query_all_raw(query).await.map_err(error)?;
        rows.iter().map(|row| row.try_get::<String>("", "user_id").map(UserId::from).map_err(error)).collect()
    }
}

fn login_user(row: user::Model) -> Result<LoginUser> {
    Ok(LoginUser {
        number: number(&row)?,
        status: status(&row.status)?,
        id: UserId::from(row.id),
        username: row.username,
        password_hash: row.password_hash,
        password_updated_at: row.password_updated_at.as_deref().and_then(parse_iso),
        address_restriction: row.address_restriction,
        answers_required: row.answers_required.unwrap_or_default(),
    })
}

/// Returns the number that identifies a user. Every user has such a number.
pub(super) fn number(row: &user::Model) -> Result<i64> {
    row.number.ok_or_else(|| Error::internal("a user has no number"))
}

fn username_taken(username: &str) -> Error {
    Error::invalid(text!("username {username:?} is taken already", "username {username:?} 已被使用"))
}
