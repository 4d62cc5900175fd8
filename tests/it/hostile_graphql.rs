//! Hostile GraphQL: documents made to be expensive, inputs of the wrong shape, answers that would be too large. All of it is refused
//! before it changes anything, with a message that says why.

use std::fmt::Write;
use std::time::Duration;

use keytower::auth::random::SystemRandom;
use keytower::domain::caller::Caller;
use keytower::service::people::users;
use serde_json::{Value, json};

use super::support::check::{Rows, clean};
use super::support::{Answer, ROOT_PASSWORD, Service, pass};

/// How long a document may keep the service busy, at the very most and on a slow machine; those that are not stopped take minutes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The message of an answer that holds errors only; the code of each is `code`.
fn refusal(answer: &Answer, code: &str) -> String {
    clean(answer);
    let json = answer.json();
    assert!(json.get("data").is_none(), "{answer:?}");
    let mut messages = String::new();
    for error in json["errors"].as_array().unwrap_or_else(|| panic!("no errors in {answer:?}")) {
        assert_eq!(error["extensions"]["code"], code, "{answer:?}");
        writeln!(messages, "{}", error["message"].as_str().unwrap()).unwrap();
    }
    assert!(!messages.is_empty(), "{answer:?}");
    messages
}

async fn ask(service: &Service, credential: Option<&str>, query: &str, variables: Value) -> Answer {
    let answer = tokio::time::timeout(PATIENCE, service.graphql(credential, query, variables)).await;
    answer.unwrap_or_else(|_| panic!("no answer to {}", query.chars().take(200).collect::<String>()))
}

/// A chain of fragments, each of which holds the next `times` times.
fn chain(length: usize, times: usize, last: &str, around: impl Fn(&str) -> String) -> String {
    let mut document = "{ ...f0 }".to_owned();
    for at in 0..length {
        let next = around(&format!("...f{} ", at + 1)).repeat(times);
        write!(document, " fragment f{at} on Query {{ {next} }}").unwrap();
    }
    write!(document, " fragment f{length} on Query {{ {last} }}").unwrap();
    document
}

