//! Forwards requests to the upstream server, if an upstream is configured.

use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;

use super::answer;
use crate::app::App;
use crate::domain::operation::Operation;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::http::caller::{caller_with_body, credential, language, stranger};
use crate::http::no_such_route;
use crate::service::door;
use crate::service::inventory::forward;
use crate::upstream;

/// Forwards a request whose route is not in the table, if the settings allow that route.
pub(super) async fn unknown(app: &App, path: &str, request: Request) -> Result<Response> {
    let needs = path.strip_prefix('/').and_then(|route| forward::needs(app, route));
    let needs = needs.ok_or_else(no_such_route)?;
    if ![Method::POST, Method::GET].contains(request.method()) {
        return Ok(answer::not_allowed(path, &Method::POST, language(request.headers())?));
    }
    hand_on(app, Operation::Forward(needs), path, request).await
}

/// Forwards a request to the upstream. First checks that the request has a credential, reads the body, and authenticates and authorizes the
/// caller.
pub(super) async fn hand_on(app: &App, operation: Operation, path: &str, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let Some(shown) = credential(app, &parts)? else {
        return Err(door::turn_away(app, &stranger(app, &parts)?, operation).await);
    };
    let (caller, body) = caller_with_body(app, &parts, shown, body).await?;
    let route = path.trim_start_matches('/');
    let answer = door::enter_route(app, &caller, operation, route, |permit| async move {
        if parts.uri.query().is_some() {
            let text = text!(
                "this route takes no query: put everything into the body",
                "此路由不接受查询串：请将内容放入请求体"
            );
            return Err(Error::invalid(text));
        }
        let request = upstream::Request { method: parts.method, route, headers: &parts.headers, body: body?.into() };
        forward::forward(app, &permit, &request).await
    });
    Ok(answer.await?.map(Body::new))
}
