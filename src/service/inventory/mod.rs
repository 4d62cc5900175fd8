//! The inventory: data centers, clusters, hosts and VMs. The data comes from a JSON file in the shape that the `get-…` routes return, or
//! from an upstream ([`sync()`]).
//!
//! Every record is checked against the description of its entity before the first record is written. Each invalid record is reported by
//! line, path and reason, and then nothing is imported. A record replaces the stored record with the same id. The fields `cluster` and
//! `host` of a VM or host decide where the VM or host belongs. The lists on the other side, such as the VMs of a host, follow from these
//! fields; only the shape of such a list is checked. A VM with a running power operation stays locked, whatever its record says.

mod check;
pub mod forward;
pub mod lists;
pub mod power;
mod sync;
pub mod tasks;

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::entity::{CLUSTER, DATACENTER, Entity, HOST, Join, Kind, VM};
use crate::domain::operation::Operation;
use crate::domain::permit::Permit;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::store::Tx;
use check::{Problem, Record};
pub use sync::{Mirrored, sync};

/// Entities of an inventory file, in the order in which the entities are written.
pub const ENTITIES: [&Entity; 4] = [&DATACENTER, &CLUSTER, &HOST, &VM];

/// Number of records written between two progress reports.
const STRIDE: usize = 1_000;
/// Maximum number of problems in an error message, so that a file of the wrong kind does not fill the screen.
const TOLD: usize = 20;

/// Progress of writing (or reading) the records of one entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Name of the entity's list, for example `vms`.
    pub list: &'static str,
    /// Number of records written (or read) so far.
    pub done: usize,
    /// Total number of records.
    pub of: usize,
}

/// Imports the text of an inventory file. Calls `progress` repeatedly. Returns the number of written records of each entity. Imports
/// nothing if an error occurs.
///
/// # Errors
/// - `Invalid` if the file has problems; the message lists up to 20 problems, each with line, path and reason.
/// - `Forbidden` if the caller does not hold all rights.
/// - `Unavailable` if the database is unreachable.
pub async fn import(
    app: &App,
    permit: &Permit,
    text: &str,
    mut progress: impl FnMut(Progress),
) -> Result<Vec<Progress>> {
    let permit = permit.require(Operation::ImportInventory)?;
    let (lists, mut problems) = check::read(text);
    let tx = app.begin(&permit).await?;
    let organization = tx.organization().await?;
    let mut known: HashMap<&str, HashSet<String>> = HashMap::new();
    for (entity, records) in &lists {
        let ids = known.entry(entity.name).or_default();
        ids.extend(tx.existing_ids(entity).await?);
        ids.extend(records.iter().map(|record| record.id.clone()));
    }
    for (entity, records) in &lists {
        for (field, relation) in entity.fields.iter().filter_map(|field| Some((field, field.relation()?))) {
            // Skip reverse lists, which follow from the rows that they name. Also skip relations to entities that are not imported.
            let ids = known.get(relation.target.name).filter(|_| !matches!(relation.join, Join::Reverse(_)));
            let Some(ids) = ids else { continue };
            problems.extend(records.iter().flat_map(|record| record.dangling(field, ids)));
        }
    }
    if !problems.is_empty() {
        return Err(refusal(text, &problems));
    }
    let totals = write(&tx, &lists, &organization, &mut progress).await?;
    let records: usize = totals.iter().map(|total| total.of).sum();
    tx.note(Entry::done(text!("inventory imported: {records} records", "已导入资源清单：{records} 条记录")));
    tx.commit().await?;
    Ok(totals)
}

/// Writes checked records and returns the number of records in each list.
async fn write(
    tx: &Tx,
    lists: &[(&'static Entity, Vec<Record>)],
    organization: &str,
    progress: &mut impl FnMut(Progress),
) -> Result<Vec<Progress>> {
    // Imports and power operations wait for each other.
    tx.alone_with(VM.table).await?;
    let mut totals = Vec::new();
    for (entity, records) in lists {
        let of = records.len();
        let rows: Vec<_> = records.iter().map(|record| placed(entity, record, organization)).collect();
        for (stride, rows) in rows.chunks(STRIDE).enumerate() {
            tx.upsert(entity, rows).await?;
            progress(Progress { list: entity.plural, done: (stride * STRIDE + rows.len()).min(of), of });
        }
        totals.push(Progress { list: entity.plural, done: of, of });
    }
    pair(tx, lists).await?;
    tx.hold_vms_at_work().await?;
    Ok(totals)
}

/// Returns the values of a record to store. A data center gets the local organization, since the organization in the record is not known
/// here.
fn placed(entity: &Entity, record: &Record, organization: &str) -> Map<String, Value> {
    let mut values = record.values.clone();
    if *entity == DATACENTER {
        values.insert("organization".to_owned(), json!({ "id": organization }));
    }
    values
}

/// Links each data center with the clusters that it lists, and each cluster with the data centers that it lists. A list in a record
/// replaces the old links of that record.
async fn pair(tx: &Tx, lists: &[(&'static Entity, Vec<Record>)]) -> Result<()> {
    let mut pairs = Vec::new();
    for (entity, records) in lists {
        for field in entity.fields {
            let Kind::Many(relation) = &field.kind else { continue };
            if !matches!(relation.join, Join::Through(..)) {
                continue;
            }
            for record in records {
                let Some(Value::Array(others)) = record.values.get(field.name) else { continue };
                tx.unlink(relation.join, &record.id).await?;
                let others = others.iter().filter_map(|other| other.get("id").and_then(Value::as_str));
                pairs.extend(others.map(|other| (relation.join, record.id.as_str(), other)));
            }
        }
    }
    for (join, here, there) in pairs {
        tx.link(join, here, there).await?;
    }
    Ok(())
}

fn refusal(text: &str, problems: &[Problem]) -> Error {
    told(problems, |problem| problem.tell(text))
}

/// Returns an error with the first problems, one on each line.
fn told(problems: &[Problem], tell: impl Fn(&Problem) -> String) -> Error {
    let more = problems.len().saturating_sub(TOLD);
    let mut lines: Vec<String> = problems.iter().take(TOLD).map(tell).collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.push("nothing was imported".to_owned());
    Error::invalid(lines.join("\n"))
}
