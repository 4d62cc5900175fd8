//! Reads lists of any entity. One SQL statement covers `where`, order, limit and offset. Each requested relation, at any depth, takes one
//! more statement for every 5,000 rows.

mod blocks;
mod column;
mod compare;
mod compile;
mod condition;
mod cost;
mod ids;
mod json;
mod node;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use sea_orm::sea_query::{Expr, Func, Query as Sql, SelectStatement};
use sea_orm::{ConnectionTrait, QueryResult};

pub use blocks::{BLOCK, Ids};
pub(super) use cost::Limit;
pub(super) use ids::ids;
pub use node::{Budget, Node, Projection};

use super::{Store, Tx, error};
use crate::domain::entity::{Entity, Join, Kind, Relation};
use crate::domain::filter::Query;
use crate::domain::id::UserId;
use crate::domain::text::Language;
use crate::error::{Error, Result};
use node::Cell;

/// Maximum number of ids in one statement. Both databases accept many more parameters.
const CHUNK: usize = 5_000;
/// Name of the column of a related row that holds the id by which the related row was found.
const PARENT: &str = "parent__id";

/// Restriction of a list to some rows, such as the rows that the caller may see.
#[derive(Debug, Clone)]
pub enum Scope {
    /// All rows.
    All,
    /// Rows whose `user_id` is the id of this user.
    OwnedBy(UserId),
    /// Users without a second factor; if roles are given, only users with one of these roles.
    WithoutFactor(Option<Vec<String>>),
    /// Keys whose owner was authenticated without a second factor when the key was minted.
    MintedWithoutMfa,
}

/// A row, and for each link column the id that the column holds.
struct Row {
    node: Node,
    links: HashMap<&'static str, String>,
}

/// Parameters that all statements of one list share.
#[derive(Clone, Copy)]
struct Reading<'a> {
    language: Language,
    budget: &'a Budget,
}

type Load<'a> = Pin<Box<dyn Future<Output = Result<Vec<Row>>> + Send + 'a>>;

impl Store {
    /// Reads the rows of a list for a caller, with the fields and relations of the projection.
    ///
    /// # Errors
    /// `Invalid` if the list is too costly, takes too long or exceeds the budget.
    /// `TooMany` if the caller already reads too many lists.
    /// `Unavailable` if the database is unreachable.
    pub async fn list(
        &self,
        caller: Option<&UserId>,
        query: &Query,
        scope: &Scope,
        projection: &Projection,
        budget: &Budget,
    ) -> Result<Vec<Arc<Node>>> {
        // Lists of one request wait for each other before they take a lane.
        let _turn = budget.turn().await;
        self.lanes.read(caller, async |db| list(&db, query, scope, projection, budget, Limit::LIST).await).await
    }

    /// Reads rows whose ids or keys the query names. Does not use a lane (a connection for lists), so that a request for one row never
    /// waits for a list.
    ///
    /// # Errors
    /// `Invalid` if the answer exceeds the budget.
    /// `Unavailable` if the database is unreachable.
    pub async fn named(
        &self,
        query: &Query,
        scope: &Scope,
        projection: &Projection,
        budget: &Budget,
    ) -> Result<Vec<Arc<Node>>> {
        let _turn = budget.turn().await;
        list(&self.read, query, scope, projection, budget, Limit::LIST).await
    }

    /// Returns the number of rows in a list for a caller, within the limit and the offset of the list.
    ///
    /// # Errors
    /// Same as [`Store::list`].
    pub async fn count(&self, caller: Option<&UserId>, query: &Query, scope: &Scope) -> Result<u64> {
        self.lanes.read(caller, async |db| count(&db, query, scope).await).await
    }
}

impl Tx {
    /// Reads the rows of a list as this write sees them; see [`Store::list`].
    ///
    /// # Errors
    /// `Invalid` if the list is too costly or exceeds the budget.
    /// `Unavailable` if the database is unreachable.
    pub async fn list(
        &self,
        query: &Query,
        scope: &Scope,
        projection: &Projection,
        budget: &Budget,
    ) -> Result<Vec<Arc<Node>>> {
        let small = budget.in_write();
        let rows = list(&self.db, query, scope, projection, &small, Limit::WRITE).await?;
        budget.spend(small.spent())?;
        Ok(rows)
    }
}

async fn count(db: &impl ConnectionTrait, query: &Query, scope: &Scope) -> Result<u64> {
    let Some(mut rows) = matching(db, query, scope, Limit::LIST).await? else { return Ok(0) };
    compile::limit(query, None, &mut rows);
    rows.expr(Expr::val(1));
    let count = Sql::select().expr_as(Func::count(Expr::val(1)), "count").from_subquery(rows, "rows").to_owned();
    let row = db.query_one(&count).await.map_err(error)?;
    let count: i64 = row.map_or(Ok(0), |row| row.try_get("", "count").map_err(error))?;
    u64::try_from(count).map_err(Error::internal)
}

