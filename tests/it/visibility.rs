//! Tests which users a caller sees through SoftLayer's APIs, and the limits of one read.

use keytower::domain::key_format;
use serde_json::{Value, json};

use crate::support::people::PASSWORD;
use crate::support::softlayer::USER;
use crate::support::{Answer, ROOT_PASSWORD, Service};

/// A user with a portal token.
struct Person {
    number: i64,
    token: String,
}

impl Person {
    async fn login(service: &Service, name: &str) -> Self {
        let password = if name == "root" { ROOT_PASSWORD } else { PASSWORD };
        let url = service.url(&format!("/rest/v3.1/{USER}/getPortalLoginToken.json"));
        let login = service.http.post(url).json(&json!({ "parameters": [name, password] }));
        let token = Answer::unchecked(login.send().await.unwrap()).await.unwrap().json();
        let person = Self {
            number: token["userId"].as_i64().unwrap_or_else(|| panic!("{token}")),
            token: token["hash"].as_str().unwrap().to_owned(),
        };
        assert!(key_format::parse_portal_token(&person.token).is_some());
        person
    }

    async fn get(&self, service: &Service, path: &str, mask: &str) -> Answer {
        let url = reqwest::Url::parse_with_params(
            &service.url(&format!("/rest/v3.1/{path}.json")),
            [("objectMask", mask)].iter().filter(|(_, mask)| !mask.is_empty()),
        );
        let request = service.http.get(url.unwrap()).basic_auth(self.number, Some(&self.token));
        Answer::unchecked(request.send().await.unwrap()).await.unwrap()
    }

    /// Returns the number of logins of a user that the caller sees; the three methods and the mask must agree.
    async fn logins_of(&self, service: &Service, other: &Self) -> Option<usize> {
        let mut found = Vec::new();
        for method in ["getLoginAttempts", "getSuccessfulLogins", "getUnsuccessfulLogins"] {
            let answer = self.get(service, &format!("{USER}/{}/{method}", other.number), "").await;
            if answer.status == 404 {
                return None;
            }
            assert_eq!(answer.status, 200, "{answer:?}");
            found.push(answer.json().as_array().unwrap().len());
        }
        assert_eq!(found[0], found[1] + found[2]);
        let mask = "mask[id,loginAttempts[ipAddress],loginAttemptCount]";
        let user = self.get(service, &format!("{USER}/{}/getObject", other.number), mask).await.json();
        assert_eq!(user["loginAttempts"].as_array().unwrap().len(), found[0]);
        Some(found[0])
    }
}

