//! Login and logout: `login`, `verifyMfa`, `resendMfa` and `logout` (contract sections 1.2 and 1.4).

use async_graphql::dynamic::{Enum, Field, FieldValue, InputObject, InputValue, ResolverContext, Type, TypeRef};
use serde_json::{Map, Value, json};

use super::call::{Call, resolve};
use super::record::{self, maybe_text};
use super::value::{arguments, member, refuse_encoded};
use crate::domain::clock::iso;
use crate::domain::mfa::{MfaMeta, MfaType};
use crate::domain::operation::Operation;
use crate::domain::principal::Duty;
use crate::domain::secret::{Code, Handle, Password};
use crate::error::Error;
use crate::http::caller::device_cookie;
use crate::service::login::{self, LoggedIn, Login, Ticket};

/// Returns the mutation fields for login and logout.
pub(super) fn fields() -> [Field; 4] {
    let login = Field::new("login", TypeRef::named_nn("Login"), |ctx| {
        resolve(ctx, Operation::Login, |Call { app, ctx, permit, .. }| async move {
            let mut given = arguments(&ctx)?;
            refuse_encoded(&given)?;
            let request = login::LoginRequest {
                username: member(&mut given, "data", "username").unwrap_or_default(),
                password: Password::from(member(&mut given, "data", "password").unwrap_or_default()),
                source: member(&mut given, "data", "source"),
                mfa_type: mfa_type(&mut given, "mfa_type"),
                code: member(&mut given, "data", "mfa_code").map(Code::from),
                interactive: true,
                ticket: Ticket::Token,
                answer: None,
            };
            Ok(match login::login(app, &permit, request).await? {
                Login::Done(done) => logged_in(&ctx, &done),
                Login::NeedsCode { uid, meta } => {
                    let meta = meta.as_ref().map(MfaMeta::to_json);
                    record::value(json!({ "uid": uid.to_string(), "need_mfa": true, "mfa_meta": meta }))
                }
            })
        })
    })
    .description(
        "Logs in with a password. The token goes into the Authorization header. Where the user has a second factor there is no token yet: \
         verifyMfa completes the login with a code.",
    )
    .argument(InputValue::new("data", TypeRef::named_nn("LoginInput")))
    .argument(InputValue::new("effect", TypeRef::named("LoginEffect")));
    let verify = Field::new("verifyMfa", TypeRef::named_nn("Login"), |ctx| {
        resolve(ctx, Operation::VerifyMfa, |Call { app, ctx, permit, .. }| async move {
            let mut given = arguments(&ctx)?;
            let (mid, code) = (handle(&mut given), code(&mut given));
            let mfa_type = mfa_type(&mut given, "type").ok_or_else(|| Error::internal("verifyMfa without a type"))?;
            Ok(logged_in(&ctx, &login::verify_mfa(app, &permit, &mid, mfa_type, &code).await?))
        })
    })
    .description("Completes a login with a code of the user's second factor. A code works once.")
    .argument(InputValue::new("data", TypeRef::named_nn("MfaVerifyInput")));
    let resend = Field::new("resendMfa", TypeRef::named_nn("MfaMeta"), |ctx| {
        resolve(ctx, Operation::ResendMfa, |Call { app, ctx, permit, .. }| async move {
            let mut given = arguments(&ctx)?;
            let mid = handle(&mut given);
            let meta = login::resend_mfa(app, &permit, &mid, mfa_type(&mut given, "type")).await?;
            Ok(record::value(meta.to_json()))
        })
    })
    .description(
        "Sends the code of a login anew, three times in all, or asks for a code of another of the user's factors.",
    )
    .argument(InputValue::new("data", TypeRef::named_nn("MfaResendInput")));
    let logout = Field::new("logout", TypeRef::named_nn(TypeRef::BOOLEAN), |ctx| {
        resolve(ctx, Operation::Logout, |Call { app, permit, .. }| async move {
            login::logout(app, &permit).await?;
            Ok(Some(FieldValue::value(true)))
        })
    })
    .description("Ends the session of the token that is shown: the token stops working at once.");
    [login, verify, resend, logout]
}

