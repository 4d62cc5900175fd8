//! Estimates the maximum cost of a list before the list is read: the number of conditions times the number of rows that each condition may
//! check.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbBackend};

use crate::domain::entity::{Entity, Kind};
use crate::domain::filter::{Filter, Query};
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::store::{error, statement};

/// Cost factor of a condition on JSON objects, relative to a condition on a column. The factor is above 1, because the database must parse
/// the JSON.
const KEPT: u64 = 4;
/// Number of values in one condition that cost as much as one more condition. One value costs little, because the database looks values up
/// instead of comparing them one by one.
const VALUES: usize = 1_000;
/// Assumed number of rows per page of a table whose rows PostgreSQL has not counted yet.
const ROWS_A_PAGE: i64 = 20;

/// The limit for the cost of one query.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Limit {
    /// Minimum number of conditions for which the cost is estimated. A query with fewer conditions is fast over any table.
    many: u64,
    /// Maximum cost, in checks of one condition on one row.
    ceiling: u64,
}

impl Limit {
    /// The limit of a list. Neither database can do more checks within the deadline of a list.
    pub(in crate::store) const LIST: Self = Self { many: 100, ceiling: 200_000_000 };
    /// The limit inside a write. Other writes wait while the conditions are evaluated, so this limit allows only about a second.
    pub(in crate::store) const WRITE: Self = Self { many: 4, ceiling: 4_000_000 };
}

/// Rejects a query whose conditions would check too many rows.
///
/// # Errors
/// `Invalid` if the estimate exceeds the ceiling.
/// `Unavailable` if the database is unreachable.
pub(super) async fn check(db: &impl ConnectionTrait, query: &Query, limit: Limit) -> Result<()> {
    let Limit { many, ceiling } = limit;
    let mut looks = HashMap::new();
    count(query.entity, &query.filter, 1, &mut looks);
    let conditions = looks.values().sum::<u64>();
    if conditions < many {
        return Ok(());
    }
    let mut cost = 0_u64;
    for (table, looks) in looks {
        cost = cost.saturating_add(rows(db, table).await?.saturating_mul(looks));
    }
    if cost <= ceiling {
        return Ok(());
    }
    Err(Error::invalid(text!(
        "where has {conditions} conditions over so many rows that it would take too long: conditions times rows may be {ceiling}, \
         and these are about {cost}; ask with fewer conditions",
        "where 的 {conditions} 个条件涉及的行过多，耗时过长：条件数乘以行数最多为 {ceiling}，当前约为 {cost}；请减少条件"
    )))
}

/// Adds to `looks`, for each table, the number of conditions that check each row of the table. A condition on a relation adds one check to
/// each row of both tables, because the subquery runs once, not once per row.
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

/// Estimates the number of rows of a table without reading the rows.
async fn rows(db: &impl ConnectionTrait, table: &'static str) -> Result<u64> {
    let database = db.get_database_backend();
    let sql = match database {
        DbBackend::Postgres => format!(
            "SELECT CASE WHEN reltuples < 0 THEN pg_relation_size(oid) / 8192 * {ROWS_A_PAGE} ELSE CAST(reltuples AS BIGINT) END \
             FROM pg_class WHERE oid = CAST('{table}' AS regclass)"
        ),
        // SQLite reads MIN and MAX directly from the table's B-tree only in separate queries. One query for both would read the whole
        // table.
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
