//! Health endpoints: liveness, readiness, and whether this node is the active node (contract section 7).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::get};
use serde_json::json;

use crate::app::App;
use crate::node::word;
use crate::service::setup;

/// Returns the routes that every node serves, active or passive.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/healthz", get(live)).route("/readyz", get(ready))
}

/// Returns the route by which clients find the active node. On a passive node, [`super::passive`] redirects requests for this route.
pub fn probe() -> Router<Arc<App>> {
    Router::new().route("/api/healthz", get(active))
}

/// Answers 200 as long as the process runs.
async fn live() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

/// Answers 200 if the database is reachable and the database's schema matches this program, else 503 with the failed checks. A passive node
/// can be ready too.
async fn ready(State(app): State<Arc<App>>) -> Response {
    let (database, migrations) = match setup::is_migrated(&app).await {
        Ok(migrated) => (true, migrated),
        Err(error) => {
            super::log(&error);
            (false, false)
        }
    };
    let status = if database && migrations { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = |good| if good { "ok" } else { "failed" };
    let checks = json!({ "database": text(database), "migrations": text(migrations) });
    let node = word(app.node.is_passive());
    (status, Json(json!({ "status": text(status == StatusCode::OK), "checks": checks, "node": node }))).into_response()
}

/// Answers 200: only the active node runs this handler.
async fn active() -> Json<serde_json::Value> {
    Json(json!({ "status": "active" }))
}
