//! Creates, changes, deletes and reads roles.

use sea_orm::ActiveValue::{NotSet, Set, Unchanged};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};

use super::decode::{parse_actions, write_actions};
use super::model::{role, user_role};
use super::{Store, Tx, error};
use crate::domain::id::{RoleId, UserId};
use crate::domain::permission::{Actions, MANAGEMENT, SELF_SERVICE};
use crate::domain::role::{NewRole, Role};
use crate::domain::text::text;
use crate::error::{Error, Result};

impl Store {
    /// Returns the subset of `ids` that are ids of existing roles.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn roles_among(&self, ids: &[String]) -> Result<Vec<String>> {
        let among = role::Entity::find().filter(role::Column::Id.is_in(ids)).select_only().column(role::Column::Id);
        among.into_tuple().all(&self.read).await.map_err(error)
    }
}

impl Tx {
    /// Stores a new role. The caller must hold the lock of [`Tx::alone_with`] that guards users and roles, so that the name stays unique.
    ///
    /// # Errors
    /// `Invalid` if the name is already in use.
    /// `Unavailable` if the database is unreachable.
    pub async fn insert_role(&self, new: NewRole) -> Result<()> {
        self.expect_free(&new.name, &new.id).await?;
        let row = role::ActiveModel {
            id: Set(new.id.to_string()),
            actions: Set(write_actions(&new.actions)),
            name: Set(new.name),
            platform: Set(MANAGEMENT.to_owned()),
            preset: Set(None),
        };
        role::Entity::insert(row).exec_without_returning(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Changes the name or the actions of a role. A parameter that is `None` leaves the stored value as it is. The caller must hold the
    /// lock of [`Tx::alone_with`] that guards users and roles.
    ///
    /// # Errors
    /// `Invalid` if the name is already in use.
    /// `Unavailable` if the database is unreachable.
    pub async fn update_role(&self, id: &RoleId, name: Option<&str>, actions: Option<&Actions>) -> Result<()> {
        if let Some(name) = name {
            self.expect_free(name, id).await?;
        }
        let row = role::ActiveModel {
            id: Unchanged(id.to_string()),
            actions: actions.map_or(NotSet, |actions| Set(write_actions(actions))),
            name: name.map_or(NotSet, |name| Set(name.to_owned())),
            ..Default::default()
        };
        if row.is_changed() {
            role::Entity::update(row).exec(&self.db).await.map_err(error)?;
        }
        Ok(())
    }

    /// Deletes a role, and removes the role from every user and every key that has the role.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn delete_role(&self, id: &RoleId) -> Result<()> {
        role::Entity::delete_by_id(id.as_str()).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Returns roles by id, in the order of `ids`. Omits roles that do not exist.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn roles(&self, ids: &[RoleId]) -> Result<Vec<Role>> {
        // No row contains NUL (`\0`), and PostgreSQL rejects NUL even in a comparison.
        let known = ids.iter().map(RoleId::as_str).filter(|id| !id.contains('\0'));
        let among = role::Column::Id.is_in(known);
        let rows = role::Entity::find().filter(among).all(&self.db).await.map_err(error)?;
        let mut roles = rows.into_iter().map(read_role).collect::<Result<Vec<_>>>()?;
        roles.sort_by_key(|role| ids.iter().position(|id| *id == role.id));
        Ok(roles)
    }

    /// Returns the ids of the users that have the given role.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn holders_of(&self, id: &RoleId) -> Result<Vec<UserId>> {
        let with = user_role::Entity::find().filter(user_role::Column::RoleId.eq(id.as_str()));
        let rows = with.all(&self.db).await.map_err(error)?;
        Ok(rows.into_iter().map(|row| UserId::from(row.user_id)).collect())
    }

    async fn expect_free(&self, name: &str, id: &RoleId) -> Result<()> {
        let others = role::Column::Name.eq(name).and(role::Column::Id.ne(id.as_str()));
        match role::Entity::find().filter(others).count(&self.db).await.map_err(error)? {
            0 => Ok(()),
            _ => Err(Error::invalid(text!("name {name:?} is taken already", "name {name:?} 已被使用"))),
        }
    }
}

/// Converts a stored row to a role.
fn read_role(row: role::Model) -> Result<Role> {
    let actions = parse_actions(&row.actions)?;
    let self_service = row.platform == SELF_SERVICE;
    Ok(Role { self_service, id: RoleId::from(row.id), name: row.name, preset: row.preset, actions })
}
