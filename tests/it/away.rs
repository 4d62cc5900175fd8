//! The database away: 503, never 401 and never a yes; and when it is back, everything works without a restart.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::node::{borrowed, settings};
use crate::support::peer::Face;
use crate::support::{Answer, Database, Node, Peer, ROOT_PASSWORD};

/// What a [`Line`] does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Through,
    /// Open connections are reset, new ones are refused.
    Cut,
    /// Open and new connections are kept, and nothing comes through: a network that drops packets.
    Silent,
}

/// A line between a node and its database that the test holds in hand.
struct Line {
    address: SocketAddr,
    state: watch::Sender<State>,
}

impl Line {
    async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, seen) = watch::channel(State::Through);
        tokio::spawn(async move {
            loop {
                let (here, _) = listener.accept().await.unwrap();
                if *seen.borrow() == State::Cut {
                    drop(here);
                    continue;
                }
                tokio::spawn(carry(here, target, seen.clone()));
            }
        });
        Self { address, state }
    }

    fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

async fn carry(mut here: TcpStream, target: SocketAddr, mut state: watch::Receiver<State>) {
    let mut there = TcpStream::connect(target).await.unwrap();
    loop {
        let now = *state.borrow_and_update();
        match now {
            State::Cut => return,
            State::Silent => {
                let _ = state.changed().await;
            }
            State::Through => {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut here, &mut there) => return,
                    _ = state.changed() => {}
                }
            }
        }
    }
}

struct Setup {
    database: Database,
    line: Arc<Line>,
    node: Node,
    peer: Peer,
    token: String,
    key: String,
}

impl Setup {
    /// A node that reaches its PostgreSQL database over a [`Line`]; both credentials have been used once.
    async fn new() -> Self {
        let database = Database::postgres().await;
        let (_, place) = database.url().rsplit_once('@').unwrap();
        let (server, _) = place.split_once('/').unwrap();
        let line = Arc::new(Line::to(server.parse().unwrap()).await);
        let mut settings = settings(&database);
        for (name, value) in &mut settings {
            if *name == "database_url" {
                *value = value.replace(server, &line.address.to_string());
            }
        }
        let node = tokio::task::spawn_blocking(move || Node::start(&borrowed(&settings))).await.unwrap();
        let peer = Peer::new(node.address);
        let token = peer.root().await;
        let key = peer.mint(&token, "before").await.unwrap();
        assert_eq!(peer.show(Face::Rest, &key).await, Some(200));
        Self { database, line, node, peer, token, key }
    }

    async fn expect_away(&self) {
        let Self { peer, token, key, .. } = self;
        let body = json!({});
        let mut answers: Vec<(String, Answer)> = Vec::new();
        for credential in [token, key] {
            for path in ["/v2/api/get-my-info", "/v2/api/get-vms", "/v2/api/get-organizations-connection"] {
                answers.push((path.to_owned(), peer.post(path, Some(credential), &body).await.unwrap()));
            }
            let query = "{ vms { id } }";
            let answer = peer.graphql(credential, query, json!({})).await.unwrap();
            assert_eq!(answer.code(), "SERVICE_UNAVAILABLE", "{answer:?}");
            answers.push(("GraphQL".to_owned(), answer));
        }
        answers.push(("login".to_owned(), peer.login("root", ROOT_PASSWORD).await.unwrap()));
        answers.push(("wrong login".to_owned(), peer.login("root", "wrong password").await.unwrap()));
        answers.push(("unknown login".to_owned(), peer.login("nobody", "wrong password").await.unwrap()));
        answers.push(("readyz".to_owned(), peer.get("/readyz").await.unwrap()));
        for (what, answer) in &answers {
            assert_eq!(answer.status, 503, "{what}: {answer:?}");
            assert!(!answer.text.contains("127.0.0.1") && !answer.text.contains("sqlx"), "{what}: {answer:?}");
        }
        let mint = peer.try_mint(token, "while away").await.unwrap();
        assert_eq!(mint.code(), "SERVICE_UNAVAILABLE", "{mint:?}");
        assert!(!peer.delete(token, key).await);
        // What needs no database goes on; a credential that can't be right is still refused.
        assert_eq!(peer.get("/healthz").await.unwrap().status, 200);
        assert_eq!(peer.get("/v2/api/get-version").await.unwrap().status, 200);
        assert_eq!(peer.show(Face::Rest, "neither key nor token").await, Some(401));
    }

