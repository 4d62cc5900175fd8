//! The caller's own second factors (read, enroll, reauthenticate, remove), and the reset of other users' factors.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::app::App;
use crate::auth::password::Verdict;
use crate::auth::totp::Enrollment;
use crate::domain::audit::Entry;
use crate::domain::clock::Timestamp;
use crate::domain::entity::{API_KEY, USER};
use crate::domain::id::{FactorId, SessionId, UserId};
use crate::domain::mfa::{AMR_BOTH, Challenge, Holder, MfaMeta, MfaType, Purpose, check_type};
use crate::domain::operation::Operation;
use crate::domain::permit::Permit;
use crate::domain::secret::{Code, Password};
use crate::domain::text::text;
use crate::domain::throttle::Known;
use crate::domain::user::User;
use crate::error::{Error, Kind, Result};
use crate::service::access::own_session;
use crate::service::login::attempts::{self, Account, Guess};
use crate::service::login::challenges::{self, Answer};
use crate::service::login::devices;
use crate::service::login::directory;
use crate::service::login::factor;
use crate::service::outbox::letters;
use crate::service::people::change::{Change, matching};
use crate::store::{Node, Tx};

/// Result of a reauthentication.
#[derive(Debug)]
pub enum Reauthentication {
    /// A code was sent, and the caller has to present the code.
    Awaited(MfaMeta),
    /// The caller is reauthenticated. The proof is fresh until this time.
    Fresh(Timestamp),
}

/// Returns the caller's own second factors.
///
/// # Errors
/// - `Forbidden` if the caller authenticated with an API key.
/// - `Unavailable` if the database is unreachable.
pub async fn read(app: &App, permit: &Permit) -> Result<Holder> {
    let permit = permit.require(Operation::ReadMfa)?;
    holder_of(app, &permit).await.map(|(holder, _)| holder)
}

/// Generates a TOTP secret for the caller's device. The second factor takes effect once [`confirm`] receives the first code of the device;
/// otherwise the secret is discarded.
///
/// # Errors
/// - `LoginFailed` if the password is wrong.
/// - `TooMany` after too many wrong passwords.
/// - `Forbidden` if the caller authenticated with an API key.
/// - `StepUp` if the caller has a second factor that was not proven recently.
/// - `Unavailable` if the database is unreachable.
pub async fn enroll_totp(app: &App, permit: &Permit, password: Password) -> Result<Enrollment> {
    let permit = permit.require(Operation::EnrollMfa)?;
    let (holder, session) = holder_of(app, &permit).await?;
    expect_password(app, &permit, &holder, password).await?;
    let (enrollment, sealed) = factor::begin_totp(app, &holder)?;
    let purpose = Purpose::Enroll(session);
    let (challenge, _) = challenges::open(app, &permit, &holder, purpose, MfaType::Totp, None).await?;
    begin_enrollment(app, &permit, Challenge { sealed: Some(sealed), ..challenge }).await?;
    Ok(enrollment)
}

/// Sends a code to the caller's e-mail address. The address becomes a factor once [`confirm`] receives the code.
///
/// # Errors
/// - Like [`enroll_totp`].
/// - `Invalid` if the user has no e-mail address or no mail server is configured.
/// - `Unavailable` if the mail server is unreachable.
pub async fn enroll_mail(app: &App, permit: &Permit, password: Password) -> Result<MfaMeta> {
    let permit = permit.require(Operation::EnrollMfa)?;
    let (holder, session) = holder_of(app, &permit).await?;
    expect_password(app, &permit, &holder, password).await?;
    let known = devices::knows(app, permit.caller(), &holder.username).await?;
    let purpose = Purpose::Enroll(session);
    let (challenge, meta) = challenges::open(app, &permit, &holder, purpose, MfaType::Mail, known.as_ref()).await?;
    begin_enrollment(app, &permit, challenge).await?;
    Ok(meta)
}

