//! Tests the limits of one change: the cost of its `where`, the size of its answer, and the users that a cascade reaches.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::isolation::{self, fill};
use crate::support::call::{Call, Refusal};
use crate::support::changes::Shown;
use crate::support::slow::Everything;
use crate::support::softlayer::Dialect;
use crate::support::stage::{Actor, Stage, softlayer};
use crate::support::{Database, ROOT_PASSWORD, Service};

/// Time limit for a request of another caller, also in an unoptimized build.
const SOON: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn the_where_of_a_change_is_refused_before_it_holds_up_other_writes() {
    let service = Service::start().await;
    fill(&service, 40_000).await;
    service.database().execute("ANALYZE").await;
    let root = service.root().await;
    let costly = isolation::conditions(1_900)["where"]["OR"].take();
    let users = json!({ "users_some": { "OR": costly } });
    for (route, body) in [
        ("/delete-role", json!({ "where": users })),
        ("/update-role", json!({ "where": users, "data": { "name": "x" } })),
        ("/update-task", json!({ "where": { "user": { "OR": costly } }, "data": { "progress": 1 } })),
        ("/delete-user", json!({ "where": { "OR": costly } })),
        ("/update-user", json!({ "where": { "OR": costly }, "data": { "name": "x" } })),
    ] {
        let refused = service.rest(&root, route, body).await;
        assert!(refused.status == 400, "{route}: {refused:?}");
        assert!(refused.text.contains("would take too long") || refused.text.contains("takes longer"), "{refused:?}");
    }
    // A few conditions over the same number of users are accepted.
    let few = json!({ "where": isolation::conditions(20)["where"], "data": { "name": "x" } });
    service.refused(&root, "/update-user", few, 404, "no User matches").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_of_a_change_is_bounded_while_others_wait() {
    let service = Service::start().await;
    fill(&service, 3_000).await;
    let role = "SELECT MIN(id) FROM roles WHERE preset = 'READ_ONLY'";
    let crowd =
        format!("INSERT INTO user_roles (user_id, role_id) SELECT id, ({role}) FROM users WHERE id LIKE 'crowd-%'");
    service.database().execute(&crowd).await;
    let (_, token) = service.user("READ_ONLY").await;
    let (id, key) = service.mint(&token, "kept").await;
    let query = "mutation($id: ID) { deleteApiKey(where: { id: $id }) { user { roles { users { id } } } } }";
    let answer = service.graphql(Some(&token), query, json!({ "id": id })).await.json();
    let message = answer["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("more than 2000 values"), "{answer}");
    assert_eq!(service.try_credential(&key).await, 200, "nothing was deleted");
    let query = "mutation($id: ID) { deleteApiKey(where: { id: $id }) { id user { username roles { name } } } }";
    let answer = service.graphql(Some(&token), query, json!({ "id": id })).await.json();
    assert_eq!(answer["data"]["deleteApiKey"]["id"], id, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_softlayers_api_keep_nobody_else_waiting() {
    let service = Arc::new(Service::start_with(Arc::new(Database::new().await), &[]).await);
    fill(&service, 20_000).await;
    let root = service.root().await;
    let (_, hostile) = service.mint(&root, "hostile").await;
    let (_, other) = service.user("READ_ONLY").await;
    let (_, key) = service.mint(&other, "check").await;
    let readers: Vec<_> = (0..12)
        .map(|_| {
            let (service, hostile) = (Arc::clone(&service), hostile.clone());
            tokio::spawn(async move {
                let url = service.url("/rest/v3.1/SoftLayer_Account/getUsers.json?objectMask=mask[id]");
                let answer = service.http.get(url).basic_auth("root", Some(hostile)).send().await.unwrap();
                answer.status().as_u16()
            })
        })
        .collect();
    for _ in 0..5 {
        let others = async {
            assert_eq!(service.try_credential(&key).await, 200);
            service.login("root", ROOT_PASSWORD).await;
            let (_, fresh) = service.mint(&other, "short").await;
            assert_eq!(service.delete_key(&other, &fresh).await.status, 200);
        };
        tokio::time::timeout(SOON, others).await.expect("others wait for a reader");
    }
    for reader in readers {
        let status = reader.await.unwrap();
        assert!([200, 429, 500].contains(&status), "{status}");
    }
}

/// Returns an administrator of users with a classic key, the id and number of a user below, and the number of a user one level lower.
async fn three_levels(stage: &Stage, last: &str) -> (Actor, String, i64, i64) {
    let owner = stage.actor("USER_ADMIN", Shown::Classic, false).await;
    let (_, middle, number) = stage.person(&stage.root, "READ_ONLY").await;
    stage.adopt(&middle, &owner.id).await;
    let (_, low, low_number) = stage.person(&stage.root, last).await;
    stage.adopt(&low, &middle).await;
    let given = format!("UPDATE users SET permissions = '[\"TICKET_VIEW\"]' WHERE id IN ('{middle}', '{low}')");
    stage.service.database().execute(&given).await;
    (owner, middle, number, low_number)
}

fn take(number: i64) -> Call {
    softlayer(Dialect::XmlRpc, "removePortalPermission", number, &[json!({ "keyName": "TICKET_VIEW" }), json!(true)])
}

async fn refused(stage: &Stage, credential: &str, call: Call, refusal: Refusal) -> String {
    let before = Everything::of(&stage.service).await;
    let text = call.refused(&stage.service, credential, refusal).await;
    let changed = before.against(&Everything::of(&stage.service).await);
    assert!(changed.iter().all(|table| table.contains("log") || table.contains("attempts")), "{changed:?}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cascade_touches_nobody_who_holds_more_than_the_caller() {
    let stage = Stage::new().await;
    let (owner, _, middle, root_below) = three_levels(&stage, "ROOT").await;
    refused(&stage, &owner.credential, take(middle), Refusal::Forbidden).await;
    let parent = [json!(owner.number), json!(true)];
    let move_up = softlayer(Dialect::XmlRpc, "assignNewParentId", root_below, &parent);
    refused(&stage, &owner.credential, move_up, Refusal::Forbidden).await;
    // The same calls succeed if the users below hold no more rights than the caller.
    let (owner, _, middle, low) = three_levels(&stage, "READ_ONLY").await;
    take(middle).done(&stage.service, &owner.credential).await;
    let parent = [json!(owner.number), json!(true)];
    softlayer(Dialect::XmlRpc, "assignNewParentId", low, &parent).done(&stage.service, &owner.credential).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cascade_changes_at_most_a_hundred_users() {
    let stage = Stage::new().await;
    let (owner, middle, number, _) = three_levels(&stage, "READ_ONLY").await;
    fill(&stage.service, 101).await;
    let below =
        format!("UPDATE users SET parent = '{middle}', permissions = '[\"TICKET_VIEW\"]' WHERE id LIKE 'crowd-%'");
    stage.service.database().execute(&below).await;
    let text = refused(&stage, &owner.credential, take(number), Refusal::Invalid).await;
    assert!(text.contains("at most 100 users"), "{text}");
    stage
        .service
        .database()
        .execute("UPDATE users SET parent = NULL WHERE id > 'crowd-000050' AND id LIKE 'crowd-%'")
        .await;
    take(number).done(&stage.service, &owner.credential).await;
}
