//! The letters that wait to be sent: written down sealed, in the same write as what they tell of. `outbox` sends them.

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

/// For how long a mailed link works; for as long its letter waits to be sent.
pub(super) const LINK_LIFE: TimeDelta = TimeDelta::minutes(30);
/// For how long it is tried to send a letter.
pub(super) const LIFE: TimeDelta = TimeDelta::hours(24);
/// A letter, to whom, and in which language.
#[derive(Serialize, Deserialize)]
pub(super) struct Post {
    /// The address.
    pub(super) to: String,
    /// What it says.
    pub(super) letter: Letter,
    /// How it is written.
    pub(super) language: Language,
}

/// A link that somebody asks for.
#[derive(Serialize, Deserialize)]
pub(super) struct Wish {
    /// The name that it is for.
    pub(super) username: String,
    /// How its letter is written.
    pub(super) language: Language,
}

/// What waits.
#[derive(Serialize, Deserialize)]
pub(super) enum Waiting {
    /// A letter.
    Letter(Post),
    /// A link that is made, for whoever has the name, when its letter is sent.
    Link(Wish),
}

/// Has a letter sent, as part of a write: it goes out if that lasts. Nothing waits where there is no mail server.
///
/// # Errors
/// `Unavailable` when the database is away.
pub(super) async fn enqueue(app: &App, tx: &Tx, post: Post) -> Result<()> {
    wait(app, tx, &Waiting::Letter(post), LIFE).await
}

/// Has a link that sets another password sent to whoever has a name, if anybody has: that is looked up when it is sent.
///
/// # Errors
/// `Unavailable` when the database is away.
pub(super) async fn enqueue_link(app: &App, tx: &Tx, wish: Wish) -> Result<()> {
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

/// Has a user told that their password was changed, as part of its write.
///
/// # Errors
/// `Unavailable` when the database is away.
pub(super) async fn password_changed(app: &App, tx: &Tx, caller: &Caller, holder: &Holder) -> Result<()> {
    let Some(to) = holder.email_address.clone() else { return Ok(()) };
    let (username, at) = (holder.username.clone(), app.now());
    let letter = Letter::PasswordChanged { username, at, address: caller.address };
    enqueue(app, tx, Post { to, letter, language: caller.language }).await
}

/// Has a user told of another e-mail address, at the old and at the new one, as part of its write.
///
/// # Errors
/// `Unavailable` when the database is away.
pub(super) async fn address_changed(app: &App, tx: &Tx, user: (&str, Option<&str>), new: Option<&str>) -> Result<()> {
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

/// Has users told of a change of their second factors, at their own address and at one that codes went to, as part of its write.
///
/// # Errors
/// `Unavailable` when the database is away.
pub(super) async fn factors_changed(
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

/// The place that a letter is sealed for.
pub(super) fn place(id: &LetterId) -> String {
    format!("letter/{id}")
}
