//! Routes that are the upstream's, when there is one.

use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;

use super::answer;
use crate::app::App;
use crate::domain::operation::Operation;
use crate::domain::permit::Denial;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::http::caller::{caller, language};
use crate::http::{body, no_such_route};
use crate::service::audit::failed;
use crate::service::forward;
use crate::upstream;

/// Hands a route on that the table does not have.
pub(super) async fn unknown(app: &App, path: &str, request: Request) -> Result<Response> {
    let needs = path.strip_prefix('/').and_then(|route| forward::needs(app, route));
    let needs = needs.ok_or_else(no_such_route)?;
    if ![Method::POST, Method::GET].contains(request.method()) {
        return Ok(answer::not_allowed(path, &Method::POST, language(request.headers())?));
    }
    hand_on(app, Operation::Forward(needs), path, request).await
}

/// Hands a request on: first who asks, then what, then whether they may.
pub(super) async fn hand_on(app: &App, operation: Operation, path: &str, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let caller = caller(app, &parts).await?;
    if caller.principal.is_none() {
        let error = Denial::NoCredential.into();
        failed(app, &caller, operation, &error).await;
        return Err(error);
    }
    if parts.uri.query().is_some() {
        let text =
            text!("this route takes no query: put everything into the body", "此路由不接受查询串：请将内容放入请求体");
        return Err(Error::invalid(text));
    }
    let request = upstream::Request {
        method: parts.method,
        route: path.trim_start_matches('/'),
        headers: &parts.headers,
        body: body::read(app, body).await?.into(),
    };
    let answer = forward::forward(app, &caller, operation, &request).await?;
    Ok(answer.map(Body::new))
}
