//! Classic keys: who may make, see, read, restrict and remove them, and that they work like any key everywhere else.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use keytower::auth::authenticate::{Credential, Named};
use keytower::domain::caller::Caller;
use keytower::domain::customer::{CustomerChange, Status};
use keytower::domain::operation::Operation;
use keytower::domain::permit::authorize;
use keytower::domain::reason::Reason;
use keytower::domain::secret::Password;
use keytower::error::{Barred, Kind};
use keytower::service::keys::classic_keys;
use keytower::service::login::{self, Login, LoginRequest, Ticket};
use keytower::service::people::customers::Viewer;
use keytower::service::people::users;
use serde_json::json;

use crate::support::people::PASSWORD;
use crate::support::{Database, ROOT_PASSWORD, Service, pass};

/// Somebody with a portal token.
struct Person {
    token: String,
    number: i64,
    caller: Caller,
}

async fn caller(service: &Service, credential: &str) -> Caller {
    service.app.authenticate(credential, None).await.unwrap().into()
}

/// Logs in for a portal token.
async fn portal(service: &Service, username: &str, password: &str) -> keytower::error::Result<(String, i64)> {
    let request = LoginRequest {
        username: username.to_owned(),
        password: Password::from(password.to_owned()),
        source: None,
        mfa_type: None,
        code: None,
        interactive: false,
        ticket: Ticket::Portal,
        answer: None,
    };
    let address = Some("127.0.0.1".parse().unwrap());
    match login::login(&service.app, &pass(&Caller { address, ..Caller::default() }), request).await? {
        Login::Done(done) => Ok((done.token.expose().to_owned(), done.number)),
        Login::NeedsCode { .. } => panic!("no code is asked for here"),
    }
}

async fn person(service: &Service, username: &str, password: &str) -> Person {
    let (token, number) = portal(service, username, password).await.unwrap();
    Person { caller: caller(service, &token).await, token, number }
}

/// `root`, a user of theirs, one of that user's, and a sibling of the second.
async fn family(service: &Service) -> [Person; 4] {
    let root = service.root().await;
    let (manager, reader) = (service.preset(&root, "USER_ADMIN").await, service.preset(&root, "READ_ONLY").await);
    let (_, child) = service.make_user(&root, "child", &manager).await;
    service.make_user(&child, "grandchild", &reader).await;
    service.make_user(&root, "sibling", &manager).await;
    let root = person(service, "root", ROOT_PASSWORD).await;
    let mut others = Vec::new();
    for name in ["child", "grandchild", "sibling"] {
        others.push(person(service, name, PASSWORD).await);
    }
    let [child, grandchild, sibling] = others.try_into().unwrap_or_else(|_| unreachable!());
    [root, child, grandchild, sibling]
}

/// The classic key of somebody, as somebody sees it.
async fn key_of(service: &Service, caller: &Caller, owner: &Person) -> Option<classic_keys::Shown> {
    let owner = owner.caller.principal.as_ref().unwrap().user.clone();
    classic_keys::list(&service.app, &Viewer::of(&pass(caller)).unwrap(), &[owner]).await.unwrap().pop()
}

