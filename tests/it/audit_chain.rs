//! The chain of the audit logs: whatever somebody does to them in the database is found and named; what keytower itself does, whoever
//! writes at once and however it dies, leaves them sound.

use std::sync::Arc;

use keytower::domain::audit::Log;
use keytower::service::audit::{End, Fault};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::json;

use crate::support::database::is_postgres;
use crate::support::node::{self, borrowed, settings};
use crate::support::trail::{ends, faults, rows};
use crate::support::{Database, Node, Peer, Service, pass};

/// Somebody with the database and without the master key.
struct Intruder {
    db: DatabaseConnection,
    log: Log,
}

impl Intruder {
    async fn run(&self, sql: &str) {
        self.db.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn text(&self, sql: &str) -> String {
        let row = self.db.query_one_raw(Statement::from_string(self.db.get_database_backend(), sql)).await;
        row.unwrap().unwrap().try_get_by_index(0).unwrap()
    }

    /// Keeps the logs and their heads as they are.
    async fn keep(&self) {
        for table in ["user_audit_logs", "system_audit_logs", "meta"] {
            self.run(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await;
        }
    }

    /// Puts back what was kept.
    async fn restore(&self) {
        for table in ["user_audit_logs", "system_audit_logs", "meta"] {
            self.run(&format!("DELETE FROM {table}")).await;
            self.run(&format!("INSERT INTO {table} SELECT * FROM kept_{table}")).await;
        }
    }

    async fn id(&self, seq: i64) -> String {
        self.text(&format!("SELECT id FROM {} WHERE chain_seq = {seq}", self.log.table())).await
    }

    /// Copies a row to another place, as it is but for its id.
    async fn copy(&self, from: i64, to: i64, id: &str) {
        let columns: Vec<_> = self.log.columns().iter().map(|name| format!("\"{name}\"")).collect();
        let table = self.log.table();
        let values = columns.join(", ").replace("\"id\"", &format!("'{id}'"));
        let columns = columns.join(", ");
        self.run(&format!(
            "INSERT INTO {table} ({columns}, chain_seq, chain_code) SELECT {values}, {to}, chain_code FROM {table} WHERE chain_seq = {from}"
        ))
        .await;
    }
}

/// A service with some rows in both logs, and somebody who gets at them.
async fn broken_into(log: Log) -> (Service, Intruder, i64) {
    let service = Service::start().await;
    let token = service.root().await;
    for turn in 0..3 {
        let (_, key) = service.mint(&token, &format!("key {turn}")).await;
        service.delete_key(&token, &key).await;
    }
    service.user("READ_ONLY").await;
    let last = rows(service.database(), log, 1).await.len();
    let intruder = Intruder { db: service.database().connect().await, log };
    intruder.keep().await;
    assert_eq!(faults(&service, &[]).await, []);
    (service, intruder, i64::try_from(last).unwrap())
}

/// Every column of every row's table, one by one.
#[tokio::test(flavor = "multi_thread")]
async fn an_edited_row_is_named_whatever_is_edited() {
    for log in Log::ALL {
        let (service, intruder, last) = broken_into(log).await;
        let table = log.table();
        for seq in [1, 4, last] {
            let id = intruder.id(seq).await;
            for column in log.columns() {
                for (value, only) in [
                    ("'x'", "TRUE"),
                    ("NULL", "\"{}\" IS NOT NULL"),
                    ("''", "\"{}\" IS NULL"),
                    ("\"{}\" || ' '", "TRUE"),
                ] {
                    let (value, only) = (value.replace("{}", column), only.replace("{}", column));
                    let edit = format!("UPDATE {table} SET \"{column}\" = {value} WHERE chain_seq = {seq} AND {only}");
                    // What may not be null stays.
                    let done = intruder.db.execute_unprepared(&edit).await;
                    let touched = done.as_ref().is_ok_and(|done| done.rows_affected() == 1);
                    let changes = !value.contains("||") || intruder_changes(&intruder, seq, column).await;
                    if touched && changes {
                        let id = if *column == "id" { intruder.id(seq).await } else { id.clone() };
                        assert_eq!(faults(&service, &[]).await, [Fault::Edited { seq, id }], "{edit}");
                    }
                    intruder.restore().await;
                }
            }
            let codes = if is_postgres() { "decode(repeat('ab', 32), 'hex')" } else { "randomblob(32)" };
            for code in [codes, "''"] {
                intruder.run(&format!("UPDATE {table} SET chain_code = {code} WHERE chain_seq = {seq}")).await;
                let found = faults(&service, &[]).await;
                assert_eq!(found[0], Fault::Edited { seq, id: id.clone() });
                assert_eq!(found.len(), if seq == last { 1 } else { 2 }, "{found:?}");
                intruder.restore().await;
            }
        }
        assert_eq!(faults(&service, &[]).await, []);
    }
}

/// Null with something behind it is null still.
async fn intruder_changes(intruder: &Intruder, seq: i64, column: &str) -> bool {
    let table = intruder.log.table();
    let sql =
        format!("SELECT CASE WHEN \"{column}\" IS NULL THEN 'no' ELSE 'yes' END FROM {table} WHERE chain_seq = {seq}");
    intruder.text(&sql).await == "yes"
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_rows_are_named() {
    for log in Log::ALL {
        let (service, intruder, last) = broken_into(log).await;
        let table = log.table();
        for (places, fault) in [
            ("= 1", Fault::Missing(1, 1)),
            ("IN (3, 4)", Fault::Missing(3, 4)),
            ("< 5", Fault::Missing(1, 4)),
            (&format!("= {last}"), Fault::CutOff(last, last)),
            ("> 2", Fault::CutOff(3, last)),
            ("> 0", Fault::CutOff(1, last)),
        ] {
            intruder.run(&format!("DELETE FROM {table} WHERE chain_seq {places}")).await;
            assert_eq!(faults(&service, &[]).await, [fault], "{places}");
            intruder.restore().await;
        }
        // The rows behind moved up, to hide the gap.
        let id = intruder.id(4).await;
        intruder.run(&format!("DELETE FROM {table} WHERE chain_seq = 3")).await;
        for seq in 4..=last {
            intruder.run(&format!("UPDATE {table} SET chain_seq = {} WHERE chain_seq = {seq}", seq - 1)).await;
        }
        let found = faults(&service, &[]).await;
        assert_eq!(found.first(), Some(&Fault::Edited { seq: 3, id }));
        assert_eq!(found.last(), Some(&Fault::CutOff(last, last)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_copied_and_forged_rows_are_named() {
    for log in Log::ALL {
        let (service, intruder, last) = broken_into(log).await;
        let table = log.table();
        // Two rows change places.
        let (third, fourth) = (intruder.id(3).await, intruder.id(4).await);
        for (from, to) in [(3, 0), (4, 3), (0, 4)] {
            intruder.run(&format!("UPDATE {table} SET chain_seq = {to} WHERE chain_seq = {from}")).await;
        }
        let found = faults(&service, &[]).await;
        assert_eq!(found[..2], [Fault::Edited { seq: 3, id: fourth }, Fault::Unlinked { seq: 4, id: third }]);
        intruder.restore().await;
        // Copies and inventions, where no row was written.
        for place in [i64::MIN, -1, 0, last + 1, last + 1_000, i64::MAX] {
            intruder.copy(3, place, "copy").await;
            assert_eq!(faults(&service, &[]).await, [Fault::Outside { seq: place, id: "copy".to_owned() }]);
            intruder.restore().await;
        }
        // One row put in the place of another.
        intruder.run(&format!("DELETE FROM {table} WHERE chain_seq = 4")).await;
        intruder.copy(3, 4, "instead").await;
        assert_eq!(faults(&service, &[]).await[0], Fault::Edited { seq: 4, id: "instead".to_owned() });
        intruder.restore().await;
        if !is_postgres() {
            // SQLite takes anything anywhere.
            let id = intruder.id(2).await;
            for edit in ["message = x'ff'", "message = CAST(x'ff' AS TEXT)", "chain_code = 'text'", "message = 1.5"] {
                intruder.run(&format!("UPDATE {table} SET {edit} WHERE chain_seq = 2")).await;
                assert_eq!(faults(&service, &[]).await[0], Fault::Edited { seq: 2, id: id.clone() }, "{edit}");
                intruder.restore().await;
            }
            intruder.run(&format!("UPDATE {table} SET chain_seq = 'two' WHERE chain_seq = 2")).await;
            let outside = Fault::Outside { seq: i64::MAX, id };
            assert_eq!(faults(&service, &[]).await, [Fault::Missing(2, 2), outside]);
            intruder.restore().await;
        }
        assert_eq!(faults(&service, &[]).await, []);
    }
}

/// Where a log ends stands beside it. Nothing is written behind an end that is not ours: that would seal what was done to the log.
#[tokio::test(flavor = "multi_thread")]
async fn an_edited_end_is_named_and_nothing_is_written_behind_it() {
    for log in Log::ALL {
        let (service, intruder, last) = broken_into(log).await;
        let (table, head) = (log.table(), format!("audit_head/{}", log.table()));
        let other = format!("audit_head/{}", Log::ALL.into_iter().find(|other| *other != log).unwrap().table());
        let said = intruder.text(&format!("SELECT value FROM meta WHERE id = '{head}'")).await;
        let [_, code, seal]: [&str; 3] = said.split(' ').collect::<Vec<_>>().try_into().unwrap();
        for value in [
            format!("'{} {code} {seal}'", last - 1),
            format!("'{last} {seal} {code}'"),
            format!("'{last} {code} AAAA'"),
            format!("'{last} {code}'"),
            "'0  '".to_owned(),
            "''".to_owned(),
            format!("(SELECT value FROM meta WHERE id = '{other}')"),
        ] {
            intruder.run(&format!("DELETE FROM {table} WHERE chain_seq = {last}")).await;
            intruder.run(&format!("UPDATE meta SET value = {value} WHERE id = '{head}'")).await;
            assert_eq!(faults(&service, &[]).await, [Fault::NoEnd], "{value}");
            write_something(&service, log, false).await;
            assert_eq!(faults(&service, &[]).await, [Fault::NoEnd], "{value}");
            intruder.restore().await;
        }
        intruder.run(&format!("DELETE FROM {table}")).await;
        intruder.run(&format!("DELETE FROM meta WHERE id = '{head}'")).await;
        assert_eq!(faults(&service, &[]).await, [Fault::NoEnd]);
        write_something(&service, log, false).await;
        // A start makes no new end either.
        let again = Service::start_with(service.database().clone(), &[]).await;
        assert_eq!(faults(&again, &[]).await, [Fault::NoEnd]);
        intruder.restore().await;
        write_something(&service, log, true).await;
        assert_eq!(faults(&service, &[]).await, []);
    }
}

/// Writes to a log; tells whether that works as expected, and leaves nothing else when it does not.
async fn write_something(service: &Service, log: Log, works: bool) {
    let count = async |table: &str| service.database().number(&format!("SELECT COUNT(*) FROM {table}")).await;
    let before = (count("sessions").await, count("users").await);
    let done = match log {
        Log::User => {
            service.forget_attempts().await;
            let body = json!({ "username": "root", "password": crate::support::ROOT_PASSWORD });
            service.post("/v2/api/login", None, &body).await.status
        }
        Log::System => {
            let caller = keytower::domain::caller::Caller::operator();
            let made = keytower::service::people::users::create_with_password(
                &service.app,
                &pass(&caller),
                "new".to_owned(),
                "ROOT",
            )
            .await;
            if made.is_ok() { 200 } else { 500 }
        }
    };
    assert_eq!(done, if works { 200 } else { 500 });
    let one = i64::from(works);
    let (sessions, users) = if log == Log::User { (one, 0) } else { (0, one) };
    assert_eq!((count("sessions").await, count("users").await), (before.0 + sessions, before.1 + users));
}

/// Put back to an older state as a whole, the database is sound in itself: only an end that was noted elsewhere tells.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_was_noted_tells_of_an_older_state() {
    for log in Log::ALL {
        let (service, intruder, _) = broken_into(log).await;
        let early = ends(&service).await;
        write_something(&service, log, true).await;
        let late = ends(&service).await;
        let noted: Vec<End> = early.iter().chain(&late).cloned().collect();
        assert_eq!(faults(&service, &noted).await, []);
        intruder.restore().await;
        assert_eq!(faults(&service, &early).await, [], "nothing shows in the database itself");
        let lost = late.into_iter().find(|end| end.log == log).unwrap();
        assert_eq!(faults(&service, &noted).await, [Fault::NotAsNoted(lost)]);
    }
}

/// The code covers everything that a row holds.
#[tokio::test(flavor = "multi_thread")]
async fn every_column_is_in_the_chain() {
    let database = Database::new().await;
    let service = Service::start_with(Arc::new(database), &[]).await;
    let db = service.database().connect().await;
    for log in Log::ALL {
        let sql = match is_postgres() {
            true => format!(
                "SELECT column_name::text AS name FROM information_schema.columns WHERE table_name = '{}'",
                log.table()
            ),
            false => format!("SELECT name FROM pragma_table_info('{}')", log.table()),
        };
        let found = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
        let mut found: Vec<String> = found.iter().map(|row| row.try_get("", "name").unwrap()).collect();
        let mut chained: Vec<String> = log.columns().iter().map(|name| (*name).to_owned()).collect();
        chained.extend(["chain_seq", "chain_code"].map(str::to_owned));
        found.sort();
        chained.sort();
        assert_eq!(found, chained);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_writers_at_once_leave_one_chain() {
    const WRITERS: usize = 50;
    const TURNS: usize = 4;
    let service = Arc::new(Service::start().await);
    let token = service.root().await;
    let before = rows(service.database(), Log::User, 1).await.len();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (service, token) = (Arc::clone(&service), token.clone());
            tokio::spawn(async move {
                for turn in 0..TURNS {
                    let (_, key) = service.mint(&token, &format!("{writer}-{turn}")).await;
                    assert_eq!(service.delete_key(&token, &key).await.status, 200);
                    let refused = service.delete_key(&token, &key).await;
                    assert_eq!(refused.code(), "NOT_FOUND", "{refused:?}");
                }
            })
        })
        .collect();
    // Checks beside them see no fault in what is being written.
    let mut checks = 0;
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_eq!(faults(&service, &[]).await, []);
        checks += 1;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(faults(&service, &[]).await, []);
    assert_eq!(rows(service.database(), Log::User, 1).await.len(), before + WRITERS * TURNS * 3);
    println!("{WRITERS} writers, {checks} checks beside them");
}

/// What a write adds to the statements that it takes anyway: the end of the log read, the row, the end written.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_costs_three_statements() {
    let service = Service::start().await;
    let token = service.root().await;
    let before = service.app.store.statements();
    service.mint(&token, "counted").await;
    let mint = service.app.store.statements() - before;
    // The token, at the door and in the change; its session, the owner's roles, the key, its roles, the key read again. PostgreSQL takes
    // locks before.
    println!("a mint takes {mint} statements");
    assert_eq!(mint, 7 + 3 + u64::from(is_postgres()));
}

/// A write that fails leaves no row of having been done, however much of it was done already.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_done_leaves_no_row_of_it() {
    let service = Service::start().await;
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    let before = rows(service.database(), Log::User, 1).await.len();
    let people = json!([crate::support::people::user("ann", &role), crate::support::people::user("ann", &role)]);
    service.refused(&root, "/create-user", people, 400, "[1].username \"ann\" is taken").await;
    let rows = rows(service.database(), Log::User, 1).await;
    let told: Vec<_> = rows[before..].iter().map(|row| (row["action"].as_str(), row["status"].as_str())).collect();
    assert_eq!(told, [("createUser", "FAILED")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_checks_and_writes_nothing() {
    let database = Database::new().await;
    let settings = settings(&database);
    let verify = |more: &[&str]| {
        let arguments: Vec<&str> = ["audit", "verify"].iter().chain(more).copied().collect();
        node::run(&borrowed(&settings), &arguments)
    };
    let none = verify(&[]);
    assert!(!none.status.success(), "{none:?}");
    let words = if is_postgres() { "there is no database of keytower yet" } else { "there is no database /" };
    assert!(none.stderr.contains(words), "{none:?}");
    assert!(!std::path::Path::new(&database.data_dir()).exists(), "it made something");
    // Beside a node that serves.
    let node = Node::on(&database);
    let peer = Peer::new(node.address);
    let token = peer.root().await;
    peer.mint(&token, "ci").await.unwrap();
    let all = async || (rows(&database, Log::User, 1).await, rows(&database, Log::System, 1).await);
    let before = all().await;
    let sound = verify(&[]);
    assert!(sound.status.success() && sound.stderr.is_empty(), "{sound:?}");
    assert!(sound.stdout.contains("user_audit_logs: 2 rows, the last is user_audit_logs:2:"), "{sound:?}");
    assert!(sound.stdout.ends_with("the audit logs are as they were written\n"), "{sound:?}");
    assert_eq!(all().await, before);
    let end = sound.stdout.split_whitespace().find(|word| word.starts_with("user_audit_logs:2:")).unwrap().to_owned();
    peer.mint(&token, "more").await.unwrap();
    let noted = verify(&["--noted", &end]);
    assert!(noted.status.success(), "{noted:?}");
    let other = verify(&["--noted", &end.replace(":2:", ":3:")]);
    assert!(!other.status.success() && other.stdout.contains("it does not hold the end that was noted"), "{other:?}");
    let nonsense = verify(&["--noted", "nonsense"]);
    assert_eq!(nonsense.status.code(), Some(2), "{nonsense:?}");
    let db = database.connect().await;
    let id = before.0[1]["id"].clone();
    db.execute_unprepared("UPDATE user_audit_logs SET message = 'nothing' WHERE chain_seq = 2").await.unwrap();
    db.execute_unprepared("DELETE FROM system_audit_logs WHERE chain_seq = 1").await.unwrap();
    let broken = verify(&[]);
    assert_eq!(broken.status.code(), Some(1), "{broken:?}");
    assert!(broken.stdout.contains(&format!("user_audit_logs: row {id} at place 2 was edited")), "{broken:?}");
    assert!(broken.stdout.contains("system_audit_logs: places 1 to 1 are empty"), "{broken:?}");
    assert!(broken.stderr.contains("not as they were written: 2 faults"), "{broken:?}");
    let help = node::run(&[], &["audit", "verify", "--help"]);
    assert!(help.status.success() && help.stdout.contains("keytower audit verify --noted"), "{help:?}");
    // Without the master key there is nothing to check with.
    for (key, words) in [(None, "the master key of this database is missing"), (Some("00".repeat(32)), "not the one")] {
        let mut settings = settings.clone();
        let elsewhere = database.folder().join("elsewhere");
        std::fs::create_dir_all(&elsewhere).unwrap();
        settings.retain(|(name, _)| *name != "data_dir");
        settings.push(("data_dir", elsewhere.display().to_string()));
        settings.extend(key.map(|key| ("master_key", key)));
        let refused = node::run(&borrowed(&settings), &["audit", "verify"]);
        assert!(!refused.status.success() && refused.stderr.contains(words), "{refused:?}");
        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0, "it made something");
    }
}
