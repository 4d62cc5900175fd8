//! Two nodes on one database behind a real nginx with `deploy/nginx.conf`.
//!
//! Two processes on one SQLite file are not a supported set-up: in that run nginx has the same node twice, and what needs a second
//! node that works is left to the run on PostgreSQL.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::database::is_postgres;
use crate::support::nginx::Nginx;
use crate::support::node::{borrowed, run, settings};
use crate::support::{Answer, Database, Node, ROOT_PASSWORD};

/// The master key that both nodes have.
const MASTER_KEY: &str = "6b657974 6f776572 2d746573 74732d61 6c6c2d73 68617265 2d746869 732d6f6e";

/// Starts a node with a data folder of its own.
fn node(database: &Database, name: &str) -> Node {
    let mut settings = settings(database);
    settings.push(("master_key", MASTER_KEY.replace(' ', "")));
    if is_postgres() {
        settings.retain(|(name, _)| *name != "data_dir");
        settings.push(("data_dir", database.folder().join(name).display().to_string()));
    }
    Node::start(&borrowed(&settings))
}

/// The nodes of a database with the example inventory: two, or one on SQLite.
fn nodes(database: &Database) -> Vec<Node> {
    let names: &[&str] = if is_postgres() { &["one", "two"] } else { &["one"] };
    let mut own = settings(database);
    own.push(("master_key", MASTER_KEY.replace(' ', "")));
    let imported = run(&borrowed(&own), &["inventory", "import", "examples/inventory.json"]);
    assert!(imported.status.success(), "{imported:?}");
    names.iter().map(|name| node(database, name)).collect()
}

/// One way in: nginx, or a node itself.
#[derive(Clone)]
struct Door {
    base: String,
    http: reqwest::Client,
}

