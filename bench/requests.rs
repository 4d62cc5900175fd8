//! Measures requests and compares them with a yardstick in the same run: `cargo bench -- requests`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::world::World;
use super::support::{Database, Node, ROOT_PASSWORD};
use super::{Options, Site, credentials, hammer, percentile};

#[derive(Clone)]
struct Call {
    name: &'static str,
    path: &'static str,
    credential: Option<String>,
    body: Option<Value>,
    /// A body that is not JSON.
    text: Option<String>,
}

/// Returns the XML-RPC call by which SoftLayer's clients read the current user, like `get-my-info`.
fn xml_rpc(key: &str) -> String {
    let member = |name: &str, value: &str| format!("<member><name>{name}</name><value>{value}</value></member>");
    let text = |text: &str| format!("<string>{text}</string>");
    let shown = [member("username", &text("root")), member("apiKey", &text(key))].concat();
    let headers = member("authenticate", &format!("<struct>{shown}</struct>"));
    let headers = member("headers", &format!("<struct>{headers}</struct>"));
    format!(
        "<?xml version='1.0'?><methodCall><methodName>getCurrentUser</methodName><params><param><value>\
         <struct>{headers}</struct></value></param></params></methodCall>"
    )
}

/// Measures each kind of request in turn.
pub async fn run(name: &str, database: &Arc<Database>, options: &Options) {
    let mut site = Site::new(database, World { clusters: 3, hosts: 10 }).await;
    site.grow(50).await;
    let node = &Node::on(database);
    println!("{name}: requests, clients: {}", options.clients);
    let (token, key) = credentials(node).await;
    let page = json!({ "first": 10 });
    let query = json!({ "query": "{ vms(first: 10) { id name status cluster { name } } }" });
    let mint = json!({ "query": "mutation { createApiKey(data: { name: \"bench\" }) { key } }" });
    let login = json!({ "username": "root", "password": ROOT_PASSWORD });
    let call = |name, path, credential: Option<&str>, body: Option<&Value>| Call {
        name,
        path,
        credential: credential.map(str::to_owned),
        body: body.cloned(),
        text: None,
    };
    let calls = [
        call("GET /healthz (yardstick)", "/healthz", None, None),
        call("get-my-info, key", "/v2/api/get-my-info", Some(&key), Some(&json!({}))),
        call("get-my-info, token", "/v2/api/get-my-info", Some(&token), Some(&json!({}))),
        call("get-my-info, misspelt key", "/v2/api/get-my-info", Some(&key[1..]), Some(&json!({}))),
        Call {
            text: Some(xml_rpc(&key)),
            ..call("XML-RPC getCurrentUser, key", "/xmlrpc/v3.1/SoftLayer_Account", None, None)
        },
        call("get-vms, first 10", "/v2/api/get-vms", Some(&key), Some(&page)),
        call("GraphQL vms, first 10", "/api/", Some(&key), Some(&query)),
        call("GraphQL createApiKey", "/api/", Some(&token), Some(&mint)),
        call("login", "/v2/api/login", None, Some(&login)),
    ];
    println!("{:<28} {:>10} {:>10} {:>10} {:>10}", "", "req/s", "median ms", "p95 ms", "yardstick");
    let mut yardstick = 0.0;
    for call in calls {
        let mut times = measure(node, &call, options).await;
        let rate = times.len() as f64 / options.seconds as f64;
        if yardstick == 0.0 {
            yardstick = rate;
        }
        let (median, p95) = (percentile(&mut times, 50), percentile(&mut times, 95));
        println!("{:<28} {rate:>10.0} {median:>10.2} {p95:>10.2} {:>9.2}x", call.name, rate / yardstick);
    }
    println!();
}

async fn measure(node: &Node, call: &Call, options: &Options) -> Vec<Duration> {
    let (call, url) = (call.clone(), node.url(call.path));
    let request = move |http: &reqwest::Client| {
        let mut request = if call.body.is_some() || call.text.is_some() { http.post(&url) } else { http.get(&url) };
        if let Some(credential) = &call.credential {
            request = request.header("authorization", credential);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if let Some(text) = &call.text {
            request = request.body(text.clone());
        }
        request
    };
    hammer(options.clients, Duration::from_secs(options.seconds), request).await
}
