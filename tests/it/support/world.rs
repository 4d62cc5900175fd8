//! An inventory of any size: the samples' full records, spread over hosts and clusters.

use std::ops::Range;

use keytower::app::App;
use keytower::domain::caller::Caller;
use keytower::domain::entity::{CLUSTER, Entity, HOST, VM};
use keytower::service::inventory;
use serde_json::{Value, json};

use super::pass;
use super::random::Random;
use super::samples::{self, Filled};

const GIB: i64 = 1 << 30;
/// Records in one import: what a file of a large site may hold.
const STRIDE: usize = 10_000;

/// Its VMs come in any number.
#[derive(Debug, Clone, Copy)]
pub struct World {
    pub clusters: usize,
    pub hosts: usize,
}

impl World {
    /// Imports clusters and hosts.
    pub async fn build(self, app: &App) {
        let clusters: Vec<Value> = (0..self.clusters).map(|at| record(&CLUSTER, "cluster", at)).collect();
        let hosts = (0..self.hosts).map(|at| {
            let mut host = record(&HOST, "host", at);
            host["cluster"] = reference("cluster", at % self.clusters);
            host
        });
        import(app, &json!({ "clusters": clusters, "hosts": hosts.collect::<Vec<_>>() })).await;
    }

    /// Imports VMs of these numbers.
    pub async fn populate(self, app: &App, vms: Range<usize>, random: &mut Random) {
        for start in vms.clone().step_by(STRIDE) {
            let some = (start..vms.end.min(start + STRIDE)).map(|at| self.vm(at, random));
            import(app, &json!({ "vms": some.collect::<Vec<_>>() })).await;
        }
    }

    /// Four of five are running; memory of 1 to 64 GiB; names and times of creation in no order.
    fn vm(self, at: usize, random: &mut Random) -> Value {
        let host = random.below(self.hosts);
        let mut vm = record(&VM, "vm", at);
        vm["name"] = json!(format!("vm-{:016x}", random.next()));
        vm["host"] = reference("host", host);
        vm["cluster"] = reference("cluster", host % self.clusters);
        vm["status"] = json!(if random.below(5) > 0 { "RUNNING" } else { "STOPPED" });
        vm["memory"] = json!((1 + random.below(64) as i64) * GIB);
        vm["vcpu"] = json!(1 + random.below(16));
        let seconds = 1_767_225_600 + random.below(30_000_000) as i64;
        let created = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        vm["local_created_at"] = json!(created.format("%Y-%m-%dT%H:%M:%S.000Z").to_string());
        vm
    }
}

fn record(entity: &'static Entity, kind: &str, at: usize) -> Value {
    let mut record = samples::record(entity, Filled::All);
    for (name, value) in record.as_object_mut().unwrap() {
        if value.is_object() && entity.field(name).is_some_and(|field| field.relation().is_some()) {
            *value = Value::Null;
        }
    }
    record["id"] = json!(id(kind, at));
    record["name"] = json!(format!("{kind} {at}"));
    record
}

fn reference(kind: &str, at: usize) -> Value {
    json!({ "id": id(kind, at) })
}

fn id(kind: &str, at: usize) -> String {
    format!("{kind}-{at:06}")
}

async fn import(app: &App, inventory: &Value) {
    inventory::import(app, &pass(&Caller::operator()), &inventory.to_string(), |_| {}).await.unwrap();
}