impl Door {
    fn new(base: String) -> Self {
        Self { base, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    async fn post(&self, path: &str, credential: &str, body: Value) -> Answer {
        let request = self.http.post(format!("{}{path}", self.base)).header(CONTENT_TYPE, "application/json");
        let request = if credential.is_empty() { request } else { request.header(AUTHORIZATION, credential) };
        Answer::read(request.body(body.to_string()).send().await.unwrap()).await
    }

    async fn login(&self) -> String {
        let answer = self.post("/v2/api/login", "", json!({ "username": "root", "password": ROOT_PASSWORD })).await;
        answer.json()["data"]["token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    async fn mint(&self, token: &str) -> String {
        let query = "mutation($name: String!) { createApiKey(data: { name: $name }) { key } }";
        let answer = self.post("/api/", token, json!({ "query": query, "variables": { "name": "proxied" } })).await;
        answer.json()["data"]["createApiKey"]["key"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    async fn delete(&self, token: &str, key: &str) {
        let query = "mutation($key: String!) { deleteApiKey(where: { key: $key }) { id } }";
        let answer = self.post("/api/", token, json!({ "query": query, "variables": { "key": key } })).await;
        assert!(answer.json()["data"]["deleteApiKey"]["id"].is_string(), "{answer:?}");
    }

    /// Uses a credential many times, several at once, on both faces; answers the statuses.
    async fn uses(&self, credential: &str, times: usize) -> BTreeSet<u16> {
        let mut running = JoinSet::new();
        let credential: Arc<str> = credential.into();
        for _ in 0..8 {
            let (door, credential) = (self.clone(), Arc::clone(&credential));
            running.spawn(async move {
                let mut statuses = BTreeSet::new();
                for _ in 0..times.div_ceil(16) {
                    let rest = door.post("/v2/api/get-vms", &credential, json!({ "where": {} })).await;
                    assert!(rest.headers.contains_key("x-tower-request-id"), "{rest:?}");
                    let graphql = door.post("/api", &credential, json!({ "query": "{ vms { id } }" })).await;
                    assert_eq!(rest.status, graphql.status, "{rest:?} {graphql:?}");
                    if rest.status == 200 {
                        assert_eq!(rest.json().as_array().unwrap().len(), 30);
                        assert_eq!(graphql.json()["data"]["vms"].as_array().unwrap().len(), 30);
                    }
                    statuses.insert(rest.status);
                }
                statuses
            });
        }
        running.join_all().await.into_iter().flatten().collect()
    }
}

/// The requests in nginx's log.
fn requests(output: &[String]) -> Vec<Value> {
    output.iter().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_lives_and_dies_on_every_node_behind_nginx() {
    let database = Database::new().await;
    let nodes = nodes(&database);
    let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.address).collect();
    let nginx = Nginx::start([addresses[0], addresses[addresses.len() - 1]]);
    let front = Door::new(nginx.url(""));
    let doors: Vec<Door> = nodes.iter().map(|node| Door::new(node.url(""))).chain([front.clone()]).collect();

    let token = front.login().await;
    let key = front.mint(&token).await;
    // From the first use on, at every door, and for the token too: each node can read what the other signed.
    for door in &doors {
        for credential in [key.clone(), format!("Bearer {key}"), token.clone()] {
            assert_eq!(door.post("/v2/api/get-my-info", &credential, Value::Null).await.status, 200, "{}", door.base);
        }
    }
    assert_eq!(front.uses(&key, 160).await, BTreeSet::from([200]));
    // Minted and deleted at different doors, and refused everywhere as soon as the deletion is answered.
    for (minting, deleting) in doors.iter().zip(doors.iter().cycle().skip(1)) {
        let key = minting.mint(&token).await;
        assert_eq!(front.uses(&key, 16).await, BTreeSet::from([200]));
        deleting.delete(&token, &key).await;
        for door in &doors {
            assert_eq!(door.uses(&key, 16).await, BTreeSet::from([401]), "{} by {}", door.base, deleting.base);
        }
    }
    front.delete(&token, &key).await;
    for door in &doors {
        assert_eq!(door.uses(&key, 32).await, BTreeSet::from([401]), "{}", door.base);
        assert_eq!(door.post("/v2/api/get-my-info", &token, Value::Null).await.status, 200);
    }

    let output = nginx.stop();
    let requests = requests(&output);
    let served: BTreeSet<&str> = requests.iter().map(|request| request["node"].as_str().unwrap()).collect();
    let expected: BTreeSet<String> = addresses.iter().map(ToString::to_string).collect();
    assert_eq!(served, expected.iter().map(String::as_str).collect(), "not every node was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_node_is_passed_over() {
    let database = Database::new().await;
    let mut nodes = nodes(&database);
    let other = Database::sqlite();
    // On SQLite the node that dies is one that nobody has asked for anything yet.
    let mut doomed = if is_postgres() { nodes.remove(1) } else { Node::on(&other) };
    let nginx = Nginx::start([nodes[0].address, doomed.address]);
    let front = Door::new(nginx.url(""));
    let door = Door::new(nodes[0].url(""));
    let token = door.login().await;
    let key = door.mint(&token).await;
    if is_postgres() {
        // nginx holds open connections to the node when it dies.
        assert_eq!(front.uses(&key, 64).await, BTreeSet::from([200]));
    }
    doomed.kill();
    assert_eq!(front.uses(&key, 160).await, BTreeSet::from([200]));
    // Logins and changes go on too.
    let token = front.login().await;
    front.delete(&token, &key).await;
    assert_eq!(front.uses(&key, 16).await, BTreeSet::from([401]));
    let asked = requests(&nginx.stop());
    assert!(asked.iter().any(|request| request["node"].as_str().unwrap().contains(&doomed.address.to_string())));
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_adds_no_way_in_and_writes_no_secret() {
    let database = Database::new().await;
    let nodes = nodes(&database);
    let nginx = Nginx::start([nodes[0].address, nodes[nodes.len() - 1].address]);
    let front = Door::new(nginx.url(""));
    let token = front.login().await;
    let key = front.mint(&token).await;
    let info = front.http.post(nginx.url("/v2/api/get-my-info"));
    let address = nginx.url(&format!("/v2/api/get-my-info?Authorization={key}&access_token={key}"));
    for (why, request) in [
        ("no credential", info.try_clone().unwrap()),
        ("two", info.try_clone().unwrap().header(AUTHORIZATION, &key).header(AUTHORIZATION, &key)),
        ("in another header", info.try_clone().unwrap().header("X-Forwarded-User", "root").header("X-Api-Key", &key)),
        ("in a cookie", info.try_clone().unwrap().header("Cookie", format!("Authorization={key}; connect.sid={key}"))),
        ("in the address", front.http.post(address)),
    ] {
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert!([400, 401].contains(&answer.status), "{why}: {answer:?}");
    }
    let large = front.post("/v2/api/get-vms", &key, json!({ "where": { "name": "x".repeat(2 << 20) } })).await;
    assert_eq!(large.status, 413);
    assert_eq!(front.uses(&key, 16).await, BTreeSet::from([200]));
    front.delete(&token, &key).await;
    assert_eq!(front.uses(&key, 16).await, BTreeSet::from([401]));
    let output = nginx.stop();
    assert!(requests(&output).len() > 30);
    let logs = nodes.iter().flat_map(Node::log).chain(output);
    let secrets = [key.as_str(), token.as_str(), ROOT_PASSWORD];
    let leaks: Vec<String> = logs.filter(|line| secrets.iter().any(|secret| line.contains(secret))).collect();
    assert_eq!(leaks, [""; 0]);
}
