//! `keytower serve`: runs the service.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{print, root_was_made};
use crate::auth::random::SystemRandom;
use crate::config::Settings;
use crate::domain::clock::SystemClock;
use crate::domain::secret::Password;
use crate::error::{Error, Result};
use crate::http::log;
use crate::http::serve::{PATIENCE, Times, serve};
use crate::jobs;
use crate::node::word;
use crate::router::router;
use crate::service::audit;
use crate::service::sessions;
use crate::service::setup;

/// Time limit for each step that still needs the database at shutdown; a database that does not answer must not keep the process alive.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves until SIGTERM or SIGINT.
pub(super) async fn run(settings: Settings) -> Result<()> {
    let asked = settings.listen;
    let times = Times { header: settings.header_timeout, patience: PATIENCE, shutdown: settings.shutdown_timeout };
    // Bind the port first: if it is taken, nothing has been changed yet.
    let listener = TcpListener::bind(asked)
        .await
        .map_err(|error| Error::invalid(format!("the address {asked} can't be listened on: {error}")))?;
    let address = listener.local_addr().map_err(Error::internal)?;
    let (app, made_up) = setup::start(settings, Arc::new(SystemClock), Arc::new(SystemRandom)).await?;
    if let Some(password) = made_up {
        print(&welcome(&password, address))?;
    }
    let (mut term, mut int) = (stop_on(SignalKind::terminate())?, stop_on(SignalKind::interrupt())?);
    let stop = async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tracing::info!("stopping: requests in flight may finish");
    };
    let jobs = tokio::spawn(jobs::run(Arc::clone(&app)));
    setup::serving(&app, address).await?;
    tracing::info!(%address, node = word(app.node.is_passive()), "keytower listens");
    serve(listener, router(Arc::clone(&app))?, times, stop).await;
    jobs.abort();
    for written in [
        tokio::time::timeout(FAREWELL, audit::write_refusals(&app)).await,
        tokio::time::timeout(FAREWELL, sessions::write_seen(&app)).await,
    ] {
        if let Ok(Err(error)) = written {
            log(&error);
        }
    }
    if tokio::time::timeout(FAREWELL, app.store.close()).await.is_err() {
        tracing::warn!("the database did not let go in time");
    }
    tracing::info!("stopped");
    Ok(())
}

fn stop_on(kind: SignalKind) -> Result<tokio::signal::unix::Signal> {
    signal(kind).map_err(Error::internal)
}

fn welcome(password: &Password, address: SocketAddr) -> String {
    let (made, password) = (root_was_made(password), password.expose());
    format!(
        "{made}Log in for a token:\n\n    \
         curl -s -X POST -H 'Content-Type: application/json' \\\n      \
         --data-raw '{{\"username\": \"root\", \"password\": \"{password}\", \"source\": \"LOCAL\"}}' \\\n      \
         http://{address}/v2/api/login\n\n"
    )
}
