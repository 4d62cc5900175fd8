//! The end: SIGTERM and SIGINT let requests in flight finish, take no new ones, and leave with 0; nothing holds the end up for ever.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;

use crate::support::database::is_postgres;
use crate::support::node::{borrowed, settings};
use crate::support::peer::Face;
use crate::support::{Database, Node, Peer, ROOT_PASSWORD};

/// A net under what never comes; nothing waits for it on a good day.
const PATIENCE: Duration = Duration::from_secs(50);

/// A node with some settings of its own.
fn node(database: &Database, own: &[(&'static str, &str)]) -> Node {
    let mut settings = settings(database);
    settings.extend(own.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Node::start(&borrowed(&settings))
}

/// A request whose head and half of its body the node has read: it said 100 to ask for the rest.
struct InFlight {
    stream: TcpStream,
    rest: String,
}

impl InFlight {
    fn login(node: &Node) -> Self {
        let body = format!(r#"{{"username":"root","password":"{ROOT_PASSWORD}","source":"LOCAL"}}"#);
        Self::start(node, "/v2/api/login", "", &body)
    }

    fn start(node: &Node, path: &str, header: &str, body: &str) -> Self {
        let mut stream = TcpStream::connect(node.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (half, rest) = body.split_at(body.len() / 2);
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{header}Content-Length: {}\r\n\
             Expect: 100-continue\r\n\r\n{half}",
            body.len()
        )
        .unwrap();
        let mut answer = [0; 25];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { stream, rest: rest.to_owned() }
    }

    /// Sends the rest and reads the answer to its end.
    fn finish(mut self) -> String {
        self.stream.write_all(self.rest.as_bytes()).unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// Waits until the node takes no new connection.
fn wait_until_closed(node: &Node) {
    let start = Instant::now();
    while TcpStream::connect(node.address).is_ok() {
        assert!(start.elapsed() < PATIENCE, "the node goes on taking connections");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_answered_and_new_ones_are_not_taken() {
    for signal in ["TERM", "INT"] {
        let database = Database::new().await;
        let mut node = node(&database, &[("body_timeout", "60s")]);
        let (one, other) = (InFlight::login(&node), InFlight::login(&node));
        node.signal(signal);
        wait_until_closed(&node);
        for request in [one, other] {
            let answer = request.finish();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{signal}: {answer}");
            assert!(answer.contains(r#""token":"#), "{signal}: {answer}");
        }
        assert_eq!(node.wait().code(), Some(0), "{signal}");
        assert_eq!(database.number("SELECT COUNT(*) FROM sessions").await, 2);
        if !is_postgres() {
            let log = database.folder().join("data/keytower.db-wal");
            assert!(!log.exists(), "SQLite's log was not folded into the file");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_a_request_do_not_hold_the_end_up() {
    let database = Database::new().await;
    let mut node = node(&database, &[("shutdown_timeout", "10m"), ("header_timeout", "1s")]);
    let mut idle = TcpStream::connect(node.address).unwrap();
    write!(idle, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(idle.read(&mut [0; 1024]).unwrap() > 0);
    let silent = TcpStream::connect(node.address).unwrap();
    let mut half = TcpStream::connect(node.address).unwrap();
    write!(half, "GET /healthz HTTP/1.1\r\nHo").unwrap();
    node.terminate();
    assert_eq!(node.wait().code(), Some(0));
    drop((idle, silent, half));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_is_cut_when_the_time_is_over() {
    for time in ["0", "200ms"] {
        let database = Database::new().await;
        let mut node = node(&database, &[("shutdown_timeout", time), ("body_timeout", "60s")]);
        let mut request = InFlight::login(&node);
        node.terminate();
        assert_eq!(node.wait().code(), Some(0), "{time}");
        // It must not look like an answer.
        let mut answer = String::new();
        let _ = request.stream.read_to_string(&mut answer);
        assert_eq!(answer, "", "{time}");
        assert!(node.log().iter().any(|line| line.contains("cut")), "{time}");
        assert_eq!(database.number("SELECT COUNT(*) FROM sessions").await, 0);
    }
}

/// A database that does not answer must not keep the process alive when its time is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_for_the_database_is_cut_when_the_time_is_over() {
    let database = Database::new().await;
    let mut node = node(&database, &[("shutdown_timeout", "200ms")]);
    let peer = Peer::new(node.address);
    let token = peer.root().await;
    let lock = database.connect().await;
    let held = if is_postgres() {
        let tx = sea_orm::TransactionTrait::begin(&lock).await.unwrap();
        tx.execute_unprepared("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE").await.unwrap();
        Some(tx)
    } else {
        lock.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
        None
    };
    let mint = tokio::spawn({
        let (peer, token) = (peer.clone(), token.clone());
        async move { peer.mint(&token, "stuck").await }
    });
    if is_postgres() {
        let waiting = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted";
        let stuck = async { while database.number(waiting).await == 0 {} };
        tokio::time::timeout(PATIENCE, stuck).await.expect("the mint does not wait");
    }
    node.terminate();
    let status = tokio::task::spawn_blocking(move || node.wait()).await.unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(mint.await.unwrap(), None);
    drop(held);
    lock.close().await.unwrap();
    assert_eq!(database.number("SELECT COUNT(*) FROM api_keys").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_loses_no_acknowledged_mint() {
    let database = Database::new().await;
    let mut keys = Vec::new();
    for _ in 0..3 {
        let mut node = Node::on(&database);
        let token = Peer::new(node.address).root().await;
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let (peer, token) = (Peer::new(node.address), token.clone());
                tokio::spawn(async move {
                    let mut keys = Vec::new();
                    while let Some(key) = peer.mint(&token, "before the end").await {
                        keys.push(key);
                    }
                    keys
                })
            })
            .collect();
        let busy = async { while database.number("SELECT COUNT(*) FROM api_keys").await < 20 + keys.len() as i64 {} };
        tokio::time::timeout(PATIENCE, busy).await.expect("nobody mints");
        node.terminate();
        for writer in writers {
            keys.extend(writer.await.unwrap());
        }
        assert_eq!(node.wait().code(), Some(0));
    }
    let node = Node::on(&database);
    let peer = Peer::new(node.address);
    for key in &keys {
        assert_eq!(peer.show(Face::Rest, key).await, Some(200));
    }
    // Whoever was still being served when the end came has an answer: nothing was done without one.
    assert_eq!(database.number("SELECT COUNT(*) FROM api_keys").await, keys.len() as i64);
}
