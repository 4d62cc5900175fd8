//! Brings the schema up to date, one node at a time.
//!
//! The migration library takes no lock, so two nodes that start together would race. This module takes an advisory lock on PostgreSQL, or a
//! lock on a file next to the SQLite database. The caller holds the lock until the caller has also inserted the first rows.

use std::fs::File;

use keytower_migrations::Migrator;
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, TransactionTrait};
use sea_orm_migration::{MigratorTrait, SchemaManager};

use super::connect::Place;
use super::{Store, error, statement};
use crate::error::{Error, Result};

/// Key of the advisory lock: "keytower" in ASCII. Another program on the same database is unlikely to use the same key.
const LOCK: i64 = 0x6b65_7974_6f77_6572;

/// The start-up lock, which only one node at a time holds. Dropping this value releases the lock.
#[derive(Debug)]
pub struct Prepared {
    _file: Option<File>,
    _server: Option<DatabaseTransaction>,
}

impl Store {
    /// Waits for the start-up lock, then checks that the schema is not newer than this program.
    ///
    /// # Errors
    /// `Invalid` if the schema is newer than this program.
    /// `Unavailable` if the database is unreachable.
    pub async fn prepare(&self) -> Result<Prepared> {
        let lock = match &self.place {
            Place::File(path) => {
                let file = File::create(path).map_err(Error::unavailable)?;
                let file = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
                let file = file.map_err(Error::internal)?.map_err(Error::unavailable)?;
                Prepared { _file: Some(file), _server: None }
            }
            Place::Server => {
                let lock = self.write.begin().await.map_err(error)?;
                let take = "SELECT pg_advisory_xact_lock($1)";
                lock.execute_raw(statement(self.backend(), take, [LOCK.into()])).await.map_err(error)?;
                Prepared { _file: None, _server: Some(lock) }
            }
        };
        self.refuse_newer_schema().await?;
        Ok(lock)
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn migrate(&self, _: &Prepared) -> Result<()> {
        Migrator::up(&self.write, None).await.map_err(error)
    }

    /// Returns true if every migration of this program has been applied.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn is_migrated(&self) -> Result<bool> {
        let applied = applied_steps(&self.credentials).await?;
        Ok(Migrator::migrations().iter().all(|step| applied.iter().any(|name| name == step.name())))
    }

    /// Checks that the database's schema is the one that this program requires.
    ///
    /// # Errors
    /// `Invalid` if the schema is newer or older than this program.
    /// `Unavailable` if the database is unreachable.
    pub async fn expect_schema(&self) -> Result<()> {
        self.refuse_newer_schema().await?;
        match self.is_migrated().await? {
            true => Ok(()),
            false => Err(Error::invalid("the database's schema is older than this program: start keytower on it once")),
        }
    }

    async fn refuse_newer_schema(&self) -> Result<()> {
        let known = Migrator::migrations();
        let applied = applied_steps(&self.write).await?;
        match applied.iter().find(|name| !known.iter().any(|step| step.name() == **name)) {
            Some(step) => Err(Error::invalid(format!(
                "the database's schema is newer than this program: it has the step {step}, unknown here. \
                 Start the newer keytower, or restore a backup made before the upgrade."
            ))),
            None => Ok(()),
        }
    }
}

async fn applied_steps(connection: &DatabaseConnection) -> Result<Vec<String>> {
    let table = "seaql_migrations";
    if !SchemaManager::new(connection).has_table(table).await.map_err(error)? {
        return Ok(Vec::new());
    }
    let query = statement(connection.get_database_backend(), "SELECT version FROM seaql_migrations", []);
    let rows = connection.query_all_raw(query).await.map_err(error)?;
    rows.iter().map(|row| row.try_get("", "version").map_err(error)).collect()
}
