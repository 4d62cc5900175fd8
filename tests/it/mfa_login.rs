//! A login with a second factor, on both faces: what it asks for, what completes it, and that nothing else does.

use std::sync::Arc;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::policy::two_nodes;
use crate::support::check::{clean, error_body};
use crate::support::node::{borrowed, settings};
use crate::support::otp::{LOGIN, STEP_TIME, VERIFY, align, login_data, pass, refusal, token};
use crate::support::people::PASSWORD;
use crate::support::post::Encryption;
use crate::support::program::run;
use crate::support::{Answer, Database, Device, Node, Peer, Post, Service, tool};

const RESEND: &str = "mutation($data: MfaResendInput!) { resendMfa(data: $data) { recipient mid type valid } }";

async fn with_post(post: &Post) -> Service {
    Service::start_with(Arc::new(Database::new().await), &borrowed(&post.settings())).await
}

/// A user `ada` with an app and mail: token and app.
async fn holder(service: &Service, post: &Post) -> (String, Device) {
    let (ada, device) = service.make_holder("ada").await;
    service.enroll_mail(&ada, post, "ada@example.com").await;
    service.clock.advance(STEP_TIME);
    (ada, device)
}

async fn rest(service: &Service, more: Value) -> Answer {
    service.post("/v2/api/login", None, &login_data("ada", PASSWORD, more)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_asks_for_a_code_and_any_node_completes_it() {
    let nodes = two_nodes(&[]).await;
    align(&nodes);
    let [here, there] = &nodes;
    let (ada, device) = here.make_holder("ada").await;
    let (_, key) = here.mint(&ada, "ci").await;
    for (number, node) in [here, there, here, there].into_iter().enumerate() {
        pass(&nodes, STEP_TIME);
        let answer = here.try_login("ada", PASSWORD, json!({})).await;
        let login = answer.json()["data"]["login"].clone();
        assert_eq!((&login["token"], &login["need_mfa"]), (&Value::Null, &json!(true)));
        let uid = here.rest(&ada, "/get-my-info", json!({})).await.json()["id"].clone();
        assert_eq!(login["uid"], uid);
        let meta = &login["mfa_meta"];
        let mid = meta["mid"].as_str().unwrap();
        assert!(mid.len() == 40 && mid.bytes().all(|letter| letter.is_ascii_alphanumeric()), "{mid}");
        assert_eq!(*meta, json!({ "recipient": null, "mid": mid, "type": "Totp", "valid": true }));
        assert!(!answer.headers.contains_key("set-cookie"), "{answer:?}");
        let verified = node.verify(&meta["mid"], "Totp", &device.code(here, 0)).await;
        let token = token(&verified);
        assert_eq!(verified.headers["cache-control"], "no-store");
        for node in [here, there] {
            assert_eq!(node.try_credential(&token).await, 200);
        }
        // In one step, with what is at hand.
        pass(&nodes, STEP_TIME);
        let code = match number % 2 {
            0 => json!({ "mfa_code": device.code(here, 0) }),
            _ => json!({ "mfa_type": "TotpRecoveryCode", "mfa_code": device.recovery[number] }),
        };
        let one_step = node.try_login("ada", PASSWORD, code).await;
        assert_eq!(here.try_credential(&crate::support::otp::token(&one_step)).await, 200);
        assert_eq!(one_step.json()["data"]["login"]["need_mfa"], Value::Null);
    }
    let own = here.graphql(Some(&ada), "{ mfa { recovery_codes_left } }", json!({})).await;
    assert_eq!(own.json()["data"]["mfa"]["recovery_codes_left"], 8);
    // The key of before knows nothing of all this.
    for node in [here, there] {
        assert_eq!(node.try_credential(&key).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_waits_survives_kill_9() {
    let post = Post::start(Encryption::Upgraded);
    let database = Arc::new(Database::new().await);
    let service = Service::start_with(Arc::clone(&database), &borrowed(&post.settings())).await;
    holder(&service, &post).await;
    let mut own = settings(&database);
    own.extend(post.settings());
    let login =
        json!({ "query": LOGIN, "variables": { "data": login_data("ada", PASSWORD, json!({ "mfa_type": "Mail" })) } });
    let mut node = Node::start(&borrowed(&own));
    let begun = Peer::new(node.address).post("/api", None, &login).await.unwrap();
    let mid = begun.json()["data"]["login"]["mfa_meta"]["mid"].clone();
    let code = post.code_to("ada@example.com").await;
    node.kill();
    let mut log = node.log().join("\n");
    let node = Node::start(&borrowed(&own));
    let data = json!({ "mid": mid, "type": "Mail", "code": code });
    let verify = json!({ "query": VERIFY, "variables": { "data": data } });
    let peer = Peer::new(node.address);
    let verified = peer.post("/api", None, &verify).await.unwrap();
    assert_eq!(peer.post("/v2/api/get-my-info", Some(&token(&verified)), &json!({})).await.unwrap().status, 200);
    assert_eq!(refusal(&peer.post("/api", None, &verify).await.unwrap()), "LOGIN_FAILED");
    // The code stood in the letter, and nowhere else.
    log.push_str(&node.log().join("\n"));
    assert!(!begun.text.contains(&code) && log.contains("keytower listens"), "{log}");
    for secret in [code.as_str(), mid.as_str().unwrap(), PASSWORD] {
        let said =
            log.lines().find(|line| line.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == secret));
        assert_eq!(said, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_sent_three_times_and_only_the_last_counts() {
    let post = Post::start(Encryption::Upgraded);
    let service = with_post(&post).await;
    let (_, device) = holder(&service, &post).await;
    let meta = service.challenge("ada", Some("Mail")).await;
    let first = post.code_to("ada@example.com").await;
    let resend = async |kind: Option<&str>| {
        service.graphql(None, RESEND, json!({ "data": { "mid": meta["mid"], "type": kind } })).await
    };
    // Tries are not given back by sending anew.
    let mut last = first.clone();
    for kind in [None, Some("Mail")] {
        for _ in 0..2 {
            let wrong = if last == "111111" { "222222" } else { "111111" };
            assert_eq!(refusal(&service.verify(&meta["mid"], "Mail", wrong).await), "LOGIN_FAILED");
        }
        let again = resend(kind).await;
        assert_eq!(again.json()["data"]["resendMfa"], meta, "{again:?}");
        last = post.code_to("ada@example.com").await;
        assert!(!again.text.contains(&last), "{again:?}");
    }
    let fourth = resend(None).await;
    assert_eq!(refusal(&fourth), "TOO_MANY_REQUESTS");
    assert!(fourth.json()["errors"][0]["extensions"]["retryAfter"].as_u64() <= Some(600), "{fourth:?}");
    assert_eq!(post.waiting(), 0);
    // Four tries are spent: the fifth is the last, and it must be the last code.
    let other = service.challenge("ada", None).await["mid"].clone();
    token(&service.verify(&other, "Totp", &device.code(&service, 0)).await);
    if first != last {
        assert_eq!(refusal(&service.verify(&meta["mid"], "Mail", &first).await), "LOGIN_FAILED");
    }
    assert_eq!(refusal(&service.verify(&meta["mid"], "Mail", &last).await), "LOGIN_FAILED");
    // From the app to the mail, and back: the login goes on with what was sent.
    service.clock.advance(STEP_TIME);
    let meta = service.challenge("ada", Some("Totp")).await;
    let moved = service.graphql(None, RESEND, json!({ "data": { "mid": meta["mid"], "type": "Mail" } })).await;
    let shown = json!({ "recipient": "a***@example.com", "mid": meta["mid"], "type": "Mail", "valid": true });
    assert_eq!(moved.json()["data"]["resendMfa"], shown, "{moved:?}");
    let code = post.code_to("ada@example.com").await;
    token(&service.verify(&meta["mid"], "Mail", &code).await);
    // Of a login that is over, or is none, or waits for something else, nothing is sent.
    for mid in [meta["mid"].clone(), json!("x".repeat(40)), json!("")] {
        let answer = service.graphql(None, RESEND, json!({ "data": { "mid": mid, "type": "Mail" } })).await;
        assert_eq!(refusal(&answer), "LOGIN_FAILED");
    }
    assert_eq!(post.waiting(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_tells_automation_what_to_do() {
    let post = Post::start(Encryption::Upgraded);
    let service = with_post(&post).await;
    let (ada, _) = holder(&service, &post).await;
    let (_, key) = service.mint(&ada, "ci").await;
    let message = error_body(&rest(&service, json!({})).await, 400, "/login");
    for word in ["API key", "createApiKey", "verifyMfa", "/api", "Authorization"] {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
    // No letter and no login that waits, unless one is asked for.
    assert_eq!((post.waiting(), service.database().number("SELECT COUNT(*) FROM challenges").await), (0, 0));
    let sent = rest(&service, json!({ "mfa_type": "Mail" })).await;
    clean(&sent);
    let body = sent.json();
    let meta = body["props"]["mfa_meta"].clone();
    let mid = meta["mid"].clone();
    assert_eq!((sent.status, &body["message"], &body["props"]["need_mfa"]), (400, &json!(message), &json!(true)));
    assert_eq!(meta, json!({ "recipient": "a***@example.com", "mid": mid, "type": "Mail", "valid": true }));
    let code = post.code_to("ada@example.com").await;
    assert!(!sent.text.contains(&code), "{sent:?}");
    let full = token(&service.verify(&mid, "Mail", &code).await);
    for credential in [&full, &key] {
        assert_eq!(service.try_credential(credential).await, 200);
    }
    // Sms is served to nobody; and of the rest, what a user has.
    for (username, kind, words) in [
        ("ada", "Sms", "Mail, TotpRecoveryCode"),
        ("nobody", "Sms", "Sms is not served here: allowed are Totp, Mail, TotpRecoveryCode"),
        ("bob", "Mail", "you have no second factor of type Mail: yours are Totp, TotpRecoveryCode"),
    ] {
        if username == "bob" {
            let bob = service.make_person(&service.root().await, "bob", "READ_ONLY").await;
            service.enroll(&bob, PASSWORD).await;
        }
        let data = login_data(username, PASSWORD, json!({ "mfa_type": kind }));
        let refused = service.post("/v2/api/login", None, &data).await;
        assert!(error_body(&refused, 400, "/login").contains(words), "{refused:?}");
        let refused = service.graphql(None, LOGIN, json!({ "data": data })).await;
        assert_eq!(refusal(&refused), "BAD_USER_INPUT");
        assert!(refused.text.contains(words), "{refused:?}");
    }
    let mid = service.challenge("bob", None).await["mid"].clone();
    for kind in ["Sms", "Mail"] {
        assert_eq!(refusal(&service.verify(&mid, kind, "000000").await), "BAD_USER_INPUT", "{kind}");
        let resent = service.graphql(None, RESEND, json!({ "data": { "mid": mid, "type": kind } })).await;
        assert_eq!(refusal(&resent), "BAD_USER_INPUT", "{kind}");
    }
    // An unmodified client sees the sentence, not a token that is none.
    let script = "
import json, os
from cloudtower import ApiClient, ApiException, Configuration, UserApi
from cloudtower.utils import login
api = ApiClient(Configuration(host=os.environ['KEYTOWER'] + '/v2/api'))
told = []
for attempt in (lambda: UserApi(api).login({'username': 'ada', 'password': os.environ['PASSWORD']}),
                lambda: login(api, 'ada', os.environ['PASSWORD'])):
    try:
        attempt()
    except ApiException as error:
        told.append([error.status, json.loads(error.body)['message'], 'Authorization' in api.configuration.api_key])
print(json.dumps(told))
api.configuration.api_key['Authorization'] = os.environ['KEY']
print(UserApi(api).get_my_info().username)";
    let url = service.url("");
    let environment = [("KEYTOWER", url.as_str()), ("PASSWORD", PASSWORD), ("KEY", &key)];
    let finished = run(&tool("KT_TEST_PYTHON"), &["-B", "-c", script], &environment).await.succeeded();
    let told = json!([[400, message, false], [400, message, false]]);
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!((serde_json::from_str::<Value>(lines[0]).unwrap(), lines[1]), (told, "ada"));
}

/// Requests that want a token and have no right code for it. None of them gets one, and none makes the right one dead.
#[tokio::test(flavor = "multi_thread")]
async fn no_shape_of_a_request_gets_a_token_without_a_code() {
    let post = Post::start(Encryption::Upgraded);
    let service = with_post(&post).await;
    let (ada, device) = holder(&service, &post).await;
    let bob = service.make_person(&service.root().await, "bob", "READ_ONLY").await;
    let bobs = service.enroll(&bob, PASSWORD).await;
    service.clock.advance(STEP_TIME);
    let sessions = async || service.database().number("SELECT COUNT(*) FROM sessions").await;
    let used = service.challenge("ada", None).await["mid"].as_str().unwrap().to_owned();
    token(&service.verify(&json!(used), "Totp", &device.code(&service, 0)).await);
    service.clock.advance(STEP_TIME);
    let mail = service.challenge("ada", Some("Mail")).await["mid"].as_str().unwrap().to_owned();
    let mailed = post.code_to("ada@example.com").await;
    let reauthentication = service.reauthenticate(&ada, json!({ "type": "Mail" })).await.json();
    let reauthentication = reauthentication["data"]["reauthenticate"]["mfa_meta"]["mid"].as_str().unwrap().to_owned();
    let reauthenticating = post.code_to("ada@example.com").await;
    let begun = "mutation($data: PasswordInput!) { enrollMail(data: $data) { mid } }";
    let enrolment = service.graphql(Some(&ada), begun, json!({ "data": { "password": PASSWORD } })).await.json();
    let enrolment = enrolment["data"]["enrollMail"]["mid"].as_str().unwrap().to_owned();
    let enrolling = post.code_to("ada@example.com").await;
    let theirs = service.challenge("bob", None).await["mid"].as_str().unwrap().to_owned();
    let mid = service.challenge("ada", Some("Totp")).await["mid"].as_str().unwrap().to_owned();
    let code = device.code(&service, 0);
    let wrong = device.wrong(&service, 2);
    let before = sessions().await;

    let verify = |mid: Value, kind: Value, code: Value| json!({ "mid": mid, "type": kind, "code": code });
    let with = |code: Value| verify(json!(mid), json!("Totp"), code);
    let named = |other: &str| verify(json!(other), json!("Totp"), json!(code));
    let mut shapes = vec![
        with(Value::Null),
        with(json!("")),
        with(json!([])),
        with(json!([code])),
        with(json!({ "ne": "" })),
        with(json!(true)),
        with(json!(code.parse::<u32>().unwrap())),
        with(json!("%")),
        with(json!("' OR '1'='1")),
        with(json!(bobs.code(&service, 0))),
        with(json!(bobs.recovery[0])),
        with(json!(device.recovery[0])),
        with(json!(mailed)),
        verify(json!(mail), json!("Totp"), json!(mailed)),
        verify(json!(mail), json!("TotpRecoveryCode"), json!(mailed)),
        verify(json!(mail), json!("Mail"), json!(device.recovery[0])),
        verify(json!(mail), json!("Mail"), json!(code)),
        verify(json!(mid), json!("Mail"), json!(code)),
        verify(json!(mid), json!("Mail"), json!(mailed)),
        verify(json!(mid), json!("Mail"), json!("")),
        verify(json!(mid), json!("TotpRecoveryCode"), json!(code)),
        verify(json!(mid), json!("Sms"), json!(code)),
        verify(json!(mid), json!("totp"), json!(code)),
        verify(json!(mid), Value::Null, json!(code)),
        verify(json!(reauthentication), json!("Mail"), json!(reauthenticating)),
        verify(json!(enrolment), json!("Mail"), json!(enrolling)),
        verify(Value::Null, json!("Totp"), json!(code)),
        verify(json!([mid]), json!("Totp"), json!(code)),
        json!({ "mid": mid, "type": "Totp" }),
        json!({ "mid": mid, "code": code }),
        json!({ "type": "Totp", "code": code }),
        json!({ "mid": mid, "type": "Totp", "code": wrong[0], "need_mfa": false }),
        json!({}),
        Value::Null,
    ];
    let swapped: String = mid
        .chars()
        .map(|it| if it.is_lowercase() { it.to_ascii_uppercase() } else { it.to_ascii_lowercase() })
        .collect();
    for other in
        [used, theirs, reauthentication, enrolment, swapped, format!(" {mid}"), format!("{mid} "), format!("{mid}\0")]
    {
        shapes.push(named(&other));
    }
    shapes.extend([named(&mid[1..]), named(""), named("%"), named(&ada)]);
    for (number, shape) in shapes.iter().enumerate() {
        judge_again(&service).await;
        let answer = service.graphql(None, VERIFY, json!({ "data": shape })).await;
        let refused = refusal(&answer);
        assert!(
            ["LOGIN_FAILED", "BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"].contains(&&*refused),
            "{number}: {answer:?}"
        );
        assert_eq!(sessions().await, before, "{number}: {shape}");
    }
    println!("{} shapes of verifyMfa", shapes.len());
    more_shapes(&service, &wrong).await;
    // And none of them has spent the right one, or those on paper, or has ended what waits.
    judge_again(&service).await;
    token(&service.verify(&json!(mid), "Totp", &code).await);
    token(&service.verify(&json!(mail), "Mail", &mailed).await);
    let data = json!({ "mfa_type": "TotpRecoveryCode", "mfa_code": device.recovery[0] });
    token(&service.try_login("ada", PASSWORD, data).await);
}

/// Forgets all wrong guesses, so that the next one is judged.
async fn judge_again(service: &Service) {
    let db = service.database().connect().await;
    for sql in ["DELETE FROM attempts", "UPDATE challenges SET tries = 0"] {
        db.execute_unprepared(sql).await.unwrap();
    }
    db.close().await.unwrap();
}

/// Logins of all shapes, and documents that try twice.
async fn more_shapes(service: &Service, wrong: &[String]) {
    let sessions = async || service.database().number("SELECT COUNT(*) FROM sessions").await;
    let before = sessions().await;
    let shapes = [
        json!({}),
        json!({ "mfa_type": null }),
        json!({ "mfa_type": "Totp" }),
        json!({ "mfa_type": "TotpRecoveryCode" }),
        json!({ "mfa_type": "" }),
        json!({ "mfa_type": "None" }),
        json!({ "mfa_type": ["Totp"] }),
        json!({ "mfa_code": null }),
        json!({ "mfa_code": "" }),
        json!({ "mfa_code": [] }),
        json!({ "mfa_code": 0 }),
        json!({ "mfa_code": wrong[0] }),
        json!({ "mfa_code": wrong[0], "mfa_type": "Mail" }),
        json!({ "mfa_code": "", "mfa_type": "TotpRecoveryCode" }),
        json!({ "need_mfa": false, "skip_mfa": true, "token": "x", "uid": "x" }),
        json!({ "source": "LOCAL", "auth_config_id": "x", "trusted": true }),
        json!({ "mid": "x", "code": wrong[0], "type": "Totp" }),
    ];
    for shape in &shapes {
        judge_again(service).await;
        for answer in [rest(service, shape.clone()).await, service.try_login("ada", PASSWORD, shape.clone()).await] {
            clean(&answer);
            assert!(!answer.text.contains("eyJ"), "{shape}: {answer:?}");
            let asks = answer.status == 200 && answer.json()["data"]["login"]["need_mfa"] == true;
            assert!(asks || answer.status >= 400 || answer.json()["errors"].is_array(), "{shape}: {answer:?}");
        }
        assert_eq!(sessions().await, before, "{shape}");
        // On REST a 200 has a token: there is none.
        assert_ne!(rest(service, shape.clone()).await.status, 200, "{shape}");
    }
    let mid = service.challenge("ada", None).await["mid"].clone();
    let data = |code: &str| format!("{{ mid: {mid}, type: Totp, code: \"{code}\" }}");
    let (one, two) = (data(&wrong[0]), data(&wrong[1]));
    for document in [
        format!("mutation {{ a: verifyMfa(data: {one}) {{ token }} b: verifyMfa(data: {two}) {{ token }} }}"),
        format!(
            "mutation {{ ...f }} fragment f on Mutation {{ verifyMfa(data: {one}) {{ ... on Login {{ t: token }} }} }}"
        ),
        format!("mutation {{ verifyMfa(data: {one}) {{ token @include(if: true) }} logout }}"),
        format!("mutation {{ verifyMfa(data: {one}) @skip(if: true) {{ token }} }}"),
        format!("query {{ verifyMfa(data: {one}) {{ token }} }}"),
    ] {
        judge_again(service).await;
        let answer = service.graphql(None, &document, json!({})).await;
        assert!(!answer.text.contains("eyJ"), "{document}: {answer:?}");
        assert_eq!(sessions().await, before, "{document}");
    }
}
