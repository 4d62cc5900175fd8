//! How guesses at passwords are slowed down: counted before they are judged, over faces, nodes, names and spellings, and never against
//! the owner.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::policy::two_nodes;
use crate::support::node::{borrowed, settings};
use crate::support::otp::{STEP_TIME, align, pass, refusal, token};
use crate::support::people::PASSWORD;
use crate::support::visitor::BEHIND_PROXY;
use crate::support::{Answer, Database, Node, Peer, ROOT_PASSWORD, Service, Visitor};

const HERE: &str = "203.0.113.7";

/// What a login came to on either face: `token`, `wrong`, or for how many seconds it has to wait.
fn outcome(answer: &Answer) -> String {
    if answer.text.contains("eyJ") {
        return "token".to_owned();
    }
    let (body, header) = (answer.json(), answer.headers.get("retry-after"));
    let extensions = &body["errors"][0]["extensions"];
    let wait = extensions["retryAfter"].as_u64().or(header.map(|value| value.to_str().unwrap().parse().unwrap()));
    match wait {
        Some(wait) => {
            assert!(answer.status == 429 || extensions["code"] == "TOO_MANY_REQUESTS", "{answer:?}");
            wait.to_string()
        }
        None => {
            assert!(answer.status == 400 || extensions["code"] == "LOGIN_FAILED", "{answer:?}");
            "wrong".to_owned()
        }
    }
}

