//! Stores, reads, updates and ends sessions.

use std::collections::BTreeMap;

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::model::session;
use super::{Store, Tx, error, not_held, of_user};
use crate::domain::clock::{Timestamp, iso, parse_iso};
use crate::domain::id::{SessionId, UserId};
use crate::domain::session::{Session, SessionInfo};
use crate::error::{Error, Result};

impl Store {
    /// Returns the unexpired sessions of a user, newest first.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn sessions_of(&self, user: &UserId, now: Timestamp) -> Result<Vec<SessionInfo>> {
        sessions_of(&self.read, user, now).await
    }
}

impl Tx {
    /// Stores a new session and deletes expired ones. `digest` is the digest of the session's portal token; `None` if the session has no
    /// portal token.
    ///
    /// # Errors
    /// `Unauthenticated` if the user was deleted in the meantime.
    /// `Unavailable` if the database is unreachable.
    pub async fn insert_session(&self, new: &Session, digest: Option<Vec<u8>>) -> Result<()> {
        let row = session::ActiveModel {
            id: Set(new.id.to_string()),
            address: Set(new.address.clone()),
            agent: Set(new.agent.clone()),
            amr: Set(serde_json::Value::from(new.amr.clone()).to_string()),
            created_at: Set(iso(new.created_at)),
            digest: Set(digest),
            expires_at: Set(iso(new.expires_at)),
            last_seen_at: Set(Some(iso(new.created_at))),
            mfa_at: Set(new.mfa_at.map(iso)),
            password_at: Set(None),
            password_expired: Set(Some(new.password_expired)),
            user_id: Set(new.user.to_string()),
        };
        session::Entity::insert(row).exec_without_returning(&self.db).await.map_err(of_user)?;
        // The insert waits for any write that deletes the user. The cleanup therefore runs after the insert, and skips sessions that
        // another write has locked. Otherwise this write and a write that deletes the user could wait for each other.
        self.forget_sessions(session::Column::ExpiresAt.lt(iso(new.created_at))).await
    }

