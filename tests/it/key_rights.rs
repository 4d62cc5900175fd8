//! What a key may do, and who may do what with it: never more than its owner can now, nothing that makes another key, and for a
//! stranger it does not exist.

use std::sync::Arc;

use keytower::domain::caller::Caller;
use keytower::domain::id::{RoleId, UserId};
use keytower::domain::operation::Operation;
use keytower::domain::permit::authorize;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::support::{Answer, Service, pass};

const MINT: &str = "mutation { createApiKey(data: { name: \"x\" }) { id key } }";
const COUNT: &str = "{ apiKeysConnection { aggregate { count } } }";

async fn graphql(service: &Service, credential: &str, query: &str) -> Answer {
    service.graphql(Some(credential), query, json!({})).await
}

/// How many keys a credential knows of.
async fn known(service: &Service, credential: &str) -> u64 {
    let answer = graphql(service, credential, COUNT).await.json();
    answer["data"]["apiKeysConnection"]["aggregate"]["count"].as_u64().unwrap_or_else(|| panic!("{answer}"))
}

async fn user_id(service: &Service, credential: &str) -> UserId {
    service.app.authenticate(credential, None).await.unwrap().user
}

async fn preset(service: &Service, preset: &str) -> RoleId {
    let tx = service.app.begin(&authorize(&Caller::operator(), Operation::CreateUser).unwrap()).await;
    tx.unwrap().preset_role(preset).await.unwrap()
}

async fn set_role(service: &Service, user: &UserId, role: &RoleId) {
    let permit = authorize(&Caller::operator(), Operation::CreateUser).unwrap();
    let tx = service.app.begin(&permit).await.unwrap();
    tx.set_role(user, role).await.unwrap();
    tx.commit().await.unwrap();
}

async fn sql(service: &Service, sql: &str) {
    service.database().connect().await.execute_unprepared(sql).await.unwrap();
}

async fn count(service: &Service, sql: &str) -> i64 {
    let db = service.database().connect().await;
    let statement = Statement::from_string(db.get_database_backend(), format!("SELECT COUNT(*) AS n FROM {sql}"));
    db.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}

