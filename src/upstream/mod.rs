//! Client of the CloudTower behind keytower: sends requests with keytower's own credential, and logs in again when the token expires.
//!
//! The caller's credential is never sent to the upstream, and keytower's credential is never sent to a caller. An answer is streamed, with
//! a time limit for the head and for each piece of the body. Redirects are not followed: a redirect could send the credential to an address
//! that nobody configured.

mod headers;
mod pace;
mod session;
mod tls;

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{HeaderMap, Method, Response, StatusCode};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;

use crate::config::UpstreamSettings;
use crate::domain::clock::Clock;
use crate::domain::forward::Rules;
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};
use pace::{Broken, Paced};
use session::{Session, Token};

/// Maximum time for which a connection stays open without requests. A Node.js server closes idle connections after 5 s; this time is
/// shorter, so that no request uses a connection at the moment when the server closes it.
const IDLE: Duration = Duration::from_secs(4);
/// Maximum number of idle connections to the upstream.
const IDLE_MAX: usize = 32;
/// Maximum size of an answer that keytower reads whole instead of streaming it, in bytes.
const READ_MAX: usize = 64 * 1024 * 1024;
/// Maximum length of a text from the upstream in an error message, in characters.
const TOLD: usize = 300;

/// An answer whose body is still arriving.
pub type Answer = Response<Paced>;

/// A request to forward.
#[derive(Debug)]
pub struct Request<'a> {
    /// HTTP method.
    pub method: Method,
    /// Path of the route, without the prefix `/v2/api/`.
    pub route: &'a str,
    /// All headers of the caller's request; only the listed headers are forwarded.
    pub headers: &'a HeaderMap,
    /// The whole body, so that the request can be sent again after a new login.
    pub body: Bytes,
}

/// A client of the upstream.
pub struct Upstream {
    url: String,
    timeout: Duration,
    rules: Rules,
    session: Session,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Upstream {
    /// Creates a client; does not connect to the upstream yet.
    ///
    /// # Errors
    /// `Invalid` if the file of certificates or the API key can't be used.
    pub fn new(settings: &UpstreamSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(settings.ca_file.as_deref())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(https);
        Ok(Self {
            url: settings.url.clone(),
            timeout: settings.timeout,
            rules: settings.rules.clone(),
            session: Session::new(&settings.login, clock)?,
            client,
        })
    }

    /// Returns the rules that say what a caller needs for a forwarded route.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Forwards a request and returns the answer, whatever its status. Only 401 and redirects are errors, since they concern keytower's
    /// credential and the address of the upstream.
    ///
    /// # Errors
    /// - `BadGateway` if the upstream is unreachable, rejects keytower's credential or redirects.
    /// - `GatewayTimeout` if the head of the answer does not arrive within the time limit.
    pub async fn send(&self, request: &Request<'_>) -> Result<Answer> {
        let answer = tokio::time::timeout(self.timeout, self.exchange(request)).await.unwrap_or_else(|_| {
            let time = humantime::format_duration(self.timeout);
            Err(Error::new(
                Kind::GatewayTimeout,
                text!("the upstream did not answer within {time}", "上游未在 {time} 内应答"),
            ))
        })?;
        Ok(headers::back(answer.map(|body| Paced::new(body, self.timeout))))
    }

    /// Sends a POST request and reads the whole answer.
    ///
    /// # Errors
    /// - `BadGateway` in the cases of [`Upstream::send`], if the status is not 200, and if the answer can't be read.
    /// - `GatewayTimeout` if the head of the answer, or the next piece of the body, does not arrive within the time limit.
    pub async fn read(&self, route: &str, body: &Value) -> Result<String> {
        let headers = HeaderMap::new();
        let request = Request { method: Method::POST, route, headers: &headers, body: body.to_string().into() };
        let answer = self.send(&request).await?;
        let status = answer.status();
        let text = whole(answer.into_body()).await?;
        if status == StatusCode::OK {
            return Ok(text);
        }
        let told: String = text.chars().take(TOLD).collect();
        Err(Error::bad_gateway(
            text!("the upstream refused {route}", "上游拒绝了 {route}"),
            format!("{status}: {told}"),
        ))
    }

    async fn exchange(&self, request: &Request<'_>) -> Result<Response<Incoming>> {
        let mut token = self.session.token(self, None).await?;
        let mut answer = self.ask(request, Some(&token)).await?;
        if answer.status() == StatusCode::UNAUTHORIZED && self.session.is_renewable() {
            token = self.session.token(self, Some(&token)).await?;
            answer = self.ask(request, Some(&token)).await?;
        }
        match answer.status() {
            StatusCode::UNAUTHORIZED => Err(refused("401")),
            _ => Ok(answer),
        }
    }

    /// Sends one request and waits for the head of the answer.
    async fn ask(&self, request: &Request<'_>, token: Option<&Token>) -> Result<Response<Incoming>> {
        let mut sent = hyper::Request::new(Full::new(request.body.clone()));
        *sent.method_mut() = request.method.clone();
        *sent.uri_mut() = format!("{}/{}", self.url, request.route).parse().map_err(Error::internal)?;
        *sent.headers_mut() = headers::forth(request.headers);
        if !request.body.is_empty() {
            sent.headers_mut().entry(CONTENT_TYPE).or_insert(headers::JSON);
        }
        if let Some(token) = token {
            sent.headers_mut().insert(AUTHORIZATION, token.header());
        }
        let answer = self.client.request(sent).await;
        let answer = answer.map_err(|error| {
            Error::bad_gateway(text!("the upstream can't be reached", "无法连接上游"), causes(&error))
        })?;
        let status = answer.status();
        if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
            let told = text!(
                "the upstream answered {status}: it is not there, or not the active node, and keytower follows no redirect",
                "上游应答 {status}：它不在该地址，或不是活动节点；keytower 不跟随重定向"
            );
            let target = answer.headers().get(hyper::header::LOCATION);
            return Err(Error::bad_gateway(told, format!("redirect to {target:?}")));
        }
        Ok(answer)
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Creates the error for the case that the upstream rejects keytower's own credential. This is not a 401, since the caller's credential is
/// valid.
fn refused(why: impl std::fmt::Display) -> Error {
    let text = text!(
        "the upstream does not accept keytower's own credential: its settings have to be put right",
        "上游不接受 keytower 自身的凭据：请修正其设置"
    );
    Error::bad_gateway(text, why)
}

/// Reads the whole body of an answer as text.
async fn whole(body: Paced) -> Result<String> {
    let broken =
        |why: String| Error::bad_gateway(text!("the upstream's answer could not be read", "无法读取上游的应答"), why);
    let body = Limited::new(body, READ_MAX).collect().await.map_err(|error| match error.downcast_ref() {
        Some(Broken::Silent) => {
            Error::new(Kind::GatewayTimeout, text!("the upstream fell silent within an answer", "上游的应答中断"))
        }
        _ => broken(error.to_string()),
    })?;
    String::from_utf8(body.to_bytes().into()).map_err(|error| broken(error.to_string()))
}

/// Describes an error with all causes, since the text of the error alone leaves out the causes.
fn causes(error: &hyper_util::client::legacy::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}
