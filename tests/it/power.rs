//! Switching VMs: each operation through its task to its end, what is refused, where VMs start, and what becomes of a task whose VM
//! changes under it. `power_nodes` goes on with races, several nodes and `kill -9`.

use std::time::Duration;

use keytower::domain::caller::Caller;
use keytower::domain::clock::iso;
use keytower::domain::entity::enums::VM_STATUS;
use keytower::domain::power::Power;
use keytower::service::inventory;
use serde_json::{Value, json};

use crate::support::check::clean;
use crate::support::tasks::report;
use crate::support::{Answer, ROOT_PASSWORD, Service, pass};

/// A service with the example, and root's token.
pub(crate) async fn furnished() -> (Service, String) {
    let service = Service::start().await;
    service.import_example().await;
    let token = service.root().await;
    (service, token)
}

/// Asserts the refusal of a change that others hold back.
pub(crate) fn locked(answer: &Answer, path: &str, vms: &[&Value]) {
    clean(answer);
    let names: Vec<String> = vms.iter().map(|vm| format!("[VM-{}]", vm["id"].as_str().unwrap())).collect();
    let resources: Vec<Value> = vms.iter().map(|vm| json!({ "id": vm["id"], "type": "VM" })).collect();
    let expected = json!({
        "path": path, "status": 400, "message": format!("Resource {} locked", names.join(", ")),
        "code": "ResourceLocked", "props": { "locked_resources": resources },
    });
    assert_eq!((answer.status, answer.json()), (400, expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_holds_its_vm_until_its_task_ends() {
    let (service, token) = furnished().await;
    let me = service.post_text("/v2/api/get-my-info", Some(&token), "").await.json();
    for (route, name, from, to, mutation, description) in [
        ("/start-vm", "web-03", "STOPPED", "RUNNING", "startVm", "Start VM web-03"),
        ("/shutdown-vm", "db-01", "RUNNING", "STOPPED", "shutDownVm", "Shut down VM db-01"),
        ("/poweroff-vm", "db-02", "RUNNING", "STOPPED", "poweroffVm", "Power off VM db-02"),
        ("/poweroff-vm", "ci-runner-03", "SUSPENDED", "STOPPED", "poweroffVm", "Power off VM ci-runner-03"),
        ("/restart-vm", "web-01", "RUNNING", "RUNNING", "restartVm", "Restart VM web-01"),
        ("/force-restart-vm", "web-02", "RUNNING", "RUNNING", "forceRestartVm", "Force restart VM web-02"),
        ("/suspend-vm", "lb-01", "RUNNING", "SUSPENDED", "suspendVm", "Suspend VM lb-01"),
        ("/resume-vm", "db-12", "SUSPENDED", "RUNNING", "resumeVm", "Resume VM db-12"),
    ] {
        let mut before = service.vm(&token, name).await;
        assert_eq!(before["status"], from, "{name}");
        let created = iso(service.app.clock.now());
        let (tasks, vms) = service.power(&token, route, json!({ "name": name })).await;
        // The answer is the VM as it was, but held; and so it is read from now on.
        before["entityAsyncStatus"] = json!("UPDATING");
        assert_eq!((tasks.len(), &vms), (1, &vec![before.clone()]), "{route}");
        assert_eq!(service.vm(&token, name).await, before);
        let mut task = json!({
            "args": if mutation == "startVm" { json!({ "host_id": before["host"]["id"] }) } else { json!({}) },
            "cluster": before["cluster"], "description": description, "error_code": null, "error_message": null,
            "finished_at": null, "id": tasks[0], "internal": false, "key": null, "local_created_at": created,
            "progress": 0.0, "resource_id": before["id"], "resource_mutation": mutation,
            "resource_rollback_error": null, "resource_rollback_retry_count": null, "resource_rollbacked": null,
            "resource_type": "Vm", "snapshot": "{\"typename\":\"Vm\"}", "started_at": null, "status": "PENDING",
            "steps": [], "type": null, "user": { "id": me["id"], "name": me["name"] },
        });
        assert_eq!(service.task(&token, &tasks[0]).await, task, "{route}");
        service.clock.advance(Duration::from_millis(400));
        let begun = iso(service.app.clock.now());
        service.work().await;
        (task["status"], task["started_at"]) = (json!("EXECUTING"), json!(begun));
        assert_eq!(service.task(&token, &tasks[0]).await, task, "{route}");
        for other in Power::ALL {
            let body = json!({ "where": { "name": name } });
            let refused = service.rest(&token, other.route().0, body).await;
            locked(&refused, other.route().0, &[&before]);
        }
        service.clock.advance(Duration::from_millis(599));
        service.work().await;
        assert_eq!(service.task(&token, &tasks[0]).await, task, "{route} ended early");
        service.clock.advance(Duration::from_millis(1));
        let ended = iso(service.app.clock.now());
        service.work().await;
        (task["status"], task["finished_at"], task["progress"]) = (json!("SUCCESSED"), json!(ended), json!(1.0));
        assert_eq!(service.task(&token, &tasks[0]).await, task, "{route}");
        (before["status"], before["entityAsyncStatus"]) = (json!(to), Value::Null);
        if to == "STOPPED" {
            before["last_shutdown_time"] = json!(ended);
        }
        assert_eq!(service.vm(&token, name).await, before, "{route}");
        // The request and its end stand in the log, both by whom it was asked for.
        let trace = json!({ "where": { "resource_id": before["id"] }, "orderBy": "createdAt_DESC", "first": 2 });
        let trace = service.rest(&token, "/get-user-audit-logs", trace).await.json();
        for (row, at, message) in [
            (&trace[0], (&begun, &ended), format!("{description}: done")),
            (&trace[1], (&created, &created), format!("{description}: task {}", tasks[0])),
        ] {
            assert_eq!((&row["action"], &row["message"]), (&json!(mutation), &json!(message)));
            assert_eq!((&row["status"], &row["user"]["id"]), (&json!("SUCCESSED"), &me["id"]));
            assert_eq!((&row["resource_type"], &row["cluster"]), (&json!("Vm"), &before["cluster"]));
            assert_eq!((&row["started_at"], &row["finished_at"]), (&json!(at.0), &json!(at.1)));
        }
    }
    service.work().await;
    assert_eq!(service.rows("tasks").await.len(), 8);
}

/// What an operation leaves of a VM in each state, the recycle bin included.
#[tokio::test(flavor = "multi_thread")]
async fn an_operation_goes_from_its_states_and_from_no_others() {
    let (service, token) = furnished().await;
    let vm = service.vm(&token, "web-01").await;
    let (id, mut accepted) = (vm["id"].as_str().unwrap(), 0);
    for status in VM_STATUS.values {
        for bin in [false, true] {
            for power in Power::ALL {
                let bin_value = if bin { "TRUE" } else { "FALSE" };
                service
                    .tamper(&format!(
                        "UPDATE vms SET status = '{status}', in_recycle_bin = {bin_value} WHERE id = '{id}'"
                    ))
                    .await;
                let (route, body) = (power.route().0, json!({ "where": { "id": id } }));
                if power.from().contains(status) && !bin {
                    service.power(&token, route, json!({ "id": id })).await;
                    service.finish_tasks().await;
                    assert_eq!(service.vm(&token, "web-01").await["status"], power.to(), "{route} {status}");
                    accepted += 1;
                } else {
                    let stands =
                        if bin { "is in the recycle bin" } else { &format!("is {status}: {route} is allowed for") };
                    service.refused(&token, route, body, 400, &format!("VM web-01 ({id}) {stands}")).await;
                }
            }
        }
    }
    assert_eq!((accepted, service.rows("tasks").await.len()), (8, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_match_are_switched_or_none() {
    let (service, token) = furnished().await;
    let rows = async || (service.rows("vms").await, service.rows("tasks").await, service.rows("hosts").await);
    let running = json!({ "status": "RUNNING", "cluster": { "name": "north-a" } });
    let vms = service.rest(&token, "/get-vms", json!({ "where": running })).await.json();
    let vms = vms.as_array().unwrap();
    assert_eq!(vms.len(), 8);
    let before = rows().await;
    // None matches; one of all can't go; what is asked for is of the wrong shape.
    let none = json!({ "where": { "name": "nobody" } });
    service.refused(&token, "/shutdown-vm", none, 404, "no Vm matches").await;
    let north = json!({ "where": { "cluster": { "name": "north-a" } } });
    service.refused(&token, "/shutdown-vm", north, 400, "is ").await;
    service.refused(&token, "/shutdown-vm", json!({ "where": {} }), 400, "is ").await;
    for (body, word) in [
        (json!({}), "where"),
        (json!({ "where": null }), "where"),
        (json!({ "where": [] }), "where"),
        (json!({ "where": { "bogus": 1 } }), "where.bogus"),
        (json!({ "where": { "id": "a\0" } }), "NUL"),
        (json!({ "where": {}, "data": {} }), "data"),
        (json!({ "where": {}, "effect": {} }), "effect"),
    ] {
        service.refused(&token, "/shutdown-vm", body, 400, word).await;
    }
    for (data, word) in [
        (json!({}), "host_id"),
        (json!({ "host_id": null }), "host_id"),
        (json!([]), "data"),
        (json!({ "host_id": "a", "more": 1 }), "more"),
    ] {
        service.refused(&token, "/start-vm", json!({ "where": {}, "data": data }), 400, word).await;
    }
    assert_eq!(rows().await, before);
    // All of them, each with a task of its own.
    let (tasks, answered) = service.power(&token, "/shutdown-vm", running.clone()).await;
    assert_eq!(tasks.iter().collect::<std::collections::BTreeSet<_>>().len(), 8);
    assert!(answered.iter().zip(vms).all(|(after, before)| after["id"] == before["id"]));
    // Every one that is held is named, and the others stay as they are.
    let before = rows().await;
    let mixed = json!({ "where": { "status": "RUNNING" } });
    locked(&service.rest(&token, "/suspend-vm", mixed).await, "/suspend-vm", &vms.iter().collect::<Vec<_>>());
    assert_eq!(rows().await, before);
    service.finish_tasks().await;
    let left = service.rest(&token, "/get-vms-connection", json!({ "where": running })).await.json();
    assert_eq!(left["aggregate"]["count"], 0);
    let ended = json!({ "where": { "id_in": tasks, "status": "SUCCESSED" } });
    assert_eq!(service.rest(&token, "/get-tasks-connection", ended).await.json()["aggregate"]["count"], 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_starts_where_it_can() {
    let (service, token) = furnished().await;
    let host = async |name: &str| service.row(&token, "/get-hosts", json!({ "name": name })).await;
    let start = |vm: &str, host: &Value| json!({ "where": { "name": vm }, "data": { "host_id": host } });
    for (id, word) in [
        (json!("nowhere"), "data.host_id \"nowhere\" is no host's"),
        (json!("a\0b"), "is no host's"),
        (host("north-arm-node1").await["id"].clone(), "is not in the cluster of VM mail-01"),
        (host("north-a-node3").await["id"].clone(), "MAINTENANCE_MODE"),
        (host("north-a-node4").await["id"].clone(), "CONNECTED_ERROR"),
    ] {
        service.refused(&token, "/start-vm", start("mail-01", &id), 400, word).await;
    }
    assert_eq!(service.rows("tasks").await.len(), 0);
    // On the host that was asked for, even if it is on another.
    let node1 = host("north-a-node1").await;
    for name in ["mail-01", "web-03"] {
        service.power_with(&token, "/start-vm", start(name, &node1["id"])).await;
        service.finish_tasks().await;
        let vm = service.vm(&token, name).await;
        assert_eq!(
            (&vm["status"], &vm["host"]["id"], &vm["node_ip"]),
            (&json!("RUNNING"), &node1["id"], &json!("192.0.2.11"))
        );
    }
    // Left to itself it takes the host that runs the fewest; of several at once, each counts for the next.
    let hosts =
        service.rest(&token, "/get-hosts", json!({ "where": { "cluster": { "name": "north-arm" } } })).await.json();
    let quiet = hosts.as_array().unwrap().iter().find(|host| host["name"] == "north-arm-node3").unwrap();
    service.power(&token, "/start-vm", json!({ "name": "ci-runner-04" })).await;
    service.finish_tasks().await;
    assert_eq!(service.vm(&token, "ci-runner-04").await["host"]["id"], quiet["id"]);
    // A host that is full of trouble is left, and without another one there is no start.
    service.power(&token, "/shutdown-vm", json!({ "name": "ci-runner-04" })).await;
    service.finish_tasks().await;
    service.tamper("UPDATE hosts SET status = 'SESSION_EXPIRED' WHERE name = 'north-arm-node3'").await;
    service.power(&token, "/start-vm", json!({ "name": "ci-runner-04" })).await;
    service.finish_tasks().await;
    let moved = service.vm(&token, "ci-runner-04").await;
    assert_eq!((&moved["status"], moved["host"]["id"] == quiet["id"]), (&json!("RUNNING"), false));
    service.power(&token, "/poweroff-vm", json!({ "name": "ci-runner-04" })).await;
    service.finish_tasks().await;
    service.tamper("UPDATE hosts SET state = 'REMOVING'").await;
    let body = json!({ "where": { "name": "ci-runner-04" } });
    service.refused(&token, "/start-vm", body, 400, "no host of the cluster of VM ci-runner-04").await;
    // Where no host is known at all, there is nothing to choose.
    service.tamper("UPDATE hosts SET cluster_id = (SELECT MIN(id) FROM clusters WHERE name = 'north-a')").await;
    service.power(&token, "/start-vm", json!({ "name": "ci-runner-04" })).await;
    service.finish_tasks().await;
    assert_eq!(service.vm(&token, "ci-runner-04").await["status"], "RUNNING");
}

/// The numbers of VMs that a cluster and a host show.
async fn numbers(service: &Service, token: &str, route: &str, name: &str) -> [i64; 4] {
    let row = service.row(token, route, json!({ "name": name })).await;
    ["running_vm_num", "stopped_vm_num", "suspended_vm_num", "vm_num"].map(|number| row[number].as_i64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_and_hosts_count_along() {
    let (service, token) = furnished().await;
    let all = async || {
        let cluster = numbers(&service, &token, "/get-clusters", "north-a").await;
        let [one, two] = ["north-a-node1", "north-a-node2"].map(|name| numbers(&service, &token, "/get-hosts", name));
        (cluster, one.await, two.await)
    };
    let (cluster, one, two) = all().await;
    let node1 = service.row(&token, "/get-hosts", json!({ "name": "north-a-node1" })).await["id"].clone();
    let body = json!({ "where": { "name": "web-03" }, "data": { "host_id": node1 } });
    service.power_with(&token, "/start-vm", body).await;
    service.power(&token, "/suspend-vm", json!({ "name": "web-01" })).await;
    service.power(&token, "/restart-vm", json!({ "name": "web-02" })).await;
    assert_eq!(all().await, (cluster, one, two), "nothing has ended yet");
    service.finish_tasks().await;
    // web-03 came from node 2 to node 1 and runs; web-01 on node 1 is suspended; web-02 is where it was.
    let plus = |numbers: [i64; 4], by: [i64; 4]| std::array::from_fn(|at| numbers[at] + by[at]);
    let expected = (plus(cluster, [0, -1, 1, 0]), plus(one, [0, 0, 1, 1]), plus(two, [0, -1, 0, -1]));
    assert_eq!(all().await, expected);
    // What is not counted stays so, and no number leaves its range.
    service.tamper("UPDATE clusters SET running_vm_num = NULL, stopped_vm_num = 2147483647").await;
    service.tamper("UPDATE hosts SET running_vm_num = 0, stopped_vm_num = -5").await;
    service.power(&token, "/poweroff-vm", json!({ "name": "db-01" })).await;
    service.finish_tasks().await;
    let cluster = service.row(&token, "/get-clusters", json!({ "name": "north-a" })).await;
    assert_eq!((&cluster["running_vm_num"], &cluster["stopped_vm_num"]), (&Value::Null, &json!(i32::MAX)));
    assert_eq!(numbers(&service, &token, "/get-hosts", "north-a-node1").await[..2], [0, -5]);
    assert_eq!(service.vm(&token, "db-01").await["status"], "STOPPED");
}

/// What happens under a task decides at its end: it fails, says why in both languages, and lets go of the VM.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_vm_or_host_has_changed_fails() {
    let (service, token) = furnished().await;
    for (name, route, change, code, message, message_zh) in [
        ("web-03", "/start-vm", "DELETE FROM vms WHERE name = 'web-03'", "VM_NOT_FOUND", "there is no VM", "已不存在"),
        (
            "db-01",
            "/shutdown-vm",
            "UPDATE vms SET status = 'UNKNOWN' WHERE name = 'db-01'",
            "VM_STATE_CHANGED",
            "is UNKNOWN: /shutdown-vm is allowed for RUNNING",
            "状态为 UNKNOWN",
        ),
        (
            "db-02",
            "/suspend-vm",
            "UPDATE vms SET in_recycle_bin = TRUE WHERE name = 'db-02'",
            "VM_STATE_CHANGED",
            "recycle bin",
            "回收站",
        ),
        (
            "mail-01",
            "/start-vm",
            "UPDATE hosts SET status = 'CONNECTED_ERROR' WHERE name LIKE 'north-a-%'",
            "HOST_UNAVAILABLE",
            "takes no VMs: it is CONNECTED_ERROR",
            "不接受虚拟机",
        ),
        (
            "ci-runner-04",
            "/start-vm",
            "UPDATE vms SET cluster_id = NULL WHERE name = 'ci-runner-04'",
            "HOST_UNAVAILABLE",
            "is not in the cluster",
            "不在虚拟机",
        ),
        (
            "win-rdp-01",
            "/start-vm",
            "DELETE FROM hosts WHERE name LIKE 'south-%'",
            "HOST_UNAVAILABLE",
            "there is no host",
            "已不存在",
        ),
    ] {
        let before = service.vm(&token, name).await;
        let (tasks, _) = service.power(&token, route, json!({ "name": name })).await;
        service.work().await;
        service.tamper(change).await;
        service.clock.advance(Duration::from_secs(1));
        service.work().await;
        let task = service.task(&token, &tasks[0]).await;
        assert_eq!((&task["status"], &task["error_code"]), (&json!("FAILED"), &json!(code)), "{task}");
        assert_eq!(task["finished_at"], iso(service.app.clock.now()));
        let english = task["error_message"].as_str().unwrap();
        assert!(english.contains(message), "{english}");
        let chinese = service
            .http
            .post(service.url("/v2/api/get-tasks"))
            .header("Authorization", &token)
            .header("content-language", "zh-CN")
            .json(&json!({ "where": { "id": tasks[0] } }));
        let chinese = Answer::read(chinese.send().await.unwrap()).await.json();
        assert!(chinese[0]["error_message"].as_str().unwrap().contains(message_zh), "{chinese}");
        let last = json!({ "where": { "resource_id": before["id"] }, "orderBy": "createdAt_DESC", "first": 1 });
        let last = service.rest(&token, "/get-user-audit-logs", last).await.json();
        assert_eq!((&last[0]["status"], &last[0]["username"]), (&json!("FAILED"), &json!("root")));
        assert!(last[0]["message"].as_str().unwrap().ends_with(english), "{last}");
        if code != "VM_NOT_FOUND" {
            let after = service.vm(&token, name).await;
            assert_eq!(after["entityAsyncStatus"], Value::Null, "{name} is held for ever");
            assert_ne!(after["status"], if route == "/start-vm" { "RUNNING" } else { "STOPPED" });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_changes_a_held_vm_and_does_not_free_it() {
    let (service, token) = furnished().await;
    let example: Value = serde_json::from_str(include_str!("../../examples/inventory.json")).unwrap();
    let import = async |names: &[(&str, &str)]| {
        let mut vms = example["vms"].as_array().unwrap().clone();
        vms.retain(|vm| names.iter().any(|(name, _)| vm["name"] == *name));
        for vm in &mut vms {
            vm["status"] = json!(names.iter().find(|(name, _)| vm["name"] == *name).unwrap().1);
            vm["description"] = json!("imported");
        }
        let text = json!({ "vms": vms }).to_string();
        inventory::import(&service.app, &pass(&Caller::operator()), &text, |_| {}).await.unwrap();
    };
    let (tasks, _) = service.power(&token, "/shutdown-vm", json!({ "name_in": ["db-01", "db-02"] })).await;
    // The same state for one, another for the other; a third is not held, and is not held afterwards.
    let waiting = [("db-01", "RUNNING"), ("db-02", "SUSPENDED"), ("web-01", "RUNNING")];
    for begun in [false, true] {
        import(&waiting).await;
        for (name, held) in [("db-01", json!("UPDATING")), ("db-02", json!("UPDATING")), ("web-01", Value::Null)] {
            let vm = service.vm(&token, name).await;
            assert_eq!((&vm["entityAsyncStatus"], &vm["description"]), (&held, &json!("imported")), "{name} {begun}");
        }
        let held = service.vm(&token, "db-01").await;
        let again = service.rest(&token, "/poweroff-vm", json!({ "where": { "name": "db-01" } })).await;
        locked(&again, "/poweroff-vm", &[&held]);
        service.work().await;
    }
    service.clock.advance(Duration::from_secs(1));
    service.work().await;
    for (name, status, ended) in [("db-01", "STOPPED", "SUCCESSED"), ("db-02", "SUSPENDED", "FAILED")] {
        let vm = service.vm(&token, name).await;
        assert_eq!((&vm["status"], &vm["entityAsyncStatus"]), (&json!(status), &Value::Null), "{name}");
        let task = json!({ "id_in": tasks, "resource_id": vm["id"] });
        assert_eq!(service.row(&token, "/get-tasks", task).await["status"], ended, "{name}");
    }
    // What has ended holds nothing any more.
    import(&waiting).await;
    assert_eq!(service.vm(&token, "db-01").await["entityAsyncStatus"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_is_named_at_the_end_even_when_they_are_gone() {
    let (service, root) = furnished().await;
    let (name, token) = service.user("ADMIN").await;
    let (id, key) = service.mint(&token, "night shift").await;
    let (tasks, _) = service.power(&key, "/shutdown-vm", json!({ "name": "db-01" })).await;
    let vm = service.vm(&root, "db-01").await;
    assert_eq!(service.task(&root, &tasks[0]).await["user"]["name"], name);
    service.delete_user(&name).await;
    service.finish_tasks().await;
    assert_eq!(service.task(&root, &tasks[0]).await["status"], "SUCCESSED");
    let query =
        "query($id: String) { userAuditLogs(where: { resource_id: $id }) { username credential status user { id } } }";
    let trace = service.graphql(Some(&root), query, json!({ "id": vm["id"] })).await.json();
    let row = json!({
        "username": name, "credential": format!("API key night shift ({id})"), "status": "SUCCESSED", "user": null,
    });
    assert_eq!(trace["data"]["userAuditLogs"], json!([row, row]));
    // A user without the action starts no task.
    let (_, reader) = service.user("READ_ONLY").await;
    let body = json!({ "where": { "name": "db-02" } });
    service.refused(&reader, "/shutdown-vm", body, 403, "VM_OPERATION_VM_POWER").await;
    assert_eq!(service.rows("tasks").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_time_a_task_ends_when_it_is_noticed() {
    let database = std::sync::Arc::new(crate::support::Database::new().await);
    let service = Service::start_with(database, &[("power_time", "0")]).await;
    service.import_example().await;
    let token = service.root().await;
    let (tasks, _) = service.power(&token, "/suspend-vm", json!({ "status": "RUNNING" })).await;
    assert_eq!(tasks.len(), 19);
    service.work().await;
    let ended = json!({ "where": { "status": "SUCCESSED", "progress": 1 } });
    assert_eq!(service.rest(&token, "/get-tasks-connection", ended).await.json()["aggregate"]["count"], 19);
    // Nothing is left to do, and nothing is written.
    let logs = service.rows("system_audit_logs").await.len();
    service.work().await;
    assert_eq!(service.rows("system_audit_logs").await.len(), logs);
}

/// In front of another keytower the one behind switches and tells how far it is; here nothing changes but the log.
#[tokio::test(flavor = "multi_thread")]
async fn in_front_of_an_upstream_the_upstream_switches() {
    let (behind, there) = furnished().await;
    let database = std::sync::Arc::new(crate::support::Database::new().await);
    let url = behind.url("");
    let upstream = [("upstream_url", &*url), ("upstream_username", "root"), ("upstream_password", ROOT_PASSWORD)];
    let front = Service::start_with(database, &upstream).await;
    front.import_example().await;
    let token = front.root().await;
    let (_, key) = front.mint(&token, "through").await;
    for power in Power::ALL {
        let body = json!({ "where": { "name": "nobody" } });
        front.refused(&key, power.route().0, body, 404, "no Vm matches").await;
    }
    let (tasks, _) = front.power(&key, "/shutdown-vm", json!({ "name": "db-01" })).await;
    assert_eq!(front.task(&key, &tasks[0]).await, behind.task(&there, &tasks[0]).await);
    behind.finish_tasks().await;
    front.finish_tasks().await;
    assert_eq!(front.vm(&key, "db-01").await["status"], "STOPPED");
    assert_eq!(front.rows("tasks").await.len(), 0);
    let own = front.rows("vms").await;
    assert!(own.iter().any(|vm| vm["name"] == "db-01" && vm["status"] == "RUNNING"), "the local record changed");
    let me = behind.post_text("/v2/api/get-my-info", Some(&there), "").await.json();
    front.done(&token, "/create-task", json!([report(&me["id"])])).await;
    assert_eq!((front.rows("tasks").await.len(), behind.rows("tasks").await.len()), (0, 2));
    // What is not allowed here is not even asked there.
    let (_, reader) = front.user("READ_ONLY").await;
    let body = json!({ "where": { "name": "db-02" } });
    front.refused(&reader, "/shutdown-vm", body, 403, "VM_OPERATION_VM_POWER").await;
    assert_eq!(behind.rows("tasks").await.len(), 2);
}
