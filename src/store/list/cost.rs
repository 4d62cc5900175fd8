//! What a list costs at most, estimated before anything runs: conditions times the rows that each may look at.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbBackend};

use crate::domain::entity::{Entity, Kind};
use crate::domain::filter::{Filter, Query};
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::store::{error, statement};

/// Most looks of conditions at rows: more than either database does in the time that a list has.
const CEILING: u64 = 200_000_000;
/// From so many conditions on, a list is estimated; fewer take no long time over any table.
const MANY: u64 = 100;
/// What a condition on objects that are kept inside a row costs more than one on a column: their JSON is read.
const KEPT: u64 = 4;
/// So many values of one condition, which are looked up and not compared one by one, cost as much as a condition more.
const VALUES: usize = 1_000;
/// Rows on a page of a table that PostgreSQL has not counted yet.
const ROWS_A_PAGE: i64 = 20;

/// Refuses a list whose conditions would have to look at too many rows.
///
/// # Errors
/// `Invalid` above the ceiling, `Unavailable` when the database is away.
pub(super) async fn check(db: &impl ConnectionTrait, query: &Query) -> Result<()> {
    let mut looks = HashMap::new();
    count(query.entity, &query.filter, 1, &mut looks);
    let conditions = looks.values().sum::<u64>();
    if conditions < MANY {
        return Ok(());
    }
    let mut cost = 0_u64;
    for (table, looks) in looks {
        cost = cost.saturating_add(rows(db, table).await?.saturating_mul(looks));
    }
    if cost <= CEILING {
        return Ok(());
    }
    Err(Error::invalid(text!(
        "where has {conditions} conditions over so many rows that it would take too long: conditions times rows may be {CEILING}, \
         and these are about {cost}; ask with fewer conditions",
        "where 的 {conditions} 个条件涉及的行过多，耗时过长：条件数乘以行数最多为 {CEILING}，当前约为 {cost}；请减少条件"
    )))
}

/// Adds how many conditions look at each row of each table. A related row is looked at once, wherever the row stands that it is
/// related to; that one is looked at once more, to find it.
fn count(entity: &'static Entity, filter: &Filter, weight: u64, looks: &mut HashMap<&'static str, u64>) {
    let mut add = |table, more: u64| *looks.entry(table).or_default() += more.saturating_mul(weight);
    match filter {
        Filter::All(filters) | Filter::Any(filters) => {
            filters.iter().for_each(|filter| count(entity, filter, weight, looks));
        }
        Filter::Not(filter) => count(entity, filter, weight, looks),
        Filter::Compare(_, _, values) => add(entity.table, 1 + (values.len() / VALUES) as u64),
        Filter::Digests(_) => add(entity.table, 1),
        Filter::Unrelated(_) => add(entity.table, 1),
        Filter::Related(field, _, filter) => {
            add(entity.table, 1);
            match &field.kind {
                Kind::One(relation) | Kind::Many(relation) => {
                    add(relation.target.table, 1);
                    count(relation.target, filter, weight, looks);
                }
                _ => count(entity, filter, weight.saturating_mul(KEPT), looks),
            }
        }
    }
}

/// About how many rows a table has, by what the database knows without looking at them.
async fn rows(db: &impl ConnectionTrait, table: &'static str) -> Result<u64> {
    let database = db.get_database_backend();
    let sql = match database {
        DbBackend::Postgres => format!(
            "SELECT CASE WHEN reltuples < 0 THEN pg_relation_size(oid) / 8192 * {ROWS_A_PAGE} ELSE CAST(reltuples AS BIGINT) END \
             FROM pg_class WHERE oid = CAST('{table}' AS regclass)"
        ),
        // Each end is found by the table's own tree; both in one would read it all.
        _ => format!("SELECT (SELECT MAX(rowid) FROM {table}) - (SELECT MIN(rowid) FROM {table}) + 1"),
    };
    let row = db.query_one_raw(statement(database, &sql, [])).await.map_err(error)?;
    let rows: Option<i64> = row.map_or(Ok(None), |row| row.try_get_by_index(0).map_err(error))?;
    Ok(u64::try_from(rows.unwrap_or_default()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::entity::VM;

    fn counted(conditions: Value) -> Vec<(&'static str, u64)> {
        let query = Query::matching(&VM, conditions.as_object().unwrap().clone()).unwrap();
        let mut looks = HashMap::new();
        count(query.entity, &query.filter, 1, &mut looks);
        let mut looks: Vec<_> = looks.into_iter().collect();
        looks.sort_unstable();
        looks
    }

    #[test]
    fn conditions_are_counted_by_the_table_whose_rows_they_look_at() {
        assert_eq!(counted(json!({})), []);
        assert_eq!(counted(json!({ "AND": [{ "name": "a" }, { "OR": [{ "vcpu": 1 }] }] })), [("vms", 2)]);
        assert_eq!(counted(json!({ "vcpu_in": vec![1; 10_000] })), [("vms", 11)]);
        assert_eq!(counted(json!({ "cluster": { "name": "a", "id": "b" } })), [("clusters", 3), ("vms", 1)]);
        let nested = json!({ "cluster": { "hosts_some": { "NOT": [{ "name": "a" }] } } });
        assert_eq!(counted(nested), [("clusters", 2), ("hosts", 2), ("vms", 1)]);
        assert_eq!(counted(json!({ "labels_some": { "key": "a" } })), [("vms", 5)]);
    }
}