/// One login on one of the faces.
async fn try_on(visitor: &Visitor<'_>, face: usize, username: &str, password: &str) -> String {
    let answer = match face % 2 {
        0 => visitor.rest_login(username, password).await,
        _ => visitor.login(username, password, json!({})).await,
    };
    outcome(&answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_doubles_up_to_a_quarter_of_an_hour_and_ends_by_itself() {
    let nodes = two_nodes(&[BEHIND_PROXY]).await;
    align(&nodes);
    for username in ["root", "nobody"] {
        let stranger = Visitor::at(&nodes[0], HERE);
        let both = [stranger.clone(), stranger.via(&nodes[1])];
        for turn in 0..5 {
            assert_eq!(try_on(&both[turn % 2], turn / 2, username, "wrong").await, "wrong", "{username} {turn}");
        }
        // Every further wrong one doubles it; the right one is not judged either, and what is refused does not count.
        let mut waits = Vec::new();
        for turn in 0..13 {
            let wait: u64 = try_on(&both[turn % 2], turn, username, "wrong").await.parse().unwrap();
            for face in 0..4 {
                let refused = try_on(&both[face % 2], face / 2, username, ROOT_PASSWORD).await;
                assert_eq!(refused, wait.to_string(), "{username}");
            }
            waits.push(wait);
            pass(&nodes, Duration::from_secs(wait - 1));
            assert_eq!(try_on(&both[turn % 2], turn, username, ROOT_PASSWORD).await, "1", "{username}");
            pass(&nodes, Duration::from_secs(1));
            assert_eq!(try_on(&both[turn % 2], turn, username, "wrong").await, "wrong", "{username}");
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900], "{username}");
    }
    // Nobody else is held off, from there or at that name; and the wait ends with a right one, and with the day.
    assert_eq!(try_on(&Visitor::at(&nodes[0], "203.0.113.8"), 0, "root", ROOT_PASSWORD).await, "token");
    assert_eq!(try_on(&Visitor::at(&nodes[0], HERE), 0, "Root", "wrong").await, "wrong");
    pass(&nodes, Duration::from_secs(900));
    assert_eq!(try_on(&Visitor::at(&nodes[1], HERE), 1, "root", ROOT_PASSWORD).await, "token");
    for turn in 0..5 {
        assert_eq!(try_on(&Visitor::at(&nodes[0], HERE), turn, "root", "wrong").await, "wrong");
    }
    pass(&nodes, Duration::from_secs(24 * 3600));
    for turn in 0..5 {
        assert_eq!(try_on(&Visitor::at(&nodes[0], HERE), turn, "nobody", "wrong").await, "wrong");
    }
}

/// Twenty guesses at once at two nodes over both faces, with all the headers that somebody may think of.
#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_at_once_five_are_judged_whatever_they_look_like() {
    let nodes = Arc::new(two_nodes(&[]).await);
    align(&nodes[..]);
    for username in ["root", "nobody", ""] {
        let mut guesses = JoinSet::new();
        for turn in 0..20_usize {
            let (nodes, username) = (Arc::clone(&nodes), username.to_owned());
            guesses.spawn(async move {
                let node = &nodes[turn % 2];
                let somewhere = format!("198.51.100.{turn}");
                let data = json!({ "username": username, "password": format!("guess {turn}"), "source": "LOCAL" });
                let login = "mutation($data: LoginInput!) { login(data: $data) { token } }";
                let graphql = json!({ "query": login, "variables": { "data": data } });
                let (path, body) = if turn % 4 > 1 { ("/api", graphql) } else { ("/v2/api/login", data) };
                let mut request = node.http.post(node.url(path)).json(&body);
                // From a peer that nobody trusts, none of this makes another client of it.
                for name in ["x-forwarded-for", "x-real-ip", "forwarded", "client-ip", "true-client-ip", "via"] {
                    request = request.header(name, &somewhere);
                }
                let request = request.header("user-agent", format!("agent {turn}"));
                let cookie = format!("__Host-keytower-device={turn}; connect.sid={turn}");
                outcome(&Answer::read(request.header("cookie", cookie).send().await.unwrap()).await)
            });
        }
        let mut said = BTreeMap::<String, usize>::new();
        guesses.join_all().await.into_iter().for_each(|what| *said.entry(what).or_default() += 1);
        assert_eq!(said, BTreeMap::from([("1".to_owned(), 15), ("wrong".to_owned(), 5)]), "{username:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_network_of_ipv6_is_one_client() {
    let service = Service::start_with(Arc::new(Database::new().await), &[BEHIND_PROXY]).await;
    let at = |address: String| Visitor::at(&service, address);
    for number in 0..5 {
        assert_eq!(try_on(&at(format!("2001:db8:1:2:{number}::{number}")), number, "root", "wrong").await, "wrong");
    }
    for address in ["2001:db8:1:2::1", "2001:DB8:1:2:ffff:ffff:ffff:ffff", "2001:0db8:0001:0002::9"] {
        assert_eq!(try_on(&at(address.to_owned()), 1, "root", ROOT_PASSWORD).await, "1", "{address}");
    }
    // The next network is another one; and an address of the old kind is the same in new clothes.
    assert_eq!(try_on(&at("2001:db8:1:3::1".to_owned()), 1, "root", "wrong").await, "wrong");
    for number in 0..5 {
        assert_eq!(try_on(&at(HERE.to_owned()), number, "nobody", "wrong").await, "wrong");
    }
    assert_eq!(try_on(&at(format!("::ffff:{HERE}")), 0, "nobody", "wrong").await, "1");
    // What stands further left in the header anybody may have written.
    for number in 0..3 {
        assert_eq!(try_on(&at(format!("198.51.100.{number}, {HERE}")), number, "nobody", "wrong").await, "1");
    }
}

async fn limit(service: &Service, token: &str, number: u32, seconds: u32) {
    let body = json!({ "login_miss_num_threshold": number, "login_miss_time_threshold": seconds * 1000 });
    service.set_policy(token, "/update-password-security", body).await;
}

/// Many strangers guess at one name, under the service's own limits and under an operator's.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_never_keep_the_owner_out() {
    let nodes = two_nodes(&[BEHIND_PROXY]).await;
    align(&nodes);
    let root = nodes[0].root().await;
    let ada = nodes[0].make_person(&root, "ada", "READ_ONLY").await;
    let (_, key) = nodes[0].mint(&ada, "ci").await;
    let device = nodes[0].enroll(&ada, PASSWORD).await;
    pass(&nodes, STEP_TIME);
    // A laptop that has been here once, in full.
    let mut laptop = Visitor::at(&nodes[0], "198.51.100.1");
    let login = laptop.login("ada", PASSWORD, json!({ "mfa_code": device.code(&nodes[0], 0) })).await;
    token(&login);
    laptop.keep_cookie(&login);
    for limited in [false, true] {
        if limited {
            limit(&nodes[0], &root, 3, 3600).await;
        }
        let mut said = BTreeMap::<String, usize>::new();
        for number in 0..60 {
            let stranger = Visitor::at(&nodes[number % 2], format!("203.0.113.{}", number % 20));
            let what = try_on(&stranger, number, "ada", "wrong").await;
            let what = if what == "wrong" { what } else { "later".to_owned() };
            *said.entry(what).or_default() += 1;
        }
        assert!(said["later"] > 0, "{said:?}");
        pass(&nodes, STEP_TIME);
        for node in &nodes {
            assert_eq!(node.try_credential(&key).await, 200);
            assert_eq!(node.try_credential(&ada).await, 200);
        }
        // The laptop, from wherever it is now, at either node.
        let moved = laptop.moved("192.0.2.77").via(&nodes[1]);
        let begun = moved.login("ada", PASSWORD, json!({})).await;
        assert_eq!(begun.json()["data"]["login"]["need_mfa"], true, "{begun:?}");
        // Without it, from anywhere: with the code at hand.
        let anywhere = Visitor::at(&nodes[0], format!("192.0.2.{}", if limited { 9 } else { 8 }));
        let data = json!({ "mfa_code": device.code(&nodes[0], 0) });
        token(&anywhere.login("ada", PASSWORD, data).await);
        // And without either, where no operator has said otherwise.
        let anywhere = Visitor::at(&nodes[0], format!("192.0.2.{}", if limited { 19 } else { 18 }));
        let begun = anywhere.login("ada", PASSWORD, json!({})).await;
        if limited {
            assert_eq!(refusal(&begun), "TOO_MANY_REQUESTS");
        } else {
            assert_eq!(begun.json()["data"]["login"]["need_mfa"], true, "{begun:?}");
        }
    }
}

/// What an answer tells, beside when and under which id it was given.
fn told(answer: &Answer) -> (u16, String, HeaderMap) {
    let mut headers = answer.headers.clone();
    for own in ["date", "x-tower-request-id"] {
        assert!(headers.remove(own).is_some(), "{own}");
    }
    (answer.status, answer.text.clone(), headers)
}

/// A name that nobody has, a user with a second factor, and one without: no number and kind of wrong logins tells them apart.
#[tokio::test(flavor = "multi_thread")]
async fn unknown_users_look_the_same_all_the_way() {
    let service = Service::start_with(Arc::new(Database::new().await), &[BEHIND_PROXY]).await;
    let root = service.root().await;
    service.make_person(&root, "bob", "READ_ONLY").await;
    service.make_holder("ada").await;
    let codes = [Value::Null, json!("000000"), json!(""), json!("AAAA-BBBB-CCCC-DDDD-EEEE-FFFF")];
    let kinds = [Value::Null, json!("Totp"), json!("Mail"), json!("TotpRecoveryCode")];
    for limited in [false, true] {
        if limited {
            service.clock.advance(Duration::from_secs(100_000));
            limit(&service, &service.root().await, 3, 3600).await;
        }
        for round in 0..60 {
            let visitor = Visitor::at(&service, format!("203.0.113.{}", round % 8));
            let more = json!({ "mfa_code": codes[round % 4], "mfa_type": kinds[round / 4 % 4] });
            let mut all = Vec::new();
            for username in ["nobody", "ada", "bob"] {
                let graphql = told(&visitor.login(username, "wrong", more.clone()).await);
                all.push((graphql, told(&visitor.rest_login(username, "wrong").await)));
            }
            assert!(all.iter().all(|known| *known == all[0]), "{round} {more}: {all:#?}");
            service.clock.advance(Duration::from_millis(700));
        }
    }
}

/// A login that brings a code along is not held off by strangers: then it must not tell them, either, whether a password is right.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_no_way_to_try_passwords() {
    let service = Service::start_with(Arc::new(Database::new().await), &[BEHIND_PROXY]).await;
    let root = service.root().await;
    service.make_person(&root, "bob", "READ_ONLY").await;
    let (_, device) = service.make_holder("ada").await;
    let wrong = device.wrong(&service, 1).remove(0);
    for number in 0..12 {
        // An address for each try; after five, no code of ada's is judged from there any more.
        let visitor = Visitor::at(&service, format!("203.0.113.{number}"));
        for kind in [Value::Null, json!("Totp"), json!("Mail"), json!("TotpRecoveryCode")] {
            let more = json!({ "mfa_code": wrong, "mfa_type": kind });
            let fails = visitor.login("nobody", PASSWORD, more.clone()).await;
            assert_eq!(outcome(&fails), "wrong", "{number}");
            for (username, password) in [("ada", PASSWORD), ("bob", PASSWORD), ("ada", "wrong")] {
                let visitor = visitor.moved(format!("198.51.{number}.{}", password.len() + username.len()));
                let answer = visitor.login(username, password, more.clone()).await;
                assert_eq!(told(&answer), told(&fails), "{number} {username} {password} {more}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_tries_many_names_is_slowed_down_too() {
    let service = Service::start_with(Arc::new(Database::new().await), &[BEHIND_PROXY]).await;
    let laptop = {
        let mut laptop = Visitor::at(&service, HERE);
        let login = laptop.login("root", ROOT_PASSWORD, json!({})).await;
        token(&login);
        laptop.keep_cookie(&login);
        laptop
    };
    let role = service.preset(&service.root().await, "READ_ONLY").await;
    let person = crate::support::people::user("ada", &role);
    service.done(&service.root().await, "/create-user", json!([person])).await;
    let stranger = Visitor::at(&service, HERE);
    for number in 0..100 {
        assert_eq!(try_on(&stranger, number, &format!("name {number}"), "wrong").await, "wrong", "{number}");
    }
    for face in 0..2 {
        assert_eq!(try_on(&stranger, face, "another name", "wrong").await, "1");
        assert_eq!(try_on(&stranger, face, "ada", PASSWORD).await, "1");
        let code = json!({ "mfa_code": "000000" });
        assert_eq!(outcome(&stranger.login("ada", PASSWORD, code).await), "1");
    }
    // Whoever is known there goes on, and so does everybody elsewhere.
    assert_eq!(try_on(&stranger, 0, "root", ROOT_PASSWORD).await, "token");
    assert_eq!(try_on(&laptop, 1, "root", ROOT_PASSWORD).await, "token");
    assert_eq!(try_on(&Visitor::at(&service, "203.0.113.8"), 0, "ada", PASSWORD).await, "token");
    service.clock.advance(Duration::from_secs(1));
    assert_eq!(try_on(&stranger, 0, "ada", PASSWORD).await, "token");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_right_logins_at_once_all_succeed() {
    let service = Arc::new(Service::start_with(Arc::new(Database::new().await), &[BEHIND_PROXY]).await);
    let root = service.root().await;
    service.make_person(&root, "ada", "READ_ONLY").await;
    limit(&service, &root, 3, 3600).await;
    let mut logins = JoinSet::new();
    for turn in 0..40 {
        let service = Arc::clone(&service);
        logins.spawn(async move { try_on(&Visitor::at(&service, HERE), turn, "ada", PASSWORD).await });
    }
    assert_eq!(logins.join_all().await, ["token"; 40]);
    assert_eq!(service.database().number("SELECT COUNT(*) FROM attempts").await, 0);
}

/// Killed while it judges: the guess is counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_guess_is_counted_before_it_is_judged() {
    let database = Arc::new(Database::new().await);
    let service = Service::start_with(Arc::clone(&database), &[]).await;
    let attempts = async || database.number("SELECT COUNT(DISTINCT attempt) FROM attempts").await;
    // Slow to compare, so that there is a moment to be killed in.
    let mut own = settings(&database);
    own.push(("password_hash", "m=131072,t=10,p=1".to_owned()));
    let mut unanswered = 0;
    for round in 0..3 {
        let mut node = Node::start(&borrowed(&own));
        let peer = Peer::new(node.address);
        let guess = tokio::spawn(async move { peer.login("nobody", "wrong").await });
        while attempts().await <= round {
            tokio::task::yield_now().await;
        }
        node.kill();
        unanswered += usize::from(guess.await.unwrap().is_none());
        assert_eq!(attempts().await, round + 1);
    }
    assert!(unanswered > 0, "it was never killed while it judged");
    for _ in 3..5 {
        assert_eq!(refusal(&service.try_login("nobody", "wrong", json!({})).await), "LOGIN_FAILED");
    }
    assert_eq!(refusal(&service.try_login("nobody", "wrong", json!({})).await), "TOO_MANY_REQUESTS");
}
