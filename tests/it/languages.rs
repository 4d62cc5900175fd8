//! `content-language`: en-US, zh-CN and `*` on both faces, 400 for others, and the same meaning in each.

use keytower::domain::caller::Caller;
use keytower::service::people::users;
use reqwest::header::{AUTHORIZATION, CONTENT_LANGUAGE};
use serde_json::{Value, json};

use crate::support::{Answer, ROOT_PASSWORD, Service, pass};

const LANGUAGES: [&str; 3] = ["en-US", "zh-CN", "*"];

async fn ask(service: &Service, path: &str, credential: Option<&str>, body: &Value, language: Option<&str>) -> Answer {
    let mut request = service.http.post(service.url(path)).json(body);
    if let Some(credential) = credential {
        request = request.header(AUTHORIZATION, credential);
    }
    if let Some(language) = language {
        request = request.header(CONTENT_LANGUAGE, language);
    }
    Answer::read(request.send().await.unwrap()).await
}

fn is_chinese(text: &str) -> bool {
    text.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter))
}

/// The message of an ErrorBody or of the first GraphQL error.
fn message(answer: &Answer) -> String {
    let body = answer.json();
    let found = body.get("message").or_else(|| body.pointer("/errors/0/message"));
    found.and_then(Value::as_str).unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_said_in_both_languages() {
    let service = Service::start().await;
    service.import_example().await;
    let root = service.root().await;
    let (_, reader) = service.user("READ_ONLY").await;
    let (_, key) = service.mint(&root, "languages").await;
    let conditions = json!({ "username": "root" }).as_object().unwrap().clone();
    users::delete(&service.app, &pass(&Caller::operator()), conditions).await.unwrap_err();
    let graphql = |query: &str| json!({ "query": query });
    let own_password = |old: &str, new: &str| {
        let data = format!("{{ old_password: {old:?}, new_password: {new:?} }}");
        graphql(&format!("mutation {{ changePassword(data: {data}) {{ sessions_ended }} }}"))
    };
    let update = |data: Value| json!({ "where": { "username": "root" }, "data": data });
    let cases = [
        ("/v2/api/nothing-here", None, json!({})),
        ("/v2/api/get-vms", None, json!({})),
        ("/v2/api/get-vms", Some("kt1nonsense"), json!({})),
        ("/v2/api/get-vms", Some(&*root), json!([])),
        ("/v2/api/get-vms", Some(&root), json!({ "bogus": 1 })),
        ("/v2/api/get-vms", Some(&root), json!({ "where": { "bogus": 1 } })),
        ("/v2/api/get-vms", Some(&root), json!({ "where": { "vcpu_gt": "two" } })),
        ("/v2/api/get-vms", Some(&root), json!({ "where": { "AND": {} } })),
        ("/v2/api/get-vms", Some(&root), json!({ "where": { "cluster": 1 } })),
        ("/v2/api/get-vms", Some(&root), json!({ "where": { "status": "ON" } })),
        ("/v2/api/get-vms", Some(&root), json!({ "orderBy": "bogus_ASC" })),
        ("/v2/api/get-vms", Some(&root), json!({ "first": -1 })),
        ("/v2/api/get-vms", Some(&root), json!({ "first": 1, "last": 1 })),
        ("/v2/api/login", None, json!({ "username": "root", "password": "wrong" })),
        ("/v2/api/login", None, json!({ "username": "root", "password": "wrong", "source": "LDAP" })),
        ("/v2/api/login", None, json!({ "username": "root" })),
        ("/v2/api/create-root-user", None, json!({ "password": ROOT_PASSWORD })),
        ("/v2/api/create-user", Some(&reader), json!([])),
        ("/v2/api/create-user", Some(&key), json!([])),
        ("/v2/api/create-user", Some(&root), json!({})),
        ("/v2/api/create-user", Some(&root), json!([{ "username": "a", "name": "a", "role_id": "none" }])),
        (
            "/v2/api/create-user",
            Some(&root),
            json!([{ "username": "a", "name": "a", "role_id": "none", "password": ROOT_PASSWORD }]),
        ),
        (
            "/v2/api/create-user",
            Some(&root),
            json!([{ "username": "", "name": "a", "role_id": "none", "password": ROOT_PASSWORD }]),
        ),
        (
            "/v2/api/create-user",
            Some(&root),
            json!([{ "username": "a", "name": "a", "role_id": "none", "password": "short" }]),
        ),
        ("/v2/api/update-user", Some(&root), json!({ "where": { "id": "none" }, "data": {} })),
        ("/v2/api/update-user", Some(&root), update(json!({ "name": "a\u{7}" }))),
        ("/v2/api/delete-user", Some(&root), json!({ "where": { "username": "root" } })),
        ("/v2/api/create-role", Some(&root), json!([{ "name": "a", "actions": ["BOGUS"] }])),
        ("/v2/api/delete-role", Some(&root), json!({ "where": { "preset": "ROOT" } })),
        ("/v2/api/update-session-timeout", Some(&root), json!({ "session_max_age": -1 })),
        ("/v2/api/update-password-security", Some(&root), json!({ "login_miss_num_threshold": 5 })),
        ("/v2/api/update-access-restriction", Some(&root), json!({ "access_mode": "ALLOW", "access_list": [] })),
        ("/v2/api/update-access-restriction", Some(&root), json!({ "access_mode": "NONE", "access_list": ["x"] })),
        ("/v2/api/update-access-restriction", Some(&key), json!({ "access_mode": "NONE", "access_list": [] })),
        ("/api", Some(&root), json!([])),
        ("/api", Some(&root), json!({})),
        ("/api", Some(&root), graphql("{ vms(first: -1) { id } }")),
        ("/api", Some(&root), graphql("query($a: Int!) { vms(first: $a) { id } }")),
        ("/api", None, graphql("{ vms { id } }")),
        ("/api", Some(&reader), graphql("mutation { deleteApiKey(where: { id: \"none\" }) { id } }")),
        ("/api", Some(&root), graphql("mutation { deleteApiKey(where: {}) { id } }")),
        ("/api", Some(&root), graphql("mutation { endSession(where: { id: \"none\" }) { id } }")),
        ("/api", Some(&key), graphql("mutation { endSessions }")),
        ("/api", Some(&root), graphql("mutation { createApiKey(data: { name: \"\" }) { id } }")),
        ("/api", Some(&key), graphql("mutation { createApiKey(data: { name: \"a\" }) { id } }")),
        ("/api", Some(&root), own_password("wrong", "several words")),
        ("/api", Some(&root), own_password(ROOT_PASSWORD, "root")),
        ("/api", Some(&root), own_password(ROOT_PASSWORD, ROOT_PASSWORD)),
        ("/api", Some(&key), own_password(ROOT_PASSWORD, "several words")),
        ("/api", None, graphql("mutation { requestPasswordReset(data: { username: \"root\" }) }")),
        ("/api", None, graphql("mutation { resetPassword(data: { token: \"none\", new_password: \"a\" }) }")),
        ("/api", None, graphql("mutation { login(data: { username: \"root\", password: \"wrong\" }) { token } }")),
    ];
    for (path, credential, body) in cases {
        let [english, chinese, both] = {
            let mut answers = Vec::new();
            for language in LANGUAGES {
                service.forget_attempts().await;
                answers.push(ask(&service, path, credential, &body, Some(language)).await);
            }
            <[Answer; 3]>::try_from(answers).unwrap()
        };
        let case = format!("{path} {body}");
        assert_eq!((english.status, english.status), (chinese.status, both.status), "{case}");
        let (english, chinese) = (message(&english), message(&chinese));
        assert!(!is_chinese(&english) && is_chinese(&chinese), "{case}: {english} / {chinese}");
        let both: Value = serde_json::from_str(&message(&both)).unwrap_or_else(|error| panic!("{error} {both:?}"));
        assert_eq!(both, json!({ "en-US": english, "zh-CN": chinese }), "{case}");
        assert_eq!(message(&ask(&service, path, credential, &body, None).await), english, "the default: {case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_languages_are_refused_and_change_nothing() {
    let service = Service::start().await;
    let root = service.root().await;
    let mint = json!({ "query": "mutation { createApiKey(data: { name: \"a\" }) { id } }" });
    for language in ["", "en", "en-us", "EN-US", "zh", "zh-TW", "fr-FR", "en-US, zh-CN", "**", "en-US;q=1"] {
        for (path, body) in
            [("/v2/api/get-users", json!({})), ("/v2/api/get-my-info", json!({})), ("/api", mint.clone())]
        {
            let answer = ask(&service, path, Some(&root), &body, Some(language)).await;
            assert_eq!(answer.status, 400, "{language:?} {path}: {answer:?}");
            let message = message(&answer);
            assert!(message.contains("content-language") && message.contains("zh-CN"), "{message}");
        }
        let login = json!({ "username": "root", "password": ROOT_PASSWORD });
        assert_eq!(ask(&service, "/v2/api/login", None, &login, Some(language)).await.status, 400, "{language:?}");
    }
    assert_eq!(service.database().number("SELECT COUNT(*) FROM api_keys").await, 0);
    assert_eq!(service.database().number("SELECT COUNT(*) FROM sessions").await, 1);
}

/// What is stored for people is answered, compared and sorted in the language of the caller.
#[tokio::test(flavor = "multi_thread")]
async fn stored_texts_are_read_in_the_callers_language() {
    let service = Service::start().await;
    let root = service.root().await;
    service.mint(&root, "stored").await;
    let list = async |body: Value, language: &str| {
        ask(&service, "/v2/api/get-user-audit-logs", Some(&root), &body, Some(language)).await.json()
    };
    let minted = json!({ "where": { "action": "createApiKey" } });
    let (english, chinese, both) =
        (list(minted.clone(), "en-US").await, list(minted.clone(), "zh-CN").await, list(minted, "*").await);
    let text = |rows: &Value| rows[0]["message"].as_str().unwrap().to_owned();
    assert!(!is_chinese(&text(&english)) && text(&english).contains("stored"), "{english}");
    assert!(is_chinese(&text(&chinese)) && text(&chinese).contains("stored"), "{chinese}");
    let both: Value = serde_json::from_str(&text(&both)).unwrap();
    assert_eq!(both, json!({ "en-US": text(&english), "zh-CN": text(&chinese) }));
    let with = |part: &str| json!({ "where": { "action": "createApiKey", "message_contains": part } });
    for (part, rows_in_english, rows_in_chinese) in [("minted", 1, 0), ("密钥", 0, 1), ("stored", 1, 1)] {
        for (language, rows) in [("en-US", rows_in_english), ("zh-CN", rows_in_chinese), ("*", rows_in_english)] {
            let found = list(with(part), language).await;
            assert_eq!(found.as_array().unwrap().len(), rows, "{part} {language}");
        }
    }
    for language in LANGUAGES {
        let rows = list(json!({ "orderBy": "message_ASC" }), language).await;
        let key = |row: &Value| match language {
            "*" => serde_json::from_str::<Value>(row["message"].as_str().unwrap()).unwrap()["en-US"].to_string(),
            _ => row["message"].to_string(),
        };
        let texts: Vec<String> = rows.as_array().unwrap().iter().map(key).collect();
        assert!(texts.is_sorted(), "{language}: {texts:?}");
    }
}
