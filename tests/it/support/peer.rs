//! A client of a node that may die or be cut off at any moment: no answer is an outcome, not a panic.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use super::{Answer, ROOT_PASSWORD};

const MINT: &str = "mutation($name: String!) { createApiKey(data: { name: $name }) { id key } }";
const DELETE: &str = "mutation($key: String!) { deleteApiKey(where: { key: $key }) { id } }";
/// The cheapest question that needs a credential: two statements.
const COUNT: &str = "{ organizationsConnection { aggregate { count } } }";

/// Where a credential is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    Rest,
    Graphql,
}

/// The faces in turn.
pub fn face(turn: usize) -> Face {
    if turn.is_multiple_of(2) { Face::Rest } else { Face::Graphql }
}

#[derive(Debug, Clone)]
pub struct Peer {
    http: reqwest::Client,
    pub address: SocketAddr,
}

impl Peer {
    pub fn new(address: SocketAddr) -> Self {
        // The timeout is a net under a node that hangs; no test waits for it to strike.
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(120));
        // Shorter than the node's own patience with a silent connection, so that none is used in the moment of its end.
        let http = http.pool_idle_timeout(Duration::from_secs(2)).build().unwrap();
        Self { http, address }
    }

    /// POSTs JSON; `None` when no whole answer came.
    pub async fn post(&self, path: &str, credential: Option<&str>, body: &Value) -> Option<Answer> {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.http.post(url).header(CONTENT_TYPE, "application/json").body(body.to_string());
        if let Some(credential) = credential {
            request = request.header(AUTHORIZATION, credential);
        }
        Answer::try_read(request.send().await.ok()?).await.ok()
    }

    /// GETs; `None` when no whole answer came.
    pub async fn get(&self, path: &str) -> Option<Answer> {
        Answer::try_read(self.http.get(format!("http://{}{path}", self.address)).send().await.ok()?).await.ok()
    }

    pub async fn graphql(&self, credential: &str, query: &str, variables: Value) -> Option<Answer> {
        self.post("/api/", Some(credential), &json!({ "query": query, "variables": variables })).await
    }

    pub async fn login(&self, username: &str, password: &str) -> Option<Answer> {
        let body = json!({ "username": username, "password": password, "source": "LOCAL" });
        self.post("/v2/api/login", None, &body).await
    }

    /// A token of `root`.
    pub async fn root(&self) -> String {
        let answer = self.login("root", ROOT_PASSWORD).await.expect("the node answers");
        answer.json()["data"]["token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    /// The whole answer to a mint.
    pub async fn try_mint(&self, token: &str, name: &str) -> Option<Answer> {
        self.graphql(token, MINT, json!({ "name": name })).await
    }

    /// Mints a key: its text, once the whole answer was read and is a success; else it was not acknowledged.
    pub async fn mint(&self, token: &str, name: &str) -> Option<String> {
        let answer = self.try_mint(token, name).await.filter(|answer| answer.status == 200)?;
        answer.json()["data"]["createApiKey"]["key"].as_str().map(str::to_owned)
    }

    /// Deletes a key; true when the delete was acknowledged.
    pub async fn delete(&self, credential: &str, key: &str) -> bool {
        let answer = self.graphql(credential, DELETE, json!({ "key": key })).await;
        answer.is_some_and(|answer| answer.status == 200 && answer.json()["data"]["deleteApiKey"]["id"].is_string())
    }

    /// Shows a credential on a face: the status that it answers.
    pub async fn show(&self, face: Face, credential: &str) -> Option<u16> {
        let answer = match face {
            Face::Rest => self.post("/v2/api/get-organizations-connection", Some(credential), &json!({})).await?,
            Face::Graphql => self.graphql(credential, COUNT, json!({})).await?,
        };
        let told = answer.text.contains("\"errors\"");
        assert!(face == Face::Rest || told == (answer.status != 200), "{answer:?}");
        Some(answer.status)
    }
}
