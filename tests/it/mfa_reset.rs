//! Where keys come from: each remembers how its owner was authenticated, and the reset of lost factors suspends those minted under them.

use keytower::domain::clock::{Clock, iso};
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use std::sync::Arc;

use crate::policy::two_nodes;
use crate::support::otp::{STEP_TIME, align, pass, refusal, token};
use crate::support::people::PASSWORD;
use crate::support::visitor::BEHIND_PROXY;
use crate::support::{Answer, Device, ROOT_PASSWORD, Service, Visitor};

const RESET: &str = "mutation($where: MfaResetWhereInput!) { resetMfa(where: $where) { id username } }";
const CONFIRM: &str = "mutation($id: ID!) { confirmApiKey(where: { id: $id }) { id name suspended_at } }";
const KEYS: &str = "{ apiKeys(orderBy: name_ASC) { id name amr auth_time auth_address suspended_at } }";

async fn reset(service: &Service, token: &str, conditions: Value) -> Answer {
    service.graphql(Some(token), RESET, json!({ "where": { "user": conditions } })).await
}

async fn confirm(service: &Service, token: &str, id: &str) -> Answer {
    service.graphql(Some(token), CONFIRM, json!({ "id": id })).await
}

async fn keys(service: &Service, token: &str) -> Vec<Value> {
    let answer = service.graphql(Some(token), KEYS, json!({})).await;
    answer.json()["data"]["apiKeys"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone()
}

/// What a credential is answered on each face of each node: always the same status.
async fn status(nodes: &[Service], credential: &str) -> u16 {
    let mut all = Vec::new();
    for node in nodes {
        all.push(node.try_credential(credential).await);
        let graphql = node.graphql(Some(credential), "{ organizationsConnection { aggregate { count } } }", json!({}));
        all.push(graphql.await.status);
        let count = node.rest(credential, "/get-users-connection", json!({})).await.status;
        all.push(if count == 403 { 200 } else { count });
    }
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    all[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_tells_how_its_owner_was_authenticated() {
    let nodes = two_nodes(&[BEHIND_PROXY]).await;
    align(&nodes);
    let service = &nodes[0];
    let root = service.root().await;
    let ada = service.make_person(&root, "ada", "READ_ONLY").await;
    let logged_in = iso(service.clock.now());
    pass(&nodes, STEP_TIME);
    service.mint(&ada, "1 password").await;
    let device = service.enroll(&ada, PASSWORD).await;
    let enrolled = iso(service.clock.now());
    pass(&nodes, STEP_TIME);
    service.mint(&ada, "2 enrolled").await;
    let visitor = Visitor::at(service, "203.0.113.9");
    let login = visitor.login("ada", PASSWORD, json!({ "mfa_code": device.code(service, 0) })).await;
    let (full, complete) = (token(&login), iso(service.clock.now()));
    pass(&nodes, STEP_TIME);
    let mint = json!({ "query": "mutation { createApiKey(data: { name: \"3 full\" }) { id } }" });
    let request = service.http.post(service.url("/api")).header(AUTHORIZATION, &full).json(&mint);
    let minted = request.header("x-forwarded-for", "203.0.113.77").send().await.unwrap();
    assert!(Answer::read(minted).await.json()["errors"].is_null());
    // The step-up is what counts afterwards.
    pass(&nodes, std::time::Duration::from_secs(3600));
    let renewed = service.reauthenticate(&full, json!({ "code": device.code(service, 0) })).await;
    assert_eq!(renewed.json()["data"]["reauthenticate"]["need_mfa"], false, "{renewed:?}");
    let stepped_up = iso(service.clock.now());
    pass(&nodes, STEP_TIME);
    service.mint(&full, "4 stepped up").await;
    let shown: Vec<Value> = keys(service, &full)
        .await
        .into_iter()
        .map(|key| json!([key["name"], key["amr"], key["auth_time"], key["auth_address"], key["suspended_at"]]))
        .collect();
    let both = json!(["pwd", "otp", "mfa"]);
    let expected = [
        json!(["1 password", ["pwd"], logged_in, "127.0.0.1", null]),
        json!(["2 enrolled", both, enrolled, "127.0.0.1", null]),
        json!(["3 full", both, complete, "203.0.113.77", null]),
        json!(["4 stepped up", both, stepped_up, "127.0.0.1", null]),
    ];
    assert_eq!(shown, expected);
    // Nobody writes it: it is no input.
    for member in ["amr: [\"mfa\"]", "auth_time: \"2026-01-01T00:00:00Z\"", "suspended_at: null"] {
        let mint = format!("mutation {{ createApiKey(data: {{ name: \"x\", {member} }}) {{ id }} }}");
        let answer = service.graphql(Some(&full), &mint, json!({})).await;
        assert!(answer.json()["data"].is_null(), "{member}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_suspends_what_was_minted_under_the_factors() {
    let nodes = two_nodes(&[]).await;
    align(&nodes);
    let [here, there] = &nodes;
    let root = here.root().await;
    let ada = here.make_person(&root, "ada", "READ_ONLY").await;
    let (_, plain) = here.mint(&ada, "plain").await;
    let device = here.enroll(&ada, PASSWORD).await;
    let (id, key) = here.mint(&ada, "careful").await;
    let (other_id, other) = here.mint(&ada, "forgotten").await;
    let bob = here.make_person(&root, "bob", "READ_ONLY").await;
    here.enroll(&bob, PASSWORD).await;
    let (_, bobs) = here.mint(&bob, "bob's").await;
    for credential in [&plain, &key, &other, &bobs, &ada] {
        assert_eq!(status(&nodes, credential).await, 200);
    }
    let in_flight = there.challenge("ada", None).await["mid"].clone();
    let done = reset(here, &root, json!({ "username": "ada" })).await;
    assert_eq!(done.json()["data"]["resetMfa"][0]["username"], "ada", "{done:?}");
    for (credential, expected) in [(&plain, 200), (&bobs, 200), (&bob, 200), (&key, 401), (&other, 401), (&ada, 401)] {
        assert_eq!(status(&nodes, credential).await, expected);
    }
    // A login that waited is over; the next one needs a password alone.
    pass(&nodes, STEP_TIME);
    for (kind, code) in [("Totp", device.code(there, 0)), ("TotpRecoveryCode", device.recovery[0].clone())] {
        assert_eq!(refusal(&there.verify(&in_flight, kind, &code).await), "LOGIN_FAILED");
    }
    let again = there.login("ada", PASSWORD).await;
    let suspended: Vec<Value> = keys(there, &again)
        .await
        .into_iter()
        .map(|key| json!([key["name"], key["suspended_at"].is_string()]))
        .collect();
    assert_eq!(suspended, [json!(["careful", true]), json!(["forgotten", true]), json!(["plain", false])]);
    // Without a factor the owner can't vouch for them; nor can anybody else, nor the keys.
    assert_eq!(refusal(&confirm(here, &again, &id).await), "REAUTHENTICATION_REQUIRED");
    assert_eq!(refusal(&confirm(here, &bob, &id).await), "NOT_FOUND");
    assert_eq!(refusal(&confirm(here, &plain, &id).await), "FORBIDDEN");
    assert_eq!(confirm(here, &key, &id).await.status, 401);
    assert_eq!(status(&nodes, &key).await, 401);
    let device: Device = here.enroll(&again, PASSWORD).await;
    assert_eq!(status(&nodes, &key).await, 401);
    // A session whose factor is not fresh can't, one that has logged in anew can.
    pass(&nodes, std::time::Duration::from_secs(3600));
    assert_eq!(refusal(&confirm(here, &again, &id).await), "REAUTHENTICATION_REQUIRED");
    let anew = here.full_login("ada", &device).await;
    pass(&nodes[1..], STEP_TIME);
    let confirmed = confirm(there, &anew, &id).await;
    assert_eq!(
        confirmed.json()["data"]["confirmApiKey"],
        json!({ "id": id, "name": "careful", "suspended_at": null }),
        "{confirmed:?}"
    );
    assert_eq!(status(&nodes, &key).await, 200);
    assert_eq!(status(&nodes, &other).await, 401);
    // What is suspended can be deleted.
    let delete = "mutation($id: ID!) { deleteApiKey(where: { id: $id }) { id } }";
    let deleted = here.graphql(Some(&anew), delete, json!({ "id": other_id })).await;
    assert_eq!(deleted.json()["data"]["deleteApiKey"]["id"], other_id.as_str(), "{deleted:?}");
    assert_eq!(refusal(&confirm(here, &anew, &other_id).await), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_nobody_may_reset() {
    let service = Service::start().await;
    let root = service.root().await;
    let (_, ada_device) = service.make_holder("ada").await;
    let role = service.make_role(&root, "helpers", &["MANAGE_MFA_CONFIG", "MANAGE_USER_AND_ROLE"]).await;
    let (_, helper) = service.make_user(&root, "helper", &role).await;
    let second = service.make_person(&root, "second", "ROOT").await;
    let second_device = service.enroll(&second, PASSWORD).await;
    let admin = service.make_person(&root, "admin", "USER_ADMIN").await;
    service.enroll(&root, ROOT_PASSWORD).await;
    let rows = async || service.rows_of(&["factors", "recovery_codes", "challenges", "api_keys"]).await;
    let reader = service.make_person(&root, "reader", "READ_ONLY").await;
    let (_, key) = service.mint(&helper, "helper").await;
    let before = rows().await;
    for (who, whom, expected) in [
        (&helper, json!({ "username": "second" }), "FORBIDDEN"),
        (&helper, json!({ "username": "root" }), "FORBIDDEN"),
        (&helper, json!({ "username_in": ["ada", "second"] }), "FORBIDDEN"),
        (&helper, json!({}), "FORBIDDEN"),
        (&helper, json!({ "username": "nobody" }), "NOT_FOUND"),
        (&helper, json!({ "username": "helper" }), "BAD_USER_INPUT"),
        (&admin, json!({ "username": "second" }), "FORBIDDEN"),
        (&reader, json!({ "username": "ada" }), "FORBIDDEN"),
        (&key, json!({ "username": "ada" }), "FORBIDDEN"),
        (&root, json!({ "username": "root" }), "BAD_USER_INPUT"),
    ] {
        let answer = reset(&service, who, whom.clone()).await;
        assert_eq!(refusal(&answer), expected, "{whom}: {answer:?}");
        let after = rows().await;
        assert_eq!(after, before, "{whom}");
    }
    // Nobody's factor is the worse for it.
    for (username, device) in [("second", &second_device), ("ada", &ada_device)] {
        service.full_login(username, device).await;
    }
    let done = reset(&service, &helper, json!({ "username": "ada" })).await;
    assert_eq!(done.json()["data"]["resetMfa"][0]["username"], "ada", "{done:?}");
    assert_eq!(factors_of(&service, "ada").await, 0);
    service.login("ada", PASSWORD).await;
}

async fn factors_of(service: &Service, username: &str) -> i64 {
    let sql =
        format!("SELECT COUNT(*) FROM factors f JOIN users u ON u.id = f.user_id WHERE u.username = '{username}'");
    service.database().number(&sql).await
}

/// A reset beside logins with the very codes that it takes away: whatever of them won, no session of before is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_and_logins_in_flight() {
    let nodes = Arc::new(two_nodes(&[]).await);
    align(&nodes[..]);
    let root = nodes[0].root().await;
    nodes[0].make_person(&root, "ada", "READ_ONLY").await;
    for round in 0..8 {
        let ada = nodes[0].login("ada", PASSWORD).await;
        let device = nodes[0].enroll(&ada, PASSWORD).await;
        let (_, key) = nodes[0].mint(&ada, "ci").await;
        pass(&nodes[..], STEP_TIME);
        let mid = nodes[0].challenge("ada", None).await["mid"].clone();
        let mut racers = JoinSet::new();
        let (all, code) = (Arc::clone(&nodes), device.code(&nodes[0], 0));
        let shown = (mid.clone(), code.clone());
        racers.spawn(async move { all[1].verify(&shown.0, "Totp", &shown.1).await });
        let all = Arc::clone(&nodes);
        let (recovery, admin) = (device.recovery[0].clone(), root.clone());
        racers.spawn(async move {
            let data = json!({ "mfa_type": "TotpRecoveryCode", "mfa_code": recovery });
            all[0].try_login("ada", PASSWORD, data).await
        });
        let done = reset(&nodes[round % 2], &admin, json!({ "username": "ada" })).await;
        assert!(done.json()["errors"].is_null(), "{done:?}");
        for answer in racers.join_all().await {
            // Whoever came first was in, and was put out by the reset.
            if answer.json()["errors"].is_null() {
                assert_eq!(nodes[0].try_credential(&token(&answer)).await, 401, "round {round}");
            } else {
                assert_eq!(refusal(&answer), "LOGIN_FAILED", "round {round}");
            }
        }
        assert_eq!(nodes[1].try_credential(&key).await, 401);
        assert_eq!(factors_of(&nodes[0], "ada").await, 0);
        let sql = "SELECT COUNT(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.username = 'ada'";
        assert_eq!(nodes[0].database().number(sql).await, 0, "round {round}");
        assert_eq!(refusal(&nodes[0].verify(&mid, "Totp", &code).await), "LOGIN_FAILED");
    }
}
