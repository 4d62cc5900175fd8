//! The throttle: limits how many wrong passwords and codes are accepted, counted across all nodes and APIs.
//!
//! An attempt is counted before it is verified, in a transaction of its own. The count is removed once the attempt proves right. So
//! concurrent guesses can't bypass the limit, and an attempt that ends with an error still counts. Attempts on unknown usernames count in
//! the same way. Usernames and addresses are stored as pseudonyms. Tokens and keys keep working while logins are limited.
//!
//! Guesses of other people can't keep a user from logging in:
//!
//! - Each client has a counter of its own, so that the guesses of other clients do not count against this client.
//! - A client that the user has logged in from before, recognized by its device cookie or its address, is exempt from the limits for
//!   strangers, the clients that are not known in this way.
//! - A login that includes a code of a second factor is not delayed by the guesses of strangers either: for a user with a second factor,
//!   the password alone opens no session.

use std::net::IpAddr;

use chrono::TimeDelta;

use crate::app::App;
use crate::auth::turns::Turn;
use crate::domain::caller::Caller;
use crate::domain::clock::Timestamp;
use crate::domain::id::{UserId, uuid_v7};
use crate::domain::mfa::{Holder, MfaType};
use crate::domain::permit::Permit;
use crate::domain::policy::Policy;
use crate::domain::text::{Text, text};
use crate::domain::throttle::{self, CLIENT, CLIENT_OF_ACCOUNT, CODES, Known, MAILED_CODES, MAILS, Rule, STRANGERS};
use crate::error::{Error, Result};
use crate::store::Tx;

/// A counted attempt.
#[derive(Debug)]
pub(in crate::service) struct Attempt {
    id: String,
    bucket: String,
    /// Turn that is held until the attempt is verified.
    _turn: Option<Turn>,
}

impl Attempt {
    /// Removes the counts of this attempt and of earlier attempts of the same client, as part of `tx`. Called once this attempt has proved
    /// right.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub(in crate::service) async fn right(&self, tx: &Tx) -> Result<()> {
        tx.forget_attempt(&self.id, &self.bucket).await
    }

    /// Removes the count of this attempt only, in a transaction of its own. Called if the attempt had no effect, for example because a mail
    /// could not be sent.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub(in crate::service) async fn undo(&self, app: &App, permit: &Permit) -> Result<()> {
        let tx = app.begin(permit).await?;
        tx.forget_attempt(&self.id, "").await?;
        tx.commit_untold().await
    }
}

/// The account that attempts are counted for: a user, or an unknown username. A user is named by id, so that a new username does not reset
/// the count.
#[derive(Debug, Clone)]
pub(in crate::service) struct Account(String);

impl Account {
    /// Returns the account of a user.
    pub(in crate::service) fn of_user(id: &UserId) -> Self {
        Self(format!("user {id}"))
    }

    /// Returns the account of the user with this name, or of the name itself if no user has it. Both cases take the same work.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub(in crate::service) async fn of_name(app: &App, username: &str) -> Result<Self> {
        // No username contains NUL, and PostgreSQL rejects NUL in a comparison.
        let known = app.store.user_with_name(username.split('\0').next().unwrap_or_default()).await?;
        Ok(match known.filter(|_| !username.contains('\0')) {
            Some(id) => Self::of_user(&id),
            None => Self(format!("name {username}")),
        })
    }
}

/// A guess at a password.
#[derive(Debug)]
pub(in crate::service) struct Guess<'a> {
    /// The account that the password is for.
    pub(in crate::service) account: &'a Account,
    /// How the client is known from the user's earlier logins; `None` for a stranger.
    pub(in crate::service) known: Option<&'a Known>,
    /// Whether the login includes a code of a second factor.
    pub(in crate::service) with_code: bool,
}

