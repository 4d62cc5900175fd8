//! One caller's lists keep nobody else waiting, and what nobody waits for is ended.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::check::error_body;
use crate::support::database::is_postgres;
use crate::support::{Answer, Database, ROOT_PASSWORD, Service};

/// Users beside those that the tests make.
const USERS: usize = 40_000;
/// Requests that one caller sends at once.
const AT_ONCE: usize = 12;

/// A service with many users; they are read by lists, and log in never.
async fn crowded() -> Arc<Service> {
    let service = Service::start_with(Arc::new(Database::new().await), &[]).await;
    fill(&service, USERS).await;
    Arc::new(service)
}

/// Puts users into the database, named in the order of their ids.
pub async fn fill(service: &Service, users: usize) {
    let numbers = match is_postgres() {
        true => format!("SELECT n FROM generate_series(1, {users}) AS n"),
        false => {
            format!("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {users}) SELECT n FROM c")
        }
    };
    let text = |start: &str| format!("'{start}' || substr('0000000' || CAST(n AS TEXT), -6)");
    let text = |start: &str| match is_postgres() {
        true => format!("'{start}' || lpad(CAST(n AS TEXT), 6, '0')"),
        false => text(start),
    };
    let sql = format!(
        "INSERT INTO users (id, created_at, display_username, internal, name, number, parent, password_recover_qa, permissions, \
         profile, source, status, username) SELECT {}, '2026-01-01T00:00:00.000Z', 'x', false, {}, 100000 + n, \
         (SELECT id FROM users WHERE username = 'root'), '{{\"enabled\":false,\"items\":[]}}', '[]', '{{}}', 'LOCAL', 'ACTIVE', {} \
         FROM ({numbers}) AS numbers",
        text("crowd-"),
        text("name "),
        text("user-"),
    );
    service.database().execute(&sql).await;
}

/// Conditions each of which looks at every name.
pub fn conditions(many: usize) -> Value {
    let conditions: Vec<Value> = (0..many).map(|at| json!({ "name_contains": format!("nobody {at}") })).collect();
    json!({ "where": { "OR": conditions } })
}

fn ask(service: &Arc<Service>, key: &str, path: &str, body: &Value) -> JoinHandle<Answer> {
    let request = service.http.post(service.url(path)).header(CONTENT_TYPE, "application/json");
    let request = request.header(AUTHORIZATION, key).body(body.to_string());
    tokio::spawn(async move { Answer::unchecked(request.send().await.unwrap()).await.unwrap() })
}

/// Waits until no statement of a list runs on PostgreSQL any more; on SQLite until lists are read again, which takes a lane.
async fn expect_quiet(service: &Service, key: &str) {
    let running = "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name LIKE 'keytower list %' AND state = 'active' \
        AND datname = current_database()";
    let quiet = async {
        while is_postgres() && service.database().number(running).await > 0 {
            tokio::task::yield_now().await;
        }
        while service.rest(key, "/get-users", json!({ "first": 1 })).await.status != 200 {}
    };
    tokio::time::timeout(Duration::from_secs(10), quiet).await.expect("a list runs on that nobody waits for");
}

/// A list that takes far longer than lists may over so many rows, and whose conditions are just not too many for these.
fn costly() -> Value {
    conditions(4_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_can_not_be_read_in_time_is_refused_before_it_begins() {
    let service = Service::start().await;
    fill(&service, 45_000).await;
    service.database().execute("ANALYZE users").await;
    let token = service.root().await;
    let many = conditions(4_900);
    for path in ["/get-users-connection", "/get-users"] {
        let refused = service.rest(&token, path, many.clone()).await;
        let words = "where has 4900 conditions over so many rows that it would take too long: conditions times rows may be 200000000";
        assert!(error_body(&refused, 400, path).contains(words), "{refused:?}");
    }
    // Where there are few rows, as many conditions are answered.
    assert_eq!(service.rest(&token, "/get-vms-connection", many).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_floods_with_costly_lists_starves_nobody() {
    let service = crowded().await;
    let (_, reader) = service.user("READ_ONLY").await;
    let (_, hostile) = service.mint(&reader, "hostile").await;
    let (name, other) = service.user("READ_ONLY").await;
    let (_, key) = service.mint(&other, "check").await;
    let flood: Vec<_> = ["/v2/api/get-users", "/v2/api/get-users-connection"]
        .into_iter()
        .cycle()
        .take(AT_ONCE)
        .map(|path| ask(&service, &hostile, path, &costly()))
        .collect();
    for _ in 0..10 {
        assert_eq!(service.try_credential(&key).await, 200);
        assert_eq!(service.get("/readyz").await.status, 200);
    }
    let list = service.rest(&key, "/get-users", json!({ "where": { "username": name } })).await;
    assert_eq!((list.status, list.json().as_array().unwrap().len()), (200, 1), "another caller has a lane");
    service.login("root", ROOT_PASSWORD).await;
    assert_eq!(service.delete_key(&other, &key).await.status, 200);
    assert_eq!(service.try_credential(&key).await, 401);
    let mut told = Vec::new();
    for answer in flood {
        let answer = answer.await.unwrap();
        match answer.status {
            400 => assert!(answer.text.contains("takes longer than 8 s"), "{answer:?}"),
            429 => assert!(answer.headers.contains_key(RETRY_AFTER), "{answer:?}"),
            _ => panic!("{answer:?}"),
        }
        told.push(answer.status);
    }
    assert!(told.contains(&400) && told.contains(&429), "{told:?}");
    expect_quiet(&service, &hostile).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_client_hung_up_is_ended() {
    let service = crowded().await;
    let (_, reader) = service.user("READ_ONLY").await;
    let (_, key) = service.mint(&reader, "impatient").await;
    let before = service.app.store.statements();
    let asked: Vec<_> = (0..2).map(|_| ask(&service, &key, "/v2/api/get-users-connection", &costly())).collect();
    // Both have been let in.
    while service.app.store.statements() < before + 2 {
        tokio::task::yield_now().await;
    }
    for request in &asked {
        request.abort();
    }
    expect_quiet(&service, &key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_conditions_on_related_rows_are_planned_and_answered() {
    let service = Service::start().await;
    let token = service.root().await;
    let conditions: Vec<Value> =
        (0..100).map(|at| json!({ "cluster": { "name_contains": format!("c{at}") } })).collect();
    let body = json!({ "where": { "AND": conditions } });
    let answer = service.rest(&token, "/get-vms-connection", body).await;
    assert_eq!((answer.status, answer.json()["aggregate"]["count"].as_i64()), (200, Some(0)), "{answer:?}");
    // As many, and each second one stands inside another.
    let nested = |at: usize| json!({ "cluster": { "hosts_some": { "name_contains": format!("c{at}") } } });
    let body = json!({ "where": { "AND": (0..50).map(nested).collect::<Vec<_>>() } });
    let answer = service.rest(&token, "/get-vms-connection", body).await;
    assert_eq!((answer.status, answer.json()["aggregate"]["count"].as_i64()), (200, Some(0)), "{answer:?}");
}
