//! Reads and writes the policies, and marks passwords as expired.

use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::Serialize;

use super::model::{global_settings, user};
use super::{Store, Tx, error};
use crate::domain::clock::{Timestamp, iso};
use crate::domain::id::{GlobalSettingsId, UserId};
use crate::domain::mfa::MfaPolicy;
use crate::domain::policy::Policy;
use crate::domain::user::LOCAL;
use crate::error::{Error, Result};

impl Store {
    /// Returns the policies in force.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn policy(&self) -> Result<Policy> {
        let row = global_settings::Entity::find().one(&self.read).await.map_err(error)?;
        let row = row.ok_or_else(missing)?;
        read_policy(&row.auth, &row.mfa)
    }
}

impl Tx {
    /// Stores the default policies and returns true if no policies are stored yet. Otherwise adds the members that an earlier release did
    /// not store, and returns false.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn ensure_policies(&self, id: &GlobalSettingsId) -> Result<bool> {
        let row = global_settings::Entity::find().lock_exclusive().one(&self.db).await.map_err(error)?;
        if let Some(row) = row {
            self.set_policy(&GlobalSettingsId::from(row.id), &read_policy(&row.auth, &row.mfa)?).await?;
            return Ok(false);
        }
        let row = global_settings::ActiveModel {
            id: Set(id.to_string()),
            auth: Set(json(&Policy::default())?),
            mfa: Set(json(&MfaPolicy::default())?),
            vm_recycle_bin: Set(r#"{"enabled":false,"retain":0}"#.to_owned()),
        };
        global_settings::Entity::insert(row).exec_without_returning(&self.db).await.map_err(error)?;
        Ok(true)
    }

    /// Locks the policies until this write ends. Returns the policies and the id of the row that stores the policies.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn hold_policy(&self) -> Result<(GlobalSettingsId, Policy)> {
        let row = global_settings::Entity::find().lock_exclusive().one(&self.db).await.map_err(error)?;
        let row = row.ok_or_else(missing)?;
        Ok((GlobalSettingsId::from(row.id), read_policy(&row.auth, &row.mfa)?))
    }

    /// Replaces the policies.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn set_policy(&self, id: &GlobalSettingsId, policy: &Policy) -> Result<()> {
        let row = global_settings::ActiveModel {
            id: Unchanged(id.to_string()),
            auth: Set(json(policy)?),
            mfa: Set(json(&policy.mfa)?),
            ..Default::default()
        };
        global_settings::Entity::update(row).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Marks a user's password as expired.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn mark_expired_password(&self, id: &UserId) -> Result<()> {
        let update = user::Entity::update_many().col_expr(user::Column::PasswordExpired, true.into());
        update.filter(user::Column::Id.eq(id.as_str())).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Marks every password of a local user as expired if the password was set at `expired` or earlier, and clears the marks of all later
    /// passwords of local users. If `expired` is `None`, clears all marks of local users. Returns the number of changed marks.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn mark_expired_passwords(&self, expired: Option<Timestamp>) -> Result<u64> {
        use user::Column::{PasswordExpired, PasswordUpdatedAt, Source};
        let mark = async |mark: bool, of: Expr| {
            let update = user::Entity::update_many().col_expr(PasswordExpired, mark.into());
            let update = update.filter(PasswordExpired.eq(!mark).and(Source.eq(LOCAL)).and(of));
            update.exec(&self.db).await.map(|done| done.rows_affected).map_err(error)
        };
        let Some(expired) = expired.map(iso) else { return mark(false, PasswordUpdatedAt.is_not_null()).await };
        let old = mark(true, PasswordUpdatedAt.lte(expired.as_str())).await?;
        Ok(old + mark(false, PasswordUpdatedAt.gt(expired.as_str())).await?)
    }
}

/// Parses the stored policies.
pub(super) fn read_policy(auth: &str, mfa: &str) -> Result<Policy> {
    let wrong = |why| Error::internal(format!("global_settings: {why}"));
    let mut policy: Policy = serde_json::from_str(auth).map_err(wrong)?;
    policy.mfa = serde_json::from_str(mfa).map_err(wrong)?;
    Ok(policy)
}

fn json(policy: &impl Serialize) -> Result<String> {
    serde_json::to_string(policy).map_err(Error::internal)
}

fn missing() -> Error {
    Error::internal("global_settings has lost its row")
}
