//! Login and logout. A login verifies a password, and a second factor if the user has one, and opens a session.

pub(in crate::service) mod attempts;
pub(in crate::service) mod challenges;
pub(in crate::service) mod devices;
pub(in crate::service) mod directory;
pub(in crate::service) mod factor;
pub mod mfa;
pub mod passwords;

use chrono::TimeDelta;

use crate::app::App;
use crate::auth::authenticate::{PORTAL_TOKEN, admits};
use crate::auth::password::Verdict;
use crate::domain::audit::{Author, Entry};
use crate::domain::caller::Caller;
use crate::domain::clock::Timestamp;
use crate::domain::customer::Status;
use crate::domain::id::{SessionId, UserId};
use crate::domain::key_format;
use crate::domain::mfa::{AMR_BOTH, AMR_MFA, AMR_PASSWORD, Holder, MfaMeta, MfaType, Purpose, check_type};
use crate::domain::operation::Operation;
use crate::domain::permit::Permit;
use crate::domain::policy::Policy;
use crate::domain::principal::Duty;
use crate::domain::secret::{Code, Handle, Password, SignedToken};
use crate::domain::session::Session;
use crate::domain::text::text;
use crate::domain::throttle::Known;
use crate::domain::user::LoginUser;
use crate::error::{Barred, Error, Kind, Result};
use crate::service::access::{admitted, own_session};
use crate::service::audit;
use crate::service::login::attempts::{Account, Attempt};
use crate::service::login::challenges::Answer;
use crate::service::login::directory::{Checked, Directory};
use crate::service::people::customers;
use crate::store::{Tx, Users};

/// Arguments of a login.
#[derive(Debug)]
pub struct LoginRequest {
    /// Login name, compared exactly.
    pub username: String,
    /// Password of the user.
    pub password: Password,
    /// Source of the user; `LOCAL` by default.
    pub source: Option<String>,
    /// Type of the second factor; by default the user's preferred one.
    pub mfa_type: Option<MfaType>,
    /// Code of the second factor, if the caller has a code already.
    pub code: Option<Code>,
    /// Whether the API can continue a login in a second request. If not, a code is sent only if `mfa_type` is set. Also, the login fails if
    /// the session would have to fulfill a duty first (such as changing the password), since the API does not serve duties.
    pub interactive: bool,
    /// Kind of token to return.
    pub ticket: Ticket,
    /// Number of a security question, and the answer to that question.
    pub answer: Option<(i64, Password)>,
}

/// The kind of token that a login returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ticket {
    /// A signed token, valid as long as the `token_life` setting says.
    Token,
    /// A portal token of SoftLayer: random text, valid for [`PORTAL_LIFE`].
    Portal,
}

/// Maximum life of a portal token (contract of SoftLayer, section 5.1). A `token_life` that the operator has set shortens it.
pub const PORTAL_LIFE: TimeDelta = TimeDelta::hours(48);

/// Result of a login with the right password.
#[derive(Debug)]
pub enum Login {
    /// The login is complete.
    Done(LoggedIn),
    /// A code of a second factor is needed.
    NeedsCode {
        /// Id of the user.
        uid: UserId,
        /// The challenge that the code completes; `None` if no challenge was opened.
        meta: Option<MfaMeta>,
    },
}

/// A completed login.
#[derive(Debug)]
pub struct LoggedIn {
    /// Token of the new session.
    pub token: SignedToken,
    /// The user's number.
    pub number: i64,
    /// Handle for a device that the user has not logged in from before; `None` for a known device.
    pub device: Option<Handle>,
    /// Duty that the session must fulfill before it may do anything else.
    pub duty: Option<Duty>,
    /// Time from which the user, who has no second factor yet, is required to have one.
    pub mfa_due: Option<Timestamp>,
}

