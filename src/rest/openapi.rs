//! The OpenAPI document, built from the route table and the entities' descriptions, and the Swagger UI pages.
//!
//! The document follows OpenAPI 3.0, like the contract's own document: SDK generators fetch the document from a running server, and older
//! generators cannot read OpenAPI 3.1.

mod audit;
mod policy;
mod tasks;

use std::sync::{Arc, LazyLock};

use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{CONTRACT_VERSION, Call, PREFIX, Route, table};
use crate::app::App;
use crate::domain::entity::{ENTITIES, Entity, Enumeration, Field, Kind, Shape, USER, USER_ROLE_NEXT};
use crate::domain::filter::operator::{self, Member};
use crate::domain::operation::Needs;
use crate::domain::password::{PASSWORD_MAX, PASSWORD_MIN};
use crate::domain::permission::ACTIONS;
use crate::domain::power::Power;
use crate::domain::user::USERNAME_MAX;

/// Content-Security-Policy of the Swagger UI pages, which load files from this server only. Swagger UI needs inline styles.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// Serves the OpenAPI document.
pub(super) async fn serve() -> Json<&'static Value> {
    Json(&DOCUMENT)
}

/// Returns the routes of Swagger UI, which is compiled into the program.
pub(super) fn pages() -> Router<Arc<App>> {
    let ui = SwaggerUi::new(format!("{PREFIX}/docs")).config(Config::from(format!("{PREFIX}/swagger3.json")));
    Router::from(ui).layer(SetResponseHeaderLayer::overriding(CONTENT_SECURITY_POLICY, PAGE_POLICY))
}

/// Builds the OpenAPI document.
#[must_use]
pub fn document() -> Value {
    let mut schemas = Schemas::default();
    for entity in ENTITIES.into_iter().filter(|entity| !entity.route.is_empty()) {
        schemas.entity(entity);
    }
    for route in table() {
        if let Call::List(entity) | Call::Count(entity) = route.call {
            schemas.list_body(entity, &route.id);
        }
    }
    schemas.fixed();
    schemas.people();
    schemas.0.extend(audit::schemas());
    schemas.0.extend(tasks::schemas());
    schemas.0.extend(policy::schemas());
    let paths: Map<String, Value> = table().into_iter().map(|route| (route.path.clone(), path(&route))).collect();
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "keytower REST v2",
            "version": CONTRACT_VERSION,
            "description": "CloudTower-shaped REST: log in for a token, or put an API key where the token would go. \
                            GraphQL, where API keys are minted, stands at /api/.",
        },
        "servers": [{ "url": PREFIX }],
        "paths": paths,
        "components": {
            "schemas": schemas.0,
            "securitySchemes": {
                "Authorization": {
                    "type": "apiKey", "in": "header", "name": "Authorization",
                    "description": "A token or an API key, bare or behind `Bearer`.",
                },
            },
        },
    })
}