async fn list(
    db: &(impl ConnectionTrait + Send),
    query: &Query,
    scope: &Scope,
    projection: &Projection,
    budget: &Budget,
    limit: Limit,
) -> Result<Vec<Arc<Node>>> {
    let Some(mut select) = matching(db, query, scope, limit).await? else { return Ok(Vec::new()) };
    let database = db.get_database_backend();
    let most = budget.most_rows(projection);
    if query.page.is_part() {
        select = compile::windowed(database, query, select, most);
    } else {
        compile::order(database, query, &mut select);
        compile::limit(query, most, &mut select);
    }
    let mut rows =
        load(db, query.entity, select, &[], projection, Reading { language: query.language, budget }).await?;
    if query.page.last.is_some() {
        rows.reverse();
    }
    budget.spend(rows.iter().map(|row| row.node.weight()).sum())?;
    Ok(rows.into_iter().map(|row| Arc::new(row.node)).collect())
}

/// Selects the rows of a list, without columns, order, limit and offset. Returns `None` if `after` or `before` names no row within the
/// scope, because then no row matches.
async fn matching(
    db: &impl ConnectionTrait,
    query: &Query,
    scope: &Scope,
    limit: Limit,
) -> Result<Option<SelectStatement>> {
    cost::check(db, query, limit).await?;
    let database = db.get_database_backend();
    let mut select = compile::matching(database, query, scope);
    for (id, after) in [(&query.page.after, true), (&query.page.before, false)] {
        let Some(id) = id else { continue };
        let at = db.query_one(&compile::position(database, query, scope, id)).await.map_err(error)?;
        let Some(at) = at else { return Ok(None) };
        select.and_where(compile::beyond(database, query, &at, id, after)?);
    }
    Ok(Some(select))
}

/// Runs a statement and returns the rows, including the related rows of every relation of the projection.
fn load<'a>(
    db: &'a (impl ConnectionTrait + Send),
    entity: &'static Entity,
    mut select: SelectStatement,
    links: &'a [&'static str],
    projection: &'a Projection,
    reading: Reading<'a>,
) -> Load<'a> {
    Box::pin(async move {
        let mut links = links.to_vec();
        compile::columns(entity, projection, reading.language, &mut select);
        for (_, relation, _) in &projection.relations {
            if let Join::Own(column) = relation.join {
                select.column((entity.table, column));
                links.push(column);
            }
        }
        let rows = db.query_all(&select).await.map_err(error)?;
        let mut rows =
            rows.iter().map(|row| read_row(row, projection, &links, reading.language)).collect::<Result<Vec<_>>>()?;
        for (name, relation, inner) in &projection.relations {
            relate(db, name, relation, inner, &mut rows, reading).await?;
        }
        Ok(rows)
    })
}

/// Reads the related rows of one relation and adds them to the given rows. Runs one statement for every [`CHUNK`] ids.
async fn relate(
    db: &(impl ConnectionTrait + Send),
    name: &'static str,
    relation: &'static Relation,
    inner: &Projection,
    rows: &mut [Row],
    reading: Reading<'_>,
) -> Result<()> {
    let own = |row: &Row| match relation.join {
        Join::Own(column) => row.links.get(column).cloned(),
        _ => Some(row.node.id().to_owned()),
    };
    let mut ids: Vec<String> = rows.iter().filter_map(own).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut found: HashMap<String, Vec<Arc<Node>>> = HashMap::new();
    for chunk in ids.chunks(CHUNK) {
        let mut select = compile::related(relation, chunk);
        if let Some(most) = reading.budget.most_rows(inner) {
            select.limit(most);
        }
        let related = load(db, relation.target, select, &[PARENT], inner, reading).await?;
        reading.budget.check(related.iter().map(|row| row.node.weight()).sum())?;
        for row in related {
            let Some(parent) = row.links.get(PARENT) else { continue };
            found.entry(parent.clone()).or_default().push(Arc::new(row.node));
        }
    }
    for row in rows {
        let mine = own(row).and_then(|id| found.get(&id)).cloned().unwrap_or_default();
        let cell = match relation.join {
            Join::Own(_) => Cell::One(mine.into_iter().next()),
            _ => Cell::Many(mine),
        };
        row.node.put(name, cell);
    }
    Ok(())
}

fn read_row(row: &QueryResult, projection: &Projection, links: &[&'static str], language: Language) -> Result<Row> {
    let id: String = row.try_get_by("id").map_err(error)?;
    let mut node = Node::new(id, projection.leaves());
    for field in &projection.fields {
        let cell = match field.kind {
            Kind::Key => Cell::Value(serde_json::Value::Null),
            _ => compile::decode(row, field, language)?,
        };
        node.put(field.name, cell);
    }
    let mut found = HashMap::new();
    for link in links {
        let id: Option<String> = row.try_get_by(*link).map_err(error)?;
        found.extend(id.map(|id| (*link, id)));
    }
    Ok(Row { node, links: found })
}
