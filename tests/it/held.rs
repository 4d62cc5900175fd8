//! Nothing is done with a credential after its end was acknowledged, however early the request began: of every change on every face the
//! last byte comes after the end.

use axum::http::StatusCode;
use serde_json::json;

use crate::support::Service;
use crate::support::attempts::{Attempt, attempt};
use crate::support::call::{Call, Face, Refusal};
use crate::support::changes::{Change, Ending, Shown, changes};
use crate::support::node::borrowed;
use crate::support::slow::{Everything, Held};
use crate::support::softlayer::{Dialect, USER};
use crate::support::stage::Stage;
use crate::support::tower::{self, Tower};

/// Those that are tried with every credential and every ending.
const REPRESENTATIVE: [(Face, &str); 6] = [
    (Face::Rest, "/create-user"),
    (Face::Rest, "/update-role"),
    (Face::Graphql, "createApiKey"),
    (Face::Graphql, "deleteApiKey"),
    (Face::SoftLayer(Dialect::XmlRpc), "SoftLayer_User_Customer::addApiAuthenticationKey"),
    (Face::SoftLayer(Dialect::Rest), "SoftLayer_User_Customer::editObject"),
];

fn is_representative(change: &Change) -> bool {
    REPRESENTATIVE.contains(&(change.face, change.name.as_str()))
}

/// The request works while its credential does: it changes rows, or leaves its trace.
async fn works(stage: &Stage, change: &Change, shown: Shown) {
    let actor = stage.actor(shown, change.has_factor()).await;
    let Attempt { call, changes_rows, trace } = attempt(stage, &actor, change).await;
    let before = Everything::of(&stage.service).await;
    let held = Held::begin(stage.service.address, &call, &actor.credential).await;
    let answer = held.finish().await;
    assert!(call.is_done(&answer), "{change:?} by {shown:?}: {answer:?}");
    assert_eq!(Everything::of(&stage.service).await != before, changes_rows, "{change:?} by {shown:?}");
    if let Some(trace) = trace {
        assert_eq!(stage.service.database().number(&trace).await, 1, "{change:?}");
    }
}

/// What comes of a request whose credential ends before its last byte comes; nothing where it is refused and changes nothing.
async fn late(stage: &Stage, change: &Change, shown: Shown, ending: Ending) -> Option<String> {
    let actor = stage.actor(shown, change.has_factor() || ending == Ending::ResetFactors).await;
    let Attempt { call, trace, .. } = attempt(stage, &actor, change).await;
    let held = Held::begin(stage.service.address, &call, &actor.credential).await;
    stage.end(&actor, ending).await;
    let before = Everything::of(&stage.service).await;
    let answer = held.finish().await;
    let differs = Everything::of(&stage.service).await.against(&before);
    let expected = if ending == Ending::Demote { Refusal::Forbidden } else { Refusal::Dead };
    let found = call.refusal(&answer);
    let traces = match trace {
        Some(trace) => stage.service.database().number(&trace).await,
        None => 0,
    };
    let what = format!("{:?} {} by {shown:?} after {ending:?}", change.face, change.name);
    if !differs.is_empty() || traces > 0 {
        return Some(format!("{what}: changed {differs:?}, {traces} traces"));
    }
    (found != Some(expected)).then(|| format!("{what}: {found:?} in place of {expected:?}: {answer:?}"))
}

/// Walks a part of the changes; what went wrong.
async fn walk(part: Vec<(usize, Change)>) -> Vec<String> {
    let stage = Stage::new().await;
    let mut wrong = Vec::new();
    for (at, change) in part {
        let all = change.shown();
        let one = all[at % all.len()];
        works(&stage, &change, one).await;
        let pairs: Vec<(Shown, Ending)> = match is_representative(&change) {
            true => {
                let of = |shown: &Shown| change.endings(*shown).into_iter().map(|ending| (*shown, ending)).collect();
                all.iter().flat_map(|shown| -> Vec<_> { of(shown) }).collect()
            }
            false => {
                let endings = change.endings(one);
                vec![(one, endings[at % endings.len()])]
            }
        };
        for (shown, ending) in pairs {
            wrong.extend(late(&stage, &change, shown, ending).await);
        }
    }
    wrong
}

/// In two halves, each on a service of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_byte_of_any_change_comes_too_late_after_the_end_of_its_credential() {
    let all: Vec<(usize, Change)> = changes().into_iter().enumerate().collect();
    let names: Vec<&str> = all.iter().map(|(_, change)| change.name.as_str()).collect();
    for (_, name) in REPRESENTATIVE {
        assert!(names.contains(&name), "{name}");
    }
    assert!(all.len() > 60, "{}", all.len());
    let (even, odd): (Vec<_>, Vec<_>) = all.into_iter().partition(|(at, _)| at % 2 == 0);
    let halves = [tokio::spawn(walk(even)), tokio::spawn(walk(odd))];
    let mut wrong = Vec::new();
    for half in halves {
        wrong.extend(half.await.unwrap());
    }
    assert!(wrong.is_empty(), "{} were carried out or refused wrongly:\n{}", wrong.len(), wrong.join("\n"));
}

/// Every ending ends every kind of credential that it can: with reads, which are judged by the same function.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_in_flight_does_not_outlive_the_password_that_it_showed() {
    let stage = Stage::new().await;
    for ending in [Ending::SetPassword, Ending::Disable, Ending::DeleteUser] {
        let actor = stage.actor(Shown::Token, false).await;
        let password = crate::support::people::PASSWORD;
        let login = json!({ "username": actor.person.username, "password": password });
        let portal = [json!(actor.person.username), json!(password)];
        let portal = Call::softlayer(Dialect::Rest, &format!("{USER}::getPortalLoginToken"), 0, &portal);
        for call in [Call::rest("/login", &login), portal] {
            let held = Held::begin(stage.service.address, &call, "").await;
            stage.service.forget_attempts().await;
            if call.face == Face::Rest {
                stage.end(&actor, ending).await;
            }
            let answer = held.finish().await;
            assert!(!call.is_done(&answer), "{ending:?}: {answer:?}");
        }
        let sessions = format!("SELECT COUNT(*) FROM sessions WHERE user_id = '{}'", actor.person.id);
        assert_eq!(stage.service.database().number(&sessions).await, 0, "{ending:?}");
    }
}

/// A request that is to be handed on does not leave after the end of its credential.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_byte_of_a_request_to_the_upstream_comes_too_late_after_the_end_of_its_key() {
    let tower = Tower::start(|_| async { tower::json(StatusCode::OK, &json!([])) }).await;
    let settings = tower.settings();
    let all = [&borrowed(&settings)[..], &[("body_timeout", "60s")]].concat();
    let database = std::sync::Arc::new(crate::support::Database::new().await);
    let service = Service::start_with(database, &all).await;
    let root = service.root().await;
    for path in ["/create-vm", "/start-vm", "/get-vms", "/create-task"] {
        let call = Call::rest(path, &json!({ "where": { "id": "a" } }));
        let (_, alive) = service.mint(&root, "alive").await;
        let answer = Held::begin(service.address, &call, &alive).await.finish().await;
        assert_eq!((answer.status, tower.seen().len()), (200, 1), "{path}: {answer:?}");
        let (_, key) = service.mint(&root, "dead").await;
        let held = Held::begin(service.address, &call, &key).await;
        assert_eq!(service.delete_key(&root, &key).await.status, 200);
        let answer = held.finish().await;
        assert_eq!((answer.status, tower.seen().len()), (401, 0), "{path}: {answer:?}");
    }
}
