//! Switching VMs at once, from several nodes, and under `kill -9`: one request wins, and each task ends exactly once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keytower::domain::power::Power;
use keytower::service::inventory::tasks;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::power::{furnished, locked};
use crate::support::node::{self, borrowed, settings};
use crate::support::random::Random;
use crate::support::trail::faults;
use crate::support::{Answer, Database, Node, Peer, Service};

/// A net under what never ends; no test waits for it to strike.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_for_one_vm_one_wins() {
    let (service, token) = furnished().await;
    for round in 0..6 {
        let vm = service.vm(&token, "db-01").await;
        let running = vm["status"] == "RUNNING";
        let routes: &[&str] =
            if running { &["/shutdown-vm", "/poweroff-vm", "/restart-vm", "/suspend-vm"] } else { &["/start-vm"] };
        let mut calls = JoinSet::new();
        for at in 0..16 {
            let route = if vm["status"] == "SUSPENDED" { "/resume-vm" } else { routes[at % routes.len()] };
            let url = service.url(&format!("/v2/api{route}"));
            let request = service.http.post(url).header(AUTHORIZATION, &token);
            let request = request.json(&json!({ "where": { "name": "db-01" } }));
            calls.spawn(async move { (route, Answer::read(request.send().await.unwrap()).await) });
        }
        let (won, lost): (Vec<_>, Vec<_>) =
            calls.join_all().await.into_iter().partition(|(_, answer)| answer.status == 200);
        assert_eq!(won.len(), 1, "round {round}: {won:?}");
        lost.iter().for_each(|(route, answer)| locked(answer, route, &[&vm]));
        assert_eq!(service.rows("tasks").await.len(), round + 1);
        service.finish_tasks().await;
        assert_eq!(service.vm(&token, "db-01").await["entityAsyncStatus"], Value::Null);
    }
}

/// Requests for many VMs that overlap: each takes all of its own, or none, and nobody waits for ever.
#[tokio::test(flavor = "multi_thread")]
async fn overlapping_requests_take_all_or_nothing() {
    let (service, token) = furnished().await;
    let vms = service.rest(&token, "/get-vms", json!({ "where": { "status": "RUNNING" } })).await.json();
    let ids: Vec<&Value> = vms.as_array().unwrap().iter().map(|vm| &vm["id"]).collect();
    let mut calls = JoinSet::new();
    for at in 0..12 {
        let some: Vec<&&Value> = ids.iter().cycle().skip(at).take(5).collect();
        let request = service.http.post(service.url("/v2/api/restart-vm")).header(AUTHORIZATION, &token);
        let request = request.json(&json!({ "where": { "id_in": some } }));
        calls.spawn(async move { Answer::read(request.send().await.unwrap()).await });
    }
    let mut begun = 0;
    for answer in calls.join_all().await {
        match answer.status {
            200 => begun += answer.json().as_array().unwrap().len(),
            _ => assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("ResourceLocked")), "{answer:?}"),
        }
    }
    let held = service.rows("vms").await.iter().filter(|vm| !vm["entityAsyncStatus"].is_null()).count();
    assert!(begun >= 5 && begun.is_multiple_of(5), "{begun}");
    assert_eq!((held, service.rows("tasks").await.len()), (begun, begun));
}