#[tokio::test]
async fn a_document_made_to_be_expensive_is_refused_at_once() {
    let service = Service::start().await;
    let root = service.root().await;
    let aliases = |count: usize, field: &str| (0..count).map(|at| format!("a{at}: {field} ")).collect::<String>();
    let nested = |depth: usize| "cluster { vms { ".repeat(depth) + "id" + &" } }".repeat(depth);
    let inline = |depth: usize| "... { __typename ".repeat(depth) + &"}".repeat(depth);
    let plain = |spread: &str| spread.to_owned();
    let cases = [
        (format!("{{ {} }}", aliases(10_000, "__typename")), "tokens"),
        (format!("{{ {} }}", aliases(101, "__typename")), "first level"),
        (format!("{{ {} }}", aliases(31, "userCreated { created }")), "first level"),
        (format!("mutation {{ {} }}", aliases(31, "createApiKey(data: { name: \"a\" }) { id }")), "first level"),
        (format!("{{ vms {{ {} }} }}", aliases(101, "id")), "aliases"),
        (format!("{{ vms {{ {} }} }}", "id ".repeat(501)), "fields"),
        (format!("{{ vms {{ {} }} }}", nested(50)), "deep"),
        (format!("{{ vms {{ {} }} }}", nested(10)), "levels"),
        ("{".repeat(1_000_000), "deep"),
        ("{a".repeat(500_000), "deep"),
        ("[".repeat(1_000_000), "deep"),
        (format!("{{ vms(where: {} {}) {{ id }} }}", "{AND:".repeat(150_000), "}".repeat(150_000)), "deep"),
        (format!("{{ vms(where: {{ id_in: {} }}) {{ id }} }}", "[".repeat(100)), "deep"),
        (format!("query($a: {}Int{}) {{ __typename }}", "[".repeat(100), "]".repeat(100)), "deep"),
        (chain(24, 2, "__typename", plain), "fragment spreads"),
        (chain(30, 2, "__typename", plain), "fragment spreads"),
        (chain(6, 3, &"__typename ".repeat(25), plain), "first level"),
        (chain(2, 9, &"__typename ".repeat(30), plain), "first level"),
        (chain(9, 2, "__typename __typename", |spread| format!("... {{ {spread} }} ")), "first level"),
        (format!("{{ {} }} fragment f on Query {{ __typename }}", "...f ".repeat(21)), "fragment spreads"),
        ("{ ...f } fragment f on Query { ...f }".to_owned(), "contains itself"),
        ("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a ...a }".to_owned(), "contains itself"),
        ("{ vms { ...a } } fragment a on Vm { cluster { vms { ...a } } }".to_owned(), "contains itself"),
        ("{ ...a }".to_owned(), "no fragment"),
        (format!("{{ {} }}", inline(70)), "deep"),
        (format!("{{ __typename {} }}", "@skip(if: false) ".repeat(10)), "directives"),
        (format!("{{ __typename {} }}", "@a ".repeat(10)), "directives"),
        (format!("query {} {{ __typename }}", "@a ".repeat(1000)), "directives"),
        (format!("{} {{ __typename }}", "#\n".repeat(5_001)), "tokens"),
        (format!("{{ __typename }} {}", "#a\r".repeat(5_001)), "tokens"),
        (format!("{{ vms(where: {{ id_in: [{}] }}) {{ id }} }}", "1 ".repeat(5_001)), "tokens"),
        (format!("{{ {} }}", "a".repeat(900_000)), "characters"),
        ((0..30).map(|at| format!("query Q{at} {{ __typename }} ")).collect(), "operations"),
        (
            "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }".to_owned(),
            "introspection",
        ),
        ("{ __type(name: \"Vm\") { possibleTypes { interfaces { fields { name } } } } }".to_owned(), "introspection"),
        (format!("{{ {} }}", aliases(4, "__schema { types { name } }")), "introspections"),
        ("{ __schema { a: types { name } b: types { name } } }".to_owned(), "aliases"),
    ];
    for (document, word) in &cases {
        for credential in [None, Some(root.as_str())] {
            let answer = ask(&service, credential, document, json!({})).await;
            let message = refusal(&answer, "BAD_USER_INPUT");
            assert!(message.contains(word), "{word}: {answer:?} to {}", document.chars().take(300).collect::<String>());
            assert!(answer.text.len() < 20_000);
        }
    }
    // What honest tools send passes: GraphiQL's own introspection, and one that asks for much at once.
    let introspection = "{ __schema { queryType { name } types { kind name fields(includeDeprecated: true) { name args { name \
        type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } type { kind name ofType { kind name } } } \
        inputFields { name } interfaces { name } enumValues { name } possibleTypes { name } } directives { name } } }";
    let answer = ask(&service, None, introspection, json!({})).await;
    assert!(answer.json()["data"]["__schema"]["types"].as_array().unwrap().len() > 20);
    assert!(answer.text.len() < 1_000_000, "{} bytes", answer.text.len());
}

