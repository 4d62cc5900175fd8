//! Roles over REST: made, changed and deleted as documented, all or nothing, never beyond the caller's own rights; an edit binds
//! whoever has the role at once, and widens no key.

use std::sync::Arc;

use keytower::domain::permission::PRESETS;
use serde_json::{Value, json};

use crate::support::Service;
use crate::support::people::PASSWORD;

/// How many keys a credential knows of: all of them, or its owner's.
async fn known(service: &Service, credential: &str) -> u64 {
    let answer = service.graphql(Some(credential), "{ apiKeysConnection { aggregate { count } } }", json!({})).await;
    answer.json()["data"]["apiKeysConnection"]["aggregate"]["count"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_made_changed_and_deleted() {
    let service = Service::start().await;
    let root = service.root().await;
    let wanted = json!([
        { "name": "operator", "actions": ["VM_OPERATION_VM_POWER", "CREATE_VM", "CREATE_VM"] },
        { "name": "all", "actions": ["*"] },
        { "name": "Operator", "actions": [] },
    ]);
    let made = service.done(&root, "/create-role", wanted).await;
    let role = |made: &Value, name: &str, actions: &[&str]| {
        json!({
            "id": made["id"], "name": name, "platform": "MANAGEMENT", "preset": null, "actions": actions, "users": [],
        })
    };
    assert_eq!(made[0], role(&made[0], "operator", &["CREATE_VM", "VM_OPERATION_VM_POWER"]));
    assert_eq!(made[1], role(&made[1], "all", &["*"]));
    assert_eq!(made[2], role(&made[2], "Operator", &[]), "names differ by case");
    for made in &made {
        let listed = service.rest(&root, "/get-user-role-nexts", json!({ "where": { "id": made["id"] } })).await.json();
        assert_eq!(listed, json!([made]));
    }
    let (ada, _) = service.make_user(&root, "ada", made[0]["id"].as_str().unwrap()).await;
    let mut expected = made[0].clone();
    expected["users"] = json!([{ "id": ada, "name": "ada" }]);
    for (data, changes) in [
        (json!({}), json!({})),
        (json!({ "name": "switcher" }), json!({ "name": "switcher" })),
        (json!({ "name": "switcher", "actions": ["MANAGE_HOST"] }), json!({ "actions": ["MANAGE_HOST"] })),
        (json!({ "actions": [] }), json!({ "actions": [] })),
    ] {
        for (name, value) in changes.as_object().unwrap() {
            expected[name] = value.clone();
        }
        let body = json!({ "where": { "id": made[0]["id"] }, "data": data });
        assert_eq!(service.done(&root, "/update-role", body).await, [expected.clone()], "{data}");
    }
    let own = json!({ "preset": null });
    let body = json!({ "where": own, "data": { "actions": ["UPDATE_VM"] } });
    assert_eq!(service.done(&root, "/update-role", body).await.len(), 3, "all that are no presets");
    let unused = json!({ "preset": null, "users_none": {} });
    let mut gone = service.done(&root, "/delete-role", json!({ "where": unused })).await;
    gone.sort_by_key(ToString::to_string);
    let mut ids = [made[1]["id"].clone(), made[2]["id"].clone()].map(|id| json!({ "id": id }));
    ids.sort_by_key(ToString::to_string);
    assert_eq!(gone, ids);
    service.make_role(&root, "all", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_undoes_all_and_is_told_with_its_place() {
    let service = Service::start().await;
    let root = service.root().await;
    let used = service.make_role(&root, "used", &["CREATE_VM"]).await;
    service.make_user(&root, "ada", &used).await;
    service.make_role(&root, "unused", &["CREATE_VM"]).await;
    let before = service.people().await;
    for (second, words) in [
        (json!({ "name": "x" }), "[1]: missing field `actions`"),
        (json!({ "actions": [] }), "[1]: missing field `name`"),
        (json!({ "name": "", "actions": [] }), "[1].name must not be empty"),
        (json!({ "name": null, "actions": [] }), "[1].name: invalid type"),
        (json!({ "name": "a\0", "actions": [] }), "[1].name must not contain control"),
        (json!({ "name": "x".repeat(256), "actions": [] }), "[1].name must have at most 255"),
        (json!({ "name": "used", "actions": [] }), "[1].name \"used\" is taken"),
        (json!({ "name": "first", "actions": [] }), "[1].name \"first\" is taken"),
        (json!({ "name": "Auditor", "actions": [] }), "[1].name \"Auditor\" is taken"),
        (json!({ "name": "x", "actions": null }), "[1].actions: invalid type"),
        (json!({ "name": "x", "actions": "*" }), "[1].actions: invalid type"),
        (json!({ "name": "x", "actions": ["*", 1] }), "[1].actions[1]: invalid type"),
        (
            json!({ "name": "x", "actions": ["CREATE_VM", "create_vm"] }),
            "[1].actions[1] is \"create_vm\", which is no action",
        ),
        (json!({ "name": "x", "actions": [], "preset": "ROOT" }), "[1].preset: unknown field"),
        (json!({ "name": "x", "actions": [], "platform": "SELF_SERVICE" }), "[1].platform: unknown field"),
    ] {
        let body = json!([{ "name": "first", "actions": [] }, second]);
        service.refused(&root, "/create-role", body, 400, words).await;
    }
    service.refused(&root, "/create-role", json!({ "name": "x", "actions": [] }), 400, "must be a JSON list").await;
    let many: Vec<Value> = (0..101).map(|at| json!({ "name": format!("r{at}"), "actions": [] })).collect();
    service.refused(&root, "/create-role", json!(many), 400, "at most 100").await;
    let own = json!({ "preset": null });
    for (body, words) in [
        (json!({ "where": own, "data": { "name": "" } }), "data.name must not be empty"),
        (json!({ "where": own, "data": { "name": null } }), "data.name: invalid type: null"),
        (json!({ "where": own, "data": { "actions": null } }), "data.actions: invalid type: null"),
        (json!({ "where": own, "data": { "actions": ["ROOT"] } }), "data.actions[0] is \"ROOT\", which is no action"),
        (json!({ "where": own, "data": { "name": "one for all" } }), "data.name \"one for all\" is taken"),
        (json!({ "where": { "name": "unused" }, "data": { "name": "used" } }), "data.name \"used\" is taken"),
        (json!({ "where": null, "data": {} }), "where: invalid type: null"),
        (json!({ "where": { "actions": [] }, "data": {} }), "where.actions is not known"),
        (json!({ "where": {}, "data": { "name": "x" } }), "is the preset"),
        (json!({ "where": own, "data": { "preset": "ROOT" } }), "data.preset: unknown field"),
    ] {
        service.refused(&root, "/update-role", body, 400, words).await;
    }
    for (body, words) in [
        (json!({ "where": own }), "the role \"used\" is in use: 1 user has it"),
        (json!({ "where": {} }), "is the preset"),
        (json!({ "where": null }), "where: invalid type: null"),
        (json!({}), "missing field `where`"),
    ] {
        service.refused(&root, "/delete-role", body, 400, words).await;
    }
    let none = json!({ "name": "none" });
    service
        .refused(&root, "/update-role", json!({ "where": none, "data": { "name": "x" } }), 404, "no UserRoleNext")
        .await;
    service.refused(&root, "/delete-role", json!({ "where": none }), 404, "no UserRoleNext").await;
    assert_eq!(service.people().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn presets_stay_and_so_does_a_role_in_use() {
    let service = Service::start().await;
    let root = service.root().await;
    let before = service.people().await;
    for preset in PRESETS {
        let one = json!({ "preset": preset.name });
        let words = format!("is the preset \"{}\"", preset.name);
        for data in [json!({ "name": "x" }), json!({ "actions": [] }), json!({})] {
            service.refused(&root, "/update-role", json!({ "where": one, "data": data }), 400, &words).await;
        }
        service.refused(&root, "/delete-role", json!({ "where": one }), 400, &words).await;
    }
    assert_eq!(service.people().await, before);
    let role = service.make_role(&root, "busy", &["CREATE_VM"]).await;
    let read_only = service.preset(&root, "READ_ONLY").await;
    for name in ["ada", "bob", "cy"] {
        service.make_user(&root, name, &role).await;
    }
    let one = json!({ "where": { "id": role } });
    service.refused(&root, "/delete-role", one.clone(), 400, "3 users have it").await;
    let (_, key) = service.mint(&service.login("ada", PASSWORD).await, "of the role").await;
    let away = json!({ "where": { "roles_some": { "id": role } }, "data": { "role_id": read_only } });
    assert_eq!(service.done(&root, "/update-user", away).await.len(), 3);
    service.done(&root, "/delete-role", one).await;
    assert_eq!(service.try_credential(&key).await, 200, "without the role, not dead");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_or_changes_a_role_beyond_their_own_rights() {
    let service = Service::start().await;
    let root = service.root().await;
    let wide = service.make_role(&root, "wide", &["MANAGE_MFA_CONFIG", "CREATE_VM"]).await;
    let narrow = service.make_role(&root, "narrow", &["MANAGE_MFA_CONFIG"]).await;
    let (_, manager) = service.user("USER_ADMIN").await;
    let (_, key) = service.mint(&manager, "manages").await;
    let before = service.people().await;
    for credential in [&manager, &key] {
        for (actions, lacking) in [
            (json!(["*"]), "*"),
            (json!(["MANAGE_API_KEY", "*"]), "*"),
            (json!(["MANAGE_API_KEY", "MANAGE_VLAN"]), "MANAGE_VLAN"),
            (json!(["MANAGE_AUDIT_LOG"]), "MANAGE_AUDIT_LOG"),
        ] {
            let words = format!("lack the action {lacking}");
            let both = json!([{ "name": "ok", "actions": [] }, { "name": "mine", "actions": actions }]);
            let place = format!("[1].actions goes beyond your own rights: you {words}");
            service.refused(credential, "/create-role", both, 403, &place).await;
            let body = json!({ "where": { "id": narrow }, "data": { "actions": actions } });
            service.refused(credential, "/update-role", body, 403, &words).await;
        }
        // What holds more than they do is not theirs, not even to take from it.
        for data in [json!({ "name": "x" }), json!({ "actions": [] })] {
            let body = json!({ "where": { "id": wide }, "data": data });
            service.refused(credential, "/update-role", body, 403, "lack the action CREATE_VM").await;
        }
        service.refused(credential, "/delete-role", json!({ "where": { "id": wide } }), 403, "CREATE_VM").await;
    }
    for preset in ["ADMIN", "AUDITOR", "READ_ONLY", "VM_USER"] {
        let (name, token) = service.user(preset).await;
        for (path, body) in [
            ("/create-role", json!([{ "name": "x", "actions": [] }])),
            ("/update-role", json!({ "where": { "id": narrow }, "data": { "actions": [] } })),
            ("/delete-role", json!({ "where": { "id": narrow } })),
        ] {
            service.refused(&token, path, body, 403, "MANAGE_USER_AND_ROLE").await;
        }
        service.delete_user(&name).await;
    }
    assert_eq!(service.people().await, before);
    let made = service.make_role(&manager, "logins", &["MANAGE_MFA_CONFIG", "MANAGE_API_KEY"]).await;
    let less = json!({ "where": { "id": made }, "data": { "actions": ["MANAGE_API_KEY"] } });
    service.done(&key, "/update-role", less).await;
    service.done(&manager, "/delete-role", json!({ "where": { "id_in": [made, narrow] } })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_widens_no_role_and_nobody_edits_their_own() {
    let service = Service::start().await;
    let root = service.root().await;
    let (_, key) = service.mint(&root, "automation").await;
    let role = service.make_role(&root, "role", &["CREATE_VM", "MANAGE_USER_AND_ROLE"]).await;
    let (_, ada) = service.make_user(&root, "ada", &role).await;
    let edit = |actions: &[&str]| json!({ "where": { "id": role }, "data": { "actions": actions } });
    let wider = ["CREATE_VM", "MANAGE_USER_AND_ROLE", "UPDATE_VM"];
    service.refused(&key, "/update-role", edit(&wider), 403, "log in").await;
    for actions in [&["CREATE_VM"][..], &["MANAGE_USER_AND_ROLE"], &[]] {
        service.refused(&ada, "/update-role", edit(actions), 400, "your own role").await;
    }
    service.done(&ada, "/update-role", edit(&["MANAGE_USER_AND_ROLE", "CREATE_VM"])).await;
    service.done(&ada, "/update-role", json!({ "where": { "id": role }, "data": { "name": "renamed" } })).await;
    service.done(&key, "/update-role", edit(&["CREATE_VM"])).await;
    service.refused(&ada, "/update-role", edit(&wider), 403, "MANAGE_USER_AND_ROLE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_binds_tokens_and_keys_at_once_and_widens_no_key() {
    let service = Service::start().await;
    let root = service.root().await;
    service.mint(&root, "somebody else's").await;
    let role = service.make_role(&root, "edited", &["CREATE_VM"]).await;
    let (_, token) = service.make_user(&root, "ada", &role).await;
    let (_, narrow) = service.mint(&token, "narrow").await;
    let edit = async |actions: &[&str]| {
        service.done(&root, "/update-role", json!({ "where": { "id": role }, "data": { "actions": actions } })).await;
    };
    let manages = async |credential: &str| {
        let nobody = json!({ "where": { "id": "nobody" } });
        match service.rest(credential, "/delete-user", nobody).await.status {
            404 => true,
            403 => false,
            other => panic!("{other}"),
        }
    };
    edit(&["MANAGE_API_KEY", "MANAGE_USER_AND_ROLE"]).await;
    assert_eq!((known(&service, &token).await, manages(&token).await), (2, true));
    assert_eq!((known(&service, &narrow).await, manages(&narrow).await), (1, false), "gaining never widens a key");
    let (_, wide) = service.mint(&token, "wide").await;
    for _ in 0..5 {
        edit(&[]).await;
        for credential in [&token, &wide, &narrow] {
            assert_eq!((known(&service, credential).await, manages(credential).await), (2, false));
        }
        edit(&["*"]).await;
        for (credential, seen) in [(&token, 3), (&wide, 3), (&narrow, 2)] {
            assert_eq!((known(&service, credential).await, manages(credential).await), (seen, seen == 3));
        }
    }
}

/// Users move from role to role, roles are deleted behind them, and they mint all the while: nobody is answered 5xx.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_minted_while_roles_come_and_go() {
    let service = Arc::new(Service::start().await);
    let root = service.root().await;
    let first = service.make_role(&root, "role", &[]).await;
    let (ada, token) = service.make_user(&root, "ada", &first).await;
    let minters: Vec<_> = (0..4)
        .map(|_| {
            let (service, token) = (Arc::clone(&service), token.clone());
            tokio::spawn(async move {
                for _ in 0..20 {
                    service.mint(&token, "during").await;
                }
            })
        })
        .collect();
    let mut role = first;
    let mut moves = 0;
    while !minters.iter().all(tokio::task::JoinHandle::is_finished) {
        moves += 1;
        let next = service.make_role(&root, &format!("role {moves}"), &[]).await;
        let give = json!({ "where": { "id": ada }, "data": { "role_id": next } });
        service.done(&root, "/update-user", give).await;
        service.done(&root, "/delete-role", json!({ "where": { "id": role } })).await;
        role = next;
    }
    for minter in minters {
        minter.await.unwrap();
    }
    println!("80 keys were minted during {moves} moves from role to role");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_want_one_name_one_gets_it() {
    let service = Arc::new(Service::start().await);
    let root = service.root().await;
    let racers: Vec<_> = (0..16)
        .map(|_| {
            let (service, token) = (Arc::clone(&service), root.clone());
            tokio::spawn(async move {
                service.rest(&token, "/create-role", json!([{ "name": "one", "actions": [] }])).await
            })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        let answer = racer.await.unwrap();
        assert!(answer.status == 200 || answer.text.contains("taken"), "{answer:?}");
        won += usize::from(answer.status == 200);
    }
    assert_eq!((won, service.database().number("SELECT COUNT(*) FROM roles WHERE name = 'one'").await), (1, 1));
}