/// How often the log tells of each VM's end.
async fn ends(service: &Service) -> BTreeMap<String, usize> {
    let mut ends = BTreeMap::new();
    for row in service.rows("user_audit_logs").await {
        if row["message"].as_str().unwrap().ends_with(": done") {
            *ends.entry(row["resource_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    ends
}

#[tokio::test(flavor = "multi_thread")]
async fn several_nodes_end_each_task_once() {
    let database = Arc::new(Database::new().await);
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Service::start_with(Arc::clone(&database), &[]).await);
    }
    nodes[0].import_example().await;
    let token = nodes[0].root().await;
    let (tasks, _) = nodes[0].power(&token, "/restart-vm", json!({ "status": "RUNNING" })).await;
    let (more, _) = nodes[1].power(&token, "/poweroff-vm", json!({ "status": "SUSPENDED" })).await;
    for step in 0..2 {
        let mut works = JoinSet::new();
        for app in nodes.iter().cycle().take(9).map(|node| Arc::clone(&node.app)) {
            works.spawn(async move { tasks::work(&app).await.unwrap() });
        }
        works.join_all().await;
        let told = nodes[2].rows("system_audit_logs").await;
        let told = told.iter().filter(|row| row["action"] == "workTasks").count();
        assert_eq!(told, 1, "step {step}: the tasks begin once");
        nodes.iter().for_each(|node| node.clock.advance(Duration::from_secs(1)));
    }
    let ends = ends(&nodes[0]).await;
    assert_eq!((ends.len(), ends.values().sum::<usize>()), (21, 21), "{ends:?}");
    let all = [tasks, more].concat();
    let done = json!({ "where": { "id_in": all, "status": "SUCCESSED" } });
    assert_eq!(nodes[2].rest(&token, "/get-tasks-connection", done).await.json()["aggregate"]["count"], 21);
}

async fn post(peer: &Peer, token: &str, path: &str, body: Value) -> Option<Value> {
    let answer = peer.post(&format!("/v2/api{path}"), Some(token), &body).await?;
    (answer.status == 200).then(|| answer.json())
}

/// The real program, killed at any moment while tasks wait, go on and end: none is left behind, none ends twice, no VM stays held,
/// and what was acknowledged is there.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_survive_sigkill() {
    let mut random = Random::seeded("power");
    let database = Database::new().await;
    let settings: Vec<_> = settings(&database).into_iter().chain([("power_time", "100ms".to_owned())]).collect();
    let mut node = Node::start(&borrowed(&settings));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/inventory.json");
    let imported = node::run(&borrowed(&settings), &["inventory", "import", file]);
    assert!(imported.status.success(), "{imported:?}");
    let token = Peer::new(node.address).root().await;
    let mut acknowledged = Vec::new();
    for _ in 0..8 {
        let peer = Peer::new(node.address);
        let killed_after = Duration::from_millis(random.below(700) as u64);
        let begun = async {
            let mut begun = Vec::new();
            for power in Power::ALL.into_iter().cycle() {
                let body = json!({ "where": { "status_in": power.from(), "entityAsyncStatus": null, "in_recycle_bin": false } });
                if let Some(answer) = peer.post(&format!("/v2/api{}", power.route().0), Some(&token), &body).await {
                    let tasks = answer.json();
                    let ids = tasks.as_array().into_iter().flatten();
                    begun.extend(ids.map(|begun| begun["task_id"].as_str().unwrap().to_owned()));
                } else {
                    break;
                }
            }
            begun
        };
        let kill = async {
            tokio::time::sleep(killed_after).await;
            node.kill();
        };
        let (begun, ()) = tokio::join!(begun, kill);
        acknowledged.extend(begun);
        node = Node::start(&borrowed(&settings));
    }
    let peer = Peer::new(node.address);
    let open = json!({ "where": { "status_in": ["PENDING", "EXECUTING"] } });
    let start = Instant::now();
    while post(&peer, &token, "/get-tasks-connection", open.clone()).await.unwrap()["aggregate"]["count"] != 0 {
        assert!(start.elapsed() < PATIENCE, "tasks are left behind");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let held = json!({ "where": { "entityAsyncStatus_not": null } });
    assert_eq!(post(&peer, &token, "/get-vms-connection", held).await.unwrap()["aggregate"]["count"], 0);
    let tasks = post(&peer, &token, "/get-tasks", json!({})).await.unwrap();
    let tasks = tasks.as_array().unwrap();
    assert!(tasks.iter().all(|task| task["status"] == "SUCCESSED"), "{tasks:?}");
    let known: Vec<&str> = tasks.iter().map(|task| task["id"].as_str().unwrap()).collect();
    assert!(acknowledged.iter().all(|id| known.contains(&id.as_str())), "an acknowledged task is lost");
    let ends = database.number("SELECT COUNT(*) FROM user_audit_logs WHERE message LIKE '%: done'").await;
    assert_eq!(usize::try_from(ends).unwrap(), tasks.len(), "each task ends once");
    println!("8 kills: {} tasks, {} of them acknowledged", tasks.len(), acknowledged.len());
    assert!(acknowledged.len() > 30, "too few to prove anything");
    node.kill();
    let service = Service::start_with(Arc::new(database), &[]).await;
    assert_eq!(faults(&service, &[]).await, []);
}
