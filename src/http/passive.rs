//! Redirects requests that a passive node cannot serve to the active node (contract section 7).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Uri};
use axum::middleware::Next;
use axum::response::Response;

use super::caller::language;
use crate::app::App;
use crate::domain::text::text;
use crate::error::{Error, Kind};

/// Passes requests on while this node is active. While the node is passive, answers every request with 307.
///
/// The answer has `Location` only if the setting `active_url` gives the address of the active node. Without this setting, clients of the
/// contract find the active node by asking every node; a guessed address would mislead them.
pub async fn redirect(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if !app.node.is_passive() {
        return next.run(request).await;
    }
    let error = Error::new(
        Kind::Passive,
        text!("this node is passive: the active one serves this", "该节点处于备用状态：请求由主用节点处理"),
    );
    let language = language(request.headers()).unwrap_or_default();
    let mut response = super::error_body(request.uri().path(), &error, language);
    if let Some(location) = app.settings.active_url.as_deref().and_then(|base| location(base, request.uri())) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn location(base: &str, asked: &Uri) -> Option<HeaderValue> {
    let path = asked.path_and_query()?;
    HeaderValue::try_from(format!("{base}{path}")).ok()
}
