//! Anything but a key as it was minted, exactly where a key belongs, is refused: like every other dead credential to the last
//! header, and without SQL unless it has the shape of a key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keytower::auth::random::SystemRandom;
use keytower::domain::key_format;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderValue};
use serde_json::json;

use crate::support::{Answer, Service};

/// The two faces, each with a request that needs a credential.
const FACES: [(&str, &str); 2] = [("/v2/api/get-vms", "{}"), ("/api", r#"{"query":"{ vms { id } }"}"#)];

fn request(service: &Service, (path, body): (&str, &'static str)) -> RequestBuilder {
    service.http.post(service.url(path)).header(CONTENT_TYPE, "application/json").body(body)
}

async fn send(request: RequestBuilder) -> Answer {
    Answer::read(request.send().await.unwrap()).await
}

async fn with(service: &Service, face: (&str, &'static str), credential: &str) -> Answer {
    send(request(service, face).header(AUTHORIZATION, HeaderValue::from_bytes(credential.as_bytes()).unwrap())).await
}

fn replaced(key: &str, at: usize, with: char) -> String {
    key.char_indices().map(|(i, letter)| if i == at { with } else { letter }).collect()
}

fn misspellings(key: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut add = |what: &str, text: String| all.push((what.to_owned(), text));
    for at in [0, 1, 2, 3, 4, 16, 30, 31, 32, 45, 55, 56, 57, 58, 62, 63] {
        let letter = key.as_bytes()[at];
        add(&format!("letter {at} changed"), replaced(key, at, if letter == b'q' { 'r' } else { 'q' }));
        if letter.is_ascii_lowercase() {
            add(&format!("letter {at} in capitals"), replaced(key, at, char::from(letter.to_ascii_uppercase())));
        }
    }
    add("all capitals", key.to_uppercase());
    add("cut at the end", key[..63].to_owned());
    add("cut at the start", key[1..].to_owned());
    add("cut at both ends", key[1..63].to_owned());
    add("half", key[..32].to_owned());
    add("without its checksum", key[..57].to_owned());
    add("a letter more", format!("{key}0"));
    add("a letter before", format!("0{key}"));
    add("doubled", format!("{key}{key}"));
    let two = key.as_bytes().windows(2).skip(3).position(|pair| pair[0] != pair[1]).unwrap() + 3;
    let [left, right] = [two, two + 1].map(|at| char::from(key.as_bytes()[at]));
    add("two letters swapped", replaced(&replaced(key, two, right), two + 1, left));
    add("space inside", format!("{} {}", &key[..32], &key[32..]));
    add("space for a letter", replaced(key, 20, ' '));
    add("tab inside", format!("{}\t{}", &key[..32], &key[32..]));
    add("hyphen inside", format!("{}-{}", &key[..32], &key[32..]));
    add("zero-width space inside", format!("{}\u{200b}{}", &key[..32], &key[32..]));
    add("zero-width space behind", format!("{key}\u{200b}"));
    add("no-break space before", format!("\u{a0}{key}"));
    add("Cyrillic letter in the prefix", replaced(key, 0, '\u{43a}'));
    add("full-width digit in the prefix", replaced(key, 2, '\u{ff11}'));
    add("all full-width", key.chars().filter_map(|c| char::from_u32(u32::from(c) + 0xfee0)).collect());
    add("another version", format!("kt2{}", &key[3..]));
    add("another prefix", format!("sk_{}", &key[3..]));
    add("no prefix", key[3..].to_owned());
    add("Bearer twice", format!("Bearer Bearer {key}"));
    add("two spaces behind Bearer", format!("Bearer  {key}"));
    add("tab behind Bearer", format!("Bearer\t{key}"));
    add("Bearer without a space", format!("Bearer{key}"));
    add("Bearer with a colon", format!("Bearer: {key}"));
    add("Bearer and nothing", "Bearer".to_owned());
    add("nothing", String::new());
    add("Token scheme", format!("Token {key}"));
    add("ApiKey scheme", format!("ApiKey {key}"));
    add("Basic scheme", format!("Basic {key}"));
    add("Basic user name", format!("Basic {}", STANDARD.encode(format!("{key}:"))));
    add("Basic password", format!("Basic {}", STANDARD.encode(format!("root:{key}"))));
    add("twice with a comma", format!("{key},{key}"));
    add("twice with comma and space", format!("{key}, {key}"));
    add("twice with a space", format!("{key} {key}"));
    add("quoted", format!("\"{key}\""));
    add("in single quotes", format!("'{key}'"));
    add("as a parameter", format!("key={key}"));
    add("behind Bearer as a parameter", format!("Bearer token=\"{key}\""));
    add("percent-encoded", key.bytes().map(|byte| format!("%{byte:02X}")).collect());
    add("one letter percent-encoded", key.replacen('k', "%6B", 1));
    add("base64", STANDARD.encode(key));
    add("hexadecimal", key.bytes().map(|byte| format!("{byte:02x}")).collect());
    add("three parts, as a token", format!("{}.{}.{}", &key[..20], &key[20..40], &key[40..]));
    add("SQL", format!("{key}' OR '1'='1"));
    add("a variable that was not replaced", "$KEY".to_owned());
    add("64 letters", "a".repeat(64));
    add("64 digits behind the prefix", format!("kt1{}", "0".repeat(61)));
    add("10,000 letters", "k".repeat(10_000));
    for (what, text) in &all {
        assert_ne!(text, key, "{what} is no misspelling of this key");
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_very_key_is_accepted() {
    let service = Service::start().await;
    let token = service.root().await;
    let (_, key) = service.mint(&token, "ci").await;
    let unknown = key_format::generate(&SystemRandom).unwrap().expose().to_owned();
    let misspelt = misspellings(&key);
    assert!(misspelt.len() >= 40);
    println!("{} misspellings", misspelt.len());
    for face in FACES {
        let like = with(&service, face, &unknown).await;
        assert_eq!(like.status, 401, "{like:?}");
        assert_eq!(like.headers["www-authenticate"], "Bearer realm=\"keytower\"");
        for (what, text) in &misspelt {
            let before = service.app.store.statements();
            let answer = with(&service, face, text).await;
            assert_eq!(answer.told(), like.told(), "{what}: {text}");
            assert_eq!(service.app.store.statements(), before, "statements: {what}: {text}");
        }
        let before = service.app.store.statements();
        assert_eq!(with(&service, face, &unknown).await.told(), like.told());
        assert_eq!(service.app.store.statements(), before + 1, "a look-up of what has the shape of a key");
        for good in [key.clone(), format!("Bearer {key}"), format!("bEARER {key}")] {
            assert_eq!(with(&service, face, &good).await.status, 200, "{good}");
        }
        // White space around a field's value is not part of it (RFC 9110, section 5.5).
        assert_eq!(with(&service, face, &format!(" {key}\t ")).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_a_foreign_and_an_unknown_key_are_refused_alike() {
    let service = Service::start().await;
    let token = service.root().await;
    let other = Service::start().await;
    let (_, foreign) = other.mint(&other.root().await, "of another service").await;
    let (_, deleted) = service.mint(&token, "deleted").await;
    service.delete_key(&token, &deleted).await;
    let (name, person) = service.user("READ_ONLY").await;
    let (_, orphan) = service.mint(&person, "of a deleted user").await;
    service.delete_user(&name).await;
    let unknown = key_format::generate(&SystemRandom).unwrap().expose().to_owned();
    for face in FACES {
        let like = with(&service, face, &unknown).await;
        for dead in [&foreign, &deleted, &orphan, &person] {
            let before = service.app.store.statements();
            let answer = with(&service, face, dead).await;
            assert_eq!((answer.status, answer.told()), (401, like.told()));
            assert_eq!(service.app.store.statements() - before, 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_anywhere_but_in_authorization_does_not_count() {
    let service = Service::start().await;
    let (_, key) = service.mint(&service.root().await, "ci").await;
    let before = service.app.store.statements();
    for face in FACES {
        let (path, body) = face;
        let like = send(request(&service, face)).await;
        let url = |query: String| service.http.post(service.url(&format!("{path}?{query}"))).body(body);
        let (form, json) = ("application/x-www-form-urlencoded", "application/json");
        let ways = [
            ("access_token", url(format!("access_token={key}")).header(CONTENT_TYPE, json)),
            ("api_key", url(format!("api_key={key}")).header(CONTENT_TYPE, json)),
            ("Authorization in the address", url(format!("Authorization={key}")).header(CONTENT_TYPE, json)),
            ("X-Api-Key", request(&service, face).header("x-api-key", &key)),
            ("X-Auth-Token", request(&service, face).header("x-auth-token", &key)),
            ("X-Forwarded-Authorization", request(&service, face).header("x-forwarded-authorization", &key)),
            ("Proxy-Authorization", request(&service, face).header("proxy-authorization", &key)),
            ("X_Authorization", request(&service, face).header("x_authorization", &key)),
            ("cookie Authorization", request(&service, face).header(COOKIE, format!("Authorization={key}"))),
            ("cookie token", request(&service, face).header(COOKIE, format!("token={key}; connect.sid={key}"))),
            ("X-Forwarded-User", request(&service, face).header("x-forwarded-user", "root")),
            ("user and key in the address", {
                let address = service.url(path).replace("http://", &format!("http://{key}@"));
                // The client turns this into Basic, which is a credential that does not work.
                service.http.post(address).header(CONTENT_TYPE, json).body(body)
            }),
        ];
        for (what, request) in ways {
            let answer = send(request).await;
            if what == "user and key in the address" {
                assert_eq!(answer.status, 401, "{what}");
            } else {
                assert_eq!(answer.told(), like.told(), "{what}");
            }
            assert!(!answer.text.contains(&key), "{what}");
        }
        let posted = url(String::new()).header(CONTENT_TYPE, form).body(format!("access_token={key}"));
        assert!([401, 415].contains(&send(posted).await.status));
    }
    let get = service.get(&format!("/api?query=%7Bvms%7Bid%7D%7D&access_token={key}")).await;
    assert_eq!(get.code(), "UNAUTHENTICATED");
    assert_eq!(service.app.store.statements(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_credentials_are_refused_even_if_both_are_good() {
    let service = Service::start().await;
    let token = service.root().await;
    let (_, key) = service.mint(&token, "ci").await;
    let before = service.app.store.statements();
    for face in FACES {
        for pair in [[&key, &key], [&key, &token], [&token, &key], [&token, &token]] {
            let mut two = request(&service, face);
            for credential in pair {
                two = two.header(AUTHORIZATION, credential);
            }
            assert_eq!(send(two).await.status, 401);
        }
    }
    assert_eq!(service.app.store.statements(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_credential_costs_one_statement() {
    let service = Service::start().await;
    let token = service.root().await;
    let (_, key) = service.mint(&token, "ci").await;
    let cost = async |credential: &str, query: &str| {
        let before = service.app.store.statements();
        let answer = service.graphql(Some(credential), query, json!({})).await;
        assert_eq!((answer.status, answer.json()["errors"].is_null()), (200, true), "{answer:?}");
        service.app.store.statements() - before
    };
    for (what, credential) in [("key", &key), ("token", &token)] {
        assert_eq!(cost(credential, "{ __typename }").await, 1, "{what}: nothing but itself");
        assert_eq!(cost(credential, "{ vmsConnection { aggregate { count } } }").await, 2, "{what}: and one count");
        let before = service.app.store.statements();
        assert_eq!(service.try_credential(credential).await, 200);
        assert_eq!(service.app.store.statements() - before, 3, "{what}: and the user, and its roles");
    }
    let before = service.app.store.statements();
    assert_eq!(service.graphql(None, "{ __typename }", json!({})).await.status, 200);
    assert_eq!(service.app.store.statements(), before, "no credential, no statement");
}