/// Counts a guess at a password. Rejects the guess if there were too many. Rejected guesses do not count, so that further guesses do not
/// prolong the wait.
///
/// # Errors
/// - `TooMany` with the time until the next attempt is allowed.
/// - `Unavailable` if the database is unreachable.
pub(in crate::service) async fn password(
    app: &App,
    permit: &Permit,
    policy: &Policy,
    guess: Guess<'_>,
) -> Result<Attempt> {
    let client = client(permit.caller());
    let (Account(whose), account) = (guess.account, account(app, guess.account));
    let here = bucket(app, &["password", whose, &counted_as(permit, guess.known)]);
    let strangers = bucket(app, &["strangers", whose]);
    let from = bucket(app, &["client", &client]);
    // Without turns, many concurrent guesses with the right password would count as wrong guesses until each is verified.
    let turn = app.turns.wait(&here).await?;
    let now = app.now();
    let tx = app.begin(permit).await?;
    tx.alone_with_name(&account).await?;
    let tally = tx.tally(&here, CLIENT_OF_ACCOUNT, now).await?;
    let mut waits = vec![CLIENT_OF_ACCOUNT.wait(tally, now)];
    if guess.known.is_none() {
        tx.alone_with_name(&from).await?;
        waits.push(CLIENT.wait(tx.tally(&from, CLIENT, now).await?, now));
        // The first guess of a client skips the limit on the guesses of all strangers: the client may be the user's.
        if tally.count > 0 && !guess.with_code {
            waits.push(STRANGERS.wait(tx.tally(&strangers, STRANGERS, now).await?, now));
        }
    }
    if let Some(misses) = policy.misses().filter(|_| guess.known.is_some() || !guess.with_code) {
        let bucket = if guess.known.is_some() { &here } else { &strangers };
        let nth = tx.nth_newest(bucket, now - misses.within, misses.most).await?;
        waits.push(nth.map(|at| at + misses.within));
    }
    refuse_until(waits, now, || {
        text!("too many wrong logins with this username: try again later", "该用户名登录失败次数过多：请稍后重试")
    })?;
    let buckets = if guess.known.is_some() { vec![here.clone()] } else { vec![here.clone(), strangers, from] };
    let attempt = count(app, tx, &account, buckets, here, now).await?;
    Ok(Attempt { _turn: Some(turn), ..attempt })
}

/// Counts a guess at a code of a user's second factor. Rejects the guess if there were too many. Guesses at recovery codes are counted
/// separately for each client: recovery codes are too long to be guessed, and strangers must not keep the user from using one.
///
/// # Errors
/// Like [`password`].
pub(in crate::service) async fn code(
    app: &App,
    permit: &Permit,
    holder: &Holder,
    known: Option<&Known>,
    mfa_type: MfaType,
) -> Result<Attempt> {
    let recovery = mfa_type == MfaType::TotpRecoveryCode;
    let client = if recovery || known.is_some() { counted_as(permit, known) } else { String::new() };
    let what = if recovery { "recovery code" } else { "code" };
    let wrong = || match recovery {
        true => text!("too many wrong recovery codes: try again later", "恢复码错误次数过多：请稍后重试"),
        false => text!(
            "too many wrong codes: try again later, or use a recovery code",
            "验证码错误次数过多：请稍后重试，或使用恢复码"
        ),
    };
    let bucket = bucket(app, &[what, holder.id.as_str(), &client]);
    limited(app, permit, CODES, bucket, account(app, &Account::of_user(&holder.id)), wrong).await
}

/// Counts a request to mail a code to the user. Rejects the request if too many mailed codes were never entered. Known clients are counted
/// separately, so that a thief of the password can neither flood the user's mailbox nor use up the user's own requests.
///
/// # Errors
/// Like [`password`].
pub(in crate::service) async fn mail(
    app: &App,
    permit: &Permit,
    holder: &Holder,
    known: Option<&Known>,
) -> Result<Attempt> {
    let bucket = mails(app, permit, holder, known);
    limited(app, permit, MAILED_CODES, bucket, account(app, &Account::of_user(&holder.id)), many_mails).await
}

/// Removes the count of mailed codes, as part of `tx`. Called once the user has entered one of the codes.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn mail_came_back(
    app: &App,
    tx: &Tx,
    permit: &Permit,
    holder: &Holder,
    known: Option<&Known>,
) -> Result<()> {
    tx.forget_attempt("", &mails(app, permit, holder, known)).await
}

fn mails(app: &App, permit: &Permit, holder: &Holder, known: Option<&Known>) -> String {
    let client = known.map(|known| counted_as(permit, Some(known))).unwrap_or_default();
    bucket(app, &["mail", holder.id.as_str(), &client])
}