    async fn expect_back(&self) {
        let Self { peer, token, key, .. } = self;
        for credential in [token, key] {
            assert_eq!(peer.show(Face::Rest, credential).await, Some(200));
            assert_eq!(peer.show(Face::Graphql, credential).await, Some(200));
        }
        assert_eq!(peer.get("/readyz").await.unwrap().status, 200);
        let token = peer.root().await;
        let new = peer.mint(&token, "after").await.unwrap();
        assert_eq!(peer.show(Face::Rest, &new).await, Some(200));
        assert!(peer.delete(&token, &new).await);
        assert_eq!(peer.show(Face::Rest, &new).await, Some(401));
        let left = "SELECT COUNT(*) FROM api_keys WHERE name = 'while away'";
        assert_eq!(self.database.number(left).await, 0, "a mint that was not acknowledged was carried out");
        let log = self.node.log().join("\n");
        assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_went_away_is_503_and_comes_back_without_a_restart() {
    let setup = Setup::new().await;
    for _ in 0..2 {
        setup.line.set(State::Cut);
        setup.expect_away().await;
        setup.line.set(State::Through);
        setup.expect_back().await;
    }
}

/// Packets that vanish: nobody says that the connection is dead.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_fell_silent_is_503_and_comes_back_without_a_restart() {
    let setup = Setup::new().await;
    setup.line.set(State::Silent);
    let Setup { peer, token, key, .. } = &setup;
    // Side by side, for each takes as long as the node waits for the database.
    let body = json!({});
    let (by_key, by_token, login, ready, alive) = tokio::join!(
        peer.post("/v2/api/get-vms", Some(key), &body),
        peer.post("/v2/api/get-vms", Some(token), &body),
        peer.login("root", ROOT_PASSWORD),
        peer.get("/readyz"),
        peer.get("/healthz"),
    );
    let statuses = [by_key, by_token, login, ready, alive].map(|answer| answer.map(|answer| answer.status));
    assert_eq!(statuses, [Some(503), Some(503), Some(503), Some(503), Some(200)]);
    setup.line.set(State::Through);
    setup.expect_back().await;
}

/// Requests that are in the database when the line goes: an answer to each, and no acknowledgement that is not kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_cut_again_and_again_loses_nothing_acknowledged() {
    let setup = Setup::new().await;
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (peer, token) = (setup.peer.clone(), setup.token.clone());
            tokio::spawn(async move {
                let (mut live, mut dead, mut refused) = (Vec::new(), Vec::new(), 0);
                while live.len() < 15 || dead.len() < 15 {
                    let answer = peer.try_mint(&token, "kept").await.expect("an answer");
                    let Some(key) = answer.json()["data"]["createApiKey"]["key"].as_str().map(str::to_owned) else {
                        assert_eq!(answer.code(), "SERVICE_UNAVAILABLE", "{answer:?}");
                        refused += 1;
                        continue;
                    };
                    if live.len() < 15 {
                        live.push(key);
                    } else if peer.delete(&token, &key).await {
                        dead.push(key);
                    }
                }
                (live, dead, refused)
            })
        })
        .collect();
    let cutter = tokio::spawn({
        let line = Arc::clone(&setup.line);
        async move {
            // Moments of their own, not waits for something: the writers go on until they have enough. The line holds longer each time, so
            // that they get there on a slow machine too.
            let mut through = Duration::from_millis(150);
            loop {
                tokio::time::sleep(through).await;
                line.set(State::Cut);
                tokio::time::sleep(Duration::from_millis(15)).await;
                line.set(State::Through);
                through += through / 20;
            }
        }
    });
    let (mut live, mut dead, mut refused) = (Vec::new(), Vec::new(), 0);
    for writer in writers {
        let (alive, deleted, count) = writer.await.unwrap();
        live.extend(alive);
        dead.extend(deleted);
        refused += count;
    }
    cutter.abort();
    setup.line.set(State::Through);
    for key in &live {
        assert_eq!(setup.peer.show(Face::Rest, key).await, Some(200));
    }
    for key in &dead {
        assert_eq!(setup.peer.show(Face::Rest, key).await, Some(401));
    }
    println!("{} mints and {} deletes acknowledged, {refused} mints refused", live.len(), dead.len());
}

/// Another process holds SQLite's write lock: reads go on, a mint is refused or waits, and none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_sqlite_database_goes_on_reading() {
    let database = Database::sqlite();
    let node = Node::on(&database);
    let peer = Peer::new(node.address);
    let token = peer.root().await;
    let key = peer.mint(&token, "before").await.unwrap();
    let other = database.connect().await;
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let mint = {
        let (peer, token) = (peer.clone(), token.clone());
        tokio::spawn(async move { peer.try_mint(&token, "refused").await.unwrap() })
    };
    let mut reads = 0;
    while !mint.is_finished() {
        for credential in [&token, &key] {
            assert_eq!(peer.show(Face::Rest, credential).await, Some(200));
            assert_eq!(peer.show(Face::Graphql, credential).await, Some(200));
        }
        assert_eq!(peer.get("/readyz").await.unwrap().status, 200);
        reads += 1;
    }
    let answer = mint.await.unwrap();
    assert_eq!(answer.code(), "SERVICE_UNAVAILABLE", "{answer:?}");
    assert!(reads > 1, "reads waited for the writer");
    let waiting = {
        let (peer, token) = (peer.clone(), token.clone());
        tokio::spawn(async move { peer.mint(&token, "waits").await })
    };
    // It is in the queue for the lock by the time this read is answered, or comes later: both must end well.
    assert_eq!(peer.show(Face::Rest, &key).await, Some(200));
    other.execute_unprepared("COMMIT").await.unwrap();
    let waited = waiting.await.unwrap().expect("the lock was free in time");
    assert_eq!(peer.show(Face::Rest, &waited).await, Some(200));
    assert_eq!(database.number("SELECT COUNT(*) FROM api_keys").await, 2);
}

/// The file taken away under the running service, and another start in its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_that_was_removed_does_not_come_back_empty() {
    let database = Database::sqlite();
    let mut node = Node::on(&database);
    let token = Peer::new(node.address).root().await;
    let folder = database.folder().join("data");
    let away = database.folder().join("away");
    std::fs::create_dir(&away).unwrap();
    let move_all = |from: &std::path::Path, to: &std::path::Path| {
        for name in ["keytower.db", "keytower.db-wal", "keytower.db-shm"] {
            if from.join(name).exists() {
                std::fs::rename(from.join(name), to.join(name)).unwrap();
            }
        }
    };
    move_all(&folder, &away);
    let peer = Peer::new(node.address);
    for turn in 0..64 {
        let status = peer.post("/v2/api/get-my-info", Some(&token), &json!({})).await.unwrap().status;
        assert!(matches!(status, 200 | 503), "request {turn} was answered {status}");
    }
    assert!(!folder.join("keytower.db").exists(), "an empty database was made");
    node.kill();
    move_all(&away, &folder);
    let node = Node::on(&database);
    assert_eq!(Peer::new(node.address).show(Face::Rest, &token).await, Some(200));
}