async fn promote(service: &Service, root: &str, name: &str, preset: &str) {
    let role = service.preset(root, preset).await;
    let body = json!({ "where": { "username": name }, "data": { "role_id": role } });
    let answer = service.rest(root, "/update-user", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_shown_to_oneself_to_auditors_and_to_ancestors_who_cover_the_user() {
    let service = Service::start().await;
    let root_token = service.root().await;
    let (manager, reader) =
        (service.preset(&root_token, "USER_ADMIN").await, service.preset(&root_token, "READ_ONLY").await);
    let (_, child_token) = service.make_user(&root_token, "child", &manager).await;
    service.make_user(&child_token, "grandchild", &reader).await;
    service.make_user(&root_token, "sibling", &manager).await;
    let root = Person::login(&service, "root").await;
    let child = Person::login(&service, "child").await;
    let grandchild = Person::login(&service, "grandchild").await;
    let sibling = Person::login(&service, "sibling").await;
    for person in [&child, &grandchild, &sibling] {
        assert!(person.logins_of(&service, person).await.unwrap() > 0);
        // Root holds every right.
        assert!(root.logins_of(&service, person).await.unwrap() > 0);
    }
    // A manager of users sees all users, but not their logins.
    assert_eq!(sibling.logins_of(&service, &child).await, Some(0));
    assert_eq!(sibling.logins_of(&service, &root).await, Some(0));
    assert_eq!(sibling.logins_of(&service, &grandchild).await, Some(0));
    // An ancestor reads logins as long as the ancestor's rights cover the user's.
    assert!(child.logins_of(&service, &grandchild).await.unwrap() > 0);
    assert_eq!(grandchild.logins_of(&service, &child).await, None);
    promote(&service, &root_token, "grandchild", "ROOT").await;
    assert_eq!(child.logins_of(&service, &grandchild).await, Some(0));
    assert!(grandchild.logins_of(&service, &child).await.unwrap() > 0);
    promote(&service, &root_token, "child", "READ_ONLY").await;
    assert_eq!(child.logins_of(&service, &grandchild).await, Some(0));
    // The event log shows only the caller's own events.
    for (person, all) in [(&root, true), (&sibling, false)] {
        let events = person.get(&service, "SoftLayer_Event_Log/getAllObjects", "").await.json();
        let foreign = |event: &&Value| event["userId"] != json!(person.number);
        assert_eq!(events.as_array().unwrap().iter().any(|event| foreign(&event)), all, "{events}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_not_seen_is_shown_by_name_only() {
    let service = Service::start().await;
    let root_token = service.root().await;
    let reader = service.preset(&root_token, "READ_ONLY").await;
    service.make_user(&root_token, "reader", &reader).await;
    let reader = Person::login(&service, "reader").await;
    let mask = "mask[id,parent[id,username,displayName,email,statusDate,userStatus,permissions,childUsers,\
        loginAttempts,apiAuthenticationKeys,account[users[id],masterUser[id,email,createDate,childUsers]]]]";
    let user = reader.get(&service, &format!("{USER}/{}/getObject", reader.number), mask).await.json();
    let parent = user["parent"].as_object().unwrap_or_else(|| panic!("{user}"));
    assert_eq!(parent["username"], "root");
    let shown = parent.iter().filter(|(_, value)| **value != json!([]) && !value.is_null());
    assert_eq!(shown.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["displayName", "id", "username"]);
    let master = reader.get(&service, "SoftLayer_Account/getMasterUser", "mask[id,email,createDate,childUsers]").await;
    assert!(master.json().get("email").is_none_or(Value::is_null), "{master:?}");
    assert_eq!(master.json().get("childUsers").cloned().unwrap_or(json!([])), json!([]));
    let users = reader.get(&service, "SoftLayer_Account/getUsers", "mask[id,account[id,users[id]]]").await.json();
    assert_eq!(users, json!([{ "id": reader.number, "account": { "id": 1, "users": [{ "id": reader.number }] } }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_mask_takes_a_few_statements_and_has_a_ceiling() {
    let service = Service::start().await;
    let root_token = service.root().await;
    let role = service.preset(&root_token, "READ_ONLY").await;
    let root = Person::login(&service, "root").await;
    let mut statements = Vec::new();
    let mask = "mask[id,account[id,users[id,account[companyName],parent[id,account[id]]]]]";
    for number in 0..12 {
        service.make_user(&root_token, &format!("user{number}"), &role).await;
        if [0, 11].contains(&number) {
            let before = service.app.store.statements();
            let users = root.get(&service, "SoftLayer_Account/getUsers", mask).await.json();
            statements.push(service.app.store.statements() - before);
            let users = users.as_array().unwrap();
            assert_eq!(users.len(), number + 2);
            for user in users {
                let others = user["account"]["users"].as_array().unwrap();
                assert_eq!(others.len(), users.len());
                assert!(others.iter().all(|other| other["account"]["companyName"].is_string()));
                assert_eq!(others.iter().filter(|other| other["parent"]["account"]["id"] == 1).count(), number + 1);
            }
        }
    }
    // The number of statements is the same for two users and for thirteen.
    assert_eq!(statements[0], statements[1]);
    assert!(statements[0] <= 12, "{statements:?}");
    // A mask that yields 13^5 objects is rejected, although only 13 users are loaded.
    let users = "account[users[id,".repeat(4);
    let mask = format!("mask[id,{users}username{}]", "]]".repeat(4));
    let before = service.app.store.statements();
    let refused = root.get(&service, "SoftLayer_Account/getUsers", &mask).await;
    assert_eq!(refused.status, 500);
    assert!(refused.json()["error"].as_str().unwrap().contains("at most 50000 objects"), "{refused:?}");
    assert!(service.app.store.statements() - before <= 12);
    let four = "account[users[id,".repeat(3);
    let mask = format!("mask[id,{four}username{}]", "]]".repeat(3));
    assert_eq!(root.get(&service, "SoftLayer_Account/getUsers", &mask).await.status, 200);
}
