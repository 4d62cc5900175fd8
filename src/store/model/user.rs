//! Table `users`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub(in crate::store) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub address_restriction: Option<String>,
    pub answers_required: Option<bool>,
    pub auth_config_id: Option<String>,
    pub created_at: String,
    pub display_username: String,
    pub email_address: Option<String>,
    pub internal: bool,
    pub ldap_dn: Option<String>,
    pub mobile_phone: Option<String>,
    pub modified_at: Option<String>,
    pub name: String,
    pub number: Option<i64>,
    pub parent: Option<String>,
    pub password_expired: Option<bool>,
    pub password_hash: Option<String>,
    pub password_recover_qa: String,
    pub password_updated_at: Option<String>,
    pub permissions: String,
    pub profile: String,
    pub source: String,
    pub status: String,
    pub status_at: Option<String>,
    pub username: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(in crate::store) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
