//! `keytower inventory import`: whole or not at all, and a wrong record is named by line, path and reason.

use std::time::Instant;

use keytower::domain::entity::VM;
use sea_orm::{FromQueryResult, JsonValue, Statement};
use serde_json::{Value, json};

use crate::support::node::{self, Ended, borrowed, settings};
use crate::support::{Database, Node, Peer};

const EXAMPLE: &str = include_str!("../../examples/inventory.json");
const TABLES: [&str; 5] = ["datacenters", "clusters", "hosts", "vms", "organizations"];

fn import(database: &Database, text: impl AsRef<[u8]>) -> Ended {
    let file = database.folder().join("inventory.json");
    std::fs::write(&file, text).unwrap();
    node::run(&borrowed(&settings(database)), &["inventory", "import", &file.display().to_string()])
}

async fn rows(database: &Database) -> Vec<Vec<Value>> {
    let connection = database.connect().await;
    let mut rows = Vec::new();
    for table in TABLES {
        let query = format!("SELECT * FROM {table} ORDER BY id");
        let query = Statement::from_string(connection.get_database_backend(), query);
        rows.push(JsonValue::find_by_statement(query).all(&connection).await.unwrap());
    }
    connection.close().await.unwrap();
    rows
}

/// Two VMs of the example and what they refer to, one value a line.
fn small() -> String {
    let mut inventory: Value = serde_json::from_str(EXAMPLE).unwrap();
    inventory["vms"].as_array_mut().unwrap().truncate(2);
    serde_json::to_string_pretty(&inventory).unwrap()
}

