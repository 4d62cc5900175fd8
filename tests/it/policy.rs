//! The policies: what changes them and what does not, who is let in from where, and how long a session lives.

use std::sync::Arc;
use std::time::Duration;

use keytower::domain::policy::ACCESS_LIST_MAX;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::support::check::{clean, error_body};
use crate::support::node::{borrowed, run, settings};
use crate::support::{Answer, Database, ROOT_PASSWORD, Service};

const ACCESS: &str = "/update-access-restriction";
const PASSWORDS: &str = "/update-password-security";
const TIMEOUT: &str = "/update-session-timeout";

impl Service {
    /// Changes a policy: the row as it was answered.
    pub async fn set_policy(&self, token: &str, path: &str, body: Value) -> Value {
        let answer = self.rest(token, path, body.clone()).await;
        assert_eq!(answer.status, 200, "{path} {body}: {answer:?}");
        let task = answer.json();
        assert_eq!(task.as_object().unwrap().len(), 2, "{task}");
        assert!(task["task_id"].is_null(), "{task}");
        task["data"].clone()
    }

    /// The policies as the list shows them.
    async fn policies(&self, token: &str) -> Value {
        let rows = self.rest(token, "/get-global-settingses", json!({})).await.json();
        assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
        rows[0].clone()
    }
}

/// Two services on one database, with settings that both have.
pub async fn two_nodes(settings: &[(&str, &str)]) -> [Service; 2] {
    let database = Arc::new(Database::new().await);
    [Service::start_with(Arc::clone(&database), settings).await, Service::start_with(database, settings).await]
}

/// Asks with headers of one's own: the statuses of both faces, which must be the same.
async fn uses(service: &Service, credential: &str, headers: &[(&str, &str)]) -> u16 {
    let count = json!({ "query": "{ organizationsConnection { aggregate { count } } }" });
    let mut statuses = Vec::new();
    for (path, body) in [("/v2/api/get-my-info", json!({})), ("/api", count)] {
        let mut request = service.http.post(service.url(path)).header(AUTHORIZATION, credential).json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = Answer::read(request.send().await.unwrap()).await;
        clean(&answer);
        statuses.push(answer.status);
        if answer.status == 401 {
            assert!(answer.text.contains("the credential is not valid"), "{answer:?}");
        }
    }
    assert_eq!(statuses[0], statuses[1]);
    statuses[0]
}

