//! What waits for a code: opened, sent again, settled once.
//!
//! A challenge belongs to one user and one purpose, lives for minutes, and is in the database: a restart or another node changes
//! nothing. Its owner holds a random text, of which only a digest is kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::factor::{self, Recipient};
use super::{attempts, audit, devices};
use crate::app::App;
use crate::domain::audit::{Author, Entry};
use crate::domain::id::ChallengeId;
use crate::domain::mfa::{
    CHALLENGE_LIFE, CODE_LIFE, Challenge, Holder, MfaMeta, MfaType, Purpose, SENDINGS, check_type, mask,
};
use crate::domain::permit::Permit;
use crate::domain::random;
use crate::domain::secret::{Code, Handle};
use crate::domain::text::text;
use crate::domain::throttle::Known;
use crate::error::{Error, Kind, Result};
use crate::store::{Tx, Users};

/// Letters and digits of what the owner of a challenge holds: over 200 bits.
const MID_LEN: usize = 40;

/// A code, and where it is to count.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    /// Of which factor.
    pub(super) mfa_type: MfaType,
    /// The code.
    pub(super) code: &'a Code,
    /// How the user is known to come from this client.
    pub(super) known: Option<&'a Known>,
}

/// Makes a challenge, and sends its code where codes are sent. It waits from the moment on at which it is stored; if its code can't be
/// sent, there is none.
///
/// # Errors
/// `Invalid` for a type that the user does not have, `Unavailable` when the mail server is away.
pub(super) async fn open(
    app: &App,
    permit: &Permit,
    holder: &Holder,
    purpose: Purpose,
    mfa_type: MfaType,
    known: Option<&Known>,
) -> Result<(Challenge, MfaMeta)> {
    let mid = Handle::from(random::text(app.random.as_ref(), MID_LEN)?);
    let (now, id) = (app.now(), id_of(app, &mid));
    let mut challenge = Challenge {
        id,
        user: holder.id.clone(),
        purpose,
        mfa_type,
        code: None,
        code_until: None,
        sealed: None,
        address: None,
        sent: 0,
        created_at: now,
        expires_at: now + CHALLENGE_LIFE,
    };
    send(app, permit, holder, &mut challenge, known).await?;
    let meta = meta(&challenge, &mid);
    Ok((challenge, meta))
}

/// Sends the code of a challenge anew, or that of another factor of the user.
///
/// # Errors
/// `LoginFailed` for a challenge that is none or over, `Invalid` for a type that the user does not have, `TooMany` when it was sent too
/// often, `Unavailable` when the mail server is away.
pub(super) async fn resend(app: &App, permit: &Permit, mid: &Handle, mfa_type: Option<MfaType>) -> Result<MfaMeta> {
    let (mut challenge, holder) = find(app, permit, mid).await?;
    challenge.mfa_type = mfa_type.unwrap_or(challenge.mfa_type);
    check_type(challenge.mfa_type, &holder.choices()).map_err(Error::invalid)?;
    if challenge.mfa_type == MfaType::Mail && challenge.sent >= SENDINGS {
        let wait = (challenge.expires_at - app.now()).to_std().unwrap_or_default();
        let text = text!(
            "the code of this login was sent {SENDINGS} times: log in again later",
            "本次登录的验证码已发送 {SENDINGS} 次：请稍后重新登录"
        );
        return Err(Error::too_many(text, wait));
    }
    let before = challenge.sent;
    let known = devices::knows(app, permit.caller(), &holder.username).await?;
    send(app, permit, &holder, &mut challenge, known.as_ref()).await?;
    let tx = app.begin_for(permit, Users::used(holder.id.clone())).await?;
    if !tx.renew_challenge(&challenge, before).await? {
        return Err(over());
    }
    let name = challenge.mfa_type.name();
    let text = text!("a code of type {name} is awaited anew", "重新等待类型为 {name} 的验证码");
    tx.note(Entry::done(text).by(author(&holder)));
    tx.commit().await?;
    Ok(meta(&challenge, mid))
}

/// The challenge of a login that somebody holds, and whose it is.
///
/// # Errors
/// `LoginFailed` when it is none or over; there is no telling which.
pub(super) async fn find(app: &App, permit: &Permit, mid: &Handle) -> Result<(Challenge, Holder)> {
    let challenge = app.store.challenge(&id_of(app, mid)).await?;
    let challenge = challenge.filter(|it| it.purpose == Purpose::Login && app.now() < it.expires_at);
    let Some(challenge) = challenge else {
        let operation = permit.operation().name();
        audit::stranger(app, permit.caller().address, operation, "no login waits under this mid");
        return Err(over());
    };
    // Whose last factor was taken meanwhile has no choice of types to be told of.
    let holder = app.store.holder(&challenge.user).await?.filter(Holder::needs_code).ok_or_else(over)?;
    Ok((challenge, holder))
}

