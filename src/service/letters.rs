//! The letters that wait to be sent: written down sealed, in the same write as what they tell of, and sent beside the requests.
//!
//! Each is sent at least once: a node claims it for a while, sends it, and then forgets it. One that dies in between leaves it to
//! whoever comes after that while; so does one that could not write down that it was sent.

use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::door;
use super::passwords::{self, LINK_LIFE, Wish};
use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::caller::Caller;
use crate::domain::id::LetterId;
use crate::domain::mfa::{Holder, mask};
use crate::domain::operation::Operation;
use crate::domain::text::{Language, Text, text};
use crate::error::{Error, Kind, Result};
use crate::mail::{Letter, Mailer};
use crate::store::{LetterRow, Tx};

/// For how long it is tried to send a letter.
const LIFE: TimeDelta = TimeDelta::hours(24);
/// How long to wait after the first try; twice as long after each further one.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(10);
/// How often it doubles: to eleven minutes.
const DOUBLINGS: u32 = 6;
/// For how long a letter is claimed, beyond the time that sending it may take.
const SLACK: Duration = Duration::from_secs(30);

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

/// What waits.
#[derive(Serialize, Deserialize)]
enum Waiting {
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

/// Sends the letters that are due. Any number of active nodes may do so at once.
///
/// # Errors
/// `Unavailable` when the database is away.
pub async fn deliver(app: &App) -> Result<()> {
    let Some(mailer) = &app.mailer else { return Ok(()) };
    while !app.node.is_passive() && app.store.has_letters(app.now()).await? {
        let claimed_until = app.now() + TimeDelta::from_std(mailer.timeout() + SLACK).map_err(Error::internal)?;
        let tx = begin(app).await?;
        let Some(letter) = tx.claim_letter(app.now(), claimed_until).await? else { break };
        tx.commit_untold().await?;
        hand_over(app, mailer, letter).await?;
    }
    Ok(())
}

async fn hand_over(app: &App, mailer: &Mailer, letter: LetterRow) -> Result<()> {
    let opened = app.vault.open(&place(&letter.id), &letter.sealed);
    let late = letter.expires_at <= app.now();
    let post = match opened.and_then(|waiting| serde_json::from_slice(&waiting).ok()) {
        Some(Waiting::Letter(post)) => Some(post),
        Some(Waiting::Link(_)) if late => None,
        Some(Waiting::Link(wish)) => passwords::link(app, wish).await?,
        None => return give_up(app, &letter, text!("a letter can't be read", "一封邮件无法读取")).await,
    };
    let Some(Post { to, letter: text, language }) = post else {
        let tx = begin(app).await?;
        tx.delete_letter(&letter.id).await?;
        return tx.commit_untold().await;
    };
    let shown = mask(&to);
    if late {
        let why = text!(
            "a letter to {shown} could not be sent for {} h",
            "发往 {shown} 的邮件在 {} 小时内未能发送",
            LIFE.num_hours()
        );
        return give_up(app, &letter, why).await;
    }
    match mailer.send(&to, &text, language).await {
        Ok(()) => {
            let tx = begin(app).await?;
            tx.delete_letter(&letter.id).await?;
            tx.commit_untold().await?;
            tracing::info!(letter.id = %letter.id, "letter sent");
        }
        Err(error) if error.kind() == Kind::Unavailable => {
            tracing::warn!(?error, letter.id = %letter.id, letter.tries, "a letter was not sent: it is tried again");
            let tx = begin(app).await?;
            tx.put_off_letter(&letter.id, app.now() + pause(letter.tries)).await?;
            tx.commit_untold().await?;
        }
        Err(error) => {
            let [en, zh] = error.text().versions();
            let why = text!("a letter to {shown} can't be sent: {en}", "发往 {shown} 的邮件无法发送：{zh}");
            give_up(app, &letter, why).await?;
        }
    }
    Ok(())
}

async fn give_up(app: &App, letter: &LetterRow, why: Text) -> Result<()> {
    tracing::warn!(letter.id = %letter.id, why = why.en(), "a letter was given up");
    let tx = begin(app).await?;
    tx.delete_letter(&letter.id).await?;
    tx.note(Entry::failed(why).of("Letter", &letter.id));
    tx.commit().await
}

async fn begin(app: &App) -> Result<Tx> {
    app.begin(&door::operator(Operation::Maintain)?).await
}

fn pause(tries: i32) -> TimeDelta {
    let doublings = u32::try_from(tries.saturating_sub(1)).unwrap_or_default().min(DOUBLINGS);
    FIRST_PAUSE * 2_i32.pow(doublings)
}

/// The place that a letter is sealed for.
fn place(id: &LetterId) -> String {
    format!("letter/{id}")
}
