//! A second factor comes, is renewed and goes: never by a key, never without the password or a code, and never half.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::policy::two_nodes;
use crate::support::check::clean;
use crate::support::database::is_postgres;
use crate::support::node::borrowed;
use crate::support::otp::{STEP_TIME, align, parse, pass, refusal, token};
use crate::support::people::PASSWORD;
use crate::support::post::Encryption;
use crate::support::{Answer, Database, Device, Post, ROOT_PASSWORD, Service};

const BEGIN: &str = "mutation($data: PasswordInput!) { enrollTotp(data: $data) { secret otpauth_url qr_svg } }";
const REMOVE: &str = "mutation($data: MfaRemoveInput!) { removeMfa(data: $data) \
    { factors { type recipient created_at } recovery_codes_left } }";
const RENEW: &str = "mutation { renewRecoveryCodes { recovery_codes } }";
const RESET: &str = "mutation($where: MfaResetWhereInput!) { resetMfa(where: $where) { id username } }";
const CONFIRM_KEY: &str = "mutation($id: ID!) { confirmApiKey(where: { id: $id }) { id name suspended_at } }";
const MINT: &str = "mutation { createApiKey(data: { name: \"minted\" }) { id } }";
const POLICY: &str = "mutation { updateMfaPolicy(data: { report_only: true }) { __typename } }";
const OWN: &str = "{ mfa { factors { type recipient } recovery_codes_left } }";

async fn begin(service: &Service, token: &str, password: &str) -> Answer {
    service.graphql(Some(token), BEGIN, json!({ "data": { "password": password } })).await
}

async fn factors(service: &Service, token: &str) -> Value {
    let answer = service.graphql(Some(token), OWN, json!({})).await;
    clean(&answer);
    answer.json()["data"]["mfa"].clone()
}

async fn remove(service: &Service, token: &str, kind: &str, code: &str) -> Answer {
    service.graphql(Some(token), REMOVE, json!({ "data": { "type": kind, "code": code } })).await
}

