//! Hostile input to REST v2: bodies that are no JSON, of the wrong shape, of the wrong type, too deep, too large. Every case is
//! answered alike on both databases, and nothing comes of any.

use std::sync::Arc;

use keytower::domain::caller::Caller;
use keytower::domain::entity::{ENTITIES, Entity, Kind};
use keytower::domain::filter::Operator;
use keytower::rest::{Call, PREFIX, table};
use keytower::service::inventory;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::support::check::{Rows, clean, error_body};
use super::support::{Answer, Database, ROOT_PASSWORD, Service, pass};

/// The routes that list or count, with what they list.
fn list_routes() -> Vec<(String, &'static Entity)> {
    let lists = table().into_iter().filter_map(|route| match route.call {
        Call::List(entity) | Call::Count(entity) => Some((route.path, entity)),
        _ => None,
    });
    lists.collect()
}

/// The routes that need a body, and what it must be.
fn body_routes() -> Vec<(String, &'static str)> {
    let routes = table().into_iter().filter_map(|route| match route.call {
        Call::GetVersion | Call::GetMyInfo => None,
        Call::CreateUser | Call::CreateRole | Call::CreateTask | Call::CreateUserAuditLog => {
            Some((route.path, "JSON list"))
        }
        _ => Some((route.path, "JSON object")),
    });
    routes.collect()
}

async fn refuse(service: &Service, token: &str, path: &str, body: impl Into<reqwest::Body>, word: &str) {
    let answer = service.post_text(&format!("{PREFIX}{path}"), Some(token), body).await;
    let message = error_body(&answer, 400, path);
    assert!(message.contains(word), "{word:?} is not in {answer:?}");
}

