//! Users are changed while others change them, log in, or ask for changes themselves: one after another, and what was acknowledged
//! holds.

use std::sync::Arc;

use serde_json::json;

use crate::support::database::is_postgres;
use crate::support::people::{Hold, PASSWORD, has_read, user};
use crate::support::{Answer, ROOT_PASSWORD, Service};

/// The login compares the old password while the new one is stored, and comes to open its session when that is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_the_old_password_opens_no_session_once_it_is_changed() {
    let service = Arc::new(Service::start().await);
    let other = service.user("READ_ONLY").await.0;
    for _ in 0..3 {
        let hold = Hold::of(&service).await;
        let before = service.app.store.statements();
        let login = {
            let service = Arc::clone(&service);
            let body = json!({ "username": "root", "password": ROOT_PASSWORD });
            tokio::spawn(async move { service.post("/v2/api/login", None, &body).await })
        };
        has_read(&service, before).await;
        let hash = format!("(SELECT password_hash FROM users WHERE username = '{other}')");
        hold.run(&format!("UPDATE users SET password_hash = {hash} WHERE username = 'root'")).await;
        hold.run("DELETE FROM sessions").await;
        hold.release().await;
        let answer = login.await.unwrap();
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.text.contains("wrong"), "like any wrong password: {answer:?}");
        assert_eq!(service.database().number("SELECT COUNT(*) FROM sessions").await, 0);
        let app = &service.app;
        let again = app.passwords.hash(ROOT_PASSWORD.to_owned().into(), app.random.as_ref()).await.unwrap();
        let db = service.database().connect().await;
        let restore = format!("UPDATE users SET password_hash = '{again}' WHERE username = 'root'");
        sea_orm::ConnectionTrait::execute_unprepared(&db, &restore).await.unwrap();
    }
    service.root().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_of_the_old_password_outlives_its_change() {
    let service = Arc::new(Service::start().await);
    let root = service.root().await;
    let read_only = service.preset(&root, "READ_ONLY").await;
    service.make_user(&root, "ada", &read_only).await;
    let mut old = PASSWORD.to_owned();
    let mut opened = 0;
    for round in 0..4 {
        let logins: Vec<_> = (0..12)
            .map(|_| {
                let (service, body) = (Arc::clone(&service), json!({ "username": "ada", "password": old }));
                tokio::spawn(async move { service.post("/v2/api/login", None, &body).await })
            })
            .collect();
        old = format!("password number {round}");
        let change = json!({ "where": { "username": "ada" }, "data": { "password": old } });
        service.done(&root, "/update-user", change).await;
        for login in logins {
            let answer = login.await.unwrap();
            assert!([200, 400, 429].contains(&answer.status), "{answer:?}");
            if let Some(token) = answer.json()["data"]["token"].as_str() {
                opened += 1;
                assert_eq!(service.try_credential(token).await, 401);
            }
        }
        service.forget_attempts().await;
        service.login("ada", &old).await;
    }
    println!("{opened} logins came before the change of their password, and none of them outlived it");
}

/// The request was let in, and waits to begin its change, while its caller loses the right to it.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_demoted_or_deleted_since_the_request_began_changes_nothing() {
    let service = Arc::new(Service::start().await);
    let root = service.root().await;
    let read_only = service.preset(&root, "READ_ONLY").await;
    for (sql, status) in [
        (format!("UPDATE user_roles SET role_id = '{read_only}' WHERE user_id = $U"), 403),
        ("DELETE FROM users WHERE id = $U".to_owned(), 401),
    ] {
        let (name, token) = service.user("USER_ADMIN").await;
        let before = service.app.store.statements();
        let hold = Hold::of(&service).await;
        let request = {
            let (service, body) = (Arc::clone(&service), json!([user("accomplice", &read_only)]));
            tokio::spawn(async move { service.rest(&token, "/create-user", body).await })
        };
        has_read(&service, before).await;
        hold.run(&sql.replace("$U", &format!("(SELECT id FROM users WHERE username = '{name}')"))).await;
        hold.release().await;
        let answer = request.await.unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
        let accomplices = "SELECT COUNT(*) FROM users WHERE username = 'accomplice'";
        assert_eq!(service.database().number(accomplices).await, 0);
    }
}

