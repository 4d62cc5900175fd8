//! Middleware around every request: request id, log line, common headers, overall timeout, and the answer for a panic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use crate::app::App;
use crate::domain::id::uuid_v7;
use crate::domain::text::Language;
use crate::domain::text::text;
use crate::error::Error;
use crate::http::caller::language;

/// Header with the request id, on every answer (contract section 1.6).
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-tower-request-id");

/// Maximum time for a request, including the time to receive the body and to wait for the database. After this time, the answer is the
/// error `Unavailable`.
const REQUEST_MAX: Duration = Duration::from_secs(60);

/// Content-Security-Policy of answers that are not web pages: such an answer loads nothing, and no page may show it in a frame.
const BARE: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Runs a request with an id, a tracing span, the `Host` check, the timeout and the common headers.
pub async fn wrap(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id = uuid_v7(app.now(), app.random.as_ref()).unwrap_or_default().to_string();
    // Log the matched route, never the URL itself: people paste secrets into URLs.
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let language = language(request.headers()).unwrap_or_default();
    let span = tracing::info_span!("request", request.id = id, %method, route);
    async {
        let started = Instant::now();
        let mut response = if has_host(request.headers()) {
            let path = request.uri().path().to_owned();
            tokio::time::timeout(REQUEST_MAX, next.run(request)).await.unwrap_or_else(|_| {
                let error = Error::unavailable("a request took too long");
                super::log(&error);
                super::error_body(&path, &error, language)
            })
        } else {
            let error = Error::invalid(text!(
                "a request has exactly one valid Host header (RFC 9112, section 3.2)",
                "请求必须恰好有一个有效的 Host 请求头（RFC 9112 第 3.2 节）"
            ));
            super::error_body(request.uri().path(), &error, language)
        };
        dress(&mut response, &id);
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(status = response.status().as_u16(), duration_ms, "answered");
        response
    }
    .instrument(span)
    .await
}

/// Returns true if the request has exactly one `Host` header, and the header's value is a host with an optional port, or empty.
fn has_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    host.to_str().is_ok_and(|host| host.is_empty() || (!host.contains('@') && host.parse::<Authority>().is_ok()))
}

fn dress(response: &mut Response, id: &str) {
    let unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    if unauthorized {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"keytower\""));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(BARE);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// Logs the panic of a handler, and answers with 500. A panic is always a bug.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "the signature that CatchPanicLayer asks for")]
pub fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    let error = Error::internal(format!("a handler panicked: {text}"));
    super::log(&error);
    super::error_body("", &error, Language::default())
}
