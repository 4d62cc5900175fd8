//! A database for one test: SQLite in a folder, or a fresh database on the PostgreSQL server that `tests/run` started.

use sea_orm::{ConnectionTrait, Statement};
use tempfile::TempDir;

/// Which of the two databases this run is about.
pub fn is_postgres() -> bool {
    match std::env::var("KT_TEST_DATABASE").as_deref() {
        Ok("postgres") => true,
        Ok("sqlite") | Err(_) => false,
        Ok(other) => panic!("KT_TEST_DATABASE is {other}: allowed are sqlite and postgres"),
    }
}

/// A database and a data folder, gone when dropped (the server's databases go with the server).
pub struct Database {
    folder: TempDir,
    url: String,
}

impl Database {
    /// Makes one of the kind that this run is about.
    pub async fn new() -> Self {
        if is_postgres() { Self::postgres().await } else { Self::sqlite() }
    }

    /// Makes a SQLite database, whatever this run is about.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("data").join("keytower.db").display());
        Self { folder, url }
    }

    /// Makes a PostgreSQL database, whatever this run is about.
    pub async fn postgres() -> Self {
        let server = super::tool("KT_TEST_POSTGRES");
        let name = format!("kt_{}", uuid::Uuid::from_u128(rand_u128()).simple());
        let admin = sea_orm::Database::connect(&server).await.unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await.unwrap();
        let (front, _) = server.rsplit_once('/').unwrap();
        Self { folder: tempfile::tempdir().unwrap(), url: format!("{front}/{name}") }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The data folder; not made yet.
    pub fn data_dir(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// A folder for the test's own files.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A connection of the test's own, to look at rows or to damage them.
    pub async fn connect(&self) -> sea_orm::DatabaseConnection {
        sea_orm::Database::connect(&self.url).await.unwrap()
    }

    /// Runs a statement of the test's own.
    pub async fn execute(&self, sql: &str) {
        let connection = self.connect().await;
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// What a query for one number answers.
    pub async fn number(&self, sql: &str) -> i64 {
        let connection = self.connect().await;
        let rows = connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await;
        let number = rows.unwrap().unwrap().try_get_by_index(0).unwrap();
        connection.close().await.unwrap();
        number
    }
}

fn rand_u128() -> u128 {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    u128::from_le_bytes(bytes)
}
