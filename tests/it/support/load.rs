//! Many clients at once, each reading and writing: every answer is the one that was due, and what was acknowledged is so at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::{Answer, ROOT_PASSWORD};

/// Clients who share one user; each writes a field of its own, so that whoever writes back what it read long ago undoes another's.
const FIELDS: [&str; 3] = ["name", "email_address", "mobile_phone"];

/// What a client does, in turn.
const TURNS: [Turn; 20] = {
    use Turn::{Count, Create, Graphql, List, Login, Me, Mint, Rename, Role, Users};
    [
        List, Me, Rename, Graphql, Count, Mint, Me, List, Rename, Users, Me, Role, List, Graphql, Mint, Count, Create,
        List, Me, Login,
    ]
};

#[derive(Debug, Clone, Copy)]
enum Turn {
    List,
    Count,
    Graphql,
    Users,
    Me,
    Rename,
    Role,
    Create,
    Mint,
    Login,
}

/// Nodes under load.
pub struct Load {
    /// Their addresses, `http://…`; each client asks them in turn.
    pub nodes: Vec<String>,
    pub clients: usize,
    /// Whether a client stops, after so many turns and so much time.
    pub enough: Box<dyn Fn(usize, Duration) -> bool + Send + Sync>,
    /// Whether each answer is held against the contract, which takes time that a benchmark measures.
    pub checked: bool,
}

/// How long each call took, by what it was.
pub type Times = BTreeMap<&'static str, Vec<Duration>>;

impl Load {
    /// Runs it to the end: how long each call took. Panics on an answer that was not due, and on an acknowledged change that is lost.
    pub async fn run(self) -> Times {
        let load = Arc::new(self);
        let mut root = Client::new(Arc::clone(&load), 0);
        root.token = root.login().await;
        let read_only = json!({ "where": { "preset": "READ_ONLY" } });
        let role = root.rest("get-user-role-nexts", read_only).await[0]["id"].clone();
        for group in 0..load.clients.div_ceil(FIELDS.len()) {
            root.create(&shared(group), &role).await;
        }
        let start = Instant::now();
        let clients = (0..load.clients).map(|at| {
            let mut client = Client::new(Arc::clone(&load), at);
            (client.token, client.role) = (root.token.clone(), role.clone());
            tokio::spawn(async move {
                client.start().await;
                client.work(start).await;
                client
            })
        });
        let mut times = Times::new();
        let mut ended = Vec::new();
        for client in clients.collect::<Vec<_>>() {
            let mut client = client.await.unwrap();
            for (call, mut some) in std::mem::take(&mut client.times) {
                times.entry(call).or_default().append(&mut some);
            }
            ended.push(client);
        }
        let users = root.rest("get-users", json!({ "where": { "username_starts_with": "made-" } })).await;
        let made: BTreeSet<&str> =
            users.as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap()).collect();
        let acknowledged: BTreeSet<&str> =
            ended.iter().flat_map(|client| client.users.iter().map(String::as_str)).collect();
        assert_eq!(made, acknowledged, "users");
        for client in &mut ended {
            client.verify().await;
        }
        times
    }
}

/// A user whom three clients change.
fn shared(group: usize) -> String {
    format!("shared-{group}")
}

/// One client, and what was acknowledged to it.
struct Client {
    load: Arc<Load>,
    http: reqwest::Client,
    at: usize,
    asked: usize,
    token: String,
    role: Value,
    times: Times,
    /// The last value of its field of the shared user.
    value: Option<String>,
    /// The users that it made and did not delete.
    users: BTreeSet<String>,
    /// The actions of its role.
    actions: Vec<&'static str>,
    /// Its live keys, and those that it deleted.
    keys: Vec<String>,
    dead: Vec<String>,
}