/// Logs in with headers of one's own: what both faces say, which must be the same; nothing when it succeeds.
async fn login(service: &Service, password: &str, headers: &[(&str, &str)]) -> String {
    let data = json!({ "username": "root", "password": password });
    let query = "mutation($data: LoginInput!) { login(data: $data) { token } }";
    let mut said = Vec::new();
    for (path, body) in
        [("/v2/api/login", data.clone()), ("/api", json!({ "query": query, "variables": { "data": data } }))]
    {
        let mut request = service.http.post(service.url(path)).json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = Answer::read(request.send().await.unwrap()).await;
        clean(&answer);
        let json = answer.json();
        let message = if path == "/api" { &json["errors"][0]["message"] } else { &json["message"] };
        assert_eq!(message.is_null(), answer.text.contains("eyJ"), "{answer:?}");
        said.push(message.as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(said[0], said[1]);
    said.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policies_are_shown_whole_and_change_member_by_member() {
    let service = Service::start().await;
    let root = service.root().await;
    let mut expected = service.policies(&root).await;
    let defaults = json!({
        "access_list": [], "access_mode": "NONE", "enable_single_session_login": false, "login_miss_num_threshold": 0,
        "login_miss_time_threshold": 0, "password_complexity": "LOW", "password_expire_days": 0, "session_max_age": 0,
    });
    assert_eq!(expected["auth"], defaults);
    for (path, body) in [
        (PASSWORDS, json!({ "password_expire_days": 90 })),
        (PASSWORDS, json!({ "password_complexity": "MIDDLE" })),
        (PASSWORDS, json!({ "login_miss_num_threshold": 5, "login_miss_time_threshold": 60_000 })),
        (PASSWORDS, json!({ "login_miss_num_threshold": 7 })),
        (PASSWORDS, json!({ "password_complexity": "HIGH", "password_expire_days": i32::MAX })),
        (PASSWORDS, json!({})),
        (TIMEOUT, json!({ "session_max_age": i32::MAX })),
        (ACCESS, json!({ "access_mode": "DENY", "access_list": ["192.0.2.0/24", "::1-::9", " 198.51.100.7"] })),
        (ACCESS, json!({ "access_mode": "NONE", "access_list": ["192.0.2.0/24"] })),
        (PASSWORDS, json!({ "login_miss_num_threshold": 0, "login_miss_time_threshold": 0 })),
        (TIMEOUT, json!({ "session_max_age": 0 })),
    ] {
        expected["auth"].as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        assert_eq!(service.set_policy(&root, path, body.clone()).await, expected, "{body}");
        assert_eq!(service.policies(&root).await, expected, "{body}");
    }
    let query = "{ globalSettingses { id auth { access_list access_mode password_complexity password_expire_days } } }";
    let row = service.graphql(Some(&root), query, json!({})).await.json()["data"]["globalSettingses"][0].clone();
    assert_eq!(row["auth"]["access_list"], json!(["192.0.2.0/24"]));
    assert_eq!(row["auth"]["password_complexity"], "HIGH");
    // Each change tells in the audit log what it changed, and to what.
    let told = json!({ "where": { "resource_type": "GlobalSettings" }, "orderBy": "createdAt_ASC" });
    let told = service.rest(&root, "/get-user-audit-logs", told).await.json();
    assert_eq!(told.as_array().unwrap().len(), 11, "{told}");
    assert!(
        told.as_array().unwrap().iter().all(|it| it["resource_id"] == expected["id"] && it["status"] == "SUCCESSED")
    );
    let messages: Vec<&str> = told.as_array().unwrap().iter().map(|it| it["message"].as_str().unwrap()).collect();
    for message in ["policies changed: password_expire_days 90", "policies left as they were"] {
        assert!(messages.contains(&message), "{messages:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_can_not_be_is_refused_and_changes_nothing() {
    let service = Service::start().await;
    let root = service.root().await;
    let before = service.policies(&root).await;
    for name in ["password_expire_days", "login_miss_num_threshold", "login_miss_time_threshold", "session_max_age"] {
        let path = if name == "session_max_age" { TIMEOUT } else { PASSWORDS };
        for wrong in [
            json!(-1),
            json!(2_147_483_648_u64),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(1.5),
            json!(1e300),
            json!("1"),
            json!(true),
            json!(null),
            json!([1]),
            json!({}),
        ] {
            service.refused(&root, path, json!({ name: wrong }), 400, name).await;
        }
    }
    for wrong in [json!("low"), json!("EXTREME"), json!(""), json!(null), json!(1), json!(["LOW"])] {
        service.refused(&root, PASSWORDS, json!({ "password_complexity": wrong }), 400, "password_complexity").await;
    }
    for half in ["login_miss_num_threshold", "login_miss_time_threshold"] {
        service.refused(&root, PASSWORDS, json!({ half: 5 }), 400, "belong together").await;
    }
    // All of it or nothing.
    let half_wrong =
        json!({ "password_expire_days": 5, "password_complexity": "HIGH", "login_miss_num_threshold": -1 });
    service.refused(&root, PASSWORDS, half_wrong, 400, "login_miss_num_threshold must be").await;
    for (body, words) in [
        (json!({}), "access_list"),
        (json!({ "access_mode": "NONE" }), "access_list"),
        (json!({ "access_list": [] }), "access_mode"),
        (json!({ "access_mode": "none", "access_list": [] }), "access_mode"),
        (json!({ "access_mode": null, "access_list": [] }), "access_mode"),
        (json!({ "access_mode": "NONE", "access_list": null }), "access_list"),
        (json!({ "access_mode": "NONE", "access_list": "192.0.2.1" }), "access_list"),
        (json!({ "access_mode": "NONE", "access_list": [1] }), "access_list[0]"),
        (json!({ "access_mode": "NONE", "access_list": ["192.0.2.1", null] }), "access_list[1]"),
        (
            json!({ "access_mode": "NONE", "access_list": ["192.0.2.1", "192.0.2.300"] }),
            "access_list[1]: \"192.0.2.300\"",
        ),
        (json!({ "access_mode": "DENY", "access_list": ["192.0.2.9-192.0.2.1"] }), "access_list[0]"),
        (json!({ "access_mode": "DENY", "access_list": ["example.com"] }), "access_list[0]"),
        (json!({ "access_mode": "DENY", "access_list": ["*"] }), "access_list[0]"),
        (json!({ "access_mode": "DENY", "access_list": ["\0"] }), "access_list[0]"),
        (json!({ "access_mode": "DENY", "access_list": [""] }), "access_list[0]"),
        (json!({ "access_mode": "DENY", "access_list": ["9".repeat(500_000)] }), "access_list[0]"),
        (json!({ "access_mode": "NONE", "access_list": vec!["192.0.2.1"; ACCESS_LIST_MAX + 1] }), "at most 1000"),
        (json!({ "access_mode": "NONE", "access_list": [], "access_lists": [] }), "access_lists"),
    ] {
        service.refused(&root, ACCESS, body, 400, words).await;
    }
    for path in [PASSWORDS, TIMEOUT] {
        service.refused(&root, path, json!({ "session_max_age": 0, "bogus": 1 }), 400, "unknown field").await;
    }
    service.refused(&root, TIMEOUT, json!({}), 400, "session_max_age").await;
    service.refused(&root, PASSWORDS, json!({ "enable_single_session_login": true }), 400, "unknown field").await;
    assert_eq!(service.policies(&root).await, before);
    let full = json!({ "access_mode": "DENY", "access_list": vec!["2001:db8::1-2001:db8::ffff"; ACCESS_LIST_MAX] });
    service.set_policy(&root, ACCESS, full).await;
    assert_eq!(service.try_credential(&root).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_holds_for_logins_tokens_and_keys_on_every_node() {
    let nodes = two_nodes(&[("trusted_proxies", "127.0.0.1")]).await;
    let [here, there] = &nodes;
    let root = here.root().await;
    let (_, key) = here.mint(&root, "ci").await;
    let (inside, outside) = ([("x-forwarded-for", "203.0.113.5")], [("x-forwarded-for", "198.51.100.5")]);
    let spoofed = [("x-forwarded-for", "203.0.113.5, 198.51.100.5"), ("x-bypass-whitelist", "true")];
    let expect = async |node: &Service, headers: &[(&str, &str)], let_in: bool, what: &str| {
        let said = login(node, ROOT_PASSWORD, headers).await;
        let expected = if let_in { "" } else { "logins from your address are not let in" };
        assert_eq!(said, expected, "{what} {headers:?}");
        let wrong = if let_in { "the username or the password is wrong" } else { expected };
        assert_eq!(login(node, "wrong password", headers).await, wrong, "{what} {headers:?}");
        for credential in [&root, &key] {
            assert_eq!(uses(node, credential, headers).await, if let_in { 200 } else { 401 }, "{what} {headers:?}");
        }
    };
    // Who asks here stands at the proxy itself.
    for (mode, list, [at_proxy, from_inside, from_outside]) in [
        ("ALLOW", json!(["127.0.0.1", "203.0.113.0/24"]), [true, true, false]),
        ("ALLOW", json!(["127.0.0.0-127.0.0.9"]), [true, false, false]),
        ("DENY", json!(["198.51.100.0/24"]), [true, true, false]),
        ("DENY", json!(["203.0.113.5", "198.51.100.5"]), [true, false, false]),
        ("NONE", json!(["198.51.100.0/24"]), [true, true, true]),
        ("DENY", json!([]), [true, true, true]),
        ("ALLOW", json!(["0.0.0.0/0"]), [true, true, true]),
    ] {
        here.set_policy(&root, ACCESS, json!({ "access_mode": mode, "access_list": list })).await;
        for node in [there, here] {
            let what = format!("{mode} {list}");
            expect(node, &[], at_proxy, &what).await;
            expect(node, &inside, from_inside, &what).await;
            expect(node, &outside, from_outside, &what).await;
            expect(node, &spoofed, from_outside, &what).await;
        }
    }
    // IPv4 written as IPv6 is the same address, and no address is not listed.
    here.set_policy(
        &root,
        ACCESS,
        json!({ "access_mode": "ALLOW", "access_list": ["127.0.0.1", "::ffff:203.0.113.5"] }),
    )
    .await;
    expect(there, &inside, true, "mapped").await;
    expect(there, &[("x-forwarded-for", "::ffff:203.0.113.5")], true, "mapped").await;
    assert!(here.app.authenticate(&key, None).await.is_err());
    here.set_policy(&root, ACCESS, json!({ "access_mode": "DENY", "access_list": ["203.0.113.5"] })).await;
    assert!(here.app.authenticate(&key, None).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_untrusted_peer_writes_of_its_address_changes_nothing() {
    let service = Service::start().await;
    let root = service.root().await;
    let (_, key) = service.mint(&root, "ci").await;
    let headers = ["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip", "x-bypass-whitelist"];
    let forged = async |let_in: bool| {
        for name in headers {
            for value in ["203.0.113.5", "127.0.0.1", "true", "for=203.0.113.5"] {
                for credential in [&root, &key] {
                    let status = uses(&service, credential, &[(name, value)]).await;
                    assert_eq!(status, if let_in { 200 } else { 401 }, "{name}: {value}");
                }
                assert_eq!(
                    login(&service, ROOT_PASSWORD, &[(name, value)]).await.is_empty(),
                    let_in,
                    "{name}: {value}"
                );
            }
        }
    };
    service.set_policy(&root, ACCESS, json!({ "access_mode": "DENY", "access_list": ["203.0.113.5"] })).await;
    forged(true).await;
    service.set_policy(&root, ACCESS, json!({ "access_mode": "ALLOW", "access_list": ["127.0.0.1"] })).await;
    forged(true).await;
    // Nobody can do this to themselves: the row is changed from outside.
    let db = service.database().connect().await;
    let shut = r#"UPDATE global_settings SET auth = '{"access_mode":"ALLOW","access_list":["203.0.113.5"]}'"#;
    sea_orm::ConnectionTrait::execute_unprepared(&db, shut).await.unwrap();
    db.close().await.unwrap();
    forged(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_shuts_themselves_out_and_the_operator_is_never_out() {
    let service = Service::start_with(Arc::new(Database::new().await), &[("trusted_proxies", "127.0.0.1")]).await;
    let root = service.root().await;
    let before = service.policies(&root).await;
    for (mode, list) in [
        ("ALLOW", json!([])),
        ("ALLOW", json!(["203.0.113.0/24"])),
        ("ALLOW", json!(["::1"])),
        ("DENY", json!(["127.0.0.1"])),
        ("DENY", json!(["0.0.0.0/0"])),
        ("DENY", json!(["203.0.113.0/24", "::ffff:127.0.0.0/104"])),
    ] {
        let body = json!({ "access_mode": mode, "access_list": list });
        service.refused(&root, ACCESS, body, 400, "would shut out your own address, 127.0.0.1").await;
    }
    assert_eq!(service.policies(&root).await, before);
    // From elsewhere it is another address that must not be shut out.
    let body = json!({ "access_mode": "DENY", "access_list": ["127.0.0.1"] });
    let request = service.http.post(service.url("/v2/api/update-access-restriction")).header(AUTHORIZATION, &root);
    let request = request.header("x-forwarded-for", "203.0.113.5").json(&body);
    assert_eq!(Answer::read(request.send().await.unwrap()).await.status, 200);
    assert_eq!(uses(&service, &root, &[]).await, 401);
    assert_eq!(uses(&service, &root, &[("x-forwarded-for", "203.0.113.5")]).await, 200);
    // The operator's commands ask nobody.
    let settings = settings(service.database());
    let made = run(&borrowed(&settings), &["user", "create", "helper", "--role", "ROOT"]);
    assert!(made.status.success(), "{made:?}");
    let unlock = || {
        let unlocked = run(&borrowed(&settings), &["policy", "unlock"]);
        assert!(unlocked.status.success() && unlocked.stdout.contains("everybody is let in"), "{unlocked:?}");
    };
    unlock();
    assert_eq!(uses(&service, &root, &[]).await, 200);
    // Nor does a login that lasts for a moment keep everybody out for good.
    service.set_policy(&root, TIMEOUT, json!({ "session_max_age": 1 })).await;
    let moment = service.root().await;
    service.clock.advance(Duration::from_millis(2));
    assert_eq!(uses(&service, &moment, &[]).await, 401);
    unlock();
    let root = service.root().await;
    service.clock.advance(Duration::from_millis(2));
    let mut expected = before;
    expected["auth"]["access_list"] = json!(["127.0.0.1"]);
    assert_eq!(service.policies(&root).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_address_is_written_down_for_the_owner() {
    let service = Service::start_with(Arc::new(Database::new().await), &[("trusted_proxies", "127.0.0.1")]).await;
    let root = service.root().await;
    service.set_policy(&root, ACCESS, json!({ "access_mode": "DENY", "access_list": ["203.0.113.5"] })).await;
    let elsewhere = [("x-forwarded-for", "203.0.113.5")];
    assert_eq!(uses(&service, &root, &elsewhere).await, 401);
    assert!(!login(&service, ROOT_PASSWORD, &elsewhere).await.is_empty());
    keytower::service::audit::write_refusals(&service.app).await.unwrap();
    let rows = service.rest(&root, "/get-user-audit-logs", json!({ "where": { "ip_address": "203.0.113.5" } })).await;
    for (action, message) in [
        ("authenticate", "refused 2×: token: good, but its address is not let in"),
        ("login", "refused 2×: its address is not let in"),
    ] {
        let told = |row: &Value| row["action"] == action && row["message"] == message;
        assert!(rows.json().as_array().unwrap().iter().any(told), "{action} {message}: {rows:?}");
    }
    assert!(!rows.text.contains(ROOT_PASSWORD) && !rows.text.contains(&root));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_too_old_is_over_at_once_on_every_node_and_stays_so() {
    let nodes = two_nodes(&[]).await;
    let [here, there] = &nodes;
    let old = here.root().await;
    let (_, key) = here.mint(&old, "ci").await;
    let pass = |time: u64| nodes.iter().for_each(|node| node.clock.advance(Duration::from_millis(time)));
    let expect = async |credential: &str, status: u16| {
        for node in [there, here] {
            assert_eq!(uses(node, credential, &[]).await, status);
        }
    };
    // The clocks of the two differ by as long as the second took to start.
    pass(3_600_000);
    let young = there.root().await;
    pass(1_800_000);
    here.set_policy(&young, TIMEOUT, json!({ "session_max_age": 3_600_000 })).await;
    expect(&old, 401).await;
    expect(&young, 200).await;
    expect(&key, 200).await;
    pass(1_200_000);
    expect(&young, 200).await;
    pass(1_200_000);
    expect(&young, 401).await;
    expect(&key, 200).await;
    // A session that was over once does not come back when the policy is loosened.
    let fresh = there.root().await;
    here.set_policy(&fresh, TIMEOUT, json!({ "session_max_age": 0 })).await;
    for over in [&old, &young] {
        expect(over, 401).await;
    }
    pass(3_600_000);
    expect(&fresh, 200).await;
    expect(&key, 200).await;
    assert_eq!(here.database().number("SELECT COUNT(*) FROM sessions").await, 1);
    // Nor does the token's own life grow.
    here.set_policy(&fresh, TIMEOUT, json!({ "session_max_age": i32::MAX })).await;
    pass(12 * 3_600_000);
    expect(&fresh, 401).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_changes_no_policy() {
    let service = Service::start().await;
    let root = service.root().await;
    let (_, key) = service.mint(&root, "ci").await;
    for (path, body) in [
        (PASSWORDS, json!({ "password_complexity": "LOW" })),
        (ACCESS, json!({ "access_mode": "NONE", "access_list": [] })),
        (TIMEOUT, json!({ "session_max_age": 0 })),
    ] {
        let answer = service.rest(&key, path, body).await;
        assert!(error_body(&answer, 403, path).contains("an API key can't do this"), "{answer:?}");
    }
}
