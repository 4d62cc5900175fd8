//! Work beside the requests.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::auth::token::REFRESH;
use crate::error::Result;
use crate::http::log;
use crate::service::{audit, outbox, policy, sessions, signing, tasks};

/// How often what was refused to strangers is written down.
const REFUSALS: Duration = Duration::from_secs(60);

/// How soon the log tells that the node became active or passive when no request notices.
const NOTICE: Duration = Duration::from_secs(10);
/// How often it is looked for what the policies have ended.
const POLICIES: Duration = Duration::from_secs(60);

/// How often it is written down when sessions were used.
const SEEN: Duration = Duration::from_secs(15);
/// How often letters that wait are looked for.
const LETTERS: Duration = Duration::from_secs(1);

/// How often tasks are looked for.
const TASKS: Duration = Duration::from_millis(250);

/// Works until it is dropped.
pub async fn run(app: Arc<App>) {
    tokio::join!(
        every(REFRESH, || signing::maintain(&app)),
        every(REFUSALS, || audit::write_refusals(&app)),
        every(NOTICE, || look(&app)),
        every(TASKS, || tasks::work(&app)),
        every(POLICIES, || policy::maintain(&app)),
        every(SEEN, || sessions::write_seen(&app)),
        every(LETTERS, || outbox::deliver(&app)),
    );
}

async fn look(app: &App) -> Result<()> {
    let _ = app.node.is_passive();
    Ok(())
}

/// Does something again and again; what goes wrong is tried again the next time.
async fn every<F: Future<Output = Result<()>>>(time: Duration, work: impl Fn() -> F) {
    let mut tick = tokio::time::interval(time);
    loop {
        tick.tick().await;
        if let Err(error) = work().await {
            log(&error);
        }
    }
}