/// All keys as the database has them.
async fn keys(service: &Service) -> Value {
    let root = service.root().await;
    let all = "{ apiKeys { id name description username } }";
    graphql(service, &root, all).await.json()["data"]["apiKeys"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_mints_no_key_changes_none_and_logs_nobody_out() {
    let service = Service::start().await;
    for preset in ["ROOT", "USER_ADMIN", "READ_ONLY"] {
        let (_, token) = service.user(preset).await;
        let (id, key) = service.mint(&token, "ci").await;
        let before = keys(&service).await;
        for mutation in [
            MINT.to_owned(),
            format!("mutation {{ updateApiKey(where: {{ id: \"{id}\" }}, data: {{ name: \"x\" }}) {{ id }} }}"),
            format!("mutation {{ updateApiKey(where: {{ key: \"{key}\" }}, data: {{}}) {{ id }} }}"),
            "mutation { logout }".to_owned(),
        ] {
            let answer = graphql(&service, &key, &mutation).await;
            assert_eq!((answer.status, answer.code().as_str()), (200, "FORBIDDEN"), "{preset}: {mutation}");
            assert!(answer.text.contains("log in"), "it says what to do: {answer:?}");
        }
        assert_eq!(keys(&service).await, before, "{preset}");
        assert_eq!(service.try_credential(&token).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_deletes_itself_and_a_sibling_only_if_it_manages_keys() {
    let service = Service::start().await;
    for (preset, manages) in
        [("READ_ONLY", false), ("ADMIN", false), ("AUDITOR", false), ("USER_ADMIN", true), ("ROOT", true)]
    {
        let (_, token) = service.user(preset).await;
        let (_, key) = service.mint(&token, "one").await;
        let (sibling_id, sibling) = service.mint(&token, "two").await;
        let by_id = format!("mutation {{ deleteApiKey(where: {{ id: \"{sibling_id}\" }}) {{ id }} }}");
        if !manages {
            for answer in [service.delete_key(&key, &sibling).await, graphql(&service, &key, &by_id).await] {
                assert_eq!(answer.code(), "FORBIDDEN", "{preset}");
            }
            assert_eq!(service.try_credential(&sibling).await, 200, "{preset}");
        } else {
            let answer = graphql(&service, &key, &by_id).await;
            assert_eq!(answer.json()["data"]["deleteApiKey"]["id"], json!(sibling_id), "{preset}");
            assert_eq!(service.try_credential(&sibling).await, 401);
        }
        let gone = service.delete_key(&key, &key).await;
        assert!(gone.json()["data"]["deleteApiKey"]["id"].is_string(), "{preset}: {gone:?}");
        assert_eq!(service.try_credential(&key).await, 401);
        assert_eq!(service.delete_key(&key, &key).await.status, 401);
        assert_eq!(service.try_credential(&token).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_key_does_not_exist() {
    let service = Service::start().await;
    let root = service.root().await;
    let (id, key) = service.mint(&root, "foreign").await;
    let (gone_id, gone) = service.mint(&root, "gone").await;
    service.delete_key(&root, &gone).await;
    let before = keys(&service).await;
    let ways = |id: &str, key: &str| {
        let one = [format!("id: \"{id}\""), format!("key: \"{key}\"")];
        let lists = [format!("id_in: [\"{id}\"]"), format!("key_in: [\"{key}\"]"), "username: \"root\"".to_owned()];
        let single = one.iter().flat_map(|by| {
            [
                format!("{{ apiKey(where: {{ {by} }}) {{ id name user {{ id }} }} }}"),
                format!("mutation {{ updateApiKey(where: {{ {by} }}, data: {{ name: \"mine\" }}) {{ id }} }}"),
                format!("mutation {{ updateApiKey(where: {{ {by} }}, data: {{}}) {{ id name }} }}"),
                format!("mutation {{ deleteApiKey(where: {{ {by} }}) {{ id name }} }}"),
            ]
        });
        let many = one.iter().chain(&lists).flat_map(|by| {
            [
                format!("{{ apiKeys(where: {{ {by} }}) {{ id name username user {{ id }} }} }}"),
                format!("{{ apiKeysConnection(where: {{ {by} }}) {{ aggregate {{ count }} }} }}"),
            ]
        });
        let after = [
            format!("{{ apiKeys(after: \"{id}\") {{ id }} }}"),
            format!("{{ apiKeys(before: \"{id}\", last: 5) {{ id }} }}"),
        ];
        single.chain(many).chain(after).collect::<Vec<_>>()
    };
    for preset in ["READ_ONLY", "ADMIN", "AUDITOR", "VM_USER", "WORKLOAD_CLUSTER_USER"] {
        let (_, token) = service.user(preset).await;
        for credential in [&token, &service.mint(&token, "own").await.1] {
            for (foreign, unknown) in ways(&id, &key).into_iter().zip(ways(&gone_id, &gone)) {
                let (found, missing) =
                    (graphql(&service, credential, &foreign).await, graphql(&service, credential, &unknown).await);
                assert_eq!((found.status, &found.text), (missing.status, &missing.text), "{preset}: {foreign}");
                assert!(!found.text.contains("foreign") && !found.text.contains(&id), "{preset}: {foreign}");
                let names: Vec<&str> = found.headers.keys().map(reqwest::header::HeaderName::as_str).collect();
                assert_eq!(names, missing.headers.keys().map(reqwest::header::HeaderName::as_str).collect::<Vec<_>>());
            }
            assert_eq!(known(&service, credential).await, 1, "{preset}: its own");
        }
        // With a token, what does not exist is not found; a key may change none, its own included.
        for mutation in ["updateApiKey(where: W, data: { name: \"mine\" })", "deleteApiKey(where: W)"] {
            for by in [format!("{{ id: \"{id}\" }}"), format!("{{ key: \"{key}\" }}")] {
                let mutation = format!("mutation {{ {} {{ id }} }}", mutation.replace('W', &by));
                assert_eq!(graphql(&service, &token, &mutation).await.code(), "NOT_FOUND", "{preset}: {mutation}");
            }
        }
    }
    assert!(keys(&service).await.as_array().unwrap().contains(&before[0]), "nothing about it has changed");
    assert_eq!(service.try_credential(&key).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_manages_keys_sees_changes_and_deletes_those_of_others() {
    let service = Service::start().await;
    let (owner, token) = service.user("ADMIN").await;
    for preset in ["USER_ADMIN", "ROOT"] {
        let (id, key) = service.mint(&token, "of somebody").await;
        let (_, manager) = service.user(preset).await;
        let read = format!("{{ apiKey(where: {{ key: \"{key}\" }}) {{ id key name username }} }}");
        let expected = json!({ "id": id, "key": null, "name": "of somebody", "username": owner });
        assert_eq!(graphql(&service, &manager, &read).await.json()["data"]["apiKey"], expected, "{preset}");
        let rename =
            format!("mutation {{ updateApiKey(where: {{ id: \"{id}\" }}, data: {{ name: \"y\" }}) {{ key name }} }}");
        let renamed = graphql(&service, &manager, &rename).await;
        assert_eq!(renamed.json()["data"]["updateApiKey"], json!({ "key": null, "name": "y" }), "{preset}");
        assert_eq!(service.try_credential(&key).await, 200);
        let (_, by_key) = service.mint(&manager, "manager").await;
        assert_eq!(service.delete_key(&by_key, &key).await.json()["data"]["deleteApiKey"]["id"], json!(id), "{preset}");
        assert_eq!(service.try_credential(&key).await, 401);
    }
    assert_eq!(service.try_credential(&token).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_never_does_more_than_its_owner_can_now() {
    let service = Service::start().await;
    let root = service.root().await;
    let (_, victim) = service.mint(&root, "victim").await;
    let (_, token) = service.user("ROOT").await;
    let id = user_id(&service, &token).await;
    let (_, key) = service.mint(&token, "powerful").await;
    assert_eq!(known(&service, &key).await, 2, "it manages keys, so it sees all");

    // Demoted: in every request from then on.
    set_role(&service, &id, &preset(&service, "READ_ONLY").await).await;
    for credential in [&key, &token] {
        for _ in 0..20 {
            assert_eq!(known(&service, credential).await, 1);
            assert_eq!(service.delete_key(credential, &victim).await.code(), "NOT_FOUND");
        }
    }
    let (_, weak) = service.mint(&token, "weak").await;

    // Raised again: the old key is what it was, and the key of the weak days stays weak for ever.
    set_role(&service, &id, &preset(&service, "ROOT").await).await;
    assert_eq!(known(&service, &key).await, 3);
    assert_eq!(known(&service, &token).await, 3);
    assert_eq!(known(&service, &weak).await, 2, "only its owner's");
    assert_eq!(service.delete_key(&weak, &victim).await.code(), "NOT_FOUND");
    assert_eq!(service.delete_key(&weak, &key).await.code(), "FORBIDDEN");

    // Another role that can do the same: nothing that the key's own roles allow.
    set_role(&service, &id, &preset(&service, "USER_ADMIN").await).await;
    assert_eq!(known(&service, &key).await, 3, "ROOT's key, held by what its owner can now");
    assert_eq!(known(&service, &weak).await, 2);
    assert_eq!(service.try_credential(&victim).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_edited_widens_no_key() {
    let service = Service::start().await;
    service.mint(&service.root().await, "victim").await;
    let role = RoleId::from("custom".to_owned());
    sql(
        &service,
        "INSERT INTO roles (id, actions, name, platform) VALUES ('custom', '[\"CREATE_VM\"]', 'Custom', 'MANAGEMENT')",
    )
    .await;
    let (_, token) = service.user("READ_ONLY").await;
    set_role(&service, &user_id(&service, &token).await, &role).await;
    let (_, narrow) = service.mint(&token, "narrow").await;
    let edit = async |actions: &str| {
        sql(&service, &format!("UPDATE roles SET actions = '{actions}' WHERE id = 'custom'")).await
    };

    edit(r#"["CREATE_VM", "MANAGE_API_KEY"]"#).await;
    assert_eq!(known(&service, &token).await, 2, "the person can now");
    assert_eq!(known(&service, &narrow).await, 1, "the key can not");
    let (_, wide) = service.mint(&token, "wide").await;
    assert_eq!(known(&service, &wide).await, 3);

    edit(r#"["*"]"#).await;
    assert_eq!(known(&service, &narrow).await, 2);
    edit(r#"["CREATE_VM"]"#).await;
    assert_eq!(known(&service, &wide).await, 2, "what the role loses, its keys lose");

    // The owner gets the right from another role: the key's own role still lacks it.
    let id = user_id(&service, &token).await;
    set_role(&service, &id, &preset(&service, "USER_ADMIN").await).await;
    assert_eq!(known(&service, &token).await, 3);
    assert_eq!(known(&service, &wide).await, 2);
    set_role(&service, &id, &role).await;

    edit("[]").await;
    for credential in [&narrow, &wide, &token] {
        assert_eq!(known(&service, credential).await, 2);
        assert_eq!(service.try_credential(credential).await, 200, "powerless, not dead");
    }

    // Without any role: mints and works, and may do nothing that needs a right.
    sql(&service, "DELETE FROM user_roles WHERE role_id = 'custom'").await;
    let (_, roleless) = service.mint(&token, "roleless").await;
    edit(r#"["*"]"#).await;
    for credential in [&narrow, &wide, &roleless, &token] {
        assert_eq!(known(&service, credential).await, 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_deleted_user_are_gone_and_a_namesake_inherits_nothing() {
    let service = Service::start().await;
    let operator = Caller::operator();
    let make = async |preset: &str| {
        let operator = pass(&operator);
        let made =
            keytower::service::people::users::create_with_password(&service.app, &operator, "ada".to_owned(), preset);
        let password = made.await.unwrap();
        let token = service.login("ada", password.expose()).await;
        (password, token)
    };
    let (old_password, old_token) = make("ROOT").await;
    let old_id = user_id(&service, &old_token).await;
    let (key_id, key) = service.mint(&old_token, "ci").await;
    service.delete_user("ada").await;
    for rows in [
        format!("api_keys WHERE user_id = '{old_id}'"),
        format!("sessions WHERE user_id = '{old_id}'"),
        format!("user_roles WHERE user_id = '{old_id}'"),
        format!("api_key_roles WHERE api_key_id = '{key_id}'"),
    ] {
        assert_eq!(count(&service, &rows).await, 0, "{rows}");
    }

    let (_, token) = make("READ_ONLY").await;
    assert_ne!(user_id(&service, &token).await, old_id);
    assert_eq!(known(&service, &token).await, 0);
    for dead in [&old_token, &key] {
        assert_eq!(service.try_credential(dead).await, 401);
    }
    let login = json!({ "username": "ada", "password": old_password.expose() });
    assert_eq!(service.post("/v2/api/login", None, &login).await.status, 400);
    assert_eq!(service.delete_key(&token, &key).await.code(), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_sixteen_deletes_succeeds() {
    let service = Arc::new(Service::start().await);
    let token = service.root().await;
    for round in 0..6 {
        let (_, key) = service.mint(&token, "contested").await;
        // Every other round the key takes part itself.
        let racers: Vec<_> = (0..16)
            .map(|racer| {
                let (service, key) = (Arc::clone(&service), key.clone());
                let credential = if round % 2 == 1 && racer % 2 == 1 { key.clone() } else { token.clone() };
                tokio::spawn(async move { service.delete_key(&credential, &key).await })
            })
            .collect();
        let mut won = 0;
        for racer in racers {
            let answer = racer.await.unwrap();
            if answer.json()["errors"].is_null() {
                assert!(answer.json()["data"]["deleteApiKey"]["id"].is_string(), "{answer:?}");
                won += 1;
            } else {
                // A key that takes part is dead at the door, or inside its change.
                let lost = (answer.status, answer.code());
                let losses = [(200, "NOT_FOUND"), (200, "UNAUTHENTICATED"), (401, "UNAUTHENTICATED")];
                assert!(losses.map(|(status, code)| (status, code.to_owned())).contains(&lost), "{answer:?}");
            }
        }
        assert_eq!(won, 1);
        assert_eq!(service.try_credential(&key).await, 401);
    }
}
