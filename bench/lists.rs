//! Compares lists of a large inventory with the plain SQL that fetches the same rows: `cargo bench -- lists`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keytower::domain::entity::VM;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};

use super::support::world::World;
use super::support::{Database, Node};
use super::{Options, Site, credentials, percentile};

const WORLD: World = World { clusters: 20, hosts: 1_000 };
const SMALL: usize = 10_000;
const LARGE: usize = 100_000;
/// Maximum median time of a list, as a multiple of the plain SQL's.
const BAR: f64 = 3.0;
/// Maximum growth of memory from the small table to the large one, in KiB.
const GROWTH: u64 = 8 * 1024;
/// Number of pages that are listed before memory is measured.
const PAGES: usize = 400;

/// Orders by name (with an index), by memory (no index, many equal values), and by time (no index, some null values).
const CASES: [(&str, &str, usize); 6] = [
    ("name_ASC", "vms.name ASC", 0),
    ("name_ASC", "vms.name ASC", 50_000),
    ("memory_DESC", "vms.memory DESC", 0),
    ("memory_DESC", "vms.memory DESC", 50_000),
    ("local_created_at_DESC", "vms.local_created_at DESC NULLS FIRST", 0),
    ("local_created_at_DESC", "vms.local_created_at DESC NULLS FIRST", 50_000),
];

/// Measures lists and memory; returns the number of missed limits.
pub async fn run(name: &str, database: &Arc<Database>, options: &Options) -> usize {
    let mut site = Site::new(database, WORLD).await;
    site.grow(SMALL).await;
    let small = memory(database).await;
    site.grow(LARGE).await;
    analyze(database).await;
    println!("{name}: {LARGE} VMs, {} hosts, {} clusters", WORLD.hosts, WORLD.clusters);
    let missed = lists(database, options.seconds).await;
    let large = memory(database).await;
    let grown = large > small + GROWTH;
    let verdict = if grown { " MISSED" } else { "" };
    println!(
        "most memory while {PAGES} pages are listed: {small} KiB of {SMALL} VMs, {large} KiB of {LARGE}{verdict}\n"
    );
    missed + usize::from(grown)
}

fn body(order: &str, skip: usize) -> Value {
    json!({ "where": { "status": "RUNNING", "memory_gte": 4_i64 << 30 }, "orderBy": order, "first": 50, "skip": skip })
}

/// Returns the SQL for the same rows and columns, including those of cluster and host.
fn sql(order: &str, skip: usize) -> String {
    let plain = VM.fields.iter().filter(|field| field.relation().is_none());
    let columns: Vec<String> = plain.map(|field| format!("vms.\"{}\"", field.name)).collect();
    format!(
        "SELECT {}, clusters.id AS c_id, clusters.name AS c_name, hosts.id AS h_id, hosts.name AS h_name, hosts.management_ip \
         FROM vms LEFT JOIN clusters ON clusters.id = vms.cluster_id LEFT JOIN hosts ON hosts.id = vms.host_id \
         WHERE vms.status = 'RUNNING' AND vms.memory >= 4294967296 ORDER BY {order}, vms.id LIMIT 50 OFFSET {skip}",
        columns.join(", ")
    )
}

async fn analyze(database: &Database) {
    let db = database.connect().await;
    // PostgreSQL's autovacuum would do this a little later.
    if db.get_database_backend() == sea_orm::DatabaseBackend::Postgres {
        db.execute_unprepared("ANALYZE").await.unwrap();
    }
    db.close().await.unwrap();
}

/// Alternates API requests and SQL queries; returns the number of missed limits.
async fn lists(database: &Arc<Database>, seconds: u64) -> usize {
    let node = Node::on(database);
    let (_, key) = credentials(&node).await;
    let db = database.connect().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut missed = 0;
    println!(
        "{:<38} {:>10} {:>10} {:>10} {:>10}",
        "get-vms, two conditions, first 50", "median ms", "p95 ms", "SQL ms", "of SQL"
    );
    for (order, by, skip) in CASES {
        let (body, sql) = (body(order, skip), sql(by, skip));
        let (mut asked, mut queried) = (Vec::new(), Vec::new());
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until || asked.len() < 10 {
            let start = Instant::now();
            let ids = query(&db, &sql).await;
            queried.push(start.elapsed());
            let request = http.post(node.url("/v2/api/get-vms")).header("authorization", &key).json(&body);
            let start = Instant::now();
            let answer = request.send().await.unwrap().bytes().await.unwrap();
            asked.push(start.elapsed());
            if asked.len() == 1 {
                let rows: Vec<Value> = serde_json::from_slice(&answer).unwrap();
                assert_eq!(ids, rows.iter().map(|row| row["id"].as_str().unwrap()).collect::<Vec<_>>(), "{order}");
                assert_eq!(ids.len(), 50);
            }
        }
        let ratio = percentile(&mut asked, 50) / percentile(&mut queried, 50);
        missed += usize::from(ratio > BAR);
        let [median, p95] = [50, 95].map(|part| percentile(&mut asked, part));
        let plain = percentile(&mut queried, 50);
        let verdict = if ratio <= BAR { "" } else { " MISSED" };
        println!(
            "{:<38} {median:>10.2} {p95:>10.2} {plain:>10.2} {ratio:>9.2}x{verdict}",
            format!("{order}, skip {skip}")
        );
    }
    missed
}

async fn query(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get("", "id").unwrap()).collect()
}

/// Returns the peak memory of a fresh node in KiB, after it listed pages from all over the table.
async fn memory(database: &Arc<Database>) -> u64 {
    let node = Node::on(database);
    let (_, key) = credentials(&node).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for page in 0..PAGES {
        let (order, _, _) = CASES[page % CASES.len()];
        let body = body(order, page * 17 % (SMALL / 2));
        let request = http.post(node.url("/v2/api/get-vms")).header("authorization", &key).json(&body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
