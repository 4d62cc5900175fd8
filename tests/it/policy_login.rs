//! The policies at the login: how often it may be wrong, what a password must hold, and how long it works.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keytower::service::policy;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::policy::two_nodes;
use crate::support::check::{clean, error_body};
use crate::support::node::{borrowed, run, settings};
use crate::support::people::{PASSWORD, user};
use crate::support::{ROOT_PASSWORD, Service};

const PASSWORDS: &str = "/update-password-security";
const LOGIN: &str = "mutation($data: LoginInput!) { login(data: $data) { token } }";
const TOO_MANY: &str = "too many wrong logins with this username: try again later";
const WRONG: &str = "the username or the password is wrong";

/// One login over REST or GraphQL: what it says (nothing when it succeeds), and when to try again.
async fn login(service: &Service, graphql: bool, username: &str, password: &str) -> (String, Option<u64>) {
    let data = json!({ "username": username, "password": password });
    if graphql {
        let answer = service.graphql(None, LOGIN, json!({ "data": data })).await;
        clean(&answer);
        let error = &answer.json()["errors"][0];
        let code = error["extensions"]["code"].as_str().unwrap_or_default();
        let again = error["extensions"]["retryAfter"].as_u64();
        assert_eq!(code == "TOO_MANY_REQUESTS", again.is_some(), "{answer:?}");
        return (error["message"].as_str().unwrap_or_default().to_owned(), again);
    }
    let answer = service.post("/v2/api/login", None, &data).await;
    clean(&answer);
    let again = answer.headers.get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    assert_eq!(answer.status, if again.is_some() { 429 } else { answer.status.min(400) }, "{answer:?}");
    (answer.json()["message"].as_str().unwrap_or_default().to_owned(), again)
}

