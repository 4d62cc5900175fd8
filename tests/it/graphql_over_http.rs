//! GraphQL over HTTP: the audits of the npm package `graphql-http` (by their ids), which content types and methods are refused before
//! anything runs, and the form of an answer: the order of its fields, its nulls, its paths.

use reqwest::header::{ACCEPT, ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::support::check::{Rows, clean};
use super::support::{Answer, Service};

const PATHS: [&str; 2] = ["/api", "/api/"];
const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";
const MINT: &str = "mutation { createApiKey(data: { name: \"a\" }) { id } }";

async fn send(request: RequestBuilder) -> Answer {
    let answer = Answer::read(request.send().await.unwrap()).await;
    clean(&answer);
    answer
}

/// POSTs a body as JSON; `accept` is sent when it is not empty.
async fn post(service: &Service, path: &str, accept: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = service.http.post(service.url(path)).header(CONTENT_TYPE, JSON).body(body);
    send(if accept.is_empty() { request } else { request.header(ACCEPT, accept) }).await
}

fn kind(answer: &Answer) -> &str {
    answer.headers[CONTENT_TYPE].to_str().unwrap()
}

/// GETs with parameters in the address.
fn get(service: &Service, path: &str, parameters: &[(&str, &str)]) -> RequestBuilder {
    let mut url = reqwest::Url::parse(&service.url(path)).unwrap();
    url.query_pairs_mut().extend_pairs(parameters);
    service.http.get(url)
}

#[tokio::test]
async fn audits_of_media_types() {
    let service = Service::start().await;
    let typename = json!({ "query": "{ __typename }" }).to_string();
    for path in PATHS {
        for (accept, expected, audits) in [
            (GRAPHQL, GRAPHQL, "22EB"),
            (JSON, JSON, "4655"),
            ("*/*", JSON, "47DE"),
            ("", JSON, "80D8 82A3 78D5 2C94 03D4"),
            ("application/graphql-response+json, application/json;q=0.9", GRAPHQL, ""),
            ("application/graphql-response+json;q=0.5, application/json", JSON, ""),
            ("application/graphql-response+json;q=0", JSON, ""),
            ("application/graphql-response+json, */*", GRAPHQL, ""),
            ("application/graphql-response+json;q=0.5, */*", JSON, ""),
            ("application/graphql-response+json;q=0.5, application/*;q=0.6", JSON, ""),
            ("application/graphql-response+json;q=0.5, application/*;q=0.4", GRAPHQL, ""),
            ("application/*", JSON, ""),
            ("application/json;q=0, */*", GRAPHQL, ""),
            ("application/json;q=0, application/graphql-response+json;q=0.1", GRAPHQL, ""),
            ("application/json;q=0", JSON, ""),
            ("APPLICATION/GraphQL-Response+JSON; charset=utf-8", GRAPHQL, ""),
            ("text/html", JSON, ""),
            ("image/png, text/*", JSON, ""),
            ("text/html, */*;q=0.1", JSON, ""),
            ("not a type, ;;;, application/json;q=x", JSON, ""),
        ] {
            let answer = post(&service, path, accept, typename.clone()).await;
            assert_eq!((answer.status, answer.json()), (200, json!({ "data": { "__typename": "Query" } })), "{audits}");
            assert_eq!(kind(&answer), format!("{expected}; charset=utf-8"), "{audits} {accept}");
        }
        // BF61
        let body = json!({ "query": "{ __type(name: \"Run🏃Swim🏊\") { name } }" }).to_string();
        for kind in [
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
            "application/json; charset=\"utf-8\"",
            "Application/JSON",
            "application/json; profile=x",
        ] {
            let request = service.http.post(service.url(path)).header(CONTENT_TYPE, kind).body(body.clone());
            assert_eq!(send(request).await.json(), json!({ "data": { "__type": null } }), "{kind}");
        }
    }
}

#[tokio::test]
async fn audits_of_parameters() {
    let service = Service::start().await;
    for path in PATHS {
        // A5BF, 423L, LKJ0-3, 6C00-3, 4760-3, 58B0-3, B6DC, BCF8, B7N8, 8764, 3E3A, and more like them.
        let mut malformed =
            vec!["".to_owned(), "{ \"not a JSON".to_owned(), "{}".to_owned(), "[]".to_owned(), "null".to_owned()];
        malformed.push(json!({ "notquery": "{ __typename }" }).to_string());
        malformed.push(json!({ "query": null }).to_string());
        for invalid in [json!({ "obj": "ect" }), json!(0), json!(false), json!(["array"])] {
            malformed.push(json!({ "query": invalid }).to_string());
            malformed.push(json!({ "query": "{ __typename }", "operationName": invalid }).to_string());
        }
        for invalid in [json!("string"), json!(0), json!(false), json!(["array"])] {
            malformed.push(json!({ "query": "{ __typename }", "variables": invalid }).to_string());
            malformed.push(json!({ "query": "{ __typename }", "extensions": invalid }).to_string());
        }
        for (body, accept) in malformed.iter().flat_map(|body| ["", JSON, GRAPHQL].map(|accept| (body, accept))) {
            let answer = post(&service, path, accept, body.clone()).await;
            assert_eq!((answer.status, answer.code().as_str()), (400, "BAD_USER_INPUT"), "{body}: {answer:?}");
            assert!(answer.json().get("data").is_none(), "{answer:?}");
        }
        // 34A2 13EE, 8161 B8B3, 94B0-2 0220-2, 2EA1 28B9, 428F 1B7A
        for accept in [JSON, GRAPHQL] {
            for body in [
                json!({ "query": "{ __typename }" }),
                json!({ "query": "query Query { __typename }", "operationName": "Query" }),
                json!({ "query": "{ __typename }", "operationName": null }),
                json!({ "query": "{ __typename }", "operationName": "" }),
                json!({ "query": "{ __typename }", "variables": null }),
                json!({ "query": "{ __typename }", "extensions": null }),
                json!({ "query": "query Type($name: String!) { __type(name: $name) { name } }", "variables": { "name": "sometype" } }),
                json!({ "query": "{ __typename }", "extensions": { "some": "value" } }),
                json!({ "query": "{ __typename }", "later": { "any": "thing" } }),
            ] {
                let answer = post(&service, path, accept, body.to_string()).await;
                assert_eq!(answer.status, 200, "{answer:?}");
                assert!(answer.json().get("errors").is_none() && answer.json()["data"].is_object(), "{answer:?}");
            }
        }
        // D6D5, 6A70
        for accept in [JSON, GRAPHQL] {
            let query = "query Type($name: String!) { __type(name: $name) { name } }";
            let request = get(&service, path, &[("query", query), ("variables", "{\"name\":\"Vm\"}")]);
            assert_eq!(send(request.header(ACCEPT, accept)).await.json()["data"]["__type"]["name"], "Vm");
        }
    }
}

#[tokio::test]
async fn audits_of_what_is_not_executed() {
    let service = Service::start().await;
    let coercion = "query CoerceFailure($id: ID!){ __typename }";
    for (path, accept) in PATHS.into_iter().flat_map(|path| [(path, JSON), (path, GRAPHQL)]) {
        for (body, audits) in [
            (json!({ "query": "{" }), "572B 865D 556A D586"),
            (json!({ "query": "{ 8f31403dfe404bccbb0e835f2629c6a7 }" }), "FDE2 51FE 74FF 5E5B"),
            (json!({ "query": "{ bogus }" }), ""),
            (json!({ "query": coercion, "variables": { "id": null } }), "7B9B 86EE"),
            (json!({ "query": "query($a: Int!) { vms(first: $a) { id } }" }), ""),
            (json!({ "query": format!("{{ {} }}", "a ".repeat(31)) }), ""),
            (json!({ "query": "query A { __typename } query B { __typename }" }), ""),
            (json!({ "query": "query A { __typename } query B { __typename }", "operationName": "C" }), ""),
            (json!({ "query": "{ __typename }", "operationName": "Unknown" }), ""),
        ] {
            let answer = post(&service, path, accept, body.to_string()).await;
            assert_eq!(answer.status, if accept == JSON { 200 } else { 400 }, "{audits} {body}: {answer:?}");
            assert!(kind(&answer).starts_with(accept), "{answer:?}");
            assert!(answer.json().get("data").is_none(), "{answer:?}");
            assert_eq!(answer.code(), "BAD_USER_INPUT");
        }
    }
    // Of several operations the named one runs, and only that.
    let root = service.root().await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    let body = json!({ "query": format!("query A {{ __typename }} {}", MINT.replace("mutation", "mutation B")), "operationName": "A" });
    let answer = service.post("/api", Some(&root), &body).await;
    assert_eq!(answer.json(), json!({ "data": { "__typename": "Query" } }));
    assert_eq!(rows.count().await, before);
}

#[tokio::test]
async fn what_another_site_could_send_is_refused_before_it_runs() {
    let service = Service::start().await;
    let root = service.root().await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    let body = json!({ "query": MINT }).to_string();
    let form = format!("query={}", MINT.replace(' ', "+"));
    let part =
        |name: &str, text: &str| format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
    let multipart = part("operations", &body) + &part("map", "{}") + "--x--\r\n";
    for path in PATHS {
        for (kind, body) in [
            (None, &body),
            (Some(""), &body),
            (Some("text/plain"), &body),
            (Some("text/plain;application/json"), &body),
            (Some("application/x-www-form-urlencoded"), &body),
            (Some("application/x-www-form-urlencoded"), &form),
            (Some("multipart/form-data; boundary=x"), &multipart),
            (Some("multipart/mixed; boundary=x"), &multipart),
            (Some("application/graphql"), &MINT.to_owned()),
            (Some("application/json; charset=utf-7"), &body),
            (Some("text/html"), &body),
        ] {
            let request = service.http.post(service.url(path)).header(AUTHORIZATION, &root).body(body.clone());
            let answer = send(if let Some(kind) = kind { request.header(CONTENT_TYPE, kind) } else { request }).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (415, "UNSUPPORTED_MEDIA_TYPE"),
                "{kind:?}: {answer:?}"
            );
        }
        // Batches.
        for batch in [json!([]), json!([{ "query": MINT }]), json!([{ "query": MINT }, { "query": MINT }])] {
            let answer = service.post(path, Some(&root), &batch).await;
            assert_eq!(answer.status, 400);
            assert!(answer.text.contains("batches"), "{answer:?}");
        }
        // 9C48: a change by GET, whatever hides it.
        let hidden = format!("query A {{ __typename }} {}", MINT.replace("mutation", "mutation B"));
        let spread = "mutation { ...f } fragment f on Mutation { createApiKey(data: { name: \"a\" }) { id } }";
        for parameters in [
            vec![("query", MINT)],
            vec![("query", spread)],
            vec![("query", hidden.as_str()), ("operationName", "B")],
            vec![("operationName", "A"), ("query", hidden.as_str()), ("operationName", "B")],
            vec![("query", "mutation { __typename }")],
        ] {
            for accept in [JSON, GRAPHQL, "text/html"] {
                let request = get(&service, path, &parameters).header(AUTHORIZATION, &root).header(ACCEPT, accept);
                let answer = send(request).await;
                assert_eq!((answer.status, answer.code().as_str()), (405, "METHOD_NOT_ALLOWED"), "{answer:?}");
                assert!(answer.headers[ALLOW].to_str().unwrap().contains("POST"));
            }
        }
        // A body does not turn a GET, or any other method, into a POST.
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            let request = service.http.request(method.clone(), service.url(path)).header(AUTHORIZATION, &root);
            let answer =
                send(request.header(CONTENT_TYPE, JSON).header("x-http-method-override", "POST").body(body.clone()))
                    .await;
            assert_eq!(answer.status, if method == Method::GET { 400 } else { 405 }, "{method}: {answer:?}");
        }
        // And no header lets another site read the answer.
        let request = service.http.post(service.url(path)).header("origin", "https://evil.example");
        let answer = send(request.header(CONTENT_TYPE, JSON).body("{\"query\":\"{ __typename }\"}")).await;
        assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{answer:?}");
    }
    assert_eq!(rows.count().await, before);
}

