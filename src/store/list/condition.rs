//! From the tree of a `where` to a condition in SQL.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query as Sql, SimpleExpr};

use super::column::column;
use super::compare::compare;
use super::json;
use crate::domain::entity::{Entity, Field, Join, Kind, Relation};
use crate::domain::filter::{Filter, Quantifier};
use crate::domain::text::Language;

/// For which database a condition is written, and for a reader of which language.
#[derive(Clone, Copy)]
pub(super) struct Dialect {
    pub(super) database: DbBackend,
    pub(super) language: Language,
    /// Whether each condition on related rows is planned apart from all others.
    pub(super) apart: bool,
}

/// With more conditions on related rows than this, PostgreSQL plans each apart. Otherwise it plans them all as one join, whose order it
/// searches for: a hundred take it many seconds, over empty tables too.
const APART_FROM: usize = 8;

impl Dialect {
    pub(super) fn of(database: DbBackend, language: Language, filter: &Filter) -> Self {
        let apart = database == DbBackend::Postgres && relations(filter) > APART_FROM;
        Self { database, language, apart }
    }
}

/// How many conditions on related rows there are.
fn relations(filter: &Filter) -> usize {
    match filter {
        Filter::All(filters) | Filter::Any(filters) => filters.iter().map(relations).sum(),
        Filter::Not(filter) => relations(filter),
        Filter::Related(field, _, filter) => usize::from(field.relation().is_some()) + relations(filter),
        Filter::Unrelated(field) => usize::from(field.relation().is_some()),
        Filter::Compare(..) | Filter::Digests(_) => 0,
    }
}

/// What a condition speaks of.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    /// A row of an entity's table.
    Row(&'a Entity),
    /// An object kept inside a row, and inside how many others.
    Kept(usize),
}

impl Subject<'_> {
    /// What an object kept inside this one is called.
    fn inside(self) -> usize {
        match self {
            Self::Row(_) => 0,
            Self::Kept(depth) => depth + 1,
        }
    }

    /// A field's value.
    fn value(self, dialect: Dialect, field: &Field) -> SimpleExpr {
        match self {
            Self::Row(entity) => column(entity, field, dialect.language),
            Self::Kept(depth) => json::value(dialect.database, kept(depth), field),
        }
    }

    /// A field's value as the text of its JSON.
    fn json(self, dialect: Dialect, field: &Field) -> SimpleExpr {
        match self {
            Self::Row(entity) => column(entity, field, dialect.language),
            Self::Kept(depth) => json::json_text(dialect.database, kept(depth), field.name),
        }
    }
}

/// Names the objects that are kept inside a row, by their depth.
fn alias(depth: usize) -> Alias {
    Alias::new(format!("kept_{depth}"))
}

fn kept(depth: usize) -> SimpleExpr {
    Expr::col((alias(depth), json::ITEM))
}

/// Whether a filter holds.
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

/// Joins conditions as a tree whose depth grows with the logarithm of their number. A chain would be as deep as it is long: writing
/// it down takes the stack of a thread, and SQLite reads no more than 1,000 levels.
fn join(mut conditions: Vec<SimpleExpr>, with: &dyn Fn(SimpleExpr, SimpleExpr) -> SimpleExpr) -> Option<SimpleExpr> {
    let right = conditions.split_off(conditions.len() / 2);
    if conditions.is_empty() {
        return right.into_iter().next();
    }
    Some(with(join(conditions, with)?, join(right, with)?))
}

/// Whether there is a related row, or an object kept here, that matches; false or true, never unknown.
fn has(dialect: Dialect, subject: Subject<'_>, field: &Field, filter: &Filter) -> SimpleExpr {
    match (&field.kind, subject) {
        (Kind::One(relation) | Kind::Many(relation), Subject::Row(entity)) => {
            has_row(dialect, entity, relation, filter)
        }
        (Kind::Object(_) | Kind::Objects(_), _) => has_object(dialect, subject, field, filter),
        _ => never(),
    }
}

/// The related rows are found by a subquery that does not look at the row outside, so that it is run once. One that did would be
/// run for every row, and within each run those inside it again: three levels over some thousand rows would take for ever.
fn has_row(dialect: Dialect, entity: &Entity, relation: &Relation, filter: &Filter) -> SimpleExpr {
    let target = relation.target;
    let matching = |column: &'static str| {
        let mut rows = Sql::select();
        rows.column((target.table, column)).from(target.table);
        rows.and_where(Expr::col((target.table, column)).is_not_null());
        rows.and_where(condition(dialect, Subject::Row(target), filter));
        // SQLite counts the levels of a condition together with all those around it, but for what stands in FROM.
        Sql::select().column(column).from_subquery(rows, "related").to_owned()
    };
    // What stands behind IS TRUE is no join to PostgreSQL: it is planned by itself, and its rows are kept in a hash table.
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

/// What is kept in the row is looked at with it. Conditions on it stay in it, so that nothing multiplies.
fn has_object(dialect: Dialect, subject: Subject<'_>, field: &Field, filter: &Filter) -> SimpleExpr {
    let depth = subject.inside();
    let objects = json::items(dialect.database, subject.json(dialect, field), field);
    let mut matching = Sql::select();
    matching.expr(Expr::cust("1")).from_function(objects, alias(depth));
    matching.and_where(condition(dialect, Subject::Kept(depth), filter));
    Expr::exists(matching)
}
