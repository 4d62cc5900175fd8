//! A credential ends while the body of a request is still on its way: nothing comes of the request. Every change on every face.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::json;

use crate::support::call::{Call, Face, Refusal, short};
use crate::support::changes::{Change, Ending, Shown, changes};
use crate::support::slow::{Everything, Held};
use crate::support::softlayer::Dialect;
use crate::support::stage::{Actor, Stage};
use crate::support::tower::{self, Tower};
use crate::support::{Database, Service, node};

/// Requests that are on their way together.
const BATCH: usize = 12;
/// Changes that meet every ending.
const EVERY_ENDING: [&str; 8] = [
    "/create-user",
    "/update-user",
    "/update-task",
    "createApiKey",
    "updateApiKey",
    "SoftLayer_User_Customer::editObject",
    "SoftLayer_User_Customer::addApiAuthenticationKey",
    "SoftLayer_User_Customer::createObject",
];

/// A request, the credential that it shows, and how that ends.
#[derive(Debug)]
struct Case {
    change: Change,
    shown: Shown,
    ending: Ending,
}

/// The cases of a face: each change meets one ending with one credential, in turn; some meet all with all.
fn cases(is_mine: impl Fn(Face) -> bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for (at, change) in changes().into_iter().filter(|change| is_mine(change.face)).enumerate() {
        let all: Vec<(Shown, Ending)> = change
            .shown()
            .iter()
            .flat_map(|shown| change.endings(*shown).into_iter().map(move |ending| (*shown, ending)))
            .filter(|(shown, _)| !change.has_factor() || *shown == Shown::Token)
            .collect();
        let representative = EVERY_ENDING.contains(&change.name.as_str())
            && !matches!(change.face, Face::SoftLayer(Dialect::Rest | Dialect::Soap));
        let chosen = if representative { all } else { vec![all[at * 7 % all.len()]] };
        cases.extend(chosen.into_iter().map(|(shown, ending)| Case { change: change.clone(), shown, ending }));
    }
    assert!(cases.len() > 15, "{cases:?}");
    cases
}

/// Walks cases, and answers what was wrong.
async fn walk(stage: &Stage, cases: Vec<Case>) -> Vec<String> {
    let (service, mut wrong) = (&stage.service, Vec::new());
    for batch in cases.chunks(BATCH) {
        let mut begun: Vec<(&Case, Actor, Call)> = Vec::new();
        for case in batch {
            let with_factor = case.ending == Ending::ResetFactors;
            let (actor, call) = stage.attempt(&case.change, case.shown, with_factor).await;
            begun.push((case, actor, call));
        }
        let mut held = Vec::new();
        for (_, actor, call) in &begun {
            held.push(Held::begin(service.address, call, &actor.credential).await);
        }
        for (case, actor, _) in &begun {
            stage.end(actor, case.ending).await;
        }
        let before = Everything::of(service).await;
        for ((case, _, call), held) in begun.iter().zip(held) {
            let answer = held.finish().await;
            let refusal = if call.is_done(&answer) { None } else { call.refusal(&answer) };
            if !matches!(refusal, Some(Refusal::Dead | Refusal::Forbidden)) {
                wrong.push(format!("{case:?}: {} {}", answer.status, short(&answer.text)));
            }
        }
        let changed = before.against(&Everything::of(service).await);
        if !changed.is_empty() {
            let some: Vec<String> = changed.iter().take(8).map(|row| short(row)).collect();
            wrong.push(format!("{} rows changed: {some:#?}", changed.len()));
        }
    }
    wrong
}

async fn nothing_comes_of(is_mine: impl Fn(Face) -> bool) {
    let stage = Stage::new().await;
    let cases = cases(is_mine);
    let number = cases.len();
    let wrong = walk(&stage, cases).await;
    println!("{number} requests, {} faults", wrong.len());
    assert!(wrong.is_empty(), "{} of {number}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_of_a_rest_request_whose_credential_ends_before_its_last_byte() {
    nothing_comes_of(|face| face == Face::Rest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_of_a_graphql_request_whose_credential_ends_before_its_last_byte() {
    nothing_comes_of(|face| face == Face::Graphql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_of_a_softlayer_request_whose_credential_ends_before_its_last_byte() {
    nothing_comes_of(|face| matches!(face, Face::SoftLayer(_))).await;
}

/// The requests of the walk are real: each is carried out while its credential lives.
#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_walk_is_carried_out_while_its_credential_lives() {
    let stage = Stage::new().await;
    let mut wrong = Vec::new();
    for (at, change) in changes().iter().enumerate() {
        let shown = if change.has_factor() { Shown::Token } else { change.shown()[at % change.shown().len()] };
        let (actor, call) = stage.attempt(change, shown, false).await;
        let held = Held::begin(stage.service.address, &call, &actor.credential).await;
        let answer = held.finish().await;
        if !call.is_done(&answer) {
            wrong.push(format!("{change:?} with {shown:?}: {} {}", answer.status, answer.text));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_key_ends_before_its_last_byte_never_reaches_the_upstream() {
    let tower = Tower::start(|_| async { tower::json(StatusCode::OK, &json!([])) }).await;
    let settings = tower.settings();
    let settings = [&node::borrowed(&settings)[..], &[("body_timeout", "60s")]].concat();
    let service = Service::start_with(Arc::new(Database::new().await), &settings).await;
    let root = service.root().await;
    for path in ["/start-vm", "/create-task", "/create-vm", "/delete-vm", "/get-vms"] {
        let (_, key) = service.mint(&root, "held").await;
        let call = Call::rest(path, &json!({ "where": { "id": "any" } }));
        let held = Held::begin(service.address, &call, &key).await;
        assert!(service.delete_key(&root, &key).await.json()["errors"].is_null());
        let answer = held.finish().await;
        assert_eq!(call.refusal(&answer), Some(Refusal::Dead), "{path}: {answer:?}");
        assert_eq!(tower.seen().len(), 0, "{path}");
    }
    // The same requests reach it with a key that lives.
    let (_, key) = service.mint(&root, "live").await;
    let held = Held::begin(service.address, &Call::rest("/create-vm", &json!([])), &key).await;
    assert_eq!(held.finish().await.status, 200);
    assert_eq!(tower.seen().len(), 1);
}
