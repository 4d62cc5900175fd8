//! What rows keep as the text of JSON, unpacked by the database. Both have `->>` (SQLite since 3.38); PostgreSQL wants to be told
//! that a text is JSON, and the two call the rows of a list by different names.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, BinOper, Expr, ExprTrait, Func, FunctionCall, SimpleExpr};

use crate::domain::entity::{Field, Kind};

/// The column of [`items`].
pub(super) const ITEM: &str = "value";

/// A member of a JSON object, as text that compares like a column's; missing when the object is, or the member is missing or null.
pub(super) fn json_text(database: DbBackend, object: SimpleExpr, member: &'static str) -> SimpleExpr {
    bytewise(database, json(database, object).binary(BinOper::Custom("->>"), Expr::Constant(member.into())))
}

/// A text that compares byte by byte, though no column says so.
pub(super) fn bytewise(database: DbBackend, text: SimpleExpr) -> SimpleExpr {
    match database {
        DbBackend::Postgres => Expr::cust_with_expr("($1) COLLATE \"C\"", text),
        _ => text,
    }
}

/// A plain field of a JSON object.
pub(super) fn value(database: DbBackend, object: SimpleExpr, field: &Field) -> SimpleExpr {
    let text = json_text(database, object, field.name);
    match field.kind {
        Kind::Int | Kind::Long => text.cast_as("bigint"),
        Kind::Float => text.cast_as("double precision"),
        Kind::Bool => text.cast_as("boolean"),
        _ => text,
    }
}

/// The objects that a field keeps, as rows with one column, [`ITEM`]; none when the field is missing. One object is a list of one.
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
