//! The commands, beside a running service and without one.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::node::{self, Ended, borrowed, command, settings};
use crate::support::peer::Face;
use crate::support::{Database, Node, Peer};

const COMMANDS: [&[&str]; 20] = [
    &[],
    &["serve"],
    &["inventory"],
    &["inventory", "import"],
    &["user"],
    &["user", "create"],
    &["user", "set-password"],
    &["user", "delete"],
    &["node"],
    &["node", "passive"],
    &["node", "active"],
    &["node", "status"],
    &["policy"],
    &["policy", "unlock"],
    &["mail"],
    &["mail", "test"],
    &["signing-key"],
    &["signing-key", "rotate"],
    &["schema"],
    &["healthcheck"],
];

fn on(database: &Database, arguments: &[&str]) -> Ended {
    node::run(&borrowed(&settings(database)), arguments)
}

fn expect_refusal(ended: &Ended, parts: &[&str]) {
    assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    let line = ended.stderr.lines().last().unwrap();
    assert!(line.starts_with("keytower: ") && parts.iter().all(|part| line.contains(part)), "{parts:?}: {ended:?}");
}

/// A pipe whose reader has gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn every_command_explains_itself_with_an_example_and_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in COMMANDS {
        let output = command(&[]).args(arguments).arg("--help").current_dir(folder.path()).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments:?}");
        let (_, examples) = help.split_once("Example:\n").unwrap_or_else(|| panic!("{arguments:?} has none: {help}"));
        let example = examples.lines().find(|line| line.contains("keytower")).unwrap();
        let expected = format!("keytower {}", arguments.join(" "));
        assert!(example.contains(expected.trim()), "{arguments:?}: {example}");
    }
    for wrong in [&["surf"][..], &["user"], &["user", "create"], &["schema", "xml"], &["inventory", "import"], &["-x"]]
    {
        let output = command(&[]).args(wrong).current_dir(folder.path()).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{wrong:?}");
        assert!(!output.stderr.is_empty(), "{wrong:?}");
    }
    let version = command(&[]).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8(version.stdout).unwrap().trim(), concat!("keytower ", env!("CARGO_PKG_VERSION")));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_contracts_are_printed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    for (which, file) in [("graphql", "schema.graphql"), ("openapi", "openapi.json")] {
        let output = command(&[]).args(["schema", which]).current_dir(folder.path()).output().unwrap();
        let committed = std::fs::read(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        assert!(output.stdout == committed, "{file} differs from what the program prints");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_made_and_deleted_beside_a_running_service() {
    let database = Database::new().await;
    let node = Node::on(&database);
    let peer = Peer::new(node.address);
    let made = on(&database, &["user", "create", "ci-admin", "--role", "ROOT"]);
    assert!(made.status.success(), "{made:?}");
    let password = made.stdout.split_whitespace().last().unwrap();
    assert!(made.stdout.contains("ci-admin") && made.stdout.contains("ROOT") && !made.stderr.contains(password));
    assert_eq!(peer.login("ci-admin", password).await.unwrap().status, 200);
    let users = "SELECT COUNT(*) FROM users";
    expect_refusal(&on(&database, &["user", "create", "ci-admin"]), &["ci-admin", "taken"]);
    expect_refusal(&on(&database, &["user", "create", "other", "--role", "KING"]), &["KING", "ROOT", "READ_ONLY"]);
    expect_refusal(&on(&database, &["user", "create", ""]), &["username"]);
    expect_refusal(&on(&database, &["user", "create", "a\nb"]), &["username"]);
    expect_refusal(&on(&database, &["user", "create", &"a".repeat(10_000)]), &["username"]);
    expect_refusal(&on(&database, &["user", "delete", "nobody"]), &["nobody"]);
    expect_refusal(&on(&database, &["user", "delete", "ROOT"]), &["ROOT"]);
    assert_eq!(database.number(users).await, 2);
    let gone = on(&database, &["user", "delete", "ci-admin"]);
    assert!(gone.status.success() && gone.stdout.contains("ci-admin"), "{gone:?}");
    assert_eq!(peer.login("ci-admin", password).await.unwrap().status, 400);
    expect_refusal(&on(&database, &["user", "delete", "root"]), &["last", "ROOT"]);
    assert_eq!(database.number(users).await, 1);
    peer.root().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signing_key_is_rotated_beside_a_running_service() {
    let database = Database::new().await;
    let node = Node::on(&database);
    let peer = Peer::new(node.address);
    let token = peer.root().await;
    for keys in 2..4 {
        let rotated = on(&database, &["signing-key", "rotate"]);
        assert!(rotated.status.success() && rotated.stdout.contains("takes over at"), "{rotated:?}");
        assert_eq!(database.number("SELECT COUNT(*) FROM signing_keys").await, keys);
        assert_eq!(peer.show(Face::Rest, &token).await, Some(200));
        assert_eq!(peer.show(Face::Graphql, &peer.root().await).await, Some(200));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_tells_ready_from_not_ready_and_dead() {
    let database = Database::new().await;
    let mut node = Node::on(&database);
    let check = |listen: &str| node::run(&[("listen", listen)], &["healthcheck"]);
    let port = node.address.port();
    for listen in [node.address.to_string(), format!("0.0.0.0:{port}")] {
        let ended = check(&listen);
        assert!(ended.status.success() && ended.stdout.contains("\"ok\""), "{ended:?}");
    }
    node.kill();
    expect_refusal(&check(&node.address.to_string()), &[&node.address.to_string(), "refused"]);
    for (answer, said) in [
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno\n", "no\n"),
        ("HTTP/1.1 2000 Odd\r\n\r\n", ""),
        ("SSH-2.0-OpenSSH\r\n", ""),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let ended = check(&address);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stdout.contains(said), "{ended:?}");
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    expect_refusal(&check(&silent.local_addr().unwrap().to_string()), &["does not answer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_is_no_panic() {
    let database = Database::new().await;
    let settings = settings(&database);
    drop(Node::on(&database));
    for arguments in [&["schema", "graphql"][..], &["schema", "openapi"], &["signing-key", "rotate"], &["--help"]] {
        let output = command(&borrowed(&settings)).args(arguments).stdout(closed()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code().is_some_and(|code| code < 100), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
        let both = command(&borrowed(&settings)).args(arguments).stdout(closed()).stderr(closed()).status().unwrap();
        assert!(both.code().is_some_and(|code| code < 100), "{arguments:?}: {both}");
    }
}

/// `keytower 2>&1 | head` and its like: whoever read the log has gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_log_nobody_reads_goes_on() {
    let database = Database::new().await;
    let mut settings = settings(&database);
    settings.retain(|(name, _)| *name != "listen");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    settings.push(("listen", address.to_string()));
    settings.push(("log", "debug".to_owned()));
    let mut child = command(&borrowed(&settings)).stdout(closed()).stderr(closed()).spawn().unwrap();
    let peer = Peer::new(address);
    let start = Instant::now();
    while peer.get("/healthz").await.is_none_or(|answer| answer.status != 200) {
        assert!(child.try_wait().unwrap().is_none() && start.elapsed() < Duration::from_secs(50), "it did not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let token = peer.root().await;
    let key = peer.mint(&token, "unheard").await.unwrap();
    assert_eq!(peer.show(Face::Graphql, &key).await, Some(200));
    assert_eq!(peer.show(Face::Graphql, "wrong").await, Some(401));
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
