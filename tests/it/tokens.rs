//! Tokens: what is in them, how long they work, what ends them, and the signing keys behind them. Forged ones: `forgeries`.

use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use keytower::domain::caller::Caller;
use keytower::service::people::users;
use keytower::service::sessions::signing;
use serde_json::{Value, json};

use crate::support::signer::{Signer, part};
use crate::support::{Answer, ROOT_PASSWORD, Service, pass};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const LEAD: Duration = keytower::auth::token::LEAD;

async fn start(settings: &[(&str, &str)]) -> Service {
    Service::start_with(std::sync::Arc::new(crate::support::Database::new().await), settings).await
}

async fn my_id(service: &Service, credential: &str) -> String {
    let me = service.post_text("/v2/api/get-my-info", Some(credential), "").await;
    me.json()["id"].as_str().unwrap_or_else(|| panic!("{me:?}")).to_owned()
}

async fn jwks(service: &Service) -> Value {
    let answer = service.get("/.well-known/jwks.json").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn kids(service: &Service) -> Vec<String> {
    let jwks = jwks(service).await;
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn rotate(service: &Service) -> String {
    signing::rotate(&service.app, &pass(&Caller::operator())).await.unwrap().id.to_string()
}

async fn logout(service: &Service, token: &str) -> Answer {
    service.graphql(Some(token), "mutation { logout }", json!({})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_says_who_until_when_and_how_and_nothing_secret() {
    let service = start(&[("issuer", "https://keys.example"), ("token_life", "90m")]).await;
    let before = service.app.now().timestamp();
    let token = service.root().await;
    assert_eq!(part(&token, 0), json!({ "alg": "EdDSA", "kid": kids(&service).await[0], "typ": "at+jwt" }));
    let claims = part(&token, 1);
    let jti = claims["jti"].as_str().unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": "https://keys.example", "aud": "https://keys.example", "sub": my_id(&service, &token).await, "jti": jti,
            "iat": before, "nbf": before, "exp": before + 90 * 60, "amr": ["pwd"],
        })
    );
    assert!(!claims.to_string().contains(ROOT_PASSWORD) && !claims.to_string().contains("argon2"));
    let again = service.root().await;
    assert_ne!(again, token);
    assert_ne!(part(&again, 1)["jti"], claims["jti"], "a login is a session of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_can_verify_a_token_with_the_published_keys_alone() {
    let service = Service::start().await;
    let token = service.root().await;
    let published = jwks(&service).await;
    let members: Vec<&String> = published["keys"][0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"], "the public half, and no d");

    let set: JwkSet = serde_json::from_value(published).unwrap();
    let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_issuer(&["keytower"]);
    rules.set_audience(&["keytower"]);
    let verified = jsonwebtoken::decode::<Value>(&token, &key, &rules).unwrap().claims;
    assert_eq!(verified, part(&token, 1));

    let stranger = Signer::stranger(&kid).sign(&part(&token, 0).to_string(), &part(&token, 1).to_string());
    assert!(jsonwebtoken::decode::<Value>(&stranger, &key, &rules).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_works_until_the_very_second_it_names() {
    for (life, seconds) in [("2s", 2), ("1h", 3600), ("3650d", 3650 * 86_400)] {
        let service = start(&[("token_life", life), ("signing_key_life", "0")]).await;
        let token = service.root().await;
        let claims = part(&token, 1);
        let exp = claims["exp"].as_i64().unwrap();
        assert_eq!(exp - claims["iat"].as_i64().unwrap(), seconds, "{life}");
        let end = chrono::DateTime::from_timestamp(exp, 0).unwrap();
        service.clock.advance((end - service.app.now()).to_std().unwrap() - Duration::from_millis(1));
        assert_eq!(service.try_credential(&token).await, 200, "{life}: a millisecond before its end");
        service.clock.advance(Duration::from_millis(1));
        assert_eq!(service.try_credential(&token).await, 401, "{life}: at its end");
        assert_eq!(service.graphql(Some(&token), "{ vms { id } }", json!({})).await.status, 401);
        assert_eq!(service.try_credential(&service.root().await).await, 200, "{life}: the next login");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_an_end_works_until_it_is_revoked() {
    let service = start(&[("token_life", "0"), ("signing_key_life", "90d")]).await;
    let token = service.root().await;
    for _ in 0..20 {
        service.clock.advance(HOUR * 24 * 365);
        signing::maintain(&service.app).await.unwrap();
        assert_eq!(service.try_credential(&token).await, 200);
    }
    assert_eq!(logout(&service, &token).await.json(), json!({ "data": { "logout": true } }));
    assert_eq!(service.try_credential(&token).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_ends_one_session_and_only_that() {
    let service = Service::start().await;
    let operator = Caller::operator();
    let password = users::create_with_password(&service.app, &pass(&operator), "ada".to_owned(), "READ_ONLY").await;
    let password = password.unwrap();
    let first = service.login("ada", password.expose()).await;
    let second = service.login("ada", password.expose()).await;
    let (_, stranger) = service.user("READ_ONLY").await;
    let (_, key) = service.mint(&first, "survivor").await;
    for live in [&first, &second, &stranger, &key] {
        assert_eq!(service.try_credential(live).await, 200);
    }
    assert_eq!(logout(&service, &first).await.json(), json!({ "data": { "logout": true } }));
    assert_eq!(service.try_credential(&first).await, 401);
    assert_eq!(logout(&service, &first).await.status, 401, "a second logout has no session to end");
    for live in [&second, &stranger, &key] {
        assert_eq!(service.try_credential(live).await, 200);
    }
    let none = service.graphql(None, "mutation { logout }", json!({})).await;
    assert_eq!((none.status, none.code().as_str()), (200, "UNAUTHENTICATED"));

    service.delete_user("ada").await;
    for dead in [&second, &key] {
        assert_eq!(service.try_credential(dead).await, 401, "deleting the user ends all");
    }
    assert_eq!(service.try_credential(&stranger).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_signing_key_is_published_first_and_the_old_one_leaves_with_its_last_token() {
    let service = start(&[("token_life", "1h"), ("signing_key_life", "0")]).await;
    let old = Signer::of(&service).await;
    let first = service.root().await;
    let new = rotate(&service).await;
    assert_eq!(kids(&service).await, [old.kid.clone(), new.clone()], "published before it signs");

    service.clock.advance(LEAD - SECOND);
    let last_of_old = service.root().await;
    assert_eq!(part(&last_of_old, 0)["kid"], json!(old.kid), "not before everybody can know it");
    service.clock.advance(SECOND);
    let first_of_new = service.root().await;
    assert_eq!(part(&first_of_new, 0)["kid"], json!(new));
    for live in [&first, &last_of_old, &first_of_new] {
        assert_eq!(service.try_credential(live).await, 200);
    }

    // The last token of the old key is in its last second: it works, although the key signs no more.
    service.clock.advance(HOUR - SECOND * 3);
    signing::maintain(&service.app).await.unwrap();
    assert_eq!(kids(&service).await.len(), 2);
    assert_eq!(service.try_credential(&first).await, 401, "expired");
    assert_eq!(service.try_credential(&last_of_old).await, 200);

    // Even a token that the old key itself has signed, for a live session, is refused once the key is forgotten.
    let live = service.root().await;
    let of_old = || old.sign(&old.header().to_string(), &part(&live, 1).to_string());
    assert_eq!(service.try_credential(&of_old()).await, 200);
    service.clock.advance(SECOND * 3);
    signing::reload(&service.app).await.unwrap();
    assert_eq!(kids(&service).await, std::slice::from_ref(&new), "not published, though nobody has deleted it yet");
    assert_eq!(service.app.store.signing_keys().await.unwrap().len(), 2);
    signing::maintain(&service.app).await.unwrap();
    assert_eq!(kids(&service).await, [new], "the old key left");
    assert_eq!(service.app.store.signing_keys().await.unwrap().len(), 1, "and its private half with it");
    let before = service.app.store.statements();
    assert_eq!(service.try_credential(&of_old()).await, 401);
    assert_eq!(service.app.store.statements(), before);
    assert_eq!(service.try_credential(&live).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_keys_replace_themselves_when_they_are_old() {
    let service = start(&[("token_life", "30m"), ("signing_key_life", "2h")]).await;
    let first = kids(&service).await;
    service.clock.advance(HOUR * 2 - SECOND);
    signing::maintain(&service.app).await.unwrap();
    assert_eq!(kids(&service).await, first, "not old yet");
    service.clock.advance(SECOND * 2);
    // Many nodes notice at once: one key is made.
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let app = std::sync::Arc::clone(&service.app);
            tokio::spawn(async move { signing::maintain(&app).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let both = kids(&service).await;
    assert_eq!((both.len(), &both[0]), (2, &first[0]));
    let rows = service.app.store.signing_keys().await.unwrap();
    assert_eq!(rows[1].retired_at, None);
    let retired = rows[0].retired_at.unwrap();
    assert_eq!((retired - rows[1].active_from).to_std().unwrap(), HOUR / 2, "a token's life after the takeover");

    for _ in 0..6 {
        service.clock.advance(HOUR);
        signing::maintain(&service.app).await.unwrap();
        let token = service.root().await;
        assert_eq!(service.try_credential(&token).await, 200);
        assert!(kids(&service).await.len() <= 2, "old keys pile up");
    }
    assert!(!kids(&service).await.contains(&first[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_takes_a_new_signing_key_before_it_signs() {
    let one = Service::start().await;
    let other = Service::start_with(std::sync::Arc::clone(one.database()), &[]).await;
    let token = one.root().await;
    assert_eq!(other.try_credential(&token).await, 200, "one database, one set of tokens");
    let new = rotate(&one).await;
    assert!(!kids(&other).await.contains(&new));
    signing::maintain(&other.app).await.unwrap();
    assert!(kids(&other).await.contains(&new));
    for node in [&one, &other] {
        node.clock.advance(LEAD + SECOND);
    }
    let token = one.root().await;
    assert_eq!(part(&token, 0)["kid"], json!(new));
    assert_eq!(other.try_credential(&token).await, 200);
    logout(&other, &token).await;
    assert_eq!(one.try_credential(&token).await, 401, "logged out there, dead here");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lacks_a_right_can_not_rotate() {
    let service = Service::start().await;
    let (_, token) = service.user("ADMIN").await;
    let before = kids(&service).await;
    let caller = Caller::from(service.app.authenticate(&token, None).await.unwrap());
    let refused = signing::rotate(&service.app, &pass(&caller)).await.unwrap_err();
    assert_eq!(refused.kind(), keytower::error::Kind::Forbidden);
    assert_eq!(kids(&service).await, before);
}
