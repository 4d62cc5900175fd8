//! Adds a column to `sessions`: the time at which the user last proved the password again, after the login.

use sea_orm_migration::prelude::*;

use crate::maker::{Maker, Type};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0006_proof"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        Maker::new(manager).add("sessions", ("password_at", Type::Text, false), "").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("sessions").drop_column("password_at").to_owned()).await
    }
}
