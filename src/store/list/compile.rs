//! From a list request to SQL. The same rows come back from both databases: text compares byte by byte, and where a value is
//! missing, ascending order puts it last and descending order first.

use sea_orm::sea_query::{
    Alias, Expr, ExprTrait, Func, NullOrdering, Order as SqlOrder, Query as Sql, SelectStatement, SimpleExpr,
};
use sea_orm::{QueryResult, Value as SqlValue};
use serde_json::Value;

use super::super::error;
use super::{PARENT, Projection, Scope};
use crate::domain::entity::{Entity, Field, Join, Kind, Relation};
use crate::domain::filter::{Filter, Operator, Quantifier, Query, Scalar};
use crate::domain::text::{Language, Text};
use crate::error::{Error, Result};

/// The largest LIMIT; SQLite takes no OFFSET without one.
const NO_LIMIT: u64 = i64::MAX as u64;

/// The rows that a list request matches: no columns, no order yet.
pub(super) fn matching(query: &Query, scope: &Scope) -> SelectStatement {
    let mut select = Sql::select();
    select.from(query.entity.table).and_where(condition(query.entity, &query.filter, query.language));
    if let Scope::OwnedBy(user) = scope {
        select.and_where(Expr::col((query.entity.table, "user_id")).eq(user.as_str()));
    }
    select
}

/// Adds the id and the plain columns of a projection.
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

/// The rows on the other side of a relation, for the given ids on this side, each telling which it belongs to.
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

/// The order of a list; that of `last` is the reverse, so that the end comes first.
pub(super) fn order(query: &Query, select: &mut SelectStatement) {
    let backward = query.page.last.is_some();
    let direction = |descending: bool| if descending { SqlOrder::Desc } else { SqlOrder::Asc };
    if let Some(order) = &query.order {
        let descending = order.descending != backward;
        let nulls = if descending { NullOrdering::First } else { NullOrdering::Last };
        select.order_by_expr_with_nulls(
            column(query.entity, order.field, query.language),
            direction(descending),
            nulls,
        );
    }
    select.order_by((query.entity.table, "id"), direction(backward));
}

/// The window of a list, of `most` rows at most.
pub(super) fn limit(query: &Query, most: Option<u64>, select: &mut SelectStatement) {
    let limit = [query.page.first, query.page.last, most].into_iter().flatten().min();
    if limit.is_some() || query.page.skip > 0 {
        select.limit(limit.unwrap_or(NO_LIMIT)).offset(query.page.skip);
    }
}

/// The same rows in the same order, of which only the window's ids are sought. Who sorts rows and skips some carries their columns
/// along; ids are light.
pub(super) fn sought_by_id(query: &Query, mut window: SelectStatement) -> SelectStatement {
    let id = (query.entity.table, "id");
    let mut select = Sql::select();
    select.from(query.entity.table).and_where(Expr::col(id).in_subquery(window.column(id).take()));
    order(query, &mut select);
    select
}

/// Reads the place of one row in the order, for `after` and `before`.
pub(super) fn position(query: &Query, scope: &Scope, id: &str) -> SelectStatement {
    let mut select = matching(&Query::all(query.entity), scope);
    select.expr_as(ordered_by(query), "place").and_where(Expr::col((query.entity.table, "id")).eq(id));
    select
}

