//! All SQL of the service. [`Store`] reads. [`Store::begin`] takes a permit and returns a [`Tx`], which writes; [`Tx::commit`] makes the
//! write durable.
//!
//! The same code runs on SQLite and on PostgreSQL. SQLite runs with a write-ahead log, `synchronous=FULL`, one writer and several readers.

mod attempts;
mod audit;
mod connect;
mod credentials;
mod customer_parts;
mod customers;
mod deadline;
mod decode;
mod devices;
mod inventory;
mod keys;
mod lanes;
mod letters;
mod list;
mod locks;
mod mfa;
mod migrate;
mod model;
mod people;
mod policy;
mod power;
mod resets;
mod roles;
mod sessions;
mod setup;
mod tasks;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sea_orm::sea_query::{Expr, LockBehavior, LockType, Query, SelectStatement};
use sea_orm::sqlx;
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, RuntimeErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

pub use audit::{Found, Scribe};
pub use credentials::{Grant, KeyGrant, SessionGrant};
pub use customer_parts::{AnswerRow, FactorRow};
pub use devices::DeviceMarks;
pub use letters::LetterRow;
pub use list::{BLOCK, Budget, Ids, Node, Projection, Scope};
pub use locks::Users;
pub use migrate::Prepared;
pub use setup::SigningKeyRow;
pub use tasks::TaskHead;

use crate::domain::id::UserId;
use crate::domain::permit::Permit;
use crate::domain::principal::Principal;
use crate::domain::text::text;
use crate::error::{Error, Result};

/// A handle to the database. Clones of a handle share the connections.
#[derive(Debug, Clone)]
pub struct Store {
    read: DatabaseConnection,
    /// Connections reserved for looking up credentials and for health checks.
    credentials: DatabaseConnection,
    lanes: Arc<lanes::Lanes>,
    write: DatabaseConnection,
    queue: Arc<locks::Queue>,
    /// Cancels a write that takes too long on SQLite; PostgreSQL has time limits of its own.
    deadline: Option<deadline::Deadline>,
    statements: Arc<AtomicU64>,
    place: connect::Place,
}

/// A write transaction. Dropping a `Tx` without [`Tx::commit`] rolls the transaction back.
#[derive(Debug)]
pub struct Tx {
    /// Must be the first field. Fields are dropped in order, so the guard cancels a running statement before the transaction is dropped and
    /// another write begins.
    deadline: Option<deadline::Guard>,
    db: DatabaseTransaction,
    permit: Permit,
    users: Users,
    scribe: Scribe,
    notes: audit::Notes,
    _turn: locks::Turn,
}

impl Store {
    /// Begins a write that `permit` allows: waits for its turn, then locks `users` (on PostgreSQL). `scribe` supplies the clock, the
    /// randomness and the codes for the audit log entries of the write.
    ///
    /// # Errors
    /// `TooMany` if the caller has too many changes in progress.
    /// `Unavailable` if the database is unreachable, or a turn or a lock takes too long.
    pub async fn begin(&self, permit: Permit, users: Users, scribe: Scribe) -> Result<Tx> {
        let turn = self.queue.turn(&permit).await?;
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let db = self.write.begin_with_options(options).await.map_err(error)?;
        if db.get_database_backend() == DatabaseBackend::Postgres
            && let Some((sql, values)) = locks::statement(&permit, users.clone())
        {
            db.query_one_raw(statement(DatabaseBackend::Postgres, &sql, values)).await.map_err(error)?;
        }
        let deadline = self.deadline.as_ref().map(|deadline| deadline.start(&permit));
        Ok(Tx { deadline, db, permit, users, scribe, notes: audit::Notes::default(), _turn: turn })
    }

    /// Returns the number of statements that this store has sent so far.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Closes the connections, so that SQLite merges its write-ahead log into the database file.
    pub async fn close(&self) {
        self.lanes.close().await;
        for connection in [&self.read, &self.credentials, &self.write] {
            if let Err(error) = connection.close_by_ref().await {
                tracing::warn!(%error, "the database connection did not close cleanly");
            }
        }
    }

    fn backend(&self) -> DatabaseBackend {
        self.read.get_database_backend()
    }
}

impl Tx {
    /// Returns the principal that makes this write; `None` if the operation requires no credential and the request had none.
    #[must_use]
    pub fn actor(&self) -> Option<&Principal> {
        self.permit.actor()
    }

    /// Returns the permit of this write.
    #[must_use]
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Replaces the permit of this write with a new one, based on the present state of the caller's credential.
    #[must_use]
    pub fn under(self, permit: Permit) -> Self {
        Self { permit, ..self }
    }

