//! Table `attempts`: what counts as wrong until it proves right.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attempts")]
pub(in crate::store) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Whose; a pseudonym.
    pub account: String,
    pub at: String,
    /// The rows of one attempt share it.
    pub attempt: String,
    /// Where it counts; a pseudonym.
    pub bucket: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(in crate::store) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
