//! The only SQL. [`Store`] reads; [`Store::begin`] takes a permit and gives the [`Tx`] that writes; [`Tx::commit`] makes it last.
//!
//! The same code runs on SQLite and on PostgreSQL. SQLite: write-ahead log, `synchronous=FULL`, one writer and several readers.

mod attempts;
mod audit;
mod connect;
mod credentials;
mod customer_parts;
mod customers;
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

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    read: DatabaseConnection,
    /// Only for what a use of a credential reads, and for health.
    credentials: DatabaseConnection,
    lanes: Arc<lanes::Lanes>,
    write: DatabaseConnection,
    queue: Arc<locks::Queue>,
    statements: Arc<AtomicU64>,
    place: connect::Place,
}

/// A write in progress. Dropped without [`Tx::commit`], it leaves no trace.
#[derive(Debug)]
pub struct Tx {
    db: DatabaseTransaction,
    permit: Permit,
    users: Users,
    scribe: Scribe,
    notes: audit::Notes,
    _turn: locks::Turn,
}

impl Store {
    /// Starts a write that `permit` allows, about some users: waits for its turn, and takes its locks. `scribe` writes of it in the audit
    /// log.
    ///
    /// # Errors
    /// `TooMany` when the caller has too many changes under way, `Unavailable` when the database is away or a lock is held for too long.
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
        Ok(Tx { db, permit, users, scribe, notes: audit::Notes::default(), _turn: turn })
    }

    /// How many statements this store has sent so far.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Closes the connections, so that SQLite folds its log into the file.
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
    /// Who writes; nobody where the operation is open to anybody and no credential was shown.
    #[must_use]
    pub fn actor(&self) -> Option<&Principal> {
        self.permit.actor()
    }

    /// The permit of this write.
    #[must_use]
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The same write under a permit that was made anew for the caller's credential as it is now.
    #[must_use]
    pub fn under(self, permit: Permit) -> Self {
        Self { permit, ..self }
    }

    /// Tells whether this write keeps all others from changing a user.
    #[must_use]
    pub fn is_alone_with_user(&self, id: &UserId) -> bool {
        self.users.has_changed(id) || self.db.get_database_backend() != DatabaseBackend::Postgres
    }

    /// Keeps other writers out of a table until the end of this write, so that what was just read of it stays true.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn alone_with(&self, entity: &'static str) -> Result<()> {
        self.lock(entity, "SHARE ROW EXCLUSIVE").await
    }

    /// Waits for a writer who is [alone](Self::alone_with) with a table, and keeps others from being so until the end of this write.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn beside(&self, entity: &'static str) -> Result<()> {
        self.lock(entity, "ROW EXCLUSIVE").await
    }

    async fn lock(&self, entity: &'static str, mode: &'static str) -> Result<()> {
        // SQLite has one writer anyway.
        if self.db.get_database_backend() == DatabaseBackend::Postgres {
            let lock = format!("LOCK TABLE {entity} IN {mode} MODE");
            self.db.execute_unprepared(&lock).await.map_err(error)?;
        }
        Ok(())
    }

    /// Makes the write last, its trace in the audit log included. Once this returns, it survives the death of the process.
    ///
    /// # Errors
    /// `Unavailable` when the database is away; nothing was written then.
    pub async fn commit(self) -> Result<()> {
        self.append().await?;
        self.commit_untold().await
    }

    /// Makes a write last that the audit log does not tell of, because nothing changes by it for anybody: what only counts.
    ///
    /// # Errors
    /// `Unavailable` when the database is away; nothing was written then.
    pub async fn commit_untold(self) -> Result<()> {
        let operation = self.permit.operation().name();
        self.db.commit().await.map_err(error)?;
        tracing::debug!(operation, "committed");
        Ok(())
    }
}

/// A statement with `$1`, `$2`, … (understood by both databases).
fn statement(backend: DatabaseBackend, sql: &str, values: impl IntoIterator<Item = sea_orm::Value>) -> Statement {
    Statement::from_sql_and_values(backend, sql, values)
}

/// The ids of rows that no other write holds. Whoever tidies up takes these: a write that holds one row of several may wait for another.
fn not_held<T: EntityTrait>(id: T::Column, which: Expr) -> SelectStatement {
    let mut rows = Query::select();
    rows.column(id).from(T::default()).and_where(which);
    rows.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked).to_owned()
}

/// Tells a database that is away from a fault of ours.
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
            // PostgreSQL: connection, deadlock and the like, resources, a lock that is held, operator's intervention, system. SQLite: busy,
            // locked, read-only, I/O, full, can't open.
            let postgres =
                ["08", "40", "53", "55P03", "57", "58"].iter().any(|class| code.len() == 5 && code.starts_with(class));
            let sqlite = code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14));
            postgres || (sqlite && code.len() < 5)
        }
        _ => false,
    }
}

/// PostgreSQL keeps no NUL in text (character_not_in_repertoire).
fn is_nul(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "22021")
}

/// The error of a write that belongs to a user: one who was deleted meanwhile is no fault of ours.
fn of_user(cause: DbErr) -> Error {
    match cause.sql_err() {
        Some(sea_orm::SqlErr::ForeignKeyConstraintViolation(_)) => Error::refused("the user was deleted meanwhile"),
        _ => error(cause),
    }
}

/// Tells whether a write failed because a unique value exists already.
fn is_taken(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(sea_orm::SqlErr::UniqueConstraintViolation(_)))
}
