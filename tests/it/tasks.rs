//! Tasks of other systems: written down, changed, and never worked on.

use std::time::Duration;

use keytower::domain::clock::iso;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::tasks::report;
use crate::support::{Answer, Service};

/// A service with the example; root's token and id.
async fn furnished() -> (Service, String, Value) {
    let service = Service::start().await;
    service.import_example().await;
    let token = service.root().await;
    let me = service.post_text("/v2/api/get-my-info", Some(&token), "").await.json();
    (service, token, me)
}

/// A body with other members; null takes one away.
fn with(body: &Value, members: Value) -> Value {
    let mut body = body.clone();
    for (name, value) in members.as_object().unwrap() {
        match value {
            Value::Null => drop(body.as_object_mut().unwrap().remove(name)),
            value => body[name] = value.clone(),
        }
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reported_task_is_shown_as_it_was_reported() {
    let (service, token, me) = furnished().await;
    let cluster = service.row(&token, "/get-clusters", json!({ "name": "north-a" })).await;
    let least = report(&me["id"]);
    let full = with(
        &least,
        json!({
            "id": "their own id", "api_key_name": "backup", "internal": true, "args": { "deep": { "list": [1, null] } },
            "key": "nightly", "cluster_id": cluster["id"], "finished_at": "2026-01-31T13:00:00+01:00",
            "started_at": "2026-01-31T11:00:00Z", "type": "BACKUP", "resource_id": "b-7", "snapshot": "{}",
            "status": "EXECUTING",
            "steps": [{ "key": "copy", "finished": true, "description": "Copy" }, { "key": "check", "finished": false }],
        }),
    );
    let made = service.done(&token, "/create-task", json!([full, least])).await;
    let step = |key: &str, finished: bool| json!({ "current": null, "finished": finished, "key": key, "per_second": null, "total": null, "unit": null });
    let mut expected = json!({
        "args": { "deep": { "list": [1, null] } }, "cluster": { "id": cluster["id"], "name": "north-a" },
        "description": "Back up db-01", "error_code": null, "error_message": null,
        "finished_at": "2026-01-31T12:00:00.000Z", "id": "their own id", "internal": true, "key": "nightly",
        "local_created_at": iso(service.app.clock.now()), "progress": 0.0, "resource_id": "b-7",
        "resource_mutation": "createBackup", "resource_rollback_error": null, "resource_rollback_retry_count": null,
        "resource_rollbacked": null, "resource_type": "Backup", "snapshot": "{}",
        "started_at": "2026-01-31T11:00:00.000Z", "status": "EXECUTING",
        "steps": [step("copy", true), step("check", false)], "type": "BACKUP",
        "user": { "id": me["id"], "name": me["name"] },
    });
    assert_eq!(made[0], expected);
    for (name, value) in [
        ("args", json!({})),
        ("snapshot", json!("")),
        ("steps", json!([])),
        ("internal", json!(false)),
        ("status", json!("PENDING")),
        ("id", made[1]["id"].clone()),
    ] {
        expected[name] = value;
    }
    for name in ["cluster", "finished_at", "key", "resource_id", "started_at", "type"] {
        expected[name] = Value::Null;
    }
    assert_eq!(made[1], expected);
    assert_eq!(uuid::Uuid::parse_str(made[1]["id"].as_str().unwrap()).unwrap().get_version_num(), 7);
    for task in &made {
        assert_eq!(&service.task(&token, task["id"].as_str().unwrap()).await, task);
    }
    // In the other language, in the answer to its making and in lists; it is found by its text in that language.
    let ask = async |path: &str, language: &str, body: Value| {
        let request = service.http.post(service.url(path)).header(AUTHORIZATION, &token);
        Answer::read(request.header("content-language", language).json(&body).send().await.unwrap()).await.json()
    };
    let made = ask("/v2/api/create-task", "zh-CN", json!([least])).await;
    assert_eq!(made[0]["data"]["description"], "备份 db-01");
    let found = ask("/v2/api/get-tasks", "zh-CN", json!({ "where": { "description_starts_with": "备份" } })).await;
    assert_eq!(found.as_array().unwrap().len(), 3);
    let conditions = json!({ "where": { "description_starts_with": "备份" }, "data": { "progress": 0.25 } });
    assert_eq!(ask("/v2/api/update-task", "zh-CN", conditions.clone()).await.as_array().unwrap().len(), 3);
    service.refused(&token, "/update-task", conditions, 404, "no Task matches").await;
    // The log tells of it, with the name of the key.
    let told = service
        .row(&token, "/get-user-audit-logs", json!({ "resource_id": "their own id", "action": "createTask" }))
        .await;
    assert_eq!(told["message"], "task their own id written down with API key backup");
    assert_eq!((&told["resource_type"], &told["cluster"]["name"]), (&json!("Task"), &json!("north-a")));
}

#[tokio::test(flavor = "multi_thread")]
async fn reported_tasks_are_changed_all_or_none() {
    let (service, token, me) = furnished().await;
    let ids = ["a", "b", "c"];
    let tasks: Vec<Value> = ids.iter().map(|id| with(&report(&me["id"]), json!({ "id": id }))).collect();
    let before = service.done(&token, "/create-task", json!(tasks)).await;
    let update = |conditions: Value, data: Value| json!({ "where": conditions, "data": data });
    let change = json!({
        "status": "EXECUTING", "progress": 0.5, "started_at": "2026-01-31T11:00:00.000Z", "args": { "a": 1 },
        "description": { "en-US": "Other", "zh-CN": "其他" }, "key": "k", "resource_id": "r", "snapshot": "s",
        "resource_mutation": "m", "resource_type": "t", "type": "SFS", "steps": [{ "key": "x", "finished": false }],
        "resource_rollback_retry_count": 2, "resource_rollback_error": "e", "resource_rollbacked": true,
    });
    let changed = service.done(&token, "/update-task", update(json!({ "id_in": ["a", "b"] }), change.clone())).await;
    assert_eq!(changed.iter().map(|task| &task["id"]).collect::<Vec<_>>(), ["a", "b"]);
    for task in &changed {
        for (name, value) in change.as_object().unwrap() {
            let shown = match name.as_str() {
                "description" => &json!("Other"),
                "steps" => {
                    &json!([{ "current": null, "finished": false, "key": "x", "per_second": null, "total": null, "unit": null }])
                }
                _ => value,
            };
            assert_eq!(&task[name], shown, "{name}");
        }
    }
    assert_eq!(service.task(&token, "c").await, before[2], "what does not match stays");
    // What is left out stays; nothing at all changes nothing.
    let same = service.done(&token, "/update-task", update(json!({ "id": "a" }), json!({}))).await;
    assert_eq!(same, changed[..1]);
    // A success is whole, and a failure has a text, which is not lost when it was told before.
    let state = async |id: &str, data: Value| {
        let done = service.done(&token, "/update-task", update(json!({ "id": id }), data)).await;
        ["status", "progress", "error_message", "error_code"].map(|name| done[0][name].clone())
    };
    let null = || Value::Null;
    assert_eq!(state("a", json!({ "status": "SUCCESSED" })).await, [json!("SUCCESSED"), json!(1.0), null(), null()]);
    assert_eq!(
        state("b", json!({ "status": "FAILED" })).await,
        [json!("FAILED"), json!(0.5), json!("no reason was given"), null()]
    );
    let disk = json!({ "error_message": "disk", "error_code": "DISK" });
    assert_eq!(state("c", disk).await, [json!("PENDING"), json!(0.0), json!("disk"), json!("DISK")]);
    assert_eq!(
        state("c", json!({ "status": "FAILED" })).await,
        [json!("FAILED"), json!(0.0), json!("disk"), json!("DISK")]
    );
    let rows = service.rows("tasks").await;
    service.refused(&token, "/update-task", update(json!({ "id": "d" }), json!({})), 404, "no Task matches").await;
    // One of keytower's own among them, and nothing changes.
    let (own, _) = service.power(&token, "/shutdown-vm", json!({ "name": "db-01" })).await;
    for conditions in [json!({}), json!({ "id": own[0] })] {
        let body = update(conditions, json!({ "status": "SUCCESSED" }));
        service.refused(&token, "/update-task", body, 400, &format!("task {} is keytower's own", own[0])).await;
    }
    service.finish_tasks().await;
    let body = update(json!({ "id": own[0] }), json!({ "error_message": "no" }));
    service.refused(&token, "/update-task", body, 400, "keytower's own").await;
    let left: Vec<Value> = service.rows("tasks").await.into_iter().filter(|row| row["id"] != json!(own[0])).collect();
    assert_eq!(left, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_by_name_and_leaves_nothing() {
    let (service, token, me) = furnished().await;
    let least = report(&me["id"]);
    service.done(&token, "/create-task", json!([with(&least, json!({ "id": "taken" }))])).await;
    let before = service.rows("tasks").await;
    let both = |en: Value, zh: Value| json!({ "description": { "en-US": en, "zh-CN": zh } });
    // Wrong in a new task and in a change alike.
    let shared = [
        (json!({ "user_id": "nobody" }), "user_id \"nobody\" is no user's"),
        (json!({ "user_id": "a\0" }), "user_id"),
        (json!({ "user_id": 5 }), "user_id"),
        (json!({ "cluster_id": "nowhere" }), "cluster_id \"nowhere\" is no cluster's"),
        (json!({ "description": "text" }), "description"),
        (json!({ "description": { "en-US": "only one" } }), "zh-CN"),
        (json!({ "description": { "zh-CN": "only one" } }), "en-US"),
        (both(json!("a\0"), json!("b")), "description must not contain NUL"),
        (both(json!("a"), json!("b\0")), "description must not contain NUL"),
        (both(json!("x".repeat(10_001)), json!("b")), "description must have at most"),
        (json!({ "resource_mutation": "" }), "resource_mutation must not be empty"),
        (json!({ "resource_type": "" }), "resource_type must not be empty"),
        (json!({ "resource_type": "t\0" }), "resource_type"),
        (json!({ "status": "SUCCEEDED" }), "status must be one of EXECUTING, FAILED, PAUSED, PENDING, SUCCESSED"),
        (json!({ "status": "" }), "status"),
        (json!({ "type": "VM" }), "type must be one of APPLICATION"),
        (json!({ "started_at": "yesterday" }), "started_at: must be a time such as"),
        (json!({ "finished_at": "2026-02-30T00:00:00Z" }), "finished_at: must be a time such as"),
        (json!({ "finished_at": 1_700_000_000 }), "finished_at"),
        (json!({ "args": [] }), "args"),
        (json!({ "args": { "a": "x".repeat(10_001) } }), "args must have at most"),
        (json!({ "steps": [{ "key": "a" }] }), "steps[0]: missing field `finished`"),
        (json!({ "steps": [{ "key": "", "finished": true }] }), "steps.key must not be empty"),
        (json!({ "steps": [{ "key": "a", "finished": true, "unit": "BIT" }] }), "unit"),
        (json!({ "steps": vec![json!({ "key": "a", "finished": true }); 1001] }), "steps must be at most 1000"),
        (json!({ "key": "k".repeat(256) }), "key must have at most 255"),
        (json!({ "snapshot": "s\0" }), "snapshot must not contain NUL"),
        (json!({ "due_at": "2026-01-31T12:00:00.000Z" }), "due_at"),
        (json!({ "local_created_at": "2026-01-31T12:00:00.000Z" }), "local_created_at"),
        (json!({ "username": "x" }), "username"),
    ];
    for (members, word) in &shared {
        let wrong = with(&least, members.clone());
        // The one before it is good, and is not kept either.
        service.refused(&token, "/create-task", json!([least, wrong]), 400, word).await;
        let answer = service.rest(&token, "/create-task", json!([least, wrong])).await;
        assert!(answer.json()["message"].as_str().unwrap().starts_with("[1]"), "{answer:?}");
        let change = json!({ "where": { "id": "taken" }, "data": members });
        service.refused(&token, "/update-task", change, 400, word).await;
    }
    for (members, word) in [
        (json!({ "user_id": null }), "user_id"),
        (json!({ "description": null }), "description"),
        (json!({ "resource_mutation": null }), "resource_mutation"),
        (json!({ "resource_type": null }), "resource_type"),
        (json!({ "id": "" }), "id must not be empty"),
        (json!({ "id": "a\0" }), "id must not contain NUL"),
        (json!({ "id": "i".repeat(256) }), "id must have at most 255"),
        (json!({ "id": "taken" }), "id \"taken\" is another task's"),
        (json!({ "api_key_name": "" }), "api_key_name"),
        (json!({ "internal": "yes" }), "internal"),
        (json!({ "progress": 0.5 }), "progress"),
    ] {
        service.refused(&token, "/create-task", json!([with(&least, members)]), 400, word).await;
    }
    let twice = with(&least, json!({ "id": "twice" }));
    service.refused(&token, "/create-task", json!([twice, twice]), 400, "[1].id \"twice\" is another task's").await;
    service.refused(&token, "/create-task", json!(vec![least.clone(); 101]), 400, "at most 100").await;
    for (data, word) in [
        (json!({ "progress": 1.1 }), "data.progress must be a number from 0 to 1"),
        (json!({ "progress": -0.1 }), "data.progress"),
        (json!({ "progress": "0.5" }), "data.progress"),
        (json!({ "progress": null }), "data.progress"),
        (json!({ "status": null }), "data.status"),
        (json!({ "finished_at": null }), "data.finished_at"),
        (json!({ "error_message": null }), "data.error_message"),
        (json!({ "error_message": "a\0" }), "data.error_message must not contain NUL"),
        (json!({ "resource_rollback_retry_count": -1 }), "data.resource_rollback_retry_count"),
        (json!({ "resource_rollback_retry_count": 1.5 }), "data.resource_rollback_retry_count"),
        (json!({ "id": "other" }), "id"),
        (json!({ "api_key_name": "x" }), "api_key_name"),
    ] {
        service.refused(&token, "/update-task", json!({ "where": { "id": "taken" }, "data": data }), 400, word).await;
    }
    for (body, word) in [
        (json!({ "data": {} }), "where"),
        (json!({ "where": null, "data": {} }), "where"),
        (json!({ "where": {} }), "data"),
        (json!({ "where": { "due_at": "x" }, "data": {} }), "where.due_at"),
    ] {
        service.refused(&token, "/update-task", body, 400, word).await;
    }
    assert_eq!(service.rows("tasks").await, before);
}

/// Whatever a task of another system looks like, the worker leaves it and its VM alone.
#[tokio::test(flavor = "multi_thread")]
async fn reported_tasks_are_never_worked_on() {
    let (service, token, me) = furnished().await;
    let vm = service.vm(&token, "db-01").await;
    let like = |status: &str| {
        let members = json!({
            "resource_mutation": "shutDownVm", "resource_type": "Vm", "resource_id": vm["id"], "status": status,
            "started_at": "2020-01-01T00:00:00.000Z", "snapshot": "{\"typename\":\"Vm\"}",
        });
        with(&report(&me["id"]), members)
    };
    service.done(&token, "/create-task", json!([like("PENDING"), like("EXECUTING"), like("PAUSED")])).await;
    let before = (service.rows("tasks").await, service.rows("vms").await);
    service.work().await;
    service.clock.advance(Duration::from_secs(86_400 * 400));
    service.work().await;
    assert_eq!((service.rows("tasks").await, service.rows("vms").await), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_tasks_with_one_id_one_is_kept() {
    let (service, token, me) = furnished().await;
    let mut calls = JoinSet::new();
    for at in 0..16 {
        let body = json!([with(&report(&me["id"]), json!({ "id": "one", "key": format!("{at}") }))]);
        let request = service.http.post(service.url("/v2/api/create-task")).header(AUTHORIZATION, &token).json(&body);
        calls.spawn(async move { Answer::read(request.send().await.unwrap()).await });
    }
    let answers = calls.join_all().await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(made.len(), 1, "{made:?}");
    assert!(refused.iter().all(|answer| answer.status == 400 && answer.text.contains("another task's")), "{refused:?}");
    assert_eq!(service.rows("tasks").await.len(), 1);
}
