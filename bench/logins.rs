//! Measures whether response times reveal which users exist: `cargo bench -- logins`.
//!
//! Alternates wrong logins with names that exist and names that don't, each from its own address, so that none is throttled. All answers
//! must be identical; then the times of the two kinds are compared.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::node::{borrowed, settings};
use super::support::{Database, Node};
use super::{Options, credentials, percentile};

/// Number of clients that log in at once, and the maximum 95th percentile of key checks meanwhile, in milliseconds.
const CROWD: usize = 20;
const BESIDE: f64 = 1_000.0;
const PASSWORD: &str = "a password of theirs";
/// Number of names that exist, and of similar names that do not.
const USERS: usize = 50;
/// Allowed range of the probability that a known name is slower than an unknown one.
const EVEN: (f64, f64) = (0.15, 0.85);
/// Allowed difference of the medians, in milliseconds or as a fraction of the greater one.
const NEAR: (f64, f64) = (2.0, 0.15);

/// Compares the two kinds on REST and GraphQL; returns the number of missed limits.
pub async fn run(name: &str, database: &Arc<Database>, options: &Options) -> usize {
    let mut settings = settings(database);
    settings.push(("trusted_proxies", "127.0.0.1".to_owned()));
    let node = Node::start(&borrowed(&settings));
    let (token, _) = credentials(&node).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let known: Vec<String> = (0..USERS).map(|number| format!("known-{number:04}")).collect();
    let unknown: Vec<String> = (0..USERS).map(|number| format!("nobody{number:04}")).collect();
    let role = json!({ "query": "{ userRoleNexts(where: { preset: READ_ONLY }) { id } }" });
    let post = async |path: &str, body: &Value| {
        let request = http.post(node.url(path)).header("authorization", &token).json(body);
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let role = post("/api/", &role).await["data"]["userRoleNexts"][0]["id"].clone();
    let user = |name: &String| json!({ "username": name, "name": name, "password": PASSWORD, "role_id": role });
    post("/v2/api/create-user", &known.iter().map(user).collect()).await;
    let mut missed = 0;
    let mut address = 0_u32;
    for (face, path) in [("REST", "/v2/api/login"), ("GraphQL", "/api/")] {
        let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
        let (mut told, until) = (None, Instant::now() + Duration::from_secs(options.seconds * 10));
        'measured: loop {
            for turn in 0..USERS {
                for (kind, names) in [&known, &unknown].into_iter().enumerate() {
                    if Instant::now() > until && times[1].len() >= 100 {
                        break 'measured;
                    }
                    address += 1;
                    let [_, a, b, c] = address.to_be_bytes();
                    let data = json!({ "username": names[turn], "password": format!("guess number {address}") });
                    let body = match face {
                        "REST" => data,
                        _ => json!({ "query": "mutation($data: LoginInput!) { login(data: $data) { token } }",
                                     "variables": { "data": data } }),
                    };
                    let request = http.post(node.url(path)).header("x-forwarded-for", format!("10.{a}.{b}.{c}"));
                    let started = Instant::now();
                    let answer = request.json(&body).send().await.unwrap();
                    let mut said = answer.status().to_string();
                    for (header, value) in answer.headers() {
                        if !["date", "x-tower-request-id"].contains(&header.as_str()) {
                            writeln!(said, "{header}: {value:?}").unwrap();
                        }
                    }
                    said += &answer.text().await.unwrap();
                    times[kind].push(started.elapsed());
                    assert_eq!(*told.get_or_insert_with(|| said.clone()), said, "the answers differ");
                }
            }
        }
        missed += compare(name, face, times);
    }
    missed += beside(name, &node, &known, options).await;
    println!();
    missed
}

/// Checks a key in a loop while many clients log in: password hashing must leave time for other requests. Returns the number of missed
/// limits.
async fn beside(name: &str, node: &Node, users: &[String], options: &Options) -> usize {
    let (_, key) = credentials(node).await;
    let until = Instant::now() + Duration::from_secs(options.seconds * 5);
    let crowd = users.iter().take(CROWD).cloned().map(|username| {
        let url = node.url("/v2/api/login");
        tokio::spawn(async move {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let (body, mut logins) = (json!({ "username": username, "password": PASSWORD }), 0_usize);
            while Instant::now() < until {
                let answer = http.post(&url).json(&body).send().await.unwrap();
                assert_eq!(answer.status(), 200);
                logins += 1;
            }
            logins
        })
    });
    let crowd: Vec<_> = crowd.collect();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut times = Vec::new();
    while Instant::now() < until {
        let started = Instant::now();
        let request = http.post(node.url("/v2/api/get-my-info")).header("authorization", &key).json(&json!({}));
        assert_eq!(request.send().await.unwrap().status(), 200);
        times.push(started.elapsed());
    }
    let mut logins = 0;
    for client in crowd {
        logins += client.await.unwrap();
    }
    let (checks, p95) = (times.len(), percentile(&mut times, 95));
    let missed = p95 >= BESIDE;
    println!(
        "{name}: {CROWD} clients log in at once ({logins} logins); beside them {checks} checks of a key, p95 {p95:.2} ms{}",
        if missed { "  MISSED" } else { "" }
    );
    usize::from(missed)
}

/// Prints and compares the times of the two kinds; returns the number of missed limits.
fn compare(name: &str, face: &str, [mut known, mut unknown]: [Vec<Duration>; 2]) -> usize {
    let pairs = known.len() * unknown.len();
    let slower = known.iter().map(|known| unknown.iter().filter(|unknown| known > *unknown).count()).sum::<usize>();
    let likely = slower as f64 / pairs as f64;
    let medians = [percentile(&mut known, 50), percentile(&mut unknown, 50)];
    let apart = (medians[0] - medians[1]).abs();
    let near = apart <= NEAR.0.max(NEAR.1 * medians[0].max(medians[1]));
    let even = (EVEN.0..=EVEN.1).contains(&likely);
    println!(
        "{name}, {face}, wrong logins: known {:.2} ms (p95 {:.2}), unknown {:.2} ms (p95 {:.2}), {} each; a known name is the slower of \
         two with P = {likely:.3}; the answers are equal{}",
        medians[0],
        percentile(&mut known, 95),
        medians[1],
        percentile(&mut unknown, 95),
        known.len(),
        if near || even { "" } else { "  MISSED" },
    );
    usize::from(!(near || even))
}
