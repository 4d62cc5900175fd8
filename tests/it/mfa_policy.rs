//! Who needs a second factor: at once or from a day on, for some roles or all, or only told; and keys that were minted without one.

use std::sync::Arc;
use std::time::Duration;

use keytower::domain::clock::{Clock, iso};
use serde_json::{Value, json};

use crate::policy::two_nodes;
use crate::support::node::borrowed;
use crate::support::otp::{self, refusal};
use crate::support::people::{PASSWORD, user};
use crate::support::post::Encryption;
use crate::support::{Post, ROOT_PASSWORD, Service};

const UPDATE: &str = "mutation($data: MfaPolicyUpdateInput!) { updateMfaPolicy(data: $data) { required role_ids \
    enforced_from report_only api_keys_need_mfa api_keys_enforced_from api_keys_report_only } }";
const LOGIN: &str = "mutation($data: LoginInput!) { login(data: $data) { token must_enroll_mfa mfa_required_from } }";

/// Changes the policy and answers what it is then.
async fn policy(service: &Service, token: &str, data: Value) -> Value {
    let answer = service.graphql(Some(token), UPDATE, json!({ "data": data })).await;
    let shown = answer.json()["data"]["updateMfaPolicy"].clone();
    assert!(shown.is_object(), "{answer:?}");
    shown
}

/// Logs in over GraphQL.
async fn login(service: &Service, username: &str, password: &str) -> Value {
    let data = json!({ "username": username, "password": password });
    let answer = service.graphql(None, LOGIN, json!({ "data": data })).await;
    answer.json()["data"]["login"].clone()
}

/// The names of the users who would be shut out.
async fn without(service: &Service, token: &str) -> Vec<String> {
    let answer =
        service.graphql(Some(token), "{ usersWithoutMfa(orderBy: username_ASC) { username } }", json!({})).await;
    let users = answer.json()["data"]["usersWithoutMfa"].clone();
    users
        .as_array()
        .unwrap_or_else(|| panic!("{answer:?}"))
        .iter()
        .map(|it| it["username"].as_str().unwrap().to_owned())
        .collect()
}

