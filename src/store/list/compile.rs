//! Translates a list request to SQL. Both databases return the same rows: text compares byte by byte, and NULL sorts last in ascending and
//! first in descending order.

use sea_orm::sea_query::{Expr, ExprTrait, NullOrdering, Order as SqlOrder, Query as Sql, SelectStatement, SimpleExpr};
use sea_orm::{DbBackend, QueryResult, Value as SqlValue};
use serde_json::Value;

use super::super::error;
use super::column::{chinese, column};
use super::condition::{Dialect, Subject, condition};
use super::node::{Cell, Kept};
use super::{PARENT, Projection, Scope, json};
use crate::domain::entity::{Entity, Field, Join, Kind, Relation};
use crate::domain::filter::Query;
use crate::domain::mfa::AMR_MFA;
use crate::domain::text::{Language, Text};
use crate::error::Result;

/// The largest LIMIT, which stands for no limit. SQLite accepts an OFFSET only together with a LIMIT.
const NO_LIMIT: u64 = i64::MAX as u64;

/// Returns a statement that selects the rows that a list request matches. The statement has no columns and no order yet.
pub(super) fn matching(database: DbBackend, query: &Query, scope: &Scope) -> SelectStatement {
    let mut select = Sql::select();
    let dialect = Dialect::of(database, query.language, &query.filter);
    let subject = Subject::Row(query.entity);
    select.from(query.entity.table).and_where(condition(dialect, subject, &query.filter));
    let own = |column: &'static str| Expr::col((query.entity.table, column));
    match scope {
        Scope::All => {}
        Scope::OwnedBy(user) => drop(select.and_where(own("user_id").eq(user.as_str()))),
        Scope::WithoutFactor(roles) => {
            let users_of = |table: &'static str| Sql::select().column("user_id").from(table).to_owned();
            select.and_where(own("id").not_in_subquery(users_of("factors")));
            if let Some(roles) = roles {
                let holders = users_of("user_roles").and_where(Expr::col("role_id").is_in(roles)).to_owned();
                select.and_where(own("id").in_subquery(holders));
            }
        }
        Scope::MintedWithoutMfa => drop(select.and_where(own("amr").not_like(format!("%\"{AMR_MFA}\"%")))),
    }
    select
}

/// Adds the id and the plain fields of a projection to the columns of a statement.
pub(super) fn columns(entity: &Entity, projection: &Projection, language: Language, select: &mut SelectStatement) {
    select.expr_as(Expr::col((entity.table, "id")), "id");
    for field in &projection.fields {
        if field.name != "id" && !matches!(field.kind, Kind::Key) {
            select.expr_as(column(entity, field, language), field.name);
        }
        if matches!(field.kind, Kind::Localized) && language == Language::All {
            select.expr_as(Expr::col((entity.table, chinese(field))), chinese(field));
        }
    }
}

/// Returns a statement that selects the related rows of a relation. `ids` holds the ids of the rows that the relation starts from, or for
/// [`Join::Own`] the ids of the related rows. The column `PARENT` of each related row holds the element of `ids` that led to the row.
pub(super) fn related(relation: &Relation, ids: &[String]) -> SelectStatement {
    let table = relation.target.table;
    let mut select = Sql::select();
    select.from(table);
    let link = match relation.join {
        Join::Own(_) => Expr::col((table, "id")),
        Join::Reverse(column) => Expr::col((table, column)),
        Join::Through(pairs, here, there) => {
            select.inner_join(pairs, Expr::col((pairs, there)).equals((table, "id")));
            Expr::col((pairs, here))
        }
    };
    select.expr_as(link.clone(), PARENT);
    select.and_where(link.is_in(ids.iter().map(String::as_str)));
    select.order_by((table, "id"), SqlOrder::Asc);
    select
}

/// Adds the order of a list to a statement. With `last`, the order is reversed, so that the end of the list comes first.
pub(super) fn order(database: DbBackend, query: &Query, select: &mut SelectStatement) {
    let backward = query.page.last.is_some();
    let direction = |descending: bool| if descending { SqlOrder::Desc } else { SqlOrder::Asc };
    if let Some(order) = &query.order {
        let by = ordered_by(database, query);
        let descending = order.descending != backward;
        let nulls = if descending { NullOrdering::First } else { NullOrdering::Last };
        select.order_by_expr_with_nulls(by, direction(descending), nulls);
    }
    select.order_by((query.entity.table, "id"), direction(backward));
}

/// Returns the limit and the offset of a list. The limit is at most `most`.
fn window(query: &Query, most: Option<u64>) -> (u64, u64) {
    let limit = [query.page.first, query.page.last, most].into_iter().flatten().min();
    (limit.unwrap_or(NO_LIMIT), query.page.skip)
}

/// Adds the limit and the offset of a list to a statement.
pub(super) fn limit(query: &Query, most: Option<u64>, select: &mut SelectStatement) {
    if let (limit, skip) = window(query, most)
        && (limit < NO_LIMIT || skip > 0)
    {
        select.limit(limit).offset(skip);
    }
}

