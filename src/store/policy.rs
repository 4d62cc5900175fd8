//! The policies, and what follows from them for users, sessions and the logins that failed.

use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, Query as Sql};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, QueryFilter};
use sea_orm::{QueryOrder, QuerySelect};

use super::model::{global_settings, login_attempt, session, user};
use super::{Store, Tx, error, statement};
use crate::domain::clock::{Timestamp, iso, parse_iso};
use crate::domain::id::GlobalSettingsId;
use crate::domain::policy::{Misses, Policy};
use crate::domain::user::LOCAL;
use crate::error::{Error, Result};

/// Tells locks on the names of logins from other advisory locks: "name" in ASCII.
const NAMES: i32 = 0x6e61_6d65;

impl Store {
    /// The policies in force.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn policy(&self) -> Result<Policy> {
        let row = global_settings::Entity::find().one(&self.read).await.map_err(error)?;
        read_policy(&row.ok_or_else(missing)?.auth)
    }
}

impl Tx {
    /// Makes the policies while there are none, and the members that those of an earlier release lack; tells whether there were none.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn ensure_policies(&self, id: &GlobalSettingsId) -> Result<bool> {
        let row = global_settings::Entity::find().lock_exclusive().one(&self.db).await.map_err(error)?;
        if let Some(row) = row {
            self.set_policy(&GlobalSettingsId::from(row.id), &read_policy(&row.auth)?).await?;
            return Ok(false);
        }
        let row = global_settings::ActiveModel {
            id: Set(id.to_string()),
            auth: Set(write_policy(&Policy::default())?),
            vm_recycle_bin: Set(r#"{"enabled":false,"retain":0}"#.to_owned()),
        };
        global_settings::Entity::insert(row).exec_without_returning(&self.db).await.map_err(error)?;
        Ok(true)
    }

    /// The policies, which nobody else changes until the end of this write, and the id of their row.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn hold_policy(&self) -> Result<(GlobalSettingsId, Policy)> {
        let row = global_settings::Entity::find().lock_exclusive().one(&self.db).await.map_err(error)?;
        let row = row.ok_or_else(missing)?;
        Ok((GlobalSettingsId::from(row.id), read_policy(&row.auth)?))
    }

    /// Puts other policies in force.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn set_policy(&self, id: &GlobalSettingsId, policy: &Policy) -> Result<()> {
        let auth = Set(write_policy(policy)?);
        let row = global_settings::ActiveModel { id: Unchanged(id.to_string()), auth, ..Default::default() };
        global_settings::Entity::update(row).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Marks the users whose password was set at `expired` or earlier, and them alone. Answers how many marks changed.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
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

    /// Ends the sessions that began at a moment or earlier.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn end_sessions_begun_by(&self, moment: Timestamp) -> Result<()> {
        let begun = session::Column::CreatedAt.lte(iso(moment));
        session::Entity::delete_many().filter(begun).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Counts a login with a name (a pseudonym) before anybody knows whether it is right, unless there were too many already: then it
    /// answers when the next may be. Logins with one name are counted one after another, so that none slips by.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn count_attempt(
        &self,
        id: String,
        name: &str,
        misses: Misses,
        now: Timestamp,
    ) -> Result<Option<Timestamp>> {
        use login_attempt::Column::{At, Username};
        self.alone_with_name(name).await?;
        let since = Username.eq(name).and(At.gt(iso(now - misses.within)));
        let newest_first = login_attempt::Entity::find().filter(since).order_by_desc(At);
        let last_but = newest_first.offset(u64::from(misses.most.saturating_sub(1))).limit(1);
        if let Some(row) = last_but.one(&self.db).await.map_err(error)? {
            let at = parse_iso(&row.at).ok_or_else(|| Error::internal("login_attempts.at is no time"))?;
            return Ok(Some(at + misses.within));
        }
        let row = login_attempt::ActiveModel { id: Set(id), at: Set(iso(now)), username: Set(name.to_owned()) };
        login_attempt::Entity::insert(row).exec_without_returning(&self.db).await.map_err(error)?;
        Ok(None)
    }

    async fn alone_with_name(&self, name: &str) -> Result<()> {
        // SQLite has one writer anyway.
        if self.db.get_database_backend() == DatabaseBackend::Postgres {
            let lock = "SELECT pg_advisory_xact_lock($1, hashtext($2))";
            let lock = statement(DatabaseBackend::Postgres, lock, [NAMES.into(), name.into()]);
            self.db.execute_raw(lock).await.map_err(error)?;
        }
        Ok(())
    }

    /// Forgets the logins with a name (a pseudonym).
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn forget_attempts(&self, name: &str) -> Result<()> {
        self.alone_with_name(name).await?;
        let with_name = login_attempt::Column::Username.eq(name);
        login_attempt::Entity::delete_many().filter(with_name).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Forgets the logins until a moment, but for those that another write forgets already.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn forget_attempts_until(&self, moment: Timestamp) -> Result<()> {
        let old = Sql::select()
            .column(login_attempt::Column::Id)
            .from(login_attempt::Entity)
            .and_where(login_attempt::Column::At.lte(iso(moment)))
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .to_owned();
        let forgotten = login_attempt::Entity::delete_many().filter(login_attempt::Column::Id.in_subquery(old));
        forgotten.exec(&self.db).await.map_err(error)?;
        Ok(())
    }
}

/// Reads the policies as the store keeps them.
pub(super) fn read_policy(auth: &str) -> Result<Policy> {
    serde_json::from_str(auth).map_err(|why| Error::internal(format!("global_settings.auth: {why}")))
}

fn write_policy(policy: &Policy) -> Result<String> {
    serde_json::to_string(policy).map_err(Error::internal)
}

fn missing() -> Error {
    Error::internal("global_settings has lost its row")
}
