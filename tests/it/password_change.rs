//! One's own password, changed with the one before: what ends, what stays, who is refused, and that of many who change it at once one does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keytower::service::outbox;
use serde_json::{Value, json};

use crate::support::node::{borrowed, settings};
use crate::support::own_password::{CHANGED, LOGIN_CODE, PROOF_CODE, letter, with_post};
use crate::support::people::PASSWORD;
use crate::support::random::Random;
use crate::support::trail::{Trail, faults};
use crate::support::{Answer, Database, Node, Peer, ROOT_PASSWORD, Service};

const NEW: &str = "several words in a row";
const CHANGE: &str = "mutation($data: PasswordChangeInput!) { changePassword(data: $data) { sessions_ended } }";

fn changed(sessions: usize, keys: usize) -> Value {
    json!({ "data": { "changePassword": { "sessions_ended": sessions, "api_keys_deleted": keys } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn all_but_the_current_session_ends_and_keys_only_if_asked() {
    let (post, service) = with_post().await;
    let token = service.make_reachable("ada", "ada@example.com").await;
    let root = service.root().await;
    let others = [service.login("ada", PASSWORD).await, service.login("ada", PASSWORD).await];
    let (first, key) = service.mint(&token, "first").await;
    service.clock.advance(Duration::from_secs(1));
    let (second, other_key) = service.mint(&others[0], "second").await;
    let (_, root_key) = service.mint(&root, "root's").await;
    let link = service.reset_token(&post, "ada", "ada@example.com").await;
    let set = async || {
        let me = service.rest(&token, "/get-my-info", json!({})).await.json();
        me["password_updated_at"].as_str().unwrap().to_owned()
    };
    let before = set().await;
    service.clock.advance(Duration::from_secs(60));
    let mut trail = Trail::of(service.database());
    trail.fresh().await;
    assert_eq!(service.change_password(&token, PASSWORD, NEW).await.json(), changed(2, 0));
    let rows =
        trail.expect(&[["ada", "session ", "changePassword", "SUCCESSED", "User", "2 other sessions ended"]]).await;
    assert!(!format!("{rows:?}").contains(NEW) && !format!("{rows:?}").contains(PASSWORD));
    for ended in &others {
        assert_eq!(service.try_credential(ended).await, 401);
    }
    for stays in [&token, &key, &other_key, &root, &root_key] {
        assert_eq!(service.try_credential(stays).await, 200);
    }
    assert!(set().await > before);
    assert!(!service.is_password("ada", PASSWORD).await && service.is_password("ada", NEW).await);
    assert_eq!(service.reset_password(&link, "yet another one").await.code(), "BAD_USER_INPUT");
    outbox::deliver(&service.app).await.unwrap();
    let letter = letter(&post, "ada@example.com", CHANGED).await;
    assert!(letter.text.contains("127.0.0.1") && !letter.raw.contains(NEW), "{letter:?}");
    // Now with the keys, all of them hers.
    trail.fresh().await;
    assert_eq!(service.change_password_and_keys(&token, NEW, PASSWORD).await.json(), changed(1, 2));
    let rows = trail
        .expect(&[
            ["ada", "session ", "changePassword", "SUCCESSED", "User", "1 other sessions ended"],
            ["ada", "session ", "changePassword", "SUCCESSED", "ApiKey", "API key first deleted with the old password"],
            [
                "ada",
                "session ",
                "changePassword",
                "SUCCESSED",
                "ApiKey",
                "API key second deleted with the old password",
            ],
        ])
        .await;
    assert_eq!((&rows[1]["resource_id"], &rows[2]["resource_id"]), (&first, &second));
    for (credential, status) in [(&key, 401), (&other_key, 401), (&token, 200), (&root, 200), (&root_key, 200)] {
        assert_eq!(service.try_credential(credential).await, status);
    }
    assert_eq!(faults(&service, &[]).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_changes_nothing() {
    let service = Service::start().await;
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    let (_, ada) = service.make_user(&root, "ada-lovelace", &role).await;
    let (_, key) = service.mint(&ada, "a key").await;
    let other = service.login("ada-lovelace", PASSWORD).await;
    let people = service.people().await;
    let long = "x".repeat(1025);
    for (credential, old, new, code, words) in [
        (&ada, "wrong password", NEW, "LOGIN_FAILED", "the password is wrong"),
        (&ada, "", NEW, "LOGIN_FAILED", "the password is wrong"),
        (&ada, ROOT_PASSWORD, NEW, "LOGIN_FAILED", "the password is wrong"),
        (&ada, PASSWORD, "short", "BAD_USER_INPUT", "password must have 8 characters"),
        (&ada, PASSWORD, "", "BAD_USER_INPUT", "password must have 8 characters"),
        (&ada, PASSWORD, &long, "BAD_USER_INPUT", "at most 1024 bytes"),
        (&ada, PASSWORD, "password", "BAD_USER_INPUT", "most common"),
        (&ada, PASSWORD, "Ada-LOVELACE", "BAD_USER_INPUT", "must not be the username"),
        (&ada, PASSWORD, PASSWORD, "BAD_USER_INPUT", "password must not be the one before"),
        (&key, PASSWORD, NEW, "FORBIDDEN", "an API key can't do this"),
    ] {
        let answer = service.change_password(credential, old, new).await;
        assert!(answer.code() == code && answer.text.contains(words), "{words}: {answer:?}");
        service.forget_attempts().await;
    }
    let body = json!({ "query": CHANGE, "variables": { "data": { "old_password": PASSWORD, "new_password": NEW } } });
    assert_eq!(service.post("/api/", None, &body).await.code(), "UNAUTHENTICATED");
    for data in [json!({}), json!({ "old_password": PASSWORD }), json!({ "old_password": PASSWORD, "new_password": 1 })]
    {
        let answer = service.graphql(Some(&ada), CHANGE, json!({ "data": data })).await;
        assert!(answer.text.contains("errors"), "{answer:?}");
    }
    service.database().execute("UPDATE global_settings SET auth = REPLACE(auth, 'LOW', 'HIGH')").await;
    let answer = service.change_password(&ada, PASSWORD, "of small letters only").await;
    assert!(answer.code() == "BAD_USER_INPUT" && answer.text.contains("password must"), "{answer:?}");
    assert_eq!(service.people().await, people);
    for lives in [&ada, &other, &key] {
        assert_eq!(service.try_credential(lives).await, 200);
    }
    assert_eq!(service.change_password(&ada, PASSWORD, "Of all 4 kinds, and long").await.json(), changed(1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_the_old_password_have_to_wait() {
    let service = Service::start().await;
    let (_, token) = service.user("READ_ONLY").await;
    let root = service.root().await;
    for _ in 0..5 {
        assert_eq!(service.change_password(&token, "wrong password", NEW).await.code(), "LOGIN_FAILED");
    }
    assert_eq!(service.change_password(&token, "wrong password", NEW).await.code(), "TOO_MANY_REQUESTS");
    assert_eq!(service.change_password(&root, ROOT_PASSWORD, NEW).await.json(), changed(0, 0));
    service.clock.advance(Duration::from_secs(2));
    assert_eq!(service.change_password(&token, "wrong password", NEW).await.code(), "LOGIN_FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_an_expired_password_can_change_it_and_is_free_then() {
    let (post, service) = with_post().await;
    for (name, with_factor) in [("ada", false), ("bob", true)] {
        let address = format!("{name}@example.com");
        let token = service.make_reachable(name, &address).await;
        if with_factor {
            service.enroll_mail(&token, &post, &address).await;
        }
        let root = service.root().await;
        service.rest(&root, "/update-password-security", json!({ "password_expire_days": 1 })).await;
        service.database().execute("DELETE FROM sessions").await;
        service.database().execute("UPDATE users SET password_updated_at = '2020-01-01T00:00:00.000Z'").await;
        let login = service.log_in(name, PASSWORD).await;
        let login = match with_factor {
            true => {
                let code = letter(&post, &address, LOGIN_CODE).await.code();
                let done = service.verify(&login["mfa_meta"]["mid"], "Mail", &code).await;
                done.json()["data"]["verifyMfa"].clone()
            }
            false => login,
        };
        assert!(with_factor || login["must_change_password"] == true, "{login}");
        let token = login["token"].as_str().unwrap();
        let mint = json!({ "query": "mutation { createApiKey(data: { name: \"a\" }) { id } }" });
        assert_eq!(service.post("/api/", Some(token), &mint).await.code(), "PASSWORD_CHANGE_REQUIRED");
        assert_eq!(service.change_password(token, PASSWORD, NEW).await.json(), changed(0, 0));
        let minted = service.post("/api/", Some(token), &mint).await.json();
        assert!(minted["data"]["createApiKey"]["id"].is_string(), "{minted}");
        let me = service.rest(token, "/get-my-info", json!({})).await.json();
        assert_eq!(me["password_expired"], false, "{me}");
        service
            .database()
            .execute("UPDATE users SET password_updated_at = '2999-01-01T00:00:00.000Z' WHERE username = 'root'")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_a_fresh_second_factor_of_whoever_has_one() {
    let (post, service) = with_post().await;
    let address = "ada@example.com";
    let token = service.make_reachable("ada", address).await;
    service.enroll_mail(&token, &post, address).await;
    // A login that waits for its code.
    let waiting = service.log_in("ada", PASSWORD).await;
    let code = letter(&post, address, LOGIN_CODE).await.code();
    service.clock.advance(service.app.settings.step_up_time);
    assert_eq!(service.change_password(&token, PASSWORD, NEW).await.code(), "REAUTHENTICATION_REQUIRED");
    assert_eq!(service.change_password(&token, "wrong password", NEW).await.code(), "REAUTHENTICATION_REQUIRED");
    let prove = "mutation($c: String) { reauthenticate(data: { code: $c }) { need_mfa } }";
    service.graphql(Some(&token), prove, json!({})).await;
    let fresh = letter(&post, address, PROOF_CODE).await.code();
    let proven = service.graphql(Some(&token), prove, json!({ "c": fresh })).await;
    assert_eq!(proven.json()["data"]["reauthenticate"]["need_mfa"], false, "{proven:?}");
    let again = service.log_in("ada", PASSWORD).await;
    let code_again = letter(&post, address, LOGIN_CODE).await.code();
    assert_eq!(service.change_password(&token, PASSWORD, NEW).await.json(), changed(0, 0));
    for (login, code) in [(waiting, code), (again, code_again)] {
        let answer = service.verify(&login["mfa_meta"]["mid"], "Mail", &code).await;
        assert_eq!(answer.code(), "LOGIN_FAILED", "it was begun with the old password");
    }
    assert!(service.log_in("ada", NEW).await["need_mfa"] == true, "the factor stays");
}

/// Every racer knows the old password and has a new one of their own.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_at_once_one_is_done() {
    let service = Arc::new(Service::start().await);
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    service.make_user(&root, "ada", &role).await;
    let mut old = PASSWORD.to_owned();
    for round in 0..4 {
        service.forget_attempts().await;
        // Two of them have sessions of their own.
        let (shared, own) = (service.login("ada", &old).await, service.login("ada", &old).await);
        let tokens = [shared.clone(), shared.clone(), own, shared, service.login("ada", &old).await];
        let racers: Vec<_> = tokens
            .into_iter()
            .enumerate()
            .map(|(racer, token)| {
                let (service, old, new) = (Arc::clone(&service), old.clone(), format!("round {round} racer {racer}"));
                let own = (new.clone(), token.clone());
                (own, tokio::spawn(async move { service.change_password(&token, &old, &new).await }))
            })
            .collect();
        let mut winners = Vec::new();
        for (own, racer) in racers {
            let answer: Answer = racer.await.unwrap();
            if answer.json().get("errors").is_none() {
                winners.push(own);
            } else {
                let code = answer.code();
                assert!(["LOGIN_FAILED", "UNAUTHENTICATED"].contains(&code.as_str()), "{answer:?}");
            }
        }
        let [(new, token)] = <[_; 1]>::try_from(winners).unwrap();
        assert!(!service.is_password("ada", &old).await);
        assert!(service.is_password("ada", &new).await);
        assert_eq!(service.try_credential(&token).await, 200);
        old = new;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_logins_and_others_changes_there_is_always_one_password() {
    let service = Arc::new(Service::start().await);
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    service.make_user(&root, "ada", &role).await;
    let mut old = PASSWORD.to_owned();
    let mut own_won = 0;
    for round in 0..8 {
        service.forget_attempts().await;
        let token = service.login("ada", &old).await;
        let logins: Vec<_> = (0..4)
            .map(|_| {
                let (service, body) = (Arc::clone(&service), json!({ "username": "ada", "password": old }));
                tokio::spawn(async move { service.post("/v2/api/login", None, &body).await })
            })
            .collect();
        let (own, theirs) = (format!("her own number {round}"), format!("the admin's number {round}"));
        let change = {
            let (service, token, old, own) = (Arc::clone(&service), token.clone(), old.clone(), own.clone());
            tokio::spawn(async move { service.change_password(&token, &old, &own).await })
        };
        if round % 2 == 0 {
            let body = json!({ "where": { "username": "ada" }, "data": { "password": theirs } });
            service.done(&root, "/update-user", body).await;
        }
        let done = change.await.unwrap().json().get("errors").is_none();
        own_won += usize::from(done);
        for login in logins {
            let answer = login.await.unwrap();
            if let Some(token) = answer.json()["data"]["token"].as_str() {
                assert_eq!(service.try_credential(token).await, 401, "its password was changed");
            }
        }
        assert!(!service.is_password("ada", &old).await);
        let (by_her, by_admin) = (service.is_password("ada", &own).await, service.is_password("ada", &theirs).await);
        assert!(by_her != by_admin && (round % 2 == 0 || (done && by_her)), "{by_her} {by_admin} {done}");
        old = if by_her { own } else { theirs };
    }
    println!("{own_won} of 8 changes of one's own came through");
}

/// Whoever deletes the keys with the password gets rid of all of them: none is minted in a session that ends.
#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_minted_past_the_change_that_deletes_them() {
    let service = Arc::new(Service::start().await);
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    let (_, token) = service.make_user(&root, "ada", &role).await;
    let (mut old, mut minted) = (PASSWORD.to_owned(), 0);
    for round in 0..6 {
        let thief = service.login("ada", &old).await;
        // Until the session is gone.
        let mints: Vec<_> = (0..4)
            .map(|_| {
                let (service, thief) = (Arc::clone(&service), thief.clone());
                tokio::spawn(async move {
                    let (query, mut keys) = ("mutation { createApiKey(data: { name: \"a\" }) { key } }", Vec::new());
                    loop {
                        let answer = service.graphql(Some(&thief), query, json!({})).await;
                        match answer.json()["data"]["createApiKey"]["key"].as_str() {
                            Some(key) => keys.push(key.to_owned()),
                            None => return (keys, answer.code()),
                        }
                    }
                })
            })
            .collect();
        let new = format!("password number {round}");
        let answer = service.change_password_and_keys(&token, &old, &new).await;
        assert!(answer.json().get("errors").is_none(), "{answer:?}");
        for mint in mints {
            let (keys, code) = mint.await.unwrap();
            assert_eq!(code, "UNAUTHENTICATED");
            minted += keys.len();
            for key in keys {
                assert_eq!(service.try_credential(&key).await, 401);
            }
        }
        assert_eq!(service.database().number("SELECT COUNT(*) FROM api_keys").await, 0);
        old = new;
    }
    println!("{minted} keys were minted before the change, and none of them outlived it");
}

/// Of a change that was cut off, the old password is left or the new one, never both and never none.
#[tokio::test(flavor = "multi_thread")]
async fn kill_leaves_the_old_password_or_the_new_one() {
    const ROUNDS: usize = 8;
    let mut random = Random::seeded("password change");
    let database = Database::new().await;
    let mut old = ROOT_PASSWORD.to_owned();
    let (acknowledged, mut new_ones) = (Arc::new(AtomicUsize::new(0)), 0);
    let mut node = Node::start(&borrowed(&settings(&database)));
    for round in 0..ROUNDS {
        let peer = Peer::new(node.address);
        let token = peer.login("root", &old).await.unwrap().json()["data"]["token"].as_str().unwrap().to_owned();
        let (before, enough) = (acknowledged.load(Ordering::SeqCst), random.below(4));
        let changes = {
            let (peer, acknowledged, mut old) = (peer.clone(), Arc::clone(&acknowledged), old.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    let new = format!("round {round} number {number}");
                    let data = json!({ "data": { "old_password": old, "new_password": new } });
                    match peer.graphql(&token, CHANGE, data).await {
                        Some(answer) if answer.json().get("errors").is_none() => {
                            acknowledged.fetch_add(1, Ordering::SeqCst);
                            old = new;
                        }
                        Some(answer) => panic!("{answer:?}"),
                        None => return (old, new),
                    }
                }
                unreachable!()
            })
        };
        while acknowledged.load(Ordering::SeqCst) < before + enough {
            tokio::task::yield_now().await;
        }
        for _ in 0..random.below(60_000) {
            std::hint::spin_loop();
            tokio::task::yield_now().await;
        }
        node.kill();
        let (last, tried) = changes.await.unwrap();
        node = Node::start(&borrowed(&settings(&database)));
        let peer = Peer::new(node.address);
        let mut works = Vec::new();
        for password in [&last, &tried] {
            works.push(peer.login("root", password).await.unwrap().status == 200);
        }
        assert_ne!(works[0], works[1], "round {round}: {works:?}");
        new_ones += usize::from(works[1]);
        old = if works[1] { tried } else { last };
    }
    println!("{ROUNDS} kills, {} changes acknowledged, {new_ones} done and not", acknowledged.load(Ordering::SeqCst));
    assert!(acknowledged.load(Ordering::SeqCst) > 0);
}
