//! Renders answers of REST v2.

use axum::Json;
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::http::status;
use crate::store::Node;

/// 200 with a body.
pub(super) fn json(body: Value) -> Response {
    Json(body).into_response()
}

/// One object.
pub(super) fn node(node: &Node) -> Result<Value> {
    serde_json::to_value(node).map_err(Error::internal)
}

/// `WithTask<T>` of a change that is done already.
pub(super) fn with_task(data: Value) -> Value {
    json!({ "data": data, "task_id": null })
}

/// ErrorBody: `code` is absent, for its one value means something else (contract section 1.7).
pub(super) fn error(path: &str, error: &Error) -> Response {
    let status = status(error.kind());
    let body = json!({ "message": error.public(), "path": path, "status": status.as_u16() });
    (status, Json(body)).into_response()
}

/// 405 with the method that would do.
pub(super) fn not_allowed(path: &str, allowed: &Method, cause: &Error) -> Response {
    let mut response = error(path, cause);
    if let Ok(allowed) = HeaderValue::from_str(allowed.as_str()) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}
