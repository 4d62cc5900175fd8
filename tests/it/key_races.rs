//! A user is deleted while its keys are used, more are minted, and it logs in: whatever the order, nothing of it works once the
//! deletion is acknowledged, nothing of it is left, and nobody is answered 5xx.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keytower::domain::caller::Caller;
use keytower::service::people::users;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::{Answer, Service, pass};

const ROUNDS: usize = 8;
/// Sessions that are over already: the next login forgets them, and so does the deletion.
const OVER: usize = 60;

/// Who waits for a lock of another transaction in this database; PostgreSQL.
const WAITING: &str = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// What happened to a user while it was deleted.
#[derive(Default)]
struct Seen {
    keys: Vec<String>,
    tokens: Vec<String>,
    refused: usize,
}

fn check(answer: &Answer) {
    assert!(
        answer.status < 500 && !answer.text.contains("INTERNAL") && !answer.text.contains("UNAVAILABLE"),
        "{answer:?}"
    );
}

/// Does something again and again; once more after `deleted`, and then it must be refused.
fn again<F, Fut>(deleted: &Arc<AtomicBool>, act: F) -> JoinHandle<Seen>
where
    F: Fn() -> Fut + Send + 'static,
    Fut: Future<Output = (Answer, Option<String>, Option<String>)> + Send,
{
    let deleted = Arc::clone(deleted);
    tokio::spawn(async move {
        let mut seen = Seen::default();
        loop {
            let late = deleted.load(Ordering::SeqCst);
            let (answer, key, token) = act().await;
            check(&answer);
            let refused = answer.status >= 400 || !answer.json()["errors"].is_null();
            assert!(!late || refused, "accepted after the deletion was acknowledged: {answer:?}");
            seen.refused += usize::from(refused);
            seen.keys.extend(key);
            seen.tokens.extend(token);
            if late {
                return seen;
            }
        }
    })
}

