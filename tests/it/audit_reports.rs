//! `create-user-audit-log`: what other systems report of their users.

use keytower::domain::audit::Log;
use serde_json::{Value, json};

use crate::support::Service;
use crate::support::trail::{Trail, faults, rows};

const ROUTE: &str = "/create-user-audit-log";

/// The least `UserAuditLogCreationParams`, and more.
fn report(user: &str, more: Value) -> Value {
    let mut report = json!({
        "user_id": user, "action": "restoreBackup", "resource_type": "Vm", "status": "SUCCESSED",
        "message": { "en-US": "backup restored", "zh-CN": "备份已恢复" },
    });
    report.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    report
}

async fn my_id(service: &Service, credential: &str) -> String {
    service.rest(credential, "/get-my-info", json!({})).await.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn other_systems_report_what_their_users_did() {
    let service = Service::start().await;
    service.import_example().await;
    let root = service.root().await;
    let (auditor, auditor_token) = service.user("AUDITOR").await;
    let (_, auditor_key) = service.mint(&auditor_token, "backup system").await;
    let (ann, ann_token) = service.user("READ_ONLY").await;
    let (ann_key, ann_key_text) = service.mint(&ann_token, "ci").await;
    let ann_id = my_id(&service, &ann_token).await;
    let clusters = service.rest(&root, "/get-clusters", json!({ "first": 1 })).await.json();
    let cluster = clusters[0]["id"].as_str().unwrap();
    let mut trail = Trail::of(service.database());
    trail.fresh().await;
    let full = json!({
        "id": "from-outside-1", "resource_id": "vm-1", "cluster_id": cluster, "ip_address": "2001:db8::1", "status": "FAILED",
        "started_at": "2026-01-02T05:04:05+02:00", "finished_at": "2026-01-02T03:05:05.000Z", "api_key_name": "restorer",
    });
    let by_key = json!({ "key": ann_key_text });
    let body = json!([report(&ann_id, full), report(&ann_id, by_key), report(&ann_id, json!({}))]);
    let made = service.done(&auditor_key, ROUTE, body).await;
    let expected = json!({
        "id": "from-outside-1", "action": "restoreBackup", "auth_type": "LOCAL", "cluster": { "id": cluster, "name": clusters[0]["name"] },
        "createdAt": made[0]["createdAt"], "started_at": "2026-01-02T03:04:05.000Z", "finished_at": "2026-01-02T03:05:05.000Z",
        "ip_address": "2001:db8::1", "message": "backup restored", "resource_id": "vm-1", "resource_type": "Vm", "status": "FAILED",
        "user": { "id": ann_id, "name": ann }, "username": ann,
    });
    assert_eq!(made[0], expected);
    assert_eq!(
        [&made[1]["started_at"], &made[1]["finished_at"], &made[1]["cluster"], &made[1]["resource_id"]],
        [&Value::Null; 4]
    );
    assert_eq!(made[1]["ip_address"], "", "not that of the system that reports");
    let (told, who) = (format!("reported by {auditor} with API key backup system ("), auditor.as_str());
    let own = "API key backup system (";
    let rows = trail
        .expect(&[
            [&ann, &format!("API key restorer, {told}"), "restoreBackup", "FAILED", "Vm", "backup restored"],
            [who, own, "createUserAuditLog", "SUCCESSED", "UserAuditLog", "row from-outside-1 written"],
            [&ann, &format!("API key ci ({ann_key}), {told}"), "restoreBackup", "SUCCESSED", "Vm", "backup restored"],
            [who, own, "createUserAuditLog", "SUCCESSED", "UserAuditLog", "written for another system"],
            [&ann, &told, "restoreBackup", "SUCCESSED", "Vm", "backup restored"],
            [who, own, "createUserAuditLog", "SUCCESSED", "UserAuditLog", "written for another system"],
        ])
        .await;
    assert_eq!(rows[2]["id"], made[1]["id"].as_str().unwrap());
    assert!(!format!("{rows:?}").contains(&ann_key_text));
    assert_eq!(faults(&service, &[]).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_report_is_named_and_writes_nothing() {
    let service = Service::start().await;
    let root = service.root().await;
    let me = my_id(&service, &root).await;
    let (_, stranger) = service.user("READ_ONLY").await;
    let (_, key) = service.mint(&root, "root's").await;
    let (_, foreign) = service.mint(&stranger, "a reader's").await;
    service.done(&root, ROUTE, json!([report(&me, json!({ "id": "taken" }))])).await;
    let before = rows(service.database(), Log::User, 1).await.len();
    let with = |more: Value| json!([report(&me, json!({})), report(&me, more)]);
    let many: Vec<Value> = (0..101).map(|_| report(&me, json!({}))).collect();
    let mut lacking = report(&me, json!({}));
    lacking["message"].as_object_mut().unwrap().remove("zh-CN");
    let cases = [
        (with(json!({ "user_id": "none" })), "[1].user_id \"none\" is no user's"),
        (with(json!({ "cluster_id": "none" })), "[1].cluster_id \"none\" is no cluster's"),
        (with(json!({ "ip_address": "10.0.0.1/8" })), "[1].ip_address \"10.0.0.1/8\" must be an address"),
        (with(json!({ "started_at": "yesterday" })), "[1].started_at: must be a time"),
        (
            with(json!({ "started_at": "2026-01-02T00:00:00Z", "finished_at": "2026-01-01T00:00:00Z" })),
            "[1].finished_at must not be earlier",
        ),
        (with(json!({ "status": "DONE" })), "unknown variant"),
        (with(json!({ "action": "" })), "[1].action must not be empty"),
        (with(json!({ "resource_type": " " })), "[1].resource_type must not be empty"),
        (with(json!({ "resource_id": "a".repeat(256) })), "[1].resource_id must have at most 255"),
        (with(json!({ "message": { "en-US": "a".repeat(4001), "zh-CN": "" } })), "[1].message must have at most 4000"),
        (with(json!({ "id": "taken" })), "id \"taken\" is taken"),
        (
            json!([report(&me, json!({ "id": "twice" })), report(&me, json!({ "id": "twice" }))]),
            "[1].id \"twice\" is taken",
        ),
        (with(json!({ "id": key })), "[1].id must not hold an API key"),
        (with(json!({ "key": foreign })), "[1].key must be the text of an API key that this user has"),
        (with(json!({ "key": "nonsense" })), "[1].key must be the text of an API key that this user has"),
        (with(json!({ "nonsense": 1 })), "nonsense"),
        (json!([lacking]), "zh-CN"),
        (json!(many), "at most 100"),
        (json!({}), "must be a JSON list"),
    ];
    let refused = cases.len();
    for (body, words) in cases {
        service.refused(&root, ROUTE, body, 400, words).await;
    }
    service.refused(&stranger, ROUTE, with(json!({})), 403, "MANAGE_AUDIT_LOG").await;
    let rows = rows(service.database(), Log::User, 1).await;
    assert_eq!(rows.len(), before + refused + 1, "a row for each refusal, and nothing else");
    assert!(rows[before..].iter().all(|row| row["status"] == "FAILED" && row["action"] == "createUserAuditLog"));
    let told = format!("{rows:?}");
    assert!(!told.contains(&key) && !told.contains(&foreign));
    assert_eq!(faults(&service, &[]).await, []);
}

/// What is kept for ever holds no key, even where the one who reports put it into a text.
#[tokio::test(flavor = "multi_thread")]
async fn keys_in_reported_texts_are_not_kept() {
    let service = Service::start().await;
    let root = service.root().await;
    let me = my_id(&service, &root).await;
    let (_, key) = service.mint(&root, "root's").await;
    let texts = json!({
        "action": key, "resource_type": key, "resource_id": key, "api_key_name": key,
        "message": { "en-US": format!("used {key}!"), "zh-CN": format!("使用了{key}") },
    });
    let made = service.done(&root, ROUTE, json!([report(&me, texts)])).await;
    assert_eq!((&made[0]["message"], &made[0]["action"]), (&json!("used [API key]!"), &json!("[API key]")));
    assert!(!format!("{:?}", rows(service.database(), Log::User, 1).await).contains(&key));
}
