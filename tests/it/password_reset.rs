//! A password set with a mailed link: the whole way, that nobody learns who exists, that a link works once, and what it does not do.

use std::sync::Arc;
use std::time::Duration;

use keytower::service::outbox;
use reqwest::header::CONTENT_LANGUAGE;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::node::{borrowed, settings};
use crate::support::own_password::{CHANGED, LINK, LOGIN_CODE, letter, token_of, with_post};
use crate::support::people::PASSWORD;
use crate::support::post::Encryption;
use crate::support::trail::{Trail, faults};
use crate::support::{Answer, Database, Node, Peer, Post, ROOT_PASSWORD, Service};

const NEW: &str = "several words in a row";
const ADA: &str = "ada@example.com";
const DEAD: &str = "this link is not valid, was used already, or is too old: ask for another one";
/// What a thief of the database reads, beside users and roles.
const TABLES: [&str; 7] =
    ["attempts", "challenges", "letters", "password_resets", "sessions", "system_audit_logs", "user_audit_logs"];

fn done() -> Value {
    json!({ "data": { "resetPassword": true } })
}

fn expect_dead(answer: &Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (200, "BAD_USER_INPUT"), "{answer:?}");
    assert_eq!(answer.json()["errors"][0]["message"], DEAD);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_sets_another_password_once() {
    let (post, service) = with_post().await;
    let token = service.make_reachable("ada", ADA).await;
    let (_, key) = service.mint(&token, "stays").await;
    // As if somebody had guessed at her password.
    for _ in 0..5 {
        service.post("/v2/api/login", None, &json!({ "username": "ada", "password": "wrong password" })).await;
    }
    let mut trail = Trail::of(service.database());
    trail.fresh().await;
    let link = service.reset_token(&post, "ada", ADA).await;
    trail
        .expect(&[
            ["", "", "requestPasswordReset", "SUCCESSED", "", "a link that sets another password was asked for"],
            ["ada", "", "requestPasswordReset", "SUCCESSED", "User", "a link that sets another password was made"],
        ])
        .await;
    assert_eq!(service.try_credential(&token).await, 200, "asking changes nothing");
    let answer = service.reset_password(&link, NEW).await;
    assert_eq!((answer.json(), answer.headers.get("set-cookie")), (done(), None), "it is no login");
    let words = "own password set with a mailed link: 1 sessions ended";
    trail.expect(&[["ada", "mailed link", "resetPassword", "SUCCESSED", "User", words]]).await;
    assert_eq!((service.try_credential(&token).await, service.try_credential(&key).await), (401, 200));
    // Nobody has to wait who has just proven that the mailbox is theirs.
    service.login("ada", NEW).await;
    assert!(!service.is_password("ada", PASSWORD).await);
    outbox::deliver(&service.app).await.unwrap();
    letter(&post, ADA, CHANGED).await;
    expect_dead(&service.reset_password(&link, "yet another one").await);
    assert!(service.is_password("ada", NEW).await);
    assert_eq!(post.waiting(), 0);
    assert_eq!(faults(&service, &[]).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_logs_nobody_in_past_their_second_factor() {
    let (post, service) = with_post().await;
    let token = service.make_reachable("ada", ADA).await;
    service.enroll_mail(&token, &post, ADA).await;
    let waiting = service.log_in("ada", PASSWORD).await;
    let code = letter(&post, ADA, LOGIN_CODE).await.code();
    let link = service.reset_token(&post, "ada", ADA).await;
    assert_eq!(service.reset_password(&link, NEW).await.json(), done());
    assert_eq!(service.try_credential(&token).await, 401);
    let late = service.verify(&waiting["mfa_meta"]["mid"], "Mail", &code).await;
    assert_eq!(late.code(), "LOGIN_FAILED", "it was begun with the old password");
    outbox::deliver(&service.app).await.unwrap();
    letter(&post, ADA, CHANGED).await;
    let login = service.log_in("ada", NEW).await;
    assert!(login["need_mfa"] == true && login["token"].is_null(), "{login}");
    let code = letter(&post, ADA, LOGIN_CODE).await.code();
    let done = service.verify(&login["mfa_meta"]["mid"], "Mail", &code).await.json();
    assert!(done["data"]["verifyMfa"]["token"].is_string(), "{done}");
}

/// The same answer, the same statements, the same rows: before a letter is sent nothing is known of a name, and afterwards the mailbox
/// tells, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn every_name_gets_the_same_answer_for_the_same_work() {
    let (post, service) = with_post().await;
    service.make_reachable("ada", ADA).await;
    let root = service.root().await;
    let role = service.preset(&root, "READ_ONLY").await;
    service.make_user(&root, "no-address", &role).await;
    // The first one pays for what later ones find ready.
    service.request_reset("warm").await;
    let before = service.app.store.statements();
    let like = service.request_reset("ada").await;
    let work = service.app.store.statements() - before;
    assert_eq!(like.json(), json!({ "data": { "requestPasswordReset": true } }));
    let long = "x".repeat(100_000);
    let names = ["nobody", "no-address", "ADA", "ada ", "", "ada\0", "\u{6784}\u{5efa}", "%", &long];
    for name in names {
        let before = service.app.store.statements();
        let answer = service.request_reset(name).await;
        assert_eq!((answer.told(), service.app.store.statements() - before), (like.told(), work), "{name:.20}");
    }
    assert_eq!(service.database().number("SELECT COUNT(*) FROM letters").await, 2 + names.len() as i64);
    assert_eq!(service.database().number("SELECT COUNT(*) FROM password_resets").await, 0);
    outbox::deliver(&service.app).await.unwrap();
    token_of(&letter(&post, ADA, LINK).await);
    assert_eq!(post.waiting(), 0);
    assert_eq!(service.database().number("SELECT COUNT(*) FROM letters").await, 0);
    assert_eq!(service.database().number("SELECT COUNT(*) FROM password_resets").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_waits_whether_the_name_exists_or_not() {
    let (_post, service) = with_post().await;
    let token = service.make_reachable("ada", ADA).await;
    let mut answers = Vec::new();
    for name in ["ada", "nobody"] {
        for _ in 0..3 {
            assert_eq!(service.request_reset(name).await.json(), json!({ "data": { "requestPasswordReset": true } }));
        }
        let answer = service.request_reset(name).await;
        assert_eq!(answer.code(), "TOO_MANY_REQUESTS");
        answers.push(answer);
    }
    assert_eq!(answers[0].told(), answers[1].told());
    assert_eq!(service.database().number("SELECT COUNT(*) FROM letters").await, 6);
    // What strangers ask for does not use up the codes that she has mailed to herself.
    let enroll = "mutation($p: String!) { enrollMail(data: { password: $p }) { mid } }";
    let enrolled = service.graphql(Some(&token), enroll, json!({ "p": PASSWORD })).await.json();
    assert!(enrolled["data"]["enrollMail"]["mid"].is_string(), "{enrolled}");
    service.clock.advance(Duration::from_secs(2));
    assert!(service.request_reset("ada").await.json().get("errors").is_none());
    // One client, many names.
    for number in 0..93 {
        assert!(service.request_reset(&format!("name {number}")).await.json().get("errors").is_none(), "{number}");
    }
    assert_eq!(service.request_reset("one more").await.code(), "TOO_MANY_REQUESTS");
    service.clock.advance(Duration::from_secs(2));
    assert!(service.request_reset("one more").await.json().get("errors").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_too_many_links_waits() {
    let (post, service) = with_post().await;
    service.make_reachable("ada", ADA).await;
    let link = service.reset_token(&post, "ada", ADA).await;
    for number in 0..100 {
        expect_dead(&service.reset_password(&format!("wrong {number}"), NEW).await);
    }
    assert_eq!(service.reset_password("wrong", NEW).await.code(), "TOO_MANY_REQUESTS");
    assert_eq!(service.reset_password(&link, NEW).await.code(), "TOO_MANY_REQUESTS");
    service.clock.advance(Duration::from_secs(2));
    assert_eq!(service.reset_password(&link, NEW).await.json(), done());
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_are_none_spent_over_or_overtaken_are_all_alike() {
    let (post, service) = with_post().await;
    let ada = service.make_reachable("ada", ADA).await;
    let root = service.root().await;
    let update = async |data: Value| {
        let body = json!({ "where": { "username": "ada" }, "data": data });
        service.done(&root, "/update-user", body).await;
    };
    let link = async || {
        service.forget_attempts().await;
        service.reset_token(&post, "ada", ADA).await
    };
    let first = link().await;
    let good = link().await;
    for wrong in ["", "none", &first, &good[1..], &good.to_uppercase(), &format!("{good} "), &format!("{good}\0")] {
        expect_dead(&service.reset_password(wrong, NEW).await);
    }
    // Not even a bad password tells a dead link from a live one.
    expect_dead(&service.reset_password(&first, "short").await);
    service.clock.advance(Duration::from_secs(30 * 60));
    expect_dead(&service.reset_password(&good, NEW).await);
    let overtaken = link().await;
    update(json!({ "password": "the admin's choice" })).await;
    expect_dead(&service.reset_password(&overtaken, NEW).await);
    let elsewhere = link().await;
    update(json!({ "email_address": "ada@elsewhere.example" })).await;
    expect_dead(&service.reset_password(&elsewhere, NEW).await);
    update(json!({ "email_address": ADA })).await;
    // A link that waits in the outbox goes to where she is reached when it is sent.
    service.request_reset("ada").await;
    update(json!({ "email_address": "ada@elsewhere.example" })).await;
    outbox::deliver(&service.app).await.unwrap();
    let moved = token_of(&letter(&post, "ada@elsewhere.example", LINK).await);
    service.delete_user("ada").await;
    expect_dead(&service.reset_password(&moved, NEW).await);
    assert_eq!(service.try_credential(&ada).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_refused_leaves_the_link_as_it_is() {
    let (post, service) = with_post().await;
    service.make_reachable("ada-lovelace", ADA).await;
    let link = service.reset_token(&post, "ada-lovelace", ADA).await;
    let people = service.people().await;
    for (new, words) in [
        ("short", "password must have 8 characters"),
        ("iloveyou", "most common"),
        ("ADA-lovelace", "must not be the username"),
        (PASSWORD, "password must not be the one before"),
    ] {
        let answer = service.reset_password(&link, new).await;
        assert!(answer.code() == "BAD_USER_INPUT" && answer.text.contains(words), "{answer:?}");
    }
    let request = service.http.post(service.url("/api/")).header(CONTENT_LANGUAGE, "zh-CN");
    let query = "mutation($d: PasswordResetInput!) { resetPassword(data: $d) }";
    for (token, words) in [(link.as_str(), "新密码不能与原密码相同"), ("none", "此链接无效")] {
        let body = json!({ "query": query, "variables": { "d": { "token": token, "new_password": PASSWORD } } });
        let answer = Answer::read(request.try_clone().unwrap().json(&body).send().await.unwrap()).await;
        assert!(answer.text.contains(words), "{answer:?}");
    }
    assert_eq!(service.people().await, people);
    assert_eq!(service.reset_password(&link, NEW).await.json(), done());
    service.login("ada-lovelace", NEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_who_spend_a_link_at_once_one_does() {
    let (post, service) = with_post().await;
    service.make_reachable("ada", ADA).await;
    for round in 0..3 {
        service.forget_attempts().await;
        let link = service.reset_token(&post, "ada", ADA).await;
        let mut racers = JoinSet::new();
        for racer in 0..20 {
            let (service, link) = (Arc::clone(&service), link.clone());
            racers.spawn(async move {
                let new = format!("round {round} racer {racer}");
                (service.reset_password(&link, &new).await, new)
            });
        }
        let (won, lost): (Vec<_>, Vec<_>) =
            racers.join_all().await.into_iter().partition(|(answer, _)| answer.json() == done());
        lost.iter().for_each(|(answer, _)| expect_dead(answer));
        assert_eq!(won.len(), 1);
        assert!(service.is_password("ada", &won[0].1).await);
        outbox::deliver(&service.app).await.unwrap();
        letter(&post, ADA, CHANGED).await;
        assert_eq!(post.waiting(), 0, "one change, one letter");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_mail_or_an_address_of_its_own_it_is_refused_for_every_name() {
    let post = Post::start(Encryption::Upgraded);
    for lacking in ["smtp_url", "public_url"] {
        let mut settings = post.settings();
        settings.retain(|(name, _)| *name != lacking);
        let service = Service::start_with(Arc::new(Database::new().await), &borrowed(&settings)).await;
        service.make_reachable("ada", ADA).await;
        let (known, unknown) = (service.request_reset("ada").await, service.request_reset("nobody").await);
        assert_eq!(known.told(), unknown.told());
        assert!(known.code() == "BAD_USER_INPUT" && known.text.contains("smtp_url and public_url"), "{known:?}");
        assert_eq!(service.database().number("SELECT COUNT(*) FROM letters").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_are_not_let_in_get_no_link_and_spend_none() {
    let (post, service) = with_post().await;
    service.make_reachable("ada", ADA).await;
    let link = service.reset_token(&post, "ada", ADA).await;
    let list = r#"UPDATE global_settings SET auth = '{"access_mode":"ALLOW","access_list":["192.0.2.1"]}'"#;
    service.database().execute(list).await;
    assert_eq!(service.request_reset("ada").await.code(), "LOGIN_FAILED");
    assert_eq!(service.reset_password(&link, NEW).await.code(), "LOGIN_FAILED");
    service.database().execute("UPDATE global_settings SET auth = '{}'").await;
    assert_eq!(service.reset_password(&link, NEW).await.json(), done());
}

/// The mail server comes back: the link is made when its letter goes out, so that it works for all of its time.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_waits_for_the_mail_server_and_not_for_longer_than_it_works() {
    let (post, service) = with_post().await;
    service.make_reachable("ada", ADA).await;
    post.set_away(true);
    service.request_reset("ada").await;
    outbox::deliver(&service.app).await.unwrap();
    assert_eq!(service.database().number("SELECT COUNT(*) FROM letters").await, 1);
    post.set_away(false);
    service.clock.advance(Duration::from_secs(25 * 60));
    outbox::deliver(&service.app).await.unwrap();
    let link = token_of(&letter(&post, ADA, LINK).await);
    service.clock.advance(Duration::from_secs(25 * 60));
    assert_eq!(service.reset_password(&link, NEW).await.json(), done());
    outbox::deliver(&service.app).await.unwrap();
    letter(&post, ADA, CHANGED).await;
    service.request_reset("ada").await;
    service.clock.advance(Duration::from_secs(30 * 60));
    outbox::deliver(&service.app).await.unwrap();
    assert_eq!((post.waiting(), service.database().number("SELECT COUNT(*) FROM letters").await), (0, 0));
    assert_eq!(service.database().number("SELECT COUNT(*) FROM password_resets").await, 0);
}

/// Whatever stands in a name or an address, past every check even, it adds no header and no recipient to a letter.
#[tokio::test(flavor = "multi_thread")]
async fn names_and_addresses_add_nothing_to_a_letter() {
    let (post, service) = with_post().await;
    let token = service.make_reachable("ada", ADA).await;
    let root = service.root().await;
    for (member, value) in [
        ("username", "ada\r\nBcc: thief@example.com"),
        ("email_address", "ada@example.com\r\nBcc: thief@example.com"),
        ("email_address", "ada@example.com\n"),
    ] {
        let body = json!({ "where": { "username": "ada" }, "data": { member: value } });
        service.refused(&root, "/update-user", body, 400, "control characters").await;
    }
    for name in ["ada\r\nBcc: thief@example.com\r\n\r\nhello", "=?utf-8?q?a=0ABcc:_thief?=", "<b>&\"'\u{202e}"] {
        service.forget_attempts().await;
        service
            .database()
            .execute(&format!(
                "UPDATE users SET username = '{}' WHERE email_address = '{ADA}'",
                name.replace('\'', "''")
            ))
            .await;
        let link = service.reset_letter(&post, name, ADA).await;
        assert_eq!((link.to.as_slice(), link.header("To")), (&[ADA.to_owned()][..], ADA), "{link:?}");
        let mut names = link.header_names();
        names.sort_unstable();
        let expected =
            ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"];
        assert_eq!((names, link.defects.len()), (expected.to_vec(), 0), "{link:?}");
        assert!(
            !link.html.contains("<b>") && !link.text.contains("\nBcc") && !link.text.contains('\u{202e}'),
            "{link:?}"
        );
        token_of(&link);
    }
    for address in [
        "ada@example.com\r\nBcc: thief@example.com",
        "ada@example.com, thief@example.com",
        "Ada <ada@example.com>",
        "ada",
    ] {
        service.forget_attempts().await;
        service
            .database()
            .execute(&format!(
                "UPDATE users SET username = 'ada', email_address = '{address}' WHERE username <> 'root'"
            ))
            .await;
        service.request_reset("ada").await;
        outbox::deliver(&service.app).await.unwrap();
        assert_eq!(
            (post.waiting(), service.database().number("SELECT COUNT(*) FROM letters").await),
            (0, 0),
            "{address}"
        );
    }
    assert_eq!(service.try_credential(&token).await, 200);
}

/// What the program itself writes and keeps, its log among it.
#[tokio::test(flavor = "multi_thread")]
async fn no_token_name_or_address_is_readable_anywhere() {
    let post = Post::start(Encryption::Upgraded);
    let database = Arc::new(Database::new().await);
    let service = Service::start_with(Arc::clone(&database), &borrowed(&post.settings())).await;
    service.make_reachable("ada", ADA).await;
    let typed = "typed-in-the-wrong-place";
    let unknown = "nobody-has-this-name";
    // While it waits.
    for name in ["ada", unknown, typed] {
        service.request_reset(name).await;
    }
    let waiting = service.rows_of(&TABLES).await;
    outbox::deliver(&service.app).await.unwrap();
    let first = token_of(&letter(&post, ADA, LINK).await);
    let kept = service.rows_of(&TABLES).await;
    // A program of its own, whose log can be read.
    let mut own = settings(&database);
    own.extend(post.settings());
    own.push(("log", "debug".to_owned()));
    drop(service);
    let node = Node::start(&borrowed(&own));
    let peer = Peer::new(node.address);
    let post_graphql = async |query: &str, data: Value| {
        let body = json!({ "query": query, "variables": { "d": data } });
        peer.post("/api/", None, &body).await.unwrap()
    };
    let request = "mutation($d: PasswordResetRequestInput!) { requestPasswordReset(data: $d) }";
    let reset = "mutation($d: PasswordResetInput!) { resetPassword(data: $d) }";
    for name in [unknown, typed, "ada"] {
        post_graphql(request, json!({ "username": name })).await;
    }
    let second = token_of(&letter(&post, ADA, LINK).await);
    assert_ne!(first, second);
    for (token, new) in [(first.as_str(), NEW), (typed, NEW), (&second, "short"), (&second, NEW), (&second, NEW)] {
        post_graphql(reset, json!({ "token": token, "new_password": new })).await;
    }
    assert_eq!(peer.login("ada", NEW).await.unwrap().status, 200);
    letter(&post, ADA, CHANGED).await;
    node.terminate();
    let mut node = node;
    node.wait();
    let log = node.log();
    let service = Service::start_with(database, &[]).await;
    let after = service.rows_of(&TABLES).await;
    assert!(log.len() > 20 && kept.len() > 5, "{log:?}");
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    for secret in [&first, &second, typed, unknown, ADA, NEW, PASSWORD, ROOT_PASSWORD] {
        let lines = [&waiting, &kept, &after, &log].into_iter().flatten();
        let found = lines.filter(|line| line.contains(secret) || line.to_lowercase().contains(&hex(secret)));
        assert_eq!(found.collect::<Vec<_>>(), Vec::<&String>::new(), "{secret}");
    }
}

/// Who sets an address decides where links go: that would let a key set a password after all.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_sets_nobodys_address() {
    let service = Service::start().await;
    service.make_reachable("ada", ADA).await;
    let root = service.root().await;
    let (_, key) = service.mint(&root, "manages users").await;
    let people = service.people().await;
    for address in [json!("thief@example.com"), json!(null)] {
        for more in [json!({}), json!({ "name": "Ada" })] {
            let mut data = json!({ "email_address": address });
            data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let body = json!({ "where": { "username": "ada" }, "data": data });
            service.refused(&key, "/update-user", body.clone(), 403, "an API key can't do this").await;
        }
    }
    assert_eq!(service.people().await, people);
    let mut trail = Trail::of(service.database());
    trail.fresh().await;
    let name = json!({ "where": { "username": "ada" }, "data": { "name": "Ada" } });
    service.done(&key, "/update-user", name).await;
    let address = json!({ "where": { "username": "ada" }, "data": { "email_address": "ada@elsewhere.example" } });
    service.done(&root, "/update-user", address).await;
    let rows = trail.fresh().await;
    let actions: Vec<&str> = rows.iter().map(|row| row["action"].as_str()).collect();
    assert_eq!(actions, ["updateUser", "updateUser"]);
}
