//! Acknowledged means true: no use that begins after an acknowledged delete, logout, user deletion or demotion is accepted, on any
//! node and face; and an acknowledged mint works everywhere from the first use on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use keytower::domain::caller::Caller;
use keytower::domain::operation::Operation;
use keytower::domain::permission::Action;
use keytower::domain::permit::authorize;
use keytower::service::people::users;
use serde_json::json;
use tokio::sync::Notify;

use crate::support::database::is_postgres;
use crate::support::node::{self, borrowed, settings};
use crate::support::peer::{Face, face};
use crate::support::{Database, Node, Peer, Service, pass};

/// Rounds with a key, and with each of the other credentials.
const ROUNDS: usize = 12;
const FEWER: usize = 6;
const USERS: usize = 32;
/// Uses of a credential before it is revoked, by all together, and uses by each afterwards.
const BEFORE: usize = 64;
const AFTER: usize = 4;

/// Services on one database: PostgreSQL serves two, SQLite one.
struct Fleet {
    services: Vec<Service>,
    database: Arc<Database>,
}

impl Fleet {
    async fn start() -> Self {
        let database = Arc::new(Database::new().await);
        let mut services = Vec::new();
        for _ in 0..if is_postgres() { 2 } else { 1 } {
            services.push(Service::start_with(Arc::clone(&database), &[]).await);
        }
        Self { services, database }
    }

    fn first(&self) -> &Service {
        &self.services[0]
    }

    fn last(&self) -> &Service {
        &self.services[self.services.len() - 1]
    }

    fn peers(&self) -> Vec<Peer> {
        self.services.iter().map(|service| Peer::new(service.address)).collect()
    }
}