/// Verifies username and password, and the code if the request has one. Opens a session. If the user has a second factor and the request
/// has no code, opens no session and returns [`Login::NeedsCode`].
///
/// An unknown username takes as long as a wrong password and gets the same answer.
///
/// # Errors
/// - `LoginFailed` if the username, password or code is wrong, the user is not active, or the caller's address is not allowed.
/// - `TooMany` after too many wrong attempts.
/// - `Invalid` if the source of users or the type of second factor is not supported, or the user does not have a factor of this type.
/// - `Unavailable` if the database or the mail server is unreachable.
pub async fn login(app: &App, permit: &Permit, request: LoginRequest) -> Result<Login> {
    let permit = permit.require(Operation::Login)?;
    let directory = directory::of(request.source.as_deref())?;
    if request.mfa_type == Some(MfaType::Sms) {
        crate::service::login::factor::of(MfaType::Sms)?;
    }
    let policy = admitted(app, &permit).await?;
    let known = devices::knows(app, permit.caller(), &request.username).await?;
    let account = Account::of_name(app, &request.username).await?;
    let guess = attempts::Guess { account: &account, known: known.as_ref(), with_code: request.code.is_some() };
    let attempt = attempts::password(app, &permit, &policy, guess).await?;
    let trial = Trial { permit, policy, known, directory, attempt };
    loop {
        if let Some(login) = compare(app, &trial, &request).await? {
            return Ok(login);
        }
    }
}

/// State of a login in progress.
struct Trial {
    permit: Permit,
    policy: Policy,
    known: Option<Known>,
    directory: &'static dyn Directory,
    attempt: Attempt,
}

/// Verifies username and password and continues the login. Returns `None` if the stored hash changed meanwhile (a new password, or a new
/// hash of the same password) or the user enrolled a first factor. The caller of this function then verifies again.
async fn compare(app: &App, trial: &Trial, request: &LoginRequest) -> Result<Option<Login>> {
    let Trial { permit, policy, known, directory, attempt } = trial;
    let Checked { user, verdict } = directory.check(app, &request.username, request.password.clone()).await?;
    let author = user.as_ref().map(|user| Author {
        id: user.id.clone(),
        username: user.username.clone(),
        credential: Some("password".to_owned()),
    });
    let with_code = request.code.is_some();
    let Some(user) = user.filter(|_| verdict != Verdict::Wrong) else {
        // Unknown usernames are not recorded: people sometimes type a password as username by mistake.
        return wrong(app, permit.caller(), author, with_code).await;
    };
    let holder = app.store.holder(&user.id).await?;
    let Some(holder) = holder.filter(|holder| holder.needs_code() || !with_code) else {
        // A code for a user without a second factor fails like a wrong one; otherwise any code would bypass the limit for strangers.
        return wrong(app, permit.caller(), author, with_code).await;
    };
    let renewed = match verdict {
        Verdict::Stale => Some(app.passwords.hash(request.password.clone(), app.random.as_ref()).await?),
        Verdict::Right | Verdict::Wrong => None,
    };
    let answered = match &request.answer {
        _ if !user.answers_required => true,
        Some((question, answer)) => customers::is_right_answer(app, &user.id, *question, answer.clone()).await?,
        None => false,
    };
    let mfa_type = request.mfa_type.unwrap_or(holder.preferred());
    let (tx, holder, amr) = match &request.code {
        None if holder.needs_code() => {
            check_type(mfa_type, &holder.choices()).map_err(Error::invalid)?;
            let challenge = match request.interactive || request.mfa_type.is_some() {
                true => match challenges::open(app, permit, &holder, Purpose::Login, mfa_type, known.as_ref()).await {
                    Ok(opened) => Some(opened),
                    Err(error) => {
                        // The password was right, so this attempt does not count even though the code can't be sent.
                        attempt.undo(app, permit).await?;
                        return Err(error);
                    }
                },
                false => None,
            };
            let tx = app.begin_for(permit, Users::used(user.id.clone())).await?;
            let Some(_) = hold(&tx, &user, renewed).await? else { return Ok(None) };
            attempt.right(&tx).await?;
            let name = mfa_type.name();
            let entry = match &challenge {
                Some((challenge, _)) => {
                    tx.insert_challenge(challenge).await?;
                    let text = text!(
                        "password right, a code of type {name} is awaited",
                        "密码正确，等待类型为 {name} 的验证码"
                    );
                    Entry::done(text)
                }
                None => Entry::failed(text!("a second factor is needed", "需要第二因素")),
            };
            tx.note(entry.by(challenges::author(&holder)));
            tx.commit().await?;
            let meta = challenge.map(|(_, meta)| meta);
            return Ok(Some(Login::NeedsCode { uid: holder.id, meta }));
        }
        None => (app.begin_for(permit, Users::used(user.id.clone())).await?, holder, AMR_PASSWORD),
        Some(code) => {
            let answer = Answer { mfa_type, code, known: known.as_ref() };
            match challenges::settle(app, permit, &holder, None, answer).await {
                Ok((tx, holder)) => (tx, holder, AMR_BOTH),
                // The same answer as for a wrong password; otherwise a caller who adds any code could test passwords beyond the limit for
                // strangers.
                Err(error) if [Kind::LoginFailed, Kind::TooMany, Kind::Invalid].contains(&error.kind()) => {
                    return Err(wrong_login(with_code));
                }
                Err(error) => return Err(error),
            }
        }
    };
    // Read the user again: the status may have changed since the password was compared.
    let Some(user) = hold(&tx, &user, renewed).await? else { return Ok(None) };
    // If the user enrolled a first factor meanwhile, start again.
    if amr == AMR_PASSWORD && tx.holder(&user.id).await?.is_none_or(|holder| holder.needs_code()) {
        return Ok(None);
    }
    attempt.right(&tx).await?;
    let proven = Proven { holder, user, amr, interactive: request.interactive, ticket: request.ticket, answered };
    begin_session(app, policy, tx, proven).await.map(|done| Some(Login::Done(done)))
}

