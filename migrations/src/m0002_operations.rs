//! Adds tasks, the audit logs, the policies, and failed logins.
//!
//! The logs refer to users and clusters without a foreign key, because log entries outlive users and clusters.

use sea_orm_migration::prelude::*;

use crate::maker::{Column, Maker, Type};

pub(super) struct Step;

/// Columns that chain the rows of a log: the position in the chain, and the code, which covers the row and the code of the previous row.
const CHAIN: [Column; 2] = [("chain_seq", Type::Long, true), ("chain_code", Type::Bytes, true)];

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0002_operations"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use Type::{Bool, Float, Int, Json, Text};
        let make = Maker::new(manager);

        make.table("global_settings", &[("auth", Json, true), ("vm_recycle_bin", Json, true)], &[]).await?;
        make.table("login_attempts", &[("at", Text, true), ("username", Text, true)], &[]).await?;
        make.index("login_attempts", &["username", "at"], false).await?;
        make.index("login_attempts", &["at"], false).await?;
        make.table(
            "tasks",
            &[
                ("args", Json, true),
                ("cluster_id", Text, false),
                ("credential", Text, false),
                ("description", Text, true),
                ("description_zh", Text, true),
                ("due_at", Text, false),
                ("error_code", Text, false),
                ("error_message", Text, false),
                ("error_message_zh", Text, false),
                ("finished_at", Text, false),
                ("internal", Bool, true),
                ("key", Text, false),
                ("local_created_at", Text, true),
                ("progress", Float, true),
                ("resource_id", Text, false),
                ("resource_mutation", Text, false),
                ("resource_rollback_error", Text, false),
                ("resource_rollback_retry_count", Int, false),
                ("resource_rollbacked", Bool, false),
                ("resource_type", Text, false),
                ("snapshot", Text, true),
                ("started_at", Text, false),
                ("status", Text, true),
                ("steps", Json, true),
                ("type", Text, false),
                ("user_id", Text, false),
                ("username", Text, false),
            ],
            &[],
        )
        .await?;
        make.index("tasks", &["status", "due_at"], false).await?;
        for column in ["local_created_at", "resource_id", "user_id"] {
            make.index("tasks", &[column], false).await?;
        }

        let user = [
            ("action", Text, true),
            ("auth_type", Text, false),
            ("cluster_id", Text, false),
            ("createdAt", Text, true),
            ("credential", Text, false),
            ("finished_at", Text, false),
            ("ip_address", Text, true),
            ("message", Text, true),
            ("message_zh", Text, true),
            ("resource_id", Text, false),
            ("resource_type", Text, false),
            ("started_at", Text, false),
            ("status", Text, false),
            ("user_id", Text, false),
            ("username", Text, false),
        ];
        make.table("user_audit_logs", &[&user[..], &CHAIN[..]].concat(), &[]).await?;
        for column in ["createdAt", "resource_id", "user_id"] {
            make.index("user_audit_logs", &[column], false).await?;
        }
        let system = [
            ("action", Text, true),
            ("cluster_id", Text, false),
            ("finished_at", Text, false),
            ("local_created_at", Text, false),
            ("local_id", Text, true),
            ("message", Text, true),
            ("message_zh", Text, true),
            ("resource_id", Text, false),
            ("status", Text, false),
        ];
        make.table("system_audit_logs", &[&system[..], &CHAIN[..]].concat(), &[]).await?;
        make.index("system_audit_logs", &["local_created_at"], false).await?;
        for log in ["user_audit_logs", "system_audit_logs"] {
            make.index(log, &["chain_seq"], true).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["system_audit_logs", "user_audit_logs", "tasks", "login_attempts", "global_settings"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}
