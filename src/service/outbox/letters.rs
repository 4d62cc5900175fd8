//! Queue of outgoing letters (e-mails). A letter is stored sealed, in the same transaction as the change that it reports. `outbox` sends
//! the letters.

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

/// How long a mailed link works, and how long the outbox tries to send the letter with the link.
pub(in crate::service) const LINK_LIFE: TimeDelta = TimeDelta::minutes(30);
/// How long the outbox tries to send any other letter.
pub(in crate::service) const LIFE: TimeDelta = TimeDelta::hours(24);
/// A letter with its address and language.
#[derive(Serialize, Deserialize)]
pub(in crate::service) struct Post {
    /// E-mail address of the recipient.
    pub(in crate::service) to: String,
    /// Content of the letter.
    pub(in crate::service) letter: Letter,
    /// Language of the letter.
    pub(in crate::service) language: Language,
}

/// A request for a mailed link that sets a new password.
#[derive(Serialize, Deserialize)]
pub(in crate::service) struct Wish {
    /// Username that the caller entered.
    pub(in crate::service) username: String,
    /// Language of the letter with the link.
    pub(in crate::service) language: Language,
}

/// An entry of the queue.
#[derive(Serialize, Deserialize)]
pub(in crate::service) enum Waiting {
    /// An e-mail that is written already.
    Letter(Post),
    /// A request for a password link. The link is created when its letter is sent.
    Link(Wish),
}

/// Queues a letter as part of `tx`; the outbox sends the letter after the transaction commits. Does nothing without a mail server.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn enqueue(app: &App, tx: &Tx, post: Post) -> Result<()> {
    wait(app, tx, &Waiting::Letter(post), LIFE).await
}

/// Queues a request for a link that sets a new password. The user with the requested name is looked up only when the link is sent.
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

/// Queues a letter that notifies a user of a changed password, as part of `tx`.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn password_changed(app: &App, tx: &Tx, caller: &Caller, holder: &Holder) -> Result<()> {
    let Some(to) = holder.email_address.clone() else { return Ok(()) };
    let (username, at) = (holder.username.clone(), app.now());
    let letter = Letter::PasswordChanged { username, at, address: caller.address };
    enqueue(app, tx, Post { to, letter, language: caller.language }).await
}

/// Queues letters that notify a user of a changed e-mail address, to the old and the new address, as part of `tx`.
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

/// Queues letters that notify a user of changed second factors, as part of `tx`. The letters go to the user's e-mail address and to
/// `codes_to`, the address that mailed codes were sent to.
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

/// Returns the place that a letter is sealed for. A letter can't be opened for another place.
pub(in crate::service) fn place(id: &LetterId) -> String {
    format!("letter/{id}")
}
