//! Opens the database: an embedded SQLite file, or a PostgreSQL server.

use std::collections::hash_map::RandomState;
use std::fs::OpenOptions;
use std::hash::BuildHasher;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{self, Connection, SqliteConnection};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr, RuntimeErr};

use super::Store;
use super::deadline::Deadline;
use super::lanes::{LANES, Lane, Lanes};
use super::locks::Queue;
use crate::domain::secret::DatabaseUrl;
use crate::error::{Error, Result};

/// Maximum time that a request waits for a connection. After that, the request fails with `Unavailable`.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time that SQLite waits for a write of another process to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Time between two attempts to connect to a busy SQLite file.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Time limit for one read statement on PostgreSQL.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);
/// Time limit for one list statement on PostgreSQL. The node cancels the statement earlier; this limit takes effect only if the node has
/// died.
const LANE_TIMEOUT: Duration = Duration::from_secs(9);
/// Number of write connections to PostgreSQL.
const POOL: u32 = 10;
/// Number of connections in each of two pools: one pool looks up credentials, the other serves all other reads except lists.
const READERS: u32 = 4;
/// Number of the next lane that this process opens on PostgreSQL. The number is part of the lane's name.
static NEXT: AtomicU64 = AtomicU64::new(0);
/// Number of instructions of SQLite's virtual machine between two checks whether the statement is canceled: about ten microseconds.
const STEPS: i32 = 1_000;
/// Number of write connections to PostgreSQL that are reserved for ending credentials and for logins.
const AHEAD: u32 = 3;

/// Location of the database. The kind of location decides how the start-up lock is taken.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A SQLite file. The variant holds the path of the lock file next to the database.
    File(PathBuf),
    /// A PostgreSQL server.
    Server,
}

impl Store {
    /// Opens the database at `url`, which is `sqlite:PATH` or `postgres://…`. Creates a missing SQLite file.
    ///
    /// # Errors
    /// `Invalid` if `url` is malformed or the SQLite file can't be used.
    /// `Unavailable` if the database is unreachable.
    pub async fn open(url: &DatabaseUrl) -> Result<Self> {
        let statements = Arc::new(AtomicU64::new(0));
        match Address::of(url)? {
            Address::File(path) => {
                make_file(path)?;
                let deadline = Deadline::default();
                let (mut options, over) = (sqlite(path, 1, false)?, deadline.clone());
                // Only the writer has transactions that could end unnoticed.
                options.map_sqlx_sqlite_pool_opts(move |pool| {
                    let over = over.clone();
                    let pool = pool.after_release(|connection, _| Box::pin(is_clean(connection)));
                    pool.after_connect(move |connection, _| {
                        let over = over.clone();
                        Box::pin(watch(connection, move || over.is_over()))
                    })
                });
                let write = connect_to(path, options, &statements).await?;
                let read = connect_file(path, READERS, &statements).await?;
                let credentials = connect_file(path, READERS, &statements).await?;
                let mut lanes = Vec::new();
                for _ in 0..LANES {
                    let cancel = Arc::new(AtomicBool::new(false));
                    let mut options = sqlite(path, 1, true)?;
                    let asked = Arc::clone(&cancel);
                    options.connect_lazy(true).map_sqlx_sqlite_pool_opts(move |pool| {
                        let asked = Arc::clone(&asked);
                        pool.after_connect(move |connection, _| {
                            let asked = Arc::clone(&asked);
                            Box::pin(watch(connection, move || asked.load(Ordering::SeqCst)))
                        })
                    });
                    lanes.push(Lane { db: connect(options, &statements).await?, cancel, name: String::new() });
                }
                let lanes = Arc::new(Lanes::new(lanes, credentials.clone()));
                let queue = Arc::new(Queue::new(1));
                Ok(Self {
                    read,
                    credentials,
                    lanes,
                    write,
                    queue,
                    deadline: Some(deadline),
                    statements,
                    place: Place::File(beside(path)),
                })
            }
            Address::Server(address) => {
                let write = connect(postgres(address, POOL)?, &statements).await?;
                let read = connect(reader(address, READERS)?, &statements).await?;
                let credentials = connect(reader(address, READERS)?, &statements).await?;
                let (mut lanes, process) = (Vec::new(), process_mark());
                for _ in 0..LANES {
                    let mut options = reader(address, 1)?;
                    options.statement_timeout(LANE_TIMEOUT);
                    // Without the two limits, the planner tries every join order. For a list with a hundred conditions on related tables,
                    // this takes seconds.
                    options.map_sqlx_postgres_opts(|options| {
                        options.options([("jit", "off"), ("join_collapse_limit", "1"), ("from_collapse_limit", "1")])
                    });
                    let name = format!("keytower list {} {process:016x}", NEXT.fetch_add(1, Ordering::Relaxed));
                    options.connect_lazy(true).set_application_name(name.clone());
                    let (db, cancel) = (connect(options, &statements).await?, Arc::new(AtomicBool::new(false)));
                    lanes.push(Lane { db, cancel, name });
                }
                let mut control = reader(address, 1)?;
                control.connect_lazy(true);
                let control = connect(control, &statements).await?;
                let lanes = Arc::new(Lanes::new(lanes, control));
                let queue = Arc::new(Queue::new(POOL.saturating_sub(AHEAD) as usize));
                Ok(Self { read, credentials, lanes, write, queue, deadline: None, statements, place: Place::Server })
            }
        }
    }

