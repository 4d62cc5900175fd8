//! Measures requests against a yardstick in the same run: `cargo bench`. See `bench/README.md`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a tool for developers, not the service"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use keytower::auth::random::SystemRandom;
use keytower::config::Settings;
use keytower::domain::caller::Caller;
use keytower::domain::clock::SystemClock;
use keytower::http::serve::{Times, serve};
use keytower::router::router;
use keytower::service::{inventory, setup};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";

#[derive(Clone)]
struct Call {
    name: &'static str,
    path: &'static str,
    credential: Option<String>,
    body: Option<Value>,
}

fn main() {
    tokio::runtime::Runtime::new().unwrap().block_on(run());
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

async fn run() {
    let folder = tempfile::tempdir().unwrap();
    let environment =
        [("KEYTOWER_DATA_DIR", folder.path().display().to_string()), ("KEYTOWER_ROOT_PASSWORD", PASSWORD.into())];
    let settings = Settings::load(None, environment.map(|(name, value)| (name.to_owned(), value))).unwrap();
    let (app, _) = setup::start(settings, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap();
    let text = include_str!("../examples/inventory.json");
    inventory::import(&app, &Caller::operator(), text, |_| {}).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let times = Times { header: Duration::from_secs(8), shutdown: Duration::ZERO };
    tokio::spawn(serve(listener, router(app).unwrap(), times, std::future::pending()));

    let login = json!({ "username": "root", "password": PASSWORD });
    let http = reqwest::Client::new();
    let post = async |path: &str, credential: &str, body: &Value| -> Value {
        let request = http.post(format!("{base}{path}")).header("authorization", credential).json(body);
        request.send().await.unwrap().json().await.unwrap()
    };
    let token = post("/v2/api/login", "none", &login).await["data"]["token"].as_str().unwrap().to_owned();
    let mint = json!({ "query": "mutation { createApiKey(data: { name: \"bench\" }) { key } }" });
    let key = post("/api/", &token, &mint).await["data"]["createApiKey"]["key"].as_str().unwrap().to_owned();

    let page = json!({ "first": 10 });
    let query = json!({ "query": "{ vms(first: 10) { id name status cluster { name } } }" });
    let call = |name, path, credential: Option<&str>, body: Option<&Value>| Call {
        name,
        path,
        credential: credential.map(str::to_owned),
        body: body.cloned(),
    };
    let calls = [
        call("GET /healthz (yardstick)", "/healthz", None, None),
        call("get-my-info, key", "/v2/api/get-my-info", Some(&key), Some(&json!({}))),
        call("get-my-info, token", "/v2/api/get-my-info", Some(&token), Some(&json!({}))),
        call("get-my-info, misspelt key", "/v2/api/get-my-info", Some(&key[1..]), Some(&json!({}))),
        call("get-vms, first 10", "/v2/api/get-vms", Some(&key), Some(&page)),
        call("GraphQL vms, first 10", "/api/", Some(&key), Some(&query)),
        call("GraphQL createApiKey", "/api/", Some(&token), Some(&mint)),
        call("login", "/v2/api/login", None, Some(&login)),
    ];
    println!("{:<28} {:>10} {:>10} {:>10} {:>10}", "", "req/s", "median ms", "p95 ms", "yardstick");
    let mut yardstick = 0.0;
    for call in calls {
        let mut times = measure(&base, &call).await;
        times.sort_unstable();
        let seconds = number("KT_BENCH_SECONDS", 2) as f64;
        let rate = times.len() as f64 / seconds;
        if yardstick == 0.0 {
            yardstick = rate;
        }
        let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e3;
        println!("{:<28} {rate:>10.0} {:>10.2} {:>10.2} {:>9.2}x", call.name, at(50), at(95), rate / yardstick);
    }
}

async fn measure(base: &str, call: &Call) -> Vec<Duration> {
    let until = Instant::now() + Duration::from_secs(number("KT_BENCH_SECONDS", 2));
    let clients = (0..number("KT_BENCH_CLIENTS", 8)).map(|_| {
        let (call, url) = (call.clone(), format!("{base}{}", call.path));
        tokio::spawn(async move {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let mut times = Vec::new();
            while Instant::now() < until {
                let started = Instant::now();
                let mut request = if call.body.is_some() { http.post(&url) } else { http.get(&url) };
                if let Some(credential) = &call.credential {
                    request = request.header("authorization", credential);
                }
                if let Some(body) = &call.body {
                    request = request.json(body);
                }
                request.send().await.unwrap().bytes().await.unwrap();
                times.push(started.elapsed());
            }
            times
        })
    });
    let mut times = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        times.extend(client.await.unwrap());
    }
    times
}