#[tokio::test]
async fn a_query_by_get_is_answered_like_one_by_post() {
    let service = Service::start().await;
    let root = service.root().await;
    for path in PATHS {
        for (parameters, status) in [
            (vec![("query", "{ users { username } }")], 200),
            (vec![("query", "query A { users { username } } query B { __typename }"), ("operationName", "A")], 200),
            (
                vec![("query", "{ users { username } }"), ("variables", ""), ("extensions", ""), ("operationName", "")],
                200,
            ),
            (vec![("query", "{ users { username } }"), ("variables", "{")], 400),
            (vec![("query", "{ users { username } }"), ("variables", "[]")], 400),
            (vec![("query", "{ users { username } }"), ("extensions", "5")], 400),
            (vec![("variables", "{}")], 400),
            (vec![("notquery", "{ __typename }")], 400),
        ] {
            let answer = send(get(&service, path, &parameters).header(AUTHORIZATION, &root)).await;
            assert_eq!(answer.status, status, "{parameters:?}: {answer:?}");
            if status == 200 {
                assert_eq!(answer.json(), json!({ "data": { "users": [{ "username": "root" }] } }));
            }
        }
        assert_eq!(send(get(&service, path, &[]).header(ACCEPT, JSON)).await.status, 400);
    }
}

/// RFC 9110, section 9.3.2: HEAD is GET without the content.
#[tokio::test]
async fn head_is_answered_like_get_and_changes_nothing() {
    let service = Service::start().await;
    let root = service.root().await;
    let rows = Rows::of(&service).await;
    let before = rows.count().await;
    for path in PATHS {
        for (parameters, accept) in [
            (vec![("query", "{ users { username } }")], GRAPHQL),
            (vec![("query", "{ users { username } }")], "text/html"),
            (vec![("query", "{")], GRAPHQL),
            (vec![("query", MINT)], JSON),
            (vec![("notquery", "{ __typename }")], JSON),
        ] {
            let url = get(&service, path, &parameters).build().unwrap().url().clone();
            let ask = |method| {
                let request = service.http.request(method, url.clone()).header(AUTHORIZATION, &root);
                send(request.header(ACCEPT, accept))
            };
            let (got, head) = (ask(Method::GET).await, ask(Method::HEAD).await);
            assert_eq!((head.status, head.text.as_str()), (got.status, ""), "{parameters:?}");
            for name in [CONTENT_TYPE, CONTENT_LENGTH, ALLOW] {
                assert_eq!(head.headers.get(&name), got.headers.get(&name), "{parameters:?}");
            }
        }
        let page = service.http.head(service.url(path)).header(ACCEPT, "text/html").send().await.unwrap();
        assert_eq!(
            (page.status().as_u16(), &page.headers()[CONTENT_TYPE]),
            (200, &"text/html; charset=utf-8".parse().unwrap())
        );
    }
    assert_eq!(rows.count().await, before);
}

