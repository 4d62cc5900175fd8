//! Opens the database: an embedded SQLite file, or a PostgreSQL server.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::{ConnectOptions, Database, DatabaseConnection};

use super::Store;
use crate::domain::secret::DatabaseUrl;
use crate::error::{Error, Result};

/// How long a request waits for a connection before it is told that the database is away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long SQLite waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections to PostgreSQL, and SQLite's readers.
const POOL: u32 = 10;

/// Where the database is, as far as locks need to know.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A file; the path is of the lock beside it.
    File(PathBuf),
    /// A server.
    Server,
}

impl Store {
    /// Opens the database at `url`, which is `sqlite:PATH` or `postgres://…`. A missing SQLite file is made.
    ///
    /// # Errors
    /// `Invalid` for an address of another kind, `Unavailable` when the database can't be reached.
    pub async fn open(url: &DatabaseUrl) -> Result<Self> {
        let statements = Arc::new(AtomicU64::new(0));
        let address = url.expose();
        if let Some(path) = address.strip_prefix("sqlite:") {
            let path = Path::new(path.strip_prefix("//").unwrap_or(path));
            let write = connect(sqlite(path, 1, false)?, &statements).await?;
            let read = connect(sqlite(path, POOL, true)?, &statements).await?;
            let place = Place::File(path.with_extension("lock"));
            return Ok(Self { read, write, statements, place });
        }
        if address.starts_with("postgres://") || address.starts_with("postgresql://") {
            let both = connect(postgres(address), &statements).await?;
            return Ok(Self { read: both.clone(), write: both, statements, place: Place::Server });
        }
        Err(Error::invalid("database_url must start with sqlite: or postgres://"))
    }
}

async fn connect(options: ConnectOptions, statements: &Arc<AtomicU64>) -> Result<DatabaseConnection> {
    let mut connection = Database::connect(options).await.map_err(super::error)?;
    let count = Arc::clone(statements);
    connection.set_metric_callback(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    Ok(connection)
}

fn sqlite(path: &Path, connections: u32, read_only: bool) -> Result<ConnectOptions> {
    let file = path.to_str().ok_or_else(|| Error::invalid("the database's path must be UTF-8"))?.to_owned();
    let mut options = ConnectOptions::new("sqlite::memory:");
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |options| {
            let options = options
                .filename(&file)
                .in_memory(false)
                .shared_cache(false)
                .create_if_missing(true)
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT)
                .pragma("journal_mode", "WAL")
                .pragma("synchronous", "FULL");
            if read_only { options.pragma("query_only", "ON") } else { options }
        });
    Ok(options)
}

fn postgres(address: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(address);
    options
        .max_connections(POOL)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .set_application_name("keytower");
    options
}
