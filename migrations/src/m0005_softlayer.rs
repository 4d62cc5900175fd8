//! Adds what the SoftLayer API stores: numbers, statuses and the hierarchy of users, classic keys, portal tokens, security answers.

use sea_orm_migration::prelude::*;

use crate::maker::{Column, Maker, Reference, Type};

pub(super) struct Step;

/// New columns of existing tables: table, column, and the value that existing rows get if the column is never null.
const ADDED: [(&str, Column, &str); 15] = [
    ("api_keys", ("address_restriction", Type::Text, false), ""),
    ("api_keys", ("changed_at", Type::Text, false), ""),
    ("api_keys", ("classic_of", Type::Text, false), ""),
    ("api_keys", ("made_by", Type::Text, false), ""),
    ("api_keys", ("number", Type::Long, false), ""),
    ("api_keys", ("sealed", Type::Bytes, false), ""),
    ("sessions", ("digest", Type::Bytes, false), ""),
    ("users", ("address_restriction", Type::Text, false), ""),
    ("users", ("answers_required", Type::Bool, false), ""),
    ("users", ("modified_at", Type::Text, false), ""),
    ("users", ("number", Type::Long, false), ""),
    ("users", ("parent", Type::Text, false), ""),
    ("users", ("permissions", Type::Json, true), "[]"),
    ("users", ("profile", Type::Json, true), "{}"),
    ("users", ("status_at", Type::Text, false), ""),
];
/// A further new column of an existing table. Existing users get the status `ACTIVE`.
const STATUS: (&str, Column, &str) = ("users", ("status", Type::Text, true), "ACTIVE");
/// Indexes: table, column, unique.
const INDEXES: [(&str, &str, bool); 5] = [
    ("api_keys", "classic_of", true),
    ("api_keys", "number", true),
    ("sessions", "digest", true),
    ("users", "number", true),
    ("users", "parent", false),
];

/// SQL that numbers the existing users, starting with 1001 for the oldest user.
const NUMBER: &str = "UPDATE users SET number = 1000 + (SELECT COUNT(*) FROM users o \
    WHERE o.created_at < users.created_at OR (o.created_at = users.created_at AND o.id <= users.id))";
/// SQL that makes one user the parent of all users: the oldest user with the preset ROOT, or else the oldest user. `MASTER` then makes this
/// user the master: the one user without a parent.
const PARENTS: &str = "UPDATE users SET parent = (SELECT m.id FROM users m \
    LEFT JOIN user_roles ur ON ur.user_id = m.id LEFT JOIN roles r ON r.id = ur.role_id AND r.preset = 'ROOT' \
    ORDER BY CASE WHEN r.id IS NULL THEN 1 ELSE 0 END, m.number LIMIT 1)";
const MASTER: &str = "UPDATE users SET parent = NULL WHERE parent = id";
/// SQL that stores the last number that a user has.
const LAST: &str = "INSERT INTO meta (id, value) \
    SELECT 'last_number', CAST(1000 + COUNT(*) AS TEXT) FROM users";

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0005_softlayer"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use Type::{Int, Text};
        let make = Maker::new(manager);
        for (table, column, default) in ADDED.into_iter().chain([STATUS]) {
            make.add(table, column, default).await?;
        }
        let columns = [("created_at", Text, true), ("hash", Text, true), ("question", Int, true)];
        make.table("security_answers", &columns, &[Reference::required("user_id", "users")]).await?;
        for statement in [NUMBER, PARENTS, MASTER, LAST] {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        make.index("security_answers", &["user_id", "question"], true).await?;
        for (table, column, unique) in INDEXES {
            make.index(table, &[column], unique).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column, _) in INDEXES {
            manager.drop_index(Index::drop().name(format!("{table}_{column}")).table(table).to_owned()).await?;
        }
        manager.drop_table(Table::drop().table("security_answers").to_owned()).await?;
        for (table, (column, ..), _) in ADDED.into_iter().chain([STATUS]) {
            manager.alter_table(Table::alter().table(table).drop_column(column).to_owned()).await?;
        }
        manager.get_connection().execute_unprepared("DELETE FROM meta WHERE id = 'last_number'").await?;
        Ok(())
    }
}
