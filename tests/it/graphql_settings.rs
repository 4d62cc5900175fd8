//! The limits of GraphQL as settings, and introspection as one.

use std::sync::Arc;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::support::check::clean;
use crate::support::{Answer, Database, Service};

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";

/// What GraphiQL and code generators ask, and nothing in it has an alias.
const TOOLS: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } types { ...FullType } directives { name \
    args { ...InputValue } } } } fragment FullType on __Type { kind name fields(includeDeprecated: true) { name args { ...InputValue } \
    type { ...TypeRef } } inputFields { ...InputValue } interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name } \
    possibleTypes { ...TypeRef } } fragment InputValue on __InputValue { name type { ...TypeRef } defaultValue } \
    fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name \
    ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";

async fn start(settings: &[(&str, &str)]) -> (Service, String) {
    let service = Service::start_with(Arc::new(Database::new().await), settings).await;
    let root = service.root().await;
    (service, root)
}

async fn ask(service: &Service, credential: &str, document: &str) -> Answer {
    let answer = service.graphql(Some(credential), document, json!({})).await;
    clean(&answer);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// The message of an answer without data.
fn refusal(answer: &Answer) -> String {
    assert!(answer.json().get("data").is_none(), "{answer:?}");
    assert_eq!(answer.code(), "BAD_USER_INPUT");
    answer.json()["errors"][0]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_limit_that_was_lowered_is_the_one_that_counts() {
    let vms =
        |depth: usize| format!("{{ vms {} id {} }}", "{ cluster { vms ".repeat(depth) + "{", "}".repeat(2 * depth + 1));
    let aliases = |count: usize| (0..count).map(|at| format!("a{at}: __typename ")).collect::<String>();
    let spreads =
        |count: usize| format!("{{ {} __typename }} fragment f on Query {{ __typename }}", "...f ".repeat(count));
    let none = "{ __typename }".to_owned();
    for (name, value, good, bad, words) in [
        ("graphql_depth", "4", vms(1), vms(2), "has 6 levels: at most 4 are"),
        ("graphql_root_fields", "3", format!("{{ {} }}", aliases(3)), format!("{{ {} }}", aliases(4)), "at most 3 are"),
        ("graphql_fragments", "2", spreads(2), spreads(3), "more than 2 fragment spreads"),
        ("graphql_fragments", "0", none, spreads(1), "more than 0 fragment spreads"),
        (
            "graphql_tokens",
            "100",
            format!("{{ vms {{ {} }} }}", "id ".repeat(95)),
            format!("{{ vms {{ {} }} }}", "id ".repeat(96)),
            "100 tokens",
        ),
    ] {
        let (service, root) = start(&[(name, value)]).await;
        let answer = ask(&service, &root, &good).await;
        assert!(answer.json().get("errors").is_none(), "{name}: {answer:?}");
        let message = refusal(&ask(&service, &root, &bad).await);
        assert!(message.contains(words), "{name}: {message}");
    }
}

#[tokio::test]
async fn an_answer_holds_as_many_values_as_the_setting_says() {
    let (service, root) = start(&[("graphql_answer_values", "1000")]).await;
    service.import_example().await;
    let all = |first: u32| {
        format!("{{ vms(first: {first}) {{ id name status vcpu memory cluster {{ id name hosts {{ id name }} }} }} }}")
    };
    let answer = ask(&service, &root, &all(5)).await;
    assert_eq!(answer.json()["data"]["vms"].as_array().unwrap().len(), 5);
    let many: String =
        (0..25).map(|at| format!("a{at}: {}", all(30).trim_matches(['{', '}', ' ']).to_owned() + " } } } ")).collect();
    let answer = ask(&service, &root, &format!("{{ {many} }}")).await;
    assert_eq!((answer.code().as_str(), &answer.json()["data"]), ("BAD_USER_INPUT", &Value::Null), "{answer:?}");
    // By the default it fits.
    let (service, root) = start(&[]).await;
    service.import_example().await;
    let answer = ask(&service, &root, &format!("{{ {many} }}")).await;
    assert!(answer.json().get("errors").is_none(), "{answer:?}");
}

#[tokio::test]
async fn tools_read_the_schema_however_narrow_the_other_limits_are() {
    let narrow = [("graphql_depth", "1"), ("graphql_root_fields", "1")];
    let (service, root) = start(&narrow).await;
    let answer = ask(&service, &root, TOOLS).await;
    assert!(answer.json()["data"]["__schema"]["types"].as_array().unwrap().len() > 20, "{answer:?}");
    let deep = "{ __schema { types { ofType { ".to_owned() + &"ofType { ".repeat(12) + "name" + &" }".repeat(16);
    assert!(refusal(&ask(&service, &root, &deep).await).contains("levels of introspection: at most 15"));
}

#[tokio::test]
async fn introspection_can_be_switched_off() {
    let (service, root) = start(&[("graphql_introspection", "false")]).await;
    for document in [
        TOOLS,
        "{ __schema { queryType { name } } }",
        "{ __type(name: \"Vm\") { name } }",
        "{ a: __schema { queryType { name } } __typename }",
        "{ ... { ... on Query { b: __type(name: \"User\") { name } } } }",
        "{ ...f } fragment f on Query { __schema { queryType { name } } }",
        "query A { __typename } query B { __schema { queryType { name } } }",
        "{ __schema @skip(if: true) { queryType { name } } }",
        "mutation { __schema { queryType { name } } }",
    ] {
        for (accept, status) in [(JSON, 200), (GRAPHQL, 400)] {
            for credential in ["", &root] {
                let request = service.http.post(service.url("/api")).header(CONTENT_TYPE, JSON).header(ACCEPT, accept);
                let request = if credential.is_empty() { request } else { request.header("authorization", credential) };
                let body =
                    json!({ "query": document, "operationName": document.starts_with("query A").then_some("A") });
                let answer = Answer::read(request.body(body.to_string()).send().await.unwrap()).await;
                clean(&answer);
                assert_eq!(answer.status, status, "{document}: {answer:?}");
                assert!(answer.headers[CONTENT_TYPE].to_str().unwrap().starts_with(accept));
                assert!(refusal(&answer).contains("introspection is switched off"), "{document}: {answer:?}");
            }
        }
    }
    let mut url = reqwest::Url::parse(&service.url("/api")).unwrap();
    url.query_pairs_mut().append_pair("query", "{ __schema { queryType { name } } }");
    refusal(&Answer::read(service.http.get(url).send().await.unwrap()).await);
    // The names of types are part of an answer, not of the schema; and everything else works.
    let answer = ask(&service, &root, "{ __typename users { __typename username roles { __typename } } }").await;
    let user = json!({ "__typename": "User", "username": "root", "roles": [{ "__typename": "UserRoleNext" }] });
    assert_eq!(answer.json(), json!({ "data": { "__typename": "Query", "users": [user] } }));
    let answer =
        ask(&service, &root, "mutation { __typename createApiKey(data: { name: \"a\" }) { __typename } }").await;
    assert_eq!(
        answer.json(),
        json!({ "data": { "__typename": "Mutation", "createApiKey": { "__typename": "ApiKey" } } })
    );
    // What is wrong with a document does not tell more of the schema than before.
    let message = refusal(&ask(&service, &root, "{ userz { id } }").await);
    assert!(!message.contains("Did you mean"), "{message}");
}