/// Returns a statement that selects the rows within the limit and offset of a list, in order. A subquery selects the ids of these rows.
/// Without the subquery, the database would carry all columns through the sort, even the columns of skipped rows.
///
/// The SQL contains the limit and the offset as literal numbers. With parameters, the planners of both databases would expect many rows and
/// sort the whole table instead of reading the first few rows from an index.
pub(super) fn windowed(
    database: DbBackend,
    query: &Query,
    mut matching: SelectStatement,
    most: Option<u64>,
) -> SelectStatement {
    let table = query.entity.table;
    order(database, query, &mut matching);
    let ids = database.build(matching.column((table, "id")));
    let (limit, skip) = window(query, most);
    let found = format!("\"{table}\".\"id\" IN ({} LIMIT {limit} OFFSET {skip})", ids.sql);
    let mut select = Sql::select();
    select.from(table).and_where(Expr::cust_with_values(found, ids.values.into_iter().flatten()));
    order(database, query, &mut select);
    select
}

/// Returns a statement that selects the value by which the list is ordered, for the row `id` that `after` or `before` names.
pub(super) fn position(database: DbBackend, query: &Query, scope: &Scope, id: &str) -> SelectStatement {
    let mut select = matching(database, &Query::all(query.entity), scope);
    select.expr_as(ordered_by(database, query), "place").and_where(Expr::col((query.entity.table, "id")).eq(id));
    select
}

/// Returns the condition for the rows after the row `id`, or before the row if `after` is false. `at` is the result of [`position`] for the
/// row.
pub(super) fn beyond(
    database: DbBackend,
    query: &Query,
    at: &QueryResult,
    id: &str,
    after: bool,
) -> Result<SimpleExpr> {
    let descending = query.order.as_ref().is_some_and(|order| order.descending);
    let place = match &query.order {
        Some(order) => scalar_value(at, order.field, "place")?,
        None => Some(SqlValue::from(id)),
    };
    let by = || ordered_by(database, query);
    let own_id = || Expr::col((query.entity.table, "id"));
    let same_side = if after { own_id().gt(id) } else { own_id().lt(id) };
    // Values grow along an ascending list and shrink along a descending list. NULL sorts as the greatest value.
    let upward = after != descending;
    Ok(match place {
        Some(value) => {
            let further = if upward { by().gt(value.clone()) } else { by().lt(value.clone()) };
            let beyond = further.or(by().eq(value).and(same_side));
            if upward { beyond.or(by().is_null()) } else { beyond }
        }
        None if upward => by().is_null().and(same_side),
        None => by().is_not_null().or(by().is_null().and(same_side)),
    })
}

/// Returns the expression that a list is ordered by. A field that is not a scalar is ordered by the JSON text of the field.
fn ordered_by(database: DbBackend, query: &Query) -> SimpleExpr {
    match &query.order {
        Some(order) if !order.field.is_scalar() => {
            json::bytewise(database, column(query.entity, order.field, query.language))
        }
        Some(order) => column(query.entity, order.field, query.language),
        None => Expr::col((query.entity.table, "id")),
    }
}

fn scalar_value(row: &QueryResult, field: &Field, alias: &str) -> Result<Option<SqlValue>> {
    Ok(match field.kind {
        Kind::Bool => row.try_get::<Option<bool>>("", alias).map_err(error)?.map(SqlValue::from),
        Kind::Int => row.try_get::<Option<i32>>("", alias).map_err(error)?.map(SqlValue::from),
        Kind::Long => row.try_get::<Option<i64>>("", alias).map_err(error)?.map(SqlValue::from),
        Kind::Float => row.try_get::<Option<f64>>("", alias).map_err(error)?.map(SqlValue::from),
        _ => row.try_get::<Option<String>>("", alias).map_err(error)?.map(SqlValue::from),
    })
}

/// Reads a plain field of a row and converts the value to the wire format.
pub(super) fn decode(row: &QueryResult, field: &Field, language: Language) -> Result<Cell> {
    let missing = || if is_list(&field.kind) { Value::Array(Vec::new()) } else { Value::Null };
    let text_of = |name: &str| row.try_get_by::<Option<String>, _>(name).map_err(error);
    let text = || text_of(field.name);
    Ok(Cell::Value(match field.kind {
        Kind::Bool => row.try_get_by::<Option<bool>, _>(field.name).map_err(error)?.into(),
        Kind::Int => row.try_get_by::<Option<i32>, _>(field.name).map_err(error)?.into(),
        Kind::Long => row.try_get_by::<Option<i64>, _>(field.name).map_err(error)?.into(),
        Kind::Float => row.try_get_by::<Option<f64>, _>(field.name).map_err(error)?.into(),
        Kind::Localized if language == Language::All => {
            match (text_of(field.name)?, text_of(&format!("{}_zh", field.name))?) {
                (Some(en), Some(zh)) => Text::new(en, zh).to_json().into(),
                _ => Value::Null,
            }
        }
        Kind::Id | Kind::Text | Kind::Localized | Kind::DateTime | Kind::Enum(_) => text()?.into(),
        _ => match text()? {
            None => missing(),
            Some(json) => return Kept::new(json).map(Cell::Kept),
        },
    }))
}

fn is_list(kind: &Kind) -> bool {
    matches!(kind, Kind::Texts | Kind::Ints | Kind::Floats | Kind::Objects(_))
}
