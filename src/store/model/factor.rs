//! Table `factors`: confirmed second factors of users.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "factors")]
pub(in crate::store) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub address: Option<String>,
    pub created_at: String,
    pub last_step: i64,
    pub sealed: Option<Vec<u8>>,
    #[sea_orm(column_name = "type")]
    pub mfa_type: String,
    pub user_id: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(in crate::store) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