fn path(route: &Route) -> Value {
    let method = route.call.method().as_str().to_ascii_lowercase();
    let needs = route.call.operation().needs();
    let open = needs == Needs::Nothing;
    let policy = |body: &str| ("GlobalSettings", Some(reference(body)), reference("WithTask_GlobalSettings_"));
    let (tag, body, answer) = match route.call {
        Call::Login => ("User", Some(reference("LoginInput")), reference("WithTask_LoginResponse_")),
        Call::CreateRootUser => ("User", Some(reference("RootUserCreationParams")), reference("WithTask_User_")),
        Call::GetVersion => ("ApiInfo", None, json!({ "type": "string" })),
        Call::GetMyInfo => ("User", None, reference("User")),
        Call::CreateUser => ("User", Some(list_of("UserCreationParams")), list_of("WithTask_User_")),
        Call::UpdateUser => ("User", Some(reference("UserUpdationParams")), list_of("WithTask_User_")),
        Call::DeleteUser => ("User", Some(reference("UserDeletionParams")), list_of("WithTask_DeleteUser_")),
        Call::CreateRole => ("UserRoleNext", Some(list_of("RoleCreationParams")), list_of("WithTask_UserRoleNext_")),
        Call::UpdateRole => ("UserRoleNext", Some(reference("RoleUpdationParams")), list_of("WithTask_UserRoleNext_")),
        Call::DeleteRole => ("UserRoleNext", Some(reference("RoleDeletionParams")), list_of("WithTask_DeleteRole_")),
        Call::CreateUserAuditLog => {
            ("UserAuditLog", Some(list_of("UserAuditLogCreationParams")), list_of("WithTask_UserAuditLog_"))
        }
        Call::Power(Power::Start) => ("Vm", Some(reference("VmStartParams")), list_of("WithTask_Vm_")),
        Call::Power(_) => ("Vm", Some(reference("VmOperateParams")), list_of("WithTask_Vm_")),
        Call::CreateTask => ("Task", Some(list_of("TaskCreationParams")), list_of("WithTask_Task_")),
        Call::UpdateTask => ("Task", Some(reference("TaskUpdateParams")), list_of("WithTask_Task_")),
        Call::UpdatePasswordSecurity => policy("UpdatePassrodSecurityParams"),
        Call::UpdateAccessRestriction => policy("UpdateAccessRestrictionParams"),
        Call::UpdateSessionTimeout => policy("UpdateSessionTimeoutParams"),
        Call::List(entity) => (entity.name, Some(reference(&body_of(&route.id))), list_of(entity.name)),
        Call::Count(entity) => (entity.name, Some(reference(&body_of(&route.id))), reference(&entity.connection())),
    };
    let mut responses = Map::new();
    responses.insert("200".to_owned(), response("Success", &answer));
    let mut errors = vec![("500", "Server error"), ("503", "The database is away")];
    if body.is_some() {
        errors.extend([
            ("400", "Bad request: the message says what is wrong and what is allowed"),
            ("408", "The body did not arrive in time"),
            ("413", "The body is too large"),
            ("415", "The body is not application/json"),
        ]);
    }
    if matches!(route.call, Call::Login) {
        errors.push(("429", "Too many wrong logins with this username; Retry-After says when to try again"));
    }
    if !open {
        errors.push(("401", "No credential, or one that does not work"));
    }
    if matches!(needs, Needs::Token | Needs::Action(_) | Needs::TokenWith(_)) {
        errors.push(("403", "The credential lacks a right that this takes; the message names it"));
    }
    let selects = matches!(route.call, Call::UpdateUser | Call::DeleteUser | Call::UpdateRole | Call::DeleteRole)
        || matches!(route.call, Call::Power(_) | Call::UpdateTask);
    if selects {
        errors.push(("404", "Nothing matches"));
    }
    for (status, text) in errors {
        responses.insert(status.to_owned(), response(text, &reference("ErrorBody")));
    }
    let mut operation = json!({
        "operationId": route.id,
        "tags": [tag],
        "responses": responses,
        "security": if open { json!([]) } else { json!([{ "Authorization": [] }]) },
    });
    if let (Some(body), Some(operation)) = (body, operation.as_object_mut()) {
        let content = json!({ "required": true, "content": { "application/json": { "schema": body } } });
        operation.insert("requestBody".to_owned(), content);
    }
    if let (Call::Power(_), Some(operation)) = (route.call, operation.as_object_mut()) {
        operation.insert("description".to_owned(), tasks::RECORD_ONLY.into());
    }
    json!({ method: operation })
}

