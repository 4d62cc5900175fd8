//! Guessing codes does not pay, wherever the guesses come from; and guesses keep nobody out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keytower::domain::clock::Clock;
use serde_json::json;
use tokio::task::JoinSet;

use crate::policy::two_nodes;
use crate::support::otp::{STEP_TIME, align, pass, refusal, tally, token};
use crate::support::people::PASSWORD;
use crate::support::visitor::BEHIND_PROXY;
use crate::support::{Answer, Database, Service, Visitor};

/// Where guesses come from: somebody who knows the password, at an address of the test's choice.
fn stranger(node: &Service, number: usize) -> Visitor<'_> {
    Visitor::at(node, format!("203.0.{}.{}", 113 + number / 250, 1 + number % 250))
}

async fn guess(visitor: &Visitor<'_>, code: &str) -> Answer {
    let begun = visitor.login("ada", PASSWORD, json!({})).await;
    let mid = &begun.json()["data"]["login"]["mfa_meta"]["mid"];
    assert!(mid.is_string(), "{begun:?}");
    visitor.verify(mid, "Totp", code).await
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_codes_of_an_account_are_counted_wherever_they_come_from() {
    let nodes = Arc::new(two_nodes(&[BEHIND_PROXY]).await);
    align(&nodes[..]);
    let (_, device) = nodes[0].make_holder("ada").await;
    let wrong = device.wrong(&nodes[0], 20);
    // Where they logged in with a password alone is no place that is known.
    let begun = nodes[0]
        .database()
        .number(
            "SELECT COUNT(*) FROM devices d JOIN users u ON u.id = d.user_id \
        WHERE u.username = 'ada'",
        )
        .await;
    assert_eq!(begun, 0);
    nodes[0].full_login("ada", &device).await;
    nodes[1].clock.set(nodes[0].clock.now());
    // Twenty strangers at once, each with a login and an address of their own, at two nodes: five are judged.
    let mut guesses = JoinSet::new();
    for (turn, code) in wrong.iter().cloned().enumerate() {
        let nodes = Arc::clone(&nodes);
        guesses.spawn(async move { guess(&stranger(&nodes[turn % 2], turn), &code).await });
    }
    let answers = guesses.join_all().await;
    let expected = BTreeMap::from([("LOGIN_FAILED".to_owned(), 5), ("TOO_MANY_REQUESTS".to_owned(), 15)]);
    assert_eq!(tally(&answers), expected);
    // The count outlives a new login, a restart, and what the failed logins have undone.
    let again = Service::start_with(Arc::clone(nodes[0].database()), &[BEHIND_PROXY]).await;
    again.clock.set(nodes[0].clock.now());
    for node in [&nodes[0], &nodes[1], &again] {
        let answer = guess(&stranger(node, 40), &device.code(node, 1)).await;
        assert_eq!(refusal(&answer), "TOO_MANY_REQUESTS", "not even the right one is judged now");
        assert!(answer.json()["errors"][0]["extensions"]["retryAfter"].as_u64() > Some(0), "{answer:?}");
    }
    // Strangers' guesses keep nobody out who comes from where they have logged in in full, or has a recovery code.
    let known = Visitor::at(&nodes[1], "127.0.0.1");
    token(&guess(&known, &device.code(&nodes[1], 1)).await);
    let elsewhere = stranger(&nodes[1], 60);
    let mid = elsewhere.login("ada", PASSWORD, json!({})).await.json()["data"]["login"]["mfa_meta"]["mid"].clone();
    token(&elsewhere.verify(&mid, "TotpRecoveryCode", &device.recovery[0]).await);
    let data = json!({ "mfa_type": "TotpRecoveryCode", "mfa_code": device.recovery[1] });
    token(&stranger(&nodes[0], 61).login("ada", PASSWORD, data).await);
    // Their count stands; a right code of one of them ends it.
    assert_eq!(refusal(&guess(&stranger(&nodes[0], 41), &wrong[0]).await), "TOO_MANY_REQUESTS");
    pass(&nodes[..], Duration::from_secs(1000));
    token(&guess(&stranger(&nodes[0], 42), &device.code(&nodes[0], 0)).await);
    for (turn, code) in device.wrong(&nodes[0], 5).iter().enumerate() {
        assert_eq!(refusal(&guess(&stranger(&nodes[0], 43 + turn), code).await), "LOGIN_FAILED");
    }
    assert_eq!(refusal(&guess(&stranger(&nodes[0], 50), &wrong[0]).await), "TOO_MANY_REQUESTS");
}

/// Somebody who knows the password guesses for a whole day, never waits longer than told, and has an address for each guess.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_guessing_has_less_than_one_chance_in_two_thousand() {
    let service = Service::start_with(Arc::new(Database::new().await), &[BEHIND_PROXY]).await;
    let (_, device) = service.make_holder("ada").await;
    service.full_login("ada", &device).await;
    let day = service.clock.now() + chrono::TimeDelta::days(1);
    let (mut judged, mut number) = (0_u32, 0);
    while service.clock.now() < day {
        number += 1;
        let wrong = device.wrong(&service, 1).remove(0);
        let answer = guess(&stranger(&service, number), &wrong).await;
        if refusal(&answer) == "LOGIN_FAILED" {
            judged += 1;
            assert!(judged <= 112, "more are judged than a day has room for");
        } else {
            let wait = answer.json()["errors"][0]["extensions"]["retryAfter"].as_u64().unwrap();
            assert!((1..=900).contains(&wait), "{answer:?}");
            service.clock.advance(Duration::from_secs(wait));
        }
    }
    // Three codes of a million are right at any moment: the present step's and those on either side.
    let chance = 3.0 * f64::from(judged) / 1e6;
    println!("{judged} codes judged in a day: a chance of {chance}");
    assert!(judged >= 100, "{judged}");
    assert!(chance < 1.0 / 2000.0, "{chance}");
    // The owner, meanwhile, logs in as ever.
    token(&guess(&Visitor::at(&service, "127.0.0.1"), &device.code(&service, 0)).await);
}

/// The cookie of a known device must not make each address that it is shown from a client of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_known_device_has_one_count_wherever_it_goes() {
    let service = Service::start_with(Arc::new(Database::new().await), &[BEHIND_PROXY]).await;
    let (_, device) = service.make_holder("ada").await;
    service.clock.advance(STEP_TIME);
    let mut laptop = stranger(&service, 0);
    let login = laptop.login("ada", PASSWORD, json!({ "mfa_code": device.code(&service, 0) })).await;
    token(&login);
    laptop.keep_cookie(&login);
    let mut answers = Vec::new();
    for (number, code) in device.wrong(&service, 20).iter().enumerate() {
        answers.push(guess(&laptop.moved(stranger(&service, 1 + number).address), code).await);
    }
    let expected = BTreeMap::from([("LOGIN_FAILED".to_owned(), 5), ("TOO_MANY_REQUESTS".to_owned(), 15)]);
    assert_eq!(tally(&answers), expected);
    // The same goes for passwords.
    let mut said = BTreeMap::<String, usize>::new();
    service.clock.advance(Duration::from_secs(1000));
    for number in 0..20 {
        let somewhere = laptop.moved(stranger(&service, 100 + number).address);
        *said.entry(refusal(&somewhere.login("ada", "wrong", json!({})).await)).or_default() += 1;
    }
    assert_eq!(said, expected);
}