impl Client {
    fn new(load: Arc<Load>, at: usize) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            load,
            http,
            at,
            asked: at,
            token: String::new(),
            role: Value::Null,
            times: Times::new(),
            value: None,
            users: BTreeSet::new(),
            actions: Vec::new(),
            keys: Vec::new(),
            dead: Vec::new(),
        }
    }

    /// Asks the next node; every answer but the one that is due ends the run.
    async fn ask(&mut self, call: &'static str, path: &str, credential: &str, body: &Value, due: u16) -> Value {
        let node = &self.load.nodes[self.asked % self.load.nodes.len()];
        self.asked += 1;
        let request = self.http.post(format!("{node}{path}")).header(AUTHORIZATION, credential).json(body);
        let start = Instant::now();
        let answer = Answer::unchecked(request.send().await.unwrap()).await.unwrap();
        self.times.entry(call).or_default().push(start.elapsed());
        if self.load.checked {
            answer.check(path);
        }
        assert_eq!(answer.status, due, "{call} {body}: {answer:?}");
        answer.json()
    }

    async fn rest(&mut self, route: &'static str, body: Value) -> Value {
        let token = self.token.clone();
        self.ask(route, &format!("/v2/api/{route}"), &token, &body, 200).await
    }

    async fn graphql(&mut self, call: &'static str, query: &str, variables: Value) -> Value {
        let (token, body) = (self.token.clone(), json!({ "query": query, "variables": variables }));
        let mut answer = self.ask(call, "/api/", &token, &body, 200).await;
        assert!(answer.get("errors").is_none(), "{call}: {answer}");
        answer["data"].take()
    }

    async fn login(&mut self) -> String {
        let body = json!({ "username": "root", "password": ROOT_PASSWORD });
        let answer = self.rest("login", body).await;
        answer["data"]["token"].as_str().unwrap().to_owned()
    }

    async fn create(&mut self, username: &str, role: &Value) {
        let user = json!([{ "username": username, "name": username, "password": ROOT_PASSWORD, "role_id": role }]);
        assert_eq!(self.rest("create-user", user).await[0]["data"]["username"], username);
    }

    /// The role and the key that it works with.
    async fn start(&mut self) {
        let role = json!([{ "name": self.own_role(), "actions": [] }]);
        self.rest("create-role", role).await;
        self.mint().await;
    }

    async fn work(&mut self, start: Instant) {
        let mut round = 0;
        while !(self.load.enough)(round, start.elapsed()) {
            self.turn(TURNS[(self.at * 7 + round) % TURNS.len()], round).await;
            round += 1;
        }
    }

    async fn turn(&mut self, turn: Turn, round: usize) {
        let some = json!({ "status": "RUNNING", "memory_gte": (1 + round % 32) as i64 * (1 << 30) });
        match turn {
            Turn::List => {
                let body = json!({ "where": some, "orderBy": "name_ASC", "first": 20, "skip": round % 100 });
                assert!(self.rest("get-vms", body).await.as_array().unwrap().len() <= 20);
            }
            Turn::Count => {
                let of_cluster = json!({ "where": { "cluster": { "name": format!("cluster {}", round % 4) } } });
                assert!(self.rest("get-vms-connection", of_cluster).await["aggregate"]["count"].is_u64());
            }
            Turn::Graphql => {
                let query = "query($where: VmWhereInput) { \
                             vms(where: $where, first: 20) { id name status memory cluster { name } host { name } } }";
                self.graphql("GraphQL vms", query, json!({ "where": some })).await;
            }
            Turn::Users => {
                let body = json!({ "where": { "username_starts_with": "shared-" }, "first": 20 });
                assert!(!self.rest("get-users", body).await.as_array().unwrap().is_empty());
            }
            Turn::Me => self.use_key().await,
            Turn::Rename => self.rename(round).await,
            Turn::Role => {
                let actions = [vec!["CREATE_VM"], vec!["UPDATE_VM", "DELETE_VM"]][round % 2].clone();
                let change = json!({ "where": { "name": self.own_role() }, "data": { "actions": actions } });
                self.rest("update-role", change).await;
                self.actions = actions;
            }
            Turn::Create => {
                let username = format!("made-{}-{round}", self.at);
                let role = self.role.clone();
                self.create(&username, &role).await;
                self.users.insert(username);
                // Every other one stays.
                if self.users.len().is_multiple_of(2) {
                    let first = self.users.first().unwrap().clone();
                    self.rest("delete-user", json!({ "where": { "username": first } })).await;
                    self.users.remove(&first);
                }
            }
            Turn::Mint => {
                self.mint().await;
                if self.keys.len() > 2 {
                    let key = self.keys.remove(0);
                    let delete = "mutation($key: String!) { deleteApiKey(where: { key: $key }) { id } }";
                    self.graphql("GraphQL deleteApiKey", delete, json!({ "key": key })).await;
                    // Once acknowledged, it is dead on every node: the next request goes to the next one.
                    self.dead.push(key);
                    self.use_dead().await;
                }
            }
            Turn::Login => self.token = self.login().await,
        }
    }

    async fn rename(&mut self, round: usize) {
        let value = format!("{}-{round}", self.at);
        let mut change = json!({ "where": { "username": shared(self.at / FIELDS.len()) } });
        change["data"][FIELDS[self.at % FIELDS.len()]] = json!(value);
        let changed = self.rest("update-user", change).await;
        assert_eq!(changed[0]["data"][FIELDS[self.at % FIELDS.len()]], value.as_str());
        self.value = Some(value);
    }

    async fn mint(&mut self) {
        let mint = "mutation($name: String!) { createApiKey(data: { name: $name }) { id key } }";
        let made = self.graphql("GraphQL createApiKey", mint, json!({ "name": format!("load {}", self.at) })).await;
        self.keys.push(made["createApiKey"]["key"].as_str().unwrap().to_owned());
    }

    async fn use_key(&mut self) {
        let key = self.keys[self.asked % self.keys.len()].clone();
        self.ask("get-my-info, key", "/v2/api/get-my-info", &key, &json!({}), 200).await;
    }

    async fn use_dead(&mut self) {
        let key = self.dead.last().unwrap().clone();
        self.ask("get-my-info, dead key", "/v2/api/get-my-info", &key, &json!({}), 401).await;
    }

    fn own_role(&self) -> String {
        format!("of client {}", self.at)
    }

    /// What was acknowledged last is so now.
    async fn verify(&mut self) {
        let user = json!({ "where": { "username": shared(self.at / FIELDS.len()) } });
        let user = self.rest("get-users", user).await;
        if let Some(value) = &self.value {
            assert_eq!(user[0][FIELDS[self.at % FIELDS.len()]], value.as_str(), "{user}");
        }
        let role = self.rest("get-user-role-nexts", json!({ "where": { "name": self.own_role() } })).await;
        assert_eq!(role[0]["actions"], json!(self.actions), "{role}");
        for (keys, status) in [(self.keys.clone(), 200), (self.dead.clone(), 401)] {
            for key in keys {
                self.ask("at the end", "/v2/api/get-my-info", &key, &json!({}), status).await;
            }
        }
    }
}