    /// Opens an existing database read-only.
    ///
    /// # Errors
    /// `Invalid` if `url` is malformed or the SQLite file does not exist.
    /// `Unavailable` if the database is unreachable.
    pub async fn look(url: &DatabaseUrl) -> Result<Self> {
        let statements = Arc::new(AtomicU64::new(0));
        let (read, place) = match Address::of(url)? {
            Address::File(path) => {
                if !path.exists() {
                    return Err(Error::invalid(format!("there is no database {}", path.display())));
                }
                (connect_file(path, 1, &statements).await?, Place::File(beside(path)))
            }
            Address::Server(address) => {
                let mut options = postgres(address, POOL)?;
                options.map_sqlx_postgres_opts(|options| options.options([("default_transaction_read_only", "on")]));
                (connect(options, &statements).await?, Place::Server)
            }
        };
        let lane = Lane { db: read.clone(), cancel: Arc::default(), name: String::new() };
        let lanes = Arc::new(Lanes::new(vec![lane], read.clone()));
        let (credentials, write, queue) = (read.clone(), read.clone(), Arc::new(Queue::new(1)));
        Ok(Self { read, credentials, lanes, write, queue, deadline: None, statements, place })
    }
}

/// A parsed database URL.
enum Address<'a> {
    File(&'a Path),
    Server(&'a str),
}

impl<'a> Address<'a> {
    fn of(url: &'a DatabaseUrl) -> Result<Self> {
        let address = url.expose();
        if let Some(path) = address.strip_prefix("sqlite:") {
            let path = Path::new(path.strip_prefix("//").unwrap_or(path));
            if ["", ":memory:"].map(Path::new).contains(&path) {
                return Err(Error::invalid("database_url must name a file: a SQLite database in memory is not kept"));
            }
            return Ok(Self::File(path));
        }
        if address.starts_with("postgres://") || address.starts_with("postgresql://") {
            return Ok(Self::Server(address));
        }
        Err(Error::invalid("database_url must start with sqlite: or postgres://"))
    }
}

async fn connect_file(path: &Path, connections: u32, statements: &Arc<AtomicU64>) -> Result<DatabaseConnection> {
    connect_to(path, sqlite(path, connections, true)?, statements).await
}

/// Connects to a SQLite file. While several processes start on a fresh file at the same time, the switch to write-ahead logging fails at once,
/// without waiting for `BUSY_TIMEOUT`; so this tries again for that long.
async fn connect_to(path: &Path, options: ConnectOptions, statements: &Arc<AtomicU64>) -> Result<DatabaseConnection> {
    let attempts = async {
        loop {
            match open(options.clone(), statements).await {
                Err(error) if is_busy(&error) => tokio::time::sleep(BUSY_PAUSE).await,
                done => return done,
            }
        }
    };
    let unavailable = |error: &dyn std::fmt::Display| Error::unavailable(format!("{}: {error}", path.display()));
    let done = tokio::time::timeout(BUSY_TIMEOUT, attempts).await;
    done.map_err(|_| unavailable(&"database is locked"))?.map_err(|error| unavailable(&error))
}

fn is_busy(error: &DbErr) -> bool {
    let DbErr::Conn(RuntimeErr::SqlxError(cause)) = error else { return false };
    let code = cause.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 5)
}

