//! HTTP code that all APIs share: credentials, bodies, request ids, health, and the server, which closes connections of slow clients.

pub mod body;
pub mod caller;
pub mod health;
pub mod jwks;
pub mod passive;
mod patience;
pub mod serve;
pub mod shell;

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::domain::text::Language;
use crate::domain::text::text;
use crate::error::{Error, Kind};

/// Returns the HTTP status of a kind of error, for REST v2, GraphQL and the shared routes. The SoftLayer API has its own mapping.
#[must_use]
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        // 400 is the only client error that the contract declares for /login (section 1.1).
        Kind::Invalid | Kind::LoginFailed | Kind::Locked => StatusCode::BAD_REQUEST,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden | Kind::StepUp | Kind::MustEnrollMfa | Kind::MustChangePassword => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::Timeout => StatusCode::REQUEST_TIMEOUT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::Passive => StatusCode::TEMPORARY_REDIRECT,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::BadGateway => StatusCode::BAD_GATEWAY,
        Kind::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Renders an error as the contract's ErrorBody, for REST v2 and the shared routes. The member `code` is `ResourceLocked` for locked
/// resources, and absent otherwise (contract section 1.7).
pub fn error_body(path: &str, error: &Error, language: Language) -> Response {
    let status = status(error.kind());
    let (message, number) = (error.said_in(language), status.as_u16());
    let mut body = json!({ "message": message, "path": path, "status": number });
    let mut add = |more: Value| {
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
    };
    if error.kind() == Kind::Locked {
        let locked: Vec<_> = error.locks().iter().map(|(kind, id)| json!({ "id": id, "type": kind })).collect();
        add(json!({ "code": "ResourceLocked", "props": { "locked_resources": locked } }));
    }
    if let Some(meta) = error.challenge() {
        add(json!({ "props": { "need_mfa": true, "mfa_meta": meta.to_json() } }));
    }
    let mut response = (status, Json(body)).into_response();
    if let Some(seconds) = error.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Creates the `NotFound` error for a path without a route.
#[must_use]
pub fn no_such_route() -> Error {
    Error::new(Kind::NotFound, text!("there is no such route", "没有这样的路由"))
}

/// Logs the cause of an error; the answer does not show the cause.
pub fn log(error: &Error) {
    match (error.kind(), error.cause()) {
        (Kind::Internal, cause) => tracing::error!(cause, "internal error"),
        (Kind::Unavailable | Kind::BadGateway | Kind::GatewayTimeout, cause) => {
            tracing::warn!(cause, "{}", error.public());
        }
        (Kind::LoginFailed, _) => tracing::info!("login failed"),
        (Kind::Unauthenticated, Some(cause)) => tracing::info!(cause, "credential refused"),
        _ => {}
    }
}
