//! Table `sessions`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub(in crate::store) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub address: Option<String>,
    pub agent: Option<String>,
    pub amr: String,
    pub created_at: String,
    pub digest: Option<Vec<u8>>,
    pub expires_at: String,
    pub last_seen_at: Option<String>,
    pub mfa_at: Option<String>,
    pub password_at: Option<String>,
    pub password_expired: Option<bool>,
    pub user_id: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(in crate::store) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
