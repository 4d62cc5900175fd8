//! Logins: return a portal token for a password and, if the user has a second factor, a code of that factor (contract, sections 5.1 and
//! 5.2).

use super::arguments::Given;
use super::fault::Fault;
use super::refusal::{Outcome, Refusal};
use super::rows::ACCOUNT;
use super::value::{Struct, Value};
use crate::app::App;
use crate::auth::authenticate::{Credential, Named};
use crate::domain::mfa::MfaType;
use crate::domain::permit::Permit;
use crate::domain::secret::{Code, Password};
use crate::error::{Barred, Error, Kind};
use crate::service::login::{self, Login, LoginRequest, Ticket};

const TOKEN: &str = "SoftLayer_Container_User_Customer_Portal_Token";
const RESPONSE: &str = "SoftLayer_Container_Authentication_Response_";

/// The credentials of a login.
struct Attempt {
    username: String,
    password: String,
    answer: Option<(i64, String)>,
    code: Option<String>,
}

/// Outcome of a login with a right password: done, or waiting for a code of the second factor.
enum Went {
    Done(Value),
    NeedsCode,
}

/// Runs `getPortalLoginToken`: logs in with a password and, if needed, a security answer.
pub(super) async fn portal_token(app: &App, permit: &Permit, given: &Given) -> Outcome<Value> {
    let answer = given.maybe_int(2)?.zip(given.maybe_text(3)?);
    let attempt = Attempt { username: given.text(0)?, password: given.text(1)?, answer, code: None };
    match attempt.run(app, permit).await.map_err(Refusal::Login)? {
        Went::Done(token) => Ok(token),
        Went::NeedsCode => Err(Fault::public(
            "A second factor is needed: log in with performExternalAuthentication, or let automation use an API key.",
        )
        .into()),
    }
}

/// Runs `performExternalAuthentication`: logs in with a password and a code of the second factor.
pub(super) async fn external(app: &App, permit: &Permit, given: &Given) -> Outcome<Value> {
    let attempt = Attempt::of(given.object(0)?)?;
    if attempt.code.is_none() {
        return Err(Fault::invalid("securityCode is needed: the code of the second factor").into());
    }
    match attempt.run(app, permit).await.map_err(Refusal::Login)? {
        Went::Done(token) => Ok(token),
        Went::NeedsCode => Err(Fault::invalid("securityCode is needed: the code of the second factor").into()),
    }
}

/// Runs `getLoginToken`. It works like `getPortalLoginToken` and `performExternalAuthentication`, but a failed login is an answer, not a
/// fault.
pub(super) async fn login_token(app: &App, permit: &Permit, given: &Given) -> Outcome<Value> {
    let attempt = Attempt::of(given.object(0)?)?;
    let went = attempt.run(app, permit).await;
    Ok(match went {
        Ok(Went::Done(token)) => {
            let mut account = Struct::of("SoftLayer_Account");
            account.put("id", ACCOUNT);
            let mut answer = response("Success", "SUCCESS");
            answer.put("token", token);
            answer.put("accounts", vec![Value::Struct(account)]);
            answer
        }
        Ok(Went::NeedsCode) => {
            let mut factor = Struct::of("SoftLayer_Container_Authentication_Response_Factor");
            factor.put("keyName", "TOTP");
            factor.put("name", "Time-based one-time password");
            let mut answer = response("2FactorAuthenticationNeeded", "2FACTOR_AUTHENTICATION_NEEDED");
            answer.put("additionalData", vec![Value::Struct(factor)]);
            answer
        }
        Err(error) if error.bar() == Some(Barred::Address) => {
            let mut answer = response("IpAddressRestrictionCheckNeeded", "IP_ADDRESS_RESTRICTION_CHECK_NEEDED");
            answer.put("errorMessage", Refusal::Login(error).into_fault("").text);
            answer
        }
        Err(error) if matches!(error.kind(), Kind::LoginFailed | Kind::TooMany) => {
            let mut answer = response("LoginFailed", "LOGIN_FAILED");
            answer.put("errorMessage", Refusal::Login(error).into_fault("").text);
            answer
        }
        Err(error) => return Err(error.into()),
    }
    .into())
}

/// Runs `validateAuthenticationToken`: checks a portal token.
pub(super) async fn validate(app: &App, permit: &Permit, given: &Given) -> Outcome<Value> {
    let shown = given.object(0)?;
    let user = shown.get("userId").and_then(Value::as_int);
    let hash = shown.get("hash").or_else(|| shown.get("authToken")).and_then(Value::as_text);
    let dead = || Fault::new("SoftLayer_Exception_InvalidLegacyToken", "Invalid authentication token.", 401);
    let (Some(user), Some(hash)) = (user, hash) else { return Err(dead().into()) };
    let credential = Credential { text: &hash, of: Named::Number(user) };
    match app.authenticate(credential, permit.caller().address).await {
        Ok(_) => Ok(token(&hash, user)),
        Err(error) if error.kind() == Kind::Unauthenticated => Err(dead().into()),
        Err(error) => Err(error.into()),
    }
}

impl Attempt {
    /// Reads the credentials of a login from a struct argument.
    fn of(container: &Struct) -> Result<Self, Fault> {
        let text = |name: &str| container.get(name).and_then(Value::as_text).filter(|text| !text.is_empty());
        let needed = |name: &str| text(name).ok_or_else(|| Fault::invalid(format!("{name} is needed: text")));
        Ok(Self {
            username: needed("username")?,
            password: needed("password")?,
            answer: container.get("securityQuestionId").and_then(Value::as_int).zip(text("securityQuestionAnswer")),
            code: text("securityCode"),
        })
    }

    async fn run(self, app: &App, permit: &Permit) -> Result<Went, Error> {
        let request = LoginRequest {
            username: self.username,
            password: Password::from(self.password),
            source: None,
            mfa_type: self.code.as_ref().map(|_| MfaType::Totp),
            code: self.code.map(Code::from),
            interactive: false,
            ticket: Ticket::Portal,
            answer: self.answer.map(|(question, answer)| (question, Password::from(answer))),
        };
        Ok(match login::login(app, permit, request).await? {
            Login::Done(done) => Went::Done(token(done.token.expose(), done.number)),
            Login::NeedsCode { .. } => Went::NeedsCode,
        })
    }
}

fn token(hash: &str, user: i64) -> Value {
    let mut token = Struct::of(TOKEN);
    token.put("hash", hash);
    token.put("userId", user);
    token.into()
}

/// Creates an answer of `getLoginToken`. The member `complexType` repeats the datatype, since XML-RPC and REST send no datatypes.
fn response(kind: &str, status: &str) -> Struct {
    let name = format!("{RESPONSE}{kind}");
    let mut answer = Struct::of(&name);
    answer.put("complexType", name);
    answer.put("statusKeyName", status);
    answer
}