#[tokio::test]
async fn fields_stand_in_the_order_they_were_asked_for() {
    let service = Service::start().await;
    let root = service.root().await;
    let names: Vec<String> = (0..28).map(|at| format!("f{}", (at * 11) % 28)).collect();
    let roots = ["users { id }", "vms { id }", "userCreated { created }", "__typename"];
    let fields: String =
        names.iter().zip(roots.iter().cycle()).map(|(name, root)| format!("{name}: {root} ")).collect();
    let query =
        format!("{{ {fields} ...last ... {{ inline: __typename }} }} fragment last on Query {{ last: __typename }}");
    let answer = service.graphql(Some(&root), &query, json!({})).await;
    assert!(answer.json().get("errors").is_none(), "{answer:?}");
    let wanted = names.iter().map(String::as_str).chain(["last", "inline"]);
    let mut rest = answer.text.as_str();
    for name in wanted {
        let quoted = format!("\"{name}\":");
        let (_, behind) =
            rest.split_once(&quoted).unwrap_or_else(|| panic!("{name} is missing or too early in {answer:?}"));
        rest = behind;
    }
}

#[tokio::test]
async fn a_failed_field_is_null_or_takes_the_data_with_it() {
    let service = Service::start().await;
    let root = service.root().await;
    let (id, _) = service.mint(&root, "mine").await;
    for (credential, query, data, path) in [
        (
            Some(&root),
            "{ a: __typename x: apiKey(where: {}) { id } b: __typename }",
            json!({ "a": "Query", "x": null, "b": "Query" }),
            "x",
        ),
        (
            Some(&root),
            "{ ...f } fragment f on Query { a: __typename ... { x: apiKey(where: {}) { id } } }",
            json!({ "a": "Query", "x": null }),
            "x",
        ),
        (Some(&root), "{ a: __typename vms(first: -1) { id } }", Value::Null, "vms"),
        (None, "{ a: __typename vms { id } }", Value::Null, "vms"),
        (None, "mutation { x: createApiKey(data: { name: \"a\" }) { id } }", Value::Null, "x"),
        (
            Some(&root),
            "mutation { a: deleteApiKey(where: { id: \"nope\" }) { id } __typename }",
            json!({ "a": null, "__typename": "Mutation" }),
            "a",
        ),
    ] {
        for accept in [JSON, GRAPHQL] {
            let request = service.http.post(service.url("/api")).header(CONTENT_TYPE, JSON).header(ACCEPT, accept);
            let request = request.body(json!({ "query": query }).to_string());
            let answer = send(if let Some(credential) = credential {
                request.header(AUTHORIZATION, credential)
            } else {
                request
            })
            .await;
            // Clients of the contract decode no other status.
            assert_eq!(answer.status, 200, "{answer:?}");
            let body = answer.json();
            assert_eq!(body["data"], data, "{answer:?}");
            assert_eq!(body["errors"].as_array().unwrap().len(), 1, "{answer:?}");
            assert_eq!(body["errors"][0]["path"], json!([path]), "{answer:?}");
        }
    }
    // A change that succeeded shows beside one that failed, each under its own name.
    let query = "mutation($id: ID) { wrong: deleteApiKey(where: {}) { id } right: deleteApiKey(where: { id: $id }) { id name } \
                 again: deleteApiKey(where: { id: $id }) { id } }";
    let answer = service.graphql(Some(&root), query, json!({ "id": id })).await;
    let body = answer.json();
    assert_eq!(
        body["data"],
        json!({ "wrong": null, "right": { "id": id, "name": "mine" }, "again": null }),
        "{answer:?}"
    );
    let paths: Vec<&Value> = body["errors"].as_array().unwrap().iter().map(|error| &error["path"]).collect();
    assert_eq!(paths, [&json!(["wrong"]), &json!(["again"])]);
}