/// Confirms a new second factor with its first code. If the user has no recovery codes, returns new recovery codes, which only this answer
/// shows. Existing recovery codes stay valid.
///
/// # Errors
/// - `LoginFailed` if the code is wrong.
/// - `Invalid` if no enrollment of this type was begun in this session, or the enrollment has expired.
/// - `TooMany` after too many wrong codes.
/// - `Forbidden` if the caller authenticated with an API key.
/// - `StepUp` if the caller has a second factor that was not proven recently.
/// - `Unavailable` if the database is unreachable.
pub async fn confirm(app: &App, permit: &Permit, mfa_type: MfaType, code: &Code) -> Result<Option<Vec<String>>> {
    let permit = permit.require(Operation::ConfirmMfa)?;
    let (holder, session) = holder_of(app, &permit).await?;
    let (name, now) = (mfa_type.name(), app.now());
    let attempt = attempts::code(app, &permit, &holder, Some(&Known::Session(session.clone())), mfa_type).await?;
    let tx = app.begin(&permit).await?;
    let begun = tx.enrollment(&holder.id, &session, mfa_type).await?.filter(|begun| now < begun.expires_at);
    let begun = begun.ok_or_else(|| {
        Error::invalid(text!(
            "no factor of type {name} was begun in this session, or it has waited for too long: call enroll{name} first",
            "本会话未开始注册类型为 {name} 的第二因素，或已超时：请先调用 enroll{name}"
        ))
    })?;
    if !tx.try_challenge(&begun.id, now).await? {
        return Err(challenges::over());
    }
    tx.commit_untold().await?;
    let Some(new) = factor::of(mfa_type)?.prove(app, &begun, code) else {
        return Err(challenges::wrong(app, &permit, &holder, mfa_type).await?);
    };
    let tx = app.begin(&permit).await?;
    if !tx.hold_user(&holder.id).await? || !tx.delete_challenge(&begun.id).await? {
        return Err(challenges::over());
    }
    // Read the factors again: the factors may have changed before the transaction began.
    let before = tx.holder(&holder.id).await?.ok_or_else(challenges::over)?;
    tx.put_factor(&FactorId::generate(now, app.random.as_ref())?, &holder.id, new, now).await?;
    if !before.needs_code() {
        // The known devices come from logins with only a password. One of these devices may be a thief's, which may be why the user adds a
        // second factor.
        tx.forget_devices_of(&holder.id).await?;
    }
    let codes = match before.recovery_codes {
        0 => Some(renew_codes(app, &tx, &holder.id).await?),
        _ => None,
    };
    if !tx.prove_session(&session, AMR_BOTH, now).await? {
        return Err(Error::refused("the session was ended meanwhile"));
    }
    attempt.right(&tx).await?;
    let codes_went_to = holder.factor(mfa_type).and_then(|factor| factor.address.as_deref());
    let what = text!("a second factor of type {name} was added", "已添加类型为 {name} 的第二因素");
    letters::factors_changed(app, &tx, permit.caller(), &holder, codes_went_to, what).await?;
    tx.note(
        Entry::done(text!("second factor of type {name} enrolled", "已启用类型为 {name} 的第二因素"))
            .of(USER.name, &holder.id),
    );
    tx.commit().await?;
    tracing::info!(user.name = holder.username, name, "second factor enrolled");
    Ok(codes)
}

/// Replaces the caller's recovery codes and returns the new codes. The old codes stop working.
///
/// # Errors
/// - `Invalid` if the caller has no second factor.
/// - `Forbidden` if the caller authenticated with an API key.
/// - `StepUp` if the second factor was not proven recently.
/// - `Unavailable` if the database is unreachable.
pub async fn renew_recovery_codes(app: &App, permit: &Permit) -> Result<Vec<String>> {
    let permit = permit.require(Operation::RenewRecoveryCodes)?;
    let (holder, _) = holder_of(app, &permit).await?;
    let tx = app.begin(&permit).await?;
    tx.hold_user(&holder.id).await?;
    expect_factor(&tx.holder(&holder.id).await?.ok_or_else(challenges::over)?)?;
    let codes = renew_codes(app, &tx, &holder.id).await?;
    let what = text!("the recovery codes were replaced by other ones", "恢复码已更换");
    letters::factors_changed(app, &tx, permit.caller(), &holder, None, what).await?;
    tx.note(Entry::done(text!("recovery codes renewed", "已更新恢复码")).of(USER.name, &holder.id));
    tx.commit().await?;
    Ok(codes)
}

