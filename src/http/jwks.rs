//! Serves the public halves of the signing keys, so that other services can verify tokens (RFC 7517).

use std::sync::Arc;

use axum::extract::State;
use axum::{Json, Router, routing::get};

use crate::app::App;

/// Returns the route of the public keys.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/.well-known/jwks.json", get(jwks))
}

async fn jwks(State(app): State<Arc<App>>) -> Json<serde_json::Value> {
    Json(app.tokens.jwks())
}
