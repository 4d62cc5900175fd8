//! Second factors: fields for the caller's own factors, and for the reset of other users' lost factors.

use async_graphql::dynamic::{Field, FieldValue, InputObject, InputValue, Type, TypeRef};
use serde_json::{Map, Value, json};

use super::call::{Call, resolve};
use super::login::{code, mfa_type};
use super::record::{self, maybe_text};
use super::types::row;
use super::value::{arguments, member};
use crate::domain::clock::iso;
use crate::domain::entity::USER;
use crate::domain::mfa::{Holder, MfaType, mask};
use crate::domain::operation::Operation;
use crate::domain::secret::{Code, Password};
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::service::login::mfa::{self, Proof, Reauthentication};

/// Returns the query fields for second factors.
pub(super) fn queries() -> [Field; 1] {
    let own = Field::new("mfa", TypeRef::named_nn("Mfa"), |ctx| {
        resolve(ctx, Operation::ReadMfa, |Call { app, permit, .. }| async move {
            Ok(record::value(factors(&mfa::read(app, &permit).await?)))
        })
    })
    .description("The caller's own second factors.");
    [own]
}

/// Returns the mutation fields for second factors.
pub(super) fn fields() -> [Field; 8] {
    let enroll_totp = Field::new("enrollTotp", TypeRef::named_nn("TotpEnrollment"), |ctx| {
        resolve(ctx, Operation::EnrollMfa, |Call { app, ctx, permit, .. }| async move {
            let enrollment = mfa::enroll_totp(app, &permit, password(&mut arguments(&ctx)?)).await?;
            Ok(record::value(json!({
                "secret": enrollment.secret,
                "otpauth_url": enrollment.otpauth_url,
                "qr_svg": enrollment.qr_svg,
            })))
        })
    })
    .description(
        "Makes a secret for the caller's authenticator app. It counts once confirmTotp has had a code of it, and is forgotten after ten \
         minutes otherwise.",
    )
    .argument(data("PasswordInput"));
    let confirm_totp = confirm("confirmTotp", MfaType::Totp);
    let enroll_mail = Field::new("enrollMail", TypeRef::named_nn("MfaMeta"), |ctx| {
        resolve(ctx, Operation::EnrollMfa, |Call { app, ctx, permit, .. }| async move {
            let meta = mfa::enroll_mail(app, &permit, password(&mut arguments(&ctx)?)).await?;
            Ok(record::value(meta.to_json()))
        })
    })
    .description("Sends a code to the caller's email_address, which confirmMail takes.")
    .argument(data("PasswordInput"));
    let confirm_mail = confirm("confirmMail", MfaType::Mail);
    let renew = Field::new("renewRecoveryCodes", TypeRef::named_nn("RecoveryCodes"), |ctx| {
        resolve(ctx, Operation::RenewRecoveryCodes, |Call { app, permit, .. }| async move {
            let codes = mfa::renew_recovery_codes(app, &permit).await?;
            Ok(record::value(json!({ "recovery_codes": codes })))
        })
    })
    .description("Makes other recovery codes; those before work no more.");
    let remove = Field::new("removeMfa", TypeRef::named_nn("Mfa"), |ctx| {
        resolve(ctx, Operation::RemoveMfa, |Call { app, ctx, permit, .. }| async move {
            let mut given = arguments(&ctx)?;
            let (mfa_type, code) = (needed_type(&mut given)?, code(&mut given));
            Ok(record::value(factors(&mfa::remove(app, &permit, mfa_type, &code).await?)))
        })
    })
    .description("Removes one of the caller's second factors. code is one of that factor, or a recovery code.")
    .argument(data("MfaRemoveInput"));
    let reauthenticate = Field::new("reauthenticate", TypeRef::named_nn("Reauthentication"), |ctx| {
        resolve(ctx, Operation::Reauthenticate, |Call { app, ctx, permit, .. }| async move {
            let mut given = arguments(&ctx)?;
            let code = member(&mut given, "data", "code").map(Code::from);
            let mfa_type = mfa_type(&mut given, "type");
            let proof = match member(&mut given, "data", "password").map(Password::from) {
                None => Proof::Code { mfa_type, code },
                Some(password) if code.is_none() && mfa_type.is_none() => Proof::Password(password),
                Some(_) => {
                    let text = text!(
                        "data must hold either a password, or a code and its type",
                        "data 必须只包含密码，或验证码及其类型"
                    );
                    return Err(Error::invalid(text));
                }
            };
            let done = mfa::reauthenticate(app, &permit, proof).await?;
            Ok(record::value(match done {
                Reauthentication::Awaited(meta) => json!({ "need_mfa": true, "mfa_meta": meta.to_json() }),
                Reauthentication::Fresh(until) => json!({ "need_mfa": false, "valid_until": iso(until) }),
            }))
        })
    })
    .description(
        "Proves the caller's second factor anew, which minting keys and changing passwords and factors needs from time to time. For Mail, \
         call it without a code first: that sends one. A caller without a second factor proves the password anew, which changing one's own \
         e-mail address needs.",
    )
    .argument(data("ReauthenticateInput"));
    let reset = Field::new("resetMfa", TypeRef::named_nn_list_nn(USER.name), |ctx| {
        resolve(ctx, Operation::ResetMfa, |Call { app, ctx, permit, .. }| async move {
            let conditions = match arguments(&ctx)?.get("where").and_then(|given| given.get("user")) {
                Some(Value::Object(conditions)) => conditions.clone(),
                _ => Map::new(),
            };
            let users = mfa::reset(app, &permit, conditions).await?;
            Ok(Some(FieldValue::list(users.into_iter().map(row))))
        })
    })
    .description(
        "Takes all second factors from users who lost them. Their sessions end, and keys that they minted under these factors wait until \
         they call confirmApiKey.",
    )
    .argument(InputValue::new("where", TypeRef::named_nn("MfaResetWhereInput")));
    [enroll_totp, confirm_totp, enroll_mail, confirm_mail, renew, remove, reauthenticate, reset]
}

