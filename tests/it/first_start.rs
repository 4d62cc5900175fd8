//! The first start and what it leaves: root's password, the files, and logs without a secret.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::database::is_postgres;
use crate::support::node::{self, borrowed, settings};
use crate::support::peer::Face;
use crate::support::{Database, Node, Peer, tool};

fn without(database: &Database, name: &str) -> Vec<(&'static str, String)> {
    let mut settings = settings(database);
    settings.retain(|(other, _)| *other != name);
    settings
}

/// The last answer of `bash`, which has the tests' curl.
fn bash(script: &str) -> Value {
    let curl = tool("KT_TEST_CURL");
    let path = format!("{}:{}", Path::new(&curl).parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash").args(["-euc", script]).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_prints_a_password_once_and_a_command_that_works() {
    let database = Database::new().await;
    let settings = without(&database, "root_password");
    let mut node = Node::start(&borrowed(&settings));
    let told = node.told("/v2/api/login\n");
    let paragraphs: Vec<&str> = told.split("\n\n").map(str::trim).collect();
    let password = paragraphs[1];
    assert!(
        password.len() >= 20 && password.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_'),
        "{told}"
    );
    let command = paragraphs.iter().find(|paragraph| paragraph.starts_with("curl ")).unwrap();
    let answer = bash(command);
    let token = answer["data"]["token"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let peer = Peer::new(node.address);
    assert_eq!(peer.show(Face::Rest, token).await, Some(200));
    assert_eq!(peer.login("root", password).await.unwrap().status, 200);
    assert!(!node.log().join("\n").contains(password));
    node.terminate();
    assert!(node.wait().success());
    let node = Node::start(&borrowed(&settings));
    assert_eq!(node.stdout(), "");
    assert_eq!(Peer::new(node.address).login("root", password).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_as_the_first_start_prints_the_password() {
    let database = Database::new().await;
    let settings = without(&database, "root_password");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/inventory.json");
    let imported = node::run(&borrowed(&settings), &["inventory", "import", file]);
    assert!(imported.status.success(), "{imported:?}");
    let password = imported.stdout.split("\n\n").map(str::trim).nth(1).unwrap();
    let node = Node::start(&borrowed(&settings));
    assert_eq!(node.stdout(), "");
    assert_eq!(Peer::new(node.address).login("root", password).await.unwrap().status, 200, "{imported:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_automatic_root_the_first_start_leaves_it_to_the_route() {
    let database = Database::new().await;
    let mut settings = without(&database, "root_password");
    settings.push(("create_root", "false".to_owned()));
    let node = Node::start(&borrowed(&settings));
    assert_eq!((node.stdout().as_str(), database.number("SELECT COUNT(*) FROM users").await), ("", 0));
    let peer = Peer::new(node.address);
    let body = json!({ "password": "correct horse battery" });
    let tries: Vec<_> = (0..8)
        .map(|_| {
            let (peer, body) = (peer.clone(), body.clone());
            tokio::spawn(async move { peer.post("/v2/api/create-root-user", None, &body).await.unwrap().status })
        })
        .collect();
    let mut made = 0;
    for one in tries {
        match one.await.unwrap() {
            200 => made += 1,
            status => assert_eq!(status, 400),
        }
    }
    assert_eq!((made, database.number("SELECT COUNT(*) FROM users").await), (1, 1));
    peer.root().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_belong_to_their_owner_alone() {
    let database = Database::new().await;
    let node = Node::on(&database);
    Peer::new(node.address).root().await;
    let folder = database.data_dir();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(Path::new(&folder)), 0o700);
    let mut names = Vec::new();
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // The lock is empty and nobody's secret.
        let (allowed, length) = (mode(&path), std::fs::metadata(&path).unwrap().len());
        assert!(allowed == 0o600 || (name == "keytower.db.lock" && length == 0), "{name} has the mode {allowed:o}");
        names.push(name);
    }
    names.sort();
    let expected: &[&str] = match is_postgres() {
        true => &["master.key"],
        false => &["keytower.db", "keytower.db-shm", "keytower.db-wal", "keytower.db.lock", "master.key"],
    };
    assert_eq!(names, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_key_comes_from_the_environment_or_a_named_file() {
    let key = "00ff".repeat(16);
    for name in ["master_key", "master_key_file"] {
        let database = Database::new().await;
        let file = database.folder().join("somewhere.key");
        std::fs::write(&file, format!("{key}\n")).unwrap();
        let value = if name == "master_key" { key.clone() } else { file.display().to_string() };
        let mut settings = settings(&database);
        settings.push((name, value));
        let mut node = Node::start(&borrowed(&settings));
        let peer = Peer::new(node.address);
        let token = peer.root().await;
        let minted = peer.mint(&token, "lasting").await.unwrap();
        node.kill();
        assert!(!Path::new(&database.data_dir()).join("master.key").exists());
        // The same key in the usual place works as well: it is the key that counts, not where it stands.
        settings.pop();
        std::fs::write(Path::new(&database.data_dir()).join("master.key"), &key).unwrap();
        let node = Node::start(&borrowed(&settings));
        assert_eq!(Peer::new(node.address).show(Face::Graphql, &minted).await, Some(200));
    }
}

/// A session with everything that could leak, at the most talkative level.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_ever_logged() {
    for format in ["text", "json"] {
        let database = Database::new().await;
        let mut settings = without(&database, "root_password");
        for (name, value) in &mut settings {
            if *name == "database_url" {
                *value = value.replace("keytower@", "keytower:databasepassword@");
            }
        }
        settings.extend([("log", "trace".to_owned()), ("log_format", format.to_owned())]);
        let mut node = Node::start(&borrowed(&settings));
        let told = node.told("/v2/api/login\n");
        let password = told.split("\n\n").map(str::trim).nth(1).unwrap().to_owned();
        let peer = Peer::new(node.address);
        let login = peer.login("root", &password).await.unwrap().json();
        let token = login["data"]["token"].as_str().unwrap().to_owned();
        let wrong = "wrongpassword42";
        assert_eq!(peer.login("root", wrong).await.unwrap().status, 400);
        let misplaced = "passwordtypedasname";
        assert_eq!(peer.login(misplaced, wrong).await.unwrap().status, 400);
        let key = peer.mint(&token, "leaky").await.unwrap();
        assert_eq!(peer.show(Face::Rest, &key).await, Some(200));
        assert_eq!(peer.show(Face::Graphql, &format!("Bearer {key}")).await, Some(200));
        // A secret where none belongs: in the address.
        assert_eq!(peer.get(&format!("/v2/api/get-vms?key={key}")).await.unwrap().status, 405);
        assert_eq!(peer.get(&format!("/{token}")).await.unwrap().status, 404);
        assert!(peer.delete(&token, &key).await);
        assert_eq!(peer.show(Face::Rest, &key).await, Some(401));
        assert_eq!(peer.show(Face::Rest, &token[..token.len() - 1]).await, Some(401));
        let create = json!({ "password": "rootpasswordnumbertwo" });
        assert_eq!(peer.post("/v2/api/create-root-user", None, &create).await.unwrap().status, 400);
        let hash = "SELECT COUNT(*) FROM users WHERE password_hash LIKE '$argon2%'";
        assert_eq!(database.number(hash).await, 1);
        let made = node::run(&borrowed(&settings), &["user", "create", "second"]);
        let second = made.stdout.split_whitespace().last().unwrap().to_owned();
        assert_eq!(peer.login("second", &second).await.unwrap().status, 200);
        node.terminate();
        assert!(node.wait().success());
        let master = std::fs::read_to_string(format!("{}/master.key", database.data_dir())).unwrap();
        let (_, signature) = token.rsplit_once('.').unwrap();
        let log = node.log();
        assert!(log.len() > 20 && log.iter().any(|line| line.contains("TRACE") || line.contains("DEBUG")), "{log:?}");
        if format == "json" {
            for line in &log {
                assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()), "{line}");
            }
        }
        let log = log.join("\n") + &made.stderr;
        for (what, secret) in [
            ("root's password", password.as_str()),
            ("a wrong password", wrong),
            ("a password typed as a name", misplaced),
            ("a refused root's password", "rootpasswordnumbertwo"),
            ("a made-up password", &second),
            ("the token", &token),
            ("the token's signature", signature),
            ("the key", &key),
            ("most of the key", &key[3..57]),
            ("the master key", master.trim()),
            ("a password's hash", "$argon2"),
            ("the database's password", "databasepassword"),
        ] {
            assert!(
                !log.contains(secret),
                "{what} is in the log: {:?}",
                log.lines().find(|line| line.contains(secret))
            );
        }
        let after = node.stdout();
        assert_eq!(after, told, "something was printed after the first start's note");
    }
}
