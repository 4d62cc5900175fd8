//! Lists and ends the caller's own sessions, and stores when sessions were last used.

pub mod signing;

use chrono::TimeDelta;

use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::clock::Timestamp;
use crate::domain::id::{SessionId, UserId};
use crate::domain::operation::Operation;
use crate::domain::permit::Permit;
use crate::domain::policy::Policy;
use crate::domain::session::SessionInfo;
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};
use crate::service::access::own_session;
use crate::service::door;
use crate::store::Tx;

/// Time for which an unused session stays stored beyond the idle limit: another node may know of a later use that it has not stored yet.
const GRACE: TimeDelta = TimeDelta::minutes(1);

/// A session of the caller.
#[derive(Debug)]
pub struct OwnSession {
    /// The session.
    pub info: SessionInfo,
    /// Whether this session is the session of the request's token.
    pub current: bool,
}

/// Returns the caller's own active sessions, newest first.
///
/// # Errors
/// - `Forbidden` if the caller authenticated with an API key.
/// - `Unavailable` if the database is unreachable.
pub async fn read(app: &App, permit: &Permit) -> Result<Vec<OwnSession>> {
    let owner = Owner::of(app, &permit.require(Operation::ReadSessions)?).await?;
    let stored = app.store.sessions_of(&owner.user, app.now()).await?;
    Ok(owner.working(app, stored))
}

/// Ends a session of the caller: the session's token stops working at once, on every node.
///
/// # Errors
/// - `NotFound` if the session does not exist, has ended or belongs to another user.
/// - `Forbidden` if the caller authenticated with an API key.
/// - `Unavailable` if the database is unreachable.
pub async fn end(app: &App, permit: &Permit, id: &SessionId) -> Result<OwnSession> {
    let permit = permit.require(Operation::EndSession)?;
    let owner = Owner::of(app, &permit).await?;
    let none = || Error::new(Kind::NotFound, text!("you have no such session", "您没有该会话"));
    let tx = app.begin(&permit).await?;
    let stored = tx.sessions_of(&owner.user, app.now()).await?;
    let ended = owner.working(app, stored).into_iter().find(|own| own.info.session.id == *id).ok_or_else(none)?;
    if !tx.delete_session(&owner.user, id).await? {
        return Err(none());
    }
    tx.note(Entry::done(text!("session {id} ended", "已结束会话 {id}")).of("Session", id));
    tx.commit().await?;
    tracing::info!(session.id = %id, "session ended");
    Ok(ended)
}

/// Ends all other sessions of the caller, and the current session too if `current_too` is set. Returns the number of ended sessions.
///
/// # Errors
/// - `Forbidden` if the caller authenticated with an API key.
/// - `Unavailable` if the database is unreachable.
pub async fn end_all(app: &App, permit: &Permit, current_too: bool) -> Result<usize> {
    let permit = permit.require(Operation::EndSession)?;
    let owner = Owner::of(app, &permit).await?;
    let tx = app.begin(&permit).await?;
    // A login that begins now waits for this lock; the session of that login is not counted.
    tx.hold_user(&owner.user).await?;
    let stored = tx.sessions_of(&owner.user, app.now()).await?;
    let ended = owner.working(app, stored).iter().filter(|own| current_too || !own.current).count();
    tx.end_sessions_of(&owner.user, Some(&owner.current).filter(|_| !current_too)).await?;
    let text = match current_too {
        true => text!("sessions ended: {ended}, the current one among them", "已结束 {ended} 个会话，包括当前会话"),
        false => text!("other sessions ended: {ended}", "已结束其他会话：{ended} 个"),
    };
    tx.note(Entry::done(text).of("Session", &owner.current));
    tx.commit().await?;
    tracing::info!(ended, user.id = %owner.user, "sessions ended");
    Ok(ended)
}

/// Stores when sessions were last used on this node. A passive node stores nothing.
///
/// # Errors
/// `Unavailable` if the database is unreachable; the next call then stores the times.
pub async fn write_seen(app: &App) -> Result<()> {
    let seen = app.seen.all();
    if seen.is_empty() || app.node.is_passive() {
        return Ok(());
    }
    let tx = app.begin(&door::operator(Operation::Maintain)?).await?;
    tx.see_sessions(&seen).await?;
    tx.commit_untold().await?;
    app.seen.written(&seen);
    Ok(())
}

/// Deletes the sessions that were unused for too long, as part of `tx`.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn forget_unused(app: &App, tx: &Tx, now: Timestamp) -> Result<()> {
    match app.idle().and_then(|idle| now.checked_sub_signed(idle)?.checked_sub_signed(GRACE)) {
        Some(since) => tx.forget_unused_sessions(since).await,
        None => Ok(()),
    }
}

/// The caller as owner of sessions: the user, the current session, and the policies that end sessions.
struct Owner {
    user: UserId,
    current: SessionId,
    policy: Policy,
}

impl Owner {
    async fn of(app: &App, permit: &Permit) -> Result<Self> {
        let (current, user) = own_session(permit)?;
        Ok(Self { user, current, policy: app.store.policy().await? })
    }

    /// Returns the stored sessions whose tokens still work, each with the latest use that this node knows of.
    fn working(&self, app: &App, stored: Vec<SessionInfo>) -> Vec<OwnSession> {
        let now = app.now();
        let mut own: Vec<OwnSession> = stored
            .into_iter()
            .map(|info| {
                let last_seen_at = app.seen.last_used(&info.session.id, info.last_seen_at);
                OwnSession { current: info.session.id == self.current, info: SessionInfo { last_seen_at, ..info } }
            })
            .collect();
        own.retain(|OwnSession { info, .. }| {
            let idle = app.idle().is_some_and(|idle| now - info.last_seen_at >= idle);
            !idle && !self.policy.ends_session(info.session.created_at, now)
        });
        own
    }
}
