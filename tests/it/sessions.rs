//! One's own sessions: shown, ended, and ended by themselves when nobody uses them.

use std::sync::Arc;
use std::time::Duration;

use keytower::service::policy;
use keytower::service::sessions;
use reqwest::header::{AUTHORIZATION, USER_AGENT};
use serde_json::{Value, json};

use crate::support::node::{borrowed, settings};
use crate::support::people::PASSWORD;
use crate::support::trail::Trail;
use crate::support::{Answer, Database, Node, Peer, Service, pass};

const SESSIONS: &str = "{ sessions { id created_at last_seen_at expires_at address agent device amr mfa_at current } }";
const END: &str = "mutation($id: ID!) { endSession(where: { id: $id }) { id current } }";
const END_OTHERS: &str = "mutation { endSessions }";
const END_ALL: &str = "mutation { endSessions(current: true) }";
const MINUTE: Duration = Duration::from_secs(60);

/// Logs in as a program that calls itself something.
async fn login_as(service: &Service, username: &str, agent: &str) -> String {
    let body = json!({ "username": username, "password": PASSWORD });
    let login = service.http.post(service.url("/v2/api/login")).header(USER_AGENT, agent).json(&body);
    let answer = Answer::read(login.send().await.unwrap()).await;
    answer.json()["data"]["token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

/// The sessions that a token's user is shown.
async fn shown(service: &Service, token: &str) -> Vec<Value> {
    let answer = service.graphql(Some(token), SESSIONS, json!({})).await;
    answer.json()["data"]["sessions"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone()
}

/// The id of a token's own session.
async fn id_of(service: &Service, token: &str) -> String {
    let own = shown(service, token).await;
    own.iter().find(|session| session["current"] == true).unwrap()["id"].as_str().unwrap().to_owned()
}

async fn start(settings: &[(&str, &str)]) -> Service {
    Service::start_with(Arc::new(Database::new().await), settings).await
}

/// A service on the same database.
async fn beside(service: &Service, settings: &[(&str, &str)]) -> Service {
    Service::start_with(Arc::clone(service.database()), settings).await
}

async fn rows(service: &Service) -> i64 {
    service.database().number("SELECT COUNT(*) FROM sessions").await
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_their_own_sessions() {
    let service = start(&[("token_life", "1h")]).await;
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    let (_, first) = service.make_user(&root, "jane", &role).await;
    let agents = [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            json!("Mozilla/5.0 Gecko/20100101 Firefox/128.0"),
        ),
        ("curl/8.5.0", json!("curl/8.5.0")),
        ("OpenAPI-Generator/1.0.0/python", json!("OpenAPI-Generator/1.0.0/python")),
        ("((((", Value::Null),
        ("a) (b (c) d) <i>e</i>)", json!("a) <i>e</i>)")),
    ];
    let mut last = first.clone();
    for (agent, _) in &agents {
        service.clock.advance(MINUTE);
        last = login_as(&service, "jane", agent).await;
    }
    let own = shown(&service, &last).await;
    assert_eq!(own.len(), 6, "{own:#?}");
    assert!(own.iter().rev().map(|session| session["created_at"].as_str()).is_sorted(), "newest first: {own:#?}");
    for (session, (agent, device)) in own.iter().zip(agents.iter().rev()) {
        assert_eq!((&session["agent"], &session["device"]), (&json!(agent), device));
    }
    assert_eq!((&own[5]["agent"], &own[5]["device"]), (&Value::Null, &Value::Null));
    let current: Vec<bool> = own.iter().map(|session| session["current"].as_bool().unwrap()).collect();
    assert_eq!(current, [true, false, false, false, false, false]);
    for session in &own {
        assert_eq!(
            (&session["address"], &session["amr"], &session["mfa_at"]),
            (&json!("127.0.0.1"), &json!(["pwd"]), &Value::Null)
        );
        let moment = |name: &str| chrono::DateTime::parse_from_rfc3339(session[name].as_str().unwrap()).unwrap();
        assert_eq!((moment("expires_at") - moment("created_at")).num_minutes(), 60);
    }
    // Uses show at once where they happen.
    service.clock.advance(MINUTE);
    assert_eq!(service.try_credential(&first).await, 200);
    let own = shown(&service, &last).await;
    assert_ne!((&own[5]["last_seen_at"], &own[0]["last_seen_at"]), (&own[5]["created_at"], &own[0]["created_at"]));
    assert_eq!(own[4]["last_seen_at"], own[4]["created_at"]);
    // What the policies have ended is no session any more; nor is what the clock has.
    policy::update_session_timeout(&service.app, &pass(&keytower::domain::caller::Caller::operator()), 4 * 60_000)
        .await
        .unwrap();
    assert_eq!(shown(&service, &last).await.len(), 3);
    policy::unlock(&service.app, &pass(&keytower::domain::caller::Caller::operator())).await.unwrap();
    assert_eq!(shown(&service, &last).await.len(), 3);
    service.clock.advance(MINUTE * 58);
    assert_eq!(shown(&service, &last).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_is_dead_on_every_node_and_nobody_elses_ends() {
    let here = Service::start().await;
    let there = beside(&here, &[]).await;
    let root = here.root().await;
    let role = here.preset(&root, "READ_ONLY").await;
    let (_, first) = here.make_user(&root, "jane", &role).await;
    let (_, other) = here.make_user(&root, "joe", &role).await;
    let (_, key) = here.mint(&first, "ci").await;
    let [second, third, fourth] =
        [here.login("jane", PASSWORD).await, there.login("jane", PASSWORD).await, here.login("jane", PASSWORD).await];
    let others = id_of(&here, &other).await;
    let mut trail = Trail::of(here.database());
    trail.fresh().await;
    // Another's, one that never was, and no id at all look alike.
    let mut refusals = Vec::new();
    for id in [others.as_str(), "0190c2f4-0000-7000-8000-000000000000", "", "'; --"] {
        let answer = here.graphql(Some(&first), END, json!({ "id": id })).await;
        assert_eq!((answer.status, answer.code().as_str()), (200, "NOT_FOUND"), "{id}: {answer:?}");
        assert_eq!(answer.json()["data"], json!({ "endSession": null }));
        refusals.push(answer.text);
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!(here.try_credential(&other).await, 200);
    // A key ends nothing and sees nothing.
    let second_id = id_of(&here, &second).await;
    for query in [SESSIONS, END_OTHERS, END_ALL] {
        assert_eq!(here.graphql(Some(&key), query, json!({})).await.code(), "FORBIDDEN", "{query}");
    }
    assert_eq!(here.graphql(Some(&key), END, json!({ "id": second_id })).await.code(), "FORBIDDEN");
    assert_eq!(here.graphql(None, SESSIONS, json!({})).await.code(), "UNAUTHENTICATED");
    trail.fresh().await;
    // One.
    assert_eq!(there.try_credential(&second).await, 200);
    let answer = here.graphql(Some(&first), END, json!({ "id": second_id })).await;
    assert_eq!(answer.json()["data"]["endSession"], json!({ "id": second_id, "current": false }), "{answer:?}");
    for node in [&there, &here] {
        assert_eq!(node.try_credential(&second).await, 401);
    }
    // What a node remembers of its uses revives nothing.
    sessions::write_seen(&there.app).await.unwrap();
    assert_eq!(there.try_credential(&second).await, 401);
    assert_eq!(here.graphql(Some(&first), END, json!({ "id": second_id })).await.code(), "NOT_FOUND");
    // All others: the current one stays.
    let answer = there.graphql(Some(&third), END_OTHERS, json!({})).await;
    assert_eq!(answer.json()["data"]["endSessions"], 2, "{answer:?}");
    for (token, status) in [(&first, 401), (&third, 200), (&fourth, 401), (&other, 200), (&key, 200)] {
        assert_eq!((here.try_credential(token).await, there.try_credential(token).await), (status, status));
    }
    assert_eq!(here.graphql(Some(&third), END_OTHERS, json!({})).await.json()["data"]["endSessions"], 0);
    // The current one by its id, and all of them.
    let fifth = here.login("jane", PASSWORD).await;
    let own = id_of(&here, &third).await;
    let answer = here.graphql(Some(&third), END, json!({ "id": own })).await;
    assert_eq!(answer.json()["data"]["endSession"], json!({ "id": own, "current": true }));
    assert_eq!(there.try_credential(&third).await, 401);
    let answer = here.graphql(Some(&fifth), END_ALL, json!({})).await;
    assert_eq!(answer.json()["data"]["endSessions"], 1, "{answer:?}");
    assert_eq!((there.try_credential(&fifth).await, there.try_credential(&other).await), (401, 200));
    let told = |status, kind, words| ["jane", "session ", "endSession", status, kind, words];
    trail
        .expect(&[
            told("SUCCESSED", "Session", "ended"),
            told("FAILED", "", "you have no such session"),
            told("SUCCESSED", "Session", "other sessions ended: 2"),
            told("SUCCESSED", "Session", "other sessions ended: 0"),
            ["jane", "password", "login", "SUCCESSED", "Session", "logged in"],
            told("SUCCESSED", "Session", "ended"),
            told("SUCCESSED", "Session", "sessions ended: 1, the current one among them"),
        ])
        .await;
}

/// However many end all others at the same time, those that are told so are dead, and every session is counted once.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_end_each_others_sessions_at_once_are_counted_once() {
    let service = Service::start().await;
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    let (_, first) = service.make_user(&root, "jane", &role).await;
    let mut tokens = vec![first];
    for _ in 1..8 {
        tokens.push(service.login("jane", PASSWORD).await);
    }
    let service = Arc::new(service);
    let ending: Vec<_> = tokens
        .iter()
        .map(|token| {
            let (service, token) = (Arc::clone(&service), token.clone());
            tokio::spawn(async move { service.graphql(Some(&token), END_OTHERS, json!({})).await })
        })
        .collect();
    let mut ended = 0;
    for answer in ending {
        let answer = answer.await.unwrap();
        let more = answer.json()["data"]["endSessions"].as_i64();
        // A session that was ended is told so, at the door or inside its change.
        assert!(more.is_some() || answer.code() == "UNAUTHENTICATED", "{answer:?}");
        ended += more.unwrap_or_default();
    }
    let left = service
        .database()
        .number("SELECT COUNT(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.username = 'jane'");
    assert_eq!(ended + left.await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_nobody_uses_ends_and_use_renews_it() {
    let service = start(&[("session_idle", "10m"), ("token_life", "1h")]).await;
    let (used, unused) = (service.root().await, service.root().await);
    let refused = "was not used for too long";
    for _ in 0..3 {
        service.clock.advance(MINUTE * 9);
        assert_eq!(service.try_credential(&used).await, 200);
    }
    assert_eq!(service.try_credential(&unused).await, 401);
    assert_eq!(shown(&service, &used).await.len(), 1);
    // A refused use is none: neither here nor in what is written down.
    sessions::write_seen(&service.app).await.unwrap();
    assert_eq!((service.try_credential(&unused).await, shown(&service, &used).await.len()), (401, 1));
    keytower::service::audit::write_refusals(&service.app).await.unwrap();
    let told = format!("{:?}", Trail::of(service.database()).fresh().await);
    assert!(told.contains(refused), "{told}");
    // It can't be ended any more, and maintenance forgets it.
    let end_all = service.graphql(Some(&used), END_OTHERS, json!({})).await;
    assert_eq!(end_all.json()["data"]["endSessions"], 0);
    let third = service.root().await;
    service.clock.advance(MINUTE * 9);
    assert_eq!(service.try_credential(&used).await, 200);
    service.clock.advance(MINUTE + Duration::from_secs(1));
    assert_eq!((rows(&service).await, service.try_credential(&third).await), (2, 401));
    policy::maintain(&service.app).await.unwrap();
    assert_eq!(rows(&service).await, 2, "another node may know of a use");
    service.clock.advance(MINUTE);
    sessions::write_seen(&service.app).await.unwrap();
    policy::maintain(&service.app).await.unwrap();
    assert_eq!((rows(&service).await, service.try_credential(&used).await), (1, 200));
    // Exactly at its end, and however much it was used.
    service.clock.advance(MINUTE * 10 - Duration::from_millis(1));
    assert_eq!(service.try_credential(&used).await, 200);
    service.clock.advance(MINUTE * 9);
    assert_eq!(service.try_credential(&used).await, 200);
    service.clock.advance(MINUTE * 3);
    assert_eq!(service.try_credential(&used).await, 401, "an hour is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_limit_nothing_ends_by_itself() {
    let service = start(&[("session_idle", "0"), ("token_life", "0"), ("signing_key_life", "0")]).await;
    let token = service.root().await;
    for _ in 0..3 {
        service.clock.advance(Duration::from_secs(300 * 86_400));
        policy::maintain(&service.app).await.unwrap();
        assert_eq!(service.try_credential(&token).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_is_one_statement_and_no_write() {
    let service = start(&[("session_idle", "10m")]).await;
    let token = service.root().await;
    let written = "SELECT COUNT(*) FROM sessions WHERE last_seen_at > created_at";
    service.clock.advance(MINUTE);
    for _ in 0..3 {
        let before = service.app.store.statements();
        service.app.authenticate(&token, None).await.unwrap();
        assert_eq!(service.app.store.statements(), before + 1);
    }
    assert_eq!(service.database().number(written).await, 0);
    sessions::write_seen(&service.app).await.unwrap();
    assert_eq!(service.database().number(written).await, 1);
    // Written down once; without a use there is nothing to write.
    let before = service.app.store.statements();
    sessions::write_seen(&service.app).await.unwrap();
    assert_eq!(service.app.store.statements(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_learn_of_each_others_uses() {
    let settings = [("session_idle", "10m"), ("token_life", "2h")];
    let here = start(&settings).await;
    let there = beside(&here, &settings).await;
    let token = here.root().await;
    let both = |time| {
        here.clock.advance(time);
        there.clock.advance(time);
    };
    for _ in 0..3 {
        both(MINUTE * 6);
        assert_eq!(here.try_credential(&token).await, 200);
        sessions::write_seen(&here.app).await.unwrap();
        both(MINUTE * 6);
        assert_eq!(there.try_credential(&token).await, 200, "it was used elsewhere 6 minutes ago");
        sessions::write_seen(&there.app).await.unwrap();
    }
    // An older use that is written down later takes nothing back.
    both(MINUTE);
    assert_eq!(here.try_credential(&token).await, 200);
    both(MINUTE * 5);
    assert_eq!(there.try_credential(&token).await, 200);
    sessions::write_seen(&there.app).await.unwrap();
    sessions::write_seen(&here.app).await.unwrap();
    both(MINUTE * 7);
    assert_eq!(here.try_credential(&token).await, 200);
    // A use that is written down nowhere keeps the other node's maintenance from nothing but the end of its time.
    sessions::write_seen(&here.app).await.unwrap();
    both(MINUTE * 9);
    assert_eq!(here.try_credential(&token).await, 200);
    both(MINUTE + Duration::from_secs(1));
    policy::maintain(&there.app).await.unwrap();
    sessions::write_seen(&here.app).await.unwrap();
    assert_eq!((here.try_credential(&token).await, there.try_credential(&token).await), (200, 200));
    // What a node dies with is lost, and nothing else.
    sessions::write_seen(&here.app).await.unwrap();
    both(MINUTE * 8);
    assert_eq!(here.try_credential(&token).await, 200);
    let late = beside(&here, &settings).await;
    drop(here);
    late.clock.advance(MINUTE * 62 + MINUTE * 8);
    assert_eq!(late.try_credential(&token).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passive_node_writes_nothing_down() {
    let service = start(&[("session_idle", "10m")]).await;
    let token = service.root().await;
    service.clock.advance(MINUTE);
    assert_eq!(service.try_credential(&token).await, 200);
    service.app.node.set(true).unwrap();
    let before = service.app.store.statements();
    sessions::write_seen(&service.app).await.unwrap();
    assert_eq!(service.app.store.statements(), before);
    // It is kept for when the node is active again.
    service.app.node.set(false).unwrap();
    sessions::write_seen(&service.app).await.unwrap();
    assert_eq!(service.database().number("SELECT COUNT(*) FROM sessions WHERE last_seen_at > created_at").await, 1);
}

/// The real program: SIGTERM writes down what it knows, SIGKILL loses no session and revives none.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_outlive_the_program_as_they_are() {
    let database = Database::new().await;
    let mut settings = settings(&database);
    settings.push(("session_idle", "10m".to_owned()));
    let mut node = Node::start(&borrowed(&settings));
    let peer = Peer::new(node.address);
    let (kept, ended) = (peer.root().await, peer.root().await);
    let use_of = async |peer: &Peer, token: &str| {
        peer.post("/v2/api/get-my-info", Some(token), &json!({})).await.unwrap().status
    };
    assert_eq!((use_of(&peer, &kept).await, use_of(&peer, &ended).await), (200, 200));
    let end = json!({ "query": END_OTHERS });
    let answer = peer.post("/api", Some(&kept), &end).await.unwrap();
    assert_eq!(answer.json()["data"]["endSessions"], 1, "{answer:?}");
    node.kill();
    let mut node = Node::start(&borrowed(&settings));
    let peer = Peer::new(node.address);
    assert_eq!((use_of(&peer, &kept).await, use_of(&peer, &ended).await), (200, 401));
    node.terminate();
    assert!(node.wait().success());
    let written = "SELECT COUNT(*) FROM sessions WHERE last_seen_at > created_at";
    assert_eq!((database.number(written).await, database.number("SELECT COUNT(*) FROM sessions").await), (1, 1));
}

/// Many sessions are many values: an answer holds no more of them than of anything else.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_sessions_counts_against_the_answer() {
    let service = start(&[("graphql_answer_values", "1000")]).await;
    let token = service.root().await;
    for _ in 0..10 {
        service.root().await;
    }
    let aliases: String = (0..30).map(|at| format!("a{at}: sessions {{ id agent device address }} ")).collect();
    let answer = service.graphql(Some(&token), &format!("{{ {aliases} }}"), json!({})).await;
    assert!(answer.text.contains("1000") && answer.code() == "BAD_USER_INPUT", "{answer:?}");
    let ask = service.http.post(service.url("/api")).header(AUTHORIZATION, &token);
    let answer = ask.json(&json!({ "query": "{ a: sessions { id } b: sessions { id } }" })).send().await.unwrap();
    assert_eq!(Answer::read(answer).await.json()["data"]["b"].as_array().unwrap().len(), 11);
}