async fn count(db: &DatabaseConnection, rows: &str) -> i64 {
    let statement = Statement::from_string(db.get_database_backend(), format!("SELECT COUNT(*) AS n FROM {rows}"));
    db.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_user_outlives_its_deletion() {
    let service = Arc::new(Service::start().await);
    let db = service.database().connect().await;
    let operator = Caller::operator();
    let (mut minted, mut uses) = (0, 0);
    for round in 0..ROUNDS {
        let name = format!("leaver-{round}");
        let password =
            users::create_with_password(&service.app, &pass(&operator), name.clone(), "USER_ADMIN").await.unwrap();
        let token = service.login(&name, password.expose()).await;
        let (_, key) = service.mint(&token, "before").await;
        let id = service.app.authenticate(&key, None).await.unwrap().user;
        for over in 0..OVER {
            // Spread over the order of ids, so that two who walk through them meet.
            let session = format!("{}-{round}-{over}", over * 7919 % 997);
            let sql = "INSERT INTO sessions (id, amr, created_at, expires_at, user_id) VALUES";
            let past = "'[]', '2000-01-01T00:00:00.000Z', '2000-01-02T00:00:00.000Z'";
            db.execute_unprepared(&format!("{sql} ('{session}', {past}, '{id}')")).await.unwrap();
        }

        let deleted = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for _ in 0..2 {
            let (asked, shown) = (Arc::clone(&service), key.clone());
            tasks.push(again(&deleted, move || {
                let (service, key) = (Arc::clone(&asked), shown.clone());
                async move { (service.post("/v2/api/get-users", Some(&key), &json!({})).await, None, None) }
            }));
            let (asked, shown) = (Arc::clone(&service), token.clone());
            tasks.push(again(&deleted, move || {
                let (service, token) = (Arc::clone(&asked), shown.clone());
                async move {
                    let mint = "mutation { createApiKey(data: { name: \"during\" }) { key roles { id } user { id } } }";
                    let answer = service.graphql(Some(&token), mint, json!({})).await;
                    let key = answer.json()["data"]["createApiKey"]["key"].as_str().map(str::to_owned);
                    (answer, key, None)
                }
            }));
            let (asked, body) = (Arc::clone(&service), json!({ "username": name, "password": password.expose() }));
            tasks.push(again(&deleted, move || {
                let (service, body) = (Arc::clone(&asked), body.clone());
                async move {
                    let answer = service.post("/v2/api/login", None, &body).await;
                    let token = answer.json()["data"]["token"].as_str().map(str::to_owned);
                    (answer, None, token)
                }
            }));
        }
        // Let the race begin: the first of them must have done something.
        while count(&db, &format!("api_keys WHERE user_id = '{id}'")).await < 3 {
            tokio::task::yield_now().await;
        }
        service.delete_user(&name).await;
        deleted.store(true, Ordering::SeqCst);

        for task in tasks {
            let seen = task.await.unwrap();
            assert!(seen.refused >= 1);
            for dead in seen.keys.iter().chain(&seen.tokens) {
                assert_eq!(service.try_credential(dead).await, 401);
                uses += 1;
            }
            minted += seen.keys.len();
        }
        for rows in [
            format!("users WHERE id = '{id}'"),
            format!("api_keys WHERE user_id = '{id}'"),
            format!("sessions WHERE user_id = '{id}'"),
            format!("user_roles WHERE user_id = '{id}'"),
            "api_key_roles WHERE api_key_id NOT IN (SELECT id FROM api_keys)".to_owned(),
        ] {
            assert_eq!(count(&db, &rows).await, 0, "round {round}: {rows}");
        }
    }
    println!("{ROUNDS} users deleted amid {minted} mints: none of {uses} credentials works");
}

/// The same, one step at a time: the deletion holds the user and waits for its sessions, the login holds those and waits for the
/// user. On PostgreSQL each runs in its own transaction at once; SQLite has one writer, and so the login is simply later.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_does_not_wait_with_the_sessions_of_a_user_who_is_being_deleted() {
    let service = Arc::new(Service::start().await);
    let operator = Caller::operator();
    let password =
        users::create_with_password(&service.app, &pass(&operator), "ada".to_owned(), "READ_ONLY").await.unwrap();
    let token = service.login("ada", password.expose()).await;
    let id = service.app.authenticate(&token, None).await.unwrap().user;
    let db = service.database().connect().await;
    let over = "'[]', '2000-01-01T00:00:00.000Z', '2000-01-02T00:00:00.000Z'";
    db.execute_unprepared(&format!(
        "INSERT INTO sessions (id, amr, created_at, expires_at, user_id) VALUES ('over', {over}, '{id}')"
    ))
    .await
    .unwrap();

    let postgres = crate::support::database::is_postgres();
    let (begin, lock) = match postgres {
        true => ("BEGIN", format!("SELECT id FROM users WHERE id = '{id}' FOR UPDATE")),
        false => ("BEGIN IMMEDIATE", "SELECT 1".to_owned()),
    };
    // One connection, so that the transaction is this one's alone.
    let mut options = sea_orm::ConnectOptions::new(service.database().url());
    options.max_connections(1);
    let deletion = sea_orm::Database::connect(options).await.unwrap();
    for sql in [begin, &lock] {
        deletion.execute_unprepared(sql).await.unwrap();
    }
    let login = {
        let (service, body) = (Arc::clone(&service), json!({ "username": "ada", "password": password.expose() }));
        tokio::spawn(async move { service.post("/v2/api/login", None, &body).await })
    };
    while postgres && count(&db, WAITING).await == 0 {
        tokio::task::yield_now().await;
    }
    for sql in [format!("DELETE FROM users WHERE id = '{id}'"), "COMMIT".to_owned()] {
        deletion.execute_unprepared(&sql).await.unwrap();
    }
    let answer = login.await.unwrap();
    check(&answer);
    assert!(answer.status == 400 || answer.status == 401, "{answer:?}");
    assert_eq!(count(&db, &format!("sessions WHERE user_id = '{id}'")).await, 0);
}
