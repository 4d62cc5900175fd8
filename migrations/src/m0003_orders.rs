//! Adds indexes for the most requested orders of lists. Each index includes the tie-break for rows with equal values.
//!
//! The tie-break is the ascending id, whether the order is ascending or descending, so each order needs two indexes. SQLite reads rows in
//! an index's order only if the index covers the whole order.

use sea_orm_migration::prelude::*;

pub(super) struct Step;

/// Table, column, and whether an earlier step added an index on the column alone. This step drops such an index.
const ORDERS: [(&str, &str, bool); 5] = [
    ("vms", "name", true),
    ("vms", "local_created_at", false),
    ("tasks", "local_created_at", true),
    ("user_audit_logs", "createdAt", true),
    ("system_audit_logs", "local_created_at", true),
];

const WAYS: [(&str, IndexOrder); 2] = [("asc", IndexOrder::Asc), ("desc", IndexOrder::Desc)];

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0003_orders"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column, stood) in ORDERS {
            for (way, order) in WAYS {
                let mut index = Index::create();
                index.name(format!("{table}_{column}_{way}")).table(table).col((column, order)).col("id");
                manager.create_index(index).await?;
            }
            if stood {
                manager.drop_index(Index::drop().name(format!("{table}_{column}")).table(table).to_owned()).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column, stood) in ORDERS {
            if stood {
                let mut index = Index::create();
                index.name(format!("{table}_{column}")).table(table).col(column);
                manager.create_index(index).await?;
            }
            for (way, _) in WAYS {
                let name = format!("{table}_{column}_{way}");
                manager.drop_index(Index::drop().name(name).table(table).to_owned()).await?;
            }
        }
        Ok(())
    }
}
