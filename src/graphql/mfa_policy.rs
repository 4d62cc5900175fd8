//! The policy that requires second factors, and previews of the users and API keys that the policy would reject.

use async_graphql::dynamic::{Enum, Field, FieldValue, InputObject, InputValue, Type, TypeRef};
use serde_json::{Map, Value, json};

use super::call::{Call, resolve};
use super::record;
use super::types::{list_arguments, row};
use super::value::{arguments, projection};
use crate::domain::clock::{Timestamp, iso, parse_iso};
use crate::domain::entity::{API_KEY, USER};
use crate::domain::mfa::{MfaPolicy, MfaPolicyChange, Required};
use crate::domain::operation::Operation;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::service::access::Wanted;
use crate::service::policy;

/// Returns the fields of the type `Query` that read the policy, and preview the users and keys that it would reject.
pub(super) fn queries() -> [Field; 3] {
    let shown = Field::new("mfaPolicy", TypeRef::named_nn("MfaPolicy"), |ctx| {
        resolve(ctx, Operation::ReadMfaPolicy, |Call { app, permit, .. }| async move {
            Ok(record::value(members(&policy::mfa(app, &permit).await?)))
        })
    })
    .description("What the second factor is asked for.");
    let users = Field::new("usersWithoutMfa", TypeRef::named_nn_list_nn(USER.name), |ctx| {
        resolve(ctx, Operation::ReadMfaPolicy, |Call { app, ctx, asked, permit }| async move {
            let projection = projection(&USER, ctx.field());
            let wanted = Wanted { projection: &projection, budget: &asked.budget };
            let rows = policy::users_without_mfa(app, &permit, &arguments(&ctx)?, wanted).await?;
            Ok(Some(FieldValue::list(rows.into_iter().map(row))))
        })
    })
    .description(
        "Users of whom the policy asks a second factor and who have none: with report_only, and until enforced_from, those who would be \
         shut out.",
    );
    let keys = Field::new("apiKeysWithoutMfa", TypeRef::named_nn_list_nn(API_KEY.name), |ctx| {
        resolve(ctx, Operation::ReadMfaPolicy, |Call { app, ctx, asked, permit }| async move {
            let projection = projection(&API_KEY, ctx.field());
            let wanted = Wanted { projection: &projection, budget: &asked.budget };
            let rows = policy::api_keys_without_mfa(app, &permit, &arguments(&ctx)?, wanted).await?;
            Ok(Some(FieldValue::list(rows.into_iter().map(row))))
        })
    })
    .description("API keys that were minted without a second factor, where the policy asks for one, likewise.");
    [shown, list_arguments(&USER, users), list_arguments(&API_KEY, keys)]
}

/// Returns the mutation field that changes the policy.
pub(super) fn update() -> Field {
    Field::new("updateMfaPolicy", TypeRef::named_nn("MfaPolicy"), |ctx| {
        resolve(ctx, Operation::UpdateMfaPolicy, |Call { app, ctx, permit, .. }| async move {
            let wanted = change(arguments(&ctx)?.get("data").and_then(Value::as_object))?;
            Ok(record::value(members(&policy::update_mfa(app, &permit, wanted).await?)))
        })
    })
    .description("Changes what the second factor is asked for; what is left out stays as it is.")
    .argument(InputValue::new("data", TypeRef::named_nn("MfaPolicyUpdateInput")))
}

/// Returns the input type of the mutation that changes the policy.
pub(super) fn input() -> InputObject {
    let flag = |name: &str| InputValue::new(name, TypeRef::named(TypeRef::BOOLEAN));
    let date = |name: &str| InputValue::new(name, TypeRef::named("DateTime"));
    InputObject::new("MfaPolicyUpdateInput")
        .field(InputValue::new("required", TypeRef::named("MfaRequired")).description("Who needs a second factor."))
        .field(InputValue::new("role_ids", TypeRef::named_nn_list(TypeRef::ID)).description("With ROLES: which."))
        .field(date("enforced_from").description("Until then nobody is shut out; null for at once."))
        .field(flag("report_only").description("True shuts nobody out: usersWithoutMfa lists who would be."))
        .field(flag("api_keys_need_mfa").description("Whether only keys work that were minted under a second factor."))
        .field(date("api_keys_enforced_from").description("Until then every key works; null for at once."))
        .field(flag("api_keys_report_only").description("True refuses no key: apiKeysWithoutMfa lists which would be."))
}

/// Returns the types in the answers of these fields.
pub(super) fn types() -> [Type; 2] {
    let flag = || TypeRef::named_nn(TypeRef::BOOLEAN);
    let date = || TypeRef::named("DateTime");
    let policy = vec![
        ("required", TypeRef::named_nn("MfaRequired"), "Who needs a second factor."),
        ("role_ids", TypeRef::named_nn_list_nn(TypeRef::ID), "With ROLES: which."),
        ("enforced_from", date(), "Until then nobody is shut out."),
        ("report_only", flag(), "True shuts nobody out: usersWithoutMfa lists who would be."),
        ("api_keys_need_mfa", flag(), "Whether only keys work that were minted under a second factor."),
        ("api_keys_enforced_from", date(), "Until then every key works."),
        ("api_keys_report_only", flag(), "True refuses no key: apiKeysWithoutMfa lists which would be."),
    ];
    [
        record::object("MfaPolicy", policy).into(),
        Enum::new("MfaRequired").items(Required::ALL.map(Required::name)).into(),
    ]
}

fn members(policy: &MfaPolicy) -> Value {
    json!({
        "required": policy.required.name(),
        "role_ids": policy.roles,
        "enforced_from": policy.rollout.enforced_from.map(iso),
        "report_only": policy.rollout.report_only,
        "api_keys_need_mfa": policy.keys_need_mfa,
        "api_keys_enforced_from": policy.keys_rollout.enforced_from.map(iso),
        "api_keys_report_only": policy.keys_rollout.report_only,
    })
}

fn change(data: Option<&Map<String, Value>>) -> Result<MfaPolicyChange> {
    let member = |name: &str| data.and_then(|data| data.get(name));
    let flag = |name: &str| member(name).and_then(Value::as_bool);
    let roles = |roles: &Vec<Value>| roles.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Ok(MfaPolicyChange {
        required: member("required").and_then(Value::as_str).and_then(Required::parse),
        roles: member("role_ids").and_then(Value::as_array).map(roles),
        enforced_from: moment("enforced_from", member("enforced_from"))?,
        report_only: flag("report_only"),
        keys_need_mfa: flag("api_keys_need_mfa"),
        keys_enforced_from: moment("api_keys_enforced_from", member("api_keys_enforced_from"))?,
        keys_report_only: flag("api_keys_report_only"),
    })
}

fn moment(name: &str, given: Option<&Value>) -> Result<Option<Option<Timestamp>>> {
    match given {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(value) => match value.as_str().and_then(parse_iso) {
            Some(moment) => Ok(Some(Some(moment))),
            None => Err(Error::invalid(text!(
                "data.{name} must be a moment such as 2026-01-31T12:00:00.000Z, or null",
                "data.{name} 必须是时间（如 2026-01-31T12:00:00.000Z）或 null"
            ))),
        },
    }
}
