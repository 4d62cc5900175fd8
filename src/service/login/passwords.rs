//! Changes the caller's own password with the old password, or sets a new password with a mailed link.
//!
//! A request for a link does not reveal which users exist: the request is counted and queued in the outbox, sealed, for every username. The
//! outbox looks the user up when it sends the letter, outside of the request. Only then is the link created. Only a digest of the link's
//! token is stored.

use crate::app::App;
use crate::auth::password::Verdict;
use crate::domain::audit::{Author, Entry};
use crate::domain::entity::{API_KEY, USER};
use crate::domain::id::uuid_v7;
use crate::domain::operation::Operation;
use crate::domain::password::{PASSWORD_MAX, check_is_no_name, is_the_old_one};
use crate::domain::permit::Permit;
use crate::domain::policy::{Complexity, Policy};
use crate::domain::random;
use crate::domain::secret::{Handle, Password};
use crate::domain::text::text;
use crate::domain::user::USERNAME_MAX;
use crate::error::{Error, Result};
use crate::mail::Letter;
use crate::service::access::{admitted, own_session};
use crate::service::door;
use crate::service::login::attempts;
use crate::service::login::mfa::expect_password;
use crate::service::outbox::letters::{self, LINK_LIFE, Post, Wish};
use crate::store::Users;

/// Length of a link's token, in letters and digits: over 200 bits.
const TOKEN_LEN: usize = 40;
const WHAT: &str = "password reset";

/// Result of a password change.
#[derive(Debug)]
pub struct Changed {
    /// Number of other sessions that ended.
    pub sessions_ended: u64,
    /// Number of API keys that were deleted.
    pub api_keys_deleted: usize,
}

/// Changes the caller's own password. Ends the caller's other sessions, pending logins and mailed links; deletes the caller's API keys only
/// if `delete_keys` is set.
///
/// # Errors
/// - `LoginFailed` if the old password is wrong.
/// - `TooMany` after too many wrong passwords.
/// - `Invalid` if the new password is not allowed.
/// - `Forbidden` if the caller authenticated with an API key.
/// - `StepUp` if the second factor was not proven recently.
/// - `Unavailable` if the database is unreachable.
pub async fn change(app: &App, permit: &Permit, old: Password, new: Password, delete_keys: bool) -> Result<Changed> {
    let permit = permit.require(Operation::ChangePassword)?;
    let (session, user) = own_session(&permit)?;
    let deleted = || Error::refused("the user was deleted meanwhile");
    let policy = app.store.policy().await?;
    let mut hash = None;
    loop {
        let holder = app.store.holder(&user).await?.ok_or_else(deleted)?;
        check(&policy, &new, &holder.username)?;
        let compared = expect_password(app, &permit, &holder, old.clone()).await?;
        if new.expose() == old.expose() {
            return Err(Error::invalid(is_the_old_one()));
        }
        let new_hash = match hash {
            Some(hash) => hash,
            None => app.passwords.hash(new.clone(), app.random.as_ref()).await?,
        };
        let tx = app.begin(&permit).await?;
        let caller = permit.caller();
        if !tx.hold_user(&user).await? {
            return Err(deleted());
        }
        if tx.hold_password(&user).await? != compared {
            // The stored hash changed meanwhile. Verify again: if the new hash is of another password, the old password is now wrong.
            hash = Some(new_hash);
            continue;
        }
        if tx.session(&session).await?.is_none() {
            return Err(Error::refused("the session was ended meanwhile"));
        }
        let sessions_ended = tx.set_password(&user, new_hash, app.now(), Some(&session)).await?;
        tx.free_session(&session).await?;
        let text = text!(
            "own password changed: {sessions_ended} other sessions ended",
            "已修改自己的密码：结束其他 {sessions_ended} 个会话"
        );
        tx.note(Entry::done(text).of(USER.name, &user));
        let keys = if delete_keys { tx.keys_of(&user).await? } else { Vec::new() };
        for (key, name) in &keys {
            tx.delete_api_key(key).await?;
            let text = text!("API key {name} deleted with the old password", "API 密钥 {name} 已随旧密码删除");
            tx.note(Entry::done(text).of(API_KEY.name, key));
        }
        letters::password_changed(app, &tx, caller, &holder).await?;
        tx.commit().await?;
        tracing::info!(user.name = holder.username, "own password changed");
        return Ok(Changed { sessions_ended, api_keys_deleted: keys.len() });
    }
}

/// Requests a mailed link that sets a new password. The answer does not reveal whether the user exists.
///
/// # Errors
/// - `Invalid` if links can't be mailed.
/// - `LoginFailed` if the policies do not admit the caller's address.
/// - `TooMany` after too many requests for the same username or from the same client.
/// - `Unavailable` if the database is unreachable.
pub async fn request_reset(app: &App, permit: &Permit, username: &str) -> Result<()> {
    let permit = permit.require(Operation::RequestPasswordReset)?;
    if app.mailer.is_none() || app.settings.public_url.is_none() {
        let text = text!(
            "links by mail are not served here: the operator has to set smtp_url and public_url",
            "此处不支持邮件链接：管理员需要设置 smtp_url 与 public_url"
        );
        return Err(Error::invalid(text));
    }
    admitted(app, &permit).await?;
    attempts::link(app, &permit, username).await?;
    // Usernames have at most `USERNAME_MAX` characters. A longer one, cut to one character more than that, still matches no user.
    let username = username.chars().take(USERNAME_MAX + 1).collect();
    let tx = app.begin(&permit).await?;
    letters::enqueue_link(app, &tx, Wish { username, language: permit.caller().language }).await?;
    tx.note(Entry::done(text!("a link that sets another password was asked for", "请求了设置新密码的链接")));
    tx.commit().await
}

