//! Letters that wait: of logins from new devices and of changed factors. They come once, whatever the mail server and the node do, and
//! nobody waits for them.

use std::sync::Arc;
use std::time::Duration;

use keytower::domain::caller::Caller;
use keytower::service::outbox;
use keytower::service::people::users;
use keytower::{jobs, service};
use reqwest::header::{CONTENT_LANGUAGE, COOKIE, HeaderValue, SET_COOKIE, USER_AGENT};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::node::{borrowed, settings};
use crate::support::people::{PASSWORD, user};
use crate::support::post::{self, Encryption};
use crate::support::trail::Trail;
use crate::support::{Answer, Database, Node, Peer, Post, Service, pass};

const JANE: &str = "jane@example.com";
const LAPTOP: &str = "laptop/1.0";
const PHONE: &str = "phone/2.0";
const WAITING: &str = "SELECT COUNT(*) FROM letters";
const HOUR: Duration = Duration::from_secs(3600);

/// A service that sends its letters to a post office, with a user whose address that is.
async fn service(post: &Post) -> Service {
    let service = Service::start_with(Arc::new(Database::new().await), &borrowed(&post.settings())).await;
    make(&service, "jane", Some(JANE)).await;
    service
}

async fn beside(service: &Service, settings: &[(&'static str, String)]) -> Service {
    Service::start_with(Arc::clone(service.database()), &borrowed(settings)).await
}

/// Makes a user: its id.
async fn make(service: &Service, username: &str, address: Option<&str>) -> String {
    let root = service.root().await;
    let mut new = user(username, &service.preset(&root, "READ_ONLY").await);
    new["email_address"] = json!(address);
    service.done(&root, "/create-user", json!([new])).await[0]["id"].as_str().unwrap().to_owned()
}

/// Logs in with GraphQL.
async fn login(service: &Service, username: &str, headers: &[(reqwest::header::HeaderName, HeaderValue)]) -> Answer {
    let query = "mutation($u: String!, $p: String!) { login(data: { username: $u, password: $p }) { token } }";
    let body = json!({ "query": query, "variables": { "u": username, "p": PASSWORD } });
    let mut request = service.http.post(service.url("/api")).json(&body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = Answer::read(request.send().await.unwrap()).await;
    assert!(answer.json()["data"]["login"]["token"].is_string(), "{answer:?}");
    answer
}

async fn login_from(service: &Service, username: &str, agent: &str) -> Answer {
    login(service, username, &[(USER_AGENT, HeaderValue::from_str(agent).unwrap())]).await
}

async fn waiting(service: &Service) -> i64 {
    service.database().number(WAITING).await
}

async fn deliver(service: &Service) {
    outbox::deliver(&service.app).await.unwrap();
}

/// Waits until a letter was tried so many times.
async fn tried(service: &Service, times: i64) {
    while service.database().number(&format!("SELECT COUNT(*) FROM letters WHERE tries >= {times}")).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A mail server that takes connections and says nothing, in place of another one.
async fn silent(post: &Post) -> (TcpListener, Vec<(&'static str, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://localhost:{}", listener.local_addr().unwrap().port());
    let mut settings = post.settings();
    settings.retain(|(name, _)| *name != "smtp_url");
    settings.push(("smtp_url", url));
    (listener, settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_from_a_new_device_is_told_once() {
    let post = Post::start(Encryption::Upgraded);
    let service = service(&post).await;
    let nobody = make(&service, "nobody", None).await;
    // Not the first one ever, and not again from there.
    let first = login_from(&service, "jane", LAPTOP).await;
    login_from(&service, "jane", LAPTOP).await;
    assert_eq!(waiting(&service).await, 0);
    login_from(&service, "jane", PHONE).await;
    assert_eq!(waiting(&service).await, 1, "it waits before anybody sends it");
    deliver(&service).await;
    let letter = post.letter_to(JANE).await;
    for words in ["jane", PHONE, "127.0.0.1", "not used before", "end your sessions"] {
        assert!(letter.text.contains(words), "{words}: {letter:?}");
    }
    assert!(!letter.text.contains("从未使用过"), "{letter:?}");
    login_from(&service, "jane", PHONE).await;
    login_from(&service, "jane", LAPTOP).await;
    // Its cookie makes a device known, whatever it calls itself.
    let cookie = first.headers[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let as_known = [
        (USER_AGENT, HeaderValue::from_static("laptop/1.1")),
        (COOKIE, HeaderValue::from_str(&format!("a=b; {cookie}; c=d")).unwrap()),
    ];
    login(&service, "jane", &as_known).await;
    // One of another user does not, nor does a failed login tell anybody.
    login_from(&service, "nobody", LAPTOP).await;
    login_from(&service, "nobody", PHONE).await;
    let wrong = json!({ "username": "jane", "password": "wrong" });
    assert_eq!(service.post("/v2/api/login", None, &wrong).await.status, 400);
    deliver(&service).await;
    assert_eq!((post.waiting(), waiting(&service).await), (0, 0), "{nobody}");
    // In the language of the login, on REST too.
    let body = json!({ "username": "jane", "password": PASSWORD });
    for (language, chinese) in [("zh-CN", true), ("*", true), ("en-US", false)] {
        let request = service.http.post(service.url("/v2/api/login")).header(CONTENT_LANGUAGE, language);
        let request = request.header(USER_AGENT, format!("tablet-{language}"));
        assert_eq!(request.json(&body).send().await.unwrap().status(), 200);
        deliver(&service).await;
        let letter = post.letter_to(JANE).await;
        assert_eq!(letter.text.contains("从未使用过"), chinese, "{letter:?}");
        assert_eq!(letter.text.contains("not used before"), language != "zh-CN", "{letter:?}");
    }
    assert_eq!((post.waiting(), waiting(&service).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_waits_where_there_is_no_mail_server() {
    let service = Service::start().await;
    make(&service, "jane", Some(JANE)).await;
    for agent in [LAPTOP, PHONE] {
        login_from(&service, "jane", agent).await;
    }
    assert_eq!(waiting(&service).await, 0);
    deliver(&service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_away_delays_letters_and_nothing_else() {
    let post = Post::start(Encryption::Upgraded);
    let service = service(&post).await;
    post.set_away(true);
    login_from(&service, "jane", LAPTOP).await;
    login_from(&service, "jane", PHONE).await;
    let mut trail = Trail::of(service.database());
    trail.fresh().await;
    // The pauses grow: 10 s, 20 s, 40 s, ... 640 s, 640 s.
    let mut pause = 10;
    for tries in 1..10 {
        deliver(&service).await;
        tried(&service, tries).await;
        service.clock.advance(Duration::from_secs(pause - 1));
        deliver(&service).await;
        let sooner = format!("SELECT COUNT(*) FROM letters WHERE tries > {tries}");
        assert_eq!(service.database().number(&sooner).await, 0, "it is tried too soon");
        service.clock.advance(Duration::from_secs(1));
        pause = (pause * 2).min(640);
    }
    post.set_away(false);
    deliver(&service).await;
    assert!(post.letter_to(JANE).await.text.contains(PHONE));
    assert_eq!((post.waiting(), waiting(&service).await), (0, 0));
    // A day is the end of it, and is told.
    post.set_away(true);
    login_from(&service, "jane", "tablet/3.0").await;
    deliver(&service).await;
    service.clock.advance(HOUR * 24);
    trail.fresh().await;
    deliver(&service).await;
    assert_eq!(waiting(&service).await, 0);
    let rows = trail
        .expect(&[["", "", "maintain", "FAILED", "", "a letter to j***@example.com could not be sent for 24 h"]])
        .await;
    assert!(!format!("{rows:?}").contains(JANE), "{rows:?}");
    post.set_away(false);
    deliver(&service).await;
    assert_eq!(post.waiting(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_sent_is_dropped_and_told() {
    let post = Post::start(Encryption::Upgraded);
    let service = service(&post).await;
    // An address from before addresses were looked at, and a letter that was damaged.
    let db = service.database().connect().await;
    db.execute_unprepared("UPDATE users SET email_address = 'jane' WHERE username = 'jane'").await.unwrap();
    for agent in [LAPTOP, PHONE] {
        login_from(&service, "jane", agent).await;
    }
    let mut trail = Trail::of(service.database());
    trail.fresh().await;
    deliver(&service).await;
    db.execute_unprepared("UPDATE users SET email_address = 'jane@example.com' WHERE username = 'jane'").await.unwrap();
    login_from(&service, "jane", "tablet/3.0").await;
    // Moved to another row, it opens no more.
    db.execute_unprepared("UPDATE letters SET id = 'elsewhere'").await.unwrap();
    deliver(&service).await;
    let rows = trail.fresh().await;
    let told: Vec<_> =
        rows.iter().filter(|row| row["action"] == "maintain").map(|row| row["message"].clone()).collect();
    assert_eq!(told.len(), 2, "{rows:#?}");
    assert!(
        told[0].contains("can't be sent: that is no e-mail address") && told[1] == "a letter can't be read",
        "{told:?}"
    );
    assert_eq!((post.waiting(), waiting(&service).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_send_no_letter_twice() {
    const LETTERS: usize = 20;
    let post = Post::start(Encryption::Upgraded);
    let here = service(&post).await;
    let there = beside(&here, &post.settings()).await;
    for at in 0..=LETTERS {
        login_from(&here, "jane", &format!("device-{at}")).await;
    }
    there.clock.advance(Duration::from_secs(60));
    here.clock.advance(Duration::from_secs(60));
    let work = |service: &Service| {
        let app = Arc::clone(&service.app);
        tokio::spawn(async move {
            // A node that was slower to claim one comes again, as it does every second.
            for _ in 0..LETTERS {
                outbox::deliver(&app).await.unwrap();
            }
        })
    };
    let (one, other) = (work(&here), work(&there));
    one.await.unwrap();
    other.await.unwrap();
    let mut told = Vec::new();
    for _ in 0..LETTERS {
        let text = post.letter_to(JANE).await.text;
        told.push((1..=LETTERS).rev().find(|at| text.contains(&format!("device-{at}"))).unwrap());
    }
    told.sort_unstable();
    assert_eq!(told, (1..=LETTERS).collect::<Vec<_>>());
    assert_eq!((post.waiting(), waiting(&here).await), (0, 0));
}

/// A node that dies while it sends leaves the letter to others, once they can tell that it is not just slow.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_was_claimed_by_the_dead_comes_later() {
    let post = Post::start(Encryption::Upgraded);
    let (_listener, hanging) = silent(&post).await;
    let alive = service(&post).await;
    let dying = beside(&alive, &hanging).await;
    for agent in [LAPTOP, PHONE] {
        login_from(&alive, "jane", agent).await;
    }
    let app = Arc::clone(&dying.app);
    let sending = tokio::spawn(async move { outbox::deliver(&app).await });
    tried(&alive, 1).await;
    // Past the other node's clock, which may be ahead, and within the time of the claim.
    alive.clock.advance(Duration::from_secs(60));
    deliver(&alive).await;
    sending.abort();
    deliver(&alive).await;
    assert_eq!((post.waiting(), waiting(&alive).await), (0, 1), "it may still be sent by the one that claimed it");
    // The time that sending may take, 30 s more, and what the other node's clock is ahead.
    alive.clock.advance(Duration::from_secs(60 + 30 + 300));
    deliver(&alive).await;
    assert!(post.letter_to(JANE).await.text.contains(PHONE));
    assert_eq!((post.waiting(), waiting(&alive).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passive_node_sends_nothing() {
    let post = Post::start(Encryption::Upgraded);
    let service = service(&post).await;
    for agent in [LAPTOP, PHONE] {
        login_from(&service, "jane", agent).await;
    }
    service.app.node.set(true).unwrap();
    deliver(&service).await;
    assert_eq!((post.waiting(), waiting(&service).await), (0, 1));
    service.app.node.set(false).unwrap();
    deliver(&service).await;
    post.letter_to(JANE).await;
}

/// Nobody waits for a mail server that takes a connection and says nothing: not who logs in, and not the other work of the node.
#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_mail_server_holds_up_nothing() {
    let post = Post::start(Encryption::Upgraded);
    let (_listener, hanging) = silent(&post).await;
    let service = Service::start_with(Arc::new(Database::new().await), &borrowed(&hanging)).await;
    make(&service, "jane", Some(JANE)).await;
    service.import_example().await;
    for agent in [LAPTOP, PHONE] {
        login_from(&service, "jane", agent).await;
    }
    let working = tokio::spawn(jobs::run(Arc::clone(&service.app)));
    tried(&service, 1).await;
    let root = service.root().await;
    let (tasks, _) = service.power(&root, "/start-vm", json!({ "status": "STOPPED" })).await;
    service.clock.advance(Duration::from_secs(2));
    while service.task(&root, &tasks[0]).await["status"] != "SUCCESSED" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // All the while.
    assert_eq!(service.database().number("SELECT COUNT(*) FROM letters WHERE tries = 1").await, 1);
    working.abort();
}

/// What waits is sealed: who reads the database reads no letter, and can't have one sent elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_letter_can_be_read_in_the_database() {
    let post = Post::start(Encryption::Upgraded);
    let service = service(&post).await;
    for agent in [LAPTOP, PHONE] {
        login_from(&service, "jane", agent).await;
    }
    let db = service.database().connect().await;
    let select = Statement::from_string(db.get_database_backend(), "SELECT sealed FROM letters");
    let rows = db.query_all_raw(select).await.unwrap();
    assert_eq!(rows.len(), 1);
    let sealed: Vec<u8> = rows[0].try_get("", "sealed").unwrap();
    let mut places = vec![sealed];
    for entry in std::fs::read_dir(service.database().data_dir()).unwrap() {
        places.push(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|part| part == word.as_bytes());
    for bytes in &places {
        assert!(!holds(bytes, "NewDevice") && !holds(bytes, "\"letter\""));
    }
    for word in [JANE, "jane", PHONE, "127.0.0.1"] {
        assert!(!holds(&places[0], word), "{word}");
    }
}

/// What a program calls itself comes from whoever knows the password: it stays on its line, and no link is made of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_of_a_program_stays_a_name() {
    let post = Post::start(Encryption::Upgraded);
    let service = service(&post).await;
    login_from(&service, "jane", LAPTOP).await;
    let long = "x".repeat(4000);
    let hostile: [&[u8]; 5] = [
        b"https://evil.example/login <a href='https://evil.example'>click</a>",
        b"{{ 7 * 7 }} %s %00 =?utf-8?b?QQ==?= \t tabs",
        b"\xff\xfe\x80 bytes",
        b"</p><script>alert(1)</script>",
        long.as_bytes(),
    ];
    for agent in hostile {
        login(&service, "jane", &[(USER_AGENT, HeaderValue::from_bytes(agent).unwrap())]).await;
        deliver(&service).await;
        let post::Letter { text, html, defects, to, .. } = post.letter_to(JANE).await;
        assert!(
            !text.contains("evil.example") && !html.contains("evil.example") && !html.contains("<script"),
            "{html}"
        );
        assert!(text.lines().all(|line| line.len() < 400) && defects.is_empty() && to == [JANE], "{text}");
        assert!(text.contains("Program, in its own words"), "{text}");
    }
    assert_eq!((post.waiting(), waiting(&service).await), (0, 0));
}

/// Asks as somebody with a token, and takes the answer's data.
async fn ask(service: &Service, token: &str, query: &str, variables: Value) -> Value {
    let answer = service.graphql(Some(token), query, variables).await;
    assert!(answer.json().get("errors").is_none(), "{query}: {answer:?}");
    answer.json()["data"].clone()
}

const ENROLL: &str = "mutation($p: String!) { enrollMail(data: { password: $p }) { recipient } }";
const CONFIRM: &str = "mutation($c: String!) { confirmMail(data: { code: $c }) { recovery_codes } }";

/// Enrols codes by mail to an address: the recovery codes, where there are new ones.
async fn enroll(service: &Service, post: &Post, token: &str, address: &str) -> Vec<String> {
    ask(service, token, ENROLL, json!({ "p": PASSWORD })).await;
    let code = post.code_to(address).await;
    let confirmed = ask(service, token, CONFIRM, json!({ "c": code })).await;
    let codes = confirmed["confirmMail"]["recovery_codes"].as_array().cloned().unwrap_or_default();
    codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

/// Sends what waits: exactly one letter to each of these addresses, which says this.
async fn expect(service: &Service, post: &Post, to: &[&str], words: &str) {
    deliver(service).await;
    for address in to {
        let letter = post.letter_to(address).await;
        assert!(letter.text.contains(words) && letter.text.contains("jane"), "{words}: {letter:?}");
    }
    assert_eq!((post.waiting(), waiting(service).await), (0, 0), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_factors_is_told_where_codes_went_too() {
    let post = Post::start(Encryption::Upgraded);
    let service = service(&post).await;
    let token = service.login("jane", PASSWORD).await;
    let codes = enroll(&service, &post, &token, JANE).await;
    expect(&service, &post, &[JANE], "a second factor of type Mail was added").await;
    let renew = "mutation { renewRecoveryCodes { recovery_codes } }";
    let renewed = ask(&service, &token, renew, json!({})).await;
    expect(&service, &post, &[JANE], "the recovery codes were replaced").await;
    // A wrong code and an enrolment that is not proven tell nobody.
    let remove = "mutation($c: String!) { removeMfa(data: { type: Mail, code: $c }) { factors { type } } }";
    assert_eq!(service.graphql(Some(&token), remove, json!({ "c": codes[0] })).await.code(), "LOGIN_FAILED");
    assert_eq!(waiting(&service).await, 0);
    // Codes go elsewhere from now on: who read the old address learns that.
    let conditions = json!({ "username": "jane" }).as_object().unwrap().clone();
    let elsewhere = "jane@elsewhere.example";
    let root = service.root().await;
    let change = json!({ "where": conditions, "data": { "email_address": elsewhere } });
    service.done(&root, "/update-user", change).await;
    expect(&service, &post, &[elsewhere, JANE], "The e-mail address of your account was changed").await;
    enroll(&service, &post, &token, elsewhere).await;
    expect(&service, &post, &[elsewhere, JANE], "a second factor of type Mail was added").await;
    let code = renewed["renewRecoveryCodes"]["recovery_codes"][0].as_str().unwrap();
    ask(&service, &token, remove, json!({ "c": code })).await;
    expect(&service, &post, &[elsewhere], "the second factor of type Mail was removed").await;
    // Whoever manages factors takes them all: the addresses are those of the user, not of the manager.
    enroll(&service, &post, &token, elsewhere).await;
    deliver(&service).await;
    post.letter_to(elsewhere).await;
    let change = json!({ "where": conditions, "data": { "email_address": JANE } });
    service.done(&root, "/update-user", change).await;
    expect(&service, &post, &[elsewhere, JANE], "The e-mail address of your account was changed").await;
    let reset = "mutation { resetMfa(where: { user: { username: \"jane\" } }) { id } }";
    ask(&service, &root, reset, json!({})).await;
    expect(&service, &post, &[JANE, elsewhere], "all second factors were reset").await;
    // Nothing was there to be taken: nothing is told.
    ask(&service, &root, reset, json!({})).await;
    expect(&service, &post, &[], "").await;
    let deleted = users::delete(&service.app, &pass(&Caller::operator()), conditions).await.unwrap();
    assert_eq!(deleted.len(), 1);
}

/// The real program, killed between the login and the sending: the next start sends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_outlives_the_program() {
    let post = Post::start(Encryption::Upgraded);
    let database = Arc::new(Database::new().await);
    let mut all = settings(&database);
    all.extend(post.settings());
    let mut node = Node::start(&borrowed(&all));
    let beside = Service::start_with(Arc::clone(&database), &borrowed(&post.settings())).await;
    make(&beside, "jane", Some(JANE)).await;
    login_from(&beside, "jane", LAPTOP).await;
    post.set_away(true);
    let answer = Peer::new(node.address).login("jane", PASSWORD).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(database.number(WAITING).await, 1);
    node.kill();
    post.set_away(false);
    let node = Node::start(&borrowed(&all));
    assert!(post.letter_to(JANE).await.text.contains("not used before"));
    while database.number(WAITING).await > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(post.waiting(), 0);
    drop(node);
    service::audit::write_refusals(&beside.app).await.unwrap();
}
