//! The server: HTTP/1.1 on one listener, timeouts for slow clients, and graceful shutdown.
//!
//! `axum::serve` installs no timer, so hyper's timeout for the head of a request would have no effect; this module installs a timer.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::caller::Peer;
use super::patience::Patient;

/// Maximum size of a request's head, in bytes; hyper answers a larger head with 431.
const HEAD_MAX: usize = 32 * 1024;
/// Pause after `accept` fails, for example because the process has too many open files.
const BREATH: Duration = Duration::from_millis(100);

/// Default time for which a client may read nothing of an answer before the server closes the connection.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Timeouts of the server.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Time limit for receiving the head of a request, and for idle time between two requests.
    pub header: Duration,
    /// Time limit for a client that reads nothing of an answer; [`PATIENCE`] except in tests.
    pub patience: Duration,
    /// Time limit for requests in flight after shutdown begins.
    pub shutdown: Duration,
}

/// Serves until `stop` completes, then closes the listener and waits at most `times.shutdown` for requests in flight.
pub async fn serve(listener: TcpListener, router: Router, times: Times, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let service = router.clone().map_request(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            request.map(Body::new)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(times.header)
            .max_buf_size(HEAD_MAX)
            .serve_connection(TokioIo::new(Patient::new(stream, times.patience)), TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(times.shutdown, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests in flight did not end in time and were cut");
    }
}