    /// Returns true if no other write can change the user until this write ends.
    #[must_use]
    pub fn is_alone_with_user(&self, id: &UserId) -> bool {
        self.users.has_changed(id) || self.db.get_database_backend() != DatabaseBackend::Postgres
    }

    /// Locks a table against other writers until this write ends, so that the rows that this write reads from the table stay as they are.
    /// Readers are not blocked.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn alone_with(&self, entity: &'static str) -> Result<()> {
        self.lock(entity, "SHARE ROW EXCLUSIVE").await
    }

    /// Waits for any write that holds the lock of [`Tx::alone_with`] on a table. Until this write ends, no other write can take that lock.
    /// Several writes can hold the lock of `beside` at the same time.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn beside(&self, entity: &'static str) -> Result<()> {
        self.lock(entity, "ROW EXCLUSIVE").await
    }

    async fn lock(&self, entity: &'static str, mode: &'static str) -> Result<()> {
        // SQLite has only one writer.
        if self.db.get_database_backend() == DatabaseBackend::Postgres {
            let lock = format!("LOCK TABLE {entity} IN {mode} MODE");
            self.db.execute_unprepared(&lock).await.map_err(error)?;
        }
        Ok(())
    }

    /// Appends the audit log entries of this write, then commits the changes and the entries together. Once this function returns, the
    /// write survives a crash of the process.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable; the write is rolled back, unless the connection broke after the server had committed.
    /// `Internal` if the stored end of an audit log was edited or removed.
    /// `Invalid` if the caller chose an id for an entry, and the id already exists in the log.
    pub async fn commit(self) -> Result<()> {
        self.append().await?;
        self.commit_untold().await
    }

    /// Commits this write without an audit log entry: for bookkeeping, such as counters, that changes nothing for any user.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable; the write is rolled back, unless the connection broke after the server had committed.
    pub async fn commit_untold(mut self) -> Result<()> {
        let operation = self.permit.operation().name();
        self.deadline.iter_mut().for_each(deadline::Guard::stop);
        self.db.commit().await.map_err(error)?;
        tracing::debug!(operation, "committed");
        Ok(())
    }
}

/// Builds a statement with the placeholders `$1`, `$2`, …, which both databases accept.
fn statement(backend: DatabaseBackend, sql: &str, values: impl IntoIterator<Item = sea_orm::Value>) -> Statement {
    Statement::from_sql_and_values(backend, sql, values)
}

/// Selects the ids of the matching rows that no other write has locked. Cleanups touch only these rows; otherwise a cleanup and a write
/// that locks several of the rows could wait for each other.
fn not_held<T: EntityTrait>(id: T::Column, which: Expr) -> SelectStatement {
    let mut rows = Query::select();
    rows.column(id).from(T::default()).and_where(which);
    rows.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked).to_owned()
}

/// Converts a database error: `Unavailable` if the database is unreachable or busy, `Invalid` for NUL in a text, otherwise `Internal`.
fn error(error: DbErr) -> Error {
    let away = match &error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => is_away(cause),
        _ => false,
    };
    if away {
        return Error::unavailable(error);
    }
    match &error {
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) if is_nul(cause) => {
            Error::invalid(text!("text must not contain NUL", "文本不能包含 NUL"))
        }
        _ => Error::internal(error),
    }
}

fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            // PostgreSQL: connection, idle in transaction, transaction rollback (such as a deadlock), resources, lock timeout, operator
            // intervention, system error. SQLite: busy, locked, read-only, interrupted, I/O error, full, can't open.
            let postgres = ["08", "25P03", "40", "53", "55P03", "57", "58"]
                .iter()
                .any(|class| code.len() == 5 && code.starts_with(class));
            let sqlite = code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 9 | 10 | 13 | 14));
            postgres || (sqlite && code.len() < 5)
        }
        _ => false,
    }
}

/// Returns true if PostgreSQL rejected a text because the text contains NUL (character_not_in_repertoire).
fn is_nul(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "22021")
}

/// Converts the error of inserting a row that references a user: `Unauthenticated` if the user was deleted in the meantime.
fn of_user(cause: DbErr) -> Error {
    match cause.sql_err() {
        Some(sea_orm::SqlErr::ForeignKeyConstraintViolation(_)) => Error::refused("the user was deleted meanwhile"),
        _ => error(cause),
    }
}

/// Returns true if a write failed because a unique value already exists.
fn is_taken(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(sea_orm::SqlErr::UniqueConstraintViolation(_)))
}