fn response(text: &str, schema: &Value) -> Value {
    json!({
        "description": text,
        "headers": { "x-tower-request-id": { "schema": { "type": "string" }, "required": true } },
        "content": { "application/json": { "schema": schema } },
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn list_of(name: &str) -> Value {
    json!({ "type": "array", "items": reference(name) })
}

/// Makes a schema nullable. OpenAPI 3.0 ignores members next to `$ref`, so a reference is wrapped in `allOf`.
fn nullable(mut schema: Value) -> Value {
    if schema.get("$ref").is_some() {
        return json!({ "allOf": [schema], "nullable": true });
    }
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("nullable".to_owned(), Value::Bool(true));
    }
    schema
}

/// Returns the name of the schema for the body of a list or count route; `id` is the `operationId` of the route.
fn body_of(id: &str) -> String {
    format!("{id}RequestBody")
}

#[derive(Default)]
struct Schemas(Map<String, Value>);

impl Schemas {
    /// Adds the schemas of an entity: the object, the `where` and `orderBy` members for the entity, and the connection.
    fn entity(&mut self, entity: &'static Entity) {
        let object = self.object(entity.fields);
        self.0.insert(entity.name.to_owned(), object);
        self.conditions(entity.shape());
        let orders: Vec<String> = entity.orders().collect();
        self.0.insert(entity.order_input(), json!({ "type": "string", "enum": orders }));
        let name = format!("NestedAggregate{}", entity.name);
        let number = json!({ "count": { "type": "integer", "format": "int32" } });
        let aggregate = json!({ "aggregate": reference(&name) });
        self.0.insert(name, closed(members(number), &["count"]));
        self.0.insert(entity.connection(), closed(members(aggregate), &["aggregate"]));
    }

    /// Adds the `where` schemas of an object and of the related objects, unless they exist already.
    fn conditions(&mut self, shape: Shape) {
        let name = shape.where_input();
        if self.0.contains_key(&name) {
            return;
        }
        let mut conditions = Map::new();
        let list = |items: Value| json!({ "type": "array", "items": items });
        for word in ["AND", "OR", "NOT"] {
            conditions.insert(word.to_owned(), nullable(list(reference(&name))));
        }
        let mut inside = Vec::new();
        for (name, member) in operator::members(shape) {
            let schema = match member {
                Member::Scalar(field, operator) if operator.takes_list() => list(self.field(field)),
                Member::Scalar(field, _) => self.field(field),
                Member::Related(_, shape, _) => {
                    inside.push(shape);
                    reference(&shape.where_input())
                }
            };
            conditions.insert(name, nullable(schema));
        }
        self.0.insert(name, closed(conditions, &[]));
        inside.into_iter().for_each(|shape| self.conditions(shape));
    }

    /// Adds the body schema of a list or count route.
    fn list_body(&mut self, entity: &Entity, id: &str) {
        let count = || nullable(json!({ "type": "integer", "format": "int32", "minimum": 0 }));
        let row = || nullable(json!({ "type": "string" }));
        let body = json!({
            "where": nullable(reference(&entity.where_input())),
            "orderBy": nullable(reference(&entity.order_input())),
            "first": count(), "last": count(), "skip": count(), "after": row(), "before": row(),
        });
        self.0.insert(body_of(id), closed(members(body), &[]));
    }

    fn object(&mut self, fields: &'static [Field]) -> Value {
        let mut properties = Map::new();
        let fields = || fields.iter().filter(|field| field.contract);
        for field in fields() {
            let value = self.field(field);
            properties.insert(field.name.to_owned(), if field.required { value } else { nullable(value) });
        }
        let required: Vec<&str> = fields().filter(|field| field.required).map(|field| field.name).collect();
        closed(properties, &required)
    }

    fn field(&mut self, field: &'static Field) -> Value {
        let list = |items: Value| json!({ "type": "array", "items": items });
        match &field.kind {
            // The contract declares no format for timestamps, and code generated from the contract treats timestamps as plain text.
            Kind::Id | Kind::Text | Kind::Localized | Kind::Key | Kind::DateTime => json!({ "type": "string" }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Int => json!({ "type": "integer", "format": "int32" }),
            Kind::Long => json!({ "type": "integer", "format": "int64" }),
            Kind::Float => json!({ "type": "number", "format": "double" }),
            Kind::Enum(values) => self.enumeration(values),
            Kind::Texts => list(json!({ "type": "string" })),
            Kind::Ints => list(json!({ "type": "integer", "format": "int32" })),
            Kind::Floats => list(json!({ "type": "number", "format": "double" })),
            Kind::Json => json!({ "type": "object" }),
            Kind::Object(shape) => self.nested(shape.name, shape.fields),
            Kind::Objects(shape) => list(self.nested(shape.name, shape.fields)),
            Kind::One(relation) => self.brief(relation.target, relation.brief),
            Kind::Many(relation) => list(self.brief(relation.target, relation.brief)),
        }
    }

    fn enumeration(&mut self, values: &Enumeration) -> Value {
        self.0.insert(values.name.to_owned(), json!({ "type": "string", "enum": values.values }));
        reference(values.name)
    }

    fn nested(&mut self, name: &str, fields: &'static [Field]) -> Value {
        let name = format!("Nested{name}");
        if !self.0.contains_key(&name) {
            let object = self.object(fields);
            self.0.insert(name.clone(), object);
        }
        reference(&name)
    }

    fn brief(&mut self, target: &'static Entity, fields: &[&str]) -> Value {
        let name = format!("Nested{}", target.name);
        let fields = target.fields.iter().filter(|field| fields.contains(&field.name));
        let fields: Map<String, Value> = fields.map(|field| (field.name.to_owned(), self.field(field))).collect();
        let required: Vec<String> = fields.keys().cloned().collect();
        let required: Vec<&str> = required.iter().map(String::as_str).collect();
        self.0.insert(name.clone(), closed(fields, &required));
        reference(&name)
    }

    /// Adds the schemas that belong to no entity.
    fn fixed(&mut self) {
        let text = || json!({ "type": "string" });
        let with_task = |data: Value| {
            let properties = json!({ "data": data, "task_id": nullable(text()) });
            json!({ "type": "object", "required": ["data"], "properties": properties })
        };
        let fixed = json!({
            "UserSource": { "type": "string", "enum": ["AUTHN", "LDAP", "LOCAL", "SSO"] },
            "MfaType": { "type": "string", "enum": ["Mail", "Sms", "Totp", "TotpRecoveryCode"] },
            "LoginInput": {
                "type": "object", "required": ["username", "password"],
                "properties": {
                    "username": text(), "password": text(), "source": nullable(reference("UserSource")),
                    "mfa_type": nullable(reference("MfaType")), "auth_config_id": nullable(text()),
                },
            },
            "LoginResponse": { "type": "object", "required": ["token"], "properties": { "token": text() } },
            "WithTask_LoginResponse_": with_task(reference("LoginResponse")),
            "RootUserCreationParams": {
                "type": "object", "required": ["password"],
                "properties": { "password": { "type": "string", "minLength": PASSWORD_MIN, "maxLength": PASSWORD_MAX } },
            },
            "WithTask_User_": with_task(reference("User")),
            "WithTask_Vm_": with_task(reference("Vm")),
            "WithTask_Task_": with_task(reference("Task")),
            "WithTask_GlobalSettings_": with_task(reference("GlobalSettings")),
            "WithTask_UserRoleNext_": with_task(reference("UserRoleNext")),
            "WithTask_UserAuditLog_": with_task(reference("UserAuditLog")),
            "WithTask_DeleteUser_": with_task(reference("DeleteUser")),
            "WithTask_DeleteRole_": with_task(reference("DeleteRole")),
            "ErrorBody": {
                "type": "object", "required": ["message", "path", "status"],
                "properties": {
                    "message": text(), "path": text(), "status": { "type": "integer", "format": "int32" },
                    "code": reference("ErrorCode"), "props": {}, "stack": text(), "operationName": text(),
                },
            },
            "ErrorCode": { "type": "string", "enum": ["ResourceLocked"] },
        });
        self.0.extend(members(fixed));
    }

    /// Adds the body schemas of the routes that change users and roles.
    fn people(&mut self) {
        let text = || json!({ "type": "string", "minLength": 1, "maxLength": USERNAME_MAX });
        let password = || json!({ "type": "string", "minLength": PASSWORD_MIN, "maxLength": PASSWORD_MAX });
        let boolean = || json!({ "type": "boolean" });
        let actions = || list_of("ROLE_ACTION");
        let user = || json!({ "username": text(), "name": text(), "password": password(), "role_id": text() });
        let mut creation = members(user());
        creation.extend(members(json!({
            "source": nullable(reference("UserSource")), "internal": nullable(boolean()),
            "email_address": nullable(text()), "mobile_phone": nullable(text()),
        })));
        let mut change = members(user());
        change.extend(members(json!({
            "internal": boolean(), "email_address": nullable(text()), "mobile_phone": nullable(text()),
        })));
        let role = || members(json!({ "name": text(), "actions": actions() }));
        let id = || closed(members(json!({ "id": { "type": "string" } })), &["id"]);
        self.0.insert("ROLE_ACTION".to_owned(), json!({ "type": "string", "enum": ACTIONS }));
        self.0.insert("RoleCreationParams".to_owned(), closed(role(), &["name", "actions"]));
        let needed = ["username", "name", "password", "role_id"];
        self.0.insert("UserCreationParams".to_owned(), closed(creation, &needed));
        for (name, entity, data) in [("User", &USER, change), ("Role", &USER_ROLE_NEXT, role())] {
            let rows = || members(json!({ "where": reference(&entity.where_input()) }));
            let mut update = rows();
            update.insert("data".to_owned(), closed(data, &[]));
            self.0.insert(format!("{name}UpdationParams"), closed(update, &["where", "data"]));
            self.0.insert(format!("{name}DeletionParams"), closed(rows(), &["where"]));
            self.0.insert(format!("Delete{name}"), id());
        }
    }
}

/// Returns an object schema that allows no additional properties.
fn closed(properties: Map<String, Value>, required: &[&str]) -> Value {
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let (false, Some(object)) = (required.is_empty(), object.as_object_mut()) {
        object.insert("required".to_owned(), json!(required));
    }
    object
}

fn members(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
