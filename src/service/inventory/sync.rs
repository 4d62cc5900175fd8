//! Mirrors the inventory of the upstream: afterwards the local inventory contains the records of the upstream, and no other records.
//!
//! All pages are read before the first row is written, so that no transaction waits for the network. Each page is requested with `id_gt`,
//! which does not depend on the positions of rows. Reading ends only at an empty page: if a list were cut short, the missing rows would be
//! deleted here.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::entity::{Entity, Join, Kind};
use crate::domain::operation::Operation;
use crate::domain::permit::Permit;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::service::inventory::check::{self, Problem, Record};
use crate::service::inventory::{ENTITIES, Progress, told, write};
use crate::upstream::Upstream;

/// Number of records per page: the number that the public clients request.
const PAGE: usize = 100;

/// Result of mirroring a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mirrored {
    /// Name of the entity's list, for example `vms`.
    pub list: &'static str,
    /// Number of rows that the upstream has.
    pub rows: usize,
    /// Number of local rows that were removed because the upstream does not have them.
    pub removed: usize,
}

/// Mirrors the inventory of the upstream. Calls `reading` and `writing` with the progress, and returns the result for each list. Changes
/// nothing if an error occurs.
///
/// # Errors
/// - `Invalid` if there is no upstream, or required related rows are missing; the message lists up to 20 problems.
/// - `BadGateway` or `GatewayTimeout` if the upstream fails, sends invalid records or does not answer in time.
/// - `Forbidden` if the caller does not hold all rights.
/// - `Unavailable` if the database is unreachable.
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
    // In reverse order: a row is deleted before the row that it belongs to.
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

/// Reads a whole list of the upstream.
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
        // Rows that appear or disappear meanwhile make the count inexact.
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

/// Removes references to rows that were not read. Such rows appeared or disappeared during the reading, or the upstream does not show them
/// to keytower. Returns a problem for each required reference to such a row.
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
                    // A reverse list follows from the rows on the other side.
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