#[tokio::test]
async fn one_request_judges_one_login() {
    let service = Service::start().await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    let login = |at: usize, password: &str| {
        format!("l{at}: login(data: {{ username: \"root\", password: \"{password}\" }}) {{ token }} ")
    };
    let wrong: String = (0..29).map(|at| login(at, "wrong")).collect();
    let right = login(29, ROOT_PASSWORD);
    for document in [
        format!("mutation {{ {wrong} {right} }}"),
        format!("mutation {{ {right} ...{{ {} }} }}", login(0, "wrong")),
        format!(
            "mutation {{ ...f ...g }} fragment f on Mutation {{ {right} }} fragment g on Mutation {{ {} }}",
            login(0, "wrong")
        ),
    ] {
        let answer = ask(&service, None, &document, json!({})).await;
        assert!(refusal(&answer, "BAD_USER_INPUT").contains("log in once"), "{answer:?}");
    }
    // A skipped field is not judged; the other decides alone.
    let answer = ask(&service, None, &format!("mutation {{ {} }}", login(0, "wrong")), json!({})).await;
    assert_eq!(answer.code(), "LOGIN_FAILED");
    assert_eq!(rows.count().await, before);
    let encoded = "mutation($data: LoginInput!) { login(data: $data, effect: { encoded: true }) { token } }";
    let data = json!({ "data": { "username": "root", "password": ROOT_PASSWORD } });
    let answer = ask(&service, None, encoded, data.clone()).await;
    assert_eq!((answer.code().as_str(), &answer.json()["data"]), ("BAD_USER_INPUT", &Value::Null));
    assert!(answer.text.contains("encoded"), "{answer:?}");
    for effect in ["{ encoded: false }", "{}", "null", "{ encoded: null }"] {
        let login =
            format!("mutation($data: LoginInput!) {{ login(data: $data, effect: {effect}) {{ token need_mfa }} }}");
        let answer = ask(&service, None, &login, data.clone()).await;
        assert!(answer.json()["data"]["login"]["token"].is_string(), "{answer:?}");
    }
    assert_eq!(rows.count().await, [before[0], before[1], before[2] + 4]);
}

