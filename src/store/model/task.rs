//! Table `tasks`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "tasks")]
pub(in crate::store) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub args: String,
    pub cluster_id: Option<String>,
    pub credential: Option<String>,
    pub description: String,
    pub description_zh: String,
    pub due_at: Option<String>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub error_message_zh: Option<String>,
    pub finished_at: Option<String>,
    pub internal: bool,
    pub key: Option<String>,
    pub local_created_at: String,
    pub progress: f64,
    pub resource_id: Option<String>,
    pub resource_mutation: Option<String>,
    pub resource_rollback_error: Option<String>,
    pub resource_rollback_retry_count: Option<i32>,
    pub resource_rollbacked: Option<bool>,
    pub resource_type: Option<String>,
    pub snapshot: String,
    pub started_at: Option<String>,
    pub status: String,
    pub steps: String,
    #[sea_orm(column_name = "type")]
    pub kind: Option<String>,
    pub user_id: Option<String>,
    pub username: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(in crate::store) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