/// The code that a list of users answers to a credential; nothing where it is let through.
async fn asked(service: &Service, credential: &str) -> Option<String> {
    let answer = service.graphql(Some(credential), "{ users { id } }", json!({})).await;
    answer.json().get("errors").map(|_| answer.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_must_enrol_can_do_that_and_nothing_else() {
    let nodes = two_nodes(&[]).await;
    let [here, there] = &nodes;
    otp::align(&nodes);
    let root = here.root().await;
    here.enroll(&root, ROOT_PASSWORD).await;
    let ada = here.make_person(&root, "ada", "ADMIN").await;
    let bob = here.make_person(&root, "bob", "READ_ONLY").await;
    let (_, key) = here.mint(&ada, "ci").await;
    let admin = here.preset(&root, "ADMIN").await;
    assert_eq!(without(here, &root).await, Vec::<String>::new());
    let shown = policy(here, &root, json!({ "required": "ROLES", "role_ids": [admin] })).await;
    assert_eq!(
        shown,
        json!({
            "required": "ROLES", "role_ids": [admin], "enforced_from": null, "report_only": false,
            "api_keys_need_mfa": false, "api_keys_enforced_from": null, "api_keys_report_only": false,
        })
    );
    assert_eq!(without(there, &root).await, ["ada"]);
    // It holds for what is open already, on every node; for keys it does not: that is their purpose.
    for node in &nodes {
        assert_eq!(asked(node, &ada).await.as_deref(), Some("MFA_ENROLLMENT_REQUIRED"));
        assert_eq!(node.rest(&ada, "/get-vms", json!({})).await.status, 403);
        assert_eq!(asked(node, &bob).await, None);
        assert_eq!(asked(node, &key).await, None);
    }
    let begun = login(there, "ada", PASSWORD).await;
    assert_eq!(begun["must_enroll_mfa"], true, "{begun}");
    let token = begun["token"].as_str().unwrap();
    // REST has no way to enrol: it says so, and opens no session that could do nothing.
    let sessions = here.database().number("SELECT COUNT(*) FROM sessions").await;
    let refused = here.post("/v2/api/login", None, &json!({ "username": "ada", "password": PASSWORD })).await;
    assert!(refused.status == 400 && refused.text.contains("enrollTotp"), "{refused:?}");
    assert_eq!(here.database().number("SELECT COUNT(*) FROM sessions").await, sessions);
    for question in [
        "mutation { createApiKey(data: { name: \"a\" }) { id } }",
        "{ apiKeys { id } }",
        "{ sessions { id } }",
        "mutation { changePassword(data: { old_password: \"a\", new_password: \"b\" }) { sessions_ended } }",
        "mutation { removeMfa(data: { type: Totp, code: \"000000\" }) { recovery_codes_left } }",
    ] {
        assert_eq!(
            refusal(&here.graphql(Some(token), question, json!({})).await),
            "MFA_ENROLLMENT_REQUIRED",
            "{question}"
        );
    }
    assert_eq!(here.try_credential(token).await, 200, "who one is may be asked");
    let device = here.enroll(token, PASSWORD).await;
    assert_eq!(asked(there, token).await, None, "now it can do everything");
    // The session that proved nothing can read again, and mint nothing.
    assert_eq!(asked(there, &ada).await, None);
    let mint = "mutation { createApiKey(data: { name: \"a\" }) { id } }";
    assert_eq!(refusal(&there.graphql(Some(&ada), mint, json!({})).await), "REAUTHENTICATION_REQUIRED");
    assert_eq!(without(here, &root).await, Vec::<String>::new());
    // The last factor stays where one is needed.
    let remove = async |node: &Service| {
        otp::pass(&nodes, otp::STEP_TIME);
        let remove =
            "mutation($code: String!) { removeMfa(data: { type: Totp, code: $code }) { recovery_codes_left } }";
        node.graphql(Some(token), remove, json!({ "code": device.code(node, 0) })).await
    };
    assert_eq!(refusal(&remove(there).await), "FORBIDDEN");
    policy(here, &root, json!({ "required": "NONE", "role_ids": [] })).await;
    assert_eq!(remove(there).await.json()["data"]["removeMfa"], json!({ "recovery_codes_left": 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_factors_removed_at_once_one_stays_where_one_is_needed() {
    let post = Post::start(Encryption::Upgraded);
    let settings = post.settings();
    let nodes = Arc::new(two_nodes(&borrowed(&settings)).await);
    otp::align(&nodes[..]);
    let root = nodes[0].root().await;
    nodes[0].enroll(&root, ROOT_PASSWORD).await;
    policy(&nodes[0], &root, json!({ "required": "ALL" })).await;
    for name in ["ada", "bob", "cid", "dan"] {
        nodes[0]
            .done(&root, "/create-user", {
                let mut person = user(name, &nodes[0].preset(&root, "READ_ONLY").await);
                person["email_address"] = format!("{name}@example.com").into();
                json!([person])
            })
            .await;
        let token = login(&nodes[0], name, PASSWORD).await["token"].as_str().unwrap().to_owned();
        let device = nodes[0].enroll(&token, PASSWORD).await;
        nodes[0].enroll_mail(&token, &post, &format!("{name}@example.com")).await;
        let remove = |node: usize, kind: &'static str| {
            let (nodes, token, code) = (Arc::clone(&nodes), token.clone(), device.recovery[node].clone());
            tokio::spawn(async move {
                let query = format!(
                    "mutation($code: String!) {{ removeMfa(data: {{ type: {kind}, code: $code }}) {{ factors {{ type }} }} }}"
                );
                nodes[node].graphql(Some(&token), &query, json!({ "code": code })).await.text
            })
        };
        let (totp, mail) = (remove(0, "Totp"), remove(1, "Mail"));
        let answers = [totp.await.unwrap(), mail.await.unwrap()];
        let done = answers.iter().filter(|answer| answer.contains("\"factors\"")).count();
        assert_eq!(done, 1, "{answers:?}");
        let left = "SELECT COUNT(*) FROM factors f JOIN users u ON u.id = f.user_id WHERE u.username = '".to_owned()
            + name
            + "'";
        assert_eq!(nodes[0].database().number(&left).await, 1, "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grace_lets_everybody_in_until_its_last_moment() {
    let nodes = two_nodes(&[]).await;
    let [here, there] = &nodes;
    let root = here.root().await;
    let ada = here.make_person(&root, "ada", "READ_ONLY").await;
    let day = iso(here.clock.now() + chrono::TimeDelta::hours(1));
    let shown = policy(here, &root, json!({ "required": "ALL", "enforced_from": day })).await;
    assert_eq!((&shown["required"], &shown["enforced_from"]), (&json!("ALL"), &json!(day)));
    assert_eq!(without(here, &root).await, ["ada", "root"]);
    let begun = login(there, "ada", PASSWORD).await;
    assert_eq!((&begun["must_enroll_mfa"], &begun["mfa_required_from"]), (&Value::Null, &json!(day)), "{begun}");
    assert_eq!(
        there.post("/v2/api/login", None, &json!({ "username": "ada", "password": PASSWORD })).await.status,
        200
    );
    otp::pass(&nodes, Duration::from_secs(3_599));
    assert_eq!(asked(there, &ada).await, None);
    otp::pass(&nodes, Duration::from_secs(1));
    for token in [&ada, &root] {
        assert_eq!(asked(there, token).await.as_deref(), Some("MFA_ENROLLMENT_REQUIRED"));
    }
    // Whoever asked for it needs one like everybody else, gets it, and can take it all back.
    here.enroll(&root, ROOT_PASSWORD).await;
    policy(here, &root, json!({ "required": "NONE", "enforced_from": null })).await;
    assert_eq!(asked(there, &ada).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_shuts_nobody_out() {
    let service = Service::start().await;
    let root = service.root().await;
    let ada = service.make_person(&root, "ada", "READ_ONLY").await;
    let (_, key) = service.mint(&ada, "ci").await;
    policy(
        &service,
        &root,
        json!({ "required": "ALL", "report_only": true, "api_keys_need_mfa": true, "api_keys_report_only": true }),
    )
    .await;
    assert_eq!(without(&service, &root).await, ["ada", "root"]);
    let keys = service.graphql(Some(&root), "{ apiKeysWithoutMfa { name username amr } }", json!({})).await;
    assert_eq!(keys.json()["data"]["apiKeysWithoutMfa"], json!([{ "name": "ci", "username": "ada", "amr": ["pwd"] }]));
    for credential in [&ada, &key, &root] {
        assert_eq!(asked(&service, credential).await, None);
    }
    let begun = login(&service, "ada", PASSWORD).await;
    assert_eq!((&begun["must_enroll_mfa"], &begun["mfa_required_from"]), (&Value::Null, &Value::Null), "{begun}");
    // The list language narrows it.
    let narrow = "{ usersWithoutMfa(where: { username_not: \"root\" }, first: 5) { username roles { preset } } }";
    let narrow = service.graphql(Some(&root), narrow, json!({})).await.json();
    assert_eq!(narrow["data"]["usersWithoutMfa"], json!([{ "username": "ada", "roles": [{ "preset": "READ_ONLY" }] }]));
    // Who may not change it may not ask whom it hits.
    for question in ["{ mfaPolicy { required } }", "{ usersWithoutMfa { id } }", "{ apiKeysWithoutMfa { id } }"] {
        assert_eq!(refusal(&service.graphql(Some(&ada), question, json!({})).await), "FORBIDDEN", "{question}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_work_by_how_they_were_minted() {
    let nodes = two_nodes(&[]).await;
    let [here, there] = &nodes;
    otp::align(&nodes);
    let root = here.root().await;
    let (_, weak) = here.mint(&root, "weak").await;
    here.enroll(&root, ROOT_PASSWORD).await;
    let (_, strong) = here.mint(&root, "strong").await;
    let day = iso(here.clock.now() + chrono::TimeDelta::minutes(5));
    policy(here, &root, json!({ "api_keys_need_mfa": true, "api_keys_enforced_from": day })).await;
    for node in &nodes {
        assert_eq!((node.try_credential(&weak).await, node.try_credential(&strong).await), (200, 200));
    }
    otp::pass(&nodes, Duration::from_secs(300));
    for node in &nodes {
        assert_eq!((node.try_credential(&weak).await, node.try_credential(&strong).await), (401, 200));
    }
    let dead = there.graphql(Some(&weak), "{ users { id } }", json!({})).await;
    let unknown = there.graphql(Some("nonsense"), "{ users { id } }", json!({})).await;
    assert_eq!(
        (dead.status, dead.json()["errors"][0]["message"].clone()),
        (401, unknown.json()["errors"][0]["message"].clone())
    );
    policy(here, &root, json!({ "api_keys_need_mfa": false, "api_keys_enforced_from": null })).await;
    assert_eq!(there.try_credential(&weak).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_changes_nothing() {
    let service = Service::start().await;
    let root = service.root().await;
    let role = service.preset(&root, "ADMIN").await;
    let before = policy(&service, &root, json!({})).await;
    for (data, words) in [
        (json!({ "required": "ROLES" }), "belong together"),
        (json!({ "required": "ROLES", "role_ids": [] }), "belong together"),
        (json!({ "role_ids": [role] }), "belong together"),
        (json!({ "required": "ALL", "role_ids": [role] }), "belong together"),
        (json!({ "required": "ROLES", "role_ids": [role, "none"] }), "is no role's id"),
        (json!({ "required": "EVERYBODY" }), "MfaRequired"),
        (json!({ "enforced_from": "tomorrow" }), "enforced_from"),
        (json!({ "report_only": "yes" }), "report_only"),
        (json!({ "bogus": 1 }), "bogus"),
    ] {
        let answer = service.graphql(Some(&root), UPDATE, json!({ "data": data })).await;
        assert!(refusal(&answer) == "BAD_USER_INPUT" && answer.text.contains(words), "{data}: {answer:?}");
        assert_eq!(policy(&service, &root, json!({})).await, before);
    }
    let (_, key) = service.mint(&root, "ci").await;
    let change = json!({ "data": { "required": "ALL" } });
    assert_eq!(refusal(&service.graphql(Some(&key), UPDATE, change.clone()).await), "FORBIDDEN");
    // Whoever has a second factor proves it for this.
    service.enroll(&root, ROOT_PASSWORD).await;
    service.clock.advance(Duration::from_secs(601));
    assert_eq!(refusal(&service.graphql(Some(&root), UPDATE, change).await), "REAUTHENTICATION_REQUIRED");
}
