//! SQL expressions that unpack JSON text in columns. Both databases have the operator `->>` (SQLite since 3.38). PostgreSQL needs a cast to
//! JSON, and the functions that expand an array to rows have different names.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, BinOper, Expr, ExprTrait, Func, FunctionCall, SimpleExpr};

use crate::domain::entity::{Field, Kind};

/// The column that [`items`] returns.
pub(super) const ITEM: &str = "value";

/// Returns a member of a JSON object as text that compares like a text column; NULL if the object is NULL or the member is missing or null.
pub(super) fn json_text(database: DbBackend, object: SimpleExpr, member: &'static str) -> SimpleExpr {
    bytewise(database, json(database, object).binary(BinOper::Custom("->>"), Expr::Constant(member.into())))
}

/// Makes a text expression compare byte by byte, as text columns do.
pub(super) fn bytewise(database: DbBackend, text: SimpleExpr) -> SimpleExpr {
    match database {
        DbBackend::Postgres => Expr::cust_with_expr("($1) COLLATE \"C\"", text),
        _ => text,
    }
}

/// Returns a plain field of a JSON object, cast to the field's type.
pub(super) fn value(database: DbBackend, object: SimpleExpr, field: &Field) -> SimpleExpr {
    let text = json_text(database, object, field.name);
    match field.kind {
        Kind::Int | Kind::Long => text.cast_as("bigint"),
        Kind::Float => text.cast_as("double precision"),
        Kind::Bool => text.cast_as("boolean"),
        _ => text,
    }
}

/// Returns the JSON objects of a field as rows with one column, [`ITEM`]; no rows if the field is NULL. A single object counts as an array
/// with one element.
pub(super) fn items(database: DbBackend, text: SimpleExpr, field: &Field) -> FunctionCall {
    let list = match field.kind {
        Kind::Object(_) => concat(concat(Expr::Constant("[".into()), text), Expr::Constant("]".into())),
        _ => text,
    };
    let function = if database == DbBackend::Postgres { "json_array_elements" } else { "json_each" };
    Func::cust(function).arg(json(database, list))
}

fn json(database: DbBackend, text: SimpleExpr) -> SimpleExpr {
    if database == DbBackend::Postgres { text.cast_as(Alias::new("json")) } else { text }
}

fn concat(left: SimpleExpr, right: SimpleExpr) -> SimpleExpr {
    left.binary(BinOper::Custom("||"), right)
}