/// Uses a credential from many tasks on all nodes and faces, revokes it in the middle, and fails when a use that began after the
/// acknowledgement is not refused. Answers how many uses there were.
async fn revoke_under_fire(peers: &[Peer], credential: &str, revoke: impl Future<Output = ()>) -> usize {
    let dead = Arc::new(AtomicBool::new(false));
    let uses = Arc::new((AtomicUsize::new(0), Notify::new()));
    let tasks: Vec<_> = (0..USERS)
        .map(|task| {
            let (peers, credential) = (peers.to_vec(), credential.to_owned());
            let (dead, uses) = (Arc::clone(&dead), Arc::clone(&uses));
            tokio::spawn(async move {
                let mut after = 0;
                for turn in task.. {
                    let peer = &peers[turn / 2 % peers.len()];
                    let revoked = dead.load(Ordering::SeqCst);
                    let status = peer.show(face(turn), &credential).await;
                    uses.0.fetch_add(1, Ordering::SeqCst);
                    uses.1.notify_one();
                    match (revoked, status) {
                        (false, Some(200 | 401)) => {}
                        (true, Some(401)) => after += 1,
                        other => panic!("(revoked, status) = {other:?} on {:?} of {}", face(turn), peer.address),
                    }
                    if after == AFTER {
                        return;
                    }
                }
            })
        })
        .collect();
    while uses.0.load(Ordering::SeqCst) < BEFORE {
        tokio::time::timeout(Duration::from_secs(60), uses.1.notified()).await.expect("nobody uses it");
    }
    revoke.await;
    dead.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    uses.0.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_key_is_refused_by_every_request_that_begins_later() {
    let fleet = Fleet::start().await;
    let (token, peers, mut uses) = (fleet.first().root().await, fleet.peers(), 0);
    for round in 0..ROUNDS {
        let (_, key) = fleet.first().mint(&token, "race").await;
        // The key itself may ask for its end, too.
        let credential = if round % 3 == 2 { &key } else { &token };
        uses += revoke_under_fire(&peers, &key, async {
            assert!(peers[round % peers.len()].delete(credential, &key).await);
        })
        .await;
    }
    println!("{uses} uses of {ROUNDS} keys, 0 accepted too late");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logged_out_token_is_refused_by_every_request_that_begins_later() {
    let fleet = Fleet::start().await;
    let peers = fleet.peers();
    for round in 0..FEWER {
        let token = fleet.first().root().await;
        revoke_under_fire(&peers, &token, async {
            let answer = peers[round % peers.len()].graphql(&token, "mutation { logout }", json!({})).await.unwrap();
            assert_eq!(answer.json()["data"]["logout"], true, "{answer:?}");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_users_token_and_keys_are_refused_by_every_request_that_begins_later() {
    let fleet = Fleet::start().await;
    let peers = fleet.peers();
    for round in 0..FEWER {
        let (name, token) = fleet.first().user("READ_ONLY").await;
        let (_, key) = fleet.first().mint(&token, "race").await;
        let shown = if round % 2 == 0 { &token } else { &key };
        revoke_under_fire(&peers, shown, async {
            fleet.last().delete_user(&name).await;
        })
        .await;
        for credential in [&token, &key] {
            assert_eq!(fleet.first().try_credential(credential).await, 401);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_deleted_by_the_command_is_dead_on_the_running_nodes() {
    let database = Database::new().await;
    let settings = settings(&database);
    let nodes: Vec<Node> = (0..if is_postgres() { 2 } else { 1 }).map(|_| Node::on(&database)).collect();
    let peers: Vec<Peer> = nodes.iter().map(|node| Peer::new(node.address)).collect();
    for round in 0..3 {
        let name = format!("leaver-{round}");
        let made = node::run(&borrowed(&settings), &["user", "create", &name, "--role", "ADMIN"]);
        assert!(made.status.success(), "{made:?}");
        let password = made.stdout.split_whitespace().last().unwrap();
        let login = peers[0].login(&name, password).await.unwrap();
        assert_eq!(login.status, 200, "{login:?}");
        let token = login.json()["data"]["token"].as_str().unwrap().to_owned();
        let key = peers[0].mint(&token, "race").await.unwrap();
        revoke_under_fire(&peers, &key, async {
            let (settings, name) = (settings.clone(), name.clone());
            let command = move || node::run(&borrowed(&settings), &["user", "delete", &name]);
            let ended = tokio::task::spawn_blocking(command).await.unwrap();
            assert!(ended.status.success(), "{ended:?}");
        })
        .await;
        for peer in &peers {
            assert_eq!(peer.show(Face::Rest, &token).await, Some(401));
            assert_eq!(peer.login(&name, password).await.unwrap().status, 400);
        }
    }
}

/// 100 deletes of other people's keys, which only a user administrator may do, tried after the demotion was committed: by token
/// and by key, on all nodes.
#[tokio::test(flavor = "multi_thread")]
async fn a_demotion_takes_the_rights_of_token_and_keys_at_once() {
    let fleet = Fleet::start().await;
    let (root, peers) = (fleet.first().root().await, fleet.peers());
    let (name, token) = fleet.first().user("USER_ADMIN").await;
    let (_, key) = fleet.first().mint(&token, "administrates").await;
    let mut victims = Vec::new();
    for _ in 0..150 {
        victims.push(fleet.first().mint(&root, "victim").await.1);
    }
    let demoted = Arc::new(AtomicBool::new(false));
    let done = Arc::new((AtomicUsize::new(0), Notify::new()));
    let tasks: Vec<_> = victims
        .chunks(10)
        .enumerate()
        .map(|(task, victims)| {
            let (peer, credential) =
                (peers[task % peers.len()].clone(), if task % 2 == 0 { &token } else { &key }.clone());
            let (victims, demoted, done) = (victims.to_vec(), Arc::clone(&demoted), Arc::clone(&done));
            tokio::spawn(async move {
                let mut late = Vec::new();
                for victim in victims {
                    let too_late = demoted.load(Ordering::SeqCst);
                    let deleted = peer.delete(&credential, &victim).await;
                    assert!(!(deleted && too_late), "a demoted user's request was carried out");
                    if !deleted {
                        late.push(victim);
                    }
                    done.0.fetch_add(1, Ordering::SeqCst);
                    done.1.notify_one();
                }
                late
            })
        })
        .collect();
    while done.0.load(Ordering::SeqCst) < 20 {
        tokio::time::timeout(Duration::from_secs(60), done.1.notified()).await.expect("nobody deletes");
    }
    set_role(fleet.last(), &name, "READ_ONLY").await;
    demoted.store(true, Ordering::SeqCst);
    let mut left = Vec::new();
    for task in tasks {
        left.extend(task.await.unwrap());
    }
    let before = fleet.database.number("SELECT COUNT(*) FROM api_keys").await;
    for turn in 0..100 {
        let credential = if turn % 2 == 0 { &token } else { &key };
        let victim = &left[turn % left.len()];
        assert!(!peers[turn % peers.len()].delete(credential, victim).await, "try {turn}");
    }
    assert_eq!(fleet.database.number("SELECT COUNT(*) FROM api_keys").await, before, "a try changed something");
    for victim in &left {
        assert_eq!(fleet.first().try_credential(victim).await, 200);
    }
    for credential in [&token, &key] {
        let seen = fleet.first().graphql(Some(credential), "{ apiKeys { name } }", json!({})).await.json();
        assert_eq!(seen["data"]["apiKeys"], json!([{ "name": "administrates" }]));
        let caller = Caller::from(fleet.last().app.authenticate(credential, None).await.unwrap());
        let refused = users::delete(&fleet.last().app, &pass(&caller), serde_json::Map::new()).await;
        assert!(refused.unwrap_err().public().contains("MANAGE_USER_AND_ROLE"));
    }
    // A promotion comes back to the token; the key has at most what its owner had when it was minted.
    set_role(fleet.first(), &name, "ROOT").await;
    assert!(fleet.last().app.authenticate(&token, None).await.unwrap().rights.allows(Action::ALL));
    let ended = peers[0].delete(&key, &left[0]).await;
    assert!(ended, "the key has its owner's old rights again");
    println!("150 deletes raced with a demotion, {} were refused; 0 of 100 later ones succeeded", left.len());
}

async fn set_role(service: &Service, name: &str, preset: &str) {
    let permit = authorize(&Caller::operator(), Operation::SetUp).unwrap();
    let user = service.app.store.find_login_user(name).await.unwrap().unwrap();
    let tx = service.app.begin(&permit).await.unwrap();
    let role = tx.preset_role(preset).await.unwrap();
    tx.set_role(&user.id, &role).await.unwrap();
    tx.commit().await.unwrap();
}

/// Lives of keys side by side: minted on one node, used on all from the first moment on, deleted on another, used in vain on all.
#[tokio::test(flavor = "multi_thread")]
async fn a_mixed_history_has_no_refusal_too_early_and_no_accept_too_late() {
    const TASKS: usize = 32;
    const LIVES: usize = 10;
    const USES: usize = 8;
    let fleet = Fleet::start().await;
    let (token, peers) = (fleet.first().root().await, fleet.peers());
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (peers, token) = (peers.clone(), token.clone());
            tokio::spawn(async move {
                for life in 0..LIVES {
                    let here = (task + life) % peers.len();
                    let key = peers[here].mint(&token, &format!("{task}-{life}")).await.expect("a key");
                    for turn in 0..USES {
                        // The first use is on another node than the mint.
                        let peer = &peers[(here + 1 + turn) % peers.len()];
                        assert_eq!(peer.show(face(turn + life), &key).await, Some(200), "{task}-{life}: use {turn}");
                    }
                    assert!(peers[(here + life) % peers.len()].delete(&token, &key).await);
                    for turn in 0..USES {
                        let peer = &peers[(here + 1 + turn) % peers.len()];
                        assert_eq!(peer.show(face(turn + life), &key).await, Some(401), "{task}-{life}: use {turn}");
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let uses = TASKS * LIVES * USES * 2;
    assert!(uses >= 5_000);
    println!("{uses} uses of {} keys: 0 refused too early, 0 accepted too late", TASKS * LIVES);
    assert_eq!(fleet.database.number("SELECT COUNT(*) FROM api_keys").await, 0);
}

/// A request that began before the end of its user must not leave anything behind that outlives the user.
#[tokio::test(flavor = "multi_thread")]
async fn mints_and_logins_that_race_with_the_end_of_their_user_leave_nothing() {
    let fleet = Fleet::start().await;
    let peers = fleet.peers();
    for _ in 0..6 {
        let (name, token) = fleet.first().user("READ_ONLY").await;
        let minters: Vec<_> = (0..16)
            .map(|turn: usize| {
                let (peer, token) = (peers[turn % peers.len()].clone(), token.clone());
                tokio::spawn(async move {
                    let mut keys = Vec::new();
                    while let Some(key) = peer.mint(&token, "race").await {
                        keys.push(key);
                    }
                    let end = peer.try_mint(&token, "race").await.unwrap();
                    assert_eq!((end.status, end.code().as_str()), (401, "UNAUTHENTICATED"), "{end:?}");
                    keys
                })
            })
            .collect();
        let busy = async { while fleet.database.number("SELECT COUNT(*) FROM api_keys").await < 20 {} };
        tokio::time::timeout(Duration::from_secs(60), busy).await.expect("nobody mints");
        fleet.last().delete_user(&name).await;
        for minter in minters {
            for key in minter.await.unwrap() {
                assert_eq!(fleet.first().try_credential(&key).await, 401);
            }
        }
        assert_eq!(fleet.database.number("SELECT COUNT(*) FROM api_keys").await, 0);
        assert_eq!(fleet.database.number("SELECT COUNT(*) FROM sessions").await, 0);
    }
}
