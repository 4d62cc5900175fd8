//! Arguments, values and error codes of GraphQL, and the fields that a query selects.

use async_graphql::dynamic::ResolverContext;
use async_graphql::{Name, SelectionField};
use serde_json::{Map, Value};

use crate::domain::caller::Caller;
use crate::domain::entity::{Entity, Kind, Shape};
use crate::domain::text::{Language, text};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::http::log;
use crate::service::inventory::lists::{Budget, Projection};

/// The caller of a request, and the budget for the answer.
pub(super) struct Asked {
    pub(super) caller: Caller,
    pub(super) budget: Budget,
}

/// Names of the arguments that must be input objects. keytower must check this, because the library also accepts lists and scalars.
const OBJECTS: [&str; 3] = ["data", "effect", "where"];

/// Returns the arguments of a field as JSON. The arguments of a list field are the same as the members in the body of a REST list request.
pub(super) fn arguments(ctx: &ResolverContext<'_>) -> Result<Map<String, Value>> {
    let member = |(name, value): (&Name, &async_graphql::Value)| {
        let value = value.clone().into_json().map_err(Error::internal)?;
        if OBJECTS.contains(&name.as_str()) && !value.is_object() && !value.is_null() {
            return Err(Error::invalid(text!("{name} must be an object", "{name} 必须是对象")));
        }
        Ok((name.to_string(), value))
    };
    ctx.args.as_index_map().iter().map(member).collect()
}

/// Takes the member `name` out of the argument `object` as text; a number becomes text.
pub(super) fn member(arguments: &mut Map<String, Value>, object: &str, name: &str) -> Option<String> {
    let member = arguments.get_mut(object)?.get_mut(name)?.take();
    match member {
        Value::String(text) => Some(text),
        // GraphQL allows a number as a value of the type ID.
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Rejects `effect.encoded`, with which the contract's web page sends an encrypted password. The key of that page is not public, so the
/// ciphertext would count as the password.
pub(super) fn refuse_encoded(arguments: &Map<String, Value>) -> Result<()> {
    match arguments.get("effect").and_then(|effect| effect.get("encoded")) {
        Some(Value::Bool(true)) => Err(Error::invalid(text!(
            "effect.encoded is not served: send the password as it is",
            "不支持 effect.encoded：请直接发送密码原文"
        ))),
        _ => Ok(()),
    }
}

/// Returns the fields of an entity that a query selects, and the fields of related objects.
pub(super) fn projection(entity: &'static Entity, field: SelectionField<'_>) -> Projection {
    let mut wanted = Projection::default();
    for inner in field.selection_set() {
        let Some(known) = entity.field(inner.name()) else {
            wanted.pad();
            continue;
        };
        if let Some(relation) = known.relation() {
            wanted.relate(known.name, relation, projection(relation.target, inner));
            continue;
        }
        wanted.want(known);
        if let Kind::Object(shape) | Kind::Objects(shape) = known.kind {
            pad(shape, inner, &mut wanted);
        }
    }
    wanted
}

fn pad(shape: &Shape, field: SelectionField<'_>, wanted: &mut Projection) {
    for inner in field.selection_set() {
        wanted.pad();
        let known = shape.fields.iter().find(|known| known.name == inner.name());
        if let Some(Kind::Object(shape) | Kind::Objects(shape)) = known.map(|known| &known.kind) {
            pad(shape, inner, wanted);
        }
    }
}

/// Converts a scalar value for GraphQL: 64-bit integers become text (contract section 2.4).
pub(super) fn leaf(kind: &Kind, value: &Value) -> Option<async_graphql::Value> {
    if value.is_null() {
        return None;
    }
    let value = match kind {
        Kind::Long => Value::String(value.to_string()),
        _ => value.clone(),
    };
    async_graphql::Value::from_json(value).ok()
}

/// Renders an error for GraphQL: the message, the code in `extensions.code` and, if known, the seconds to wait in `extensions.retryAfter`.
pub(super) fn failure(error: &Error, language: Language) -> async_graphql::Error {
    use async_graphql::ErrorExtensions;
    log(error);
    let code = code(error.kind());
    async_graphql::Error::new(error.said_in(language)).extend_with(|_, extensions| {
        extensions.set("code", code);
        if let Some(seconds) = error.retry_after() {
            extensions.set("retryAfter", seconds);
        }
    })
}

/// Returns the GraphQL code of a kind of error.
#[must_use]
pub fn code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "BAD_USER_INPUT",
        ErrorKind::LoginFailed => "LOGIN_FAILED",
        ErrorKind::Unauthenticated => "UNAUTHENTICATED",
        ErrorKind::Forbidden => "FORBIDDEN",
        ErrorKind::StepUp => "REAUTHENTICATION_REQUIRED",
        ErrorKind::MustEnrollMfa => "MFA_ENROLLMENT_REQUIRED",
        ErrorKind::MustChangePassword => "PASSWORD_CHANGE_REQUIRED",
        ErrorKind::NotFound => "NOT_FOUND",
        ErrorKind::Locked => "RESOURCE_LOCKED",
        ErrorKind::TooMany => "TOO_MANY_REQUESTS",
        ErrorKind::MethodNotAllowed => "METHOD_NOT_ALLOWED",
        ErrorKind::Timeout => "REQUEST_TIMEOUT",
        ErrorKind::TooLarge => "PAYLOAD_TOO_LARGE",
        ErrorKind::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
        ErrorKind::Passive => "PASSIVE_NODE",
        ErrorKind::Unavailable => "SERVICE_UNAVAILABLE",
        ErrorKind::BadGateway => "BAD_GATEWAY",
        ErrorKind::GatewayTimeout => "GATEWAY_TIMEOUT",
        ErrorKind::Internal => "INTERNAL_SERVER_ERROR",
    }
}
