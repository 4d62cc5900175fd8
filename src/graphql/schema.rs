//! The GraphQL schema: every root field, the operation to authorize for the field, and the service function that the field calls.

use std::sync::{Arc, LazyLock};

use async_graphql::dynamic::{
    Field, FieldFuture, FieldValue, InputObject, InputValue, Object, Schema, SchemaError, TypeRef,
};
use async_graphql::{SDLExportOptions, Value as GraphQlValue};
use serde_json::{Map, Value};

use super::call::{Call, resolve};
use super::types::{self, connection, list_arguments, row};
use super::value::{arguments, member, projection};
use super::{login, mfa, mfa_policy, passwords, people, record, sessions};
use crate::app::App;
use crate::domain::entity::{API_KEY, ENTITIES, Entity};
use crate::domain::operation::{Needs, Operation};
use crate::service::access::Wanted;
use crate::service::inventory::lists;
use crate::service::keys::api_keys;
use crate::service::keys::api_keys::Selector;
use crate::service::people::users;

/// Maximum nesting during execution: a second protection, since [`super::guard`] already checks the document.
const RECURSION: usize = 32;

/// A root field: the object that has the field, the name of the field, and the operation to authorize.
#[derive(Debug)]
pub struct RootField {
    /// Name of the object type that has the field: `Query` or `Mutation`.
    pub object: &'static str,
    /// Name of the field.
    pub name: String,
    /// The operation to authorize.
    pub operation: Operation,
}

/// Returns all root fields of the schema.
#[must_use]
pub fn table() -> &'static [RootField] {
    static TABLE: LazyLock<Vec<RootField>> = LazyLock::new(rows);
    &TABLE
}

fn rows() -> Vec<RootField> {
    let field = |object, name: &str, operation| RootField { object, name: name.to_owned(), operation };
    let mut fields = vec![
        field("Query", "authnStrategies", Operation::AuthnStrategies),
        field("Query", "userCreated", Operation::UserCreated),
        field("Query", "apiKey", Operation::Read(&API_KEY)),
        field("Query", "mfa", Operation::ReadMfa),
        field("Query", "mfaPolicy", Operation::ReadMfaPolicy),
        field("Query", "usersWithoutMfa", Operation::ReadMfaPolicy),
        field("Query", "apiKeysWithoutMfa", Operation::ReadMfaPolicy),
        field("Mutation", "updateMfaPolicy", Operation::UpdateMfaPolicy),
        field("Query", "sessions", Operation::ReadSessions),
        field("Mutation", "login", Operation::Login),
        field("Mutation", "verifyMfa", Operation::VerifyMfa),
        field("Mutation", "resendMfa", Operation::ResendMfa),
        field("Mutation", "logout", Operation::Logout),
        field("Mutation", "enrollTotp", Operation::EnrollMfa),
        field("Mutation", "confirmTotp", Operation::ConfirmMfa),
        field("Mutation", "enrollMail", Operation::EnrollMfa),
        field("Mutation", "confirmMail", Operation::ConfirmMfa),
        field("Mutation", "renewRecoveryCodes", Operation::RenewRecoveryCodes),
        field("Mutation", "removeMfa", Operation::RemoveMfa),
        field("Mutation", "resetMfa", Operation::ResetMfa),
        field("Mutation", "reauthenticate", Operation::Reauthenticate),
        field("Mutation", "endSession", Operation::EndSession),
        field("Mutation", "endSessions", Operation::EndSession),
        field("Mutation", "changePassword", Operation::ChangePassword),
        field("Mutation", "requestPasswordReset", Operation::RequestPasswordReset),
        field("Mutation", "resetPassword", Operation::ResetPassword),
        field("Mutation", "createUser", Operation::CreateUser),
        field("Mutation", "createOrganization", Operation::CreateOrganization),
        field("Mutation", "createApiKey", Operation::CreateApiKey),
        field("Mutation", "updateApiKey", Operation::UpdateApiKey),
        field("Mutation", "deleteApiKey", Operation::DeleteApiKey),
        field("Mutation", "confirmApiKey", Operation::ConfirmApiKey),
    ];
    for entity in ENTITIES {
        fields.push(field("Query", entity.plural, Operation::Read(entity)));
        fields.push(field("Query", &format!("{}Connection", entity.plural), Operation::Read(entity)));
    }
    fields
}

/// Returns true if a root field needs no credential.
pub(super) fn is_open(name: &str) -> bool {
    table().iter().any(|field| field.name == name && field.operation.needs() == Needs::Nothing)
}