/// Locks the compared password hash until the transaction ends, or replaces the hash by `renewed`. Returns the user as read in the
/// transaction; `None` if another hash was stored meanwhile.
async fn hold(tx: &Tx, user: &LoginUser, renewed: Option<String>) -> Result<Option<LoginUser>> {
    let is_held = match (&user.password_hash, renewed) {
        (Some(compared), Some(renewed)) => tx.replace_hash(&user.id, compared, renewed).await?,
        (compared, _) => tx.hold_password(&user.id).await? == *compared,
    };
    if is_held { tx.login_user(&user.id).await } else { Ok(None) }
}

/// Completes the pending login of a challenge with a code of a second factor.
///
/// # Errors
/// - `LoginFailed` if the code is wrong, the challenge is unknown or expired, or the caller's address is not allowed.
/// - `Invalid` if the user does not have a factor of this type.
/// - `TooMany` after too many wrong codes.
/// - `Unavailable` if the database is unreachable.
pub async fn verify_mfa(app: &App, permit: &Permit, mid: &Handle, mfa_type: MfaType, code: &Code) -> Result<LoggedIn> {
    let permit = permit.require(Operation::VerifyMfa)?;
    let policy = admitted(app, &permit).await?;
    let (challenge, holder) = challenges::find(app, &permit, mid).await?;
    let known = devices::knows(app, permit.caller(), &holder.username).await?;
    let answer = Answer { mfa_type, code, known: known.as_ref() };
    let (tx, holder) = challenges::settle(app, &permit, &holder, Some(&challenge), answer).await?;
    let user = tx.login_user(&holder.id).await?.ok_or_else(challenges::over)?;
    let answered = !user.answers_required;
    let proven = Proven { holder, user, amr: AMR_BOTH, interactive: true, ticket: Ticket::Token, answered };
    begin_session(app, &policy, tx, proven).await
}

/// Sends a new code for a pending login, of the same second factor or of another second factor of the user.
///
/// # Errors
/// Like [`verify_mfa`].
pub async fn resend_mfa(app: &App, permit: &Permit, mid: &Handle, mfa_type: Option<MfaType>) -> Result<MfaMeta> {
    let permit = permit.require(Operation::ResendMfa)?;
    admitted(app, &permit).await?;
    challenges::resend(app, &permit, mid, mfa_type).await
}

