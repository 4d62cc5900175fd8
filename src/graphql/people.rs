//! The mutations that set up a service: `createUser` and `createOrganization` (contract section 2.4).

use async_graphql::dynamic::{Field, InputObject, InputValue, TypeRef};
use serde_json::{Map, Value};

use super::call::{Call, resolve};
use super::types::row;
use super::value::{arguments, member, projection, refuse_encoded};
use crate::domain::entity::{ORGANIZATION, USER};
use crate::domain::id::RoleId;
use crate::domain::operation::Operation;
use crate::domain::secret::Password;
use crate::domain::text::text;
use crate::domain::user::Contact;
use crate::error::{Error, Result};
use crate::service::access::Wanted;
use crate::service::people::first;
use crate::service::people::users::{RoleChoice, UserRequest};

/// Returns the mutation fields that create users and organizations.
pub(super) fn fields() -> [Field; 2] {
    let create_user = Field::new("createUser", TypeRef::named_nn(USER.name), |ctx| {
        resolve(ctx, Operation::CreateUser, |Call { app, ctx, asked, permit }| async move {
            let mut given = arguments(&ctx)?;
            refuse_encoded(&given)?;
            let request = user(&mut given)?;
            let projection = projection(&USER, ctx.field());
            let wanted = Wanted { projection: &projection, budget: &asked.budget };
            Ok(Some(row(first::create_user(app, &permit, request, wanted).await?)))
        })
    })
    .description("Makes a user. As long as there is none, this needs no credential, and the user's role is ROOT.")
    .argument(InputValue::new("data", TypeRef::named_nn("UserCreateInput")))
    .argument(InputValue::new("effect", TypeRef::named("UserEffect")));
    let create_organization = Field::new("createOrganization", TypeRef::named_nn(ORGANIZATION.name), |ctx| {
        resolve(ctx, Operation::CreateOrganization, |Call { app, ctx, asked, permit }| async move {
            let name = member(&mut arguments(&ctx)?, "data", "name").unwrap_or_default();
            let projection = projection(&ORGANIZATION, ctx.field());
            let wanted = Wanted { projection: &projection, budget: &asked.budget };
            Ok(Some(row(first::name_organization(app, &permit, name, wanted).await?)))
        })
    })
    .description(
        "Gives the organization its name: there is always exactly one. As long as there is no user, this needs no credential.",
    )
    .argument(InputValue::new("data", TypeRef::named_nn("OrganizationCreateInput")));
    [create_user, create_organization]
}

/// Returns the input types of these fields.
pub(super) fn inputs() -> [InputObject; 5] {
    let text = |name: &str| InputValue::new(name, TypeRef::named(TypeRef::STRING));
    let needed = |name: &str| InputValue::new(name, TypeRef::named_nn(TypeRef::STRING));
    let flag = |name: &str| InputValue::new(name, TypeRef::named(TypeRef::BOOLEAN));
    [
        InputObject::new("UserCreateInput")
            .description("Exactly one of role and role_id.")
            .field(needed("username"))
            .field(needed("name"))
            .field(text("password"))
            .field(InputValue::new("role", TypeRef::named("UserRole")))
            .field(InputValue::new("role_id", TypeRef::named(TypeRef::ID)))
            .field(InputValue::new("source", TypeRef::named("UserSource")))
            .field(text("display_username").description("The username, or nothing."))
            .field(text("email_address"))
            .field(text("mobile_phone"))
            .field(flag("internal"))
            .field(InputValue::new("password_recover_qa", TypeRef::named("PasswordRecoverQaInput")))
            .field(
                InputValue::new("password_updated_at", TypeRef::named("DateTime"))
                    .description("Not used: the service says when."),
            ),
        InputObject::new("UserEffect").field(flag("encoded")),
        InputObject::new("PasswordRecoverQaInput")
            .description("Not served: enabled is false, and there are no items.")
            .field(InputValue::new("enabled", TypeRef::named_nn(TypeRef::BOOLEAN)))
            .field(InputValue::new("items", TypeRef::named_nn_list("PasswordRecoverQaItemInput"))),
        InputObject::new("PasswordRecoverQaItemInput").field(needed("question")).field(needed("answer")),
        InputObject::new("OrganizationCreateInput").field(needed("name")),
    ]
}

/// Converts the argument `data` to a request for a new user. Rejects unsupported members instead of ignoring them.
fn user(given: &mut Map<String, Value>) -> Result<UserRequest> {
    let data = given.get("data").cloned().unwrap_or_default();
    let mut text = |name| member(given, "data", name);
    let (username, name) = (text("username").unwrap_or_default(), text("name").unwrap_or_default());
    if text("display_username").is_some_and(|shown| shown != username) {
        return Err(Error::invalid(text!(
            "data.display_username must be the username: there is no other one here",
            "data.display_username 必须与 username 相同：此处没有单独的显示用户名"
        )));
    }
    let recovery = data.get("password_recover_qa").unwrap_or(&Value::Null);
    let asked = recovery.get("items").and_then(Value::as_array).is_some_and(|items| !items.is_empty());
    if asked || recovery.get("enabled") == Some(&Value::Bool(true)) {
        return Err(Error::invalid(text!(
            "data.password_recover_qa is not served: leave it out, or send enabled: false and no items",
            "不支持 data.password_recover_qa：请省略，或发送 enabled: false 且不含 items"
        )));
    }
    let role = match (text("role"), text("role_id")) {
        (Some(preset), None) => RoleChoice::Preset(preset),
        (None, Some(id)) => RoleChoice::Id(RoleId::from(id)),
        _ => {
            return Err(Error::invalid(text!(
                "data must name exactly one of role and role_id",
                "data 必须且只能包含 role 与 role_id 之一"
            )));
        }
    };
    Ok(UserRequest {
        username,
        name,
        password: text("password").map(Password::from),
        role,
        source: text("source"),
        contact: Contact { email_address: text("email_address"), mobile_phone: text("mobile_phone") },
        internal: data.get("internal").and_then(Value::as_bool).unwrap_or_default(),
    })
}
