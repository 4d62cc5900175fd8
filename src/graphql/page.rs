//! The GraphiQL page, compiled into the program. The page loads nothing from other hosts.

use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};

use crate::app::App;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
     connect-src 'self'; worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

const PAGE: &str = include_str!("../../assets/graphiql/index.html");

/// Name, media type and content of each file that the page loads.
const FILES: [(&str, &str, &str); 5] = [
    ("graphiql.min.css", "text/css", include_str!("../../assets/graphiql/graphiql.min.css")),
    ("graphiql.min.js", "text/javascript", include_str!("../../assets/graphiql/graphiql.min.js")),
    ("react.production.min.js", "text/javascript", include_str!("../../assets/graphiql/react.production.min.js")),
    (
        "react-dom.production.min.js",
        "text/javascript",
        include_str!("../../assets/graphiql/react-dom.production.min.js"),
    ),
    ("start.js", "text/javascript", include_str!("../../assets/graphiql/start.js")),
];

/// Returns the routes that serve the files of the GraphiQL page.
pub(super) fn routes() -> Router<Arc<App>> {
    FILES.iter().fold(Router::new(), |router, (name, kind, content)| {
        let headers =
            [(CONTENT_TYPE, format!("{kind}; charset=utf-8")), (CACHE_CONTROL, "public, max-age=3600".to_owned())];
        router.route(&format!("/api/graphiql/{name}"), get(async move || (headers, *content)))
    })
}

/// Returns the GraphiQL page as a response.
pub(super) fn page() -> Response {
    let headers =
        [(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")), (CONTENT_SECURITY_POLICY, POLICY)];
    (headers, PAGE).into_response()
}
