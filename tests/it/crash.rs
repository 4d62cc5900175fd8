//! `kill -9` at any moment: what was acknowledged is kept, what was not is either done or not, and the next start works.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::support::database::is_postgres;
use crate::support::node::{self, borrowed, command, settings};
use crate::support::peer::{Face, face};
use crate::support::random::Random;
use crate::support::{Database, Node, Peer};

const ROUNDS: usize = 20;
const WRITERS: usize = 8;
/// Clients that hang up in the middle of a request, so that its work is dropped at any point.
const QUITTERS: usize = 2;
/// Older keys looked at in every round; the last round looks at all.
const SAMPLE: usize = 100;

/// What clients know.
#[derive(Default)]
struct Known {
    /// Mint acknowledged, no delete tried.
    live: Vec<String>,
    /// Delete acknowledged.
    dead: Vec<String>,
    /// Mint acknowledged, delete tried and not acknowledged: either, but the same for ever after.
    either: Vec<String>,
}

impl Known {
    fn add(&mut self, other: Self) {
        self.live.extend(other.live);
        self.dead.extend(other.dead);
        self.either.extend(other.either);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_sigkill() {
    let mut random = Random::seeded("crash");
    let database = Database::new().await;
    let mut node = Node::on(&database);
    let token = Peer::new(node.address).root().await;
    let mut known = Known::default();
    let mut deletes_in_doubt = 0;
    for round in 1..=ROUNDS {
        let fresh = write_until_killed(&mut node, &token, round, &mut random).await;
        node = Node::on(&database);
        let peer = Peer::new(node.address);
        assert_eq!(peer.show(Face::Rest, &token).await, Some(200), "round {round}: the token died");
        if !is_postgres() {
            let connection = database.connect().await;
            let row = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, "PRAGMA integrity_check");
            let rows = sea_orm::ConnectionTrait::query_all_raw(&connection, row).await.unwrap();
            let told: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
            assert_eq!(told, ["ok"], "round {round}");
            connection.close().await.unwrap();
        }
        expect_sound_logs(&database, round).await;
        // Whoever was in doubt is asked once; from then on the answer must stand.
        deletes_in_doubt += fresh.either.len();
        let mut settled = Known { live: fresh.live.clone(), dead: fresh.dead.clone(), either: Vec::new() };
        for key in fresh.either {
            match peer.show(Face::Rest, &key).await {
                Some(200) => settled.live.push(key),
                Some(401) => settled.dead.push(key),
                other => panic!("round {round}: {other:?}"),
            }
        }
        let all = round == ROUNDS;
        let older = |keys: &[String], random: &mut Random| match all || keys.is_empty() {
            true => keys.to_vec(),
            false => (0..SAMPLE).map(|_| keys[random.below(keys.len())].clone()).collect::<Vec<_>>(),
        };
        let (live, dead) = (older(&known.live, &mut random), older(&known.dead, &mut random));
        expect(&peer, live.iter().chain(&settled.live), 200, round).await;
        expect(&peer, dead.iter().chain(&settled.dead), 401, round).await;
        known.add(settled);
    }
    let (live, dead) = (known.live.len(), known.dead.len());
    println!("{ROUNDS} kills: {live} keys live, {dead} deleted, {deletes_in_doubt} deletes in doubt");
    assert!(live >= ROUNDS && dead >= ROUNDS, "too few to prove anything: {live} live, {dead} dead");
    let rows = database.number("SELECT COUNT(*) FROM api_keys").await;
    assert!(usize::try_from(rows).unwrap() >= live);
}

/// Asserts that nothing breaks the chain of the audit logs, and that they tell of each mint and each delete that was done and of none
/// that was not.
async fn expect_sound_logs(database: &Database, round: usize) {
    let checked = node::run(&borrowed(&settings(database)), &["audit", "verify"]);
    assert!(checked.status.success(), "round {round}: {checked:?}");
    let told = async |action: &str| {
        let sql = "SELECT COUNT(*) FROM user_audit_logs WHERE status = 'SUCCESSED' AND action";
        database.number(&format!("{sql} = '{action}'")).await
    };
    let (minted, deleted) = (told("createApiKey").await, told("deleteApiKey").await);
    let keys = database.number("SELECT COUNT(*) FROM api_keys").await;
    assert_eq!(minted - deleted, keys, "round {round}: {minted} mints and {deleted} deletes in the log");
}

/// Lets writers mint and delete, and kills the node after a random number of acknowledgements and a random moment more.
async fn write_until_killed(node: &mut Node, token: &str, round: usize, random: &mut Random) -> Known {
    let acknowledged = Arc::new((AtomicUsize::new(0), Notify::new()));
    let address = node.address;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (token, acknowledged) = (token.to_owned(), Arc::clone(&acknowledged));
            let mut random = random.split();
            tokio::spawn(async move {
                let (peer, mut known) = (Peer::new(address), Known::default());
                let count = || {
                    acknowledged.0.fetch_add(1, Ordering::SeqCst);
                    acknowledged.1.notify_one();
                };
                for turn in 0.. {
                    let Some(key) = peer.mint(&token, &format!("{round}-{writer}-{turn}")).await else { break };
                    count();
                    if random.below(2) == 0 {
                        known.live.push(key);
                        continue;
                    }
                    if !peer.delete(&token, &key).await {
                        known.either.push(key);
                        break;
                    }
                    known.dead.push(key);
                    count();
                }
                known
            })
        })
        .collect();
    let quitters: Vec<_> =
        (0..QUITTERS).map(|_| tokio::spawn(quit(address, token.to_owned(), random.split()))).collect();
    let enough = 1 + random.below(60);
    while acknowledged.0.load(Ordering::SeqCst) < enough {
        tokio::time::timeout(Duration::from_secs(60), acknowledged.1.notified()).await.expect("writers are stuck");
    }
    // Not to wait for something, but to hit any point between two acknowledgements.
    tokio::time::sleep(Duration::from_micros(random.below(8_000) as u64)).await;
    node.kill();
    let mut known = Known::default();
    for writer in writers {
        known.add(writer.await.unwrap());
    }
    for quitter in quitters {
        quitter.await.unwrap();
    }
    known
}

