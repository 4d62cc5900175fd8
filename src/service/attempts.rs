//! The throttle: how often a password or a code may be wrong, counted over all nodes and faces.
//!
//! An attempt is counted before it is judged, in a write of its own, and forgotten once it proves right: so guesses that run side by
//! side don't pass, and one that ends badly in any other way is still counted. A name that nobody has counts like any other. Names
//! and addresses are kept as pseudonyms. Tokens and keys are not touched: who guesses keeps nobody from working.
//!
//! Nobody can keep the owner out. A client is counted for itself, so that others' guesses are not held against it; one that the user
//! has logged in from before (by its device's cookie or its address) stands beside the limits for strangers; and a login that brings
//! the code of a second factor along is not held off by the guesses of strangers either, for a password alone opens nothing there.

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

/// An attempt that was counted.
#[derive(Debug)]
pub(super) struct Attempt {
    id: String,
    bucket: String,
    /// Held until it is judged.
    _turn: Option<Turn>,
}

impl Attempt {
    /// Forgets it, and those before it from the same client, as part of a write: it proved right.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub(super) async fn right(&self, tx: &Tx) -> Result<()> {
        tx.forget_attempt(&self.id, &self.bucket).await
    }

    /// Forgets it alone, in a write of its own: nothing came of it.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub(super) async fn undo(&self, app: &App, permit: &Permit) -> Result<()> {
        let tx = app.begin(permit).await?;
        tx.forget_attempt(&self.id, "").await?;
        tx.commit_untold().await
    }
}

/// What attempts are counted for: a user, by id, so that another name is no fresh start; or a name that nobody has.
#[derive(Debug, Clone)]
pub(super) struct Account(String);

impl Account {
    /// That of a user.
    pub(super) fn of_user(id: &UserId) -> Self {
        Self(format!("user {id}"))
    }

    /// That of whoever has a name, or of the name itself. It takes the same work for both.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub(super) async fn of_name(app: &App, username: &str) -> Result<Self> {
        // No account has NUL in its name, and PostgreSQL would not even compare it.
        let known = app.store.user_with_name(username.split('\0').next().unwrap_or_default()).await?;
        Ok(match known.filter(|_| !username.contains('\0')) {
            Some(id) => Self::of_user(&id),
            None => Self(format!("name {username}")),
        })
    }
}

/// A guess at a password.
#[derive(Debug)]
pub(super) struct Guess<'a> {
    /// Of whom.
    pub(super) account: &'a Account,
    /// How the user of that name is known to come from this client.
    pub(super) known: Option<&'a Known>,
    /// Whether the code of a second factor comes along.
    pub(super) with_code: bool,
}

/// Counts a guess at a password, unless there were too many: those are not counted, so that the wait ends by itself.
///
/// # Errors
/// `TooMany` with the time until the next may be tried, `Unavailable` when the database is away.
pub(super) async fn password(app: &App, permit: &Permit, policy: &Policy, guess: Guess<'_>) -> Result<Attempt> {
    let client = client(permit.caller());
    let (Account(whose), account) = (guess.account, account(app, guess.account));
    let here = bucket(app, &["password", whose, &counted_as(permit, guess.known)]);
    let strangers = bucket(app, &["strangers", whose]);
    let from = bucket(app, &["client", &client]);
    // Many right ones at once must not count as wrong while they wait to be judged.
    let turn = app.turns.wait(&here).await?;
    let now = app.now();
    let tx = app.begin(permit).await?;
    tx.alone_with_name(&account).await?;
    let tally = tx.tally(&here, CLIENT_OF_ACCOUNT, now).await?;
    let mut waits = vec![CLIENT_OF_ACCOUNT.wait(tally, now)];
    if guess.known.is_none() {
        tx.alone_with_name(&from).await?;
        waits.push(CLIENT.wait(tx.tally(&from, CLIENT, now).await?, now));
        // The first guess of a client is always judged: the owner may be among the strangers.
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

/// Counts a guess at a code of a user's second factor, unless there were too many. Recovery codes are too long to be guessed: strangers
/// must not keep their owner from using one.
///
/// # Errors
/// Like [`password`].
pub(super) async fn code(
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

/// Counts a code that a user has mailed to themselves, unless there were too many of which none came back. Whoever has stolen a password
/// neither floods its owner's mailbox nor uses up the codes that the owner asks for.
///
/// # Errors
/// Like [`password`].
pub(super) async fn mail(app: &App, permit: &Permit, holder: &Holder, known: Option<&Known>) -> Result<Attempt> {
    let bucket = mails(app, permit, holder, known);
    limited(app, permit, MAILED_CODES, bucket, account(app, &Account::of_user(&holder.id)), many_mails).await
}

/// Forgets the codes that were mailed, as part of a write: one came back.
///
/// # Errors
/// `Unavailable` when the database is away.
pub(super) async fn mail_came_back(
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

/// Counts a link that somebody has mailed to whoever has a name, unless there were too many for the name or from the client. It is counted
/// beside the codes that users have mailed to themselves: strangers must not use those up.
///
/// # Errors
/// Like [`password`].
pub(super) async fn link(app: &App, permit: &Permit, username: &str) -> Result<Attempt> {
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

/// Counts a try of a mailed link, unless there were too many from the client.
///
/// # Errors
/// Like [`password`].
pub(super) async fn reset(app: &App, permit: &Permit) -> Result<Attempt> {
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

/// Forgets all wrong logins of a user, as part of a write: whoever manages users let it begin anew.
///
/// # Errors
/// `Unavailable` when the database is away.
pub(super) async fn forget(app: &App, tx: &Tx, user: &UserId) -> Result<()> {
    tx.forget_attempts(&account(app, &Account::of_user(user))).await
}

/// The moment until which attempts don't count any more.
pub(super) fn over(policy: &Policy, now: Timestamp) -> Timestamp {
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

/// A pseudonym for what an attempt is counted under. The parts can't run into each other.
fn bucket(app: &App, parts: &[&str]) -> String {
    app.vault.pseudonym(&format!("{parts:?}"))
}

/// What guesses from here are counted under: what is known of the client, else its address.
fn counted_as(permit: &Permit, known: Option<&Known>) -> String {
    match known {
        Some(Known::Device(id)) => format!("device {id}"),
        Some(Known::Session(id)) => format!("session {id}"),
        Some(Known::Address) | None => client(permit.caller()),
    }
}

/// The client: one address, or with IPv6 the network that one subscriber has.
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
