//! Queue of outgoing mails: they are stored sealed, in the same transaction as the change that they report. `outbox` sends them.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::domain::caller::Caller;
use crate::domain::id::LetterId;
use crate::domain::mfa::{Holder, mask};
use crate::domain::text::{Language, Text};
use crate::error::{Error, Result};
use crate::mail::Letter;
use crate::store::Tx;

/// How long a mailed link works, and how long its letter waits to be sent.
pub(in crate::service) const LINK_LIFE: TimeDelta = TimeDelta::minutes(30);
/// How long the outbox tries to send a letter.
pub(in crate::service) const LIFE: TimeDelta = TimeDelta::hours(24);
/// A letter with its address and language.
#[derive(Serialize, Deserialize)]
pub(in crate::service) struct Post {
    /// The address.
    pub(in crate::service) to: String,
    /// Content.
    pub(in crate::service) letter: Letter,
    /// Language.
    pub(in crate::service) language: Language,
}

/// A request for a password link.
#[derive(Serialize, Deserialize)]
pub(in crate::service) struct Wish {
    /// Username that the caller entered.
    pub(in crate::service) username: String,
    /// Language of its letter.
    pub(in crate::service) language: Language,
}

/// An entry of the queue.
#[derive(Serialize, Deserialize)]
pub(in crate::service) enum Waiting {
    /// A letter.
    Letter(Post),
    /// A password link, created for the user with this name when its letter is sent.
    Link(Wish),
}

/// Queues a letter as part of `tx`; it is sent once the transaction commits. Does nothing without a mail server.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn enqueue(app: &App, tx: &Tx, post: Post) -> Result<()> {
    wait(app, tx, &Waiting::Letter(post), LIFE).await
}

/// Queues a link that sets a new password, for the user with a name. The user is looked up only when the link is sent.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn enqueue_link(app: &App, tx: &Tx, wish: Wish) -> Result<()> {
    wait(app, tx, &Waiting::Link(wish), LINK_LIFE).await
}

async fn wait(app: &App, tx: &Tx, waiting: &Waiting, life: TimeDelta) -> Result<()> {
    if app.mailer.is_none() {
        return Ok(());
    }
    let now = app.now();
    let id = LetterId::generate(now, app.random.as_ref())?;
    let sealed = app.vault.seal(&place(&id), &serde_json::to_vec(waiting).map_err(Error::internal)?)?;
    tx.insert_letter(&id, sealed, now, now + life).await
}

/// Notifies a user that their password was changed, as part of `tx`.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn password_changed(app: &App, tx: &Tx, caller: &Caller, holder: &Holder) -> Result<()> {
    let Some(to) = holder.email_address.clone() else { return Ok(()) };
    let (username, at) = (holder.username.clone(), app.now());
    let letter = Letter::PasswordChanged { username, at, address: caller.address };
    enqueue(app, tx, Post { to, letter, language: caller.language }).await
}

/// Notifies a user of a new e-mail address, at the old and the new address, as part of `tx`.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn address_changed(
    app: &App,
    tx: &Tx,
    user: (&str, Option<&str>),
    new: Option<&str>,
) -> Result<()> {
    let (caller, (username, old)) = (tx.permit().caller(), user);
    for to in [old, new].into_iter().flatten() {
        let letter = Letter::AddressChanged {
            username: username.to_owned(),
            now: new.map(mask),
            at: app.now(),
            address: caller.address,
        };
        enqueue(app, tx, Post { to: to.to_owned(), letter, language: caller.language }).await?;
    }
    Ok(())
}

/// Notifies a user that their second factors changed, at their own address and at the address that codes went to, as part of `tx`.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn factors_changed(
    app: &App,
    tx: &Tx,
    caller: &Caller,
    holder: &Holder,
    codes_to: Option<&str>,
    what: Text,
) -> Result<()> {
    let (own, username) = (holder.email_address.as_deref(), &holder.username);
    for to in own.into_iter().chain(codes_to.filter(|address| own != Some(*address))) {
        let (username, at) = (username.clone(), app.now());
        let letter = Letter::FactorsChanged { username, what: what.clone(), at, address: caller.address };
        enqueue(app, tx, Post { to: to.to_owned(), letter, language: caller.language }).await?;
    }
    Ok(())
}

/// Returns the place that a letter is sealed for: opened for another place, it does not open.
pub(in crate::service) fn place(id: &LetterId) -> String {
    format!("letter/{id}")
}
