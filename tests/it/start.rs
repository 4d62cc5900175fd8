//! Starts that fail: one clear line, a non-zero exit, and nothing is harmed.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use sea_orm::{ConnectionTrait, FromQueryResult, JsonValue, Statement};
use serde_json::Value;

use crate::support::database::is_postgres;
use crate::support::node::{Ended, borrowed, command, settings};
use crate::support::{Database, Node, Peer, ROOT_PASSWORD};

const TABLES: [&str; 8] =
    ["meta", "users", "roles", "user_roles", "organizations", "signing_keys", "sessions", "seaql_migrations"];

/// Runs what must fail and answers the one line that it says.
fn refusal(mut command: Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ended = Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) };
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!((ended.stdout.as_str(), ended.stderr.lines().count()), ("", 1), "{ended:?}");
    assert!(ended.stderr.starts_with("keytower: "), "{ended:?}");
    assert!(!ended.stderr.contains("panicked") && !ended.stderr.contains(ROOT_PASSWORD), "{ended:?}");
    ended.stderr
}

/// Like [`refusal`], for the settings of a database with some of them replaced.
fn refused(database: &Database, other: &[(&'static str, &str)]) -> String {
    let mut settings = settings(database);
    settings.retain(|(name, _)| !other.iter().any(|(other, _)| other == name));
    settings.extend(other.iter().map(|(name, value)| (*name, (*value).to_owned())));
    refusal(command(&borrowed(&settings)))
}

fn expect(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part:?} is missing in: {line}");
    }
}

/// Every row of the tables that a start touches, and the master key's file.
async fn snapshot(database: &Database) -> BTreeMap<&'static str, Vec<Value>> {
    let connection = database.connect().await;
    let mut rows = BTreeMap::new();
    for table in TABLES {
        let query = Statement::from_string(connection.get_database_backend(), format!("SELECT * FROM {table}"));
        rows.insert(table, JsonValue::find_by_statement(query).all(&connection).await.unwrap());
    }
    connection.close().await.unwrap();
    let key = std::fs::read_to_string(format!("{}/master.key", database.data_dir())).ok();
    rows.insert("master.key", key.into_iter().map(Value::from).collect());
    rows
}

/// A database that a node has served.
async fn served() -> Database {
    let database = Database::new().await;
    let mut node = Node::on(&database);
    Peer::new(node.address).root().await;
    node.terminate();
    assert!(node.wait().success());
    database
}

