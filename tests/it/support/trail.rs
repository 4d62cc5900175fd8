//! What the audit logs say, read past the service.

use std::collections::BTreeMap;

use keytower::domain::audit::Log;
use keytower::service::audit::{End, Fault, verify};
use sea_orm::{ConnectionTrait, Statement};

use super::{Database, Service};

/// A row: its columns, those that are null left out.
pub type Row = BTreeMap<&'static str, String>;

/// The rows of a log from a place on, in order.
pub async fn rows(database: &Database, log: Log, from: i64) -> Vec<Row> {
    let db = database.connect().await;
    let columns = log.columns().iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let sql = format!("SELECT {columns} FROM {} WHERE chain_seq >= {from} ORDER BY chain_seq", log.table());
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    db.close().await.unwrap();
    let row = |row: &sea_orm::QueryResult| {
        let cells = log.columns().iter().map(|name| (*name, row.try_get::<Option<String>>("", name).unwrap()));
        cells.filter_map(|(name, value)| Some((name, value?))).collect()
    };
    rows.iter().map(row).collect()
}

/// What a check of a service's logs finds wrong.
pub async fn faults(service: &Service, noted: &[End]) -> Vec<Fault> {
    let found = verify(&service.app.store, service.app.vault.as_ref(), noted, |_, _| {}).await.unwrap();
    found.into_iter().flat_map(|log| log.faults).collect()
}

/// Where a service's logs end.
pub async fn ends(service: &Service) -> Vec<End> {
    let found = verify(&service.app.store, service.app.vault.as_ref(), &[], |_, _| {}).await.unwrap();
    found.into_iter().map(|log| log.end).collect()
}

/// Reads both logs bit by bit.
pub struct Trail<'a> {
    database: &'a Database,
    next: [i64; 2],
}

impl<'a> Trail<'a> {
    /// From the first row on.
    pub fn of(database: &'a Database) -> Self {
        Self { database, next: [1, 1] }
    }

    /// The rows since the last time: those of the users, then those of the system.
    pub async fn fresh(&mut self) -> Vec<Row> {
        let mut fresh = Vec::new();
        for (log, next) in Log::ALL.into_iter().zip(&mut self.next) {
            let rows = rows(self.database, log, *next).await;
            *next += i64::try_from(rows.len()).unwrap();
            fresh.extend(rows);
        }
        fresh
    }

    /// Asserts what the rows since the last time say: who, with what, what, how it ended, of which type of thing, and words of the
    /// message.
    pub async fn expect(&mut self, expected: &[[&str; 6]]) -> Vec<Row> {
        let rows = self.fresh().await;
        let told: Vec<_> = rows.iter().map(tell).collect();
        assert_eq!(rows.len(), expected.len(), "{told:#?} instead of {expected:#?}");
        for (row, [who, with, action, status, kind, words]) in rows.iter().zip(expected) {
            let cell = |name: &str| row.get(name).map_or("", String::as_str);
            assert_eq!([cell("username"), cell("action"), cell("status")], [*who, *action, *status], "{told:#?}");
            assert_eq!(cell("resource_type"), *kind, "{told:#?}");
            assert!(cell("credential").starts_with(with), "{with:?} in {told:#?}");
            assert!(cell("message").contains(words), "{words:?} in {told:#?}");
            assert_ne!(cell("message_zh"), cell("message"), "{told:#?}");
        }
        rows
    }
}

fn tell(row: &Row) -> String {
    let names = ["username", "credential", "action", "status", "resource_type", "message"];
    names.map(|name| row.get(name).map_or("-", String::as_str)).join(" | ")
}