    /// Deletes the sessions that were last used at `since` or earlier, except sessions that another write has locked.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn forget_unused_sessions(&self, since: Timestamp) -> Result<()> {
        use session::Column::{CreatedAt, LastSeenAt};
        let since = iso(since);
        let never = LastSeenAt.is_null().and(CreatedAt.lte(since.as_str()));
        self.forget_sessions(LastSeenAt.lte(since.as_str()).or(never)).await
    }

    async fn forget_sessions(&self, over: Expr) -> Result<()> {
        let forgotten =
            session::Entity::delete_many()
                .filter(session::Column::Id.in_subquery(not_held::<session::Entity>(session::Column::Id, over)));
        forgotten.exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Returns the unexpired sessions of a user, newest first, as this write sees them.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn sessions_of(&self, user: &UserId, now: Timestamp) -> Result<Vec<SessionInfo>> {
        sessions_of(&self.db, user, now).await
    }

    /// Returns a session as this write sees it; `None` if the session is no longer stored.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn session(&self, id: &SessionId) -> Result<Option<Session>> {
        let row = session::Entity::find_by_id(id.as_str()).one(&self.db).await.map_err(error)?;
        Ok(row.map(read).transpose()?.map(|info| info.session))
    }

    /// Records that the user proved a second factor in a session. `amr` replaces the session's authentication methods. Returns false if the
    /// session has ended.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn prove_session(&self, id: &SessionId, amr: &[&str], now: Timestamp) -> Result<bool> {
        let update = session::Entity::update_many()
            .col_expr(session::Column::MfaAt, iso(now).into())
            .col_expr(session::Column::Amr, serde_json::Value::from(amr.to_vec()).to_string().into())
            .filter(session::Column::Id.eq(id.as_str()));
        Ok(update.exec(&self.db).await.map_err(error)?.rows_affected == 1)
    }

    /// Records that the user proved the password again in a session.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn prove_password(&self, id: &SessionId, now: Timestamp) -> Result<()> {
        let update = session::Entity::update_many().col_expr(session::Column::PasswordAt, iso(now).into());
        update.filter(session::Column::Id.eq(id.as_str())).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Clears a session's mark that the user must change an expired password.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn free_session(&self, id: &SessionId) -> Result<()> {
        let update = session::Entity::update_many().col_expr(session::Column::PasswordExpired, false.into());
        update.filter(session::Column::Id.eq(id.as_str())).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Records when sessions were last used. Skips a session that another write has locked. The other write ends the session or records a
    /// use itself, and waiting for it could cause a deadlock.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn see_sessions(&self, seen: &BTreeMap<SessionId, Timestamp>) -> Result<()> {
        for (id, at) in seen {
            let at = iso(*at);
            let earlier = session::Column::LastSeenAt.is_null().or(session::Column::LastSeenAt.lt(at.as_str()));
            let of = not_held::<session::Entity>(session::Column::Id, session::Column::Id.eq(id.as_str()).and(earlier));
            let update = session::Entity::update_many().col_expr(session::Column::LastSeenAt, at.clone().into());
            update.filter(session::Column::Id.in_subquery(of)).exec(&self.db).await.map_err(error)?;
        }
        Ok(())
    }

    /// Ends a session of a user. Returns false if the user has no such session.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn delete_session(&self, user: &UserId, id: &SessionId) -> Result<bool> {
        let one = session::Column::Id.eq(id.as_str()).and(session::Column::UserId.eq(user.as_str()));
        let done = session::Entity::delete_many().filter(one).exec(&self.db).await.map_err(error)?;
        Ok(done.rows_affected == 1)
    }

    /// Ends the sessions of a user, except the session `but`. Returns the number of ended sessions.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn end_sessions_of(&self, user: &UserId, but: Option<&SessionId>) -> Result<u64> {
        let mut of_user = session::Column::UserId.eq(user.as_str());
        if let Some(stays) = but {
            of_user = of_user.and(session::Column::Id.ne(stays.as_str()));
        }
        let done = session::Entity::delete_many().filter(of_user).exec(&self.db).await.map_err(error)?;
        Ok(done.rows_affected)
    }

    /// Ends the sessions that began at `moment` or earlier.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn end_sessions_begun_by(&self, moment: Timestamp) -> Result<()> {
        let begun = session::Column::CreatedAt.lte(iso(moment));
        session::Entity::delete_many().filter(begun).exec(&self.db).await.map_err(error)?;
        Ok(())
    }
}

async fn sessions_of(db: &impl ConnectionTrait, user: &UserId, now: Timestamp) -> Result<Vec<SessionInfo>> {
    let live = session::Column::UserId.eq(user.as_str()).and(session::Column::ExpiresAt.gt(iso(now)));
    let query = session::Entity::find().filter(live).order_by_desc(session::Column::CreatedAt);
    let rows = query.order_by_desc(session::Column::Id).all(db).await.map_err(error)?;
    rows.into_iter().map(read).collect()
}

fn read(row: session::Model) -> Result<SessionInfo> {
    let moment = |text: &str| parse_iso(text).ok_or_else(|| Error::internal("a time of a session is no time"));
    let created_at = moment(&row.created_at)?;
    Ok(SessionInfo {
        last_seen_at: row.last_seen_at.as_deref().map_or(Ok(created_at), moment)?,
        session: Session {
            id: SessionId::from(row.id),
            user: UserId::from(row.user_id),
            created_at,
            expires_at: moment(&row.expires_at)?,
            amr: serde_json::from_str(&row.amr).map_err(Error::internal)?,
            mfa_at: row.mfa_at.as_deref().map(moment).transpose()?,
            address: row.address,
            agent: row.agent,
            password_expired: row.password_expired.unwrap_or_default(),
        },
    })
}
