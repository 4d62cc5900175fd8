//! Users over REST: made, changed and deleted as documented, all or nothing, by whoever may, and never beyond their own rights.

use serde_json::{Value, json};

use crate::support::Service;
use crate::support::people::{PASSWORD, user};

fn id(row: &Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_made_changed_and_deleted() {
    let service = Service::start().await;
    let root = service.root().await;
    let (read_only, admin) = (service.preset(&root, "READ_ONLY").await, service.preset(&root, "ADMIN").await);
    let mut second = user("bob", &admin);
    for (name, value) in [
        ("email_address", json!("bob@example.com")),
        ("mobile_phone", json!("+49 1")),
        ("internal", json!(true)),
        ("source", json!("LOCAL")),
        ("ldap_dn", json!(null)),
        ("auth_config_id", json!(null)),
    ] {
        second[name] = value;
    }
    let made = service.done(&root, "/create-user", json!([user("ada", &read_only), second, user("cy", &admin)])).await;
    let names: Vec<&Value> = made.iter().map(|user| &user["username"]).collect();
    assert_eq!(names, ["ada", "bob", "cy"], "in the order of the request");
    for made in &made {
        let listed = service.rest(&root, "/get-users", json!({ "where": { "id": made["id"] } })).await.json();
        assert_eq!(listed, json!([made]));
        assert_eq!((&made["source"], &made["display_username"]), (&json!("LOCAL"), &made["username"]));
        service.login(made["username"].as_str().unwrap(), PASSWORD).await;
    }
    assert_eq!(made[0]["roles"], json!([{ "id": read_only, "name": "Read-only" }]));
    let contact =
        |user: &Value| [user["email_address"].clone(), user["mobile_phone"].clone(), user["internal"].clone()];
    assert_eq!(contact(&made[0]), [json!(null), json!(null), json!(false)]);
    assert_eq!(contact(&made[1]), [json!("bob@example.com"), json!("+49 1"), json!(true)]);

    let change = async |data: Value| {
        service.done(&root, "/update-user", json!({ "where": { "id": made[1]["id"] }, "data": data })).await.remove(0)
    };
    let mut bob = made[1].clone();
    assert_eq!(change(json!({})).await, bob, "nothing is asked for, nothing is changed");
    for (data, changes) in [
        (json!({ "name": "Robert" }), json!({ "name": "Robert" })),
        (json!({ "email_address": null }), json!({ "email_address": null })),
        (json!({ "mobile_phone": "2", "internal": false }), json!({ "mobile_phone": "2", "internal": false })),
        (json!({ "username": "rob" }), json!({ "username": "rob", "display_username": "rob" })),
        (json!({ "role_id": admin }), json!({})),
        (
            json!({ "role_id": read_only }),
            json!({ "role": "READ_ONLY", "roles": [{ "id": read_only, "name": "Read-only" }] }),
        ),
    ] {
        for (name, value) in changes.as_object().unwrap() {
            bob[name] = value.clone();
        }
        assert_eq!(change(data.clone()).await, bob, "{data}");
    }
    service.login("rob", PASSWORD).await;
    assert_eq!(service.rest("", "/login", json!({ "username": "bob", "password": PASSWORD })).await.status, 400);

    let token = service.login("rob", PASSWORD).await;
    let (_, key) = service.mint(&token, "ci").await;
    let gone = service.done(&root, "/delete-user", json!({ "where": { "username_in": ["rob", "cy"] } })).await;
    let mut ids = [id(&made[1]), id(&made[2])];
    ids.sort();
    assert_eq!(gone, ids.map(|id| json!({ "id": id })), "in the order of their ids");
    for dead in [&token, &key] {
        assert_eq!(service.try_credential(dead).await, 401);
        assert_eq!(service.graphql(Some(dead), "{ users { id } }", json!({})).await.status, 401);
    }
    let left = service.rest(&root, "/get-users", json!({ "orderBy": "username_ASC" })).await.json();
    assert_eq!(left.as_array().unwrap().iter().map(|user| &user["username"]).collect::<Vec<_>>(), ["ada", "root"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_undoes_all_and_is_told_with_its_place() {
    let service = Service::start().await;
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    service.make_user(&root, "ada", &role).await;
    let before = service.people().await;
    let with = |member: &str, value: Value| {
        let mut user = user("new", &role);
        user[member] = value;
        user
    };
    let mut without = user("new", &role);
    without.as_object_mut().unwrap().remove("password");
    for (second, words) in [
        (json!({}), "[1]: missing field `username`"),
        (json!("bob"), "[1]: invalid type"),
        (with("username", json!("ada")), "[1].username \"ada\" is taken"),
        (with("username", json!("first")), "[1].username \"first\" is taken"),
        (with("username", json!("")), "[1].username must not be empty"),
        (with("username", json!("a\0")), "[1].username must not contain control"),
        (with("username", json!("x".repeat(256))), "[1].username must have at most 255"),
        (with("username", json!(null)), "[1].username: invalid type"),
        (with("name", json!(" ")), "[1].name must not be empty"),
        (with("role_id", json!("nobody's")), "[1].role_id \"nobody's\" is no role's"),
        (with("role_id", json!("a\0")), "[1].role_id"),
        (with("role_id", json!(7)), "[1].role_id: invalid type"),
        (with("password", json!("short")), "[1].password must have 8"),
        (with("password", json!("x".repeat(1025))), "[1].password must have 8"),
        (with("password", json!(null)), "[1].password is needed"),
        (without, "[1].password is needed"),
        (with("email_address", json!("")), "[1].email_address must not be empty"),
        (with("mobile_phone", json!("\u{7}")), "[1].mobile_phone must not contain control"),
        (with("internal", json!("yes")), "[1].internal: invalid type"),
        (with("source", json!("LDAP")), "[1].source LDAP is not served"),
        (with("source", json!("AUTHN")), "[1].source AUTHN is not served"),
        (with("source", json!("SSO")), "[1].source SSO is not served"),
        (with("source", json!("local")), "[1].source: unknown variant"),
        (with("ldap_dn", json!("cn=a")), "[1].ldap_dn belongs to users of other sources"),
        (with("auth_config_id", json!("a")), "[1].auth_config_id belongs to users of other sources"),
        (with("rights", json!("*")), "[1].rights: unknown field"),
    ] {
        service.refused(&root, "/create-user", json!([user("first", &role), second]), 400, words).await;
    }
    service.refused(&root, "/create-user", user("first", &role), 400, "must be a JSON list").await;
    let many: Vec<Value> = (0..101).map(|at| user(&format!("user {at}"), &role)).collect();
    service.refused(&root, "/create-user", json!(many), 400, "at most 100").await;
    assert_eq!(service.done(&root, "/create-user", json!([])).await, [Value::Null; 0]);

    let all = json!({});
    for (body, words) in [
        (json!({ "where": all, "data": { "username": "" } }), "data.username must not be empty"),
        (json!({ "where": all, "data": { "username": null } }), "data.username: invalid type: null"),
        (json!({ "where": all, "data": { "name": null } }), "data.name: invalid type: null"),
        (json!({ "where": all, "data": { "password": null } }), "data.password: invalid type: null"),
        (json!({ "where": all, "data": { "password": "short" } }), "data.password must have 8"),
        (json!({ "where": all, "data": { "role_id": "none" } }), "data.role_id \"none\" is no role's"),
        (json!({ "where": all, "data": { "internal": null } }), "data.internal: invalid type: null"),
        (json!({ "where": all, "data": { "email_address": "" } }), "data.email_address must not be empty"),
        (json!({ "where": all, "data": { "source": "LOCAL" } }), "data.source: unknown field"),
        (
            json!({ "where": { "username_not": "root" }, "data": { "username": "root" } }),
            "data.username \"root\" is taken",
        ),
        (json!({ "where": all, "data": { "username": "one for all" } }), "data.username \"one for all\" is taken"),
        (json!({ "where": all }), "missing field `data`"),
        (json!({ "data": {} }), "missing field `where`"),
        (json!({ "where": all, "data": null }), "data: invalid type"),
        (json!({ "where": null, "data": {} }), "where: invalid type: null"),
        (json!({ "where": [], "data": {} }), "where: invalid type"),
        (json!({ "where": { "bogus": 1 }, "data": {} }), "where.bogus is not known"),
        (json!({ "where": { "password_hash": "a" }, "data": {} }), "where.password_hash is not known"),
        (json!({ "where": all, "data": {}, "first": 1 }), "first: unknown field"),
    ] {
        service.refused(&root, "/update-user", body, 400, words).await;
    }
    for (body, words) in [
        (json!({}), "missing field `where`"),
        (json!({ "where": null }), "where: invalid type: null"),
        (json!({ "where": { "id": { "in": [] } } }), "where.id must be text"),
        (json!({ "where": all, "data": {} }), "data: unknown field"),
        (json!([{ "where": all }]), "must be a JSON object"),
    ] {
        service.refused(&root, "/delete-user", body, 400, words).await;
    }
    let nobody = json!({ "username": "nobody" });
    service.refused(&root, "/update-user", json!({ "where": nobody, "data": { "name": "x" } }), 404, "no User").await;
    service.refused(&root, "/delete-user", json!({ "where": nobody }), 404, "no User").await;
    assert_eq!(service.people().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_where_selects_as_many_as_it_says() {
    let service = Service::start().await;
    let root = service.root().await;
    let (read_only, auditor) = (service.preset(&root, "READ_ONLY").await, service.preset(&root, "AUDITOR").await);
    let users: Vec<Value> = (0..20).map(|at| user(&format!("u{at:02}"), &read_only)).collect();
    service.done(&root, "/create-user", json!(users)).await;
    let some = json!({ "roles_some": { "preset": "READ_ONLY" }, "username_gte": "u10", "NOT": [{ "username_ends_with": "5" }] });
    let data = json!({ "role_id": auditor, "mobile_phone": "1" });
    let changed = service.done(&root, "/update-user", json!({ "where": some, "data": data })).await;
    assert_eq!(changed.len(), 9);
    assert!(changed.iter().all(|user| user["roles"][0]["id"] == json!(auditor) && user["mobile_phone"] == "1"));
    let count = json!({ "where": { "mobile_phone": "1" } });
    assert_eq!(service.rest(&root, "/get-users-connection", count).await.json()["aggregate"]["count"], 9);
    let gone = service.done(&root, "/delete-user", json!({ "where": { "roles_some": { "preset": "AUDITOR" } } })).await;
    assert_eq!(gone.len(), 9);
    let everybody = json!({ "where": {}, "data": { "name": "the same" } });
    assert_eq!(service.done(&root, "/update-user", everybody).await.len(), 12, "root is a user like others");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hands_out_or_touches_more_than_they_hold() {
    let service = Service::start().await;
    let root = service.root().await;
    let (_, manager) = service.user("USER_ADMIN").await;
    let (_, key) = service.mint(&manager, "manages").await;
    let (peer, _) = service.user("USER_ADMIN").await;
    let mut mightier = Vec::new();
    for (preset, action) in
        [("ROOT", "*"), ("ADMIN", "MANAGE_DATA_CENTER"), ("AUDITOR", "MANAGE_AUDIT_LOG"), ("VM_USER", "CREATE_VM")]
    {
        mightier.push((service.user(preset).await, service.preset(&root, preset).await, action));
    }
    let (reader, _) = service.user("READ_ONLY").await;
    let before = service.people().await;
    for ((name, token), role, action) in &mightier {
        let lack = format!("lack the action {action}");
        service
            .refused(
                &manager,
                "/create-user",
                json!([user("ok", role)]),
                403,
                &format!("[0].role_id goes beyond your own rights: you {lack}"),
            )
            .await;
        for credential in [&manager, &key] {
            let update = |name: &str, data: Value| json!({ "where": { "username": name }, "data": data });
            service.refused(credential, "/update-user", update(&reader, json!({ "role_id": role })), 403, &lack).await;
            service.refused(credential, "/update-user", update(name, json!({ "name": "x" })), 403, &lack).await;
            service.refused(credential, "/delete-user", json!({ "where": { "username": name } }), 403, &lack).await;
        }
        for data in [json!({ "password": "mine from now on" }), json!({ "email_address": "me@example.com" })] {
            let body = json!({ "where": { "username": name }, "data": data });
            service.refused(&manager, "/update-user", body, 403, &lack).await;
        }
        assert_eq!(service.try_credential(token).await, 200);
        // One of them among many is enough.
        let both = json!({ "username_in": [reader, name] });
        service.refused(&manager, "/delete-user", json!({ "where": both }), 403, &lack).await;
    }
    for preset in ["ADMIN", "AUDITOR", "READ_ONLY", "VM_USER"] {
        let (name, token) = service.user(preset).await;
        let (_, key) = service.mint(&token, "x").await;
        let unchanged = service.people().await;
        for credential in [&token, &key] {
            let me = json!({ "where": { "username": reader }, "data": { "name": "x" } });
            service.refused(credential, "/update-user", me, 403, "MANAGE_USER_AND_ROLE").await;
            service.refused(credential, "/delete-user", json!({ "where": {} }), 403, "MANAGE_USER_AND_ROLE").await;
        }
        service.refused(&token, "/create-user", json!([]), 403, "MANAGE_USER_AND_ROLE").await;
        assert_eq!(service.people().await, unchanged);
        service.delete_user(&name).await;
    }
    assert_eq!(service.people().await, before);

    // What they hold, they hand out; their peers they manage.
    let (own, read_only) = (service.preset(&root, "USER_ADMIN").await, service.preset(&root, "READ_ONLY").await);
    service.make_user(&manager, "new", &own).await;
    service
        .done(&manager, "/update-user", json!({ "where": { "username": reader }, "data": { "role_id": own } }))
        .await;
    service
        .done(
            &manager,
            "/update-user",
            json!({ "where": { "username": peer }, "data": { "role_id": read_only, "password": PASSWORD } }),
        )
        .await;
    service.done(&manager, "/delete-user", json!({ "where": { "username_in": ["new", peer] } })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_makes_nobody_sets_no_password_and_gives_no_right() {
    let service = Service::start().await;
    let root = service.root().await;
    let (admin, read_only) = (service.preset(&root, "ADMIN").await, service.preset(&root, "READ_ONLY").await);
    let (_, key) = service.mint(&root, "automation").await;
    let (ada, token) = service.make_user(&root, "ada", &read_only).await;
    let before = service.people().await;
    let update = |data: Value| json!({ "where": { "id": ada }, "data": data });
    service.refused(&key, "/create-user", json!([user("new", &read_only)]), 403, "log in").await;
    service.refused(&key, "/create-user", json!([]), 403, "log in").await;
    service.refused(&key, "/update-user", update(json!({ "password": "mine from now on" })), 403, "log in").await;
    service.refused(&key, "/update-user", update(json!({ "role_id": admin })), 403, "log in").await;
    assert_eq!(service.people().await, before);
    assert_eq!(service.try_credential(&token).await, 200);
    // It takes rights away, and people.
    service.done(&root, "/update-user", update(json!({ "role_id": admin }))).await;
    let changed = service.done(&key, "/update-user", update(json!({ "role_id": read_only, "name": "A" }))).await;
    assert_eq!((&changed[0]["role"], &changed[0]["name"]), (&json!("READ_ONLY"), &json!("A")));
    service.done(&key, "/delete-user", json!({ "where": { "id": ada } })).await;
    service.refused(&key, "/delete-user", json!({ "where": { "username": "root" } }), 400, "yourself").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_and_the_last_root_stay() {
    let service = Service::start().await;
    let root = service.root().await;
    let read_only = service.preset(&root, "READ_ONLY").await;
    let everything = service.make_role(&root, "everything", &["*"]).await;
    let (_, deputy) = service.make_user(&root, "deputy", &everything).await;
    let before = service.people().await;
    let of_root = json!({ "username": "root" });
    for selected in [json!({}), of_root.clone(), json!({ "OR": [of_root, { "username": "deputy" }] })] {
        service.refused(&root, "/delete-user", json!({ "where": selected }), 400, "delete yourself").await;
        let demote = json!({ "where": selected, "data": { "role_id": read_only } });
        service.refused(&root, "/update-user", demote, 400, "role_id can't be changed by yourself").await;
    }
    service.refused(&deputy, "/delete-user", json!({ "where": of_root }), 400, "last user with the role ROOT").await;
    let demote = json!({ "where": of_root, "data": { "role_id": everything } });
    service.refused(&deputy, "/update-user", demote, 400, "last user with the role ROOT").await;
    assert_eq!(service.people().await, before);
    // Its own name and password anybody may change who manages users; the last but one is not the last.
    service.done(&root, "/update-user", json!({ "where": of_root, "data": { "name": "The root" } })).await;
    let super_role = service.preset(&root, "ROOT").await;
    service.make_user(&root, "second", &super_role).await;
    service.done(&deputy, "/delete-user", json!({ "where": of_root })).await;
    assert_eq!(service.try_credential(&root).await, 401);
    service.refused(&deputy, "/delete-user", json!({ "where": { "username": "second" } }), 400, "last user").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_tokens_and_leaves_keys() {
    let service = Service::start().await;
    let root = service.root().await;
    let read_only = service.preset(&root, "READ_ONLY").await;
    let (ada, first) = service.make_user(&root, "ada", &read_only).await;
    let (_, other) = service.make_user(&root, "other", &read_only).await;
    let second = service.login("ada", PASSWORD).await;
    let (_, key) = service.mint(&first, "ci").await;
    service.clock.advance(std::time::Duration::from_secs(60));
    let before = service.rest(&root, "/get-users", json!({ "where": { "id": ada } })).await.json();
    let data = json!({ "password": "another password" });
    let changed = service.done(&root, "/update-user", json!({ "where": { "id": ada }, "data": data })).await;
    assert!(changed[0]["password_updated_at"].as_str() > before[0]["password_updated_at"].as_str(), "{changed:?}");
    for (credential, status) in [(&first, 401), (&second, 401), (&key, 200), (&other, 200), (&root, 200)] {
        assert_eq!(service.try_credential(credential).await, status);
    }
    assert_eq!(service.graphql(Some(&first), "{ users { id } }", json!({})).await.status, 401);
    let old = json!({ "username": "ada", "password": PASSWORD });
    assert_eq!(service.post("/v2/api/login", None, &old).await.status, 400);
    service.login("ada", "another password").await;
    // One's own, the token in use included.
    let own = json!({ "where": { "username": "root" }, "data": { "password": "roots new password" } });
    service.done(&root, "/update-user", own).await;
    assert_eq!(service.try_credential(&root).await, 401);
    service.login("root", "roots new password").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demotion_binds_tokens_and_keys_on_both_faces_at_once() {
    let service = Service::start().await;
    let root = service.root().await;
    let (admin, read_only) = (service.preset(&root, "USER_ADMIN").await, service.preset(&root, "READ_ONLY").await);
    service.mint(&root, "somebody else's").await;
    let (ada, token) = service.make_user(&root, "ada", &admin).await;
    let (_, key) = service.mint(&token, "ci").await;
    for _ in 0..5 {
        for (role, seen, status) in [(&admin, 2, 404), (&read_only, 1, 403)] {
            service.done(&root, "/update-user", json!({ "where": { "id": ada }, "data": { "role_id": role } })).await;
            for credential in [&token, &key] {
                let keys =
                    service.graphql(Some(credential), "{ apiKeysConnection { aggregate { count } } }", json!({})).await;
                assert_eq!(keys.json()["data"]["apiKeysConnection"]["aggregate"]["count"], seen);
                let nobody = json!({ "where": { "id": "nobody" } });
                assert_eq!(service.rest(credential, "/delete-user", nobody).await.status, status);
            }
        }
    }
}
