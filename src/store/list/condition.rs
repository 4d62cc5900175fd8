//! Translates the filters of a `where` to a SQL condition.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query as Sql, SimpleExpr};

use super::column::column;
use super::compare::compare;
use super::json;
use crate::domain::entity::{Entity, Field, Join, Kind, Relation};
use crate::domain::filter::{Filter, Quantifier};
use crate::domain::text::Language;

/// The database that a condition is written for, and the language of the texts that the condition compares.
#[derive(Clone, Copy)]
pub(super) struct Dialect {
    pub(super) database: DbBackend,
    pub(super) language: Language,
    /// Whether PostgreSQL plans each condition on related rows separately.
    pub(super) apart: bool,
}

/// Maximum number of conditions on related rows that PostgreSQL plans together, as one join. If there are more, PostgreSQL plans each
/// condition separately. Otherwise the search for the best join order takes many seconds for a hundred conditions, even over empty tables.
const APART_FROM: usize = 8;

impl Dialect {
    pub(super) fn of(database: DbBackend, language: Language, filter: &Filter) -> Self {
        let apart = database == DbBackend::Postgres && relations(filter) > APART_FROM;
        Self { database, language, apart }
    }
}

/// Counts the conditions on related rows.
fn relations(filter: &Filter) -> usize {
    match filter {
        Filter::All(filters) | Filter::Any(filters) => filters.iter().map(relations).sum(),
        Filter::Not(filter) => relations(filter),
        Filter::Related(field, _, filter) => usize::from(field.relation().is_some()) + relations(filter),
        Filter::Unrelated(field) => usize::from(field.relation().is_some()),
        Filter::Compare(..) | Filter::Digests(_) => 0,
    }
}

/// The object that a condition applies to.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    /// A row of an entity's table.
    Row(&'a Entity),
    /// A JSON object inside a row. The number is the depth: how many other JSON objects contain this object.
    Kept(usize),
}

impl Subject<'_> {
    /// Returns the depth of a JSON object that is directly inside this row or object.
    fn inside(self) -> usize {
        match self {
            Self::Row(_) => 0,
            Self::Kept(depth) => depth + 1,
        }
    }

    /// Returns the expression for a field's value.
    fn value(self, dialect: Dialect, field: &Field) -> SimpleExpr {
        match self {
            Self::Row(entity) => column(entity, field, dialect.language),
            Self::Kept(depth) => json::value(dialect.database, kept(depth), field),
        }
    }

    /// Returns the expression for a field's value as JSON text.
    fn json(self, dialect: Dialect, field: &Field) -> SimpleExpr {
        match self {
            Self::Row(entity) => column(entity, field, dialect.language),
            Self::Kept(depth) => json::json_text(dialect.database, kept(depth), field.name),
        }
    }
}

/// Returns the SQL alias of the JSON objects at a depth.
fn alias(depth: usize) -> Alias {
    Alias::new(format!("kept_{depth}"))
}

fn kept(depth: usize) -> SimpleExpr {
    Expr::col((alias(depth), json::ITEM))
}

/// Returns the SQL condition of a filter.
pub(super) fn condition(dialect: Dialect, subject: Subject<'_>, filter: &Filter) -> SimpleExpr {
    let inner = |filter: &Filter| condition(dialect, subject, filter);
    let each = |filters: &[Filter]| filters.iter().map(inner).collect();
    match filter {
        Filter::All(filters) => join(each(filters), &|left, right| left.and(right)).unwrap_or_else(always),
        Filter::Any(filters) => join(each(filters), &|left, right| left.or(right)).unwrap_or_else(never),
        Filter::Not(filter) => inner(filter).not(),
        Filter::Compare(field, operator, values) => compare(subject.value(dialect, field), *operator, values),
        Filter::Digests(digests) => match subject {
            Subject::Row(entity) => Expr::col((entity.table, "digest")).is_in(digests.iter().cloned()),
            Subject::Kept(_) => never(),
        },
        Filter::Related(field, quantifier, filter) => match quantifier {
            Quantifier::One | Quantifier::Some => has(dialect, subject, field, filter),
            Quantifier::None => has(dialect, subject, field, filter).not(),
            Quantifier::Every => has(dialect, subject, field, &Filter::Not(filter.clone())).not(),
        },
        Filter::Unrelated(field) => has(dialect, subject, field, &Filter::All(Vec::new())).not(),
    }
}

