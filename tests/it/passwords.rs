//! Passwords: which ones are taken, that they count whole, and hashes whose cost is no longer the one that is wanted.

use std::sync::Arc;

use keytower::domain::caller::Caller;
use keytower::domain::id::UserId;
use keytower::domain::operation::Operation;
use keytower::domain::permit::authorize;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::check::error_body;
use crate::support::node::{borrowed, run, settings};
use crate::support::people::{Hold, PASSWORD, has_read, user};
use crate::support::{Answer, Database, ROOT_PASSWORD, Service};

const CREATE_USER: &str = "mutation($data: UserCreateInput!) { createUser(data: $data) { id } }";
const LOGIN: &str = "mutation($data: LoginInput!) { login(data: $data) { token } }";
/// What hashes cost before the setting was changed, and after.
const BEFORE: &str = "m=7168,t=5,p=1";
const AFTER: &str = "m=9216,t=4,p=2";

async fn login(service: &Service, username: &str, password: &str) -> Answer {
    service.post("/v2/api/login", None, &json!({ "username": username, "password": password })).await
}

fn change(username: &str, password: &str) -> Value {
    json!({ "where": { "username": username }, "data": { "password": password } })
}

/// A service without any user.
async fn fresh() -> Service {
    let settings = [("create_root", "false"), ("root_password", "")];
    Service::start_with(Arc::new(Database::new().await), &settings).await
}

/// A service whose users were made when hashes cost something else: `root`, `ada` and `bob`; the token of `root` is from then.
async fn dearer() -> (Arc<Service>, String) {
    let before = Service::start_with(Arc::new(Database::new().await), &[("password_hash", BEFORE)]).await;
    let root = before.root().await;
    let role = before.preset(&root, "READ_ONLY").await;
    for username in ["ada", "bob"] {
        before.done(&root, "/create-user", json!([user(username, &role)])).await;
        assert!(cost(&before, username).await.starts_with(&format!("$argon2id$v=19${BEFORE}$")));
    }
    let database = Arc::clone(before.database());
    drop(before);
    (Arc::new(Service::start_with(database, &[("password_hash", AFTER)]).await), root)
}

/// The stored hash of a user.
async fn cost(service: &Service, username: &str) -> String {
    column(service, username, "password_hash").await
}