#[tokio::test]
async fn a_key_with_a_wrong_name_or_more_than_a_name_is_not_minted() {
    let service = Service::start().await;
    let root = service.root().await;
    let (_, key) = service.mint(&root, "mine").await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    let mint = "mutation($data: ApiKeyCreateInput!) { createApiKey(data: $data) { id key } }";
    let long = "n".repeat(10_000);
    for (data, word) in [
        (json!({ "name": "" }), "empty"),
        (json!({ "name": "   " }), "empty"),
        (json!({ "name": "\t\n" }), "empty"),
        (json!({ "name": "\u{a0}\u{3000}" }), "empty"),
        (json!({ "name": long }), "10000"),
        (json!({ "name": "n".repeat(256) }), "256"),
        (json!({ "name": "a\0" }), "control"),
        (json!({ "name": "a\nb" }), "control"),
        (json!({ "name": "a\u{7f}" }), "control"),
        (json!({ "name": "a\u{1b}[2J" }), "control"),
        (json!({ "name": "a", "description": "d".repeat(1001) }), "1001"),
        (json!({ "name": "a", "description": "\0" }), "control"),
        (json!({ "name": "a", "description": "\u{8}" }), "control"),
    ] {
        let answer = ask(&service, Some(&root), mint, json!({ "data": data })).await;
        clean(&answer);
        let json = answer.json();
        assert_eq!(json["data"], Value::Null, "{answer:?}");
        assert_eq!(json["errors"][0]["path"], json!(["createApiKey"]), "{answer:?}");
        assert_eq!(answer.code(), "BAD_USER_INPUT");
        assert!(json["errors"][0]["message"].as_str().unwrap().contains(word), "{word}: {answer:?}");
    }
    for data in [
        json!(null),
        json!({}),
        json!({ "name": null }),
        json!({ "name": 5 }),
        json!({ "name": true }),
        json!({ "name": ["a"] }),
        json!({ "name": { "a": "b" } }),
        json!({ "Name": "a" }),
        json!({ "name": "a", "description": 5 }),
        json!({ "name": "a", "user": { "id": "b" } }),
        json!({ "name": "a", "userId": "b" }),
        json!({ "name": "a", "user_id": "b" }),
        json!({ "name": "a", "username": "b" }),
        json!({ "name": "a", "roles": ["b"] }),
        json!({ "name": "a", "role": "ROOT" }),
        json!({ "name": "a", "ceiling": ["*"] }),
        json!({ "name": "a", "key": key }),
        json!({ "name": "a", "id": "b" }),
        json!({ "name": "a", "digest": "b" }),
        json!({ "name": "a", "editable": false }),
        json!({ "name": "a", "created_at": "2026-01-31T12:00:00.000Z" }),
        json!({ "name": "a", "__typename": "b" }),
    ] {
        refusal(&ask(&service, Some(&root), mint, json!({ "data": data })).await, "BAD_USER_INPUT");
    }
    for data in ["[]", "\"a\"", "5", "ROOT", "[{ name: \"a\" }]"] {
        for field in
            [format!("createApiKey(data: {data})"), format!("updateApiKey(data: {data}, where: {{ key: \"{key}\" }})")]
        {
            let answer = ask(&service, Some(&root), &format!("mutation {{ {field} {{ id }} }}"), json!({})).await;
            assert_eq!(answer.code(), "BAD_USER_INPUT", "{answer:?}");
            assert!(answer.text.contains("data must be an object"), "{answer:?}");
        }
    }
    for literal in ["name: \"a\\u0000\"", "name: \"\"\"\n a\n b\n\"\"\"", "name: \"\\u0009\""] {
        let query = format!("mutation {{ createApiKey(data: {{ {literal} }}) {{ id }} }}");
        let answer = ask(&service, Some(&root), &query, json!({})).await;
        assert_eq!(answer.code(), "BAD_USER_INPUT");
    }
    // What can't be changed about a key can't be changed afterwards either; and a wrong change leaves all as it was.
    let update = "mutation($data: ApiKeyUpdateInput!, $key: String!) { updateApiKey(data: $data, where: { key: $key }) { name } }";
    for data in [
        json!({ "name": "" }),
        json!({ "name": long }),
        json!({ "description": "\0" }),
        json!({ "editable": false }),
        json!({ "user": { "id": "b" } }),
        json!({ "roles": [] }),
        json!({ "key": "b" }),
    ] {
        let answer = ask(&service, Some(&root), update, json!({ "data": data, "key": key })).await;
        assert_eq!(answer.code(), "BAD_USER_INPUT", "{answer:?}");
    }
    let names = ask(&service, Some(&root), "{ apiKeys { name description } }", json!({})).await;
    assert_eq!(names.json(), json!({ "data": { "apiKeys": [{ "name": "mine", "description": "" }] } }));
    assert_eq!(rows.count().await, before);
    // The limits themselves are allowed.
    let data = json!({ "name": "é".repeat(255), "description": format!("{}\n\t", "é".repeat(998)) });
    assert_eq!(ask(&service, Some(&root), mint, json!({ "data": data })).await.json().get("errors"), None);
}

#[tokio::test]
async fn one_key_is_named_in_exactly_one_way() {
    let service = Service::start().await;
    let root = service.root().await;
    let (id, key) = service.mint(&root, "mine").await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    for selector in
        [json!({}), json!({ "id": id, "key": key }), json!({ "id": null }), json!({ "id": null, "key": null })]
    {
        for field in [
            "apiKey(where: $where)",
            "deleteApiKey(where: $where)",
            "updateApiKey(where: $where, data: { name: \"x\" })",
        ] {
            let kind = if field.starts_with("apiKey") { "query" } else { "mutation" };
            let query = format!("{kind}($where: ApiKeyWhereUniqueInput!) {{ {field} {{ id }} }}");
            let answer = ask(&service, Some(&root), &query, json!({ "where": selector })).await;
            assert_eq!(answer.code(), "BAD_USER_INPUT", "{answer:?}");
            assert!(answer.text.contains("exactly one of id and key"), "{answer:?}");
        }
    }
    let (long, upper, spaced) = ("x".repeat(500_000), key.to_uppercase(), format!("{key} "));
    for text in ["", " ", "\0", "a\0b", "%", "' OR 1=1 --", &long, &upper, &spaced, &id] {
        let answer = service.delete_key(&root, text).await;
        clean(&answer);
        assert_eq!(
            (answer.code().as_str(), &answer.json()["data"]),
            ("NOT_FOUND", &json!({ "deleteApiKey": null })),
            "{answer:?}"
        );
        let read = ask(
            &service,
            Some(&root),
            "query($key: String) { apiKey(where: { key: $key }) { id } }",
            json!({ "key": text }),
        )
        .await;
        assert_eq!(read.json(), json!({ "data": { "apiKey": null } }));
        let listed = ask(
            &service,
            Some(&root),
            "query($key: String) { apiKeys(where: { key: $key }) { id } }",
            json!({ "key": text }),
        )
        .await;
        let refused = text.contains('\0');
        assert_eq!(listed.json()["data"], if refused { Value::Null } else { json!({ "apiKeys": [] }) }, "{listed:?}");
    }
    assert_eq!(rows.count().await, before);
    assert_eq!(service.try_credential(&key).await, 200);
}

