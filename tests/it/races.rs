//! A credential makes others again and again while it is ended: once the end is acknowledged it makes none, nobody waits long, and no
//! two transactions wait for each other. On PostgreSQL two nodes share the database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::call::{Call, Face};
use crate::support::changes::{Ending, Shown};
use crate::support::database::is_postgres;
use crate::support::people::{PASSWORD, user};
use crate::support::softlayer::Dialect;
use crate::support::stage::{Actor, Stage, softlayer};
use crate::support::{Answer, Database};

/// Rounds of each race; `KT_TEST_ROUNDS` sets another number.
const ROUNDS: usize = 2;
/// How long an end may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a credential makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mint {
    ApiKey,
    ClassicKey,
    Session,
    User,
}

fn rounds() -> usize {
    std::env::var("KT_TEST_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// One node, or two on PostgreSQL.
async fn nodes() -> Vec<Stage> {
    let database = Arc::new(Database::new().await);
    let mut nodes = vec![Stage::beside(Arc::clone(&database), &[]).await];
    if is_postgres() {
        nodes.push(Stage::beside(database, &[]).await);
        nodes[1].service.clock.set(nodes[0].service.app.now());
    }
    nodes
}

/// What is there that a user made, or that is theirs.
async fn belongings(stage: &Stage, actor: &Actor) -> BTreeSet<String> {
    let id = &actor.id;
    let made = format!("username LIKE 'by-{}-%'", actor.name);
    let sql = [
        format!("SELECT 'key ' || id FROM api_keys WHERE user_id = '{id}'"),
        format!("SELECT 'session ' || id FROM sessions WHERE user_id = '{id}'"),
        format!("SELECT 'user ' || id FROM users WHERE {made}"),
    ];
    let mut all = BTreeSet::new();
    for sql in sql {
        all.extend(stage.service.texts(&sql).await);
    }
    all
}

async fn request(stage: &Stage, mint: Mint, actor: &Actor, role: &str) -> Call {
    match mint {
        Mint::ApiKey => {
            let query = "mutation { createApiKey(data: { name: \"made\" }) { id key } }";
            Call::graphql(query, &json!({}))
        }
        Mint::ClassicKey => softlayer(Dialect::Rest, "addApiAuthenticationKey", actor.number, &[]),
        Mint::Session => Call::rest("/login", &json!({ "username": actor.name, "password": PASSWORD })),
        Mint::User => Call::rest("/create-user", &json!([user(&stage.name(&format!("by-{}", actor.name)), role)])),
    }
}

/// The credential in the answer to a mint.
fn made(mint: Mint, answer: &Answer) -> Option<String> {
    let json = answer.json();
    let text = match mint {
        Mint::ApiKey => &json["data"]["createApiKey"]["key"],
        Mint::ClassicKey => &json,
        Mint::Session => &json["data"]["token"],
        Mint::User => &Value::Null,
    };
    text.as_str().map(str::to_owned)
}

/// Asserts that an answer is no fault of the service, but for one that is too busy.
fn expect_no_fault(answer: &Answer, what: &str) {
    let busy = answer.status == 503 || answer.text.contains("SERVICE_UNAVAILABLE");
    let fault = answer.text.contains("INTERNAL") || answer.text.contains("An internal error occurred");
    assert!(busy || !fault, "{what}: {answer:?}");
    assert!(busy || answer.status <= 500, "{what}: {answer:?}");
}

/// Mints until the end is acknowledged, and once more; answers what was made.
async fn mint_on(stage: &Stage, race: Race, actor: &Actor, role: &str, state: &State) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let late = state.ended.load(Ordering::SeqCst);
        let call = request(stage, race.mint, actor, role).await;
        let answer = if race.mint == Mint::Session {
            let request = stage.service.http.post(stage.service.url(&call.path)).body(call.body.clone());
            let request = request.header("content-type", "application/json");
            Answer::unchecked(request.send().await.unwrap()).await.unwrap()
        } else {
            call.send(&stage.service, &actor.credential).await
        };
        expect_no_fault(&answer, &format!("{race:?}"));
        let done = call.is_done(&answer);
        assert!(!(late && done), "{race:?}: done after the end was acknowledged: {answer:?}");
        if done {
            all.extend(made(race.mint, &answer));
        }
        state.tries.fetch_add(1, Ordering::SeqCst);
        if late {
            return all;
        }
    }
}

#[derive(Default)]
struct State {
    ended: AtomicBool,
    tries: AtomicUsize,
}

#[derive(Debug, Clone, Copy)]
struct Race {
    mint: Mint,
    shown: Shown,
    ending: Ending,
}

