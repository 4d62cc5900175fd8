//! Logging in and out.

use chrono::TimeDelta;

use crate::app::App;
use crate::domain::audit::{Author, Entry};
use crate::domain::caller::Caller;
use crate::domain::clock::Timestamp;
use crate::domain::id::SessionId;
use crate::domain::operation::Operation;
use crate::domain::permit::authorize;
use crate::domain::principal::CredentialRef;
use crate::domain::secret::{Password, SignedToken};
use crate::domain::session::Session;
use crate::domain::text::text;
use crate::domain::user::check_source;
use crate::error::{Error, Kind, Result};

use super::audit;

/// What a login is tried with.
#[derive(Debug)]
pub struct LoginRequest {
    /// Login name, compared exactly.
    pub username: String,
    /// Password.
    pub password: Password,
    /// Where the user comes from; `LOCAL` when absent.
    pub source: Option<String>,
}

/// Checks name and password, opens a session, and signs the token that names it.
///
/// An unknown name costs as much time as a wrong password and is answered alike.
///
/// # Errors
/// `LoginFailed`, `Invalid` for a source that is not served here, `Unavailable` when the database is away.
pub async fn login(app: &App, caller: &Caller, request: LoginRequest) -> Result<SignedToken> {
    let permit = authorize(caller, Operation::Login)?;
    check_source(request.source.as_deref()).map_err(Error::invalid)?;
    // No account has NUL in its name, and PostgreSQL would not even compare it.
    let user = match request.username.contains('\0') {
        true => None,
        false => app.store.find_login_user(&request.username).await?,
    };
    let wrong = || Error::new(Kind::LoginFailed, text!("the username or the password is wrong", "用户名或密码错误"));
    let stored = user.as_ref().and_then(|user| user.password_hash.clone());
    let right = app.passwords.verify(request.password, stored.clone()).await?;
    let author = user.as_ref().map(|user| Author {
        id: user.id.clone(),
        username: user.username.clone(),
        credential: Some("password".to_owned()),
    });
    let Some((user, author)) = user.filter(|_| right).zip(author.clone()) else {
        // A name that nobody has is not written down: people type passwords there.
        let by = |entry: Entry| match author {
            Some(author) => entry.by(author),
            None => entry,
        };
        let entry = by(Entry::failed(text!("login failed", "登录失败")));
        audit::record(app, caller, Operation::Login.name(), entry).await?;
        return Err(wrong());
    };
    let now = app.now();
    let session = Session {
        id: SessionId::generate(now, app.random.as_ref())?,
        user: user.id,
        created_at: now,
        expires_at: end_of_token(app, now),
        amr: vec!["pwd".to_owned()],
    };
    let token = app.tokens.sign(&session)?;
    let tx = app.begin(permit).await?;
    // The password may have been changed while it was being compared; from here on it can't.
    if tx.hold_password(&session.user).await? != stored {
        drop(tx);
        let entry = Entry::failed(text!("login failed", "登录失败")).by(author);
        audit::record(app, caller, Operation::Login.name(), entry).await?;
        return Err(wrong());
    }
    tx.insert_session(&session).await?;
    let id = &session.id;
    tx.note(Entry::done(text!("logged in: session {id}", "登录：会话 {id}")).of("Session", id).by(author));
    tx.commit().await?;
    tracing::info!(user.name = user.username, session.id = %session.id, "logged in");
    Ok(token)
}

/// Ends the session of the caller's own token.
///
/// # Errors
/// `Forbidden` for a key, `Unavailable` when the database is away.
pub async fn logout(app: &App, caller: &Caller) -> Result<()> {
    let permit = authorize(caller, Operation::Logout)?;
    let Some(CredentialRef::Session(session)) = permit.actor().map(|actor| actor.credential.clone()) else {
        return Err(Error::new(Kind::Forbidden, text!("there is no session to end", "没有可结束的会话")));
    };
    let tx = app.begin(permit).await?;
    tx.delete_session(&session).await?;
    tx.note(Entry::done(text!("logged out: session {session}", "登出：会话 {session}")).of("Session", &session));
    tx.commit().await?;
    tracing::info!(%session, "logged out");
    Ok(())
}

/// When a token made now stops working. "Until it is revoked" is a century.
pub(super) fn end_of_token(app: &App, now: Timestamp) -> Timestamp {
    let life = match app.settings.token_life {
        life if life.is_zero() => TimeDelta::days(36_500),
        life => TimeDelta::from_std(life).unwrap_or(TimeDelta::MAX),
    };
    now.checked_add_signed(life).unwrap_or(Timestamp::MAX_UTC)
}