/// The proof that the caller reauthenticates with.
#[derive(Debug)]
pub enum Proof {
    /// The password, for a caller without a second factor.
    Password(Password),
    /// A code of a second factor. If `code` is `None`, a code is sent, provided that the factor sends codes.
    Code {
        /// Type of the second factor; by default the type that the user prefers.
        mfa_type: Option<MfaType>,
        /// The code.
        code: Option<Code>,
    },
}

/// Verifies the caller's second factor again, or the password of a caller without one.
///
/// # Errors
/// - `Invalid` if the proof is a password although the caller has a second factor, or a code although the caller has none; if a required
///   code is missing; or if the caller does not have a factor of this type.
/// - `LoginFailed` if the code or password is wrong.
/// - `TooMany` after too many wrong codes or passwords.
/// - `Forbidden` if the caller authenticated with an API key.
/// - `Unavailable` if the database or the mail server is unreachable.
pub async fn reauthenticate(app: &App, permit: &Permit, proof: Proof) -> Result<Reauthentication> {
    let permit = permit.require(Operation::Reauthenticate)?;
    let (holder, session) = holder_of(app, &permit).await?;
    let fresh = |now: Timestamp| {
        Reauthentication::Fresh(now + chrono::TimeDelta::from_std(app.settings.step_up_time).unwrap_or_default())
    };
    let (mfa_type, code) = match proof {
        Proof::Code { mfa_type, code } => (mfa_type, code),
        Proof::Password(password) => {
            if holder.needs_code() {
                return Err(Error::invalid(text!(
                    "you have a second factor: prove it with a code of it, not with the password",
                    "您有第二因素：请使用其验证码，而不是密码"
                )));
            }
            expect_password(app, &permit, &holder, password).await?;
            let (tx, now) = (app.begin(&permit).await?, app.now());
            tx.prove_password(&session, now).await?;
            tx.note(Entry::done(text!("password proven anew", "已重新验证密码")).of("Session", &session));
            tx.commit().await?;
            return Ok(fresh(now));
        }
    };
    expect_factor(&holder)?;
    let mfa_type = mfa_type.unwrap_or(holder.preferred());
    check_type(mfa_type, &holder.choices()).map_err(Error::invalid)?;
    let Some(code) = code else {
        if mfa_type != MfaType::Mail {
            let text = text!("code is needed: only codes by mail are sent", "需要 code：只有邮件验证码会被发送");
            return Err(Error::invalid(text));
        }
        let purpose = Purpose::Reauthenticate(session);
        let known = devices::knows(app, permit.caller(), &holder.username).await?;
        let (challenge, meta) = challenges::open(app, &permit, &holder, purpose, mfa_type, known.as_ref()).await?;
        let tx = app.begin(&permit).await?;
        tx.insert_challenge(&challenge).await?;
        tx.note(Entry::done(text!("a code by mail is awaited", "等待邮件验证码")).of("Session", owner(&challenge)));
        tx.commit().await?;
        return Ok(Reauthentication::Awaited(meta));
    };
    let (tx, _) = spend(app, &permit, &session, mfa_type, &code).await?;
    let now = app.now();
    if !tx.prove_session(&session, AMR_BOTH, now).await? {
        return Err(Error::refused("the session was ended meanwhile"));
    }
    tx.note(Entry::done(text!("second factor proven anew", "已重新验证第二因素")).of("Session", &session));
    tx.commit().await?;
    Ok(fresh(now))
}

