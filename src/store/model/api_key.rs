//! Table `api_keys`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub(in crate::store) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub address_restriction: Option<String>,
    pub amr: String,
    pub auth_address: Option<String>,
    pub auth_time: Option<String>,
    pub ceiling: String,
    pub changed_at: Option<String>,
    pub classic_of: Option<String>,
    pub created_at: String,
    pub made_by: Option<String>,
    pub description: String,
    pub digest: Vec<u8>,
    pub editable: bool,
    pub name: String,
    pub number: Option<i64>,
    pub sealed: Option<Vec<u8>>,
    pub suspended_at: Option<String>,
    pub user_id: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(in crate::store) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