fn kind<T>(result: keytower::error::Result<T>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_made_a_key_of_their_own_reads_it_again_and_nobody_else_does() {
    let service = Service::start().await;
    let app = &service.app;
    let [root, child, grandchild, sibling] = family(&service).await;
    let key = classic_keys::add(app, &pass(&grandchild.caller), grandchild.number).await.unwrap();
    assert_eq!(key.expose().len(), 64);
    assert_eq!(service.try_credential(key.expose()).await, 200);

    // Again and again, in a session and with the key itself; another key of the same user does not get at it.
    let own = caller(&service, key.expose()).await;
    let (_, minted) = service.mint(&grandchild.token, "ci").await;
    let minted = caller(&service, &minted).await;
    let read = async |caller: &Caller| {
        let shown = key_of(&service, caller, &grandchild).await.unwrap();
        assert_eq!(shown.key.owner_number, grandchild.number);
        shown.text.map(|text| text.expose().to_owned())
    };
    for _ in 0..2 {
        assert_eq!(read(&grandchild.caller).await.as_deref(), Some(key.expose()));
        assert_eq!(read(&own).await.as_deref(), Some(key.expose()));
    }
    for stranger in [&minted, &child.caller, &root.caller] {
        assert_eq!(read(stranger).await, None);
    }
    assert!(key_of(&service, &sibling.caller, &grandchild).await.is_none());
    let number = key_of(&service, &root.caller, &grandchild).await.unwrap().key.number;
    let sibling = Viewer::of(&pass(&sibling.caller)).unwrap();
    assert_eq!(kind(classic_keys::read(app, &sibling, number).await), Some(Kind::NotFound));
    // There is one of them.
    let second = classic_keys::add(app, &pass(&grandchild.caller), grandchild.number).await.unwrap_err();
    assert_eq!(second.reason(), Some(&Reason::SecondClassicKey));
    // Its text is nowhere in the database.
    let rows = service.rows_of(&["api_keys", "user_audit_logs", "sessions"]).await.join("\n");
    let hex: String = key.expose().bytes().map(|byte| format!("{byte:02X}")).collect();
    assert!(!rows.contains(key.expose()) && !rows.to_uppercase().contains(&hex));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ancestor_makes_restricts_and_removes_keys_and_strangers_find_none() {
    let service = Service::start().await;
    let app = &service.app;
    let [root, child, grandchild, sibling] = family(&service).await;
    for stranger in [&sibling, &grandchild] {
        assert_eq!(kind(classic_keys::add(app, &pass(&stranger.caller), child.number).await), Some(Kind::NotFound));
    }
    let key = classic_keys::add(app, &pass(&root.caller), grandchild.number).await.unwrap();
    // Shown once, to whoever made it; the owner never sees it.
    let shown = key_of(&service, &grandchild.caller, &grandchild).await.unwrap();
    assert!(shown.text.is_none() && shown.key.sealed.is_none());
    let number = shown.key.number;
    for stranger in [&sibling.caller] {
        assert_eq!(kind(classic_keys::restrict(app, &pass(stranger), number, "").await), Some(Kind::NotFound));
        assert_eq!(kind(classic_keys::remove(app, &pass(stranger), number).await), Some(Kind::NotFound));
    }
    let changed = service.rows_of(&["api_keys"]).await;
    for wrong in ["192.0.2", "192.0.2.0/33", "192.0.2.1 198.51.100.1"] {
        assert_eq!(kind(classic_keys::restrict(app, &pass(&child.caller), number, wrong).await), Some(Kind::Invalid));
    }
    assert_eq!(service.rows_of(&["api_keys"]).await, changed);
    classic_keys::restrict(app, &pass(&child.caller), number, "192.0.2.0/24, 2001:db8::1").await.unwrap();
    for (address, works) in
        [("192.0.2.9", true), ("::ffff:192.0.2.9", true), ("2001:db8::1", true), ("127.0.0.1", false)]
    {
        let address: IpAddr = address.parse().unwrap();
        let outcome = app.authenticate(key.expose(), Some(address)).await;
        assert_eq!(outcome.is_ok(), works, "{address}");
        assert_eq!(outcome.err().and_then(|error| error.bar()), (!works).then_some(Barred::Address));
    }
    assert_eq!(kind(app.authenticate(key.expose(), None).await), Some(Kind::Unauthenticated));
    assert_eq!(service.try_credential(key.expose()).await, 401);
    classic_keys::restrict(app, &pass(&root.caller), number, "").await.unwrap();
    assert_eq!(service.try_credential(key.expose()).await, 200);
    classic_keys::remove(app, &pass(&child.caller), number).await.unwrap();
    assert_eq!(service.try_credential(key.expose()).await, 401);
    assert_eq!(kind(classic_keys::remove(app, &pass(&child.caller), number).await), Some(Kind::NotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_classic_key_does_what_its_owner_may_do_now_and_an_ancestors_no_more_than_the_ancestor_could() {
    let service = Service::start().await;
    let app = &service.app;
    let [root, child, grandchild, _] = family(&service).await;
    let allows = async |key: &str| {
        let principal = app.authenticate(key, None).await.unwrap();
        principal.rights.actions().names()
    };
    let own = classic_keys::add(app, &pass(&grandchild.caller), grandchild.number).await.unwrap();
    let of_child = classic_keys::add(app, &pass(&root.caller), child.number).await.unwrap();
    assert!(allows(own.expose()).await.is_empty());
    assert!(allows(of_child.expose()).await.contains(&"MANAGE_USER_AND_ROLE"));
    // The owner rises, and falls again: the key with them, in the very next request.
    let admin = service.root().await;
    let roles = [service.preset(&admin, "AUDITOR").await, service.preset(&admin, "READ_ONLY").await];
    for (role, expected) in roles.iter().zip([vec!["MANAGE_AUDIT_LOG"], vec![]]) {
        let change = json!({ "where": { "username": "grandchild" }, "data": { "role_id": role } });
        service.done(&admin, "/update-user", change).await;
        let held = allows(own.expose()).await;
        assert!(expected.iter().all(|action| held.contains(action)) && held.is_empty() == expected.is_empty());
    }
    // Whoever holds less than a user does not act for them, be they their ancestor or not.
    service.database().execute("UPDATE users SET parent = NULL WHERE username = 'child'").await;
    service
        .database()
        .execute(
            "UPDATE users SET parent = (SELECT c.id FROM users c WHERE c.username = 'child') WHERE username = 'root'",
        )
        .await;
    assert_eq!(kind(classic_keys::add(app, &pass(&child.caller), root.number).await), Some(Kind::Forbidden));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tokens_and_classic_keys_manage_classic_keys() {
    let service = Service::start().await;
    let app = &service.app;
    let [root, child, grandchild, _] = family(&service).await;
    let (_, minted) = service.mint(&root.token, "ci").await;
    let minted = caller(&service, &minted).await;
    let classic = classic_keys::add(app, &pass(&child.caller), child.number).await.unwrap();
    let classic = caller(&service, classic.expose()).await;
    let number = key_of(&service, &child.caller, &child).await.unwrap().key.number;
    assert_eq!(kind(classic_keys::add(app, &pass(&minted), grandchild.number).await), Some(Kind::Forbidden));
    assert_eq!(kind(classic_keys::remove(app, &pass(&minted), number).await), Some(Kind::Forbidden));
    assert_eq!(kind(classic_keys::restrict(app, &pass(&minted), number, "").await), Some(Kind::Forbidden));
    classic_keys::add(app, &pass(&classic), grandchild.number).await.unwrap();
    // On the other faces it is a key like any other: it mints none, and makes no user.
    let classic = key_of(&service, &child.caller, &child).await.unwrap().text.unwrap();
    let mint = "mutation { createApiKey(data: { name: \"x\" }) { id } }";
    assert_eq!(service.graphql(Some(classic.expose()), mint, json!({})).await.code(), "FORBIDDEN");
    assert_eq!(service.rest(classic.expose(), "/create-user", json!([])).await.status, 403);
    // It may delete itself.
    let deleted = service.delete_key(classic.expose(), classic.expose()).await.json();
    assert!(deleted.get("errors").is_none(), "{deleted}");
    assert_eq!(service.try_credential(classic.expose()).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_make_a_key_at_once_one_does() {
    let service = Service::start().await;
    let [_, _, grandchild, _] = family(&service).await;
    let adding = (0..16).map(|_| {
        let (app, caller, number) = (service.app.clone(), grandchild.caller.clone(), grandchild.number);
        tokio::spawn(async move { classic_keys::add(&app, &pass(&caller), number).await })
    });
    let adding: Vec<_> = adding.collect();
    let mut made = Vec::new();
    for one in adding {
        made.extend(one.await.unwrap().ok());
    }
    assert_eq!(made.len(), 1);
    assert_eq!(service.try_credential(made[0].expose()).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_token_works_for_48_hours_on_every_face_and_names_its_user() {
    let service = Service::start().await;
    let root = person(&service, "root", ROOT_PASSWORD).await;
    assert_eq!(service.try_credential(&root.token).await, 200);
    let answer = service.graphql(Some(&root.token), "{ sessions { current } }", json!({})).await;
    assert_eq!(answer.json()["data"]["sessions"], json!([{ "current": true }]));
    for (of, works) in [
        (Named::Nobody, true),
        (Named::Username("root"), true),
        (Named::Username("Root"), false),
        (Named::Username(""), false),
        (Named::Number(root.number), true),
        (Named::Number(root.number + 1), false),
    ] {
        let shown = Credential { text: &root.token, of };
        assert_eq!(service.app.authenticate(shown, None).await.is_ok(), works, "{of:?}");
    }
    // Of the text itself nothing is kept.
    assert!(!service.rows_of(&["sessions", "user_audit_logs"]).await.join("\n").contains(&root.token));
    service.clock.advance(Duration::from_secs(48 * 3600 - 1));
    assert_eq!(service.try_credential(&root.token).await, 200);
    service.clock.advance(Duration::from_secs(1));
    assert_eq!(service.try_credential(&root.token).await, 401);
    let again = person(&service, "root", ROOT_PASSWORD).await;
    let out = service.graphql(Some(&again.token), "mutation { logout }", json!({})).await;
    assert!(out.json().get("errors").is_none(), "{out:?}");
    assert_eq!(service.try_credential(&again.token).await, 401);
}

/// Puts a user into a state.
async fn set_status(service: &Service, username: &str, status: Status) {
    let user = service.app.store.find_login_user(username).await.unwrap().unwrap();
    let permit = authorize(&Caller::operator(), Operation::EditCustomer).unwrap();
    let tx = service.app.begin(&permit).await.unwrap();
    tx.set_status(&user.id, status, service.app.now()).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_not_active_is_out_everywhere_at_once() {
    let service = Service::start().await;
    let [_, _, grandchild, _] = family(&service).await;
    let classic = classic_keys::add(&service.app, &pass(&grandchild.caller), grandchild.number).await.unwrap();
    for status in Status::ALL.into_iter().filter(|status| *status != Status::Active) {
        let (token, portal_token) =
            (service.login("grandchild", PASSWORD).await, person(&service, "grandchild", PASSWORD).await.token);
        let (_, minted) = service.mint(&token, "ci").await;
        let credentials = [&token, &portal_token, &minted, classic.expose()];
        for credential in credentials {
            assert_eq!(service.try_credential(credential).await, 200, "{status:?}");
        }
        set_status(&service, "grandchild", status).await;
        for credential in credentials {
            assert_eq!(service.try_credential(credential).await, 401, "{status:?}");
        }
        // With the right password they are told; with a wrong one they are told nothing.
        let refused = portal(&service, "grandchild", PASSWORD).await.unwrap_err();
        assert_eq!(refused.bar(), Some(Barred::Status(status)));
        let wrong = portal(&service, "grandchild", "a wrong password").await.unwrap_err();
        assert_eq!((wrong.kind(), wrong.bar()), (Kind::LoginFailed, None));
        let body = json!({ "username": "grandchild", "password": PASSWORD });
        assert_eq!(service.post("/v2/api/login", None, &body).await.status, 400, "{status:?}");
        service.forget_attempts().await;
        set_status(&service, "grandchild", Status::Active).await;
        // Sessions were ended for good; keys work again.
        assert_eq!([service.try_credential(&token).await, service.try_credential(&minted).await], [401, 200]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_logs_in_from_their_own_addresses_only_on_every_face() {
    let service = Service::start().await;
    family(&service).await;
    let restrict = async |addresses: &str| {
        let user = service.app.store.find_login_user("grandchild").await.unwrap().unwrap();
        let tx = service.app.begin(&authorize(&Caller::operator(), Operation::EditCustomer).unwrap()).await.unwrap();
        let user = tx.customer(user.number).await.unwrap().unwrap();
        let change = CustomerChange { address_restriction: Some(addresses.to_owned()), ..CustomerChange::default() };
        tx.change_customer(&user, &change, service.app.now()).await.unwrap();
        tx.commit().await.unwrap();
    };
    let body = json!({ "username": "grandchild", "password": PASSWORD });
    for (addresses, works) in [("192.0.2.0/24", false), ("192.0.2.0/24, 127.0.0.0/8", true), ("", true)] {
        restrict(addresses).await;
        let outcome = portal(&service, "grandchild", PASSWORD).await;
        assert_eq!(outcome.is_ok(), works, "{addresses}");
        assert_eq!(outcome.err().and_then(|error| error.bar()), (!works).then_some(Barred::Address));
        assert_eq!(service.post("/v2/api/login", None, &body).await.status == 200, works, "{addresses}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_user_has_a_number_of_their_own_and_a_parent_and_nobody_gets_it_again() {
    let service = Service::start().await;
    let [root, child, grandchild, sibling] = family(&service).await;
    let above = async |ancestor: &Person, user: &Person| {
        let id = |person: &Person| person.caller.principal.as_ref().unwrap().user.clone();
        let tx = service.app.begin(&authorize(&Caller::operator(), Operation::EditCustomer).unwrap()).await.unwrap();
        tx.is_above(&id(ancestor), &id(user)).await.unwrap()
    };
    let people = [&root, &child, &grandchild, &sibling];
    let mut numbers: Vec<i64> = people.iter().map(|person| person.number).collect();
    assert_eq!(numbers, [1001, 1002, 1003, 1004]);
    for (ancestor, theirs) in
        [(&root, [false, true, true, true]), (&child, [false, false, true, false]), (&sibling, [false; 4])]
    {
        for (user, expected) in people.iter().zip(theirs) {
            assert_eq!(above(ancestor, user).await, expected, "{} {}", ancestor.number, user.number);
        }
    }
    // Whose parent goes, belongs to the one above.
    service.delete_user("child").await;
    assert!(above(&root, &grandchild).await);
    let (name, _) = service.user("READ_ONLY").await;
    numbers.push(service.app.store.find_login_user(&name).await.unwrap().unwrap().number);
    assert_eq!(numbers.last(), Some(&1005));
    // The master's place goes to who holds everything.
    let (heir, _) = service.user("ROOT").await;
    service.delete_user("root").await;
    let tx = service.app.begin(&authorize(&Caller::operator(), Operation::EditCustomer).unwrap()).await.unwrap();
    let master = tx.master().await.unwrap().unwrap();
    let heir = service.app.store.find_login_user(&heir).await.unwrap().unwrap();
    assert_eq!(master, heir.id);
    drop(tx);
    let orphans = "SELECT COUNT(*) FROM users WHERE parent IS NULL OR parent NOT IN (SELECT id FROM users)";
    assert_eq!(service.database().number(orphans).await, 1);
    let grandchild = grandchild.caller.principal.as_ref().unwrap().user.clone();
    let tx = service.app.begin(&authorize(&Caller::operator(), Operation::EditCustomer).unwrap()).await.unwrap();
    assert!(tx.is_above(&heir.id, &grandchild).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_root_who_is_active_stays() {
    let service = Service::start().await;
    let (other, _) = service.user("ROOT").await;
    set_status(&service, &other, Status::Disabled).await;
    let root = service.root().await;
    let (manager, token) = service.user("ROOT").await;
    service.delete_user(&manager).await;
    assert_eq!(service.try_credential(&token).await, 401);
    let reader = service.preset(&root, "READ_ONLY").await;
    let demote = json!({ "where": { "username": "root" }, "data": { "role_id": reader } });
    let conditions = json!({ "username": "root" }).as_object().unwrap().clone();
    let deleted = users::delete(&service.app, &pass(&Caller::operator()), conditions).await;
    assert_eq!(kind(deleted), Some(Kind::Invalid));
    assert_eq!(service.rest(&root, "/update-user", demote).await.status, 400);
}

/// Asks over SoftLayer's REST who one is, with name and key.
async fn whoami(service: &Service, username: &str, secret: &str) -> (u16, String) {
    let url = service.url("/rest/v3.1/SoftLayer_Account/getCurrentUser.json");
    let answer = service.http.get(url).basic_auth(username, Some(secret)).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_users_with_a_second_factor_work_unless_the_operator_wants_softlayers_rule() {
    for (setting, status) in [("true", 200), ("false", 500)] {
        let settings = [("softlayer_keys_with_mfa", setting)];
        let service = Service::start_with(Arc::new(Database::new().await), &settings).await;
        let (token, _) = service.make_holder("holder").await;
        let holder = caller(&service, &token).await;
        let number = holder.principal.as_ref().unwrap().number;
        let key = classic_keys::add(&service.app, &pass(&holder), number).await.unwrap();
        let (answered, text) = whoami(&service, "holder", key.expose()).await;
        assert_eq!(answered, status, "{text}");
        assert_eq!(text.contains("SoftLayer_Exception_PermissionDenied"), setting == "false", "{text}");
        // It is about this face, and about keys.
        assert_eq!(service.try_credential(key.expose()).await, 200);
        let url = service.url("/rest/v3.1/SoftLayer_Account/getCurrentUser.json");
        assert_eq!(service.http.get(url).bearer_auth(&token).send().await.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ancestors_make_no_keys_where_the_operator_does_not_want_it() {
    let settings = [("softlayer_keys_by_ancestors", "false")];
    let service = Service::start_with(Arc::new(Database::new().await), &settings).await;
    let [root, _, grandchild, _] = family(&service).await;
    let refused = classic_keys::add(&service.app, &pass(&root.caller), grandchild.number).await;
    assert_eq!(kind(refused), Some(Kind::Forbidden));
    classic_keys::add(&service.app, &pass(&grandchild.caller), grandchild.number).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_503_in_every_dialect() {
    let service = Service::start().await;
    let (_, key) = service.mint(&service.root().await, "ci").await;
    assert_eq!(whoami(&service, "apikey", &key).await.0, 200);
    service.app.store.close().await;
    let (status, text) = whoami(&service, "apikey", &key).await;
    assert_eq!(status, 503, "{text}");
    for path in ["/xmlrpc/v3.1/SoftLayer_Account", "/soap/v3.1/SoftLayer_Account"] {
        let body = match path.contains("soap") {
            true => "<Envelope><Body><getCurrentUser/></Body></Envelope>",
            false => "<methodCall><methodName>getCurrentUser</methodName><params/></methodCall>",
        };
        let request = service.http.post(service.url(path)).bearer_auth(&key).body(body);
        assert_eq!(request.send().await.unwrap().status(), 503, "{path}");
    }
}