/// The rows behind (or ahead of) the row whose place is `at`.
pub(super) fn beyond(query: &Query, at: &QueryResult, id: &str, after: bool) -> Result<SimpleExpr> {
    let descending = query.order.as_ref().is_some_and(|order| order.descending);
    let place = match &query.order {
        Some(order) => scalar_value(at, order.field, "place")?,
        None => Some(SqlValue::from(id)),
    };
    let by = || ordered_by(query);
    let own_id = || Expr::col((query.entity.table, "id"));
    let same_side = if after { own_id().gt(id) } else { own_id().lt(id) };
    // Values grow along the list when ascending, and shrink when descending; missing ones stand at the end where values are greatest.
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

fn ordered_by(query: &Query) -> SimpleExpr {
    match &query.order {
        Some(order) => column(query.entity, order.field, query.language),
        None => Expr::col((query.entity.table, "id")),
    }
}

/// The expression behind a field. Two fields are derived from other tables rather than kept twice.
fn column(entity: &Entity, field: &Field, language: Language) -> SimpleExpr {
    match (entity.table, field.name) {
        ("users", "role") => Expr::cust(
            "(SELECT MIN(r.preset) FROM user_roles ur JOIN roles r ON r.id = ur.role_id \
             WHERE ur.user_id = users.id AND r.preset IN ('ROOT', 'ADMIN', 'READ_ONLY'))",
        ),
        ("api_keys", "username") => Expr::cust("(SELECT u.username FROM users u WHERE u.id = api_keys.user_id)"),
        (table, _) if matches!(field.kind, Kind::Localized) && language == Language::ZhCn => {
            Expr::col((Alias::new(table), chinese(field)))
        }
        (table, name) => Expr::col((Alias::new(table), Alias::new(name))),
    }
}

/// The column of a text's Chinese version.
fn chinese(field: &Field) -> Alias {
    Alias::new(format!("{}_zh", field.name))
}

fn condition(entity: &Entity, filter: &Filter, language: Language) -> SimpleExpr {
    let each = |filters: &[Filter]| filters.iter().map(|inner| condition(entity, inner, language)).collect();
    match filter {
        Filter::All(filters) => join(each(filters), &|left, right| left.and(right)).unwrap_or(Expr::val(1).eq(1)),
        Filter::Any(filters) => join(each(filters), &|left, right| left.or(right)).unwrap_or(Expr::val(1).eq(0)),
        Filter::Not(filter) => condition(entity, filter, language).not(),
        Filter::Compare(field, operator, values) => compare(column(entity, field, language), *operator, values),
        Filter::Digests(digests) => Expr::col((entity.table, "digest")).is_in(digests.iter().cloned()),
        Filter::Related(field, quantifier, filter) => match (field.relation(), quantifier) {
            (None, _) => Expr::val(1).eq(0),
            (Some(relation), Quantifier::One | Quantifier::Some) => has(entity, relation, filter, language),
            (Some(relation), Quantifier::None) => has(entity, relation, filter, language).not(),
            (Some(relation), Quantifier::Every) => has(entity, relation, &Filter::Not(filter.clone()), language).not(),
        },
        Filter::Unrelated(field) => match field.relation() {
            Some(relation) => has(entity, relation, &Filter::All(Vec::new()), language).not(),
            None => Expr::val(1).eq(0),
        },
    }
}

/// Joins conditions as a tree whose depth grows with the logarithm of their number. A chain would be as deep as it is long: writing
/// it down takes the stack of a thread, and SQLite reads no more than 1,000 levels.
fn join(mut conditions: Vec<SimpleExpr>, with: &dyn Fn(SimpleExpr, SimpleExpr) -> SimpleExpr) -> Option<SimpleExpr> {
    let right = conditions.split_off(conditions.len() / 2);
    if conditions.is_empty() {
        return right.into_iter().next();
    }
    Some(with(join(conditions, with)?, join(right, with)?))
}

/// Rows with a related row that matches; false or true, never unknown.
///
/// The related rows are found by a subquery that does not look at the row outside, so that it is run once. One that did would be
/// run for every row, and within each run those inside it again: three levels over some thousand rows would take for ever.
fn has(entity: &Entity, relation: &Relation, filter: &Filter, language: Language) -> SimpleExpr {
    let target = relation.target;
    let matching = |column: &'static str| {
        let mut rows = Sql::select();
        rows.column((target.table, column)).from(target.table);
        rows.and_where(Expr::col((target.table, column)).is_not_null()).and_where(condition(target, filter, language));
        rows
    };
    let id = || Expr::col((entity.table, "id"));
    match relation.join {
        Join::Own(column) => {
            let own = || Expr::col((entity.table, column));
            own().is_not_null().and(own().in_subquery(matching("id")))
        }
        Join::Reverse(column) => id().in_subquery(matching(column)),
        Join::Through(pairs, here, there) => {
            let mut paired = Sql::select();
            paired.column((pairs, here)).from(pairs).and_where(Expr::col((pairs, there)).in_subquery(matching("id")));
            id().in_subquery(paired)
        }
    }
}

