//! Logging in: one answer for every failure, what a body may hold, and that a dead credential or a crowd does not stop it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keytower::domain::caller::Caller;
use keytower::service::people::users;
use serde_json::{Value, json};

use crate::support::{Answer, ROOT_PASSWORD, Service, pass};

const LOGIN: &str = "mutation login($data: LoginInput!) { login(data: $data) { token } }";

async fn rest(service: &Service, body: &Value) -> Answer {
    service.post("/v2/api/login", None, body).await
}

async fn graphql(service: &Service, data: &Value) -> Answer {
    service.graphql(None, LOGIN, json!({ "data": data })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_looks_the_same() {
    let service = Service::start().await;
    let wrong = json!({ "username": "root", "password": "wrong password" });
    let (like_rest, like_graphql) = (rest(&service, &wrong).await, graphql(&service, &wrong).await);
    let body = json!({ "message": "the username or the password is wrong", "path": "/login", "status": 400 });
    assert_eq!((like_rest.status, like_rest.json()), (400, body));
    assert_eq!((like_graphql.status, like_graphql.code().as_str()), (200, "LOGIN_FAILED"));
    assert_eq!(like_graphql.json()["data"], Value::Null);
    let long = "x".repeat(100_000);
    for (username, password) in [
        ("root", ""),
        ("root", &ROOT_PASSWORD.to_uppercase()),
        ("root", &format!("{ROOT_PASSWORD} ")),
        ("root", &format!(" {ROOT_PASSWORD}")),
        ("root", &ROOT_PASSWORD[1..]),
        ("root", &ROOT_PASSWORD[..ROOT_PASSWORD.len() - 1]),
        ("root", &ROOT_PASSWORD.repeat(2)),
        ("root", &format!("{ROOT_PASSWORD}\u{0}")),
        ("root", &format!("{ROOT_PASSWORD}\u{0}x")),
        ("root", &long),
        ("root", "$argon2id$v=19$m=19456,t=2,p=1$AAAA$AAAA"),
        ("root", "' OR '1'='1"),
        ("nobody", ROOT_PASSWORD),
        ("nobody", ""),
        ("", ROOT_PASSWORD),
        ("", ""),
        (" ", " "),
        ("Root", ROOT_PASSWORD),
        ("ROOT", ROOT_PASSWORD),
        ("root ", ROOT_PASSWORD),
        (" root", ROOT_PASSWORD),
        ("root\u{0}", ROOT_PASSWORD),
        ("r\u{f6}ot", ROOT_PASSWORD),
        ("r\u{43e}ot", ROOT_PASSWORD),
        ("root' --", ROOT_PASSWORD),
        ("%", ROOT_PASSWORD),
        ("roo_", ROOT_PASSWORD),
        (&long, &long),
    ] {
        let given = json!({ "username": username, "password": password });
        let what = format!("{:.40} {:.40}", username, password);
        service.forget_attempts().await;
        assert_eq!(rest(&service, &given).await.told(), like_rest.told(), "{what}");
        assert_eq!(graphql(&service, &given).await.told(), like_graphql.told(), "{what}");
    }
    assert_eq!(rest(&service, &json!({ "username": "root", "password": ROOT_PASSWORD })).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_counts_whole() {
    let service = Service::start().await;
    let role = {
        let db = service.database().connect().await;
        let find = sea_orm::Statement::from_string(
            sea_orm::ConnectionTrait::get_database_backend(&db),
            "SELECT id FROM roles WHERE preset = 'READ_ONLY'",
        );
        let row = sea_orm::ConnectionTrait::query_one_raw(&db, find).await.unwrap().unwrap();
        keytower::domain::id::RoleId::from(row.try_get::<String>("", "id").unwrap())
    };
    for (name, password) in [
        ("long", "x".repeat(1024)),
        ("beyond bcrypt", format!("{}{}", "y".repeat(72), "tail")),
        ("\u{6784}\u{5efa}", "\u{1f511}\u{1f5fc} \u{e9}e\u{301} \t".to_owned() + "padding"),
        ("spaces", "        ".to_owned()),
        ("nul", "before\u{0}after".to_owned()),
    ] {
        let request = users::UserRequest::local(name.to_owned(), password.clone().into(), role.clone());
        users::create(&service.app, &pass(&Caller::operator()), vec![request]).await.unwrap();
        assert_eq!(service.try_credential(&service.login(name, &password).await).await, 200, "{name}");
        let mut letters: Vec<char> = password.chars().collect();
        letters.pop();
        let cut: String = letters.iter().collect();
        let decomposed = password.replace('\u{e9}', "e\u{301}");
        for other in [cut, format!("{password}x"), password.trim().to_owned() + "?", password.replace('\u{0}', "")] {
            if other != password {
                let answer = rest(&service, &json!({ "username": name, "password": other })).await;
                assert_eq!(answer.status, 400, "{name}: {other:?}");
            }
        }
        if decomposed != password {
            assert_eq!(rest(&service, &json!({ "username": name, "password": decomposed })).await.status, 400);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_and_further_members() {
    let service = Service::start().await;
    let with = |members: Value| {
        let mut body = json!({ "username": "root", "password": ROOT_PASSWORD });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    for fine in [
        json!({}),
        json!({ "source": null }),
        json!({ "source": "LOCAL" }),
        json!({ "source": "LOCAL", "mfa_type": null, "auth_config_id": null }),
        json!({ "mfa_type": "Totp", "auth_config_id": "x" }),
    ] {
        for answer in [rest(&service, &with(fine.clone())).await, graphql(&service, &with(fine.clone())).await] {
            assert!(answer.json()["errors"].is_null() && answer.status == 200, "{fine}: {answer:?}");
            assert_eq!(answer.headers["cache-control"], "no-store");
        }
    }
    let answer = rest(&service, &with(json!({ "remember": true, "captcha": {}, "userId": "x", "token": "y" }))).await;
    assert_eq!(answer.status, 200, "REST ignores what it does not know");
    assert_eq!(answer.json()["task_id"], Value::Null);
    let members: Vec<String> = answer.json()["data"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["token"]);

    for (wrong, says) in [
        (json!({ "source": "LDAP" }), "LDAP"),
        (json!({ "source": "AUTHN", "auth_config_id": "x" }), "AUTHN"),
        (json!({ "source": "SSO" }), "SSO"),
        (json!({ "source": "local" }), "source"),
        (json!({ "source": "" }), "source"),
        (json!({ "source": 1 }), "source"),
        (json!({ "source": ["LOCAL"] }), "source"),
        (json!({ "mfa_type": "Pigeon" }), "mfa_type"),
        (json!({ "auth_config_id": 1 }), "auth_config_id"),
        (json!({ "username": null }), "username"),
        (json!({ "username": 1 }), "username"),
        (json!({ "username": ["root"] }), "username"),
        (json!({ "password": null }), "password"),
        (json!({ "password": true }), "password"),
        (json!({ "password": { "ne": "" } }), "password"),
    ] {
        let answer = rest(&service, &with(wrong.clone())).await;
        assert_eq!((answer.status, answer.json()["path"].as_str()), (400, Some("/login")), "{wrong}: {answer:?}");
        assert!(answer.text.contains(says) && !answer.text.contains(ROOT_PASSWORD), "{wrong}: {answer:?}");
        let answer = graphql(&service, &with(wrong.clone())).await;
        assert!(answer.json()["errors"].is_array() && answer.json()["data"].is_null(), "{wrong}: {answer:?}");
        assert!(answer.text.contains(says) && !answer.text.contains(ROOT_PASSWORD), "{wrong}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_form_of_the_login() {
    let service = Service::start().await;
    let query = "mutation login($data: LoginInput!) { login(data: $data, effect: {encoded: false}) { token uid need_mfa \
                 mfa_meta { recipient mid type valid __typename } __typename } }";
    let data = json!({ "username": "root", "password": ROOT_PASSWORD, "source": "LOCAL", "auth_config_id": null });
    for operation in [json!(null), json!("login")] {
        let body = json!({ "query": query, "variables": { "data": data }, "operationName": operation });
        let answer = service.post("/api", None, &body).await;
        let login = answer.json()["data"]["login"].clone();
        let token = login["token"].as_str().unwrap_or_else(|| panic!("{answer:?}"));
        assert_eq!(service.try_credential(token).await, 200);
        let rest = json!({ "token": token, "uid": null, "need_mfa": null, "mfa_meta": null, "__typename": "Login" });
        assert_eq!(login, rest);
        // No session goes by cookie: the only one tells a device from which its user has logged in before.
        let mut cookies = answer.headers.get_all("set-cookie").iter();
        assert!(cookies.all(|it| it.to_str().unwrap().starts_with("__Host-keytower-device=")), "{answer:?}");
    }
    let encoded =
        json!({ "query": query.replace("false", "true"), "variables": { "data": data }, "operationName": "login" });
    let answer = service.post("/api", None, &encoded).await;
    assert_eq!(answer.code(), "BAD_USER_INPUT");
    assert!(answer.text.contains("encoded"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_credential_does_not_stop_a_login() {
    let service = Service::start().await;
    let dead = service.root().await;
    service.graphql(Some(&dead), "mutation { logout }", json!({})).await;
    let data = json!({ "username": "root", "password": ROOT_PASSWORD });
    for credential in [dead.as_str(), "Bearer ", "Basic cm9vdDpyb290", "nonsense"] {
        let answer = service.post("/v2/api/login", Some(credential), &data).await;
        assert!(answer.json()["data"]["token"].is_string(), "{credential}: {answer:?}");
        let answer = service.graphql(Some(credential), LOGIN, json!({ "data": data })).await;
        assert!(answer.json()["data"]["login"]["token"].is_string(), "{credential}: {answer:?}");
        let strategies = service.graphql(Some(credential), "{ authnStrategies { id type } }", json!({})).await;
        assert_eq!(strategies.json(), json!({ "data": { "authnStrategies": [] } }), "{credential}");
        // Whatever else stands beside the login needs the credential, and is refused with all of it.
        let both = format!("{} logout }}", LOGIN.trim_end_matches('}'));
        let answer = service.graphql(Some(credential), &both, json!({ "data": data })).await;
        assert_eq!((answer.status, answer.text.contains("eyJ")), (401, false), "{credential}: {answer:?}");
        let hidden = "mutation login($data: LoginInput!) { login(data: $data) { token } ...f } fragment f on Mutation { logout }";
        assert_eq!(service.graphql(Some(credential), hidden, json!({ "data": data })).await.status, 401);
        let wrong = json!({ "username": "root", "password": "wrong password" });
        assert_eq!(service.post("/v2/api/login", Some(credential), &wrong).await.status, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_logins_at_once_succeed_while_keys_are_checked() {
    let service = Arc::new(Service::start().await);
    let token = service.root().await;
    let (_, key) = service.mint(&token, "ci").await;
    let over = Arc::new(AtomicBool::new(false));
    let checks = {
        let (service, over) = (Arc::clone(&service), Arc::clone(&over));
        tokio::spawn(async move {
            let mut checks = 0;
            while !over.load(Ordering::Relaxed) {
                assert_eq!(service.try_credential(&key).await, 200);
                checks += 1;
            }
            checks
        })
    };
    let logins: Vec<_> = (0..40)
        .map(|_| {
            let service = Arc::clone(&service);
            tokio::spawn(async move { service.root().await })
        })
        .collect();
    let mut tokens = std::collections::HashSet::new();
    for login in logins {
        tokens.insert(login.await.unwrap());
    }
    over.store(true, Ordering::Relaxed);
    let checks: u32 = checks.await.unwrap();
    println!("{checks} key checks while 40 people logged in");
    assert_eq!(tokens.len(), 40);
    assert!(checks > 0);
    for token in &tokens {
        assert_eq!(service.try_credential(token).await, 200);
    }
}
