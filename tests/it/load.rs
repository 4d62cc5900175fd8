//! Many clients at once, on one node (SQLite) and on two (PostgreSQL). `cargo bench -- load` runs the same for longer.

use std::sync::Arc;

use crate::support::database::is_postgres;
use crate::support::load::Load;
use crate::support::random::Random;
use crate::support::world::World;
use crate::support::{Database, Node, Service};

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_get_every_answer_that_is_due_and_lose_no_update() {
    let database = Arc::new(Database::new().await);
    {
        let service = Service::start_with(Arc::clone(&database), &[]).await;
        let world = World { clusters: 4, hosts: 20 };
        world.build(&service.app).await;
        world.populate(&service.app, 0..500, &mut Random::of(1)).await;
        service.app.store.close().await;
    }
    let nodes: Vec<Node> = (0..if is_postgres() { 2 } else { 1 }).map(|_| Node::on(&database)).collect();
    let addresses = nodes.iter().map(|node| node.url("")).collect();
    // Twenty turns: each client does everything.
    let load = Load { nodes: addresses, clients: 16, enough: Box::new(|turns, _| turns >= 20), checked: true };
    let ended = tokio::spawn(load.run()).await;
    let log: Vec<String> = nodes.iter().flat_map(Node::log).filter(|line| !line.contains(" INFO ")).collect();
    let times = ended.unwrap_or_else(|error| panic!("{error}; the nodes say:\n{}", log.join("\n")));
    println!("{} calls", times.values().map(Vec::len).sum::<usize>());
}
