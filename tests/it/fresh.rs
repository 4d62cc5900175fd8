//! A service without any user, set up over GraphQL as the contract's web page does it: open until the first user is there, by one
//! winner, and closed from then on.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::check::{Rows, clean};
use crate::support::people::{Hold, PASSWORD, has_read};
use crate::support::{Answer, Database, ROOT_PASSWORD, Service};

/// As the contract's clients send them (section 2.4).
const CHECK: &str =
    "query checkTowerIsSetup { organizations(first: 10) { id name __typename } userCreated { created __typename } }";
const CREATE_ORGANIZATION: &str = "mutation createOrganization($data: OrganizationCreateInput!) { createOrganization(data: $data) { id name __typename } }";
const CREATE_USER: &str = "mutation createUser($data: UserCreateInput!, $effect: UserEffect) { createUser(data: $data, effect: $effect) \
    { id username name role source internal password_recover_qa { enabled items { question } } roles { preset actions } __typename } }";

async fn fresh() -> Service {
    let settings = [("create_root", "false"), ("root_password", "")];
    Service::start_with(Arc::new(Database::new().await), &settings).await
}

fn first_user() -> Value {
    json!({
        "name": "root", "source": "LOCAL", "role": "ROOT", "username": "root", "display_username": "root", "password": ROOT_PASSWORD,
        "password_recover_qa": { "enabled": false, "items": [] }, "password_updated_at": "2026-01-31T12:00:00.000Z",
    })
}

async fn ask(service: &Service, credential: Option<&str>, query: &str, variables: Value) -> Answer {
    let answer = service.graphql(credential, query, variables).await;
    clean(&answer);
    answer
}