async fn limit(service: &Service, token: &str, number: u32, milliseconds: u32) {
    let body = json!({ "login_miss_num_threshold": number, "login_miss_time_threshold": milliseconds });
    service.set_policy(token, PASSWORDS, body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_guesses_at_once_exactly_five_are_judged() {
    let nodes = Arc::new(two_nodes(&[]).await);
    let root = nodes[0].root().await;
    let (_, key) = nodes[0].mint(&root, "ci").await;
    limit(&nodes[0], &root, 5, 60_000).await;
    for username in ["root", "nobody", "", "nul\u{0}"] {
        let mut guesses = JoinSet::new();
        for turn in 0..20 {
            let (nodes, username) = (Arc::clone(&nodes), username.to_owned());
            guesses.spawn(async move {
                let node = &nodes[turn % 2];
                login(node, turn % 4 > 1, &username, &format!("guess number {turn}")).await.0
            });
        }
        let mut said: BTreeMap<String, usize> = BTreeMap::new();
        guesses.join_all().await.into_iter().for_each(|message| *said.entry(message).or_default() += 1);
        assert_eq!(said, BTreeMap::from([(TOO_MANY.to_owned(), 15), (WRONG.to_owned(), 5)]), "{username:?}");
        // Not even the right password is judged now, on any face or node.
        for turn in 0..4 {
            let (message, _) = login(&nodes[turn % 2], turn > 1, username, ROOT_PASSWORD).await;
            assert_eq!(message, TOO_MANY, "{username:?}");
        }
    }
    // Who guesses keeps nobody from working.
    for node in nodes.iter() {
        assert_eq!(node.try_credential(&root).await, 200);
        assert_eq!(node.try_credential(&key).await, 200);
        assert_eq!(login(node, true, "Root", ROOT_PASSWORD).await.0, WRONG);
    }
    // The name itself is kept nowhere, and a refused login fills no table.
    let count = "SELECT COUNT(DISTINCT attempt) FROM attempts";
    assert_eq!(nodes[0].database().number(count).await, 4 * 5 + 2);
    let clear = "SELECT COUNT(*) FROM attempts WHERE bucket LIKE '%root%' OR account LIKE '%nobody%'";
    assert_eq!(nodes[0].database().number(clear).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_slides_and_a_success_begins_anew() {
    let service = Service::start().await;
    let root = service.root().await;
    limit(&service, &root, 3, 60_000).await;
    let pass = |time: u64| service.clock.advance(Duration::from_millis(time));
    let expect = async |username: &str, password: &str, words: &str| {
        let mut times = Vec::new();
        for graphql in [false, true] {
            if words == TOO_MANY || !graphql {
                let (message, again) = login(&service, graphql, username, password).await;
                assert_eq!(message, words, "{username}");
                times.extend(again);
            }
        }
        times
    };
    // Whole seconds, and never too few.
    let after = |seconds: u64, told: Vec<u64>| {
        told.len() == 2 && told.iter().all(|told| *told > 0 && (seconds..=seconds + 1).contains(told))
    };
    // A name that nobody has looks the same all the way.
    for username in ["root", "nobody"] {
        expect(username, "wrong", WRONG).await;
        pass(20_000);
        expect(username, "wrong", WRONG).await;
        pass(20_000);
        expect(username, "wrong", WRONG).await;
        assert!(after(20, expect(username, "wrong", TOO_MANY).await), "{username}");
        pass(19_998);
        assert!(after(0, expect(username, ROOT_PASSWORD, TOO_MANY).await), "{username}");
        pass(2);
        expect(username, "wrong", WRONG).await;
        assert!(after(20, expect(username, "wrong", TOO_MANY).await), "{username}");
    }
    pass(20_000);
    expect("root", ROOT_PASSWORD, "").await;
    for _ in 0..3 {
        expect("root", "wrong", WRONG).await;
    }
    expect("root", ROOT_PASSWORD, TOO_MANY).await;
    // Whoever may log in all the time is not counted at all in the end.
    pass(60_000);
    for _ in 0..10 {
        expect("root", ROOT_PASSWORD, "").await;
    }
    // Fewer are borne from now on: those before count; and then more again.
    expect("root", "wrong", WRONG).await;
    expect("root", "wrong", WRONG).await;
    limit(&service, &root, 1, 60_000).await;
    assert!(after(60, expect("root", ROOT_PASSWORD, TOO_MANY).await));
    limit(&service, &root, 0, 0).await;
    for _ in 0..3 {
        expect("root", "wrong", WRONG).await;
    }
    // From the fifth on, the throttle that always holds begins with a second.
    assert!(after(1, expect("root", ROOT_PASSWORD, TOO_MANY).await));
    pass(1_000);
    expect("root", ROOT_PASSWORD, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_attempts_are_forgotten_and_a_new_password_begins_anew() {
    let service = Service::start().await;
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    service.make_user(&root, "ada", &role).await;
    limit(&service, &root, 2, 60_000).await;
    let attempts = async || service.database().number("SELECT COUNT(DISTINCT attempt) FROM attempts").await;
    for username in ["ada", "ada", "bob"] {
        assert_eq!(login(&service, false, username, "wrong").await.0, WRONG);
    }
    service.clock.advance(Duration::from_millis(59_998));
    policy::maintain(&service.app).await.unwrap();
    assert_eq!(attempts().await, 3);
    assert_eq!(login(&service, false, "ada", PASSWORD).await.0, TOO_MANY);
    let body = json!({ "where": { "username": "ada" }, "data": { "password": "another password" } });
    service.done(&root, "/update-user", body).await;
    assert_eq!(login(&service, true, "ada", "another password").await.0, "");
    assert_eq!(attempts().await, 1);
    // The throttle remembers them for a day.
    service.clock.advance(Duration::from_secs(86_400 - 60));
    policy::maintain(&service.app).await.unwrap();
    assert_eq!(attempts().await, 1);
    service.clock.advance(Duration::from_millis(2));
    policy::maintain(&service.app).await.unwrap();
    assert_eq!(attempts().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_new_password_holds_what_the_policy_asks_for() {
    let service = Service::start().await;
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    service.make_user(&root, "ada", &role).await;
    let db = settings(service.database());
    for (complexity, refused, words, taken) in [
        ("LOW", "short", "8 characters", "lower only"),
        ("MIDDLE", "lower only", "at least 3 of these 4", "lower 1 more"),
        ("HIGH", "lower 1 more", "12 characters or more and hold at least 4 of these 4", "lower UPPER 1"),
    ] {
        service.set_policy(&root, PASSWORDS, json!({ "password_complexity": complexity })).await;
        let people = service.people().await;
        let new = |password: &str| {
            let mut new = user(&format!("new-{complexity}"), &role);
            new["password"] = password.into();
            json!([new])
        };
        let change = |password: &str| json!({ "where": { "username": "ada" }, "data": { "password": password } });
        service.refused(&root, "/create-user", new(refused), 400, "[0].password must have").await;
        service.refused(&root, "/create-user", new(refused), 400, words).await;
        service.refused(&root, "/update-user", change(refused), 400, words).await;
        let create = "mutation($data: UserCreateInput!) { createUser(data: $data) { id } }";
        let data = json!({ "username": "new", "name": "new", "password": refused, "role": "READ_ONLY" });
        let answer = service.graphql(Some(&root), create, json!({ "data": data })).await;
        assert!(answer.code() == "BAD_USER_INPUT" && answer.text.contains(words), "{answer:?}");
        let first = service.post("/v2/api/create-root-user", None, &json!({ "password": refused })).await;
        assert!(error_body(&first, 400, "/create-root-user").contains(words), "{first:?}");
        assert_eq!(service.people().await, people);
        service.done(&root, "/create-user", new(taken)).await;
        service.done(&root, "/update-user", change(taken)).await;
        assert_eq!(login(&service, false, "ada", taken).await.0, "");
        // What is made up here satisfies every policy.
        let name = format!("made-{complexity}");
        let made = run(&borrowed(&db), &["user", "create", &name]);
        assert!(made.status.success(), "{made:?}");
        let password = made.stdout.split("\n\n").map(str::trim).nth(1).unwrap();
        assert_eq!(login(&service, true, &name, password).await.0, "");
    }
    // Passwords from before still work.
    service.root().await;
    service.set_policy(&root, PASSWORDS, json!({ "password_complexity": "LOW" })).await;
    service.done(&root, "/create-user", json!([user("last", &role)])).await;
}

/// Whether the list shows each user's password as expired.
async fn expired(service: &Service, token: &str, usernames: &[&str]) -> Vec<Value> {
    let mut shown = Vec::new();
    for username in usernames {
        let users = service.rest(token, "/get-users", json!({ "where": { "username": username } })).await.json();
        shown.push(users[0]["password_expired"].clone());
    }
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_password_logs_nobody_in_until_there_is_another() {
    let nodes = two_nodes(&[("token_life", "0")]).await;
    let [here, there] = &nodes;
    let pass = |days: u64| nodes.iter().for_each(|node| node.clock.advance(Duration::from_secs(days * 86_400)));
    let root = here.root().await;
    let role = here.preset(&root, "USER_ADMIN").await;
    let (_, ada) = here.make_user(&root, "ada", &role).await;
    let (_, key) = here.mint(&ada, "ci").await;
    pass(10);
    here.make_user(&root, "bob", &role).await;
    here.set_policy(&root, PASSWORDS, json!({ "password_expire_days": 30 })).await;
    pass(19);
    for node in [here, there] {
        for username in ["ada", "bob"] {
            assert_eq!(login(node, true, username, PASSWORD).await.0, "");
        }
    }
    assert_eq!(expired(here, &root, &["root", "ada", "bob"]).await, [json!(false), json!(false), json!(false)]);
    pass(1);
    for node in [here, there] {
        for graphql in [false, true] {
            // GraphQL opens a session that can change the password, and nothing else.
            let (said, _) = login(node, graphql, "ada", PASSWORD).await;
            assert!(graphql == said.is_empty(), "{said}");
            assert!(graphql || said.contains("has expired") && said.contains("set-password"), "{said}");
            // It is nobody's to know who does not have the password.
            assert_eq!(login(node, graphql, "ada", "wrong").await.0, WRONG);
        }
        assert_eq!(login(node, false, "bob", PASSWORD).await.0, "");
    }
    // Root's is as old.
    policy::maintain(&there.app).await.unwrap();
    assert_eq!(expired(there, &root, &["root", "ada", "bob"]).await, [json!(true), json!(true), json!(false)]);
    // What was opened before stays.
    for credential in [&root, &ada, &key] {
        assert_eq!(there.try_credential(credential).await, 200);
    }
    // The clock alone marks, too; and so does the policy, at once.
    pass(10);
    policy::maintain(&there.app).await.unwrap();
    assert_eq!(expired(here, &root, &["root", "ada", "bob"]).await, [json!(true), json!(true), json!(true)]);
    let set = async |days: u32| here.set_policy(&root, PASSWORDS, json!({ "password_expire_days": days })).await;
    set(31).await;
    assert_eq!(expired(there, &root, &["root", "ada", "bob"]).await, [json!(true), json!(true), json!(false)]);
    set(0).await;
    assert_eq!(expired(there, &root, &["root", "ada", "bob"]).await, [json!(false), json!(false), json!(false)]);
    assert_eq!(login(there, false, "ada", PASSWORD).await.0, "");
    set(1).await;
    // Somebody who manages users helps.
    let body = json!({ "where": { "username": "ada" }, "data": { "password": "another password" } });
    assert_eq!(here.done(&root, "/update-user", body).await[0]["password_expired"], false);
    assert_eq!(login(there, false, "ada", "another password").await.0, "");
    assert_eq!(there.try_credential(&ada).await, 401);
    assert_eq!(there.try_credential(&key).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_gives_a_password_to_whoever_is_locked_out() {
    let service = Service::start().await;
    let root = service.root().await;
    let (_, key) = service.mint(&root, "ci").await;
    let policy = json!({
        "password_expire_days": 1, "password_complexity": "HIGH", "login_miss_num_threshold": 1,
        "login_miss_time_threshold": i32::MAX,
    });
    service.set_policy(&root, PASSWORDS, policy).await;
    assert_eq!(login(&service, false, "root", "wrong").await.0, WRONG);
    assert_eq!(login(&service, false, "root", ROOT_PASSWORD).await.0, TOO_MANY);
    let db = settings(service.database());
    let set = |username: &str| run(&borrowed(&db), &["user", "set-password", username]);
    let done = set("root");
    assert!(done.status.success(), "{done:?}");
    let password = done.stdout.split("\n\n").map(str::trim).nth(1).unwrap();
    assert!(!done.stderr.contains(password), "{done:?}");
    assert_eq!(service.try_credential(&root).await, 401, "the tokens of the old password are over");
    assert_eq!(service.try_credential(&key).await, 200);
    assert_eq!(login(&service, false, "root", password).await.0, "");
    assert_eq!(login(&service, false, "root", ROOT_PASSWORD).await.0, WRONG);
    let again = set("root");
    assert_ne!(again.stdout, done.stdout);
    for nobody in ["nobody", "ROOT", ""] {
        let refused = set(nobody);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(
            refused.stderr.contains(&format!("there is no user {nobody:?}")) && refused.stdout.is_empty(),
            "{refused:?}"
        );
    }
    let told = "SELECT COUNT(*) FROM system_audit_logs WHERE message LIKE 'user root changed: password%'";
    assert_eq!(service.database().number(told).await, 2);
}

/// Logins of many people at once, each with its own limit, on both nodes: nobody stands in another's way.
#[tokio::test(flavor = "multi_thread")]
async fn logins_of_many_people_at_once_do_not_stand_in_each_others_way() {
    let nodes = Arc::new(two_nodes(&[]).await);
    let root = nodes[0].root().await;
    let role = nodes[0].preset(&root, "READ_ONLY").await;
    let people: Vec<String> = (0..8).map(|number| format!("user-{number}")).collect();
    nodes[0].done(&root, "/create-user", people.iter().map(|name| user(name, &role)).collect()).await;
    limit(&nodes[0], &root, 2, 60_000).await;
    let mut logins = JoinSet::new();
    for (turn, name) in people.iter().flat_map(|name| [name.clone(), name.clone()]).enumerate() {
        let nodes = Arc::clone(&nodes);
        logins.spawn(async move { login(&nodes[turn % 2], turn % 4 > 1, &name, PASSWORD).await.0 });
    }
    // Beside them the clock's work, which touches the same rows.
    for node in nodes.iter() {
        policy::maintain(&node.app).await.unwrap();
    }
    assert_eq!(logins.join_all().await, vec![String::new(); 16]);
    assert_eq!(nodes[0].database().number("SELECT COUNT(DISTINCT attempt) FROM attempts").await, 0);
}
