//! What monitors, proxies and verifiers ask: health, version, signing keys; and the headers that every answer has.

use std::collections::HashSet;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::{Answer, Service};

/// A credential that would be refused wherever credentials are read.
const DEAD: &str = "dead.dead.dead";

async fn send(service: &Service, method: Method, path: &str, credential: Option<&str>) -> Answer {
    let mut request = service.http.request(method, service.url(path));
    if let Some(credential) = credential {
        request = request.header(AUTHORIZATION, credential);
    }
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_answer_anybody() {
    let service = Service::start().await;
    for credential in [None, Some(DEAD)] {
        for (path, body) in [
            ("/healthz", json!({ "status": "ok" })),
            (
                "/readyz",
                json!({ "status": "ok", "checks": { "database": "ok", "migrations": "ok" }, "node": "active" }),
            ),
            ("/api/healthz", json!({ "status": "active" })),
        ] {
            let answer = send(&service, Method::GET, path, credential).await;
            assert_eq!((answer.status, answer.json()), (200, body), "{path}");
            // A probe may leave the body away.
            assert_eq!(send(&service, Method::HEAD, path, credential).await.status, 200, "{path}");
        }
    }
    for path in ["/healthz", "/readyz", "/api/healthz", "/.well-known/jwks.json"] {
        assert_eq!(send(&service, Method::POST, path, None).await.status, 405, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_tells_what_is_missing() {
    let service = Service::start().await;
    let database = service.database().connect().await;
    database.execute_unprepared("DELETE FROM seaql_migrations").await.unwrap();
    let answer = service.get("/readyz").await;
    let body = json!({ "status": "failed", "checks": { "database": "ok", "migrations": "failed" }, "node": "active" });
    assert_eq!((answer.status, answer.json()), (503, body));
    service.app.store.close().await;
    let answer = service.get("/readyz").await;
    let body =
        json!({ "status": "failed", "checks": { "database": "failed", "migrations": "failed" }, "node": "active" });
    assert_eq!((answer.status, answer.json()), (503, body));
    // Neither is a reason to restart the process or to move clients elsewhere.
    for path in ["/healthz", "/api/healthz"] {
        assert_eq!(service.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_is_a_json_string_for_anybody() {
    let service = Service::start().await;
    for credential in [None, Some(DEAD)] {
        let answer = send(&service, Method::GET, "/v2/api/get-version", credential).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "\"4.6.0\""));
        assert_eq!(answer.headers[CONTENT_TYPE], "application/json");
    }
    // Clients of the contract declare JSON even where they send nothing.
    let request = service.http.get(service.url("/v2/api/get-version")).header(CONTENT_TYPE, "application/json");
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_keys_are_published_without_their_private_half() {
    let service = Service::start().await;
    let answer = send(&service, Method::GET, "/.well-known/jwks.json", Some(DEAD)).await;
    assert_eq!(answer.status, 200);
    let document = answer.json();
    let keys = document["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1, "{document}");
    for key in keys {
        let members: HashSet<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, HashSet::from(["kty", "crv", "x", "kid", "alg", "use"]), "{document}");
        let text = |member: &str| key[member].as_str().unwrap();
        assert_eq!((text("kty"), text("crv"), text("alg"), text("use")), ("OKP", "Ed25519", "EdDSA", "sig"));
    }
    // A token names the key that is published.
    let token = service.root().await;
    let head = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, token.split('.').next().unwrap());
    let head: Value = serde_json::from_slice(&head.unwrap()).unwrap();
    assert_eq!(head["kid"], keys[0]["kid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_an_id_of_its_own_and_the_headers_of_all() {
    let service = Service::start().await;
    let token = service.root().await;
    let mut ids = HashSet::new();
    for (method, path, credential, status) in [
        (Method::GET, "/healthz", None, 200),
        (Method::GET, "/healthz", None, 200),
        (Method::GET, "/readyz", None, 200),
        (Method::GET, "/api/healthz", None, 200),
        (Method::GET, "/.well-known/jwks.json", None, 200),
        (Method::GET, "/v2/api/get-version", None, 200),
        (Method::GET, "/v2/api/swagger3.json", None, 200),
        (Method::POST, "/v2/api/get-my-info", Some(token.as_str()), 200),
        (Method::POST, "/v2/api/get-my-info", None, 401),
        (Method::POST, "/v2/api/get-my-info", Some(DEAD), 401),
        (Method::POST, "/v2/api/get-vms", Some(token.as_str()), 415),
        (Method::GET, "/v2/api/get-vms", Some(token.as_str()), 405),
        (Method::POST, "/v2/api/no-such-route", None, 404),
        (Method::GET, "/no-such-route", None, 404),
        (Method::GET, "/api?query=%7B__typename%7D", None, 200),
        (Method::GET, "/api?query=%7B__typename%7D", Some(DEAD), 401),
        (Method::DELETE, "/api", None, 405),
        (Method::GET, "/api/graphiql/no-such-file", None, 404),
    ] {
        let answer = send(&service, method.clone(), path, credential).await;
        assert_eq!(answer.status, status, "{method} {path}");
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let id = header("x-tower-request-id");
        assert!(uuid::Uuid::parse_str(id).is_ok(), "{method} {path}: {id:?}");
        assert!(ids.insert(id.to_owned()), "{method} {path}: {id} was there before");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ] {
            assert_eq!(header(name), value, "{method} {path}: {name}");
        }
        assert_eq!(header("www-authenticate").is_empty(), status != 401, "{method} {path}");
    }
    // An id that the client makes up is not taken over.
    let mine = "11111111-1111-1111-1111-111111111111";
    let request = service.http.get(service.url("/healthz")).header("x-tower-request-id", mine);
    let answer = Answer::read(request.send().await.unwrap()).await;
    assert_eq!(answer.headers.get_all("x-tower-request-id").iter().count(), 1);
    assert_ne!(answer.headers["x-tower-request-id"], mine);
}
