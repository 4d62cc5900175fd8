//! `keytower inventory sync`: afterwards the local inventory is the upstream's; or nothing has changed, and it says why.

use std::io::Write;
use std::sync::Mutex;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::support::node::{self, Ended, borrowed, settings};
use crate::support::samples::{self, Filled};
use crate::support::tower::{self, Seen, Tower};
use crate::support::{Database, Node, Peer, ROOT_PASSWORD, Service};

const LISTS: [&str; 4] = ["datacenters", "clusters", "hosts", "vms"];

/// Runs it beside whatever runs already.
async fn sync(database: &Database, more: &[(&'static str, String)], arguments: &[&str]) -> Ended {
    let mut settings = settings(database);
    settings.extend_from_slice(more);
    let arguments: Vec<String> = ["inventory", "sync"].iter().chain(arguments).map(ToString::to_string).collect();
    let run = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        node::run(&borrowed(&settings), &arguments)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn user(upstream: &Service) -> Vec<(&'static str, String)> {
    vec![
        ("upstream_url", upstream.url("")),
        ("upstream_username", "root".to_owned()),
        ("upstream_password", ROOT_PASSWORD.to_owned()),
    ]
}

/// All lists, as REST shows them, without the one thing that is each keytower's own.
async fn lists(peer: &Peer, token: &str) -> Vec<Value> {
    let mut lists = Vec::new();
    for list in LISTS {
        let answer = peer.post(&format!("/v2/api/get-{list}"), Some(token), &json!({})).await.unwrap();
        let mut rows = answer.json();
        for row in rows.as_array_mut().unwrap() {
            row.as_object_mut().unwrap().remove("organization");
        }
        lists.push(rows);
    }
    lists
}

fn ids(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn afterwards_the_local_inventory_is_the_upstreams() {
    let upstream = Service::start().await;
    upstream.import_example().await;
    let there = lists(&Peer::new(upstream.address), &upstream.root().await).await;
    let database = Database::new().await;
    let node = Node::on(&database);
    let peer = Peer::new(node.address);
    let token = peer.root().await;
    // What is here and not there goes; what is here and there is replaced.
    let file = database.folder().join("inventory.json");
    let mut old = samples::inventory();
    let mut vm = there[3][0].clone();
    vm["name"] = json!("an old name");
    vm.as_object_mut().unwrap().retain(|name, _| !["cluster", "host"].contains(&name.as_str()));
    old["vms"].as_array_mut().unwrap().push(vm);
    std::fs::write(&file, old.to_string()).unwrap();
    let imported = node::run(&borrowed(&settings(&database)), &["inventory", "import", &file.display().to_string()]);
    assert!(imported.status.success(), "{imported:?}");
    let done = sync(&database, &user(&upstream), &[]).await;
    assert!(done.status.success(), "{done:?}");
    assert_eq!(
        done.stdout,
        "mirrored 2 datacenters (2 removed), 3 clusters (2 removed), 10 hosts (2 removed), 30 vms (2 removed)\n"
    );
    for line in ["read datacenters: 2", "read clusters: 3", "read hosts: 10", "read vms: 30"] {
        assert_eq!(done.stderr.lines().filter(|told| *told == line).count(), 1, "{done:?}");
    }
    assert_eq!(lists(&peer, &token).await, there);
    let query = "{ vms(where: { cluster: { hosts_some: { name_contains: \"\" } } }) { id } datacenters { id clusters { id } } }";
    let local = peer.graphql(&token, query, json!({})).await.unwrap().json();
    assert_eq!(ids(&local["data"]["vms"]).len(), 30);
    assert_eq!(
        local["data"]["datacenters"].as_array().unwrap().iter().map(|row| ids(&row["clusters"]).len()).sum::<usize>(),
        3
    );
    // Twice is once.
    let again = sync(&database, &user(&upstream), &[]).await;
    assert_eq!(again.stdout, "mirrored 2 datacenters, 3 clusters, 10 hosts, 30 vms\n");
    assert_eq!(lists(&peer, &token).await, there);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_and_its_credential_come_from_arguments_files_and_the_environment() {
    let upstream = Service::start().await;
    upstream.import_example().await;
    let (_, key) = upstream.mint(&upstream.root().await, "mirror").await;
    let database = Database::new().await;
    let folder = database.folder().to_owned();
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let (password, key_file) = (write("password", &format!("{ROOT_PASSWORD}\n")), write("key", &format!("{key}\r\n")));
    let (wrong, empty) = (write("wrong", "not the password"), write("empty", "\n"));
    let url = upstream.url("/v2/api/");
    let env_key = [("upstream_api_key", key.clone())];
    let env_password = [("upstream_password", ROOT_PASSWORD.to_owned())];
    let named = ["--from", &url, "--username", "root"];
    let with = |more: &[&str]| named.iter().chain(more).map(ToString::to_string).collect::<Vec<_>>();
    for (settings, arguments) in [
        (&env_key[..], vec!["--from".to_owned(), url.clone()]),
        (&env_password[..], with(&[])),
        (&env_key, with(&["--password-file", &password])),
        (&env_password, vec!["--from".to_owned(), url.clone(), "--api-key-file".to_owned(), key_file]),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let done = sync(&database, settings, &arguments).await;
        assert!(done.status.success() && done.stdout.contains("30 vms"), "{arguments:?}: {done:?}");
    }
    for (settings, arguments, words) in [
        (&[][..], vec![], "there is no upstream"),
        (&[], vec!["--from".to_owned(), url.clone()], "upstream_username and upstream_password, or upstream_api_key"),
        (&env_key, vec!["--from".to_owned(), "tower.example".to_owned()], "--from must be http://"),
        (&[], with(&["--password-file", &wrong]), "own credential"),
        (&[], with(&["--password-file", &empty]), "is empty"),
        (&[], with(&["--password-file", "/no/such/file"]), "/no/such/file can't be read"),
        (&[], with(&["--api-key-file", &wrong]), "cannot be used with"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let refused = sync(&database, settings, &arguments).await;
        assert!(!refused.status.success() && refused.stdout.is_empty(), "{arguments:?}: {refused:?}");
        assert!(refused.stderr.contains(words), "{arguments:?}: {refused:?}");
        for secret in [ROOT_PASSWORD, key.as_str(), "not the password"] {
            assert!(!refused.stderr.contains(secret), "{refused:?}");
        }
    }
    // From standard input.
    let mut command = node::command(&borrowed(&settings(&database)));
    command.args(["inventory", "sync", "--password-file", "-"]).args(named).stdin(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(ROOT_PASSWORD.as_bytes()).unwrap();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// An upstream of lists, that shows no more than so many rows at a time and can be told to answer something else.
struct Lists {
    rows: Value,
    most: usize,
    instead: Option<(&'static str, StatusCode, String)>,
}

impl Lists {
    async fn serve(self) -> Tower {
        let lists = Mutex::new(self);
        Tower::start(move |seen| {
            let answer = lists.lock().unwrap().answer(&seen);
            async move { answer }
        })
        .await
    }

    fn answer(&self, seen: &Seen) -> Response {
        let route = seen.target.strip_prefix("/v2/api/get-").unwrap();
        if let Some((_, status, text)) = self.instead.as_ref().filter(|(instead, ..)| *instead == route) {
            return (*status, text.clone()).into_response();
        }
        if let Some(list) = route.strip_suffix("-connection") {
            let count = self.rows[list].as_array().unwrap().len();
            return tower::json(StatusCode::OK, &json!({ "aggregate": { "count": count } }));
        }
        let body: Value = serde_json::from_slice(&seen.body).unwrap();
        assert_eq!(body["orderBy"], "id_ASC");
        let after = body["where"]["id_gt"].as_str().unwrap_or_default();
        let first = usize::try_from(body["first"].as_u64().unwrap()).unwrap();
        let mut rows: Vec<&Value> = self.rows[route].as_array().unwrap().iter().collect();
        rows.retain(|row| row["id"].as_str().is_none_or(|id| id > after));
        rows.sort_by_key(|row| row["id"].as_str().unwrap_or_default().to_owned());
        rows.truncate(first.min(self.most));
        tower::json(StatusCode::OK, &json!(rows))
    }
}

/// So many VMs, and what they need.
fn many(count: usize) -> Value {
    let mut rows = samples::inventory();
    let vm = samples::record(&keytower::domain::entity::VM, Filled::Required);
    let vms = (0..count).map(|number| {
        let mut vm = vm.clone();
        vm["id"] = json!(format!("vm-{number:05}"));
        vm
    });
    rows["vms"] = vms.collect();
    rows
}

async fn count(database: &Database, table: &str) -> i64 {
    database.number(&format!("SELECT COUNT(*) FROM {table}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_comes_in_pages_however_short_the_upstream_makes_them() {
    let database = Database::new().await;
    for (most, pages) in [(usize::MAX, 4), (7, 37)] {
        let tower = Lists { rows: many(250), most, instead: None }.serve().await;
        let done = sync(&database, &tower.settings(), &[]).await;
        assert_eq!(done.stdout, "mirrored 2 datacenters, 2 clusters, 2 hosts, 250 vms\n", "{done:?}");
        assert_eq!(tower.seen().iter().filter(|seen| seen.target == "/v2/api/get-vms").count(), pages);
        assert_eq!((count(&database, "vms").await, tower.logins()), (250, 1));
    }
    // An upstream that has nothing is mirrored too.
    let nothing = json!({ "datacenters": [], "clusters": [], "hosts": [], "vms": [] });
    let tower = Lists { rows: nothing, most: 100, instead: None }.serve().await;
    let done = sync(&database, &tower.settings(), &[]).await;
    let told = "mirrored 0 datacenters (2 removed), 0 clusters (2 removed), 0 hosts (2 removed), 0 vms (250 removed)\n";
    assert_eq!(done.stdout, told, "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_changes_nothing_and_is_told() {
    let database = Database::new().await;
    let tower = Lists { rows: many(3), most: 100, instead: None }.serve().await;
    assert!(sync(&database, &tower.settings(), &[]).await.status.success());
    let broken = |change: &dyn Fn(&mut Value)| {
        let mut rows = many(200);
        change(&mut rows);
        Lists { rows, most: 100, instead: None }
    };
    let instead = |route, status: u16, text: &str| Lists {
        rows: many(200),
        most: 100,
        instead: Some((route, StatusCode::from_u16(status).unwrap(), text.to_owned())),
    };
    for (lists, words) in [
        (broken(&|rows| rows["vms"][150]["vcpu"] = json!("two")), "vms[vm-00150].vcpu: must be a 32-bit"),
        (broken(&|rows| rows["vms"][150]["status"] = json!("DREAMING")), "vms[vm-00150].status: must be one of"),
        (broken(&|rows| rows["vms"][150]["name"] = json!(null)), "vms[vm-00150].name: must not be null"),
        (broken(&|rows| rows["hosts"][1]["cluster"] = json!({ "id": "none" })), ".cluster: there is no \"none\""),
        (instead("vms", 500, "it is broken"), "500"),
        (instead("vms", 403, "not for you"), "not for you"),
        (instead("vms", 200, "<html>"), "get-vms"),
        (instead("vms", 200, "{}"), "must be a list"),
        (instead("vms", 200, "[3]"), "must be an object"),
        (instead("vms", 200, &format!("[{}]", many(1)["vms"][0])), "comes on two pages"),
        (instead("vms-connection", 200, "[]"), "get-vms"),
        (instead("hosts", 307, ""), "307"),
    ] {
        let tower = lists.serve().await;
        let refused = sync(&database, &tower.settings(), &[]).await;
        assert_eq!((refused.status.code(), refused.stdout.as_str()), (Some(1), ""), "{words}: {refused:?}");
        assert!(refused.stderr.contains(words), "{words:?} in {refused:?}");
        assert_eq!((count(&database, "vms").await, count(&database, "hosts").await), (3, 2), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_later_release_tells_and_what_was_just_made_is_left_out() {
    let mut rows = samples::inventory();
    for list in LISTS {
        rows[list][0]["a_field_of_tomorrow"] = json!({ "deep": [1] });
    }
    rows["vms"][0]["video_type"] = json!("HOLOGRAM");
    rows["vms"][0]["cluster"] = json!({ "id": "made a moment ago", "name": "new" });
    rows["vms"][0]["labels"] = json!([{ "id": "a", "key": "b", "value": "c", "of_tomorrow": 1 }]);
    rows["clusters"][0]["vms"] = json!([{ "id": "nowhere", "name": "x" }]);
    rows["datacenters"][0]["clusters"] = json!([{ "id": rows["clusters"][0]["id"] }, { "id": "nowhere" }]);
    let database = Database::new().await;
    let tower = Lists { rows: rows.clone(), most: 100, instead: None }.serve().await;
    let done = sync(&database, &tower.settings(), &[]).await;
    assert_eq!(done.stdout, "mirrored 2 datacenters, 2 clusters, 2 hosts, 2 vms\n", "{done:?}");
    let node = Node::on(&database);
    let peer = Peer::new(node.address);
    let token = peer.root().await;
    let rest = async |list: &str| {
        let body = json!({ "where": { "id": rows[list][0]["id"] } });
        peer.post(&format!("/v2/api/get-{list}"), Some(&token), &body).await.unwrap().json()[0].clone()
    };
    let vm = rest("vms").await;
    assert_eq!((&vm["video_type"], &vm["cluster"]), (&Value::Null, &Value::Null));
    assert_eq!(vm["labels"], json!([{ "id": "a", "key": "b", "value": "c" }]));
    assert_eq!((&vm["name"], &vm["memory"]), (&rows["vms"][0]["name"], &rows["vms"][0]["memory"]));
    assert_eq!(ids(&rest("datacenters").await["clusters"]), [rows["clusters"][0]["id"].as_str().unwrap()]);
    assert_eq!(ids(&rest("clusters").await["vms"]), [""; 0]);
}