async fn still_works(database: &Database) {
    let node = Node::on(database);
    let peer = Peer::new(node.address);
    let token = peer.root().await;
    assert!(peer.mint(&token, "after all").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_stops_the_start_before_anything_is_touched() {
    let database = Database::new().await;
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    expect(&refused(&database, &[("listen", &address)]), &[&address, "in use"]);
    assert!(!Path::new(&database.data_dir()).exists());
    if is_postgres() {
        let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'public'";
        assert_eq!(database.number(tables).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cant_be_reached_stops_the_start() {
    let database = Database::new().await;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (silent.local_addr().unwrap().port(), silent);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let other_port = other.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in other.incoming().map_while(Result::ok) {
            let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let folder = database.folder().display();
    for (url, parts) in [
        (format!("postgres://keytower:hunter2hunter2@127.0.0.1:{closed}/keytower"), &["reached"][..]),
        (format!("postgres://keytower:hunter2hunter2@127.0.0.1:{}/keytower", silent.0), &["reached"]),
        (format!("postgres://keytower:hunter2hunter2@127.0.0.1:{other_port}/keytower"), &["reached"]),
        (format!("sqlite:{folder}/no-such-folder/keytower.db"), &["no-such-folder/keytower.db", "No such file"]),
        (format!("sqlite:{folder}"), &[&*folder.to_string()]),
        ("sqlite:".to_owned(), &["SQLite", "file"]),
        ("sqlite::memory:".to_owned(), &["memory"]),
        ("mysql://root:hunter2hunter2@127.0.0.1/keytower".to_owned(), &["sqlite:", "postgres://"]),
        ("hunter2hunter2".to_owned(), &["sqlite:", "postgres://"]),
        ("postgres://127.0.0.1:hunter2hunter2/x".to_owned(), &[]),
    ] {
        let line = refused(&database, &[("database_url", &url)]);
        expect(&line, parts);
        assert!(!line.contains("hunter2"), "the password is shown: {line}");
        assert!(!database.folder().join("data/master.key").exists(), "{url}");
    }
}

/// The server's own refusals, as far as it trusts everybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_database_that_does_not_exist_stops_the_start() {
    let server = crate::support::tool("KT_TEST_POSTGRES");
    let (front, _) = server.rsplit_once('/').unwrap();
    let database = Database::new().await;
    let line = refused(&database, &[("database_url", &format!("{front}/no_such_database"))]);
    expect(&line, &["no_such_database"]);
    let line = refused(&database, &[("database_url", &server.replace("keytower@", "nobody_here:hunter2hunter2@"))]);
    expect(&line, &["nobody_here"]);
    assert!(!line.contains("hunter2"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_missing_master_key_stops_the_start_and_harms_nothing() {
    let database = served().await;
    let before = snapshot(&database).await;
    let other = "0123456789abcdef".repeat(4);
    let file = database.folder().join("other.key");
    std::fs::write(&file, format!("{other}\n")).unwrap();
    let file = file.display().to_string();
    for other in [("master_key", other.as_str()), ("master_key_file", &file)] {
        let line = refused(&database, &[other]);
        expect(&line, &["master key is not the one", "KEYTOWER_MASTER_KEY", "Nothing was changed"]);
        assert!(!line.contains("0123456789abcdef"), "{line}");
    }
    assert_eq!(snapshot(&database).await, before);

    let own = Path::new(&database.data_dir()).join("master.key");
    let away = database.folder().join("away.key");
    std::fs::rename(&own, &away).unwrap();
    expect(&refused(&database, &[]), &["master key of this database is missing", "master.key", "KEYTOWER_MASTER_KEY"]);
    expect(&refused(&database, &[("master_key_file", "/no/such/file")]), &["missing", "/no/such/file"]);
    assert!(!own.exists(), "a new master key was made for an old database");

    let good = std::fs::read_to_string(&away).unwrap();
    for malformed in ["", "\n", "hunter2", &good[1..], &format!("{good}{good}"), &good.replace(&good[..1], "g")] {
        std::fs::write(&own, malformed).unwrap();
        expect(&refused(&database, &[]), &["master.key", "64 hexadecimal digits"]);
        assert_eq!(std::fs::read_to_string(&own).unwrap(), malformed, "it was overwritten");
    }
    std::fs::write(&own, [0xff, 0xfe, 0]).unwrap();
    expect(&refused(&database, &[]), &["master.key"]);
    std::fs::remove_file(&own).unwrap();
    std::fs::create_dir(&own).unwrap();
    expect(&refused(&database, &[]), &["master.key", "directory"]);
    std::fs::remove_dir(&own).unwrap();
    std::fs::rename(&away, &own).unwrap();
    assert_eq!(snapshot(&database).await, before);
    still_works(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_newer_than_the_program_stops_the_start_and_harms_nothing() {
    let database = served().await;
    let connection = database.connect().await;
    let insert = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 1)";
    connection.execute_unprepared(insert).await.unwrap();
    let before = snapshot(&database).await;
    expect(&refused(&database, &[]), &["newer than this program", "m9999_later"]);
    assert_eq!(snapshot(&database).await, before);
    connection.execute_unprepared("DELETE FROM seaql_migrations WHERE version = 'm9999_later'").await.unwrap();
    connection.close().await.unwrap();
    still_works(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cant_be_written_stops_the_start() {
    let database = Database::new().await;
    let file = database.folder().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    for path in [file.clone(), file.join("below")] {
        let path = path.display().to_string();
        expect(&refused(&database, &[("data_dir", &path)]), &["data folder", &path]);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "not a folder");

    // Root may write anywhere: then the program is run as somebody else, from where that one can reach it.
    let open = tempfile::tempdir().unwrap();
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(open.path(), 0o755);
    let (locked, program) = (open.path().join("locked"), open.path().join("keytower"));
    std::fs::create_dir(&locked).unwrap();
    mode(&locked, 0o555);
    std::fs::copy(env!("CARGO_BIN_EXE_keytower"), &program).unwrap();
    let id = Command::new("id").arg("-u").output().unwrap();
    let mut other = match id.stdout.as_slice() {
        b"0\n" => {
            let mut other = Command::new("setpriv");
            other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
            other
        }
        _ => Command::new(&program),
    };
    let shown = locked.display().to_string();
    let mut settings = settings(&database);
    for (name, value) in &mut settings {
        match *name {
            "data_dir" => value.clone_from(&shown),
            "database_url" if !is_postgres() => *value = format!("sqlite:{shown}/keytower.db"),
            _ => {}
        }
    }
    let own = command(&borrowed(&settings));
    other.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    expect(&refusal(other), &["data folder", &shown, "Permission denied"]);
    assert_eq!(std::fs::read_dir(&locked).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_setting_stops_the_start_and_is_named() {
    let database = Database::new().await;
    let file = database.folder().join("keytower.toml");
    let shown = file.display().to_string();
    for (name, value) in [
        ("listem", "127.0.0.1:1"),
        ("listen", "here"),
        ("create_root", "maybe"),
        ("root_password", "short"),
        ("root_password", "password123"),
        ("password_hash", "m=19456,t=1,p=1"),
        ("master_key", "hunter2"),
        ("token_life", "forever"),
        ("shutdown_timeout", "11m"),
        ("log", "loud"),
        ("log_format", "xml"),
    ] {
        expect(&refused(&database, &[(name, value)]), &[&format!("KEYTOWER_{}", name.to_uppercase())]);
    }
    for (text, parts) in [
        ("listem = \"127.0.0.1:1\"", &["listem", "not a setting", "listen"][..]),
        ("create_root = 3", &["create_root", "true or false"]),
        ("token_life = [1]", &["token_life", "text"]),
        ("[log]\nlevel = 1", &["log"]),
        ("listen = ", &["not TOML"]),
        ("listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:1\"", &["not TOML"]),
    ] {
        std::fs::write(&file, text).unwrap();
        let line = refused(&database, &[("config", &shown)]);
        expect(&line, parts);
        expect(&line, &[&shown]);
    }
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    expect(&refused(&database, &[("config", &shown)]), &[&shown]);
    let nowhere = database.folder().join("nowhere.toml").display().to_string();
    expect(&refused(&database, &[("config", &nowhere)]), &[&nowhere, "can't be read"]);
    let folder = database.folder().display().to_string();
    expect(&refused(&database, &[("config", &folder)]), &[&folder, "can't be read"]);
    let mut option = command(&borrowed(&settings(&database)));
    option.args(["--config", &nowhere]);
    expect(&refusal(option), &[&nowhere]);
    let mut bytes = command(&borrowed(&settings(&database)));
    bytes.env("KEYTOWER_ISSUER", std::ffi::OsString::from_vec(vec![0xff]));
    expect(&refusal(bytes), &["KEYTOWER_ISSUER", "UTF-8"]);
    assert!(!Path::new(&database.data_dir()).exists(), "something was touched");
}