/// Returns the input types of the fields for second factors.
pub(super) fn inputs() -> [InputObject; 5] {
    let needed = |name: &str| InputValue::new(name, record::text());
    let kind = |kind: TypeRef| InputValue::new("type", kind);
    [
        InputObject::new("PasswordInput").field(needed("password").description("The caller's own password.")),
        InputObject::new("CodeInput").field(needed("code").description("Exactly as it was sent or shown.")),
        InputObject::new("MfaRemoveInput").field(kind(TypeRef::named_nn("MfaType"))).field(needed("code")),
        InputObject::new("ReauthenticateInput")
            .field(kind(TypeRef::named("MfaType")).description("Totp where the user has it, else Mail."))
            .field(InputValue::new("code", maybe_text()))
            .field(
                InputValue::new("password", maybe_text())
                    .description("The caller's own password, in place of a code, where there is no second factor."),
            ),
        InputObject::new("MfaResetWhereInput").field(
            InputValue::new("user", TypeRef::named_nn(USER.where_input())).description("Which users, as in users."),
        ),
    ]
}

/// Returns the types in the answers of the fields for second factors.
pub(super) fn objects() -> [Type; 6] {
    let strings = || TypeRef::named_nn_list_nn(TypeRef::STRING);
    let factor = vec![
        ("type", TypeRef::named_nn("MfaType"), ""),
        ("recipient", maybe_text(), "Where codes go, masked; null for codes that are not sent."),
        ("created_at", TypeRef::named_nn("DateTime"), ""),
    ];
    let mfa = vec![
        ("factors", TypeRef::named_nn_list_nn("MfaFactor"), "Confirmed factors."),
        ("recovery_codes_left", TypeRef::named_nn(TypeRef::INT), "Recovery codes that were not used yet."),
    ];
    let totp = vec![
        ("secret", record::text(), "In Base32, to be typed."),
        ("otpauth_url", record::text(), "What the QR code holds."),
        ("qr_svg", record::text(), "The QR code as an SVG picture."),
    ];
    let codes = vec![("recovery_codes", strings(), "Each works once. They are in this answer and in no other.")];
    let confirmed = vec![(
        "recovery_codes",
        TypeRef::named_nn_list(TypeRef::STRING),
        "With the first factor of a user: each works once, and they are in this answer and in no other. Null where there are some already.",
    )];
    let again = vec![
        ("need_mfa", TypeRef::named_nn(TypeRef::BOOLEAN), "True where a code was sent and is awaited."),
        ("mfa_meta", TypeRef::named("MfaMeta"), ""),
        ("valid_until", TypeRef::named("DateTime"), "Until when the second factor is fresh."),
    ];
    [
        record::object("MfaFactor", factor).into(),
        record::object("Mfa", mfa).into(),
        record::object("TotpEnrollment", totp).into(),
        record::object("RecoveryCodes", codes).into(),
        record::object("MfaConfirmation", confirmed).into(),
        record::object("Reauthentication", again).into(),
    ]
}

fn confirm(name: &str, mfa_type: MfaType) -> Field {
    Field::new(name, TypeRef::named_nn("MfaConfirmation"), move |ctx| {
        resolve(ctx, Operation::ConfirmMfa, move |Call { app, ctx, permit, .. }| async move {
            let code = code(&mut arguments(&ctx)?);
            let codes = mfa::confirm(app, &permit, mfa_type, &code).await?;
            Ok(record::value(json!({ "recovery_codes": codes })))
        })
    })
    .description("Proves the new factor with its first code; from now on a login needs one.")
    .argument(data("CodeInput"))
}

fn factors(holder: &Holder) -> Value {
    let factors = holder.factors.iter().map(|factor| {
        let recipient = factor.address.as_deref().map(mask);
        json!({ "type": factor.mfa_type.name(), "recipient": recipient, "created_at": iso(factor.created_at) })
    });
    json!({ "factors": factors.collect::<Vec<_>>(), "recovery_codes_left": holder.recovery_codes })
}

fn data(kind: &str) -> InputValue {
    InputValue::new("data", TypeRef::named_nn(kind))
}

fn password(given: &mut Map<String, Value>) -> Password {
    Password::from(member(given, "data", "password").unwrap_or_default())
}

fn needed_type(given: &mut Map<String, Value>) -> Result<MfaType> {
    mfa_type(given, "type").ok_or_else(|| Error::internal("a factor without a type"))
}