/// Judges a code. It is counted before, in a write of its own; of those who show a right one at the same time, one is told so. The
/// answer is the write in which the code and its challenge are spent, and the user as it sees them: what the code was for belongs into it.
///
/// # Errors
/// `LoginFailed` for a wrong code and a challenge that is over, `TooMany` after too many wrong codes, `Unavailable` when the database is
/// away.
pub(super) async fn settle(
    app: &App,
    permit: &Permit,
    holder: &Holder,
    challenge: Option<&Challenge>,
    answer: Answer<'_>,
) -> Result<(Tx, Holder)> {
    let Answer { mfa_type, code, known } = answer;
    check_type(mfa_type, &holder.choices()).map_err(Error::invalid)?;
    let attempt = attempts::code(app, permit, holder, known, mfa_type).await?;
    if let Some(challenge) = challenge {
        let tx = app.begin_for(permit, Users::used(holder.id.clone())).await?;
        if !tx.try_challenge(&challenge.id, app.now()).await? {
            return Err(over());
        }
        tx.commit_untold().await?;
    }
    let tx = app.begin_for(permit, Users::used(holder.id.clone())).await?;
    if !tx.hold_user(&holder.id).await? {
        return Err(over());
    }
    if let Some(challenge) = challenge
        && !tx.delete_challenge(&challenge.id).await?
    {
        return Err(over());
    }
    // As they are now: a factor may have been replaced or taken meanwhile.
    let holder = tx.holder(&holder.id).await?.filter(Holder::needs_code).ok_or_else(over)?;
    if !factor::of(mfa_type)?.spend(app, &tx, &holder, challenge, code).await? {
        drop(tx);
        return Err(wrong(app, permit, &holder, mfa_type).await?);
    }
    attempt.right(&tx).await?;
    if mfa_type == MfaType::Mail {
        attempts::mail_came_back(app, &tx, permit, &holder, known).await?;
    }
    Ok((tx, holder))
}

/// Writes down that a code was wrong, and says so.
///
/// # Errors
/// `Unavailable` when the database is away.
pub(super) async fn wrong(app: &App, permit: &Permit, holder: &Holder, mfa_type: MfaType) -> Result<Error> {
    let name = mfa_type.name();
    let entry = Entry::failed(text!("wrong code of type {name}", "类型为 {name} 的验证码错误")).by(author(holder));
    audit::record(app, permit.caller(), permit.operation().name(), entry).await?;
    Ok(Error::new(
        Kind::LoginFailed,
        text!("the code is wrong, too old, or was used already", "验证码错误、已过期或已使用"),
    ))
}

/// Who shows a code.
pub(super) fn author(holder: &Holder) -> Author {
    Author { id: holder.id.clone(), username: holder.username.clone(), credential: Some("password".to_owned()) }
}

async fn send(
    app: &App,
    permit: &Permit,
    holder: &Holder,
    challenge: &mut Challenge,
    known: Option<&Known>,
) -> Result<()> {
    let Challenge { id, purpose, mfa_type, .. } = &*challenge;
    let attempt = match mfa_type {
        MfaType::Mail => Some(attempts::mail(app, permit, holder, known).await?),
        _ => None,
    };
    let to = Recipient { holder, challenge: id, purpose };
    let sent = match (factor::of(*mfa_type)?.send(app, permit.caller(), to).await, attempt) {
        (Err(error), Some(attempt)) => {
            attempt.undo(app, permit).await?;
            return Err(error);
        }
        (sent, _) => sent?,
    };
    if let Some(sent) = sent {
        challenge.code = Some(sent.mark);
        challenge.code_until = Some(app.now() + CODE_LIFE);
        challenge.address = Some(sent.address);
        challenge.sent += 1;
    }
    Ok(())
}

fn meta(challenge: &Challenge, mid: &Handle) -> MfaMeta {
    let recipient = challenge.address.as_deref().filter(|_| challenge.mfa_type == MfaType::Mail).map(mask);
    MfaMeta { recipient, mid: mid.expose().to_owned(), mfa_type: challenge.mfa_type }
}

fn id_of(app: &App, mid: &Handle) -> ChallengeId {
    ChallengeId::from(URL_SAFE_NO_PAD.encode(app.vault.mark("challenge", mid.expose())))
}

/// What is said of a challenge that is none or over.
pub(super) fn over() -> Error {
    let text = text!(
        "this login is not known here, was completed already, or has waited for too long: log in again",
        "此登录不存在、已完成或等待时间过长：请重新登录"
    );
    Error::new(Kind::LoginFailed, text)
}