fn compare(column: SimpleExpr, operator: Operator, values: &[Scalar]) -> SimpleExpr {
    let (nulls, present): (Vec<&Scalar>, Vec<&Scalar>) = values.iter().partition(|value| matches!(value, Scalar::Null));
    let has_null = !nulls.is_empty();
    let first = || present.first().map(|value| sql_value(value));
    let text = || match present.first() {
        Some(Scalar::Text(text)) => Some(text.clone()),
        _ => None,
    };
    // Nothing is known of a comparison with a missing value.
    let unknown = || Expr::cust("NULL");
    match operator {
        Operator::Equals | Operator::In => {
            let listed = column.clone().is_in(present.into_iter().map(sql_value));
            if has_null { listed.or(column.is_null()) } else { listed }
        }
        Operator::Not | Operator::NotIn => {
            if has_null && present.is_empty() {
                return column.is_not_null();
            }
            let listed = column.clone().is_not_in(present.into_iter().map(sql_value));
            if has_null { listed.and(column.is_not_null()) } else { listed }
        }
        Operator::Lt => first().map_or_else(unknown, |value| column.lt(value)),
        Operator::Lte => first().map_or_else(unknown, |value| column.lte(value)),
        Operator::Gt => first().map_or_else(unknown, |value| column.gt(value)),
        Operator::Gte => first().map_or_else(unknown, |value| column.gte(value)),
        Operator::Contains => text().map_or_else(unknown, |text| contains(column, text)),
        Operator::NotContains => text().map_or_else(unknown, |text| contains(column, text).not()),
        Operator::StartsWith => text().map_or_else(unknown, |text| starts_with(column, text)),
        Operator::NotStartsWith => text().map_or_else(unknown, |text| starts_with(column, text).not()),
        Operator::EndsWith => text().map_or_else(unknown, |text| ends_with(column, text)),
        Operator::NotEndsWith => text().map_or_else(unknown, |text| ends_with(column, text).not()),
    }
}

/// `LIKE` ignores case on SQLite and not on PostgreSQL, and has wildcards; these functions are the same on both.
fn contains(column: SimpleExpr, text: String) -> SimpleExpr {
    let without = Func::cust("replace").args([column.clone(), Expr::val(text.clone()), Expr::val("")]);
    // Every text contains the empty one; a missing value is unknown.
    if text.is_empty() { column.clone().eq(column) } else { Expr::from(without).ne(column) }
}

fn starts_with(column: SimpleExpr, text: String) -> SimpleExpr {
    let start = Func::cust("substr").args([column, Expr::val(1), length(&text)]);
    Expr::from(start).eq(text)
}

fn ends_with(column: SimpleExpr, text: String) -> SimpleExpr {
    let from = Expr::from(Func::cust("length").arg(column.clone())).sub(length(&text)).add(1);
    let end = Func::cust("substr").args([column.clone(), from]);
    if text.is_empty() { column.clone().eq(column) } else { Expr::from(end).eq(text) }
}

/// The number of characters, as both databases count them.
fn length(text: &str) -> SimpleExpr {
    Expr::val(i32::try_from(text.chars().count()).unwrap_or(i32::MAX))
}

fn sql_value(value: &Scalar) -> SqlValue {
    match value {
        Scalar::Null => SqlValue::String(None),
        Scalar::Text(text) => text.as_str().into(),
        Scalar::Integer(number) => (*number).into(),
        Scalar::Float(number) => (*number).into(),
        Scalar::Bool(truth) => (*truth).into(),
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

/// Reads a plain field of a row as it goes over the wire.
pub(super) fn decode(row: &QueryResult, field: &Field, language: Language) -> Result<Value> {
    let missing = || if is_list(&field.kind) { Value::Array(Vec::new()) } else { Value::Null };
    let text_of = |name: &str| row.try_get::<Option<String>>("", name).map_err(error);
    let text = || text_of(field.name);
    Ok(match field.kind {
        Kind::Bool => row.try_get::<Option<bool>>("", field.name).map_err(error)?.into(),
        Kind::Int => row.try_get::<Option<i32>>("", field.name).map_err(error)?.into(),
        Kind::Long => row.try_get::<Option<i64>>("", field.name).map_err(error)?.into(),
        Kind::Float => row.try_get::<Option<f64>>("", field.name).map_err(error)?.into(),
        Kind::Localized if language == Language::All => {
            match (text_of(field.name)?, text_of(&format!("{}_zh", field.name))?) {
                (Some(en), Some(zh)) => Text::new(en, zh).to_json().into(),
                _ => Value::Null,
            }
        }
        Kind::Id | Kind::Text | Kind::Localized | Kind::DateTime | Kind::Enum(_) => text()?.into(),
        _ => match text()? {
            None => missing(),
            Some(json) => serde_json::from_str(&json).map_err(Error::internal)?,
        },
    })
}

fn is_list(kind: &Kind) -> bool {
    matches!(kind, Kind::Texts | Kind::Ints | Kind::Floats | Kind::Objects(_))
}
