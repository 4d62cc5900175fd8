//! SQL comparisons that give the same result on both databases.

use sea_orm::Value as SqlValue;
use sea_orm::sea_query::{Expr, ExprTrait, Func, SimpleExpr};

use crate::domain::filter::{Operator, Scalar};

/// Returns the condition that compares a column with values. The condition is unknown (NULL) if the column is NULL, unless `values` contain
/// null.
pub(super) fn compare(column: SimpleExpr, operator: Operator, values: &[Scalar]) -> SimpleExpr {
    let (nulls, present): (Vec<&Scalar>, Vec<&Scalar>) = values.iter().partition(|value| matches!(value, Scalar::Null));
    let has_null = !nulls.is_empty();
    let first = || present.first().map(|value| sql_value(value));
    let text = || match present.first() {
        Some(Scalar::Text(text)) => Some(text.clone()),
        _ => None,
    };
    // A comparison with null is unknown.
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

/// Returns the condition that the column contains a text. Uses functions that behave the same on both databases. Does not use `LIKE`, which
/// has wildcards and ignores case only on SQLite.
fn contains(column: SimpleExpr, text: String) -> SimpleExpr {
    let without = Func::cust("replace").args([column.clone(), Expr::val(text.clone()), Expr::Constant("".into())]);
    // Every text contains the empty text; for NULL, the result is unknown.
    if text.is_empty() { column.clone().eq(column) } else { Expr::from(without).ne(column) }
}

fn starts_with(column: SimpleExpr, text: String) -> SimpleExpr {
    let start = Func::cust("substr").args([column, Expr::Constant(1.into()), length(&text)]);
    Expr::from(start).eq(text)
}

fn ends_with(column: SimpleExpr, text: String) -> SimpleExpr {
    let from = Expr::from(Func::cust("length").arg(column.clone())).sub(length(&text)).add(Expr::Constant(1.into()));
    let end = Func::cust("substr").args([column.clone(), from]);
    if text.is_empty() { column.clone().eq(column) } else { Expr::from(end).eq(text) }
}

/// Returns the number of characters of a text, counted as both databases count characters.
fn length(text: &str) -> SimpleExpr {
    Expr::Constant(i32::try_from(text.chars().count()).unwrap_or(i32::MAX).into())
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
