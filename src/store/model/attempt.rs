//! Table `attempts`: attempts at passwords, codes and mails. Each attempt counts as failed until the attempt succeeds.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attempts")]
pub(in crate::store) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Pseudonym of the account that the attempt concerns.
    pub account: String,
    pub at: String,
    /// Id that all rows of one attempt share.
    pub attempt: String,
    /// Pseudonym of the bucket that the attempt counts in.
    pub bucket: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(in crate::store) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