/// The line, from 1, where the `n`th occurrence of a text begins.
fn line_of(text: &str, part: &str, n: usize) -> usize {
    let (at, _) = text.match_indices(part).nth(n).unwrap_or_else(|| panic!("{part:?} is not there"));
    text[..at].matches('\n').count() + 1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_file_is_imported_beside_a_running_service_and_twice_is_once() {
    let database = Database::new().await;
    let node = Node::on(&database);
    let peer = Peer::new(node.address);
    let token = peer.root().await;
    let imported = import(&database, EXAMPLE);
    assert!(imported.status.success(), "{imported:?}");
    assert_eq!(imported.stdout, "imported 2 datacenters, 3 clusters, 10 hosts, 30 vms\n");
    let seen = async || {
        let vms = peer.post("/v2/api/get-vms", Some(&token), &json!({ "orderBy": "id_ASC" })).await.unwrap().json();
        let query = "{ vms(orderBy: id_ASC) { id name } datacenters { id clusters { id } } }";
        (vms, peer.graphql(&token, query, json!({})).await.unwrap().json())
    };
    let before = (seen().await, rows(&database).await);
    assert_eq!(before.0.0.as_array().unwrap().len(), 30);
    assert_eq!(before.0.1["data"]["vms"].as_array().unwrap().len(), 30);
    assert!(import(&database, EXAMPLE).status.success());
    assert_eq!((seen().await, rows(&database).await), before);
    // A record replaces the one with its id, and no other.
    let mut changed: Value = serde_json::from_str(EXAMPLE).unwrap();
    let mut vm = changed["vms"][0].take();
    vm["name"] = json!("renamed");
    let alone = import(&database, json!({ "vms": [vm] }).to_string());
    assert_eq!(alone.stdout, "imported 0 datacenters, 0 clusters, 0 hosts, 1 vms\n", "{alone:?}");
    let where_renamed = json!({ "where": { "name": "renamed" } });
    let renamed = peer.post("/v2/api/get-vms", Some(&token), &where_renamed).await.unwrap().json();
    assert_eq!(renamed[0]["id"], vm["id"]);
    assert_eq!(seen().await.0.as_array().unwrap().len(), 30);
    assert!(import(&database, "{}").status.success());
    assert_eq!(seen().await.0.as_array().unwrap().len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_record_is_named_by_line_path_and_reason_and_nothing_is_imported() {
    let database = Database::new().await;
    assert!(import(&database, EXAMPLE.replace("\"db-01\"", "\"old name\"")).status.success());
    let before = rows(&database).await;
    let good = small();
    let deep = format!("\"cluster\": {{ \"id\": \"x\", \"deep\": {}{} }},", "[".repeat(200), "]".repeat(200));
    // What is replaced in the second VM, by what, where the fault is told (a text in the file), its path, its reason.
    let record = "RECORD";
    for (field, by, at, path, reasons) in [
        ("vcpu", "\"vcpu\": \"sixteen\",", "\"vcpu\": \"s", "vms[1].vcpu", &["32-bit"][..]),
        ("vcpu", "\"vcpu\": 3000000000,", "\"vcpu\": 3", "vms[1].vcpu", &["32-bit"]),
        ("vcpu", "\"vcpu\": 1.5,", "\"vcpu\": 1.5", "vms[1].vcpu", &["32-bit"]),
        ("vcpu", "\"vcpu\": null,", "\"vcpu\": null", "vms[1].vcpu", &["null"]),
        ("vcpu", "", record, "vms[1].vcpu", &["missing"]),
        ("vcpu", "\"vcpu\": 1, \"vcpus\": 2,", "\"vcpus\"", "vms[1].vcpus", &["not a field"]),
        ("memory", "\"memory\": 9223372036854775808,", "\"memory\": 9", "vms[1].memory", &["64-bit"]),
        ("memory", "\"memory\": true,", "\"memory\": t", "vms[1].memory", &["64-bit"]),
        ("cpu_usage", "\"cpu_usage\": 1e999,", "1e999", "vms[1].cpu_usage", &["number"]),
        ("status", "\"status\": \"SLEEPING\",", "\"SLEEPING\"", "vms[1].status", &["RUNNING", "STOPPED"]),
        ("status", "\"status\": \"running\",", "\"running\"", "vms[1].status", &["RUNNING"]),
        ("ha", "\"ha\": \"true\",", "\"ha\": \"true\"", "vms[1].ha", &["true or false"]),
        ("name", "\"name\": \"a\\u0000b\",", "\"a\\u0000b\"", "vms[1].name", &["NUL"]),
        ("name", "\"name\": \"a\\ud800b\",", "\"a\\ud800b\"", "vms[1].name", &["text"]),
        ("id", "\"id\": \"\",", "\"id\": \"\"", "vms[1].id", &["not empty"]),
        ("id", "\"id\": \"cl17bq1qm000s0qk7h998frz6\",", record, "vms[1].id", &["cl17bq1qm000s0qk7h998frz6", "twice"]),
        (
            "local_created_at",
            "\"local_created_at\": \"yesterday\",",
            "\"yesterday\"",
            "vms[1].local_created_at",
            &["2026-01-31T12:00:00.000Z"],
        ),
        (
            "local_created_at",
            "\"local_created_at\": \"2026-02-30T00:00:00.000Z\",",
            "\"2026-02-30",
            "vms[1].local_created_at",
            &["time"],
        ),
        ("vcpu", "\"vcpu\": 1, \"cluster\": { \"id\": \"nowhere\" },", record, "vms[1].cluster", &["nowhere"]),
        ("vcpu", "\"vcpu\": 1, \"host\": { \"id\": \"nowhere\" },", record, "vms[1].host", &["nowhere"]),
        ("vcpu", "\"vcpu\": 1, \"host\": \"nowhere\",", "\"host\": \"nowhere\"", "vms[1].host", &["object", "id"]),
        ("vcpu", &format!("\"vcpu\": 1, {deep}"), "\"deep\"", "vms[1].cluster", &["object", "id"]),
        (
            "vcpu",
            "\"vcpu\": 1, \"cpu\": { \"cores\": \"x\", \"sockets\": 1 },",
            "\"x\"",
            "vms[1].cpu.cores",
            &["32-bit"],
        ),
        ("vcpu", "\"vcpu\": 1, \"cpu\": [],", "\"cpu\": []", "vms[1].cpu", &["object"]),
    ] {
        // The last line of the second VM that begins with the field on the depth of a record's members.
        let member = format!("\n      \"{field}\": ");
        let at_member = good.rfind(&member).unwrap_or_else(|| panic!("{field} is no member"));
        let end = at_member + 1 + good[at_member + 1..].find('\n').unwrap();
        // A member that is given twice takes the place of the first one.
        let text = format!("{}\n      {by}{}", &good[..at_member], &good[end..]);
        let text = without_earlier(&text, by);
        let line = match at == record {
            true => text[..text.rfind("\n    {\n").unwrap() + 1].matches('\n').count() + 1,
            false => line_of(&text, at, 0),
        };
        let refused = import(&database, &text);
        let told = format!("line {line}: {path}: ");
        assert_eq!((refused.status.code(), refused.stdout.as_str()), (Some(1), ""), "{by}: {refused:?}");
        let reason = refused.stderr.split_once(&told).unwrap_or_else(|| panic!("{told:?} for {by}: {refused:?}")).1;
        for part in reasons {
            assert!(reason.contains(part), "{by}: {reason}");
        }
        assert!(refused.stderr.contains("nothing was imported"), "{refused:?}");
        assert_eq!(rows(&database).await, before, "{by}");
    }
}

/// Takes the other members out that a replacement brings along (`cluster`, `host`, `cpu`), for a member stands once.
fn without_earlier(text: &str, by: &str) -> String {
    let mut text = text.to_owned();
    for name in ["cluster", "host", "cpu"] {
        let start = text.rfind(&format!("\n      \"{name}\": {{\n"));
        if let Some(start) = start.filter(|_| by.contains(&format!(", \"{name}\":"))) {
            let end = start + text[start..].find("\n      },").unwrap() + "\n      },".len();
            text.replace_range(start..end, "");
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_kind_is_refused_with_line_and_reason() {
    let database = Database::new().await;
    let good = small();
    let broken = good.replacen("\"vcpu\": ", "\"vcpu\" ", 1);
    let line = line_of(&broken, "\"vcpu\" ", 0);
    let unknown = good.replacen("\n  \"vms\"", "\n  \"volumes\": [],\n  \"vms\"", 1);
    let unknown_line = line_of(&unknown, "\"volumes\"", 0);
    let cut = &good[..good.len() / 2];
    let cut_line = cut.matches('\n').count() + 1;
    for (text, parts) in [
        (broken.as_str(), &[format!("line {line}: "), "JSON".to_owned()][..]),
        (cut, &[format!("line {cut_line}: ")]),
        (&unknown, &[format!("line {unknown_line}: volumes: "), "datacenters, clusters, hosts, vms".to_owned()]),
        ("", &["line 1: ".to_owned()]),
        ("[]", &["line 1: ".to_owned(), "object".to_owned()]),
        ("\n\n{ \"vms\":\n {} }", &["line 4: vms: ".to_owned(), "list".to_owned()]),
        ("{ \"vms\": [\n3] }", &["line 2: vms[0]: ".to_owned(), "object".to_owned()]),
        ("{ \"vms\": [] } trailing", &["line 1: ".to_owned()]),
        ("{ \"vms\": [],\n\"vms\": [] }", &["line 2: ".to_owned(), "vms".to_owned(), "twice".to_owned()]),
    ] {
        let refused = import(&database, text);
        assert_eq!(refused.status.code(), Some(1), "{text}: {refused:?}");
        for part in parts {
            assert!(refused.stderr.contains(part.as_str()), "{part:?} for {text}: {refused:?}");
        }
    }
    let bytes = import(&database, [0xff, 0xfe, 0x7b]);
    assert!(bytes.status.code() == Some(1) && bytes.stderr.contains("UTF-8"), "{bytes:?}");
    let nowhere = node::run(&borrowed(&settings(&database)), &["inventory", "import", "/no/such/file.json"]);
    assert!(nowhere.status.code() == Some(1) && nowhere.stderr.contains("/no/such/file.json"), "{nowhere:?}");
    for table in &TABLES[..4] {
        assert_eq!(database.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0);
    }
    // A file full of faults does not fill the screen.
    let faults = json!({ "vms": vec![json!({}); 500] }).to_string();
    let refused = import(&database, faults);
    assert!(refused.stderr.lines().count() < 40 && refused.stderr.contains("more"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_machines_are_imported_while_the_service_reads() {
    const COUNT: usize = 20_000;
    let database = Database::new().await;
    let node = Node::on(&database);
    let peer = Peer::new(node.address);
    let token = peer.root().await;
    let mut inventory: Value = serde_json::from_str(EXAMPLE).unwrap();
    let example = inventory["vms"][0].as_object().unwrap();
    let needed = VM.fields.iter().filter(|field| field.required || ["cluster", "host"].contains(&field.name));
    let machine: serde_json::Map<String, Value> =
        needed.map(|field| (field.name.to_owned(), example[field.name].clone())).collect();
    let machines = (0..COUNT).map(|number| {
        let mut machine = machine.clone();
        machine.insert("id".to_owned(), json!(format!("machine-{number:05}")));
        machine.insert("name".to_owned(), json!(format!("web-{number}")));
        Value::Object(machine)
    });
    inventory["vms"] = machines.collect();
    let text = inventory.to_string();
    let start = Instant::now();
    let importing = {
        let (settings, file) = (settings(&database), database.folder().join("large.json"));
        std::fs::write(&file, &text).unwrap();
        let file = file.display().to_string();
        tokio::task::spawn_blocking(move || node::run(&borrowed(&settings), &["inventory", "import", &file]))
    };
    let counted = async || {
        let answer = peer.post("/v2/api/get-vms-connection", Some(&token), &json!({})).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        usize::try_from(answer.json()["aggregate"]["count"].as_u64().unwrap()).unwrap()
    };
    // All or none: nobody sees a half.
    while !importing.is_finished() {
        let count = counted().await;
        assert!(count == 0 || count == COUNT, "{count} are seen");
    }
    let imported = importing.await.unwrap();
    println!("{COUNT} machines ({} MB) in {:.1} s", text.len() / 1_000_000, start.elapsed().as_secs_f32());
    assert!(imported.status.success(), "{imported:?}");
    assert_eq!(counted().await, COUNT);
}
