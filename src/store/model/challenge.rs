//! Table `challenges`: logins and other requests that continue once the user enters a code.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "challenges")]
pub(in crate::store) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub address: Option<String>,
    pub bound_to: Option<String>,
    pub code: Option<Vec<u8>>,
    pub code_until: Option<String>,
    pub created_at: String,
    pub expires_at: String,
    #[sea_orm(column_name = "type")]
    pub mfa_type: String,
    pub purpose: String,
    pub sealed: Option<Vec<u8>>,
    pub sent: i32,
    pub tries: i32,
    pub user_id: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(in crate::store) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
