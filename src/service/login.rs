//! Logging in and out.

use chrono::TimeDelta;

use crate::app::App;
use crate::domain::audit::{Author, Entry};
use crate::domain::caller::Caller;
use crate::domain::clock::Timestamp;
use crate::domain::id::SessionId;
use crate::domain::operation::Operation;
use crate::domain::permit::{Permit, authorize};
use crate::domain::policy::Policy;
use crate::domain::principal::CredentialRef;
use crate::domain::secret::{Password, SignedToken};
use crate::domain::session::Session;
use crate::domain::text::text;
use crate::domain::user::check_source;
use crate::error::{Error, Kind, Result};

use super::people::PEOPLE;
use super::{attempts, audit};

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
/// `LoginFailed` for a wrong or expired password, and for an address that is not let in; `TooMany` after too many wrong ones;
/// `Invalid` for a source that is not served here, `Unavailable` when the database is away.
pub async fn login(app: &App, caller: &Caller, request: LoginRequest) -> Result<SignedToken> {
    let permit = authorize(caller, Operation::Login)?;
    check_source(request.source.as_deref()).map_err(Error::invalid)?;
    let policy = app.store.policy().await?;
    if !policy.admits(caller.address).map_err(|why| Error::internal(why.en()))? {
        audit::stranger(app, caller.address, Operation::Login.name(), "its address is not let in");
        let text = text!("logins from your address are not let in", "不允许从您的地址登录");
        return Err(Error::new(Kind::LoginFailed, text));
    }
    attempts::count(app, &permit, &policy, &request.username).await?;
    // No account has NUL in its name, and PostgreSQL would not even compare it.
    let user = match request.username.contains('\0') {
        true => None,
        false => app.store.find_login_user(&request.username).await?,
    };
    let stored = user.as_ref().and_then(|user| user.password_hash.clone());
    let right = app.passwords.verify(request.password, stored.clone()).await?;
    let author = user.as_ref().map(|user| Author {
        id: user.id.clone(),
        username: user.username.clone(),
        credential: Some("password".to_owned()),
    });
    let Some((user, author)) = user.filter(|_| right).zip(author.clone()) else {
        // A name that nobody has is not written down: people type passwords there.
        return wrong(app, caller, author).await;
    };
    let expired = policy.passwords_expired(app.now()).zip(user.password_updated_at);
    if expired.is_some_and(|(until, set)| set <= until) {
        return refuse_expired(app, permit, &policy, author).await;
    }
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
        return wrong(app, caller, Some(author)).await;
    }
    tx.insert_session(&session).await?;
    if policy.misses().is_some() {
        attempts::forget(app, &tx, &user.username).await?;
    }
    let id = &session.id;
    tx.note(Entry::done(text!("logged in: session {id}", "登录：会话 {id}")).of("Session", id).by(author));
    tx.commit().await?;
    tracing::info!(user.name = user.username, session.id = %session.id, "logged in");
    Ok(token)
}

/// Answers a login whose name or password is wrong: always alike.
async fn wrong<T>(app: &App, caller: &Caller, author: Option<Author>) -> Result<T> {
    let entry = Entry::failed(text!("login failed", "登录失败"));
    audit::record(app, caller, Operation::Login.name(), Entry { by: author, ..entry }).await?;
    Err(Error::new(Kind::LoginFailed, text!("the username or the password is wrong", "用户名或密码错误")))
}

/// Answers a login whose password is right and has expired.
async fn refuse_expired<T>(app: &App, permit: Permit, policy: &Policy, author: Author) -> Result<T> {
    let tx = app.begin(permit).await?;
    tx.alone_with(PEOPLE).await?;
    tx.mark_expired_passwords(policy.passwords_expired(app.now())).await?;
    tx.note(Entry::failed(text!("login refused: the password has expired", "登录被拒绝：密码已过期")).by(author));
    tx.commit().await?;
    let text = text!(
        "the password has expired: somebody who manages users can set a new one, and so can the operator with keytower user \
         set-password",
        "密码已过期：用户管理员可以设置新密码，运维人员也可以使用 keytower user set-password 设置"
    );
    Err(Error::new(Kind::LoginFailed, text))
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
