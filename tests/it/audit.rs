//! What the audit logs tell: a row for every login, change and refusal, with who, which credential, from where, what and how it ended;
//! no secret; and who may read it, in which language.

use std::collections::BTreeSet;

use keytower::domain::audit::Log;
use keytower::domain::operation::Operation;
use keytower::service::audit::write_refusals;
use keytower::{graphql, rest};
use reqwest::header::{AUTHORIZATION, CONTENT_LANGUAGE, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::authz::{question, rest_body};
use crate::support::node::{self, borrowed, settings};
use crate::support::people::{PASSWORD, user};
use crate::support::trail::{Trail, faults, rows};
use crate::support::{Answer, Database, ROOT_PASSWORD, Service};

const OK: &str = "SUCCESSED";
const NO: &str = "FAILED";
const UPDATE: &str =
    "mutation($id: ID!, $data: ApiKeyUpdateInput!) { updateApiKey(where: { id: $id }, data: $data) { id } }";
const LOGIN: &str = "mutation($p: String!) { login(data: { username: \"root\", password: $p }) { token } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_database_tells_what_was_made() {
    let service = Service::start().await;
    let mut trail = Trail::of(service.database());
    let rows = trail.fresh().await;
    assert!(rows.iter().all(|row| row["action"] == "setUp" && row["status"] == OK), "{rows:#?}");
    for words in
        ["tables brought up", "role preset ROOT holds from now on: *", "organization", "signing key", "user root made"]
    {
        assert_eq!(rows.iter().filter(|row| row["message"].contains(words)).count(), 1, "{words}: {rows:#?}");
    }
    let again = Service::start_with(service.database().clone(), &[]).await;
    trail.expect(&[]).await;
    assert_eq!(faults(&again, &[]).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_leave_their_rows() {
    let service = Service::start().await;
    let mut trail = Trail::of(service.database());
    trail.fresh().await;
    let token = service.root().await;
    service.graphql(None, LOGIN, json!({ "p": ROOT_PASSWORD })).await;
    service.post("/v2/api/login", None, &json!({ "username": "root", "password": "wrong" })).await;
    service.graphql(None, LOGIN, json!({ "p": "wrong" })).await;
    // The name is left out: people type passwords there.
    service.post("/v2/api/login", None, &json!({ "username": "hunter2", "password": "wrong" })).await;
    service.graphql(Some(&token), "mutation { logout }", json!({})).await;
    let rows = trail
        .expect(&[
            ["root", "password", "login", OK, "Session", "logged in: session "],
            ["root", "password", "login", OK, "Session", "logged in: session "],
            ["root", "password", "login", NO, "", "login failed"],
            ["root", "password", "login", NO, "", "login failed"],
            ["", "", "login", NO, "", "login failed"],
            ["root", "session ", "logout", OK, "Session", "logged out: session "],
        ])
        .await;
    assert_eq!(rows[0]["resource_id"], rows[5]["resource_id"]);
    assert_eq!(rows[5]["credential"], format!("session {}", rows[0]["resource_id"]));
    assert!(rows.iter().all(|row| row["ip_address"] == "127.0.0.1"), "{rows:#?}");
    assert_eq!(rows[0]["user_id"], rows[3]["user_id"]);
    assert!(!format!("{rows:?}").contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_leave_their_rows() {
    let service = Service::start().await;
    let mut trail = Trail::of(service.database());
    let token = service.root().await;
    trail.fresh().await;
    let (id, key) = service.mint(&token, "ci").await;
    let update = async |credential: &str, data: Value| {
        service.graphql(Some(credential), UPDATE, json!({ "id": id, "data": data })).await
    };
    update(&token, json!({ "name": "cd" })).await;
    update(&token, json!({ "description": "for deployments" })).await;
    update(&token, json!({})).await;
    update(&key, json!({ "name": "mine" })).await;
    service.graphql(Some(&key), "mutation { createApiKey(data: { name: \"more\" }) { id } }", json!({})).await;
    service.graphql(Some(&token), "mutation { createApiKey(data: { name: \"\" }) { id } }", json!({})).await;
    service.graphql(Some(&token), "mutation { createApiKey(data: { name: 1 }) { id } }", json!({})).await;
    service.delete_key(&key, &key).await;
    service.delete_key(&token, &key).await;
    let with_key = format!("API key cd ({id})");
    let rows = trail
        .expect(&[
            ["root", "session ", "createApiKey", OK, "ApiKey", "API key ci minted"],
            ["root", "session ", "updateApiKey", OK, "ApiKey", "API key ci renamed: cd"],
            ["root", "session ", "updateApiKey", OK, "ApiKey", "API key cd described anew"],
            ["root", &with_key, "updateApiKey", NO, "", "an API key can't do this"],
            ["root", &with_key, "createApiKey", NO, "", "an API key can't do this"],
            ["root", "session ", "createApiKey", NO, "", "the request was not valid"],
            ["root", "session ", "createApiKey", NO, "", "the request was not valid"],
            ["root", &with_key, "deleteApiKey", OK, "ApiKey", "API key cd deleted"],
            ["root", "session ", "deleteApiKey", NO, "", "there is no such API key"],
        ])
        .await;
    assert!([0, 1, 2, 7].iter().all(|at: &usize| rows[*at]["resource_id"] == id), "{rows:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_roles_leave_their_rows() {
    let service = Service::start().await;
    let root = service.root().await;
    let reader = service.preset(&root, "READ_ONLY").await;
    let mut trail = Trail::of(service.database());
    trail.fresh().await;
    let role = service.make_role(&root, "ops", &["CREATE_VM", "UPDATE_VM"]).await;
    let of_role = |id: &str| json!({ "id": id });
    service
        .done(
            &root,
            "/update-role",
            json!({ "where": of_role(&role), "data": { "name": "operations", "actions": ["CREATE_VM", "DELETE_VM"] } }),
        )
        .await;
    let (ann, token) = service.make_user(&root, "ann", &role).await;
    let (key, _) = service.mint(&token, "ann's").await;
    let change = |data: Value| json!({ "where": { "id": ann }, "data": data });
    service.done(&root, "/update-user", change(json!({ "username": "anne", "role_id": reader }))).await;
    service.done(&root, "/update-user", change(json!({ "password": "another password" }))).await;
    service.refused(&root, "/update-user", change(json!({ "username": "root" })), 400, "taken").await;
    service.refused(&root, "/delete-user", json!({ "where": { "username": "root" } }), 400, "yourself").await;
    service.refused(&root, "/delete-user", json!({ "where": { "id": "none" } }), 404, "matches").await;
    service.refused(&root, "/create-user", json!([{ "nonsense": 1 }]), 400, "").await;
    let anne = service.login("anne", "another password").await;
    service.refused(&anne, "/create-user", json!([user("eve", &reader)]), 403, "MANAGE_USER_AND_ROLE").await;
    service.done(&root, "/delete-user", json!({ "where": { "id": ann } })).await;
    service.done(&root, "/delete-role", json!({ "where": of_role(&role) })).await;
    let rows = trail
        .expect(&[
            ["root", "session ", "createRole", OK, "UserRoleNext", "role ops made: CREATE_VM, UPDATE_VM"],
            [
                "root",
                "session ",
                "updateRole",
                OK,
                "UserRoleNext",
                "role ops changed: name operations, +DELETE_VM, -UPDATE_VM",
            ],
            ["root", "session ", "createUser", OK, "User", "user ann made with the role operations"],
            ["ann", "password", "login", OK, "Session", "logged in"],
            ["ann", "session ", "createApiKey", OK, "ApiKey", "API key ann's minted"],
            ["root", "session ", "updateUser", OK, "User", "user ann changed: username anne, role Read-only"],
            ["root", "session ", "updateUser", OK, "User", "user anne changed: password"],
            ["root", "session ", "updateUser", NO, "", "the request was not valid"],
            ["root", "session ", "deleteUser", NO, "", "the request was not valid"],
            ["root", "session ", "deleteUser", NO, "", "no User matches"],
            ["root", "session ", "createUser", NO, "", "the request was not valid"],
            ["anne", "password", "login", OK, "Session", "logged in"],
            ["anne", "session ", "createUser", NO, "", "the action MANAGE_USER_AND_ROLE is missing"],
            ["root", "session ", "deleteUser", OK, "User", "user anne deleted"],
            ["root", "session ", "deleteUser", OK, "ApiKey", "API key ann's deleted with user anne"],
            ["root", "session ", "deleteRole", OK, "UserRoleNext", "role operations deleted"],
        ])
        .await;
    assert_eq!((&rows[2]["resource_id"], &rows[13]["resource_id"], &rows[14]["resource_id"]), (&ann, &ann, &key));
    assert_eq!(faults(&service, &[]).await, []);
}

/// Strangers fill no disk: what was refused to them is counted by address and reason.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_to_strangers_is_written_in_one() {
    let service = Service::start().await;
    let mut trail = Trail::of(service.database());
    let token = service.root().await;
    let (_, ended) = service.user("READ_ONLY").await;
    service.graphql(Some(&ended), "mutation { logout }", json!({})).await;
    let (_, key) = service.mint(&token, "gone").await;
    service.delete_key(&token, &key).await;
    let session = trail.fresh().await.into_iter().find(|row| row["action"] == "logout").unwrap()["resource_id"].clone();
    for _ in 0..3 {
        assert_eq!(service.try_credential(&key).await, 401);
        assert_eq!(service.graphql(Some(&key), "{ users { id } }", json!({})).await.status, 401);
    }
    for refused in ["nonsense", &ended, "a.b.c"] {
        assert_eq!(service.try_credential(refused).await, 401);
    }
    service.post("/v2/api/create-root-user", None, &json!({ "password": PASSWORD })).await;
    service.post("/v2/api/delete-user", None, &json!({ "where": {} })).await;
    service.graphql(None, "mutation { logout }", json!({})).await;
    service.post("/v2/api/get-users", None, &json!({})).await;
    trail.expect(&[]).await;
    write_refusals(&service.app).await.unwrap();
    let ended = format!("refused 1×: token: session {session} of user ");
    let rows = trail
        .expect(&[
            ["", "", "authenticate", NO, "", "refused 6×: key: unknown"],
            ["", "", "authenticate", NO, "", "refused 1×: neither a key nor a token"],
            ["", "", "authenticate", NO, "", "refused 1×: token: header malformed"],
            ["", "", "authenticate", NO, "", &ended],
            ["", "", "createRootUser", NO, "", "refused 1×: the request was not valid"],
            ["", "", "deleteUser", NO, "", "refused 1×: a token or an API key is needed"],
            ["", "", "logout", NO, "", "refused 1×: a token or an API key is needed"],
        ])
        .await;
    assert!(rows.iter().all(|row| row["ip_address"] == "127.0.0.1"), "{rows:#?}");
    write_refusals(&service.app).await.unwrap();
    trail.expect(&[]).await;
    assert_eq!(faults(&service, &[]).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_leave_their_rows() {
    let database = Database::new().await;
    let settings = settings(&database);
    let run = |arguments: &[&str], works: bool| {
        let done = node::run(&borrowed(&settings), arguments);
        assert_eq!(done.status.success(), works, "{done:?}");
    };
    run(&["user", "create", "ann"], true);
    let mut trail = Trail::of(&database);
    trail.fresh().await;
    let inventory = format!("{}/examples/inventory.json", env!("CARGO_MANIFEST_DIR"));
    run(&["user", "create", "bob", "--role", "AUDITOR"], true);
    run(&["user", "create", "bob"], false);
    run(&["user", "delete", "bob"], true);
    run(&["user", "delete", "nobody"], false);
    run(&["inventory", "import", &inventory], true);
    run(&["inventory", "import", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")], false);
    run(&["signing-key", "rotate"], true);
    run(&["audit", "verify"], true);
    let node = crate::support::Node::on(&database);
    drop(node);
    trail
        .expect(&[
            ["", "", "createUser", OK, "", "user bob made with the role Auditor"],
            ["", "", "createUser", NO, "", "the request was not valid"],
            ["", "", "deleteUser", OK, "", "user bob deleted"],
            ["", "", "deleteUser", NO, "", "no User matches"],
            ["", "", "importInventory", OK, "", "inventory imported"],
            ["", "", "importInventory", NO, "", "the request was not valid"],
            ["", "", "rotateSigningKey", OK, "", "a new signing key was published"],
            ["", "", "serve", OK, "", "serves at 127.0.0.1:"],
        ])
        .await;
    assert_eq!(database.number("SELECT COUNT(*) FROM user_audit_logs").await, 0);
}

/// Whatever a face offers that changes something, somebody who is known leaves a row with it, done or refused.
#[tokio::test(flavor = "multi_thread")]
async fn every_change_that_is_asked_for_leaves_a_row() {
    let service = Service::start().await;
    let mut trail = Trail::of(service.database());
    let (root, spare) = (service.root().await, service.root().await);
    let (_, nobody) = service.user("READ_ONLY").await;
    let (_, key) = service.mint(&nobody, "a key").await;
    let left = |operation: Operation, who: &str, rows: Vec<_>| {
        let own = |row: &crate::support::trail::Row| row["action"] == operation.name();
        assert!(rows.iter().any(own), "{} by {who}: {rows:#?}", operation.name());
    };
    for (who, credential) in [("root", &root), ("a reader", &nobody), ("a key", &key)] {
        for route in rest::table().into_iter().filter(|route| route.call.operation().spec().is_change()) {
            trail.fresh().await;
            let mut body = rest_body(&route.path).unwrap();
            if body == json!([]) {
                body = json!([{}]);
            }
            service.post(&format!("/v2/api{}", route.path), Some(credential), &body).await;
            write_refusals(&service.app).await.unwrap();
            left(route.call.operation(), who, trail.fresh().await);
        }
        for field in graphql::schema::table().iter().filter(|field| field.operation.spec().is_change()) {
            trail.fresh().await;
            let credential = if who == "root" && field.operation == Operation::Logout { &spare } else { credential };
            service.graphql(Some(credential), &question(&field.name).unwrap(), json!({})).await;
            write_refusals(&service.app).await.unwrap();
            left(field.operation, who, trail.fresh().await);
            if field.operation == Operation::Logout && who == "a reader" {
                break;
            }
        }
    }
    assert_eq!(faults(&service, &[]).await, []);
}

/// Secrets wherever somebody could put them by mistake.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_gets_into_the_log() {
    let service = Service::start().await;
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    let (_, key) = service.mint(&root, "a key").await;
    let typed = "a password typed in the wrong place";
    let mut minted = Vec::new();
    for secret in [key.as_str(), root.as_str(), typed, ROOT_PASSWORD] {
        for credential in [Some(root.as_str()), Some(key.as_str()), Some(secret), None] {
            for body in [
                json!({ "username": secret, "password": secret }),
                json!({ "username": "root", "password": format!("{secret}x"), "source": secret }),
                json!([{ "username": secret, "name": "a", "password": PASSWORD, "role_id": secret }]),
                json!([{ "name": "a", "actions": [secret] }]),
                json!({ "where": { "id": secret }, "data": { "role_id": secret, "password": secret } }),
                json!({ "where": { secret: secret }, "data": { secret: secret } }),
                json!({ "where": { "username": secret } }),
                json!([{ "user_id": secret, "ip_address": secret, "status": secret, "message": { "en-US": secret } }]),
            ] {
                for route in rest::table().into_iter().filter(|route| route.call.operation().spec().is_change()) {
                    service.post(&format!("/v2/api{}", route.path), credential, &body).await;
                }
            }
            for text in [
                "mutation($s: String!) { login(data: { username: $s, password: $s }) { token } }",
                "mutation($s: String!) { changePassword(data: { old_password: $s, new_password: $s }) { sessions_ended } }",
                "mutation($s: String!) { resetPassword(data: { token: $s, new_password: $s }) }",
                "mutation($s: String!) { requestPasswordReset(data: { username: $s }) }",
                "mutation($s: String!) { deleteApiKey(where: { key: $s, id: \"a\" }) { id } }",
                "mutation($s: String!) { updateApiKey(where: { key: $s }, data: { description: $s }) { id } }",
                "mutation($s: String!) { createApiKey(data: { name: 1, description: $s }) { id } }",
            ] {
                service.graphql(credential, text, json!({ "s": secret })).await;
            }
        }
    }
    // Names are kept as people choose them, but for what is a key or a token.
    for secret in [&key, &root] {
        let name: String = secret.chars().take(200).collect();
        let answer = service
            .graphql(
                Some(&root),
                "mutation($s: String!) { createApiKey(data: { name: $s }) { id key } }",
                json!({ "s": name }),
            )
            .await;
        minted.push(answer.json()["data"]["createApiKey"]["key"].as_str().unwrap_or_default().to_owned());
        service.rest(&root, "/create-user", json!([user(&format!("pasted {name}"), &role)])).await;
        service.rest(&root, "/create-role", json!([{ "name": format!("pasted {name}"), "actions": [] }])).await;
    }
    write_refusals(&service.app).await.unwrap();
    let mut told = rows(service.database(), Log::User, 1).await;
    told.extend(rows(service.database(), Log::System, 1).await);
    let told: Vec<String> = told.iter().map(|row| format!("{row:?}")).collect();
    assert!(told.iter().any(|row| row.contains("user pasted [API key] made")), "{told:#?}");
    let (body, signature) = root.rsplit_once('.').unwrap();
    for secret in [key.as_str(), body, signature, typed, ROOT_PASSWORD, PASSWORD]
        .into_iter()
        .chain(minted.iter().map(String::as_str))
    {
        let row = told.iter().find(|row| !secret.is_empty() && row.contains(secret));
        assert!(row.is_none(), "{secret} is in the log: {row:?}");
    }
    assert_eq!(faults(&service, &[]).await, []);
}

async fn seen(service: &Service, credential: &str) -> (BTreeSet<String>, u64) {
    let rows = service.rest(credential, "/get-user-audit-logs", json!({})).await.json();
    let rows = rows.as_array().unwrap();
    let count = service.rest(credential, "/get-user-audit-logs-connection", json!({})).await.json();
    assert_eq!(count["aggregate"]["count"], rows.len());
    let query = "{ userAuditLogs { username credential } userAuditLogsConnection { aggregate { count } } }";
    let graphql = service.graphql(Some(credential), query, json!({})).await.json();
    assert_eq!(graphql["data"]["userAuditLogs"].as_array().unwrap().len(), rows.len());
    assert_eq!(graphql["data"]["userAuditLogsConnection"]["aggregate"]["count"], rows.len());
    let names = rows.iter().map(|row| row["username"].as_str().unwrap_or_default().to_owned());
    (names.collect(), rows.len() as u64)
}

/// Who does not manage the audit log sees their own rows: what they did, and who tried to log in as them.
#[tokio::test(flavor = "multi_thread")]
async fn people_see_their_own_rows_and_auditors_all() {
    let service = Service::start().await;
    let root = service.root().await;
    let (reader, reader_token) = service.user("READ_ONLY").await;
    let (auditor, auditor_token) = service.user("AUDITOR").await;
    let (_, reader_key) = service.mint(&reader_token, "reader's").await;
    let (_, auditor_key) = service.mint(&auditor_token, "auditor's").await;
    service.post("/v2/api/login", None, &json!({ "username": reader, "password": "wrong" })).await;
    let own: BTreeSet<String> = [reader.clone()].into();
    assert_eq!(seen(&service, &reader_token).await, (own.clone(), 3));
    assert_eq!(seen(&service, &reader_key).await, (own, 3));
    let all: BTreeSet<String> = ["root".to_owned(), reader, auditor].into();
    for credential in [&root, &auditor_token, &auditor_key] {
        assert_eq!(seen(&service, credential).await, (all.clone(), 6));
    }
    // What is not seen is not found either, whatever is asked.
    let of_root = rows(service.database(), Log::User, 1).await[0]["id"].clone();
    for condition in [
        json!({ "id": of_root }),
        json!({ "username": "root" }),
        json!({ "user": { "username": "root" } }),
        json!({ "NOT": [{ "id": "" }], "username": "root" }),
    ] {
        let found = service.rest(&reader_token, "/get-user-audit-logs", json!({ "where": condition })).await;
        assert_eq!(found.json(), json!([]), "{condition}");
    }
    let after = service.rest(&reader_token, "/get-user-audit-logs", json!({ "after": of_root })).await;
    assert_eq!(after.json(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_read_in_the_callers_language() {
    let service = Service::start().await;
    let root = service.root().await;
    service.mint(&root, "ci").await;
    let ask = async |language: &str, body: Value| {
        let request = service.http.post(service.url("/v2/api/get-user-audit-logs")).header(AUTHORIZATION, &root);
        let request = request.header(CONTENT_TYPE, "application/json").header(CONTENT_LANGUAGE, language);
        Answer::read(request.body(body.to_string()).send().await.unwrap()).await.json()
    };
    let minted = json!({ "where": { "action": "createApiKey" } });
    assert_eq!(ask("en-US", minted.clone()).await[0]["message"], "API key ci minted");
    assert_eq!(ask("zh-CN", minted.clone()).await[0]["message"], "已创建 API 密钥 ci");
    let both: Value = serde_json::from_str(ask("*", minted).await[0]["message"].as_str().unwrap()).unwrap();
    assert_eq!(both, json!({ "en-US": "API key ci minted", "zh-CN": "已创建 API 密钥 ci" }));
    for (language, words, found) in
        [("en-US", "minted", 1), ("en-US", "密钥", 0), ("zh-CN", "minted", 0), ("zh-CN", "密钥", 1)]
    {
        let rows = ask(language, json!({ "where": { "message_contains": words } })).await;
        assert_eq!(rows.as_array().unwrap().len(), found, "{language} {words}");
    }
}
