//! Work beside the requests.

use std::sync::Arc;

use crate::app::App;
use crate::auth::token::REFRESH;
use crate::http::log;
use crate::service::signing;

/// Keeps the signing keys fresh until it is dropped.
pub async fn run(app: Arc<App>) {
    let mut tick = tokio::time::interval(REFRESH);
    loop {
        tick.tick().await;
        if let Err(error) = signing::maintain(&app).await {
            log(&error);
        }
    }
}
