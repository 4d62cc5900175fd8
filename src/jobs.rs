//! Background jobs, which run while the service handles requests.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::auth::token::REFRESH;
use crate::error::Result;
use crate::http::log;
use crate::service::audit;
use crate::service::inventory::tasks;
use crate::service::outbox;
use crate::service::policy;
use crate::service::sessions;
use crate::service::sessions::signing;

/// How often refused requests of unauthenticated clients are written to the audit log.
const REFUSALS: Duration = Duration::from_secs(60);

/// How often the node checks whether it became active or passive, so that the change is logged even if no request arrives.
const NOTICE: Duration = Duration::from_secs(10);
/// How often the node marks expired passwords, and deletes old login attempts, challenges, links, devices and sessions.
const POLICIES: Duration = Duration::from_secs(60);

/// How often the times when sessions were last used are written to the database.
const SEEN: Duration = Duration::from_secs(15);
/// How often the outbox is checked for letters to send.
const LETTERS: Duration = Duration::from_secs(1);

/// How often the node looks for tasks that need work.
const TASKS: Duration = Duration::from_millis(250);

/// Runs all jobs until the future is dropped.
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

/// Runs `work` once per interval `time`. If `work` fails, logs the error and runs it again after the next interval.
async fn every<F: Future<Output = Result<()>>>(time: Duration, work: impl Fn() -> F) {
    let mut tick = tokio::time::interval(time);
    loop {
        tick.tick().await;
        if let Err(error) = work().await {
            log(&error);
        }
    }
}