/// Returns the operation to authorize for a root field; `None` if there is no such field.
pub(super) fn operation_of(name: &str) -> Option<Operation> {
    table().iter().find(|field| field.name == name).map(|field| field.operation)
}

/// Returns true if a root field is nullable. The nullable fields are those that select one object.
pub(super) fn is_nullable(name: &str) -> bool {
    matches!(name, "apiKey" | "updateApiKey" | "deleteApiKey" | "confirmApiKey" | "endSession")
}

/// Builds the schema. The resolvers need `app`; printing the schema does not.
///
/// # Errors
/// `SchemaError` if the schema is inconsistent, which is a bug.
pub fn build(app: Option<Arc<App>>) -> std::result::Result<Schema, SchemaError> {
    let mut builder = Schema::build("Query", Some("Mutation"), None)
        .limit_recursive_depth(RECURSION)
        .disable_suggestions()
        .register(query())
        .register(mutation());
    for kind in types::all().into_values() {
        builder = builder.register(kind);
    }
    for input in inputs()
        .into_iter()
        .chain(people::inputs())
        .chain(login::inputs())
        .chain(mfa::inputs())
        .chain([mfa_policy::input()])
        .chain(sessions::inputs())
        .chain(passwords::inputs())
    {
        builder = builder.register(input);
    }
    for object in objects() {
        builder = builder.register(object);
    }
    if let Some(app) = app {
        builder = builder.data(app);
    }
    builder.finish()
}

/// Returns the schema as text (SDL).
///
/// # Errors
/// The errors of [`build`].
pub fn sdl() -> std::result::Result<String, SchemaError> {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .prefer_single_line_descriptions();
    Ok(build(None)?.sdl_with_options(options))
}

