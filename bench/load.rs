//! Measures many clients that read and write at once: `cargo bench -- load`.

use std::sync::Arc;
use std::time::Duration;

use super::support::load::Load;
use super::support::world::World;
use super::support::{Database, Node};
use super::{Options, Site, percentile};

/// Runs the load and prints how long each kind of call took.
pub async fn run(name: &str, database: &Arc<Database>, options: &Options) {
    let (seconds, clients) = (options.load_seconds, options.load_clients);
    let mut site = Site::new(database, World { clusters: 4, hosts: 100 }).await;
    site.grow(5_000).await;
    let nodes: Vec<Node> = (0..if name == "SQLite" { 1 } else { 2 }).map(|_| Node::on(database)).collect();
    println!("{name}: load, nodes: {}, clients: {clients}, seconds: {seconds}", nodes.len());
    let enough = Box::new(move |_, time| time >= Duration::from_secs(seconds));
    let addresses = nodes.iter().map(|node| node.url("")).collect();
    let times = Load { nodes: addresses, clients, enough, checked: false }.run().await;
    println!("{:<24} {:>8} {:>8} {:>10} {:>10} {:>10}", "", "calls", "calls/s", "median ms", "p99 ms", "worst ms");
    let mut all = Vec::new();
    for (call, mut times) in times {
        line(call, &mut times, seconds);
        all.append(&mut times);
    }
    line("all of them", &mut all, seconds);
    println!(
        "every answer was the one that was due, and no acknowledged change was lost
"
    );
}

fn line(call: &str, times: &mut [Duration], seconds: u64) {
    let [median, p99, worst] = [50, 99, 100].map(|part| percentile(times, part));
    let (count, rate) = (times.len(), times.len() as f64 / seconds as f64);
    println!("{call:<24} {count:>8} {rate:>8.0} {median:>10.2} {p99:>10.2} {worst:>10.2}");
}
