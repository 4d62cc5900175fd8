//! Renders answers of REST v2.

use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::http::error_body;

/// 200 with a body.
pub(super) fn json(body: &(impl Serialize + ?Sized)) -> Result<Response> {
    let text = serde_json::to_vec(body).map_err(Error::internal)?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

/// `WithTask<T>` of a change that is done already.
pub(super) fn with_task(data: &(impl Serialize + ?Sized)) -> Result<Response> {
    #[derive(Serialize)]
    struct WithTask<'a, T: ?Sized> {
        data: &'a T,
        task_id: Option<()>,
    }
    json(&WithTask { data, task_id: None })
}

/// 405 with the method that would do.
pub(super) fn not_allowed(path: &str, allowed: &Method, cause: &Error) -> Response {
    let mut response = error_body(path, cause);
    if let Ok(allowed) = HeaderValue::from_str(allowed.as_str()) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}