fn query() -> Object {
    let strategies = Field::new("authnStrategies", TypeRef::named_nn_list_nn("AuthnStrategy"), |_| {
        FieldFuture::Value(Some(FieldValue::list(Vec::<FieldValue<'_>>::new())))
    })
    .description("External sources of logins; there are none.");
    let created = Field::new("userCreated", TypeRef::named_nn("UserCreatedData"), |ctx| {
        resolve(ctx, Operation::UserCreated, |Call { app, permit, .. }| async move {
            Ok(Some(FieldValue::owned_any(users::exist(app, &permit).await?)))
        })
    })
    .description("Tells whether the first user exists.");
    let api_key = Field::new("apiKey", TypeRef::named(API_KEY.name), |ctx| {
        resolve(ctx, Operation::Read(&API_KEY), |Call { app, ctx, asked, permit }| async move {
            let selector = selector(&mut arguments(&ctx)?);
            let projection = projection(&API_KEY, ctx.field());
            let wanted = Wanted { projection: &projection, budget: &asked.budget };
            Ok(api_keys::read(app, &permit, selector, wanted).await?.map(row))
        })
    })
    .argument(unique());
    let mut query = Object::new("Query").field(strategies).field(created).field(api_key);
    for entity in ENTITIES {
        query = query.field(list(entity)).field(count(entity));
    }
    let queries = mfa::queries().into_iter().chain(mfa_policy::queries()).chain(sessions::queries());
    queries.fold(query, Object::field)
}

fn list(entity: &'static Entity) -> Field {
    let field = Field::new(entity.plural, TypeRef::named_nn_list_nn(entity.name), move |ctx| {
        resolve(ctx, Operation::Read(entity), move |Call { app, ctx, asked, permit }| async move {
            let wanted = projection(entity, ctx.field());
            let given = arguments(&ctx)?;
            let rows = lists::list(app, &permit, entity, &given, &wanted, &asked.budget).await?;
            Ok(Some(FieldValue::list(rows.into_iter().map(row))))
        })
    });
    list_arguments(entity, field)
}

fn count(entity: &'static Entity) -> Field {
    let name = format!("{}Connection", entity.plural);
    let field = Field::new(name, TypeRef::named_nn(entity.connection()), move |ctx| {
        resolve(ctx, Operation::Read(entity), move |Call { app, ctx, permit, .. }| async move {
            let count = lists::count(app, &permit, entity, &arguments(&ctx)?).await?;
            Ok(Some(connection(count)))
        })
    });
    list_arguments(entity, field)
}

fn mutation() -> Object {
    let create = Field::new("createApiKey", TypeRef::named_nn(API_KEY.name), |ctx| {
        resolve(ctx, Operation::CreateApiKey, |Call { app, ctx, asked, permit }| async move {
            let mut given = arguments(&ctx)?;
            let name = member(&mut given, "data", "name").unwrap_or_default();
            let description = member(&mut given, "data", "description");
            let projection = projection(&API_KEY, ctx.field());
            let wanted = Wanted { projection: &projection, budget: &asked.budget };
            Ok(Some(row(api_keys::create(app, &permit, name, description, wanted).await?)))
        })
    })
    .description("Mints an API key with the caller's roles. Its text is in this answer and in no other.")
    .argument(InputValue::new("data", TypeRef::named_nn("ApiKeyCreateInput")));
    let update = Field::new("updateApiKey", TypeRef::named(API_KEY.name), |ctx| {
        resolve(ctx, Operation::UpdateApiKey, |Call { app, ctx, asked, permit }| async move {
            let mut given = arguments(&ctx)?;
            let name = member(&mut given, "data", "name");
            let description = member(&mut given, "data", "description");
            let projection = projection(&API_KEY, ctx.field());
            let wanted = Wanted { projection: &projection, budget: &asked.budget };
            let selector = selector(&mut given);
            Ok(Some(row(api_keys::update(app, &permit, selector, name, description, wanted).await?)))
        })
    })
    .description("Renames an API key or describes it anew.")
    .argument(InputValue::new("data", TypeRef::named_nn("ApiKeyUpdateInput")))
    .argument(unique());
    let delete = Field::new("deleteApiKey", TypeRef::named(API_KEY.name), |ctx| {
        resolve(ctx, Operation::DeleteApiKey, |Call { app, ctx, asked, permit }| async move {
            let selector = selector(&mut arguments(&ctx)?);
            let projection = projection(&API_KEY, ctx.field());
            let wanted = Wanted { projection: &projection, budget: &asked.budget };
            Ok(Some(row(api_keys::delete(app, &permit, selector, wanted).await?)))
        })
    })
    .description("Deletes an API key. Once this is answered, no node accepts the key any more.")
    .argument(unique());
    let confirm = Field::new("confirmApiKey", TypeRef::named(API_KEY.name), |ctx| {
        resolve(ctx, Operation::ConfirmApiKey, |Call { app, ctx, asked, permit }| async move {
            let selector = selector(&mut arguments(&ctx)?);
            let projection = projection(&API_KEY, ctx.field());
            let wanted = Wanted { projection: &projection, budget: &asked.budget };
            Ok(Some(row(api_keys::confirm(app, &permit, selector, wanted).await?)))
        })
    })
    .description("Lets a key of the caller work again that the reset of their second factors has suspended.")
    .argument(unique());
    let keys = [create, update, delete, confirm];
    let others = people::fields().into_iter().chain(login::fields()).chain(sessions::fields());
    let others = others.chain(mfa::fields()).chain([mfa_policy::update()]).chain(passwords::fields());
    keys.into_iter().chain(others).fold(Object::new("Mutation"), Object::field)
}

fn inputs() -> Vec<InputObject> {
    let text = |name: &str| InputValue::new(name, TypeRef::named(TypeRef::STRING));
    let needed = |name: &str| InputValue::new(name, TypeRef::named_nn(TypeRef::STRING));
    vec![
        InputObject::new("ApiKeyCreateInput").field(needed("name")).field(text("description")),
        InputObject::new("ApiKeyUpdateInput").field(text("name")).field(text("description")),
        InputObject::new("ApiKeyWhereUniqueInput")
            .description("Exactly one of the two.")
            .field(InputValue::new("id", TypeRef::named(TypeRef::ID)))
            .field(text("key")),
    ]
}

fn objects() -> Vec<async_graphql::dynamic::Type> {
    let created = Field::new("created", TypeRef::named_nn(TypeRef::BOOLEAN), |ctx| {
        FieldFuture::from_value(ctx.parent_value.downcast_ref::<bool>().map(|created| GraphQlValue::from(*created)))
    });
    let strategy = vec![("id", TypeRef::named_nn(TypeRef::ID), ""), ("type", record::text(), "")];
    let own = [record::object("AuthnStrategy", strategy).into(), Object::new("UserCreatedData").field(created).into()];
    let own = own.into_iter().chain(login::objects()).chain(sessions::objects()).chain(passwords::objects());
    own.chain(mfa::objects()).chain(mfa_policy::types()).collect()
}

fn unique() -> InputValue {
    InputValue::new("where", TypeRef::named_nn("ApiKeyWhereUniqueInput"))
}

fn selector(arguments: &mut Map<String, Value>) -> Selector {
    Selector { id: member(arguments, "where", "id"), key: member(arguments, "where", "key") }
}
