//! Challenges: pending logins, enrollments and reauthentications that need a code of a second factor. Opens challenges, sends codes again,
//! and settles each challenge once.
//!
//! A challenge belongs to one user and one purpose, lives for minutes, and is stored in the database, so that it survives a restart and
//! works on every node. The user's client holds a random text, the `mid`, which names the challenge. Only a digest of the `mid` is stored.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

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
use crate::service::audit;
use crate::service::login::attempts;
use crate::service::login::devices;
use crate::service::login::factor::{self, Recipient};
use crate::store::{Tx, Users};

/// Length of a `mid`, in letters and digits: over 200 bits.
const MID_LEN: usize = 40;

/// A code to verify, as a user has entered it.
#[derive(Debug)]
pub(in crate::service) struct Answer<'a> {
    /// Type of the second factor that the code belongs to.
    pub(in crate::service) mfa_type: MfaType,
    /// The code.
    pub(in crate::service) code: &'a Code,
    /// How the client is known from the user's earlier logins; `None` for a stranger.
    pub(in crate::service) known: Option<&'a Known>,
}

/// Creates a challenge, and sends a code if the second factor of this type sends codes. The challenge takes effect once the caller of this
/// function stores it.
///
/// # Errors
/// - `Invalid` if the type is not supported, no mail server is configured or the user has no e-mail address.
/// - `TooMany` if too many codes were mailed.
/// - `Unavailable` if the database or the mail server is unreachable.
pub(in crate::service) async fn open(
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

/// Sends a new code for a login challenge, of the same second factor or of another second factor of the user.
///
/// # Errors
/// - `LoginFailed` if the challenge is unknown or expired.
/// - `Invalid` if the user does not have a factor of this type.
/// - `TooMany` if codes were sent too often.
/// - `Unavailable` if the database or the mail server is unreachable.
pub(in crate::service) async fn resend(
    app: &App,
    permit: &Permit,
    mid: &Handle,
    mfa_type: Option<MfaType>,
) -> Result<MfaMeta> {
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

/// Returns the login challenge with this `mid`, and its user.
///
/// # Errors
/// - `LoginFailed` if the challenge is unknown or expired; the answer does not say which.
/// - `Unavailable` if the database is unreachable.
pub(in crate::service) async fn find(app: &App, permit: &Permit, mid: &Handle) -> Result<(Challenge, Holder)> {
    let challenge = app.store.challenge(&id_of(app, mid)).await?;
    let challenge = challenge.filter(|it| it.purpose == Purpose::Login && app.now() < it.expires_at);
    let Some(challenge) = challenge else {
        let operation = permit.operation().name();
        audit::stranger(app, permit.caller().address, operation, "no login waits under this mid");
        return Err(over());
    };
    // A user whose last factor was removed meanwhile has no second factor to choose from.
    let holder = app.store.holder(&challenge.user).await?.filter(Holder::needs_code).ok_or_else(over)?;
    Ok((challenge, holder))
}

/// Verifies a code. The attempt is counted first, in a transaction of its own. If several requests present the same code at once, exactly
/// one succeeds.
///
/// Returns the open transaction in which the code is spent and the challenge is deleted, and the user as read in that transaction. The
/// caller of this function makes further changes in the same transaction and commits the transaction.
///
/// # Errors
/// - `LoginFailed` if the code is wrong or the challenge is unknown or expired.
/// - `Invalid` if the user does not have a factor of this type.
/// - `TooMany` after too many wrong codes.
/// - `Unavailable` if the database is unreachable.
pub(in crate::service) async fn settle(
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
    // Read the user again: a factor may have been replaced or removed meanwhile.
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

/// Records a wrong code in the audit log and returns the error for it.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub(in crate::service) async fn wrong(app: &App, permit: &Permit, holder: &Holder, mfa_type: MfaType) -> Result<Error> {
    let name = mfa_type.name();
    let entry = Entry::failed(text!("wrong code of type {name}", "类型为 {name} 的验证码错误")).by(author(holder));
    audit::record(app, permit.caller(), permit.operation().name(), entry).await?;
    Ok(Error::new(
        Kind::LoginFailed,
        text!("the code is wrong, too old, or was used already", "验证码错误、已过期或已使用"),
    ))
}

/// Returns the author of audit entries for a user who has given the password and presents a code.
pub(in crate::service) fn author(holder: &Holder) -> Author {
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

/// Returns the error for a challenge that is unknown, completed or expired.
pub(in crate::service) fn over() -> Error {
    let text = text!(
        "this login is not known here, was completed already, or has waited for too long: log in again",
        "此登录不存在、已完成或等待时间过长：请重新登录"
    );
    Error::new(Kind::LoginFailed, text)
}