impl Race {
    /// Whether nothing that was made, before or after, works once the end is acknowledged.
    fn kills_all(self) -> bool {
        match self.ending {
            Ending::Disable | Ending::DeleteUser => true,
            Ending::DeleteKey => self.mint == Mint::ClassicKey,
            Ending::ChangePassword => self.shown.is_key() || self.mint == Mint::Session,
            Ending::SetPassword => self.mint == Mint::Session,
            _ => false,
        }
    }

    async fn run(self, nodes: &[Stage]) {
        let (first, last) = (&nodes[0], &nodes[nodes.len() - 1]);
        let role = first.service.preset(&first.root, "READ_ONLY").await;
        for round in 0..rounds() {
            let actor = first.actor("USER_ADMIN", self.shown, false).await;
            let state = State::default();
            let ender = async {
                while state.tries.load(Ordering::SeqCst) < 4 + round % 5 {
                    tokio::task::yield_now().await;
                }
                let start = Instant::now();
                last.end(&actor, self.ending).await;
                let took = start.elapsed();
                state.ended.store(true, Ordering::SeqCst);
                assert!(took < PATIENCE, "{self:?}: the end took {took:?}");
                belongings(first, &actor).await
            };
            let mint = |stage| mint_on(stage, self, &actor, &role, &state);
            let (at_the_end, a, b, c, d) = tokio::join!(ender, mint(first), mint(last), mint(first), mint(last));
            let later: Vec<String> = belongings(first, &actor).await.difference(&at_the_end).cloned().collect();
            assert!(later.is_empty(), "{self:?}, round {round}: appeared after the end was acknowledged: {later:?}");
            if self.kills_all() {
                for credential in [a, b, c, d].concat() {
                    let status = first.service.try_credential(&credential).await;
                    assert_eq!(status, 401, "{self:?}, round {round}: a credential outlives the end");
                }
            }
        }
        let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        if is_postgres() {
            assert_eq!(first.service.database().number(deadlocks).await, 0, "{self:?}");
        }
    }
}

async fn race(mint: Mint, shown: Shown, endings: &[Ending]) {
    let nodes = nodes().await;
    for ending in endings {
        Race { mint, shown, ending: *ending }.run(&nodes).await;
    }
}

use Ending::{ChangePassword, DeleteKey, DeleteUser, Demote, Disable, EndSession, Logout, SetPassword};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_mints_no_more_keys() {
    let endings = [Logout, EndSession, ChangePassword, SetPassword, Disable, DeleteUser];
    race(Mint::ApiKey, Shown::Token, &endings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_makes_no_more_classic_keys() {
    race(Mint::ClassicKey, Shown::Token, &[Logout, EndSession, ChangePassword, Disable, DeleteUser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_classic_key_that_is_removed_makes_no_other() {
    race(Mint::ClassicKey, Shown::Classic, &[DeleteKey, ChangePassword, Disable, DeleteUser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_changed_opens_no_more_sessions() {
    race(Mint::Session, Shown::Token, &[ChangePassword, SetPassword, Disable, DeleteUser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_demoted_or_ended_makes_no_more_users() {
    race(Mint::User, Shown::Token, &[Logout, Demote, SetPassword, Disable, DeleteUser]).await;
}

/// The reset suspends a key, and the session that confirms it over and over ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_reset_suspends_is_not_revived_by_a_confirmation_on_its_way() {
    let nodes = nodes().await;
    let (first, last) = (&nodes[0], &nodes[nodes.len() - 1]);
    for round in 0..rounds() {
        let mut actor = first.actor("READ_ONLY", Shown::Token, false).await;
        actor.device = Some(first.service.enroll(&actor.credential, PASSWORD).await);
        let (id, key) = first.service.mint(&actor.credential, "suspended").await;
        let call =
            Call::graphql("mutation($id: ID!) { confirmApiKey(where: { id: $id }) { id } }", &json!({ "id": id }));
        assert_eq!(call.face, Face::Graphql);
        let state = State::default();
        let confirm = async |stage: &Stage| {
            while !state.ended.load(Ordering::SeqCst) {
                let answer = call.send(&stage.service, &actor.credential).await;
                expect_no_fault(&answer, "confirmApiKey");
                state.tries.fetch_add(1, Ordering::SeqCst);
            }
        };
        let ender = async {
            while state.tries.load(Ordering::SeqCst) < 4 + round % 5 {
                tokio::task::yield_now().await;
            }
            last.end(&actor, Ending::ResetFactors).await;
            state.ended.store(true, Ordering::SeqCst);
        };
        tokio::join!(ender, confirm(first), confirm(last), confirm(first), confirm(last));
        for node in &nodes {
            assert_eq!(node.service.try_credential(&key).await, 401, "round {round}");
        }
    }
}