#[tokio::test]
async fn fields_arguments_and_variables_of_the_wrong_kind_are_refused() {
    let service = Service::start().await;
    let root = service.root().await;
    for (query, variables) in [
        ("{ bogus }", json!({})),
        ("{ vms { bogus } }", json!({})),
        ("{ users { password_hash } }", json!({})),
        ("{ apiKeys { digest } }", json!({})),
        ("{ vms }", json!({})),
        ("{ vms { id { a } } }", json!({})),
        ("{ vms(bogus: 1) { id } }", json!({})),
        ("{ vms(first: \"1\") { id } }", json!({})),
        ("{ vms(first: 1.5) { id } }", json!({})),
        ("{ vms(where: { bogus: 1 }) { id } }", json!({})),
        ("{ vms(where: { vcpu: \"x\" }) { id } }", json!({})),
        ("{ vms(where: { status: BOGUS }) { id } }", json!({})),
        ("{ vms(orderBy: bogus_ASC) { id } }", json!({})),
        ("{ apiKeys(where: { key_starts_with: \"k\" }) { id } }", json!({})),
        ("{ apiKeys(orderBy: key_ASC) { id } }", json!({})),
        ("{ vms @bogus { id } }", json!({})),
        ("{ vms @skip { id } }", json!({})),
        ("{ vms @skip(if: 1) { id } }", json!({})),
        ("subscription { vms { id } }", json!({})),
        ("{ a: vms { id } a: users { id } }", json!({})),
        ("{ ...f } fragment f on Vm { id }", json!({})),
        ("{ ...f } fragment f on Bogus { id }", json!({})),
        ("query($a: Bogus) { __typename }", json!({})),
        ("query($a: [Bogus!]! = [1]) { __typename }", json!({})),
        ("query($a: [[Vm]] = [[{ id: 1 }]]) { __typename }", json!({})),
        ("query($a: Int = \"x\") { vms(first: $a) { id } }", json!({})),
        ("query($a: Int!) { vms(first: $a) { id } }", json!({})),
        ("query($a: Int!) { vms(first: $a) { id } }", json!({ "a": null })),
        ("query($a: Int) { vms(first: $a) { id } }", json!({ "a": "x" })),
        ("query($a: Int) { vms(first: $a) { id } }", json!({ "a": [1] })),
        ("query($a: String) { vms(first: $a) { id } }", json!({ "a": "1" })),
        ("query($a: Int, $a: Int) { vms(first: $a) { id } }", json!({})),
        ("{ vms(first: $a) { id } }", json!({ "a": 1 })),
        ("query($w: VmWhereInput) { vms(where: $w) { id } }", json!({ "w": { "bogus": 1 } })),
        ("query A { __typename } query A { __typename }", json!({})),
        ("query A { __typename } { __typename }", json!({})),
        ("", json!({})),
        (" ", json!({})),
        ("#", json!({})),
        ("null", json!({})),
        ("{}", json!({})),
        ("query", json!({})),
        ("{ \"a\" }", json!({})),
        ("{ apiKey(where: { id: \"\\uD800\" }) { id } }", json!({})),
        ("{ apiKey(where: { id: \"\\u{1F600}\" }) { id } }", json!({})),
        ("{ apiKey(where: { id: \"\n\" }) { id } }", json!({})),
        ("{ vms(first: 1e999) { id } }", json!({})),
        ("{ vms(first: 00) { id } }", json!({})),
        ("type A { b: Int }", json!({})),
        ("\u{0}", json!({})),
    ] {
        let answer = ask(&service, Some(&root), query, variables).await;
        refusal(&answer, "BAD_USER_INPUT");
        assert!(!answer.text.contains("did you mean"), "{answer:?}");
    }
    // These are right for the schema, and wrong for the list.
    for arguments in [
        "first: -1",
        "where: []",
        "where: \"x\"",
        "where: [{ name: 5 }]",
        "skip: 2147483648",
        "last: -5",
        "first: 1, last: 1",
        "after: \"\\u0000\"",
        "where: { name: \"\\u0000\" }",
        "where: { memory: \"x\" }",
        "where: { local_created_at: \"x\" }",
    ] {
        for field in
            [format!("vms({arguments}) {{ id }}"), format!("vmsConnection({arguments}) {{ aggregate {{ count }} }}")]
        {
            let answer = ask(&service, Some(&root), &format!("{{ {field} }}"), json!({})).await;
            clean(&answer);
            assert_eq!(
                (answer.code().as_str(), &answer.json()["data"]),
                ("BAD_USER_INPUT", &Value::Null),
                "{answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_would_be_too_large_is_refused_and_nothing_is_minted() {
    let service = Service::start().await;
    service.import_example().await;
    let root = service.root().await;
    for _ in 0..12 {
        let name = keytower::domain::id::uuid_v7(service.app.now(), &SystemRandom).unwrap().to_string();
        users::create_with_password(&service.app, &pass(&Caller::operator()), name, "READ_ONLY").await.unwrap();
    }
    let (_, reader) = service.user("READ_ONLY").await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    let nest = |pair: &str, times: usize| pair.repeat(times) + "id" + &" } }".repeat(times);
    let machines = nest("cluster { vms { ", 6);
    let people = nest("roles { users { ", 6);
    for query in [
        format!("{{ vms {{ {machines} }} }}"),
        format!("{{ vms {{ id ...f }} }} fragment f on Vm {{ {machines} }}"),
        format!("{{ users {{ {people} }} }}"),
        format!("{{ apiKeys {{ id }} users {{ {people} }} }}"),
        format!("mutation {{ createApiKey(data: {{ name: \"a\" }}) {{ id user {{ {people} }} }} }}"),
        format!("mutation {{ createApiKey(data: {{ name: \"a\" }}) {{ id {people} }} }}"),
    ] {
        let answer = ask(&service, Some(&reader), &query, json!({})).await;
        clean(&answer);
        assert_eq!((answer.code().as_str(), &answer.json()["data"]), ("BAD_USER_INPUT", &Value::Null), "{answer:?}");
        // The answer of a change has a lower limit, because other changes wait while it is read.
        let most = if query.starts_with("mutation") { "2000" } else { "40000" };
        assert!(answer.text.contains(&format!("more than {most} values")), "{answer:?}");
    }
    assert_eq!(rows.count().await, before);
    // What fits is answered, and is not much larger than a megabyte.
    let answer = ask(
        &service,
        Some(&root),
        "{ vms { cluster { vms { id name host { id name } cluster { id name } } } } }",
        json!({}),
    )
    .await;
    assert_eq!(answer.json()["data"]["vms"].as_array().unwrap().len(), 30);
    assert!(answer.text.len() < 1_500_000, "{} bytes", answer.text.len());
}
