//! What the settings say of SoftLayer's interfaces: whether they are served, how long portal tokens live, and which address a WSDL names.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::support::softlayer::USER;
use crate::support::{Answer, Database, ROOT_PASSWORD, Service};

async fn start(settings: &[(&str, &str)]) -> Service {
    Service::start_with(Arc::new(Database::new().await), settings).await
}

async fn portal(service: &Service) -> (i64, String) {
    let url = service.url(&format!("/rest/v3.1/{USER}/getPortalLoginToken.json"));
    let login = service.http.post(url).json(&json!({ "parameters": ["root", ROOT_PASSWORD] }));
    let token = Answer::unchecked(login.send().await.unwrap()).await.unwrap().json();
    (token["userId"].as_i64().unwrap(), token["hash"].as_str().unwrap().to_owned())
}

async fn status(service: &Service, token: &(i64, String)) -> u16 {
    let url = service.url("/rest/v3.1/SoftLayer_Account/getCurrentUser.json");
    let request = service.http.get(url).basic_auth(token.0, Some(&token.1));
    Answer::unchecked(request.send().await.unwrap()).await.unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_interfaces_their_addresses_are_unknown() {
    let service = start(&[("softlayer", "false")]).await;
    for path in [
        format!("/xmlrpc/v3.1/{USER}"),
        format!("/soap/v3.1/{USER}"),
        format!("/rest/v3.1/{USER}/getPortalLoginToken.json"),
        "/rest/v3.1/".to_owned(),
        "/soap/v3.1/soap-encoding.xsd".to_owned(),
    ] {
        let unknown =
            Answer::unchecked(service.http.post(service.url("/nonsense")).send().await.unwrap()).await.unwrap();
        let answer = Answer::unchecked(service.http.post(service.url(&path)).send().await.unwrap()).await.unwrap();
        assert_eq!((answer.status, answer.text.replace(&path, "/nonsense")), (404, unknown.text), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_life_that_was_set_shortens_portal_tokens() {
    for (settings, hours) in [
        (&[][..], 48),
        (&[("token_life", "0")][..], 48),
        (&[("token_life", "100h")][..], 48),
        (&[("token_life", "12h")][..], 12),
    ] {
        let service = start(settings).await;
        let token = portal(&service).await;
        service.clock.advance(Duration::from_secs(hours * 3600 - 2));
        assert_eq!(status(&service, &token).await, 200, "{settings:?}");
        service.clock.advance(Duration::from_secs(3));
        assert_eq!(status(&service, &token).await, 401, "{settings:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_read_from_bodies_only() {
    let service = Service::start().await;
    let sessions = service.rows("sessions").await;
    for method in [reqwest::Method::GET, reqwest::Method::POST, reqwest::Method::PUT] {
        let url = service.url(&format!("/rest/v3.1/{USER}/getPortalLoginToken/root/{ROOT_PASSWORD}.json"));
        let answer = Answer::unchecked(service.http.request(method, url).send().await.unwrap()).await.unwrap();
        assert_eq!(answer.status, 400);
        assert!(answer.text.contains("POST") && !answer.text.contains(ROOT_PASSWORD), "{answer:?}");
    }
    assert_eq!(service.rows("sessions").await, sessions);
    // A method without parameters goes by GET, as clients send it.
    let (number, hash) = portal(&service).await;
    let url = service.url(&format!("/rest/v3.1/{USER}/{number}/addApiAuthenticationKey.json"));
    let answer = service.http.get(url).basic_auth(number, Some(&hash)).send().await.unwrap();
    assert_eq!(Answer::unchecked(answer).await.unwrap().status, 200);
    // A portal token that was pasted where a name belongs is not kept.
    let logged = service
        .http
        .post(service.url("/v2/api/login"))
        .json(&json!({ "username": hash, "password": "x", "source": "LOCAL" }));
    logged.send().await.unwrap();
    let rows = service.rows_of(&["user_audit_logs", "system_audit_logs"]).await.join("\n");
    assert!(!rows.contains(&hash));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_in_a_wsdl_is_what_may_be_believed() {
    let spoofed: &[(&str, &str)] = &[("x-forwarded-proto", "https"), ("x-forwarded-host", "evil.example")];
    let proxied: &[(&str, &str)] =
        &[("x-forwarded-proto", "https"), ("x-forwarded-host", "evil.example, api.example:8443")];
    let odd: &[(&str, &str)] = &[("x-forwarded-proto", "javascript"), ("x-forwarded-host", "a\"b/c")];
    let behind = [("trusted_proxies", "127.0.0.1")];
    let public = [("public_url", "https://keys.example/base"), ("trusted_proxies", "127.0.0.1")];
    for (settings, headers, expected) in [
        (&[][..], &[][..], None),
        (&[][..], spoofed, None),
        (&behind[..], &[][..], None),
        (&behind[..], proxied, Some("https://api.example:8443")),
        (&behind[..], odd, None),
        (&public[..], proxied, Some("https://keys.example/base")),
    ] {
        let service = start(settings).await;
        let expected = expected.map_or_else(|| service.url(""), str::to_owned);
        let mut request = service.http.get(service.url(&format!("/soap/v3.1/{USER}?wsdl")));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = Answer::unchecked(request.send().await.unwrap()).await.unwrap();
        let address = format!("location=\"{expected}/soap/v3.1/{USER}\"");
        assert!(answer.text.contains(&address), "{settings:?} {headers:?}: no {address}");
    }
}
