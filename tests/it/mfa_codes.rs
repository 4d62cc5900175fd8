//! Codes work once, in their time, as they are written, for the login that they belong to; and guessing them does not pay.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keytower::domain::clock::Clock;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::policy::two_nodes;
use crate::support::node::borrowed;
use crate::support::otp::{STEP_TIME, align, pass, refusal, tally, token};
use crate::support::people::PASSWORD;
use crate::support::post::Encryption;
use crate::support::{Answer, Database, Post, Service};

/// Shows codes at the same time, in turn at two nodes.
async fn at_once(nodes: &Arc<[Service; 2]>, kind: &'static str, shown: Vec<(Value, String)>) -> Vec<Answer> {
    let mut running = JoinSet::new();
    for (turn, (mid, code)) in shown.into_iter().enumerate() {
        let nodes = Arc::clone(nodes);
        running.spawn(async move { nodes[turn % 2].verify(&mid, kind, &code).await });
    }
    running.join_all().await
}

async fn mids(service: &Service, username: &str, kind: &str, number: usize) -> Vec<Value> {
    let mut all = Vec::new();
    for _ in 0..number {
        all.push(service.challenge(username, Some(kind)).await["mid"].clone());
    }
    all
}

/// How many recovery codes a user has left.
async fn left(service: &Service, token: &str) -> Value {
    service.graphql(Some(token), "{ mfa { recovery_codes_left } }", json!({})).await.json()["data"]["mfa"]
        ["recovery_codes_left"]
        .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_a_device_works_once_whatever_the_window_and_the_node() {
    let nodes = Arc::new(two_nodes(&[]).await);
    align(&nodes[..]);
    let [here, there] = &*nodes;
    let (_, device) = here.make_holder("ada").await;
    // The code that has proven the device is spent, on both nodes.
    for node in [here, there] {
        let mid = here.challenge("ada", None).await["mid"].clone();
        assert_eq!(refusal(&node.verify(&mid, "Totp", &device.code(node, 0)).await), "LOGIN_FAILED");
    }
    pass(&nodes[..], STEP_TIME);
    let code = device.code(here, 0);
    let mids = mids(here, "ada", "Totp", 6).await;
    token(&here.verify(&mids[0], "Totp", &code).await);
    // Again at once, on the other node, in the next window, and with the login that it has completed.
    assert_eq!(refusal(&here.verify(&mids[1], "Totp", &code).await), "LOGIN_FAILED");
    assert_eq!(refusal(&there.verify(&mids[2], "Totp", &code).await), "LOGIN_FAILED");
    assert_eq!(refusal(&there.verify(&mids[0], "Totp", &device.code(here, 1)).await), "LOGIN_FAILED");
    pass(&nodes[..], STEP_TIME);
    assert_eq!(refusal(&here.verify(&mids[1], "Totp", &code).await), "LOGIN_FAILED");
    // After the code of a later window, that of an earlier one is dead though it was never used.
    let [now, next] = [device.code(here, 0), device.code(here, 1)];
    token(&there.verify(&mids[3], "Totp", &next).await);
    assert_eq!(refusal(&here.verify(&mids[4], "Totp", &now).await), "LOGIN_FAILED");
    assert_eq!(refusal(&there.verify(&mids[4], "Totp", &next).await), "LOGIN_FAILED");
    // Nor does it work in one step, or for anything else than a login.
    let data = json!({ "mfa_code": next });
    assert_eq!(refusal(&here.try_login("ada", PASSWORD, data).await), "LOGIN_FAILED");
    // At the same instant on both nodes, each with a login of its own: one.
    for round in 0..6 {
        pass(&nodes[..], 3 * STEP_TIME);
        let code = device.code(here, round % 3 - 1);
        let mids = [here, there].map(|node| node.challenge("ada", None));
        let [one, two] = mids;
        let shown = vec![(one.await["mid"].clone(), code.clone()), (two.await["mid"].clone(), code)];
        let answers = at_once(&nodes, "Totp", shown).await;
        let expected = BTreeMap::from([("LOGIN_FAILED".to_owned(), 1), ("token".to_owned(), 1)]);
        assert_eq!(tally(&answers), expected, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_step_of_drift_and_no_way_back() {
    let nodes = two_nodes(&[]).await;
    align(&nodes);
    let service = &nodes[0];
    let (_, device) = service.make_holder("ada").await;
    pass(&nodes, 10 * STEP_TIME);
    let now = service.clock.now();
    let codes = device.codes(now, -4..=4);
    let code = |steps: i64| codes[usize::try_from(steps + 4).unwrap()].clone();
    let show = async |steps: i64| {
        let mid = service.challenge("ada", None).await["mid"].clone();
        let answer = service.verify(&mid, "Totp", &code(steps)).await;
        if answer.json()["errors"].is_null() { "token".to_owned() } else { refusal(&answer) }
    };
    for (steps, expected) in [
        (-2, "LOGIN_FAILED"),
        (2, "LOGIN_FAILED"),
        (-1, "token"),
        (-1, "LOGIN_FAILED"),
        (0, "token"),
        (1, "token"),
        (3, "LOGIN_FAILED"),
    ] {
        assert_eq!(show(steps).await, expected, "{steps}");
    }
    // A clock that was set back does not bring one back: neither a used one nor one of before.
    for back in [1, 2, 3] {
        service.clock.set(now - chrono::TimeDelta::seconds(30 * back));
        assert_eq!(show(-back).await, "LOGIN_FAILED", "{back}");
    }
    // It is the right one again once time has come as far as it was.
    service.clock.set(now + chrono::TimeDelta::seconds(60));
    assert_eq!(show(2).await, "token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_right_as_it_is_written_and_no_other_way() {
    let service = Service::start().await;
    let (_, device) = service.make_holder("ada").await;
    let wide = |code: &str| -> String {
        code.chars().map(|digit| char::from_u32(u32::from(digit) - 0x30 + 0xff10).unwrap()).collect()
    };
    let arabic = |code: &str| -> String {
        code.chars().map(|digit| char::from_u32(u32::from(digit) - 0x30 + 0x660).unwrap()).collect()
    };
    let spellings: [&dyn Fn(&str) -> String; 19] = [
        &|code| format!("{code} "),
        &|code| format!(" {code}"),
        &|code| format!("{} {}", &code[..3], &code[3..]),
        &|code| format!("{}-{}", &code[..3], &code[3..]),
        &|code| format!("{code}\n"),
        &|code| format!("{code}\r\n"),
        &|code| format!("\t{code}"),
        &|code| format!("+{code}"),
        &|code| format!("-{code}"),
        &|code| format!("0{code}"),
        &|code| format!("00{code}"),
        &|code| format!("{code}.0"),
        &|code| format!("{code}\0"),
        &|code| format!("\u{feff}{code}"),
        &|code| format!("{code}\u{200b}"),
        &|code| format!("{code}\u{a0}"),
        &wide,
        &arabic,
        &|code| code.repeat(2),
    ];
    for (number, spelling) in spellings.iter().enumerate() {
        // Longer than the longest wait, so that each is judged.
        service.clock.advance(Duration::from_secs(1000));
        let code = device.code(&service, 0);
        let other = spelling(&code);
        assert_ne!(other, code);
        let mid = service.challenge("ada", None).await["mid"].clone();
        assert_eq!(refusal(&service.verify(&mid, "Totp", &other).await), "LOGIN_FAILED", "{number}: {other:?}");
        token(&service.verify(&mid, "Totp", &code).await);
        let mid = service.challenge("ada", None).await["mid"].clone();
        assert_eq!(refusal(&service.verify(&mid, "Totp", &other).await), "LOGIN_FAILED", "{number}: {other:?}");
        let data = json!({ "mfa_code": other });
        assert_eq!(refusal(&service.try_login("ada", PASSWORD, data).await), "LOGIN_FAILED", "{number}: {other:?}");
    }
    let code = &device.recovery[0];
    for other in [
        code.to_lowercase(),
        code.to_uppercase(),
        code.replace('-', ""),
        code.replace('-', " "),
        code.replace('-', "\u{2010}"),
        format!("{code} "),
        format!(" {code}"),
        format!("{code}\n"),
        format!("{code}\0"),
        format!("{code}-"),
        code[1..].to_owned(),
    ] {
        service.clock.advance(Duration::from_secs(1000));
        let mid = service.challenge("ada", None).await["mid"].clone();
        if other != *code {
            assert_eq!(refusal(&service.verify(&mid, "TotpRecoveryCode", &other).await), "LOGIN_FAILED", "{other:?}");
        }
    }
    service.clock.advance(Duration::from_secs(1000));
    let mid = service.challenge("ada", None).await["mid"].clone();
    let ada = token(&service.verify(&mid, "TotpRecoveryCode", code).await);
    assert_eq!(left(&service, &ada).await, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_at_once_one_gets_a_token() {
    let nodes = Arc::new(two_nodes(&[]).await);
    align(&nodes[..]);
    let (_, device) = nodes[0].make_holder("ada").await;
    let sessions = async || nodes[0].database().number("SELECT COUNT(*) FROM sessions").await;
    for round in 0..3 {
        pass(&nodes[..], Duration::from_secs(1000));
        // One login, twenty times its code.
        let before = sessions().await;
        let mid = nodes[0].challenge("ada", None).await["mid"].clone();
        let code = device.code(&nodes[0], 0);
        let answers = at_once(&nodes, "Totp", vec![(mid, code); 20]).await;
        assert_eq!(tally(&answers)["token"], 1, "round {round}: {:?}", tally(&answers));
        assert_eq!(sessions().await, before + 1);
        // Twenty logins, each with the same recovery code.
        pass(&nodes[..], Duration::from_secs(1000));
        let mids = mids(&nodes[0], "ada", "TotpRecoveryCode", 20).await;
        let code = &device.recovery[round];
        let shown = mids.iter().map(|mid| (mid.clone(), code.clone())).collect();
        let answers = at_once(&nodes, "TotpRecoveryCode", shown).await;
        assert_eq!(tally(&answers)["token"], 1, "round {round}: {:?}", tally(&answers));
        assert_eq!(sessions().await, before + 2);
        let won = answers.iter().find(|answer| answer.json()["errors"].is_null()).unwrap();
        assert_eq!(left(&nodes[1], &token(won)).await, 9 - round);
        // And it is dead afterwards, whatever waits.
        for (turn, mid) in mids.iter().take(3).enumerate() {
            pass(&nodes[..], Duration::from_secs(100));
            let answer = nodes[turn % 2].verify(mid, "TotpRecoveryCode", code).await;
            assert_eq!(refusal(&answer), "LOGIN_FAILED", "round {round}");
        }
    }
}

/// Nothing but the login itself is spent with a mailed code.
#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_who_show_one_mailed_code_one_gets_a_token() {
    let post = Post::start(Encryption::Upgraded);
    let nodes = Arc::new(two_nodes(&borrowed(&post.settings())).await);
    align(&nodes[..]);
    let ada = nodes[0].make_person(&nodes[0].root().await, "ada", "READ_ONLY").await;
    nodes[0].enroll_mail(&ada, &post, "ada@example.com").await;
    for round in 0..5 {
        pass(&nodes[..], Duration::from_secs(1000));
        let mid = nodes[0].challenge("ada", None).await["mid"].clone();
        let code = post.code_to("ada@example.com").await;
        let answers = at_once(&nodes, "Mail", vec![(mid, code); 20]).await;
        assert_eq!(tally(&answers)["token"], 1, "round {round}: {:?}", tally(&answers));
    }
}

async fn with_post(post: &Post) -> Service {
    Service::start_with(Arc::new(Database::new().await), &borrowed(&post.settings())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailed_code_works_five_minutes_five_times_and_with_its_login_alone() {
    let post = Post::start(Encryption::Upgraded);
    let service = with_post(&post).await;
    align(std::slice::from_ref(&service));
    let (ada, device) = service.make_holder("ada").await;
    service.enroll_mail(&ada, &post, "ada@example.com").await;
    let mailed = async || {
        let meta = service.challenge("ada", Some("Mail")).await;
        assert_eq!((&meta["recipient"], &meta["type"]), (&json!("a***@example.com"), &json!("Mail")));
        (meta["mid"].clone(), post.code_to("ada@example.com").await)
    };
    let pass = |seconds: u64| service.clock.advance(Duration::from_secs(seconds));
    // Five minutes to the second, and the login itself ten.
    let (mid, code) = mailed().await;
    pass(299);
    token(&service.verify(&mid, "Mail", &code).await);
    assert_eq!(refusal(&service.verify(&mid, "Mail", &code).await), "LOGIN_FAILED");
    let (mid, code) = mailed().await;
    pass(300);
    assert_eq!(refusal(&service.verify(&mid, "Mail", &code).await), "LOGIN_FAILED");
    pass(299);
    token(&service.verify(&mid, "Totp", &device.code(&service, 0)).await);
    let (mid, _) = mailed().await;
    pass(600);
    let late = service.verify(&mid, "Totp", &device.code(&service, 0)).await;
    assert_eq!(refusal(&late), "LOGIN_FAILED");
    assert!(late.text.contains("log in again"), "{late:?}");
    // Five tries, then it is over, even for the right one; and the code is no other login's.
    let (mid, code) = mailed().await;
    let (other, other_code) = mailed().await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        assert_eq!(refusal(&service.verify(&mid, "Mail", wrong).await), "LOGIN_FAILED");
    }
    pass(60);
    assert_eq!(refusal(&service.verify(&mid, "Mail", &code).await), "LOGIN_FAILED");
    pass(60);
    if code != other_code {
        assert_eq!(refusal(&service.verify(&other, "Mail", &code).await), "LOGIN_FAILED");
    }
    pass(60);
    token(&service.verify(&other, "Mail", &other_code).await);
    // Nor is it another type's, and no other type's code is it.
    let (mid, code) = mailed().await;
    for (kind, code) in [("Totp", &code), ("TotpRecoveryCode", &code), ("Mail", &device.recovery[0])] {
        assert_eq!(refusal(&service.verify(&mid, kind, code).await), "LOGIN_FAILED", "{kind}");
    }
    let data = json!({ "mfa_type": "Mail", "mfa_code": code });
    assert_eq!(refusal(&service.try_login("ada", PASSWORD, data).await), "LOGIN_FAILED");
    token(&service.verify(&mid, "Mail", &code).await);
    // One user's login takes no code of another.
    let bob = service.make_person(&service.root().await, "bob", "READ_ONLY").await;
    let bobs = service.enroll(&bob, PASSWORD).await;
    service.enroll_mail(&bob, &post, "bob@example.com").await;
    pass(60);
    let theirs = service.challenge("bob", Some("Mail")).await["mid"].clone();
    let their_code = post.code_to("bob@example.com").await;
    let (mid, code) = mailed().await;
    for (kind, code) in
        [("Totp", bobs.code(&service, 0)), ("TotpRecoveryCode", bobs.recovery[0].clone()), ("Mail", their_code.clone())]
    {
        assert_eq!(refusal(&service.verify(&mid, kind, &code).await), "LOGIN_FAILED", "{kind}");
    }
    token(&service.verify(&theirs, "Mail", &their_code).await);
    token(&service.verify(&mid, "Mail", &code).await);
}