/// Returns the input types of the fields for login and logout.
pub(super) fn inputs() -> [InputObject; 4] {
    let optional = |name: &str| InputValue::new(name, TypeRef::named(TypeRef::STRING));
    let needed = |name: &str| InputValue::new(name, TypeRef::named_nn(TypeRef::STRING));
    [
        InputObject::new("LoginInput")
            .field(needed("username"))
            .field(needed("password"))
            .field(InputValue::new("source", TypeRef::named("UserSource")))
            .field(InputValue::new("mfa_type", TypeRef::named("MfaType")).description(
                "Which second factor completes the login; without it Totp, or Mail where there is no Totp.",
            ))
            .field(
                optional("mfa_code").description(
                    "A code of that factor, Totp or TotpRecoveryCode, which completes the login in one step.",
                ),
            )
            .field(optional("auth_config_id")),
        InputObject::new("LoginEffect").field(InputValue::new("encoded", TypeRef::named(TypeRef::BOOLEAN))),
        InputObject::new("MfaVerifyInput")
            .field(needed("mid").description("From mfa_meta."))
            .field(needed("code").description("Exactly as it was sent or shown."))
            .field(InputValue::new("type", TypeRef::named_nn("MfaType"))),
        InputObject::new("MfaResendInput")
            .field(needed("mid").description("From mfa_meta."))
            .field(InputValue::new("type", TypeRef::named("MfaType")).description("Another factor than before.")),
    ]
}

/// Returns the types in the answers of the fields for login and logout.
pub(super) fn objects() -> [Type; 3] {
    let flag = || TypeRef::named(TypeRef::BOOLEAN);
    let login = vec![
        ("token", maybe_text(), "For the Authorization header."),
        ("uid", maybe_text(), "Whose login waits for a code."),
        ("need_mfa", flag(), "True where a code is needed: verifyMfa completes the login."),
        ("mfa_meta", TypeRef::named("MfaMeta"), ""),
        (
            "must_enroll_mfa",
            flag(),
            "True where the token can only enrol a second factor, which is required of the user.",
        ),
        ("must_change_password", flag(), "True where the token can only change the password, which has expired."),
        (
            "mfa_required_from",
            TypeRef::named("DateTime"),
            "From when on a second factor is required that the user does not have.",
        ),
    ];
    let meta = vec![
        ("recipient", maybe_text(), "Where the code went, masked; null for codes that are not sent."),
        ("mid", maybe_text(), "Names the login that waits; for verifyMfa and resendMfa."),
        ("type", TypeRef::named("MfaType"), "Which code is awaited."),
        ("valid", flag(), ""),
    ];
    [
        record::object("Login", login).into(),
        record::object("MfaMeta", meta).into(),
        Enum::new("MfaType").items(MfaType::ALL.map(MfaType::name)).into(),
    ]
}

/// Takes a member out of the argument `data` and parses it as a type of second factor.
pub(super) fn mfa_type(given: &mut Map<String, Value>, name: &str) -> Option<MfaType> {
    member(given, "data", name).and_then(|name| MfaType::parse(&name))
}

/// Takes the member `code` out of the argument `data`.
pub(super) fn code(given: &mut Map<String, Value>) -> Code {
    Code::from(member(given, "data", "code").unwrap_or_default())
}

fn handle(given: &mut Map<String, Value>) -> Handle {
    Handle::from(member(given, "data", "mid").unwrap_or_default())
}

fn logged_in<'a>(ctx: &ResolverContext<'_>, done: &LoggedIn) -> Option<FieldValue<'a>> {
    if let Some(device) = &done.device {
        ctx.ctx.append_http_header("set-cookie", device_cookie(device));
    }
    let must = |duty| (done.duty == Some(duty)).then_some(true);
    record::value(json!({
        "token": done.token.expose(),
        "must_enroll_mfa": must(Duty::EnrollMfa),
        "must_change_password": must(Duty::ChangePassword),
        "mfa_required_from": done.mfa_due.map(iso),
    }))
}