/// Removes one of the caller's second factors. `code` is a code of that factor or a recovery code. Removing the last factor also removes
/// the recovery codes.
///
/// # Errors
/// - `Invalid` if the user does not have a factor of this type.
/// - `LoginFailed` if the code is wrong.
/// - `TooMany` after too many wrong codes.
/// - `Forbidden` if the caller authenticated with an API key, or this is the only factor of a user who is required to have one.
/// - `StepUp` if the second factor was not proven recently.
/// - `Unavailable` if the database is unreachable.
pub async fn remove(app: &App, permit: &Permit, mfa_type: MfaType, code: &Code) -> Result<Holder> {
    let permit = permit.require(Operation::RemoveMfa)?;
    let (holder, session) = holder_of(app, &permit).await?;
    let own: Vec<MfaType> = holder.factors.iter().map(|factor| factor.mfa_type).collect();
    check_type(mfa_type, &own).map_err(Error::invalid)?;
    let (tx, holder) = spend(app, &permit, &session, factor::meant(mfa_type, code), code).await?;
    let policy = app.store.policy().await?;
    let only = holder.factors.iter().all(|factor| factor.mfa_type == mfa_type);
    if only && policy.mfa.demands(tx.roles_of(&holder.id).await?.iter(), app.now()) {
        let text = text!(
            "a second factor is required of you, and this is your only one: enrol another one first",
            "您必须启用第二因素，而这是您唯一的一个：请先注册另一个"
        );
        return Err(Error::new(Kind::Forbidden, text));
    }
    tx.delete_factor(&holder.id, mfa_type).await?;
    tx.delete_challenges_of(&holder.id).await?;
    let name = mfa_type.name();
    let codes_went_to = holder.factor(mfa_type).and_then(|factor| factor.address.as_deref());
    let what = text!("the second factor of type {name} was removed", "已移除类型为 {name} 的第二因素");
    letters::factors_changed(app, &tx, permit.caller(), &holder, codes_went_to, what).await?;
    tx.note(
        Entry::done(text!("second factor of type {name} removed", "已移除类型为 {name} 的第二因素"))
            .of(USER.name, &holder.id),
    );
    let left = tx.holder(&holder.id).await?.ok_or_else(challenges::over)?;
    tx.commit().await?;
    tracing::info!(user.name = holder.username, name, "second factor removed");
    Ok(left)
}

/// Removes all second factors of the users that `conditions` match, for example of users who have lost their devices. Ends the sessions of
/// these users. Suspends the API keys that these users minted with a second factor. A key stays suspended until its owner confirms the key.
///
/// # Errors
/// - `NotFound` if no user matches.
/// - `Invalid` if the caller is among the users.
/// - `Forbidden` if the caller authenticated with an API key, or a user holds rights that the caller does not hold.
/// - `StepUp` if the second factor was not proven recently.
/// - `Unavailable` if the database is unreachable.
pub async fn reset(app: &App, permit: &Permit, conditions: Map<String, Value>) -> Result<Vec<Arc<Node>>> {
    let permit = permit.require(Operation::ResetMfa)?;
    let query = matching(app, &USER, conditions)?;
    let (change, users) = Change::of_users(app, &permit, &query).await?;
    if users.iter().any(|user| change.is_caller(user)) {
        let text = text!("your own factors you remove with removeMfa", "您自己的第二因素请使用 removeMfa 移除");
        return Err(Error::invalid(text));
    }
    for User { id, username: name, .. } in &users {
        change.tx.hold_user(id).await?;
        let holder = change.tx.holder(id).await?.ok_or_else(|| Error::internal("a user that is held is gone"))?;
        let factors = change.tx.delete_factors(id).await?;
        let ended = change.tx.end_sessions_of(id, None).await?;
        if holder.needs_code() {
            let codes_went_to = holder.factor(MfaType::Mail).and_then(|factor| factor.address.as_deref());
            let what = text!("all second factors were reset", "已重置全部第二因素");
            letters::factors_changed(app, &change.tx, permit.caller(), &holder, codes_went_to, what).await?;
        }
        let text = text!(
            "second factors of user {name} reset: {factors} factors taken, {ended} sessions ended",
            "已重置用户 {name} 的第二因素：移除 {factors} 个第二因素，结束 {ended} 个会话"
        );
        change.tx.note(Entry::done(text).of(USER.name, id));
        for (key, key_name) in change.tx.suspend_keys_of(id, app.now()).await? {
            let text = text!(
                "API key {key_name} suspended until user {name} confirms it",
                "API 密钥 {key_name} 已暂停，等待用户 {name} 确认"
            );
            change.tx.note(Entry::done(text).of(API_KEY.name, key));
        }
    }
    let ids: Vec<String> = users.iter().map(|user| user.id.to_string()).collect();
    let by = change.actor.username.clone();
    let users = change.finish(&USER, &ids).await?;
    tracing::info!(user.ids = ?ids, by, "second factors reset");
    Ok(users)
}