/// Counts a request for a password link for a username. Rejects the request if there were too many for the same username or from the same
/// client. Links and mailed codes have separate counters: strangers must not use up a user's codes.
///
/// # Errors
/// Like [`password`].
pub(in crate::service) async fn link(app: &App, permit: &Permit, username: &str) -> Result<Attempt> {
    let whose = Account::of_name(app, username).await?;
    let (now, account) = (app.now(), account(app, &whose));
    let name = bucket(app, &["link", &whose.0]);
    let from = bucket(app, &["links of a client", &client(permit.caller())]);
    let tx = app.begin(permit).await?;
    tx.alone_with_name(&account).await?;
    tx.alone_with_name(&from).await?;
    let waits = vec![
        MAILS.wait(tx.tally(&name, MAILS, now).await?, now),
        CLIENT.wait(tx.tally(&from, CLIENT, now).await?, now),
    ];
    refuse_until(waits, now, many_mails)?;
    count(app, tx, &account, vec![name.clone(), from], name, now).await
}

/// Counts an attempt to use a mailed link. Rejects the attempt if there were too many from the same client.
///
/// # Errors
/// Like [`password`].
pub(in crate::service) async fn reset(app: &App, permit: &Permit) -> Result<Attempt> {
    let from = bucket(app, &["reset", &client(permit.caller())]);
    let many = || text!("too many links were tried: try again later", "尝试链接次数过多：请稍后重试");
    limited(app, permit, CLIENT, from.clone(), from, many).await
}

fn many_mails() -> Text {
    text!("too many mails were asked for: try again later", "请求发送邮件次数过多：请稍后重试")
}

async fn limited(
    app: &App,
    permit: &Permit,
    rule: Rule,
    bucket: String,
    account: String,
    why: impl FnOnce() -> Text,
) -> Result<Attempt> {
    let now = app.now();
    let tx = app.begin(permit).await?;
    tx.alone_with_name(&account).await?;
    let wait = rule.wait(tx.tally(&bucket, rule, now).await?, now);
    refuse_until(vec![wait], now, why)?;
    count(app, tx, &account, vec![bucket.clone()], bucket, now).await
}

/// Removes the counts of all attempts for the account of a user, as part of `tx`, which sets a new password.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn forget(app: &App, tx: &Tx, user: &UserId) -> Result<()> {
    tx.forget_attempts(&account(app, &Account::of_user(user))).await
}

/// Returns the time up to which attempts no longer count.
pub(in crate::service) fn over(policy: &Policy, now: Timestamp) -> Timestamp {
    now - throttle::memory(policy.misses())
}

fn refuse_until(waits: Vec<Option<Timestamp>>, now: Timestamp, why: impl FnOnce() -> Text) -> Result<()> {
    match waits.into_iter().flatten().max() {
        Some(until) => Err(Error::too_many(why(), (until - now).max(TimeDelta::zero()).to_std().unwrap_or_default())),
        None => Ok(()),
    }
}

async fn count(
    app: &App,
    tx: Tx,
    account: &str,
    buckets: Vec<String>,
    bucket: String,
    now: Timestamp,
) -> Result<Attempt> {
    let new_id = || uuid_v7(now, app.random.as_ref()).map(|id| id.to_string());
    let id = new_id()?;
    let rows = buckets.into_iter().map(|bucket| Ok((new_id()?, bucket))).collect::<Result<_>>()?;
    tx.insert_attempt(rows, &id, account, now).await?;
    tx.commit_untold().await?;
    Ok(Attempt { id, bucket, _turn: None })
}

fn account(app: &App, account: &Account) -> String {
    bucket(app, &["account", &account.0])
}

/// Returns the pseudonym that names a counter. The parts are quoted before they are joined, so that different parts never give the same
/// name.
fn bucket(app: &App, parts: &[&str]) -> String {
    app.vault.pseudonym(&format!("{parts:?}"))
}

/// Returns the name that the guesses of this client are counted under: the client's known device or session, otherwise the client's
/// address.
fn counted_as(permit: &Permit, known: Option<&Known>) -> String {
    match known {
        Some(Known::Device(id)) => format!("device {id}"),
        Some(Known::Session(id)) => format!("session {id}"),
        Some(Known::Address) | None => client(permit.caller()),
    }
}

/// Returns the text that identifies the client: an IPv4 address, or the /64 network of an IPv6 address. Such a network belongs to one
/// subscriber.
fn client(caller: &Caller) -> String {
    match caller.address {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        None => String::new(),
    }
}
