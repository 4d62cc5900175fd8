//! The server: HTTP/1.1 on one listener, slow clients cut, and an end that lets requests in flight finish.
//!
//! `axum::serve` installs no timer, so that hyper's own limit on a request's head would never strike; here it does.

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

/// Most bytes of a request's head: beyond it hyper answers 431.
const HEAD_MAX: usize = 32 * 1024;
/// Wait after `accept` failed, for example because the process has too many files open.
const BREATH: Duration = Duration::from_millis(100);

/// How long a client may read nothing of an answer before its connection is cut.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Times that the server keeps.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// For the head of a request, and for silence between two requests.
    pub header: Duration,
    /// For a client that reads nothing of its answer; [`PATIENCE`] but for tests.
    pub patience: Duration,
    /// For requests in flight after the end was asked for.
    pub shutdown: Duration,
}

/// Serves until `stop` is done, then takes no new connection and lets those in flight finish.
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
