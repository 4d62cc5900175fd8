//! Sends the queued letters in the background.
//!
//! A node claims a letter for a limited time, sends the letter and then deletes it. If the node dies in between, or can't delete the
//! letter, another node sends the letter again after that time. So a letter may be sent more than once.

pub(in crate::service) mod letters;

use std::time::Duration;

use chrono::TimeDelta;

use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::mfa::mask;
use crate::domain::operation::Operation;
use crate::domain::text::{Text, text};
use crate::error::{Error, Kind, Result};
use crate::mail::Mailer;
use crate::service::door;
use crate::service::login::passwords;
use crate::service::outbox::letters::{LIFE, Post, Waiting, place};
use crate::store::{LetterRow, Tx};

/// Pause after the first failed attempt to send a letter. The pause doubles after each further attempt.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(10);
/// Maximum number of times that the pause doubles. The longest pause is about eleven minutes.
const DOUBLINGS: u32 = 6;
/// How long a letter stays claimed beyond the timeout for sending it.
const SLACK: Duration = Duration::from_secs(30);

/// Sends the letters that are due. Several active nodes may call this function at the same time.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
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
