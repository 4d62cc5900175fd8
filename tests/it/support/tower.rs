//! A stand-in for an upstream, for what a second keytower does not do: routes that keytower does not have, rubbish, slowness, dying
//! credentials. It keeps every request that it gets.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The user as whom keytower logs in.
pub const USERNAME: &str = "keytower-at-the-tower";
/// Its password.
pub const PASSWORD: &str = "the password at the tower";

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

pub struct Tower {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    seen: Mutex<Vec<Seen>>,
    logins: AtomicUsize,
    /// Requests with a dead token, and how many of them are refused together.
    refused: AtomicUsize,
    together: AtomicUsize,
    live: Mutex<Option<String>>,
    answer: Box<dyn Fn(Seen) -> Answer + Send + Sync>,
}

impl Tower {
    /// Starts one that logs in, and asks `answer` whenever its token is shown.
    pub async fn start<F: Future<Output = Response> + Send + 'static>(
        answer: impl Fn(Seen) -> F + Send + Sync + 'static,
    ) -> Self {
        let tower = Self::prepare(answer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, router) = (listener.local_addr().unwrap(), tower.router());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, ..tower }
    }

    /// The same, for a test that serves it itself.
    pub fn prepare<F: Future<Output = Response> + Send + 'static>(
        answer: impl Fn(Seen) -> F + Send + Sync + 'static,
    ) -> Self {
        let state = State {
            seen: Mutex::default(),
            logins: AtomicUsize::default(),
            refused: AtomicUsize::default(),
            together: AtomicUsize::default(),
            live: Mutex::default(),
            answer: Box::new(move |seen| Box::pin(answer(seen))),
        };
        Self { address: SocketAddr::from(([0, 0, 0, 0], 0)), state: Arc::new(state) }
    }

    pub fn router(&self) -> Router {
        let state = Arc::clone(&self.state);
        Router::new().fallback(move |request: Request| {
            let state = Arc::clone(&state);
            async move { state.handle(request).await }
        })
    }

    /// The settings that put a keytower in front of it.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("upstream_url", format!("http://{}", self.address)),
            ("upstream_username", USERNAME.to_owned()),
            ("upstream_password", PASSWORD.to_owned()),
        ]
    }

    /// Every request but the logins, since the last call.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.state.seen.lock().unwrap())
    }

    /// How many logins there were.
    pub fn logins(&self) -> usize {
        self.state.logins.load(Ordering::SeqCst)
    }

    /// Ends its session: the token is dead.
    pub fn forget(&self) {
        *self.state.live.lock().unwrap() = None;
    }

    /// Ends its session, and the next so many requests are all there before the first of them hears of it.
    pub fn forget_for(&self, requests: usize) {
        self.state.refused.store(0, Ordering::SeqCst);
        self.state.together.store(requests, Ordering::SeqCst);
        self.forget();
    }
}

impl State {
    async fn handle(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let target = parts.uri.path_and_query().unwrap().as_str().to_owned();
        let seen = Seen { method: parts.method.to_string(), target, headers: parts.headers, body };
        if seen.target == "/v2/api/login" {
            return self.log_in(&seen);
        }
        self.seen.lock().unwrap().push(seen.clone());
        let live = self.live.lock().unwrap().clone();
        if live.is_none_or(|live| seen.header("authorization") != live) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            while self.refused.load(Ordering::SeqCst) < self.together.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
            return json(StatusCode::UNAUTHORIZED, &json!({ "message": "dead" }));
        }
        (self.answer)(seen).await
    }

    fn log_in(&self, seen: &Seen) -> Response {
        assert_eq!(seen.header("authorization"), "");
        self.logins.fetch_add(1, Ordering::SeqCst);
        let expected = json!({ "username": USERNAME, "password": PASSWORD, "source": "LOCAL" });
        if serde_json::from_slice::<Value>(&seen.body).unwrap() != expected {
            return json(StatusCode::BAD_REQUEST, &json!({ "message": "wrong password" }));
        }
        // Every login gives the same text, like the appliance's do.
        let token = "the-token-at-the-tower".to_owned();
        *self.live.lock().unwrap() = Some(token.clone());
        json(StatusCode::OK, &json!({ "data": { "token": token }, "task_id": null }))
    }
}

/// An answer in JSON.
pub fn json(status: StatusCode, body: &Value) -> Response {
    (status, [("content-type", "application/json")], Body::from(body.to_string())).into_response()
}