/// Both have begun before either can delete.
#[tokio::test(flavor = "multi_thread")]
async fn two_roots_do_not_delete_each_other() {
    let service = Arc::new(Service::start().await);
    let (mut roots, root) = (Vec::new(), service.root().await);
    for name in ["ada", "bob"] {
        let role = service.preset(&root, "ROOT").await;
        roots.push((name, service.make_user(&root, name, &role).await.1));
    }
    service.done(&roots[0].1, "/delete-user", json!({ "where": { "username": "root" } })).await;
    let before = service.app.store.statements();
    let hold = Hold::of_users(&service).await;
    let attempts: Vec<_> = [(0, 1), (1, 0)]
        .into_iter()
        .map(|(at, other)| {
            let (service, token) = (Arc::clone(&service), roots[at].1.clone());
            let victim = json!({ "where": { "username": roots[other].0 } });
            tokio::spawn(async move { service.rest(&token, "/delete-user", victim).await })
        })
        .collect();
    has_read(&service, before + 1).await;
    let waiting =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while is_postgres() && service.database().number(waiting).await < 2 {}
    hold.release().await;
    let mut statuses = Vec::new();
    for attempt in attempts {
        statuses.push(attempt.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401], "the second is nobody any more");
    assert_eq!(service.database().number("SELECT COUNT(*) FROM users").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_roots_that_delete_each_other_one_is_left() {
    let service = Arc::new(Service::start().await);
    for (round, racers) in [2, 2, 2, 16].into_iter().enumerate() {
        let mut roots = Vec::new();
        for _ in 0..racers {
            roots.push(service.user("ROOT").await);
        }
        // The others are out of the way, so that these are all there are.
        let names: Vec<&String> = roots.iter().map(|(name, _)| name).collect();
        service.done(&roots[0].1, "/delete-user", json!({ "where": { "username_not_in": names } })).await;
        let attempts: Vec<_> = (0..racers)
            .map(|at| {
                let (service, token) = (Arc::clone(&service), roots[at].1.clone());
                // Everybody else, or the neighbour.
                let victim = if racers > 2 && at % 2 == 0 {
                    json!({ "username_not": roots[at].0 })
                } else {
                    json!({ "username": roots[(at + 1) % racers].0 })
                };
                tokio::spawn(async move { service.rest(&token, "/delete-user", json!({ "where": victim })).await })
            })
            .collect();
        let mut done = 0;
        for attempt in attempts {
            let answer: Answer = attempt.await.unwrap();
            assert!([200, 400, 401, 404].contains(&answer.status), "{answer:?}");
            done += usize::from(answer.status == 200);
        }
        let left = service.database().number("SELECT COUNT(*) FROM users").await;
        assert!(left >= 1 && done >= 1, "round {round}: {left} are left after {done} deletions");
        let holders = "SELECT COUNT(*) FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE r.preset = 'ROOT'";
        assert_eq!(service.database().number(holders).await, left);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_want_one_name_one_gets_it() {
    let service = Arc::new(Service::start().await);
    let root = service.root().await;
    let read_only = service.preset(&root, "READ_ONLY").await;
    let racers: Vec<_> = (0..16)
        .map(|_| {
            let (service, token, body) = (Arc::clone(&service), root.clone(), json!([user("ada", &read_only)]));
            tokio::spawn(async move { service.rest(&token, "/create-user", body).await })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        let answer = racer.await.unwrap();
        assert!(answer.status == 200 || answer.text.contains("taken"), "{answer:?}");
        won += usize::from(answer.status == 200);
    }
    assert_eq!((won, service.database().number("SELECT COUNT(*) FROM users").await), (1, 2));
}