fn done(answer: &Answer) -> Value {
    assert!(answer.json()["errors"].is_null(), "{answer:?}");
    answer.json()["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_takes_over_is_what_another_app_reads() {
    let service = Service::start().await;
    let root = service.root().await;
    for username in ["ada", "a:b c/d?e=f&g", "\u{5bc6}\u{7801}", "ada@example.com"] {
        let role = service.preset(&root, "READ_ONLY").await;
        service.done(&root, "/create-user", json!([crate::support::people::user(username, &role)])).await;
        let own = service.login(username, PASSWORD).await;
        let begun = done(&begin(&service, &own, PASSWORD).await)["enrollTotp"].clone();
        let read = parse(begun["otpauth_url"].as_str().unwrap());
        let shown = username.replace(':', " ");
        assert_eq!(read, json!(["TOTP", "keytower", shown, begun["secret"], 6, 30, "sha1"]), "{begun}");
        let secret = begun["secret"].as_str().unwrap();
        assert_eq!(secret.len(), 32, "160 bits");
        // A picture and nothing else: no script, no link, nothing from elsewhere.
        let svg = begun["qr_svg"].as_str().unwrap();
        assert!(svg.starts_with("<?xml") && svg.ends_with("</svg>") && svg.matches("<svg").count() == 1, "{svg}");
        for foreign in ["<script", "href", "onload", "<image", "<foreignObject", "url(", "<!DOCTYPE", "<!ENTITY"] {
            assert!(!svg.contains(foreign), "{foreign} in {svg}");
        }
        assert!(!svg.contains(secret) && svg.contains("<path"), "{svg}");
        // Another one each time.
        let again = done(&begin(&service, &own, PASSWORD).await)["enrollTotp"]["secret"].clone();
        assert_ne!(again, begun["secret"]);
        // The last one counts.
        let device = |secret: &Value| Device { secret: secret.as_str().unwrap().to_owned(), recovery: Vec::new() };
        let first = service.confirm(&own, "Totp", &device(&begun["secret"]).code(&service, 0)).await;
        assert_eq!(refusal(&first), "LOGIN_FAILED");
        let codes = done(&service.confirm(&own, "Totp", &device(&again).code(&service, 0)).await);
        let codes: Vec<String> = serde_json::from_value(codes["confirmTotp"]["recovery_codes"].clone()).unwrap();
        let mut different = codes.clone();
        different.sort();
        different.dedup();
        assert_eq!((codes.len(), different.len()), (10, 10));
        assert!(codes.iter().all(|code| code.len() == 29), "{codes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_that_is_never_confirmed_locks_nobody_out() {
    let service = Service::start().await;
    let root = service.root().await;
    let ada = service.make_person(&root, "ada", "READ_ONLY").await;
    for wrong in ["", "wrong", ROOT_PASSWORD] {
        let answer = begin(&service, &ada, wrong).await;
        assert_eq!(refusal(&answer), "LOGIN_FAILED", "{wrong:?}");
    }
    let begun = done(&begin(&service, &ada, PASSWORD).await)["enrollTotp"].clone();
    let secret = begun["secret"].as_str().unwrap().to_owned();
    let device = Device { secret, recovery: Vec::new() };
    // It is no factor yet: a login needs no code, on either face, and takes none.
    service.login("ada", PASSWORD).await;
    token(&service.try_login("ada", PASSWORD, json!({})).await);
    let with_code = service.try_login("ada", PASSWORD, json!({ "mfa_code": device.code(&service, 0) })).await;
    assert_eq!(refusal(&with_code), "LOGIN_FAILED");
    assert_eq!(factors(&service, &ada).await, json!({ "factors": [], "recovery_codes_left": 0 }));
    // It belongs to the session that began it, and to its type.
    let other = service.login("ada", PASSWORD).await;
    assert_eq!(refusal(&service.confirm(&other, "Mail", "000000").await), "BAD_USER_INPUT");
    assert_eq!(refusal(&service.confirm(&other, "Totp", &device.code(&service, 0)).await), "BAD_USER_INPUT");
    // Five tries, and ten minutes.
    for wrong in device.wrong(&service, 5) {
        assert_eq!(refusal(&service.confirm(&ada, "Totp", &wrong).await), "LOGIN_FAILED");
    }
    service.clock.advance(Duration::from_secs(60));
    let right = device.code(&service, 0);
    assert_eq!(refusal(&service.confirm(&ada, "Totp", &right).await), "LOGIN_FAILED");
    for (seconds, expected) in [(600, Some("BAD_USER_INPUT")), (599, None)] {
        service.clock.advance(Duration::from_secs(1000));
        let begun = done(&begin(&service, &ada, PASSWORD).await)["enrollTotp"]["secret"].clone();
        let device = Device { secret: begun.as_str().unwrap().to_owned(), ..device.clone() };
        service.clock.advance(Duration::from_secs(seconds));
        service.login("ada", PASSWORD).await;
        let confirmed = service.confirm(&ada, "Totp", &device.code(&service, 0)).await;
        match expected {
            Some(code) => assert_eq!(refusal(&confirmed), code, "{seconds}"),
            None => assert_eq!(done(&confirmed)["confirmTotp"]["recovery_codes"].as_array().unwrap().len(), 10),
        }
    }
    let begun = service.challenge("ada", None).await;
    assert_eq!(begun["type"], "Totp");
}

/// Whatever a key's owner may do: a key changes no second factor, no password and mints nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_changes_nothing_about_factors() {
    let service = Service::start().await;
    let root = service.root().await;
    let (id, key) = service.mint(&root, "automation").await;
    let device = service.enroll(&root, ROOT_PASSWORD).await;
    service.make_person(&service.full_root(&device).await, "ada", "READ_ONLY").await;
    let code = device.code(&service, 1);
    let people = service.people().await;
    let code_data = json!({ "data": { "code": code } });
    let password = json!({ "data": { "password": ROOT_PASSWORD } });
    for (query, variables) in [
        (BEGIN, password.clone()),
        ("mutation($data: PasswordInput!) { enrollMail(data: $data) { mid } }", password),
        ("mutation($data: CodeInput!) { confirmTotp(data: $data) { recovery_codes } }", code_data.clone()),
        ("mutation($data: CodeInput!) { confirmMail(data: $data) { recovery_codes } }", code_data.clone()),
        (REMOVE, json!({ "data": { "type": "Totp", "code": code } })),
        (REMOVE, json!({ "data": { "type": "Totp", "code": device.recovery[0] } })),
        (RENEW, json!({})),
        (RESET, json!({ "where": { "user": { "username": "ada" } } })),
        ("mutation($data: ReauthenticateInput!) { reauthenticate(data: $data) { need_mfa } }", code_data),
        (CONFIRM_KEY, json!({ "id": id })),
        (MINT, json!({})),
        (POLICY, json!({})),
        (OWN, json!({})),
    ] {
        let answer = service.graphql(Some(&key), query, variables).await;
        assert_eq!((answer.status, answer.code().as_str()), (200, "FORBIDDEN"), "{query}: {answer:?}");
        let none = answer.json()["data"].as_object().is_none_or(|data| data.values().all(Value::is_null));
        assert!(none, "{query}: {answer:?}");
    }
    assert_eq!(service.people().await, people);
    // Nothing of it was spent: the device's code and the paper's still work.
    let mid = service.try_login("root", ROOT_PASSWORD, json!({})).await.json();
    token(&service.verify(&mid["data"]["login"]["mfa_meta"]["mid"], "Totp", &code).await);
    let data = json!({ "mfa_type": "TotpRecoveryCode", "mfa_code": device.recovery[0] });
    token(&service.try_login("root", ROOT_PASSWORD, data).await);
}

impl Service {
    /// A token of a `root` that has an authenticator app. The clock goes on by one step.
    async fn full_root(&self, device: &Device) -> String {
        self.clock.advance(STEP_TIME);
        token(&self.try_login("root", ROOT_PASSWORD, json!({ "mfa_code": device.code(self, 0) })).await)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_credentials_needs_a_fresh_factor() {
    let nodes = two_nodes(&[("step_up_time", "10m"), ("token_life", "0")]).await;
    align(&nodes);
    let [here, there] = &nodes;
    let old = here.root().await;
    here.make_person(&old, "ada", "READ_ONLY").await;
    let role = here.preset(&old, "READ_ONLY").await;
    let device = here.enroll(&here.root().await, ROOT_PASSWORD).await;
    let person = json!([crate::support::people::user("new", &role)]);
    let set = json!({ "where": { "username": "ada" }, "data": { "password": "another password" } });
    let create = "mutation($data: UserCreateInput!) { createUser(data: $data) { id } }";
    let data = json!({ "name": "newer", "username": "newer", "password": PASSWORD, "role": "READ_ONLY" });
    // Everything that steps up, and that what does not still works.
    let expect_stale = async |node: &Service, token: &str| {
        let people = node.people().await;
        for (query, variables) in [
            (MINT, json!({})),
            (BEGIN, json!({ "data": { "password": ROOT_PASSWORD } })),
            (REMOVE, json!({ "data": { "type": "Totp", "code": device.recovery[9] } })),
            (RENEW, json!({})),
            (RESET, json!({ "where": { "user": { "username": "ada" } } })),
            (POLICY, json!({})),
            (create, json!({ "data": data })),
            (CONFIRM_KEY, json!({ "id": "x" })),
        ] {
            let answer = node.graphql(Some(token), query, variables).await;
            assert_eq!((answer.status, answer.code().as_str()), (200, "REAUTHENTICATION_REQUIRED"), "{query}");
            assert!(answer.text.contains("reauthenticate"), "{answer:?}");
        }
        node.refused(token, "/create-user", person.clone(), 403, "reauthenticate").await;
        node.refused(token, "/update-user", set.clone(), 403, "reauthenticate").await;
        assert_eq!(node.people().await, people);
        assert_eq!(node.rest(token, "/get-users", json!({})).await.status, 200);
        let rename = json!({ "where": { "username": "ada" }, "data": { "name": "Ada" } });
        node.done(token, "/update-user", rename).await;
    };
    // A token from before the second factor was turned on.
    expect_stale(here, &old).await;
    expect_stale(there, &old).await;
    for (data, expected) in [
        (json!({}), "BAD_USER_INPUT"),
        (json!({ "code": null }), "BAD_USER_INPUT"),
        (json!({ "code": "" }), "LOGIN_FAILED"),
        (json!({ "type": "Mail" }), "BAD_USER_INPUT"),
        (json!({ "type": "Sms", "code": "000000" }), "BAD_USER_INPUT"),
        (json!({ "code": device.code(here, 0) }), "LOGIN_FAILED"),
        (json!({ "type": "TotpRecoveryCode", "code": device.code(here, 1) }), "LOGIN_FAILED"),
    ] {
        assert_eq!(refusal(&here.reauthenticate(&old, data.clone()).await), expected, "{data}");
    }
    let fresh = done(&there.reauthenticate(&old, json!({ "code": device.code(there, 1) })).await);
    assert_eq!(fresh["reauthenticate"]["need_mfa"], false);
    done(&here.graphql(Some(&old), MINT, json!({})).await);
    // Ten minutes to the second, on both nodes.
    pass(&nodes, Duration::from_secs(599));
    done(&there.graphql(Some(&old), MINT, json!({})).await);
    pass(&nodes, Duration::from_secs(1));
    expect_stale(here, &old).await;
    expect_stale(there, &old).await;
    // A recovery code will do; and it is spent.
    let code = json!({ "type": "TotpRecoveryCode", "code": device.recovery[0] });
    done(&here.reauthenticate(&old, code.clone()).await);
    here.done(&old, "/create-user", person).await;
    assert_eq!(refusal(&there.reauthenticate(&old, code).await), "LOGIN_FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn factors_are_replaced_joined_and_removed() {
    let post = Post::start(Encryption::Upgraded);
    let service = Service::start_with(std::sync::Arc::new(Database::new().await), &borrowed(&post.settings())).await;
    let (ada, device) = service.make_holder("ada").await;
    // Another device in its place: the old one's codes are dead, the codes on paper stay.
    service.clock.advance(STEP_TIME);
    let other = service.enroll(&ada, PASSWORD).await;
    assert_eq!((other.recovery.len(), other.secret == device.secret), (0, false));
    service.clock.advance(STEP_TIME);
    let mid = service.challenge("ada", None).await["mid"].clone();
    assert_eq!(refusal(&service.verify(&mid, "Totp", &device.code(&service, 0)).await), "LOGIN_FAILED");
    token(&service.verify(&mid, "Totp", &other.code(&service, 0)).await);
    // One more of another type: no codes again, and each completes a login.
    service.enroll_mail(&ada, &post, "ada@example.com").await;
    let two = json!([{ "type": "Mail", "recipient": "a***@example.com" }, { "type": "Totp", "recipient": null }]);
    let mut own = factors(&service, &ada).await;
    own["factors"].as_array_mut().unwrap().sort_by_key(|factor| factor["type"].to_string());
    assert_eq!(own, json!({ "factors": two, "recovery_codes_left": 10 }));
    assert_eq!(service.challenge("ada", None).await["type"], "Totp");
    let mid = service.challenge("ada", Some("Mail")).await["mid"].clone();
    token(&service.verify(&mid, "Mail", &post.code_to("ada@example.com").await).await);
    // New codes on paper kill those before.
    let renewed = done(&service.graphql(Some(&ada), RENEW, json!({})).await);
    let paper: Vec<String> = serde_json::from_value(renewed["renewRecoveryCodes"]["recovery_codes"].clone()).unwrap();
    assert_eq!(paper.len(), 10);
    for dead in &device.recovery[..3] {
        let mid = service.challenge("ada", None).await["mid"].clone();
        assert_eq!(refusal(&service.verify(&mid, "TotpRecoveryCode", dead).await), "LOGIN_FAILED");
    }
    let mid = service.challenge("ada", None).await["mid"].clone();
    token(&service.verify(&mid, "TotpRecoveryCode", &paper[0]).await);
    // Removal takes a code of that factor or one on paper, not another's.
    service.clock.advance(STEP_TIME);
    for (kind, code, expected) in [
        ("Totp", String::new(), "LOGIN_FAILED"),
        ("Totp", "000000".to_owned(), "LOGIN_FAILED"),
        ("Totp", device.recovery[5].clone(), "LOGIN_FAILED"),
        ("Totp", paper[0].clone(), "LOGIN_FAILED"),
        ("Mail", other.code(&service, 0), "BAD_USER_INPUT"),
        ("Sms", other.code(&service, 0), "BAD_USER_INPUT"),
        ("TotpRecoveryCode", paper[1].clone(), "BAD_USER_INPUT"),
    ] {
        let answer = remove(&service, &ada, kind, &code).await;
        if other.code(&service, 0) != "000000" {
            assert_eq!(refusal(&answer), expected, "{kind} {code}");
        }
    }
    let waiting = service.challenge("ada", None).await["mid"].clone();
    let left = done(&remove(&service, &ada, "Totp", &paper[1]).await)["removeMfa"].clone();
    assert_eq!((left["factors"].as_array().unwrap().len(), &left["recovery_codes_left"]), (1, &json!(8)));
    // What waited is over, and the device's codes are dead.
    assert_eq!(refusal(&service.verify(&waiting, "TotpRecoveryCode", &paper[2]).await), "LOGIN_FAILED");
    let mid = service.challenge("ada", None).await["mid"].clone();
    assert_eq!(refusal(&service.verify(&mid, "Totp", &other.code(&service, 0)).await), "BAD_USER_INPUT");
    post.letter_to("ada@example.com").await;
    // With the last factor the codes on paper go.
    done(&service.reauthenticate(&ada, json!({})).await);
    let mailed = post.code_to("ada@example.com").await;
    let left = done(&remove(&service, &ada, "Mail", &mailed).await)["removeMfa"].clone();
    assert_eq!(left, json!({ "factors": [], "recovery_codes_left": 0 }));
    service.login("ada", PASSWORD).await;
    let again = service.enroll(&ada, PASSWORD).await;
    assert_eq!(again.recovery.len(), 10);
}

/// The bytes of every file in a folder.
fn bytes_in(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_database_computes_no_code() {
    let service = Service::start().await;
    let (_, device) = service.make_holder("ada").await;
    let meta = service.challenge("ada", None).await;
    let mut secrets = device.recovery.clone();
    secrets.extend(device.recovery.iter().map(|code| code.replace('-', "")));
    secrets.extend([device.secret.clone(), device.secret.to_lowercase(), meta["mid"].as_str().unwrap().to_owned()]);
    let mut searched: Vec<Vec<u8>> = secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect();
    searched.push(decoded(&device.secret));
    let digits = |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes();
    searched.extend(searched.iter().map(digits).collect::<Vec<_>>());
    let tables = ["users", "factors", "recovery_codes", "challenges", "sessions", "attempts", "system_audit_logs"];
    let mut bytes = service.rows_of(&tables).await.join("\n").to_lowercase().into_bytes();
    bytes.extend(service.rows_of(&tables).await.join("\n").into_bytes());
    if !is_postgres() {
        bytes.extend(bytes_in(Path::new(&service.database().data_dir())));
    }
    let holds = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    assert!(holds(b"ada@example.com"), "the search finds nothing");
    for secret in &searched {
        assert!(!holds(secret), "{:?}", String::from_utf8_lossy(secret));
    }
}

/// Base32 without padding (RFC 4648, section 6).
fn decoded(text: &str) -> Vec<u8> {
    let value = |letter: char| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).unwrap();
    let bits: String = text.chars().map(|letter| format!("{:05b}", value(letter))).collect();
    bits.as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect()
}