async fn connect(options: ConnectOptions, statements: &Arc<AtomicU64>) -> Result<DatabaseConnection> {
    open(options, statements).await.map_err(super::error)
}

async fn open(
    mut options: ConnectOptions,
    statements: &Arc<AtomicU64>,
) -> std::result::Result<DatabaseConnection, DbErr> {
    // Without time limits, sqlx starts no maintenance task. That task repeats its loop as often as the counter of idle connections says, and
    // the counter drops below zero for a moment if a connection is released and acquired at the same time: then the loop never ends.
    options.idle_timeout(None).max_lifetime(None);
    let mut connection = Database::connect(options).await?;
    let count = Arc::clone(statements);
    connection.set_metric_callback(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    Ok(connection)
}

/// Returns the options of read connections to PostgreSQL.
fn reader(address: &str, connections: u32) -> Result<ConnectOptions> {
    let mut options = postgres(address, connections)?;
    options.statement_timeout(QUERY_TIMEOUT);
    // PostgreSQL takes a minute to compile a long `where` to machine code, but only a second to run the `where` uncompiled.
    options.map_sqlx_postgres_opts(|options| options.options([("jit", "off")]));
    Ok(options)
}

/// Makes the statements of a SQLite connection cancelable: SQLite calls `is_canceled` every `STEPS` instructions.
async fn watch(
    connection: &mut SqliteConnection,
    is_canceled: impl Fn() -> bool + Send + 'static,
) -> std::result::Result<(), sqlx::Error> {
    connection.lock_handle().await?.set_progress_handler(STEPS, move || !is_canceled());
    Ok(())
}

/// Returns a random number that distinguishes this process from the processes of all other nodes. A process id would not: in containers,
/// the process id is often 1.
fn process_mark() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

fn sqlite(path: &Path, connections: u32, read_only: bool) -> Result<ConnectOptions> {
    let file = path.to_str().ok_or_else(|| Error::invalid("the database's path must be UTF-8"))?.to_owned();
    let mut options = ConnectOptions::new("sqlite::memory:");
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        // A file can't disconnect, so no ping is needed before each use. A ping would double the work of a short statement.
        .test_before_acquire(false)
        .map_sqlx_sqlite_opts(move |options| {
            let options = options
                .filename(&file)
                .in_memory(false)
                .shared_cache(false)
                .create_if_missing(false)
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT)
                .pragma("journal_mode", "WAL")
                .pragma("synchronous", "FULL");
            if read_only { options.pragma("query_only", "ON") } else { options }
        });
    Ok(options)
}

/// Returns true if the pool may reuse a connection; otherwise the pool closes it.
///
/// When SQLite can't write (disk full, I/O error), SQLite rolls the transaction back by itself. sqlx does not notice the rollback. sqlx
/// treats the next transaction as nested in the lost one, so that committing the next transaction writes nothing.
async fn is_clean(connection: &mut SqliteConnection) -> std::result::Result<bool, sqlx::Error> {
    // A rollback may still be queued on the connection; the ping runs after the rollback.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Returns the path of the lock file: the database's path with `.lock` appended.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Creates the database file with mode 0600 if the file is missing. SQLite gives the write-ahead log the same mode. Nothing else creates
/// the database file: a file that disappears later must not be replaced by an empty one.
fn make_file(path: &Path) -> Result<()> {
    let unusable =
        |error: std::io::Error| Error::invalid(format!("the database {} can't be used: {error}", path.display()));
    match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(unusable(error)),
        _ => Ok(()),
    }
}

