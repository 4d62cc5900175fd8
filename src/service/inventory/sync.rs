//! Mirrors the inventory of the upstream: afterwards the local one holds what the upstream holds, and nothing else.
//!
//! Everything is read before the first row is written, so that no transaction waits for a network. Pages go by `id_gt`, which needs no
//! row to stay where it is, until one is empty: a list that was cut short would look like rows that are gone.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::check::{self, Problem, Record};
use super::{ENTITIES, Progress, told, write};
use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::entity::{Entity, Join, Kind};
use crate::domain::operation::Operation;
use crate::domain::permit::Permit;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::upstream::Upstream;

/// Records asked for at a time: the public clients do so too.
const PAGE: usize = 100;

/// What became of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mirrored {
    /// The entity's list, for example `vms`.
    pub list: &'static str,
    /// Rows that the upstream has.
    pub rows: usize,
    /// Local rows that it no longer has.
    pub removed: usize,
}

/// Mirrors the upstream. Tells `reading` and `writing` as it goes, and at last what became of each list.
///
/// # Errors
/// `Invalid` when there is no upstream, or with every record that is wrong; `BadGateway` and `GatewayTimeout` when the upstream does not do
/// its part; `Forbidden`; `Unavailable` when the database is away. Nothing is changed then.
pub async fn sync(
    app: &App,
    permit: &Permit,
    mut reading: impl FnMut(Progress),
    mut writing: impl FnMut(Progress),
) -> Result<Vec<Mirrored>> {
    let permit = permit.require(Operation::ImportInventory)?;
    let upstream = app.upstream.as_ref().ok_or_else(|| Error::invalid("there is no upstream: name one"))?;
    let mut lists = Vec::new();
    for entity in ENTITIES {
        lists.push((entity, read(upstream, entity, &mut reading).await?));
    }
    let problems = fit(&mut lists);
    if !problems.is_empty() {
        return Err(told(&problems, ToString::to_string));
    }
    let tx = app.begin(&permit).await?;
    let totals = write(&tx, &lists, &tx.organization().await?, &mut writing).await?;
    let mut mirrored = Vec::new();
    // The other way round: a row goes before the one that it belongs to.
    for ((entity, records), total) in lists.iter().zip(totals).rev() {
        let kept: HashSet<&str> = records.iter().map(|record| record.id.as_str()).collect();
        let mut gone = tx.existing_ids(entity).await?;
        gone.retain(|id| !kept.contains(id.as_str()));
        tx.delete_rows(entity, &gone).await?;
        mirrored.push(Mirrored { list: entity.plural, rows: total.of, removed: gone.len() });
    }
    let records: usize = mirrored.iter().map(|list| list.rows).sum();
    tx.note(Entry::done(text!("inventory mirrored: {records} records", "已镜像资源清单：{records} 条记录")));
    tx.commit().await?;
    mirrored.reverse();
    Ok(mirrored)
}

/// Reads a whole list.
async fn read(upstream: &Upstream, entity: &'static Entity, reading: &mut impl FnMut(Progress)) -> Result<Vec<Record>> {
    let (list, route) = (entity.plural, format!("get-{}", entity.route));
    let rubbish = |why: String| Error::bad_gateway(format!("the upstream answers {route} with something else"), why);
    let count = upstream.read(&format!("{route}-connection"), &json!({})).await?;
    let count: Value = serde_json::from_str(&count).map_err(|error| rubbish(error.to_string()))?;
    let count = count.pointer("/aggregate/count").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or_else(|| rubbish("no count".to_owned()))?;
    let (mut records, mut seen) = (Vec::<Record>::new(), HashSet::new());
    loop {
        let done = records.len();
        // What comes or goes while it is read makes the count a little wrong.
        if done < count {
            reading(Progress { list, done, of: count });
        }
        let conditions = records.last().map_or(json!({}), |last| json!({ "id_gt": last.id }));
        let body = json!({ "where": conditions, "orderBy": "id_ASC", "first": PAGE });
        let (page, problems) = check::read_page(entity, &upstream.read(&route, &body).await?);
        if !problems.is_empty() {
            return Err(rubbish(told(&problems, ToString::to_string).public().to_owned()));
        }
        if page.is_empty() {
            reading(Progress { list, done, of: done });
            return Ok(records);
        }
        for record in page {
            if !seen.insert(record.id.clone()) {
                return Err(rubbish(format!("{list}[{}] comes on two pages", record.id)));
            }
            records.push(record);
        }
    }
}

/// Makes relations fit together: what one list names and another lacks came or went while they were read, or is not shown to us. It is
/// left out where it may be.
fn fit(lists: &mut [(&'static Entity, Vec<Record>)]) -> Vec<Problem> {
    let ids = |records: &[Record]| records.iter().map(|record| record.id.clone()).collect::<HashSet<_>>();
    let known: HashMap<&str, HashSet<String>> =
        lists.iter().map(|(entity, records)| (entity.name, ids(records))).collect();
    let mut problems = Vec::new();
    for (entity, records) in lists {
        for field in entity.fields {
            let Some(relation) = field.relation() else { continue };
            let Some(known) = known.get(relation.target.name) else { continue };
            for record in &mut *records {
                match (&field.kind, relation.join) {
                    // It follows from the rows on the other side.
                    (_, Join::Reverse(_)) => drop(record.values.remove(field.name)),
                    (Kind::Many(_), _) => {
                        if let Some(Value::Array(others)) = record.values.get_mut(field.name) {
                            others.retain(|other| is_known(other, known));
                        }
                    }
                    _ if field.required => problems.extend(record.dangling(field, known)),
                    _ => {
                        if record.values.get(field.name).is_some_and(|other| !is_known(other, known)) {
                            record.values.remove(field.name);
                        }
                    }
                }
            }
        }
    }
    problems
}

fn is_known(row: &Value, known: &HashSet<String>) -> bool {
    row.get("id").and_then(Value::as_str).is_some_and(|id| known.contains(id))
}