/// Mints and hangs up before the answer, until the node is gone. The last mint is heard out, so that an end is noticed.
async fn quit(address: std::net::SocketAddr, token: String, mut random: Random) {
    loop {
        let peer = Peer::new(address);
        let patience = Duration::from_micros(random.below(12_000) as u64);
        let _ = tokio::time::timeout(patience, peer.mint(&token, "hung up")).await;
        if tokio::net::TcpStream::connect(address).await.is_err() {
            return;
        }
    }
}

async fn expect(peer: &Peer, keys: impl Iterator<Item = &String>, status: u16, round: usize) {
    let keys: Vec<&String> = keys.collect();
    for keys in keys.chunks(16) {
        let asked: Vec<_> = keys
            .iter()
            .enumerate()
            .map(|(turn, key)| {
                let (peer, key) = (peer.clone(), (*key).clone());
                tokio::spawn(async move { peer.show(face(turn), &key).await })
            })
            .collect();
        for (key, answered) in keys.iter().zip(asked) {
            assert_eq!(answered.await.unwrap(), Some(status), "round {round}: {}…", &key[..12]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_is_killed_leaves_nothing_that_stops_the_next() {
    let mut random = Random::seeded("first start");
    for round in 0..12 {
        let database = Database::new().await;
        let settings = settings(&database);
        let mut child = command(&borrowed(&settings)).arg("serve").spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(random.below(120) as u64)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let node = Node::on(&database);
        let peer = Peer::new(node.address);
        let token = peer.root().await;
        let key = peer.mint(&token, "after the kill").await.unwrap_or_else(|| panic!("round {round}"));
        assert_eq!(peer.show(Face::Graphql, &key).await, Some(200), "round {round}");
        for (table, rows) in
            [("users", 1), ("organizations", 1), ("signing_keys", 1), ("meta", 4), ("global_settings", 1)]
        {
            assert_eq!(database.number(&format!("SELECT COUNT(*) FROM {table}")).await, rows, "round {round}: {table}");
        }
    }
}

/// A client that hangs up drops the work of its request at any point; the connection it worked on must be as good as new.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hang_up_take_nothing_from_others() {
    let mut random = Random::seeded("hang up");
    let database = Database::new().await;
    let mut node = Node::on(&database);
    let peer = Peer::new(node.address);
    let token = peer.root().await;
    let mut keys = Vec::new();
    for turn in 0..40 {
        let quitters: Vec<_> = (0..8)
            .map(|_| {
                let patience = Duration::from_micros(random.below(15_000) as u64);
                let (peer, token) = (Peer::new(node.address), token.clone());
                tokio::spawn(async move { tokio::time::timeout(patience, peer.mint(&token, "hung up")).await.is_ok() })
            })
            .collect();
        let key = peer.mint(&token, "kept").await;
        keys.push(key.unwrap_or_else(|| panic!("turn {turn}: the mint of a patient client was refused")));
        for quitter in quitters {
            quitter.await.unwrap();
        }
    }
    let log = node.log().join("\n");
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
    node.kill();
    let node = Node::on(&database);
    expect(&Peer::new(node.address), keys.iter(), 200, 0).await;
    let kept = database.number("SELECT COUNT(*) FROM api_keys WHERE name = 'kept'").await;
    assert_eq!(usize::try_from(kept).unwrap(), keys.len());
}

/// A full disk, as the limit on the size of files: what is acknowledged is kept, reads go on, and so do writes when there is room
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_acknowledges_nothing_that_is_lost() {
    let database = Database::sqlite();
    let settings = settings(&database);
    // A full disk sends no signal, but this limit does, and it would end the program before it could answer.
    let mut patient = Command::new("sh");
    patient.args(["-c", "trap '' XFSZ; exec \"$0\"", env!("CARGO_BIN_EXE_keytower")]);
    patient.envs(command(&borrowed(&settings)).get_envs().filter_map(|(name, value)| Some((name, value?))));
    patient.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut node = Node::spawn(patient);
    let peer = Peer::new(node.address);
    let token = peer.root().await;
    let (mut live, mut dead, mut refused) = (Vec::new(), Vec::new(), 0);
    for _ in 0..50 {
        live.push(peer.mint(&token, "before").await.unwrap());
    }
    let log = std::fs::metadata(database.folder().join("data/keytower.db-wal")).unwrap().len();
    limit_files(&node, &log.to_string());
    while refused < 40 {
        assert!(dead.len() < 10_000, "the disk never filled up");
        let answer = peer.try_mint(&token, "full").await.expect("an answer");
        match answer.json()["data"]["createApiKey"]["key"].as_str() {
            Some(key) => live.push(key.to_owned()),
            None => {
                assert_eq!(answer.code(), "SERVICE_UNAVAILABLE", "{answer:?}");
                refused += 1;
            }
        }
        let key = live.swap_remove(0);
        let deleted = peer.delete(&token, &key).await;
        if deleted { &mut dead } else { &mut live }.push(key);
        assert_eq!(peer.show(Face::Rest, &token).await, Some(200), "reads go on");
    }
    expect(&peer, dead.iter(), 401, 0).await;
    limit_files(&node, "unlimited");
    for _ in 0..20 {
        live.push(peer.mint(&token, "after").await.expect("there is room again"));
        let key = live.swap_remove(0);
        assert!(peer.delete(&token, &key).await, "there is room again");
        dead.push(key);
    }
    // Nobody holds a lock: another process can write at once.
    let made = node::run(&borrowed(&settings), &["user", "create", "later"]);
    assert!(made.status.success(), "{made:?}");
    node.kill();
    let node = Node::on(&database);
    let peer = Peer::new(node.address);
    expect(&peer, live.iter(), 200, 1).await;
    expect(&peer, dead.iter(), 401, 1).await;
    let rows = database.number("SELECT COUNT(*) FROM api_keys").await;
    println!("full disk: {refused} mints refused, {} keys live, {} deleted, {rows} rows", live.len(), dead.len());
    assert_eq!(usize::try_from(rows).unwrap(), live.len(), "a refused mint left a key");
}

/// Limits how long files may get for a running node.
fn limit_files(node: &Node, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let done = Command::new("prlimit").args(["--pid", &node.id().to_string(), &limit]).status();
    assert!(done.expect("prlimit (Debian package util-linux)").success());
}
