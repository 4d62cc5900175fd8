//! What the faces share: credentials, bodies, request ids, health, and the server that cuts slow clients.

pub mod body;
pub mod caller;
pub mod health;
pub mod jwks;
pub mod serve;
pub mod shell;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::{Error, Kind};

/// The status of a kind of error; the one place that decides it.
#[must_use]
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        // 400 is the one client error that the contract declares for /login (section 1.1).
        Kind::Invalid | Kind::LoginFailed => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::Timeout => StatusCode::REQUEST_TIMEOUT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The contract's ErrorBody, which serves outside of REST v2 too. `code` is absent, for its one value means something else (contract
/// section 1.7).
pub fn error_body(path: &str, error: &Error) -> Response {
    let status = status(error.kind());
    let body = json!({ "message": error.public(), "path": path, "status": status.as_u16() });
    (status, Json(body)).into_response()
}

/// Writes to the log what the caller is not told.
pub fn log(error: &Error) {
    match (error.kind(), error.cause()) {
        (Kind::Internal, cause) => tracing::error!(cause, "internal error"),
        (Kind::Unavailable, cause) => tracing::warn!(cause, "the database is away"),
        (Kind::LoginFailed, _) => tracing::info!("login failed"),
        (Kind::Unauthenticated, Some(cause)) => tracing::info!(cause, "credential refused"),
        _ => {}
    }
}
