//! keytower's database schema, as a sequence of migration steps.
//!
//! Each step has its own folder or file and never changes once it has shipped. On both SQLite and PostgreSQL, each step runs in a
//! transaction and can be undone. The schema has its own crate, so that a step can't use code that changes later.

use sea_orm_migration::prelude::{MigrationTrait, MigratorTrait, async_trait};

mod m0001_start;
mod m0002_operations;
mod m0003_orders;
mod m0004_second_factor;
mod m0005_softlayer;
mod m0006_proof;
mod maker;

/// The migration steps, in the order in which they run.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_start::Step),
            Box::new(m0002_operations::Step),
            Box::new(m0003_orders::Step),
            Box::new(m0004_second_factor::Step),
            Box::new(m0005_softlayer::Step),
            Box::new(m0006_proof::Step),
        ]
    }
}
