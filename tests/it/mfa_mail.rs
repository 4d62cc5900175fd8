//! Codes by mail: what happens while the mail server is away, and how many can be sent.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use crate::support::node::borrowed;
use crate::support::otp::{login_data, refusal, token};
use crate::support::people::PASSWORD;
use crate::support::post::Encryption;
use crate::support::visitor::{BEHIND_PROXY, Visitor};
use crate::support::{Database, Post, Service};

const ADA: &str = "ada@example.com";
const RESEND: &str = "mutation($data: MfaResendInput!) { resendMfa(data: $data) { mid } }";

/// A service with a mail server, and `ada`, whose second factor is mail: service and token.
async fn with_mail(post: &Post) -> (Service, String) {
    let settings = post.settings();
    let mut settings = borrowed(&settings);
    settings.push(BEHIND_PROXY);
    let service = Service::start_with(Arc::new(Database::new().await), &settings).await;
    let root = service.root().await;
    let ada = service.make_person(&root, "ada", "READ_ONLY").await;
    service.enroll_mail(&ada, post, ADA).await;
    (service, ada)
}

async fn number(service: &Service, table: &str) -> i64 {
    service.database().number(&format!("SELECT COUNT(*) FROM {table}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_mail_server_is_away_the_answer_is_503_and_nothing_is_left() {
    let post = Post::start(Encryption::Upgraded);
    let (service, ada) = with_mail(&post).await;
    let visitor = Visitor::at(&service, "192.0.2.1");
    let waiting = service.challenge("ada", Some("Mail")).await;
    let code = post.code_to(ADA).await;
    let (challenges, attempts) = (number(&service, "challenges").await, number(&service, "attempts").await);
    post.set_away(true);
    // As often as one likes: a right password is no guess, whatever keeps its code from being sent.
    for _ in 0..8 {
        let answer =
            service.post("/v2/api/login", None, &login_data("ada", PASSWORD, json!({ "mfa_type": "Mail" }))).await;
        assert!(answer.status == 503 && answer.text.contains("mail"), "{answer:?}");
        let answer = visitor.login("ada", PASSWORD, json!({})).await;
        assert_eq!(refusal(&answer), "SERVICE_UNAVAILABLE");
    }
    let resent = service.graphql(None, RESEND, json!({ "data": { "mid": waiting["mid"] } })).await;
    assert_eq!(refusal(&resent), "SERVICE_UNAVAILABLE");
    let renewed = service.reauthenticate(&ada, json!({ "type": "Mail" })).await;
    assert_eq!(refusal(&renewed), "SERVICE_UNAVAILABLE");
    assert_eq!((number(&service, "challenges").await, number(&service, "attempts").await), (challenges, attempts));
    // The code that had been sent before still completes its login.
    token(&service.verify(&waiting["mid"], "Mail", &code).await);
    post.set_away(false);
    let again = service.challenge("ada", Some("Mail")).await;
    token(&service.verify(&again["mid"], "Mail", &post.code_to(ADA).await).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factor_that_can_not_be_proven_is_not_begun() {
    let post = Post::start(Encryption::Upgraded);
    let settings = post.settings();
    let service = Service::start_with(Arc::new(Database::new().await), &borrowed(&settings)).await;
    let root = service.root().await;
    let ada = service.make_person(&root, "ada", "READ_ONLY").await;
    post.set_away(true);
    let begin = "mutation($data: PasswordInput!) { enrollMail(data: $data) { mid } }";
    let data = json!({ "data": { "password": PASSWORD } });
    assert_eq!(refusal(&service.graphql(Some(&ada), begin, data.clone()).await), "SERVICE_UNAVAILABLE");
    assert_eq!((number(&service, "challenges").await, number(&service, "factors").await), (0, 0));
    assert_eq!(refusal(&service.confirm(&ada, "Mail", "000000").await), "BAD_USER_INPUT");
    service.login("ada", PASSWORD).await;
    // Where there is no mail server at all, and no address, that is said.
    let without = Service::start_with(Arc::clone(service.database()), &[]).await;
    let answer = without.graphql(Some(&ada), begin, data.clone()).await;
    assert!(refusal(&answer) == "BAD_USER_INPUT" && answer.text.contains("no mail server"), "{answer:?}");
    post.set_away(false);
    let answer =
        service.graphql(Some(&root), begin, json!({ "data": { "password": crate::support::ROOT_PASSWORD } })).await;
    assert!(refusal(&answer) == "BAD_USER_INPUT" && answer.text.contains("email_address"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_stolen_a_password_floods_no_mailbox() {
    let post = Post::start(Encryption::Upgraded);
    let (service, _) = with_mail(&post).await;
    let service = Arc::new(service);
    // Ada logs in in full, from where she always is.
    let home = Visitor::at(&service, "192.0.2.1");
    let begun = home.login("ada", PASSWORD, json!({})).await;
    let mid = begun.json()["data"]["login"]["mfa_meta"]["mid"].clone();
    token(&home.verify(&mid, "Mail", &post.code_to(ADA).await).await);
    let mut thieves = JoinSet::new();
    for turn in 0..20 {
        let service = Arc::clone(&service);
        thieves.spawn(async move {
            let thief = Visitor::at(&service, format!("198.51.100.{turn}"));
            thief.login("ada", PASSWORD, json!({})).await.text.contains("TOO_MANY_REQUESTS")
        });
    }
    let refused = thieves.join_all().await.into_iter().filter(|refused| *refused).count();
    assert_eq!(refused, 14, "six codes go out, whoever asks");
    let mut codes = 0;
    while let Some(letter) = post.take(ADA) {
        codes += usize::from(letter.has_code());
    }
    assert_eq!(codes, 6);
    // Hers are counted beside those.
    let begun = home.login("ada", PASSWORD, json!({})).await;
    let mid = begun.json()["data"]["login"]["mfa_meta"]["mid"].clone();
    token(&home.verify(&mid, "Mail", &post.code_to(ADA).await).await);
}
