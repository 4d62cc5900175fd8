//! Web pages of the service, compiled into the program. The pages load nothing from other hosts.
//!
//! All URLs in the pages are relative, so that the pages also work behind a proxy that serves keytower under a path prefix.

use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::{Router, routing::get};

use crate::app::App;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; \
     base-uri 'none'",
);

/// Path, media type and content of each file.
const FILES: [(&str, &str, &str); 3] = [
    ("/reset-password", "text/html", include_str!("../../assets/console/reset-password.html")),
    ("/console/reset-password.css", "text/css", include_str!("../../assets/console/reset-password.css")),
    ("/console/reset-password.js", "text/javascript", include_str!("../../assets/console/reset-password.js")),
];

/// Returns the routes of the pages and their files. Caches must not store these files: a page and its script belong to one version of the
/// program.
pub fn routes() -> Router<Arc<App>> {
    FILES.iter().fold(Router::new(), |router, (path, kind, content)| {
        let kind = HeaderValue::try_from(format!("{kind}; charset=utf-8"));
        let kind = kind.unwrap_or(HeaderValue::from_static("text/plain"));
        let headers = [(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, POLICY)];
        router.route(path, get(async move || (headers, *content)))
    })
}