#[tokio::test]
async fn a_body_that_is_no_json_object_or_list_is_refused() {
    let service = Service::start().await;
    let root = service.root().await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    let deep = |open: &str, close: &str| format!("{{\"where\":{}{}}}", open.repeat(1000), close.repeat(1000));
    let cases = [
        (String::new(), "empty"),
        (" ".to_owned(), "not JSON"),
        ("{".to_owned(), "not JSON"),
        ("{\"a\":}".to_owned(), "not JSON"),
        ("{'a':1}".to_owned(), "not JSON"),
        ("{\"a\":1,}".to_owned(), "not JSON"),
        ("{} {}".to_owned(), "not JSON"),
        ("{}\0".to_owned(), "not JSON"),
        ("\u{feff}{}".to_owned(), "not JSON"),
        ("where=1".to_owned(), "not JSON"),
        ("<xml/>".to_owned(), "not JSON"),
        ("{\"first\":1e400}".to_owned(), "not JSON"),
        ("{\"first\":NaN}".to_owned(), "not JSON"),
        ("{\"a\":\"\n\"}".to_owned(), "not JSON"),
        (deep("[", "]"), "nested too deep"),
        (deep("{\"AND\":", "}"), "nested too deep"),
        (format!("{{\"where\":{}", "[".repeat(500_000)), "nested too deep"),
    ];
    for (path, shape) in body_routes() {
        for (body, word) in &cases {
            refuse(&service, &root, &path, body.clone(), word).await;
        }
        let other: &[&str] = if shape == "JSON list" { &["{}", r#"{"0":{}}"#] } else { &["[]", "[{}]"] };
        for body in ["null", "true", "5", r#""{}""#].iter().chain(other) {
            refuse(&service, &root, &path, *body, shape).await;
        }
    }
    // Nothing is expected here, and whatever comes is not looked at.
    for body in ["", "{}", "[1]", "{\"id\":\"another\"}"] {
        let answer = service.post_text("/v2/api/get-my-info", Some(&root), body).await;
        assert_eq!(answer.json()["username"], "root");
    }
    assert_eq!(rows.count().await, before);
}

#[tokio::test]
async fn a_body_of_another_type_is_refused_before_it_is_read() {
    let service = Service::start().await;
    let root = service.root().await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    let body = format!("{{\"username\":\"root\",\"password\":\"{ROOT_PASSWORD}\"}}");
    for (path, _) in body_routes() {
        for kind in [
            None,
            Some(""),
            Some("text/plain"),
            Some("text/json"),
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data; boundary=a"),
            Some("application/jsonp"),
            Some("application/json; charset=utf-16"),
            Some("application/xml"),
            Some("*/*"),
        ] {
            let body = if path == "/login" { body.clone() } else { "{}".to_owned() };
            let mut request =
                service.http.post(service.url(&format!("{PREFIX}{path}"))).header(AUTHORIZATION, &root).body(body);
            if let Some(kind) = kind {
                request = request.header(CONTENT_TYPE, kind);
            }
            let answer = Answer::read(request.send().await.unwrap()).await;
            assert!(error_body(&answer, 415, &path).contains("application/json"), "{answer:?}");
        }
    }
    for kind in [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
    ] {
        let request =
            service.http.post(service.url("/v2/api/get-users")).header(AUTHORIZATION, &root).header(CONTENT_TYPE, kind);
        assert_eq!(request.body("{}").send().await.unwrap().status(), 200, "{kind}");
    }
    assert_eq!(rows.count().await, before);
}

#[tokio::test]
async fn a_list_request_of_the_wrong_shape_is_refused_by_name_of_what_is_wrong() {
    let service = Service::start().await;
    let root = service.root().await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    let mut cases = vec![
        (json!({ "bogus": null }), "bogus"),
        (json!({ "Where": {} }), "Where"),
        (json!({ "where": {}, "": 1 }), "\"\""),
        (json!({ "where": {}, "AND": [] }), "AND"),
        (json!({ "where": { "id_contains": {} } }), "id_contains"),
        (json!({ "where": { "bogus": 1 } }), "where.bogus"),
        (json!({ "where": { "id": { "in": [] } } }), "where.id"),
        (json!({ "where": { "id": ["a"] } }), "where.id"),
        (json!({ "where": { "id": -1 } }), "where.id"),
        (json!({ "where": { "id": 1.5 } }), "where.id"),
        (json!({ "where": { "id": true } }), "where.id"),
        (json!({ "where": { "id": "\0" } }), "NUL"),
        (json!({ "where": { "id_in": "a" } }), "where.id_in"),
        (json!({ "where": { "id_in": { "a": 1 } } }), "where.id_in"),
        (json!({ "where": { "id_in": [["a"]] } }), "where.id_in"),
        (json!({ "where": { "id_in": ["a", "b\0"] } }), "NUL"),
        (json!({ "where": { "id; DROP TABLE users; --": "a" } }), "where.id; DROP"),
        (json!({ "where": { "password_hash": "a" } }), "where.password_hash"),
        (json!({ "orderBy": "id" }), "orderBy"),
        (json!({ "orderBy": "id_asc" }), "orderBy"),
        (json!({ "orderBy": "bogus_ASC" }), "orderBy"),
        (json!({ "orderBy": "password_hash_ASC" }), "orderBy"),
        (json!({ "orderBy": "id_ASC, name_ASC" }), "orderBy"),
        (json!({ "orderBy": "" }), "orderBy"),
        (json!({ "orderBy": ["id_ASC"] }), "orderBy"),
        (json!({ "orderBy": 5 }), "orderBy"),
        (json!({ "first": 1, "last": 1 }), "first and last"),
    ];
    for wrong in [json!([]), json!("x"), json!(5), json!(true), json!([{}])] {
        cases.push((json!({ "where": wrong }), "where must be"));
    }
    for name in ["first", "last", "skip"] {
        for wrong in [
            json!(-1),
            json!(1.5),
            json!(1.0),
            json!("1"),
            json!(2_147_483_648_u64),
            json!(u64::MAX),
            json!(1e300),
            json!([1]),
            json!({}),
            json!(true),
        ] {
            cases.push((json!({ name: wrong }), name));
        }
    }
    for name in ["after", "before"] {
        for wrong in [json!(1), json!(["a"]), json!({}), json!(false), json!("\0"), json!("a\0b")] {
            cases.push((json!({ name: wrong }), name));
        }
    }
    for (path, _) in list_routes() {
        for (body, word) in &cases {
            refuse(&service, &root, &path, body.to_string(), word).await;
        }
        // Odd, and right all the same.
        for body in [
            json!({ "where": null, "orderBy": null, "first": null, "last": null, "skip": null, "after": null, "before": null }),
            json!({ "first": 0 }),
            json!({ "first": i32::MAX, "skip": i32::MAX }),
            json!({ "last": 1, "skip": 1 }),
            json!({ "after": "nobody" }),
            json!({ "before": "' OR 1=1 --" }),
            json!({ "where": { "id_in": [] } }),
        ] {
            let answer = service.post(&format!("{PREFIX}{path}"), Some(&root), &body).await;
            clean(&answer);
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
        let twice = r#"{"where":{"id":"nobody"},"where":{"id":"nobody"},"first":1,"first":2}"#;
        assert!(service.post_text(&format!("{PREFIX}{path}"), Some(&root), twice).await.status < 500);
    }
    assert_eq!(rows.count().await, before);
}

#[tokio::test]
async fn a_list_request_that_is_large_is_answered_or_refused_alike() {
    let service = Service::start().await;
    let root = service.root().await;
    for path in ["/get-users", "/get-users-connection"] {
        for (body, word) in [
            (json!({ "where": { "id_in": vec!["a"; 30_001] } }), "30000 values"),
            (json!({ "where": { "id_in": vec!["a"; 100_000] } }), "30000 values"),
            (json!({ "where": { "id_in": vec!["a"; 20_000], "name_in": vec!["a"; 20_000] } }), "30000 values"),
            (json!({ "where": { "x".repeat(500_000): 1 } }), "where.xxx"),
            (json!({ "y".repeat(500_000): 1 }), "yyy"),
            (json!({ "orderBy": "z".repeat(500_000) }), "zzz"),
        ] {
            refuse(&service, &root, path, body.to_string(), word).await;
        }
        for body in [
            json!({ "where": { "id_in": vec!["a"; 30_000] } }),
            json!({ "where": { "id": "x".repeat(500_000) } }),
            json!({ "after": "x".repeat(500_000) }),
        ] {
            let answer = service.post(&format!("{PREFIX}{path}"), Some(&root), &body).await;
            clean(&answer);
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
    }
}

/// Long and deep conditions: each is one statement that a recursive writer, SQLite's parser (1,000 levels) and PostgreSQL's names
/// (63 bytes) must survive.
#[tokio::test]
async fn a_where_as_long_and_as_deep_as_is_allowed_is_answered() {
    let service = Service::start().await;
    service.import_example().await;
    let root = service.root().await;
    let nest =
        |levels: usize, wrap: &dyn Fn(Value) -> Value| (0..levels).fold(json!({ "vcpu": 4 }), |inner, _| wrap(inner));
    let long = |word: &str, count: usize| json!({ word: vec![json!({ "vcpu": 4 }); count] });
    let four = count(&service, &root, &json!({ "vcpu": 4 })).await;
    let all = count(&service, &root, &json!({})).await;
    assert!(four > 0 && four < all);
    let north = json!({ "cluster": { "name": "north-a" } });
    let in_north = count(&service, &root, &north).await;
    let same_cluster = |inner: Value| json!({ "cluster": { "vms_some": inner } });
    for (filter, expected) in [
        (long("AND", 2_499), four),
        (long("OR", 2_499), four),
        (long("NOT", 2_499), all - four),
        (nest(24, &|inner| json!({ "NOT": [inner] })), four),
        (nest(23, &|inner| json!({ "NOT": [inner] })), all - four),
        (json!({ "OR": vec![same_cluster(north.clone()); 33] }), in_north),
        ((0..11).fold(north.clone(), |inner, _| same_cluster(inner)), in_north),
    ] {
        assert_eq!(count(&service, &root, &filter).await, expected, "{filter}");
    }
}

/// Conditions on related objects of related objects must not multiply: a thousand VMs of one cluster, three levels deep, would be
/// 10^9 looks at a row.
#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_related_objects_add_up_and_do_not_multiply() {
    let service = Service::start().await;
    let mut inventory: Value = serde_json::from_str(include_str!("../../examples/inventory.json")).unwrap();
    let vm = inventory["vms"][0].clone();
    let many = (0..1000).map(|at| {
        let mut vm = vm.clone();
        vm["id"] = json!(format!("vm-{at}"));
        vm
    });
    inventory["vms"] = many.collect();
    let operator = Caller::operator();
    inventory::import(&service.app, &pass(&operator), &inventory.to_string(), |_| {}).await.unwrap();
    let root = service.root().await;
    for quantifier in ["vms_some", "vms_every", "vms_none"] {
        let deep = (0..3).fold(
            json!({ "OR": [{ "name": "nobody" }, { "name_contains": "?" }] }),
            |inner, _| json!({ "OR": [{ "name": "nobody" }, { "cluster": { quantifier: inner } }] }),
        );
        let count = count(&service, &root, &deep).await;
        let expected = if quantifier == "vms_none" { 1000 } else { 0 };
        assert_eq!(count, expected, "{quantifier}");
    }
}

async fn count(service: &Service, token: &str, filter: &Value) -> u64 {
    let answer = service.post(&format!("{PREFIX}/get-vms-connection"), Some(token), &json!({ "where": filter })).await;
    answer.json()["aggregate"]["count"].as_u64().unwrap_or_else(|| panic!("{answer:?}"))
}

#[tokio::test]
async fn every_field_takes_values_of_its_type_and_no_others() {
    let service = Service::start().await;
    service.import_example().await;
    let root = service.root().await;
    for entity in ENTITIES.into_iter().filter(|entity| !entity.route.is_empty()) {
        let path = format!("/get-{}", entity.route);
        for field in entity.scalars() {
            let (right, wrong) = values(&field.kind);
            for value in right.into_iter().chain([Value::Null]) {
                let body = json!({ "where": { field.name: value } });
                let answer = service.post(&format!("{PREFIX}{path}"), Some(&root), &body).await;
                assert_eq!(answer.status, 200, "{path} {body}: {answer:?}");
            }
            for value in wrong {
                let body = json!({ "where": { field.name: value } }).to_string();
                refuse(&service, &root, &path, body, &format!("where.{}", field.name)).await;
            }
            if field.operators().contains(&Operator::In) {
                let body = json!({ "where": { format!("{}_in", field.name): [null, {}] } }).to_string();
                refuse(&service, &root, &path, body, &format!("where.{}_in", field.name)).await;
            }
        }
        for (field, way) in entity.orderable().flat_map(|field| [(field, "ASC"), (field, "DESC")]) {
            let body = json!({ "orderBy": format!("{}_{way}", field.name), "skip": 1, "first": 1 });
            let answer = service.post(&format!("{PREFIX}{path}"), Some(&root), &body).await;
            assert_eq!(answer.status, 200, "{path} {body}: {answer:?}");
        }
    }
}

/// Values that a field of a kind takes, and values that it does not.
fn values(kind: &Kind) -> (Vec<Value>, Vec<Value>) {
    let objects = || [json!({}), json!(["a"])];
    let (right, wrong) = match kind {
        Kind::Text | Kind::Localized => {
            (vec![json!(""), json!("%"), json!("'"), json!("\u{7f}\n")], vec![json!(1), json!(true), json!("a\0")])
        }
        Kind::Id | Kind::Key => (vec![json!(""), json!("%")], vec![json!(true), json!("a\0"), json!(-1)]),
        Kind::DateTime => (
            vec![json!("2026-01-31T12:00:00.000Z"), json!("2026-01-31T12:00:00+01:00")],
            vec![
                json!(""),
                json!("yesterday"),
                json!(1_700_000_000),
                json!("2026-13-01T00:00:00Z"),
                json!("2026-01-31\0"),
            ],
        ),
        Kind::Enum(values) => (vec![json!(values.values[0])], vec![json!(""), json!("bogus"), json!(1), json!("a\0")]),
        Kind::Bool => (vec![json!(true)], vec![json!("true"), json!(1), json!("")]),
        Kind::Int => (
            vec![json!(0), json!(i32::MIN), json!("7")],
            vec![json!(2_147_483_648_i64), json!(1.5), json!("x"), json!("1.5"), json!(""), json!(true), json!("1\0")],
        ),
        Kind::Long => (
            vec![json!(0), json!(i64::MIN), json!(i64::MAX), json!("7")],
            vec![json!(9_223_372_036_854_775_808_u64), json!(1.5), json!(1e300), json!("x"), json!(""), json!(false)],
        ),
        Kind::Float => (
            vec![json!(0), json!(-1.5), json!(1e308), json!(1e-320), json!("7.5")],
            vec![json!("x"), json!("NaN"), json!("inf"), json!("1e999"), json!(""), json!(true)],
        ),
        other => panic!("no values for {other:?}"),
    };
    (right, wrong.into_iter().chain(objects()).collect())
}

#[tokio::test]
async fn a_login_of_the_wrong_shape_is_refused_and_opens_no_session() {
    let service = Service::start().await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    let with = |member: &str, value: Value| {
        let mut body = json!({ "username": "root", "password": ROOT_PASSWORD });
        body[member] = value;
        body
    };
    let mut cases = vec![
        (json!({}), "username"),
        (json!({ "username": "root" }), "password"),
        (json!({ "password": ROOT_PASSWORD }), "username"),
        (json!({ "data": { "username": "root", "password": ROOT_PASSWORD } }), "username"),
    ];
    for member in ["username", "password"] {
        for value in [json!(null), json!(1), json!(true), json!(["root"]), json!({ "ne": "" })] {
            cases.push((with(member, value), member));
        }
    }
    for member in ["source", "mfa_type"] {
        for value in [json!("bogus"), json!("local"), json!(""), json!(1), json!([]), json!({}), json!(false)] {
            cases.push((with(member, value), member));
        }
    }
    for value in [json!(1), json!([]), json!({}), json!(true)] {
        cases.push((with("auth_config_id", value), "auth_config_id"));
    }
    for source in ["LDAP", "AUTHN", "SSO"] {
        cases.push((with("source", json!(source)), source));
    }
    let mut wrong = vec![
        json!(""),
        json!(" "),
        json!("root "),
        json!("ROOT"),
        json!("root\0"),
        json!("\0"),
        json!("r%"),
        json!("' OR 1=1 --"),
    ];
    wrong.push(json!("x".repeat(500_000)));
    cases.extend(wrong.into_iter().map(|name| (with("username", name), "the username or the password is wrong")));
    for password in [
        "",
        " ",
        "\0",
        "' OR 1=1 --",
        &"x".repeat(500_000),
        &format!("{ROOT_PASSWORD} "),
        &format!("{ROOT_PASSWORD}\0"),
    ] {
        cases.push((with("password", json!(password)), "the username or the password is wrong"));
    }
    cases.push((with("mfa_type", json!("Sms")), "Sms"));
    for (body, word) in &cases {
        service.forget_attempts().await;
        let answer = service.post("/v2/api/login", None, body).await;
        let message = error_body(&answer, 400, "/login");
        assert!(message.contains(word), "{word:?} is not in {answer:?}");
        assert!(!answer.text.contains(ROOT_PASSWORD) && !answer.text.contains("token"), "{answer:?}");
    }
    assert_eq!(rows.count().await, before);
    // What is optional may be absent, null, or any value of the contract; later SDKs may send more.
    for mfa_type in [json!(null), json!("Mail"), json!("Totp"), json!("TotpRecoveryCode")] {
        for source in [json!(null), json!("LOCAL")] {
            let mut body = with("mfa_type", mfa_type.clone());
            body["source"] = source;
            body["auth_config_id"] = json!(null);
            body["later"] = json!({ "any": "thing" });
            let answer = service.post("/v2/api/login", Some("a dead credential"), &body).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    assert_eq!(rows.count().await, [before[0], before[1], before[2] + 8]);
}

#[tokio::test]
async fn the_first_user_is_not_made_twice() {
    let service = Service::start().await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    let token = service.root().await;
    for (password, word) in [
        (json!("another password"), "exists already"),
        (json!("short"), "8 characters"),
        (json!(null), "password"),
        (json!(12_345_678), "password"),
        (json!("x".repeat(2000)), "1024 bytes"),
    ] {
        let answer = service.post("/v2/api/create-root-user", None, &json!({ "password": password })).await;
        assert!(error_body(&answer, 400, "/create-root-user").contains(word), "{answer:?}");
    }
    assert_eq!(rows.count().await, [before[0], before[1], before[2] + 1]);
    assert_eq!(service.try_credential(&token).await, 200);
    service.root().await;
}

#[tokio::test]
async fn of_sixteen_that_want_to_make_the_first_user_one_does() {
    let database = Arc::new(Database::new().await);
    let service = Service::start_with(database, &[("create_root", "false")]).await;
    let rows = Rows::of(&service).await;
    assert_eq!(rows.count().await, [0, 0, 0]);
    for body in [json!({}), json!({ "password": "short" }), json!({ "password": "\0" }), json!({ "username": "x" })] {
        error_body(&service.post("/v2/api/create-root-user", None, &body).await, 400, "/create-root-user");
    }
    assert_eq!(rows.count().await, [0, 0, 0]);
    let mut calls = JoinSet::new();
    for at in 0..16 {
        let (http, url) = (service.http.clone(), service.url("/v2/api/create-root-user"));
        calls.spawn(async move {
            let body = json!({ "password": format!("password number {at}") });
            (at, Answer::read(http.post(url).json(&body).send().await.unwrap()).await)
        });
    }
    let mut winners = Vec::new();
    while let Some(call) = calls.join_next().await {
        let (at, answer) = call.unwrap();
        if answer.status == 200 {
            winners.push(at);
        } else {
            assert!(error_body(&answer, 400, "/create-root-user").contains("exists already"), "{answer:?}");
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(rows.count().await, [1, 0, 0]);
    service.login("root", &format!("password number {}", winners[0])).await;
}
