//! Unmodified clients from PyPI: `cloudtower-sdk`, and `gql` with its check against the introspected schema.
//!
//! The scripts stand in `tests/clients`; each is a `unittest` program, so that a failure names the check and the difference.

use std::sync::Arc;

use serde_json::json;

use crate::support::node::{self, borrowed, settings};
use crate::support::program::{self, run};
use crate::support::{Database, Node, Service, tool};

/// Runs checks of a script on a service: all of those classes, and none of them empty.
async fn check(service: &Service, script: &str, classes: &[(&str, usize)], environment: &[(&str, &str)]) {
    check_at(&service.url(""), script, classes, environment).await;
}

/// The same, of a service at an address.
async fn check_at(url: &str, script: &str, classes: &[(&str, usize)], environment: &[(&str, &str)]) {
    program::check("KT_TEST_PYTHON", url, script, classes, environment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cloudtower_sdk_logs_in_reads_everything_and_uses_keys() {
    let service = Service::start().await;
    service.import_example().await;
    let inventory = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/inventory.json");
    let classes = [("Login", 5), ("Reading", 7), ("Key", 3)];
    check(&service, "cloudtower_sdk_client.py", &classes, &[("INVENTORY", inventory)]).await;
    // What the client believes was deleted is gone here too: two keys of three are left.
    let keys = service.graphql(Some(&service.root().await), "{ apiKeys { name key } }", json!({})).await;
    let mut left: Vec<_> =
        keys.json()["data"]["apiKeys"].as_array().unwrap().iter().map(|key| key["name"].clone()).collect();
    left.sort_by_key(ToString::to_string);
    assert_eq!(left, ["kept", "sdk"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cloudtower_sdk_manages_users_and_roles() {
    let service = Service::start().await;
    check(&service, "cloudtower_sdk_client.py", &[("People", 3)], &[]).await;
}

/// The program itself, whose clock goes on while the SDK waits.
#[tokio::test(flavor = "multi_thread")]
async fn the_cloudtower_sdk_switches_vms_and_waits_for_their_tasks() {
    let database = Database::new().await;
    let node = Node::on(&database);
    let inventory = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/inventory.json");
    let imported = node::run(&borrowed(&settings(&database)), &["inventory", "import", inventory]);
    assert!(imported.status.success(), "{imported:?}");
    check_at(&node.url(""), "cloudtower_sdk_client.py", &[("Power", 3)], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cloudtower_sdk_asks_in_the_whole_list_language() {
    let service = Service::start().await;
    service.import_example().await;
    let inventory = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/inventory.json");
    check(&service, "cloudtower_sdk_client.py", &[("Asking", 2)], &[("INVENTORY", inventory)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cloudtower_sdk_reads_the_audit_log_and_sets_policies() {
    let service = Service::start().await;
    check(&service, "cloudtower_sdk_client.py", &[("Auditing", 2)], &[]).await;
    check(&service, "cloudtower_sdk_client.py", &[("Policies", 1)], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cloudtower_sdk_makes_the_first_user() {
    let settings = [("create_root", "false"), ("root_password", "")];
    let service = Service::start_with(Arc::new(Database::new().await), &settings).await;
    check(&service, "cloudtower_sdk_client.py", &[("FreshService", 1)], &[]).await;
}

/// Two nodes with one database and a folder each, so that a token of one is good at the other. (SQLite lends itself to that as long as
/// both are on one machine.) The second node knows where the first one is.
#[tokio::test(flavor = "multi_thread")]
async fn the_active_passive_client_of_the_cloudtower_sdk_finds_the_active_node() {
    let database = Database::new().await;
    let folders = ["one", "two"].map(|name| database.folder().join(name).display().to_string());
    let start = |folder: &str, active_url: &str| {
        let mut settings = settings(&database);
        settings.retain(|(name, _)| *name != "data_dir");
        settings.extend([("data_dir", folder.to_owned()), ("active_url", active_url.to_owned())]);
        settings.push(("master_key", "5ca1ab1e".repeat(8)));
        std::fs::create_dir_all(database.data_dir()).unwrap();
        Node::start(&borrowed(&settings))
    };
    let first = start(&folders[0], "");
    let second = start(&folders[1], &first.url(""));
    let nodes = [first.url(""), second.url("")].join(" ");
    let (folders, program) = (folders.join(" "), env!("CARGO_BIN_EXE_keytower"));
    let environment = [("NODES", nodes.as_str()), ("FOLDERS", &folders), ("PROGRAM", program)];
    check_at(&first.url(""), "cloudtower_sdk_client.py", &[("Failover", 6)], &environment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gql_validates_against_the_introspected_schema_and_runs_the_documented_operations() {
    let service = Service::start().await;
    service.import_example().await;
    service.report_tasks().await;
    let token = service.root().await;
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let classes = [("Schema", 5), ("Key", 1)];
    check(&service, "gql_client.py", &classes, &[("TOKEN", &token), ("SCHEMA", schema)]).await;
}

/// The README's lines of Python, with its address replaced by the service's.
#[tokio::test(flavor = "multi_thread")]
async fn the_python_of_the_readme_lists_vms() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, rest) = readme.split_once("```python\n").expect("README.md has no Python");
    let (shown, _) = rest.split_once("```").unwrap();
    let service = Service::start().await;
    service.import_example().await;
    let (_, key) = service.mint(&service.root().await, "python").await;
    let address = "127.0.0.1:8080";
    assert!(shown.contains(address) && shown.contains("KEY"), "{shown}");
    let script = format!("KEY = {}\n{}", json!(key), shown.replace(address, &service.address.to_string()));
    let finished = run(&tool("KT_TEST_PYTHON"), &["-B", "-c", &script], &[]).await.succeeded();
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(lines.contains(&"db-01 RUNNING"), "{lines:?}");
}