/// A user who has passed all steps of a login.
struct Proven {
    holder: Holder,
    user: LoginUser,
    amr: &'static [&'static str],
    interactive: bool,
    ticket: Ticket,
    answered: bool,
}

/// Opens the session of the user and commits the transaction.
async fn begin_session(app: &App, policy: &Policy, tx: Tx, proven: Proven) -> Result<LoggedIn> {
    let permit = tx.permit().clone();
    let caller = permit.caller();
    let Proven { holder, user, amr, interactive, ticket, answered } = proven;
    let now = app.now();
    let password_expired = policy.expires_password(user.password_updated_at, now);
    if password_expired {
        tx.mark_expired_password(&user.id).await?;
    }
    let asked = !holder.needs_code() && policy.mfa.asks(tx.roles_of(&user.id).await?.iter());
    let duty = Duty::of(password_expired, asked && policy.mfa.rollout.holds(now));
    let author = challenges::author(&holder);
    if let Some(duty) = duty.filter(|_| !interactive) {
        let error = refused_for(duty);
        tx.note(Entry::failed(error.text().clone()).by(author));
        tx.commit().await?;
        return Err(error);
    }
    if let Some(error) = barred(caller, &user, answered)? {
        // Roll back: the attempt still counts, and the code stays unspent.
        drop(tx);
        let entry = Entry::failed(error.text().clone()).by(author);
        audit::record(app, caller, Operation::Login.name(), entry).await?;
        return Err(error);
    }
    let session = Session {
        id: SessionId::generate(now, app.random.as_ref())?,
        user: user.id.clone(),
        created_at: now,
        expires_at: match ticket {
            Ticket::Token => end_of_token(app, now),
            Ticket::Portal => (now + PORTAL_LIFE).min(match app.settings.token_life_named {
                true => end_of_token(app, now),
                false => Timestamp::MAX_UTC,
            }),
        },
        amr: amr.iter().map(|&method| method.to_owned()).collect(),
        mfa_at: amr.contains(&AMR_MFA).then_some(now),
        address: caller.address.map(|address| address.to_string()),
        agent: caller.agent.clone(),
        password_expired,
    };
    let (token, digest) = match ticket {
        Ticket::Token => (app.tokens.sign(&session)?, None),
        Ticket::Portal => {
            let token = key_format::generate_portal_token(app.random.as_ref())?;
            let digest = app.vault.mark(PORTAL_TOKEN, token.expose());
            (SignedToken::from(token.expose().to_owned()), Some(digest))
        }
    };
    tx.insert_session(&session, digest).await?;
    let device = devices::see(app, &tx, caller, &holder).await?;
    let mfa_due = policy.mfa.rollout.enforced_from.filter(|_| asked && !policy.mfa.rollout.report_only);
    let id = &session.id;
    let entry = Entry::done(text!("logged in: session {id}", "登录：会话 {id}"));
    tx.note(entry.of("Session", id).by(author));
    tx.commit().await?;
    tracing::info!(user.name = user.username, session.id = %id, "logged in");
    Ok(LoggedIn { token, number: user.number, device, duty, mfa_due })
}

/// Returns the error for a user who may not log in despite the right password and code. Only a caller who has both sees this error.
fn barred(caller: &Caller, user: &LoginUser, answered: bool) -> Result<Option<Error>> {
    if !answered {
        let text = text!(
            "the answer to a security question is needed, or is wrong: log in with SoftLayer's getPortalLoginToken",
            "需要安全问题的答案，或答案错误：请使用 SoftLayer 的 getPortalLoginToken 登录"
        );
        return Ok(Some(Error::barred(Barred::Answer, text)));
    }
    if user.status != Status::Active {
        let text = text!("this user is not active: ask somebody who manages users", "该用户未启用：请联系用户管理员");
        return Ok(Some(Error::barred(Barred::Status(user.status), text)));
    }
    if !admits(user.address_restriction.as_deref(), caller.address)? {
        let text = text!("this user does not log in from your address", "该用户不允许从您的地址登录");
        return Ok(Some(Error::barred(Barred::Address, text)));
    }
    Ok(None)
}

