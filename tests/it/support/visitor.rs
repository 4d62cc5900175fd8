//! Somebody behind a trusted proxy: an address of their own, and perhaps the cookie of a known device.

use reqwest::header::{CONTENT_TYPE, COOKIE};
use serde_json::{Value, json};

use super::otp::{LOGIN, VERIFY, login_data};
use super::{Answer, Service};

/// The setting that lets a test be anywhere.
pub const BEHIND_PROXY: (&str, &str) = ("trusted_proxies", "127.0.0.1");

#[derive(Clone)]
pub struct Visitor<'a> {
    pub node: &'a Service,
    pub address: String,
    pub cookie: Option<String>,
}

impl<'a> Visitor<'a> {
    /// Somebody at an address, at a node with [`BEHIND_PROXY`].
    pub fn at(node: &'a Service, address: impl Into<String>) -> Self {
        Self { node, address: address.into(), cookie: None }
    }

    /// The same person at another node.
    pub fn via(&self, node: &'a Service) -> Self {
        Self { node, ..self.clone() }
    }

    /// The same device at another address.
    pub fn moved(&self, address: impl Into<String>) -> Self {
        Self { address: address.into(), ..self.clone() }
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.node.http.post(self.node.url(path)).header(CONTENT_TYPE, "application/json");
        let request = request.header("x-forwarded-for", &self.address).body(body.to_string());
        let request = match &self.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        };
        Answer::read(request.send().await.unwrap()).await
    }

    pub async fn graphql(&self, query: &str, variables: Value) -> Answer {
        self.post("/api", &json!({ "query": query, "variables": variables })).await
    }

    /// Logs in over GraphQL with members beside name and password.
    pub async fn login(&self, username: &str, password: &str, more: Value) -> Answer {
        self.graphql(LOGIN, json!({ "data": login_data(username, password, more) })).await
    }

    /// Logs in over REST.
    pub async fn rest_login(&self, username: &str, password: &str) -> Answer {
        self.post("/v2/api/login", &json!({ "username": username, "password": password })).await
    }

    pub async fn verify(&self, mid: &Value, kind: &str, code: &str) -> Answer {
        self.graphql(VERIFY, json!({ "data": { "mid": mid, "type": kind, "code": code } })).await
    }

    /// Keeps the cookie that an answer gives, as a browser does.
    pub fn keep_cookie(&mut self, answer: &Answer) {
        let cookie = answer.headers.get("set-cookie").unwrap_or_else(|| panic!("no cookie: {answer:?}"));
        self.cookie = Some(cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
    }
}