async fn column(service: &Service, username: &str, column: &str) -> String {
    let db = service.database().connect().await;
    let sql = format!("SELECT {column} AS value FROM users WHERE username = '{username}'");
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
    row.try_get("", "value").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_another_cost_is_replaced_at_the_next_right_login() {
    let (service, token) = dearer().await;
    let old = cost(&service, "ada").await;
    let set = column(&service, "ada", "password_updated_at").await;
    for wrong in ["wrong password", "", &PASSWORD.to_uppercase()] {
        assert_eq!(login(&service, "ada", wrong).await.status, 400);
    }
    assert_eq!(cost(&service, "ada").await, old, "a wrong password replaces nothing");
    let first = service.login("ada", PASSWORD).await;
    let new = cost(&service, "ada").await;
    assert!(new.starts_with(&format!("$argon2id$v=19${AFTER}$")), "{new}");
    assert_eq!(column(&service, "ada", "password_updated_at").await, set, "the password is as old as it was");
    let second = service.login("ada", PASSWORD).await;
    assert_eq!(cost(&service, "ada").await, new, "once is enough");
    assert_eq!(login(&service, "ada", "wrong password").await.status, 400);
    assert!(cost(&service, "bob").await.contains(BEFORE), "nobody else's is replaced");
    // Root logs in too: the token from before lives on.
    service.root().await;
    assert!(cost(&service, "root").await.contains(AFTER));
    for token in [&token, &first, &second] {
        assert_eq!(service.try_credential(token).await, 200);
    }
    // New ones are made at the new cost at once.
    service.done(&token, "/update-user", change("bob", "another password")).await;
    assert!(cost(&service, "bob").await.contains(AFTER));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_logins_at_once_one_replaces_the_hash_and_all_succeed() {
    let (service, _) = dearer().await;
    let old = cost(&service, "ada").await;
    let mut logins = JoinSet::new();
    for _ in 0..12 {
        let service = Arc::clone(&service);
        logins.spawn(async move { service.login("ada", PASSWORD).await });
    }
    for token in logins.join_all().await {
        assert_eq!(service.try_credential(&token).await, 200);
    }
    let new = cost(&service, "ada").await;
    assert!(new.contains(AFTER), "{new}");
    // The replacement itself: of those that found the same hash, one.
    let id = UserId::from(column(&service, "bob", "id").await);
    let old_of_bob = cost(&service, "bob").await;
    let mut writes = JoinSet::new();
    for number in 0..8 {
        let (service, id, old) = (Arc::clone(&service), id.clone(), old_of_bob.clone());
        writes.spawn(async move {
            let permit = authorize(&Caller::operator(), Operation::Login).unwrap();
            let tx = service.app.begin(&permit).await.unwrap();
            let done = tx.replace_hash(&id, &old, format!("hash {number}")).await.unwrap();
            tx.commit_untold().await.unwrap();
            done.then_some(number)
        });
    }
    let winners: Vec<usize> = writes.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(cost(&service, "bob").await, format!("hash {}", winners[0]));
    assert_ne!(old, new);
}

/// The login compares while somebody else stores another hash, and comes to store its own when that is done.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_meanwhile_stays() {
    let (service, _) = dearer().await;
    let again = service.app.passwords.hash(PASSWORD.to_owned().into(), service.app.random.as_ref()).await.unwrap();
    let other = service.app.passwords.hash("another".to_owned().into(), service.app.random.as_ref()).await.unwrap();
    // Another login's hash of the same password, then somebody's new password.
    for (username, meanwhile, status) in [("ada", again, 200), ("bob", other, 400)] {
        let hold = Hold::of(&service).await;
        let before = service.app.store.statements();
        let waiting = {
            let service = Arc::clone(&service);
            tokio::spawn(async move { login(&service, username, PASSWORD).await })
        };
        has_read(&service, before).await;
        hold.run(&format!("UPDATE users SET password_hash = '{meanwhile}' WHERE username = '{username}'")).await;
        hold.release().await;
        let answer = waiting.await.unwrap();
        assert_eq!(answer.status, status, "{username}: {answer:?}");
        assert_eq!(cost(&service, username).await, meanwhile, "{username}");
    }
    assert_eq!(service.database().number("SELECT COUNT(*) FROM sessions").await, 2, "root's from before, and ada's");
    assert_eq!(login(&service, "bob", "another").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_hash_that_asks_for_gigabytes_is_refused() {
    let service = Service::start().await;
    let hash = cost(&service, "root").await;
    let db = service.database().connect().await;
    for cost in ["m=4194304,t=2,p=1", "m=19456,t=4294967295,p=1"] {
        let absurd = hash.replace("m=19456,t=2,p=1", cost);
        db.execute_unprepared(&format!("UPDATE users SET password_hash = '{absurd}'")).await.unwrap();
        let answer = login(&service, "root", ROOT_PASSWORD).await;
        assert_eq!(answer.status, 500, "{answer:?}");
        assert!(!answer.text.contains(cost), "{answer:?}");
    }
    db.execute_unprepared(&format!("UPDATE users SET password_hash = '{hash}'")).await.unwrap();
    service.root().await;
}

/// What passwords must hold; without any user there is nobody to say so.
async fn ask_for(service: &Service, complexity: &str) {
    let db = service.database().connect().await;
    for before in ["LOW", "MIDDLE"] {
        let policy = format!("UPDATE global_settings SET auth = REPLACE(auth, '{before}', '{complexity}')");
        db.execute_unprepared(&policy).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_common_passwords_are_refused_however_they_come() {
    let service = Service::start().await;
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    let (_, ada) = service.make_user(&root, "ada", &role).await;
    let fresh = fresh().await;
    for (complexity, common) in [
        (
            "LOW",
            &[
                "password",
                "PASSWORD",
                "12345678",
                "qwertyuiop",
                "1q2w3e4r5t",
                "\u{439}\u{446}\u{443}\u{43a}\u{435}\u{43d}\u{433}\u{448}\u{449}\u{437}",
            ][..],
        ),
        ("MIDDLE", &["Password123", "P@ssw0rd", "!QAZ2wsx", "Iloveyou1"]),
        ("HIGH", &["Password@123"]),
    ] {
        ask_for(&service, complexity).await;
        ask_for(&fresh, complexity).await;
        let people = service.people().await;
        for common in common {
            let words = "password must not be one of the most common ones";
            let mut new = user("bob", &role);
            new["password"] = (*common).into();
            let mut good = user("cy", &role);
            good["password"] = "Of all 4 kinds, and long".into();
            service.refused(&root, "/create-user", json!([good, new]), 400, &format!("[1].{words}")).await;
            service.refused(&root, "/update-user", change("ada", common), 400, &format!("data.{words}")).await;
            let mut data = json!({ "username": "bob", "name": "bob", "password": common, "role": "READ_ONLY" });
            let answer = service.graphql(Some(&root), CREATE_USER, json!({ "data": data })).await;
            assert!(answer.code() == "BAD_USER_INPUT" && answer.text.contains(words), "{answer:?}");
            // Without any user: over GraphQL, on the route, and as a setting.
            data["role"] = "ROOT".into();
            let answer = fresh.graphql(None, CREATE_USER, json!({ "data": data })).await;
            assert!(answer.code() == "BAD_USER_INPUT" && answer.text.contains(words), "{answer:?}");
            let answer = fresh.post("/v2/api/create-root-user", None, &json!({ "password": common })).await;
            assert!(error_body(&answer, 400, "/create-root-user").contains(words), "{answer:?}");
        }
        assert_eq!(service.people().await, people);
        assert_eq!(fresh.database().number("SELECT COUNT(*) FROM users").await, 0);
    }
    assert_eq!(service.try_credential(&ada).await, 200);
    let in_chinese = service.http.post(service.url("/v2/api/update-user")).header("authorization", &root);
    let in_chinese =
        in_chinese.header("content-language", "zh-CN").json(&change("ada", "password")).send().await.unwrap();
    let answer = Answer::read(in_chinese).await;
    assert!(answer.status == 400 && answer.text.contains("\u{5e38}\u{89c1}\u{5bc6}\u{7801}"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_password_by_setting_is_none_of_the_most_common() {
    let database = Database::new().await;
    let mut wrong = settings(&database);
    wrong.retain(|(name, _)| *name != "root_password");
    for common in ["iloveyou", "ILOVEYOU", "Password@123", "12345678", "short"] {
        wrong.push(("root_password", common.to_owned()));
        let ended = run(&borrowed(&wrong), &["user", "create", "ada"]);
        assert!(!ended.status.success() && ended.stdout.is_empty(), "{ended:?}");
        let words =
            "KEYTOWER_ROOT_PASSWORD must be 8 characters or more, at most 1024 bytes, and none of the most common";
        assert!(ended.stderr.contains(words) && !ended.stderr.contains(common), "{ended:?}");
        assert!(!std::path::Path::new(&database.data_dir()).exists(), "nothing was made");
        wrong.pop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_username_is_no_password() {
    let service = Service::start().await;
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    for name in ["ada-lovelace", "grace-hopper"] {
        service.make_user(&root, name, &role).await;
    }
    let people = service.people().await;
    let words = "password must not be the username";
    for same in ["barbara-liskov", "Barbara-LISKOV"] {
        let mut new = user("barbara-liskov", &role);
        new["password"] = same.into();
        service.refused(&root, "/create-user", json!([new]), 400, &format!("[0].{words}")).await;
        let data = json!({ "username": "barbara-liskov", "name": "b", "password": same, "role": "READ_ONLY" });
        let answer = service.graphql(Some(&root), CREATE_USER, json!({ "data": data })).await;
        assert!(answer.code() == "BAD_USER_INPUT" && answer.text.contains(words), "{answer:?}");
    }
    let both = json!({ "username_in": ["ada-lovelace", "grace-hopper"] });
    for (conditions, data) in [
        (json!({ "username": "ada-lovelace" }), json!({ "password": "Ada-Lovelace" })),
        // One of several is enough.
        (both.clone(), json!({ "password": "grace-hopper" })),
        (both.clone(), json!({ "password": "ada-lovelace" })),
        // With the name that it gets in the same change.
        (json!({ "username": "ada-lovelace" }), json!({ "username": "ada-king-noel", "password": "Ada-King-Noel" })),
    ] {
        let body = json!({ "where": conditions, "data": data });
        service.refused(&root, "/update-user", body, 400, &format!("data.{words}")).await;
    }
    assert_eq!(service.people().await, people);
    // Somebody else's name, and the name that it had.
    let body = json!({ "where": { "username": "ada-lovelace" }, "data": { "password": "grace-hopper" } });
    service.done(&root, "/update-user", body).await;
    let renamed = json!({ "username": "ada-king-noel", "password": "ada-lovelace" });
    service.done(&root, "/update-user", json!({ "where": { "username": "ada-lovelace" }, "data": renamed })).await;
    service.login("ada-king-noel", "ada-lovelace").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_passwords_are_taken_and_count_whole() {
    let service = Service::start().await;
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    service.make_user(&root, "ada", &role).await;
    let sentence = "many words in a row are easy to keep in mind and hard to guess, ";
    for password in [
        sentence.chars().cycle().take(64).collect::<String>(),
        sentence.chars().cycle().take(128).collect(),
        sentence.chars().cycle().take(129).collect(),
        sentence.chars().cycle().take(1024).collect(),
        // Of more bytes than characters: 128 of 4 bytes each, and as many as fit.
        "\u{1f511}".repeat(128),
        "\u{1f511}".repeat(256),
        // Composed; nothing is folded, trimmed or normalised.
        "\u{e9}".repeat(128),
        " \u{3000}password\u{200b}\u{fb01} ".to_owned(),
    ] {
        service.done(&root, "/update-user", change("ada", &password)).await;
        service.login("ada", &password).await;
        let letters: Vec<char> = password.chars().collect();
        let at = |place: usize| {
            letters.iter().enumerate().map(move |(here, letter)| if here == place { 'x' } else { *letter })
        };
        let mut others = vec![
            at(letters.len() - 1).collect::<String>(),
            at(0).collect(),
            letters[..letters.len() - 1].iter().collect(),
            format!("{password}x"),
            password.trim().to_owned(),
            password.to_uppercase(),
            password.replace('\u{e9}', "e\u{301}"),
            password.replace('\u{fb01}', "fi"),
            password.replace('\u{3000}', " "),
        ];
        if letters.len() > 127 {
            others.push(at(127).collect());
        }
        for other in others.iter().filter(|other| **other != password) {
            service.forget_attempts().await;
            assert_eq!(login(&service, "ada", other).await.status, 400, "{other:?} for {password:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_beyond_the_limit_is_refused_and_wrong_at_a_login() {
    let service = Service::start().await;
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    service.make_user(&root, "ada", &role).await;
    let people = service.people().await;
    let fresh = fresh().await;
    for length in [1025, 500_000] {
        let long = "x".repeat(length);
        let words = "password must have 8 characters or more and at most 1024 bytes";
        let mut new = user("bob", &role);
        new["password"] = long.clone().into();
        service.refused(&root, "/create-user", json!([new]), 400, &format!("[0].{words}")).await;
        service.refused(&root, "/update-user", change("ada", &long), 400, &format!("data.{words}")).await;
        let data = json!({ "username": "bob", "name": "bob", "password": long, "role": "READ_ONLY" });
        let answer = service.graphql(Some(&root), CREATE_USER, json!({ "data": data })).await;
        assert!(answer.code() == "BAD_USER_INPUT" && answer.text.contains(words), "{answer:?}");
        let answer = fresh.post("/v2/api/create-root-user", None, &json!({ "password": long })).await;
        assert!(error_body(&answer, 400, "/create-root-user").contains(words), "{answer:?}");
        for username in ["ada", "nobody"] {
            service.forget_attempts().await;
            let wrong = login(&service, username, "wrong password").await;
            let answer = login(&service, username, &long).await;
            assert_eq!((answer.status, &answer.text), (wrong.status, &wrong.text), "{username}");
            let data = json!({ "data": { "username": username, "password": long } });
            assert_eq!(service.graphql(None, LOGIN, data).await.code(), "LOGIN_FAILED");
        }
    }
    assert_eq!(service.people().await, people);
    assert_eq!(fresh.database().number("SELECT COUNT(*) FROM users").await, 0);
}
