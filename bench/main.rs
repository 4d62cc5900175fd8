//! Benchmarks: `cargo bench -- requests`, `lists`, `logins`, `hostile`, `load`, or all of them. See `bench/README.md`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a tool for developers, not the service"
)]

mod hostile;
mod lists;
mod load;
mod logins;
mod requests;
#[expect(dead_code, unused_imports, reason = "made for the suite, and benchmarks do not need all of it")]
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use keytower::app::App;
use keytower::auth::random::SystemRandom;
use keytower::config::Settings;
use keytower::domain::clock::SystemClock;
use keytower::service::setup;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use support::random::Random;
use support::world::World;
use support::{Database, Node, ROOT_PASSWORD};

/// Makes the inventory the same in every run.
const SEED: u64 = 4_600;

/// Measures keytower on embedded SQLite, and on the PostgreSQL server that `KT_TEST_POSTGRES` names.
#[derive(Debug, clap::Parser)]
struct Options {
    /// What to measure; everything if nothing is named.
    which: Vec<Which>,
    /// Seconds to measure each line.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Number of concurrent clients for `requests`.
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Duration of `load` in seconds.
    #[arg(long, default_value_t = 60)]
    load_seconds: u64,
    /// Number of concurrent clients for `load`.
    #[arg(long, default_value_t = 64)]
    load_clients: usize,
    /// Added by cargo; ignored.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    Requests,
    Lists,
    Logins,
    Hostile,
    Load,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let mut missed = 0;
    for which in [Which::Requests, Which::Lists, Which::Logins, Which::Hostile, Which::Load] {
        if !options.which.is_empty() && !options.which.contains(&which) {
            continue;
        }
        for (name, database) in databases().await {
            match which {
                Which::Requests => requests::run(name, &database, &options).await,
                Which::Lists => missed += lists::run(name, &database, &options).await,
                Which::Logins => missed += logins::run(name, &database, &options).await,
                Which::Hostile => missed += hostile::run(name, &database, &options).await,
                Which::Load => load::run(name, &database, &options).await,
            }
        }
    }
    assert_eq!(missed, 0, "bars missed");
}

/// Returns the databases to measure: SQLite, and PostgreSQL if `KT_TEST_POSTGRES` names a server.
async fn databases() -> Vec<(&'static str, Arc<Database>)> {
    let mut databases = vec![("SQLite", Arc::new(Database::sqlite()))];
    match std::env::var("KT_TEST_POSTGRES") {
        Ok(_) => databases.push(("PostgreSQL", Arc::new(Database::postgres().await))),
        Err(_) => println!("PostgreSQL is left out: KT_TEST_POSTGRES names no server, see bench/README.md\n"),
    }
    databases
}

/// An inventory that grows.
struct Site {
    database: Arc<Database>,
    world: World,
    random: Random,
    vms: usize,
}

impl Site {
    /// Creates clusters and hosts, and no VM yet.
    async fn new(database: &Arc<Database>, world: World) -> Self {
        let site = Self { database: Arc::clone(database), world, random: Random::of(SEED), vms: 0 };
        let app = site.app().await;
        world.build(&app).await;
        app.store.close().await;
        site
    }

    /// Imports VMs until there are `vms` of them.
    async fn grow(&mut self, vms: usize) {
        let app = self.app().await;
        self.world.populate(&app, self.vms..vms, &mut self.random).await;
        self.vms = vms;
        app.store.close().await;
    }

    async fn app(&self) -> Arc<App> {
        let settings = support::node::settings(&self.database);
        let settings = settings.into_iter().map(|(name, value)| (format!("KEYTOWER_{}", name.to_uppercase()), value));
        let settings = Settings::load(None, settings).unwrap();
        setup::start(settings, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap().0
    }
}

/// Logs in as `root` and mints a key; returns token and key.
async fn credentials(node: &Node) -> (String, String) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |path: &str, credential: &str, body: Value| -> Value {
        let request = http.post(node.url(path)).header("authorization", credential).json(&body);
        request.send().await.unwrap().json().await.unwrap()
    };
    let login = post("/v2/api/login", "none", json!({ "username": "root", "password": ROOT_PASSWORD })).await;
    let token = login["data"]["token"].as_str().unwrap().to_owned();
    let mint = json!({ "query": "mutation { createApiKey(data: { name: \"bench\" }) { key } }" });
    let key = post("/api/", &token, mint).await["data"]["createApiKey"]["key"].as_str().unwrap().to_owned();
    (token, key)
}

/// Sends a request in a loop from a number of clients for a given time. Returns how long each request took.
async fn hammer(
    clients: usize,
    time: Duration,
    request: impl Fn(&Client) -> RequestBuilder + Clone + Send + 'static,
) -> Vec<Duration> {
    let until = Instant::now() + time;
    let clients = (0..clients).map(|_| {
        let request = request.clone();
        tokio::spawn(async move {
            let http = Client::builder().no_proxy().build().unwrap();
            let mut times = Vec::new();
            while Instant::now() < until {
                let started = Instant::now();
                let answer = request(&http).send().await.unwrap();
                assert!(answer.status().is_success(), "{answer:?}");
                answer.bytes().await.unwrap();
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

/// Returns a percentile (0 to 100) of the times, in milliseconds.
fn percentile(times: &mut [Duration], part: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() - 1) * part / 100].as_secs_f64() * 1e3
}