/// Creates a requested password link and returns the letter that carries the link. Returns `None` if no user has the name, the user has no
/// e-mail address, or the settings have no `public_url`. The link replaces earlier links of the user.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn link(app: &App, wish: Wish) -> Result<Option<Post>> {
    let Wish { username, language } = wish;
    // No username contains NUL, and PostgreSQL rejects NUL in a comparison.
    let user = match username.contains('\0') {
        true => None,
        false => app.store.find_login_user(&username).await?,
    };
    let (Some(user), Some(public_url)) = (user, &app.settings.public_url) else { return Ok(None) };
    let now = app.now();
    let token = Handle::from(random::text(app.random.as_ref(), TOKEN_LEN)?);
    let id = uuid_v7(now, app.random.as_ref())?.to_string();
    let permit = door::operator(Operation::Maintain)?;
    let tx = app.begin_for(&permit, Users::changed([user.id.clone()])).await?;
    tx.hold_user(&user.id).await?;
    let Some(holder) = tx.holder(&user.id).await? else { return Ok(None) };
    let Some(to) = holder.email_address else { return Ok(None) };
    tx.insert_reset(id, &user.id, app.vault.mark(WHAT, token.expose()), now, now + LINK_LIFE).await?;
    let entry = Entry::done(text!("a link that sets another password was made", "已生成设置新密码的链接"));
    let author = Author { id: user.id.clone(), username: holder.username.clone(), credential: None };
    tx.note(entry.of(USER.name, &user.id).called(Operation::RequestPasswordReset.name()).by(author));
    tx.commit().await?;
    let link = format!("{public_url}/reset-password#token={}", token.expose());
    let minutes = u64::try_from(LINK_LIFE.num_minutes()).map_err(Error::internal)?;
    let letter = Letter::PasswordReset { username: holder.username, link, minutes };
    Ok(Some(Post { to, letter, language }))
}

/// Sets a new password with a mailed link, once. Ends all sessions of the user and opens none: the user logs in with the new password, and
/// with a second factor if the user has one.
///
/// # Errors
/// - `Invalid` if the link is malformed, already used or expired, or the password is not allowed; a rejected password does not use up the
///   link.
/// - `LoginFailed` if the policies do not admit the caller's address.
/// - `TooMany` after too many attempts from the same client.
/// - `Unavailable` if the database is unreachable.
pub async fn reset(app: &App, permit: &Permit, token: &Handle, new: Password) -> Result<()> {
    let permit = permit.require(Operation::ResetPassword)?;
    let policy = admitted(app, &permit).await?;
    let attempt = attempts::reset(app, &permit).await?;
    let mark = app.vault.mark(WHAT, token.expose());
    let user = app.store.reset(&mark, app.now()).await?.ok_or_else(dead)?;
    let holder = app.store.holder(&user).await?.ok_or_else(dead)?;
    check(&policy, &new, &holder.username)?;
    let stored = app.store.find_login_user(&holder.username).await?.and_then(|user| user.password_hash);
    if app.passwords.verify(new.clone(), stored).await? != Verdict::Wrong {
        return Err(Error::invalid(is_the_old_one()));
    }
    let hash = app.passwords.hash(new, app.random.as_ref()).await?;
    let tx = app.begin_for(&permit, Users::changed([user.clone()])).await?;
    tx.hold_user(&user).await?;
    if tx.spend_reset(mark, app.now()).await?.as_ref() != Some(&user) {
        return Err(dead());
    }
    let ended = tx.set_password(&user, hash, app.now(), None).await?;
    attempt.right(&tx).await?;
    attempts::forget(app, &tx, &user).await?;
    letters::password_changed(app, &tx, permit.caller(), &holder).await?;
    let text = text!(
        "own password set with a mailed link: {ended} sessions ended",
        "已通过邮件链接设置自己的密码：结束 {ended} 个会话"
    );
    let credential = Some("mailed link".to_owned());
    let author = Author { id: user.clone(), username: holder.username.clone(), credential };
    tx.note(Entry::done(text).of(USER.name, &user).by(author));
    tx.commit().await?;
    tracing::info!(user.name = holder.username, "own password set with a mailed link");
    Ok(())
}

/// Returns the minimum length of a new password in characters, and the maximum length in bytes.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub async fn lengths(app: &App) -> Result<(usize, usize)> {
    let least = match app.store.policy().await?.complexity() {
        Complexity::High => 12,
        Complexity::Low | Complexity::Middle => 8,
    };
    Ok((least, PASSWORD_MAX))
}

/// Checks a new password against the policies and the username.
fn check(policy: &Policy, new: &Password, username: &str) -> Result<()> {
    let checked = policy.complexity().check(new).and_then(|()| check_is_no_name(new, username));
    checked.map_err(Error::invalid)
}

/// Returns the error for a link that is malformed, already used or expired.
fn dead() -> Error {
    Error::invalid(text!(
        "this link is not valid, was used already, or is too old: ask for another one",
        "此链接无效、已使用或已过期：请重新请求"
    ))
}