fn always() -> SimpleExpr {
    Expr::cust("1 = 1")
}

fn never() -> SimpleExpr {
    Expr::cust("1 = 0")
}

/// Joins conditions as a balanced tree, so that the depth grows with the logarithm of the number of conditions. A chain would have as many
/// levels as conditions: writing the chain as SQL could exhaust the stack, and SQLite accepts at most 1,000 levels. Returns `None` if there
/// are no conditions.
fn join(mut conditions: Vec<SimpleExpr>, with: &dyn Fn(SimpleExpr, SimpleExpr) -> SimpleExpr) -> Option<SimpleExpr> {
    let right = conditions.split_off(conditions.len() / 2);
    if conditions.is_empty() {
        return right.into_iter().next();
    }
    Some(with(join(conditions, with)?, join(right, with)?))
}

/// Returns the condition that at least one related row or nested object matches the filter. The condition is true or false, never unknown
/// (NULL).
fn has(dialect: Dialect, subject: Subject<'_>, field: &Field, filter: &Filter) -> SimpleExpr {
    match (&field.kind, subject) {
        (Kind::One(relation) | Kind::Many(relation), Subject::Row(entity)) => {
            has_row(dialect, entity, relation, filter)
        }
        (Kind::Object(_) | Kind::Objects(_), _) => has_object(dialect, subject, field, filter),
        _ => never(),
    }
}

/// Returns the condition that a related row matches. Uses an uncorrelated subquery, which the database runs once. A correlated subquery
/// would run for every row, and each run would repeat the subqueries inside the subquery. Three levels over a few thousand rows would never
/// finish.
fn has_row(dialect: Dialect, entity: &Entity, relation: &Relation, filter: &Filter) -> SimpleExpr {
    let target = relation.target;
    let matching = |column: &'static str| {
        let mut rows = Sql::select();
        rows.column((target.table, column)).from(target.table);
        rows.and_where(Expr::col((target.table, column)).is_not_null());
        rows.and_where(condition(dialect, Subject::Row(target), filter));
        // SQLite limits the depth of nested conditions. The depth of a subquery counts toward the condition around the subquery, unless the
        // subquery is in FROM.
        Sql::select().column(column).from_subquery(rows, "related").to_owned()
    };
    // PostgreSQL does not turn `(…) IS TRUE` into a join: it plans the subquery separately and keeps the resulting rows in a hash table.
    let plan = |found: SimpleExpr| match dialect.apart {
        true => Expr::cust_with_expr("($1) IS TRUE", found),
        false => found,
    };
    let id = || Expr::col((entity.table, "id"));
    match relation.join {
        Join::Own(column) => {
            let own = || Expr::col((entity.table, column));
            own().is_not_null().and(plan(own().in_subquery(matching("id"))))
        }
        Join::Reverse(column) => plan(id().in_subquery(matching(column))),
        Join::Through(pairs, here, there) => {
            let mut paired = Sql::select();
            let related = plan(Expr::col((pairs, there)).in_subquery(matching("id")));
            paired.column((pairs, here)).from(pairs).and_where(related);
            plan(id().in_subquery(paired))
        }
    }
}

/// Returns the condition that a JSON object inside the row matches. Uses a correlated subquery, which reads only the row itself, so that
/// nesting does not multiply the work.
fn has_object(dialect: Dialect, subject: Subject<'_>, field: &Field, filter: &Filter) -> SimpleExpr {
    let depth = subject.inside();
    let objects = json::items(dialect.database, subject.json(dialect, field), field);
    let mut matching = Sql::select();
    matching.expr(Expr::cust("1")).from_function(objects, alias(depth));
    matching.and_where(condition(dialect, Subject::Kept(depth), filter));
    Expr::exists(matching)
}