async fn set_up(service: &Service) {
    let made = ask(service, None, CREATE_USER, json!({ "data": first_user() })).await;
    assert!(made.json()["data"]["createUser"]["id"].is_string(), "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_web_page_finds_a_fresh_service_names_it_and_makes_the_first_user() {
    let service = fresh().await;
    let seen = ask(&service, None, CHECK, json!({})).await.json();
    let organization = seen["data"]["organizations"][0].clone();
    assert_eq!(organization["__typename"], "Organization");
    assert_eq!(seen["data"]["userCreated"], json!({ "created": false, "__typename": "UserCreatedData" }));
    let named = ask(&service, None, CREATE_ORGANIZATION, json!({ "data": { "name": "Acme" } })).await.json();
    let wanted = json!({ "id": organization["id"], "name": "Acme", "__typename": "Organization" });
    assert_eq!(named, json!({ "data": { "createOrganization": wanted } }));
    assert_eq!(ask(&service, None, CHECK, json!({})).await.json()["data"]["organizations"], json!([wanted]));
    // The cipher of the page is not public: what it made of the password would be stored as the password.
    let encoded = json!({ "data": first_user(), "effect": { "encoded": true } });
    let refused = ask(&service, None, CREATE_USER, encoded).await;
    assert!(refused.code() == "BAD_USER_INPUT" && refused.text.contains("effect.encoded"), "{refused:?}");
    let made =
        ask(&service, None, CREATE_USER, json!({ "data": first_user(), "effect": { "encoded": false } })).await.json();
    let mut user = made["data"]["createUser"].clone();
    assert!(user.as_object_mut().unwrap().remove("id").unwrap().is_string(), "{made}");
    let expected = json!({
        "username": "root", "name": "root", "role": "ROOT", "source": "LOCAL", "internal": false, "__typename": "User",
        "password_recover_qa": { "enabled": false, "items": [] }, "roles": [{ "preset": "ROOT", "actions": ["*"] }],
    });
    assert_eq!(user, expected);
    // From here on all of it needs a credential.
    for (query, data) in
        [(CHECK, json!({})), (CREATE_ORGANIZATION, json!({ "name": "Evil" })), (CREATE_USER, first_user())]
    {
        let answer = ask(&service, None, query, json!({ "data": data })).await;
        assert_eq!((answer.status, answer.code().as_str()), (200, "UNAUTHENTICATED"), "{answer:?}");
        assert_eq!(answer.json()["data"], Value::Null);
    }
    assert_eq!(
        ask(&service, None, "{ userCreated { created } }", json!({})).await.json()["data"]["userCreated"]["created"],
        true
    );
    let root = service.root().await;
    let seen = ask(&service, Some(&root), CHECK, json!({})).await.json();
    assert_eq!(seen["data"]["organizations"], json!([wanted]));
    // And all of it left its trace, though nobody had a name yet.
    let body = json!({ "where": { "action_in": ["createUser", "createOrganization"] }, "orderBy": "createdAt_ASC" });
    let logged = service.rest(&root, "/get-user-audit-logs", body).await.json();
    let mut logged: Vec<_> = logged.as_array().unwrap().iter().map(|row| row["message"].as_str().unwrap()).collect();
    logged.sort_unstable();
    assert_eq!(logged, ["organization named Acme", "user root made with the role ROOT"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_credential_a_fresh_service_shows_nothing_but_its_name() {
    let service = fresh().await;
    service.import_example().await;
    for query in [
        "{ organizations { id datacenters { name } } }",
        "{ organizations { ...f } } fragment f on Organization { ... { datacenters { clusters { vms { name } } } } }",
        "{ organizations(where: { datacenters_some: { name_starts_with: \"n\" } }) { id } }",
        "{ organizations(where: { name: \"keytower\" }) { id } }",
        "{ organizationsConnection(where: { datacenters_some: {} }) { aggregate { count } } }",
        "mutation { createOrganization(data: { name: \"a\" }) { datacenters { name } } }",
        "{ datacenters { id } }",
        "{ vms { id } }",
        "{ users { id } }",
        "{ userRoleNexts { id } }",
        "{ apiKeys { id } }",
        "mutation { createApiKey(data: { name: \"a\" }) { id } }",
    ] {
        let answer = ask(&service, None, query, json!({})).await;
        assert_eq!(
            (answer.code().as_str(), &answer.json()["data"]),
            ("UNAUTHENTICATED", &Value::Null),
            "{query}: {answer:?}"
        );
    }
    let seen = ask(&service, None, CHECK, json!({})).await.json();
    assert_eq!(seen["data"]["organizations"][0]["name"], "keytower");
    let counted = ask(&service, None, "{ organizationsConnection { aggregate { count } } }", json!({})).await.json();
    assert_eq!(counted["data"]["organizationsConnection"]["aggregate"]["count"], 1);
    // A credential that does not work counts for less than none.
    let answer = service.graphql(Some("dead.dead.dead"), CHECK, json!({})).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "UNAUTHENTICATED"));
    for (path, body) in [("/get-organizations", json!({})), ("/create-user", json!([first_user()]))] {
        assert_eq!(service.post(&format!("/v2/api{path}"), None, &body).await.status, 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_first_user_is_said_and_makes_none() {
    let service = fresh().await;
    let rows = Rows::of(&service).await;
    for (change, words) in [
        (json!({ "role": "ADMIN" }), "data.role must be ROOT"),
        (json!({ "role": null, "role_id": "a" }), "data.role must be ROOT"),
        (json!({ "role": null }), "exactly one of role and role_id"),
        (json!({ "role_id": "a" }), "exactly one of role and role_id"),
        (json!({ "role": "KING" }), "UserRole"),
        (json!({ "source": "LDAP" }), "LDAP"),
        (json!({ "source": "AUTHN" }), "AUTHN"),
        (json!({ "username": "" , "display_username": null }), "data.username must not be empty"),
        (json!({ "username": "a\nb", "display_username": "a\nb" }), "control"),
        (json!({ "username": null }), "username"),
        (json!({ "name": "n".repeat(256) }), "data.name"),
        (json!({ "display_username": "other" }), "data.display_username must be the username"),
        (json!({ "password": "short" }), "password must have 8"),
        (json!({ "password": null }), "password is needed"),
        (json!({ "password": "p".repeat(1025) }), "1024 bytes"),
        (json!({ "password_recover_qa": { "enabled": true, "items": [] } }), "password_recover_qa is not served"),
        (
            json!({ "password_recover_qa": { "enabled": false, "items": [{ "question": "a", "answer": "b" }] } }),
            "not served",
        ),
        (json!({ "roles": ["a"] }), "roles"),
        (json!({ "id": "a" }), "id"),
        (json!({ "password_hash": "a" }), "password_hash"),
    ] {
        let mut data = first_user();
        data.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = ask(&service, None, CREATE_USER, json!({ "data": data })).await;
        assert_eq!(answer.code(), "BAD_USER_INPUT", "{change}: {answer:?}");
        let message = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{words:?} is not in {message:?}");
    }
    for data in
        [json!({ "name": "" }), json!({ "name": "n".repeat(256) }), json!({ "name": "a\u{7}" }), json!({}), json!(null)]
    {
        let answer = ask(&service, None, CREATE_ORGANIZATION, json!({ "data": data })).await;
        assert_eq!(answer.code(), "BAD_USER_INPUT", "{data}: {answer:?}");
    }
    assert_eq!(rows.count().await, [0; 3]);
    let seen = ask(&service, None, CHECK, json!({})).await.json();
    assert_eq!(
        (&seen["data"]["organizations"][0]["name"], &seen["data"]["userCreated"]["created"]),
        (&json!("keytower"), &json!(false))
    );
    // The first user may have any name, and what may be left out may be null.
    let data = json!({ "username": "Zoë", "name": "Z", "role": "ROOT", "password": PASSWORD, "source": null, "email_address": "z@a.example" });
    let made = ask(&service, None, CREATE_USER, json!({ "data": data })).await;
    assert_eq!(made.json()["data"]["createUser"]["username"], "Zoë", "{made:?}");
    let token = service.login("Zoë", PASSWORD).await;
    assert_eq!(service.rest(&token, "/get-my-info", json!({})).await.json()["email_address"], "z@a.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_first_users_at_once_one_is_made() {
    for round in 0..3 {
        let service = Arc::new(fresh().await);
        let tries: Vec<_> = (0..8)
            .map(|at| {
                let service = Arc::clone(&service);
                tokio::spawn(async move {
                    if at % 4 == round {
                        let body = json!({ "password": ROOT_PASSWORD });
                        let answer = service.post("/v2/api/create-root-user", None, &body).await;
                        assert!([200, 400].contains(&answer.status), "{answer:?}");
                        return answer.status == 200;
                    }
                    let mut data = first_user();
                    data["username"] = json!(format!("first-{at}"));
                    data["display_username"] = Value::Null;
                    let answer = service.graphql(None, CREATE_USER, json!({ "data": data })).await;
                    let made = answer.json()["data"]["createUser"]["id"].is_string();
                    assert!(made || answer.code() == "UNAUTHENTICATED", "{answer:?}");
                    made
                })
            })
            .collect();
        let mut made = 0;
        for one in tries {
            made += usize::from(one.await.unwrap());
        }
        assert_eq!((made, service.database().number("SELECT COUNT(*) FROM users").await), (1, 1));
        // Whoever has read that a user was made knows that nobody names the organization without a credential any more.
        let answer = ask(&service, None, CREATE_ORGANIZATION, json!({ "data": { "name": "late" } })).await;
        assert_eq!(answer.code(), "UNAUTHENTICATED");
    }
}

/// The request was let in without a credential, and waits to begin its write, while somebody makes the first user.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_set_up_without_a_credential_once_there_is_a_user() {
    for (query, data) in [(CREATE_ORGANIZATION, json!({ "name": "late" })), (CREATE_USER, first_user())] {
        let service = Arc::new(fresh().await);
        let hold = Hold::of(&service).await;
        let before = service.app.store.statements();
        let late = {
            let service = Arc::clone(&service);
            tokio::spawn(async move { service.graphql(None, query, json!({ "data": data })).await })
        };
        has_read(&service, before).await;
        hold.run(
            "INSERT INTO users (id, created_at, display_username, internal, name, password_recover_qa, source, username) VALUES \
             ('first', '2026-01-31T12:00:00.000Z', 'first', false, 'first', '{\"enabled\":false,\"items\":[]}', 'LOCAL', 'first')",
        )
        .await;
        hold.release().await;
        let answer = late.await.unwrap();
        assert_eq!((answer.code().as_str(), &answer.json()["data"]), ("UNAUTHENTICATED", &Value::Null), "{answer:?}");
        assert_eq!(service.database().number("SELECT COUNT(*) FROM users").await, 1);
        assert_eq!(service.database().number("SELECT COUNT(*) FROM organizations WHERE name = 'late'").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn later_users_and_names_need_the_right_to_them() {
    let service = fresh().await;
    set_up(&service).await;
    let root = service.root().await;
    let read_only = service.preset(&root, "READ_ONLY").await;
    let data = |name: &str, role: Value| {
        let mut data = json!({ "username": name, "name": name, "password": PASSWORD });
        data.as_object_mut().unwrap().extend(role.as_object().unwrap().clone());
        json!({ "data": data })
    };
    let made = ask(&service, Some(&root), CREATE_USER, data("ada", json!({ "role_id": read_only }))).await.json();
    assert_eq!(made["data"]["createUser"]["role"], "READ_ONLY", "{made}");
    assert_eq!(made["data"]["createUser"]["roles"], json!([{ "preset": "READ_ONLY", "actions": [] }]));
    let made = ask(&service, Some(&root), CREATE_USER, data("bob", json!({ "role": "ADMIN" }))).await.json();
    assert_eq!(made["data"]["createUser"]["roles"][0]["preset"], "ADMIN", "{made}");
    let (ada, bob) = (service.login("ada", PASSWORD).await, service.login("bob", PASSWORD).await);
    let (_, key) = service.mint(&root, "a key").await;
    let (_, manager) = service.user("USER_ADMIN").await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    for (credential, role, code, words) in [
        (&ada, json!({ "role_id": read_only }), "FORBIDDEN", "MANAGE_USER_AND_ROLE"),
        (&bob, json!({ "role": "ADMIN" }), "FORBIDDEN", "MANAGE_USER_AND_ROLE"),
        (&key, json!({ "role_id": read_only }), "FORBIDDEN", "log in"),
        // Nobody hands out more than they hold.
        (&manager, json!({ "role": "ROOT" }), "FORBIDDEN", "data.role_id"),
        (&root, json!({ "role_id": "nobody's" }), "BAD_USER_INPUT", "data.role_id"),
        (&root, json!({ "role_id": read_only, "username": "ada" }), "BAD_USER_INPUT", "taken"),
    ] {
        let answer = ask(&service, Some(credential), CREATE_USER, data("eve", role.clone())).await;
        assert_eq!((answer.code().as_str(), &answer.json()["data"]), (code, &Value::Null), "{role}: {answer:?}");
        assert!(answer.text.contains(words), "{words}: {answer:?}");
    }
    assert_eq!(rows.count().await, before);
    // The organization stays one, and has the name that was given last.
    let name = |name: &str| json!({ "data": { "name": name } });
    assert_eq!(ask(&service, Some(&ada), CREATE_ORGANIZATION, name("Ada's")).await.code(), "FORBIDDEN");
    let named = ask(&service, Some(&root), CREATE_ORGANIZATION, name("Acme")).await.json();
    assert_eq!(named["data"]["createOrganization"]["name"], "Acme", "{named}");
    let listed = service.rest(&root, "/get-organizations", json!({})).await.json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["name"]), (1, &json!("Acme")));
}
