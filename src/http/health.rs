//! Health: whether the process lives, whether it can serve, and whether this node is the active one (contract section 7).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::get};
use serde_json::json;

use crate::app::App;
use crate::node::word;
use crate::service::setup;

/// The routes that every node answers.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/healthz", get(live)).route("/readyz", get(ready))
}

/// The route by which clients find the active node; [`super::passive`] answers it elsewhere.
pub fn probe() -> Router<Arc<App>> {
    Router::new().route("/api/healthz", get(active))
}

/// 200 while the process lives.
async fn live() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

/// 200 when the database answers and its schema is this program's, else 503 with what is missing. A passive node is ready as well.
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

/// 200: whoever comes to answer is active.
async fn active() -> Json<serde_json::Value> {
    Json(json!({ "status": "active" }))
}
