//! The inventory: data that keytower holds and shows. It comes from a JSON file in the shape that the `get-…` routes answer, or from an
//! upstream ([`sync()`]).
//!
//! Every record is checked against its entity's description before the first is written; one that is wrong is named by line, path
//! and reason, and then nothing is imported. Records replace those with the same id. `cluster` and `host` of a VM or host decide
//! which belongs where; the lists on the other side follow from them and are only checked for their shape. A VM whose power
//! operation goes on stays held by it, whatever its record says of that.

mod check;
mod sync;

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

/// What an inventory file holds, in the order in which it is written.
pub const ENTITIES: [&Entity; 4] = [&DATACENTER, &CLUSTER, &HOST, &VM];

/// Records written at a time, between two signs of progress.
const STRIDE: usize = 1_000;
/// So many problems are told; a file of the wrong kind would fill the screen.
const TOLD: usize = 20;

/// How many records of an entity were written so far, out of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The entity's list, for example `vms`.
    pub list: &'static str,
    /// Written.
    pub done: usize,
    /// In the file.
    pub of: usize,
}

/// Imports a file's text. Tells `progress` as it goes, and at last how many records of each entity there were.
///
/// # Errors
/// `Invalid` with every problem (line, path, reason) on a line of its own, `Forbidden`, `Unavailable` when the database is away;
/// nothing is imported then.
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
            // A list on the other side follows from the rows that it names; what is not imported is not looked for.
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

/// Writes records that were checked: how many of each list.
async fn write(
    tx: &Tx,
    lists: &[(&'static Entity, Vec<Record>)],
    organization: &str,
    progress: &mut impl FnMut(Progress),
) -> Result<Vec<Progress>> {
    // Whoever switches VMs waits for this, and this for them.
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

/// The record as it is written: a data center of an organization that is not known here becomes one of ours.
fn placed(entity: &Entity, record: &Record, organization: &str) -> Map<String, Value> {
    let mut values = record.values.clone();
    if *entity == DATACENTER {
        values.insert("organization".to_owned(), json!({ "id": organization }));
    }
    values
}

/// Pairs data centers and clusters: what either side lists. A list that is present replaces the record's old pairs.
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

/// The first of the problems, a line for each.
fn told(problems: &[Problem], tell: impl Fn(&Problem) -> String) -> Error {
    let more = problems.len().saturating_sub(TOLD);
    let mut lines: Vec<String> = problems.iter().take(TOLD).map(tell).collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.push("nothing was imported".to_owned());
    Error::invalid(lines.join("\n"))
}
