//! The router of the whole service: all APIs, the web pages, the health endpoints, and the middleware around every request.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::error::{Error, Result};
use crate::http::caller::language;
use crate::http::{error_body, health, jwks, no_such_route, passive, shell};
use crate::{console, graphql, rest, softlayer};

/// Returns the router of the whole service.
///
/// # Errors
/// `Internal` if the GraphQL schema can't be built.
pub fn router(app: Arc<App>) -> Result<Router> {
    let schema = graphql::schema::build(Some(Arc::clone(&app))).map_err(Error::internal)?;
    let shell = axum::middleware::from_fn_with_state(Arc::clone(&app), shell::wrap);
    let redirect = axum::middleware::from_fn_with_state(Arc::clone(&app), passive::redirect);
    let softlayer = if app.settings.softlayer { softlayer::routes() } else { Router::new() };
    let active = Router::new()
        .merge(rest::routes())
        .merge(graphql::routes(schema))
        .merge(softlayer)
        .merge(console::routes())
        .merge(health::probe());
    Ok(Router::new()
        .merge(active.layer(redirect))
        .merge(health::routes())
        .merge(jwks::routes())
        .fallback(unknown)
        .layer(CatchPanicLayer::custom(shell::panicked))
        .layer(shell)
        .with_state(app))
}

async fn unknown(request: Request) -> Response {
    error_body(request.uri().path(), &no_such_route(), language(request.headers()).unwrap_or_default())
}