fn postgres(address: &str, connections: u32) -> Result<ConnectOptions> {
    // sqlx's own error message would show the whole URL, including the password.
    if address.parse::<PgConnectOptions>().is_err() {
        return Err(Error::invalid(
            "database_url can't be read: it must look like postgres://user:password@host:port/database, with special \
             characters of the password as %XX",
        ));
    }
    let mut options = ConnectOptions::new(address);
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .set_application_name("keytower");
    Ok(options)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::AtomicU8;

    use sea_orm::{ConnectionTrait, TransactionTrait};

    use super::*;
    use crate::domain::audit::Chain;
    use crate::domain::caller::Caller;
    use crate::domain::clock::SystemClock;
    use crate::domain::operation::Operation;
    use crate::domain::permit::authorize;
    use crate::domain::random::{Exhausted, Random};
    use crate::store::{Scribe, Users, statement};

    async fn opened(folder: &tempfile::TempDir) -> Store {
        let path = folder.path().join("keytower.db");
        Store::open(&format!("sqlite:{}", path.display()).into()).await.unwrap()
    }

    struct Plain;
    impl Chain for Plain {
        fn code(&self, bytes: &[u8]) -> Vec<u8> {
            bytes.to_vec()
        }
    }
    impl Random for Plain {
        fn fill(&self, bytes: &mut [u8]) -> std::result::Result<(), Exhausted> {
            bytes.fill(RANDOM.fetch_add(1, Ordering::Relaxed));
            Ok(())
        }
    }
    static RANDOM: AtomicU8 = AtomicU8::new(0);

    fn scribe() -> Scribe {
        Scribe { chain: Arc::new(Plain), clock: Arc::new(SystemClock), random: Arc::new(Plain) }
    }

    async fn pragma<C: ConnectionTrait>(connection: &C, name: &str) -> String {
        let query = statement(connection.get_database_backend(), &format!("PRAGMA {name}"), []);
        let row = connection.query_one_raw(query).await.unwrap().unwrap();
        row.try_get_by_index::<String>(0).or_else(|_| row.try_get_by_index::<i64>(0).map(|it| it.to_string())).unwrap()
    }

    /// `synchronous` and the other pragmas apply to one connection, so this test checks the write connection and every connection of the
    /// read pool.
    #[tokio::test]
    async fn every_connection_writes_ahead_and_waits_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = opened(&folder).await;
        let writer = authorize(&Caller::operator(), Operation::SetUp).unwrap();
        let writer = store.begin(writer, Users::default(), scribe()).await.unwrap();
        let mut connections = vec![(&writer.db, "0")];
        let mut readers = Vec::new();
        for _ in 0..READERS {
            readers.push(store.read.begin().await.unwrap());
        }
        connections.extend(readers.iter().map(|reader| (reader, "1")));
        for (connection, query_only) in connections {
            for (name, value) in [
                ("synchronous", "2"),
                ("journal_mode", "wal"),
                ("foreign_keys", "1"),
                ("busy_timeout", "5000"),
                ("query_only", query_only),
            ] {
                assert_eq!(pragma(connection, name).await, value, "{name}");
            }
        }
    }

    #[tokio::test]
    async fn the_files_are_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = opened(&folder).await;
        store.write.execute_unprepared("CREATE TABLE t (a)").await.unwrap();
        let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap());
        let modes: BTreeSet<_> = files
            .map(|file| {
                (file.file_name().into_string().unwrap(), file.metadata().unwrap().permissions().mode() & 0o777)
            })
            .collect();
        let names = ["keytower.db", "keytower.db-shm", "keytower.db-wal"];
        assert_eq!(modes, names.map(|name| (name.to_owned(), 0o600)).into());
    }

    /// When SQLite can't write, SQLite ends the transaction by itself, while sqlx still considers the transaction open. This test ends the
    /// transaction with a raw `ROLLBACK`, which sqlx does not interpret.
    #[tokio::test]
    async fn a_connection_whose_transaction_ended_unnoticed_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let store = opened(&folder).await;
        store.write.execute_unprepared("CREATE TABLE t (a)").await.unwrap();
        let permit = || authorize(&Caller::operator(), Operation::SetUp).unwrap();
        let prepared = store.prepare().await.unwrap();
        store.migrate(&prepared).await.unwrap();
        let tx = store.begin(permit(), Users::default(), scribe()).await.unwrap();
        tx.begin_logs().await.unwrap();
        tx.commit().await.unwrap();
        for round in 0..3 {
            let tx = store.begin(permit(), Users::default(), scribe()).await.unwrap();
            tx.db.execute_unprepared("ROLLBACK").await.unwrap();
            drop(tx);
            drop(store.begin(permit(), Users::default(), scribe()).await.unwrap());
            let tx = store.begin(permit(), Users::default(), scribe()).await.unwrap();
            tx.db.execute_unprepared(&format!("INSERT INTO t VALUES ({round})")).await.unwrap();
            tx.commit().await.unwrap();
            let query = statement(store.backend(), "SELECT COUNT(*) FROM t", []);
            let kept: i64 = store.read.query_one_raw(query).await.unwrap().unwrap().try_get_by_index(0).unwrap();
            assert_eq!(kept, round + 1);
        }
    }
}
