//! Measures how a caller is affected by others that ask for too much: `cargo bench -- hostile`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::support::world::World;
use super::support::{Database, Node};
use super::{Options, Site, credentials, hammer, percentile};

/// Number of connections of the reader with costly lists.
const READERS: usize = 24;
/// Number of connections of the administrator that changes users in bulk.
const WRITERS: usize = 16;
/// Number of users that one request of the administrator changes: the maximum.
const USERS: usize = 100;
/// Number of connections of the reader with whole lists.
const LISTENERS: usize = 8;
/// How long the others run before the measurement begins.
const AHEAD: Duration = Duration::from_secs(2);
/// Number of clients whose key checks are measured.
const CHECKERS: usize = 4;
/// Maximum 99th percentile of key checks, in milliseconds.
const BAR: f64 = 1_000.0;

/// Measures key checks alone, next to hostile readers, and next to a bulk writer. Returns the number of missed limits.
pub async fn run(name: &str, database: &Arc<Database>, options: &Options) -> usize {
    let mut site = Site::new(database, World { clusters: 3, hosts: 10 }).await;
    site.grow(20_000).await;
    let node = &Node::on(database);
    let (token, key) = credentials(node).await;
    let url = |path: &str| node.url(&format!("/v2/api{path}"));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |path: &str, body: Value| -> Value {
        let request = http.post(url(path)).header("authorization", &token).json(&body);
        request.send().await.unwrap().json().await.unwrap()
    };
    let roles = post("/get-user-role-nexts", json!({ "where": { "preset": "READ_ONLY" } })).await;
    let user = |name: String| json!({ "username": name, "name": "bulk", "password": "a long password", "role_id": roles[0]["id"] });
    post("/create-user", (0..USERS).map(|at| user(format!("bulk-{at}"))).collect()).await;
    post("/create-user", json!([user("reader".to_owned())])).await;
    let login = json!({ "username": "reader", "password": "a long password" });
    let reader = post("/login", login).await["data"]["token"].as_str().unwrap().to_owned();
    let related: Vec<Value> =
        (0..100).map(|at| json!({ "cluster": { "name_not": format!("nothing {at}") } })).collect();
    let related = json!({ "where": { "AND": related }, "first": 10 });
    let conditions: Vec<Value> = (0..4_000).map(|at| json!({ "name_contains": format!("nothing {at}") })).collect();
    let costly = json!({ "where": { "OR": conditions } });
    let bulk = json!({ "where": { "name_starts_with": "bulk" }, "data": { "mobile_phone": "1" } });

    println!("{name}: key checks beside others, clients: {CHECKERS}");
    println!("{:<40} {:>8} {:>10} {:>10} {:>10}", "", "checks", "median ms", "p99 ms", "bar ms");
    let mut missed = 0;
    let time = Duration::from_secs(options.seconds.max(10));
    for (what, others) in [
        ("calm", Vec::new()),
        ("beside 24 costly lists of one reader", repeat(READERS, &url("/get-vms-connection"), &reader, &costly)),
        ("beside 24 lists of 100 relations each", repeat(READERS, &url("/get-vms-connection"), &reader, &related)),
        ("beside 8 whole lists of 20,000 VMs", repeat(LISTENERS, &url("/get-vms"), &reader, &json!({}))),
        ("beside 16 bulk changes of 100 users", repeat(WRITERS, &url("/update-user"), &token, &bulk)),
    ] {
        // The others run before the first check.
        tokio::time::sleep(AHEAD).await;
        let (url, key) = (url("/get-my-info"), key.clone());
        let checked = move |http: &reqwest::Client| http.post(&url).header("authorization", &key).json(&json!({}));
        let mut times = hammer(CHECKERS, time, checked).await;
        others.iter().for_each(JoinHandle::abort);
        let [median, p99] = [50, 99].map(|part| percentile(&mut times, part));
        missed += usize::from(p99 > BAR);
        println!("{what:<40} {:>8} {median:>10.2} {p99:>10.2} {BAR:>10.0}", times.len());
    }
    println!();
    missed
}

/// Sends a request in a loop over a number of connections, until the tasks are aborted.
fn repeat(connections: usize, url: &str, credential: &str, body: &Value) -> Vec<JoinHandle<()>> {
    let clients = (0..connections).map(|_| {
        let (url, credential, body) = (url.to_owned(), credential.to_owned(), body.to_string());
        tokio::spawn(async move {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            loop {
                let request = http.post(&url).header("authorization", &credential);
                let request = request.header("content-type", "application/json").body(body.clone());
                if let Ok(answer) = request.send().await {
                    let _ = answer.bytes().await;
                }
            }
        })
    });
    clients.collect()
}
