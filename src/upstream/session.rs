//! keytower's credential for the upstream: an API key, or a token from a login. At most one login runs at a time.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::pace::Paced;
use super::{Request, Upstream, refused, whole};
use crate::config::UpstreamLogin;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::secret::{Password, UpstreamCredential};
use crate::domain::text::text;
use crate::error::{Error, Result};

/// Time after a rejected login in which no other login is tried: the upstream may count rejected logins and lock the user out.
const PAUSE: Duration = Duration::from_secs(10);

/// A token or API key for the upstream; keytower does not know yet whether the upstream still accepts it.
#[derive(Clone)]
pub(super) struct Token {
    header: HeaderValue,
    /// Number of the login that returned the token; 0 for an API key. Two logins may return the same text, so the text can't identify the
    /// login.
    number: u64,
}

impl Token {
    /// Creates a token; `None` if the text is empty or not valid in a header.
    fn new(text: &str, number: u64) -> Option<Self> {
        let mut header = HeaderValue::from_str(text).ok().filter(|header| !header.is_empty())?;
        header.set_sensitive(true);
        Some(Self { header, number })
    }

    /// Returns the value for the `Authorization` header.
    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

/// keytower's login at the upstream, and the current token.
pub(super) struct Session {
    /// Username and password for a login; `None` if keytower uses an API key, which needs no login.
    login: Option<(String, Password)>,
    held: Mutex<Held>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    refused_at: Option<Timestamp>,
}

impl Session {
    pub(super) fn new(login: &UpstreamLogin, clock: Arc<dyn Clock>) -> Result<Self> {
        let (login, held) = match login {
            UpstreamLogin::User(username, password) => (Some((username.clone(), password.clone())), Held::default()),
            UpstreamLogin::Key(key) => {
                let token = Token::new(key.expose(), 0);
                let token = token.ok_or_else(|| Error::invalid("the upstream's API key can't stand in a header"))?;
                (None, Held { token: Some(token), refused_at: None })
            }
        };
        Ok(Self { login, held: Mutex::new(held), clock })
    }

    /// Returns true if a login can replace a rejected token.
    pub(super) fn is_renewable(&self) -> bool {
        self.login.is_some()
    }

    /// Returns a token other than `dead`, which the upstream rejected; logs in if necessary. Requests that arrive during a login wait for
    /// the result of that login, so that many requests with the same rejected token cause only one login. If a request is dropped during a
    /// login, the next waiting request logs in.
    pub(super) async fn token(&self, upstream: &Upstream, dead: Option<&Token>) -> Result<Token> {
        let mut held = self.held.lock().await;
        let number = held.token.as_ref().map_or(0, |token| token.number);
        if let Some(token) = &held.token
            && dead.is_none_or(|dead| dead.number != number)
        {
            return Ok(token.clone());
        }
        let Some((username, password)) = &self.login else { return Err(refused("an API key is not renewed")) };
        let now = self.clock.now();
        if held.refused_at.is_some_and(|at| (now - at).to_std().is_ok_and(|since| since < PAUSE)) {
            return Err(refused("its login was refused a moment ago"));
        }
        *held = Held::default();
        match log_in(upstream, username, password).await? {
            Ok(text) => {
                let token = Token::new(text.expose(), number + 1);
                let token = token.ok_or_else(|| rubbish("a token that can't stand in a header"))?;
                held.token = Some(token.clone());
                tracing::info!("logged in at the upstream");
                Ok(token)
            }
            Err(status) => {
                held.refused_at = Some(now);
                Err(refused(format!("its login answers {status}")))
            }
        }
    }
}

/// Logs in and returns the token; the inner error is the HTTP status of a rejected login (4xx).
async fn log_in(
    upstream: &Upstream,
    username: &str,
    password: &Password,
) -> Result<std::result::Result<UpstreamCredential, StatusCode>> {
    let body = json!({ "username": username, "password": password.expose(), "source": "LOCAL" });
    let headers = HeaderMap::new();
    let request = Request { method: Method::POST, route: "login", headers: &headers, body: body.to_string().into() };
    let answer = upstream.ask(&request, None).await?;
    let status = answer.status();
    if status.is_client_error() {
        return Ok(Err(status));
    }
    if status != StatusCode::OK {
        return Err(rubbish(status));
    }
    let text = whole(Paced::new(answer.into_body(), upstream.timeout)).await?;
    let body: Value = serde_json::from_str(&text).map_err(rubbish)?;
    let token = body.pointer("/data/token").and_then(Value::as_str).ok_or_else(|| rubbish("no token"))?;
    Ok(Ok(UpstreamCredential::from(token.to_owned())))
}

fn rubbish(why: impl std::fmt::Display) -> Error {
    let text = text!("the upstream answers a login with something else than a token", "上游对登录的应答不是令牌");
    Error::bad_gateway(text, why)
}