/// Verifies a code of a logged-in caller, so that the code can't be used again. A mailed code belongs to the open challenge of the caller's
/// session.
async fn spend(
    app: &App,
    permit: &Permit,
    session: &SessionId,
    mfa_type: MfaType,
    code: &Code,
) -> Result<(Tx, Holder)> {
    let (holder, _) = holder_of(app, permit).await?;
    let waiting = match mfa_type {
        MfaType::Mail => {
            let waiting = app.store.reauthentication(&holder.id, session).await?;
            Some(waiting.filter(|it| app.now() < it.expires_at).ok_or_else(|| {
                Error::invalid(text!(
                    "no code by mail was sent in this session: call reauthenticate without a code first",
                    "本会话未发送邮件验证码：请先不带 code 调用 reauthenticate"
                ))
            })?)
        }
        _ => None,
    };
    let known = devices::knows(app, permit.caller(), &holder.username).await?;
    let answer = Answer { mfa_type, code, known: known.as_ref() };
    challenges::settle(app, permit, &holder, waiting.as_ref(), answer).await
}

async fn holder_of(app: &App, permit: &Permit) -> Result<(Holder, SessionId)> {
    let (session, user) = own_session(permit)?;
    let holder = app.store.holder(&user).await?;
    Ok((holder.ok_or_else(|| Error::refused("the user was deleted meanwhile"))?, session))
}

/// Rejects a wrong password of the caller's own account. Returns the stored hash that the password was compared with.
pub(in crate::service) async fn expect_password(
    app: &App,
    permit: &Permit,
    holder: &Holder,
    password: Password,
) -> Result<Option<String>> {
    let policy = app.store.policy().await?;
    let (session, _) = own_session(permit)?;
    let account = Account::of_user(&holder.id);
    let guess = Guess { account: &account, known: Some(&Known::Session(session)), with_code: false };
    let attempt = attempts::password(app, permit, &policy, guess).await?;
    let checked = directory::of(None)?.check(app, &holder.username, password).await?;
    if checked.verdict == Verdict::Wrong {
        return Err(Error::new(Kind::LoginFailed, text!("the password is wrong", "密码错误")));
    }
    let tx = app.begin(permit).await?;
    attempt.right(&tx).await?;
    tx.commit_untold().await?;
    Ok(checked.user.and_then(|user| user.password_hash))
}

fn expect_factor(holder: &Holder) -> Result<()> {
    match holder.needs_code() {
        true => Ok(()),
        false => Err(Error::invalid(text!(
            "you have no second factor: enrol one with enrollTotp or enrollMail",
            "您没有第二因素：请使用 enrollTotp 或 enrollMail 注册"
        ))),
    }
}

async fn begin_enrollment(app: &App, permit: &Permit, challenge: Challenge) -> Result<()> {
    let name = challenge.mfa_type.name();
    let tx = app.begin(permit).await?;
    tx.insert_challenge(&challenge).await?;
    let text = text!("second factor of type {name} begun", "开始注册类型为 {name} 的第二因素");
    tx.note(Entry::done(text).of(USER.name, &challenge.user));
    tx.commit().await
}

async fn renew_codes(app: &App, tx: &Tx, user: &UserId) -> Result<Vec<String>> {
    let (codes, kept) = factor::new_codes(app)?;
    tx.put_recovery_codes(user, kept, app.now()).await?;
    Ok(codes)
}

fn owner(challenge: &Challenge) -> String {
    challenge.purpose.session().map(ToString::to_string).unwrap_or_default()
}
