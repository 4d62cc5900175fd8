//! Adds tables for second factors, recovery codes, challenges, known devices, password resets, mails to be sent, and attempts. Attempts
//! replace failed logins.

use sea_orm_migration::prelude::*;

use crate::maker::{Column, Maker, Reference, Type};

pub(super) struct Step;

/// New columns of existing tables: table, column, and the value that existing rows get if the column is never null.
const ADDED: [(&str, Column, &str); 10] = [
    ("api_keys", ("amr", Type::Json, true), "[]"),
    ("api_keys", ("auth_address", Type::Text, false), ""),
    ("api_keys", ("auth_time", Type::Text, false), ""),
    ("api_keys", ("suspended_at", Type::Text, false), ""),
    ("global_settings", ("mfa", Type::Json, true), "{}"),
    ("sessions", ("address", Type::Text, false), ""),
    ("sessions", ("agent", Type::Text, false), ""),
    ("sessions", ("last_seen_at", Type::Text, false), ""),
    ("sessions", ("mfa_at", Type::Text, false), ""),
    ("sessions", ("password_expired", Type::Bool, false), ""),
];

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0004_second_factor"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use Type::{Bytes, Int, Long, Text};
        let make = Maker::new(manager);
        for (table, column, default) in ADDED {
            make.add(table, column, default).await?;
        }
        let of_user = || [Reference::required("user_id", "users")];
        make.table(
            "factors",
            &[
                ("address", Text, false),
                ("created_at", Text, true),
                ("last_step", Long, true),
                ("sealed", Bytes, false),
                ("type", Text, true),
            ],
            &of_user(),
        )
        .await?;
        make.index("factors", &["user_id", "type"], true).await?;
        make.table(
            "recovery_codes",
            &[("created_at", Text, true), ("digest", Bytes, true), ("used_at", Text, false)],
            &of_user(),
        )
        .await?;
        make.index("recovery_codes", &["digest"], true).await?;
        make.table(
            "challenges",
            &[
                ("address", Text, false),
                ("bound_to", Text, false),
                ("code", Bytes, false),
                ("code_until", Text, false),
                ("created_at", Text, true),
                ("expires_at", Text, true),
                ("purpose", Text, true),
                ("sealed", Bytes, false),
                ("sent", Int, true),
                ("tries", Int, true),
                ("type", Text, true),
            ],
            &of_user(),
        )
        .await?;
        make.index("challenges", &["expires_at"], false).await?;
        make.table(
            "devices",
            &[
                ("address", Text, false),
                ("agent", Text, false),
                ("digest", Bytes, true),
                ("first_seen_at", Text, true),
                ("last_seen_at", Text, true),
            ],
            &of_user(),
        )
        .await?;
        make.index("devices", &["digest"], true).await?;
        make.table(
            "password_resets",
            &[("created_at", Text, true), ("digest", Bytes, true), ("expires_at", Text, true)],
            &of_user(),
        )
        .await?;
        make.index("password_resets", &["digest"], true).await?;
        make.table(
            "letters",
            &[
                ("created_at", Text, true),
                ("due_at", Text, true),
                ("expires_at", Text, true),
                ("sealed", Bytes, true),
                ("tries", Int, true),
            ],
            &[],
        )
        .await?;
        make.index("letters", &["due_at"], false).await?;
        let drop = Table::drop().table("login_attempts").to_owned();
        manager.drop_table(drop).await?;
        make.table(
            "attempts",
            &[("account", Text, true), ("at", Text, true), ("attempt", Text, true), ("bucket", Text, true)],
            &[],
        )
        .await?;
        make.index("attempts", &["bucket", "at"], false).await?;
        for column in ["account", "at", "attempt"] {
            make.index("attempts", &[column], false).await?;
        }
        make.index("sessions", &["last_seen_at"], false).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let make = Maker::new(manager);
        for table in ["attempts", "letters", "password_resets", "devices", "challenges", "recovery_codes", "factors"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        make.table("login_attempts", &[("at", Type::Text, true), ("username", Type::Text, true)], &[]).await?;
        make.index("login_attempts", &["username", "at"], false).await?;
        make.index("login_attempts", &["at"], false).await?;
        manager.drop_index(Index::drop().name("sessions_last_seen_at").table("sessions").to_owned()).await?;
        for (table, (column, ..), _) in ADDED {
            manager.alter_table(Table::alter().table(table).drop_column(column).to_owned()).await?;
        }
        Ok(())
    }
}
