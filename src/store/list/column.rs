//! SQL expressions for the fields of entities.

use sea_orm::sea_query::{Alias, Expr, SimpleExpr};

use crate::domain::entity::{Entity, Field, Kind};
use crate::domain::text::Language;

/// Returns the SQL expression for the value of a field. The field `role` of a user and the field `username` of a key are computed from
/// other tables, so that no value is stored twice.
pub(super) fn column(entity: &Entity, field: &Field, language: Language) -> SimpleExpr {
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

/// Returns the column with the Chinese version of a localized field.
pub(super) fn chinese(field: &Field) -> Alias {
    Alias::new(format!("{}_zh", field.name))
}
