//! Several nodes on one database: started at the same moment, knowing each other's tokens and keys, changing signing keys.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keytower::auth::token::{LEAD, REFRESH};
use keytower::service::sessions::signing;
use keytower_migrations::Migrator;
use sea_orm_migration::MigratorTrait;
use serde_json::Value;

use crate::support::database::is_postgres;
use crate::support::node::{self, borrowed, settings};
use crate::support::peer::{Face, face};
use crate::support::{Database, Node, Peer, ROOT_PASSWORD, Service, pass};

/// The settings of `count` nodes that share nothing but the database and, where folders differ, the master key.
fn fleet(database: &Database, count: usize) -> Vec<Vec<(&'static str, String)>> {
    let of = |number: usize| {
        let mut settings = settings(database);
        if is_postgres() {
            settings.retain(|(name, _)| *name != "data_dir");
            settings.push(("data_dir", format!("{}-{number}", database.data_dir())));
            settings.push(("master_key", "5ca1ab1e".repeat(8)));
        }
        settings
    };
    (0..count).map(of).collect()
}

async fn start_all(fleet: &[Vec<(&'static str, String)>]) -> Vec<Node> {
    let starts: Vec<_> = fleet
        .iter()
        .map(|settings| {
            let settings = settings.clone();
            tokio::task::spawn_blocking(move || Node::start(&borrowed(&settings)))
        })
        .collect();
    let mut nodes = Vec::new();
    for start in starts {
        nodes.push(start.await.unwrap());
    }
    nodes
}

async fn expect_one_set_of_rows(database: &Database) {
    let presets = keytower::domain::permission::PRESETS.len();
    let steps = Migrator::migrations().len();
    for (table, rows) in [
        ("users WHERE username = 'root'", 1),
        ("users", 1),
        ("user_roles", 1),
        ("organizations", 1),
        ("roles", presets),
        ("signing_keys", 1),
        ("meta", 4),
        ("global_settings", 1),
        ("seaql_migrations", steps),
    ] {
        let number = database.number(&format!("SELECT COUNT(*) FROM {table}")).await;
        assert_eq!(usize::try_from(number).unwrap(), rows, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_at_once_on_a_fresh_database_make_one_set_of_rows() {
    for (count, rounds) in [(2, 1), (5, 2)] {
        for _ in 0..rounds {
            let database = Database::new().await;
            let fleet = fleet(&database, count);
            let mut nodes = start_all(&fleet).await;
            expect_one_set_of_rows(&database).await;
            let peers: Vec<Peer> = nodes.iter().map(|node| Peer::new(node.address)).collect();
            for (here, peer) in peers.iter().enumerate() {
                let token = peer.root().await;
                let key = peer.mint(&token, "everywhere").await.unwrap();
                for turn in 1..=count {
                    let there = &peers[(here + turn) % count];
                    assert_eq!(there.show(face(turn), &key).await, Some(200));
                    assert_eq!(there.show(face(turn + 1), &token).await, Some(200));
                }
                assert!(peers[(here + 1) % count].delete(&token, &key).await);
                for there in &peers {
                    assert_eq!(there.show(Face::Rest, &key).await, Some(401));
                }
            }
            // And again on what is there now.
            nodes.iter_mut().for_each(Node::kill);
            let nodes = start_all(&fleet).await;
            expect_one_set_of_rows(&database).await;
            for node in &nodes {
                let log = node.log().join("\n");
                assert!(!log.contains("ERROR") && !log.contains("WARN"), "{log}");
            }
        }
    }
}

/// Nodes with folders of their own and no common master key: the first makes one, the others must say what they lack.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_the_databases_master_key_does_not_start() {
    let database = Database::new().await;
    let _first = Node::on(&database);
    let other = database.folder().join("other").display().to_string();
    let settings = [
        ("listen", "127.0.0.1:0"),
        ("data_dir", &other),
        ("database_url", database.url()),
        ("root_password", ROOT_PASSWORD),
    ];
    let ended = node::run(&settings, &["serve"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("master key of this database is missing"), "{ended:?}");
    assert!(ended.stderr.contains("KEYTOWER_MASTER_KEY"), "{ended:?}");
    assert!(!database.folder().join("other/master.key").exists());
    expect_one_set_of_rows(&database).await;
}

fn kid(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

async fn published(service: &Service) -> BTreeSet<String> {
    let jwks = service.get("/.well-known/jwks.json").await.json();
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Two nodes that only poll, and the command beside them.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_signing_key_takes_over_without_a_refused_token() {
    let database = Arc::new(Database::new().await);
    let here = Service::start_with(Arc::clone(&database), &[("token_life", "1h")]).await;
    let there = Service::start_with(Arc::clone(&database), &[("token_life", "1h")]).await;
    let both = [&here, &there];
    let advance = |by: Duration| both.map(|service| service.clock.advance(by));
    let old = here.root().await;
    let mut settings = settings(&database);
    settings.push(("token_life", "1h".to_owned()));
    let rotated = node::run(&borrowed(&settings), &["signing-key", "rotate"]);
    assert!(rotated.status.success(), "{rotated:?}");
    let new = rotated.stdout.split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(database.number("SELECT COUNT(*) FROM signing_keys").await, 2);
    // Before the next poll: nobody knows the new key, all goes on.
    let unpolled = here.root().await;
    assert_eq!(kid(&unpolled), kid(&old));
    // Polls at different moments, as far apart as they can be: published, not signing.
    for service in both {
        signing::maintain(&service.app).await.unwrap();
        assert_eq!(published(service).await, BTreeSet::from([kid(&old), new.clone()]));
        assert_eq!(kid(&service.root().await), kid(&old));
        advance(REFRESH - Duration::from_secs(1));
    }
    advance(LEAD);
    // From here on the new one signs, and everybody accepts both.
    let fresh = here.root().await;
    assert_eq!(kid(&fresh), new);
    for service in both {
        assert_eq!(kid(&service.root().await), new);
        for token in [&old, &unpolled, &fresh] {
            assert_eq!(service.try_credential(token).await, 200);
        }
    }
    // A node that starts now knows both, too.
    let late = Service::start_with(Arc::clone(&database), &[("token_life", "1h")]).await;
    assert_eq!(published(&late).await, published(&here).await);
    // The old key is forgotten with the rotation that comes after its last token is over.
    advance(Duration::from_secs(3600) + LEAD);
    for service in both {
        assert_eq!(service.try_credential(&old).await, 401);
        assert_eq!(service.try_credential(&fresh).await, 401);
    }
    signing::rotate(&here.app, &pass(&keytower::domain::caller::Caller::operator())).await.unwrap();
    signing::maintain(&there.app).await.unwrap();
    for service in both {
        let published = published(service).await;
        assert!(!published.contains(&kid(&old)) && published.contains(&new) && published.len() == 2, "{published:?}");
        assert_eq!(service.try_credential(&service.root().await).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_signing_key_is_replaced_by_one_node_only() {
    let database = Arc::new(Database::new().await);
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(Service::start_with(Arc::clone(&database), &[("signing_key_life", "1h")]).await);
    }
    for life in 2..4 {
        for node in &nodes {
            node.clock.advance(Duration::from_secs(3700));
        }
        let tasks: Vec<_> = nodes
            .iter()
            .map(|node| {
                let app = Arc::clone(&node.app);
                tokio::spawn(async move { signing::maintain(&app).await.unwrap() })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(database.number("SELECT COUNT(*) FROM signing_keys").await, life);
    }
}

/// Clocks of machines differ by some milliseconds at best: a token must work on the other node from its first moment on.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_works_on_a_node_whose_clock_is_behind() {
    let database = Arc::new(Database::new().await);
    let behind = Service::start_with(Arc::clone(&database), &[]).await;
    let ahead = Service::start_with(Arc::clone(&database), &[]).await;
    ahead.clock.advance(Duration::from_secs(5));
    let token = ahead.root().await;
    assert_eq!(behind.try_credential(&token).await, 200);
    // A node that was the first on the database, and is ahead, has made the one signing key: the other must be able to sign with it.
    let database = Arc::new(Database::new().await);
    let first = Service::start_with(Arc::clone(&database), &[]).await;
    let row = first.app.store.signing_keys().await.unwrap().remove(0);
    let later = row.active_from + chrono::TimeDelta::seconds(5);
    let sql = format!("UPDATE signing_keys SET active_from = '{}'", keytower::domain::clock::iso(later));
    let connection = database.connect().await;
    sea_orm::ConnectionTrait::execute_unprepared(&connection, &sql).await.unwrap();
    signing::reload(&first.app).await.unwrap();
    let token = first.root().await;
    assert_eq!(first.try_credential(&token).await, 200);
}