/// Records a failed login and returns the error, which is the same for a wrong username and a wrong password.
async fn wrong<T>(app: &App, caller: &Caller, author: Option<Author>, with_code: bool) -> Result<T> {
    let entry = Entry::failed(text!("login failed", "登录失败"));
    audit::record(app, caller, Operation::Login.name(), Entry { by: author, ..entry }).await?;
    Err(wrong_login(with_code))
}

fn wrong_login(with_code: bool) -> Error {
    let text = match with_code {
        true => text!("the username, the password or the code is wrong", "用户名、密码或验证码错误"),
        false => text!("the username or the password is wrong", "用户名或密码错误"),
    };
    Error::new(Kind::LoginFailed, text)
}

/// Returns the error for a login whose session could only fulfill a duty that the API does not serve.
fn refused_for(duty: Duty) -> Error {
    let text = match duty {
        Duty::ChangePassword => text!(
            "the password has expired: log in with GraphQL's login at /api and change it with changePassword; or somebody who manages \
             users, or the operator with keytower user set-password, sets a new one",
            "密码已过期：请通过 /api 的 GraphQL login 登录并用 changePassword 修改；用户管理员也可以设置新密码，\
             运维人员可使用 keytower user set-password 设置"
        ),
        Duty::EnrollMfa => text!(
            "a second factor is required of you: log in with GraphQL's login at /api and enrol one there with enrollTotp and confirmTotp, \
             or enrollMail and confirmMail; automation uses an API key",
            "您必须启用第二因素：请通过 /api 的 GraphQL login 登录，并用 enrollTotp 与 confirmTotp（或 enrollMail 与 confirmMail）注册；\
             自动化程序请使用 API 密钥"
        ),
    };
    Error::new(Kind::LoginFailed, text)
}

/// Returns the error of an API that can't ask for a code. The error says that a code is needed, and that a script uses an API key instead.
#[must_use]
pub fn needs_code(meta: Option<MfaMeta>) -> Error {
    let text = text!(
        "a second factor is needed, and this login can't ask for its code. A person logs in with GraphQL's login and verifyMfa at \
         /api; automation uses an API key: a person mints one with GraphQL's createApiKey, and scripts send it in the \
         Authorization header, where the token would go",
        "需要第二因素，而此登录接口无法输入验证码。请通过 /api 的 GraphQL login 与 verifyMfa 登录；自动化程序请使用 API 密钥：\
         登录后用 GraphQL 的 createApiKey 创建，并放在 Authorization 请求头中（与令牌的位置相同）"
    );
    Error::needs_code(text, meta)
}

/// Ends the session of the caller's own token.
///
/// # Errors
/// - `Forbidden` if the caller authenticated with an API key.
/// - `Unavailable` if the database is unreachable.
pub async fn logout(app: &App, permit: &Permit) -> Result<()> {
    let permit = permit.require(Operation::Logout)?;
    let (session, user) = own_session(&permit)?;
    let tx = app.begin(&permit).await?;
    tx.delete_session(&user, &session).await?;
    tx.note(Entry::done(text!("logged out: session {session}", "登出：会话 {session}")).of("Session", &session));
    tx.commit().await?;
    tracing::info!(%session, "logged out");
    Ok(())
}

/// Returns the time at which a token issued at `now` expires. A `token_life` of zero ("until it is revoked") means a century.
pub(in crate::service) fn end_of_token(app: &App, now: Timestamp) -> Timestamp {
    let life = match app.settings.token_life {
        life if life.is_zero() => TimeDelta::days(36_500),
        life => TimeDelta::from_std(life).unwrap_or(TimeDelta::MAX),
    };
    now.checked_add_signed(life).unwrap_or(Timestamp::MAX_UTC)
}
