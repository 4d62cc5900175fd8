//! The list language on both faces: conditions on what rows keep inside them, what is said of a mistake, and how much is taken.

use keytower::domain::caller::Caller;
use keytower::domain::entity::VM;
use keytower::service::inventory;
use serde_json::{Value, json};

use crate::support::samples::{self, Filled};
use crate::support::{Answer, Service, pass};

const GRAPHQL: &str =
    "query($where: VmWhereInput, $orderBy: VmOrderByInput, $first: Int, $after: String, $before: String) {
    vms(where: $where, orderBy: $orderBy, first: $first, after: $after, before: $before) { id } }";

/// Four VMs that differ in what they keep, and root's token.
async fn furnished() -> (Service, String) {
    let service = Service::start().await;
    let label = |key: &str, value: Value| json!({ "id": format!("label {key}"), "key": key, "value": value });
    let folder = |name: &str| json!({ "id": format!("folder {name}"), "name": name });
    let cpu = |cores: i32| json!({ "cores": cores, "sockets": 1 });
    let mut vms = Vec::new();
    for (id, members) in [
        ("a", json!({ "cpu": cpu(2), "folder": folder("Web"), "labels": [label("env", json!("prod"))] })),
        (
            "b",
            json!({
                "cpu": cpu(10), "folder": folder("web"),
                "labels": [label("env", json!("test")), label("team", Value::Null)]
            }),
        ),
        ("c", json!({ "cpu": cpu(2), "labels": [] })),
        ("d", json!({ "cpu": cpu(1) })),
    ] {
        let mut vm = samples::record(&VM, Filled::Required);
        vm.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        vm["id"] = json!(id);
        vms.push(vm);
    }
    let text = json!({ "vms": vms }).to_string();
    inventory::import(&service.app, &pass(&Caller::operator()), &text, |_| {}).await.unwrap();
    let token = service.root().await;
    (service, token)
}

/// What both faces list, which must be the same.
async fn listed(service: &Service, token: &str, arguments: &Value) -> String {
    let rest = service.post("/v2/api/get-vms", Some(token), arguments).await;
    assert_eq!(rest.status, 200, "{arguments}: {rest:?}");
    let graphql = service.graphql(Some(token), GRAPHQL, arguments.clone()).await.json();
    let ids = |rows: &Value| {
        rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<String>()
    };
    assert_eq!(ids(&rest.json()), ids(&graphql["data"]["vms"]), "{arguments}: {graphql}");
    ids(&rest.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rows_keep_inside_them_can_be_asked_about() {
    let (service, token) = furnished().await;
    for (conditions, expected) in [
        // One object: there must be one, and null is for none.
        (json!({ "folder": { "name": "web" } }), "b"),
        (json!({ "folder": { "name_not": "web" } }), "a"),
        (json!({ "folder": { "name_in": ["web", "Web", "WEB"] } }), "ab"),
        (json!({ "folder": { "name_lt": "a" } }), "a"),
        (json!({ "folder": { "OR": [{ "id": "folder Web" }, { "name_starts_with": "we" }] } }), "ab"),
        (json!({ "folder": {} }), "ab"),
        (json!({ "folder": null }), "cd"),
        (json!({ "NOT": [{ "folder": { "name": "web" } }] }), "acd"),
        (json!({ "NOT": [{ "folder": null }] }), "ab"),
        // Several: an empty list and a missing one are the same.
        (json!({ "labels_some": { "key": "env" } }), "ab"),
        (json!({ "labels_some": { "key": "env", "value": "prod" } }), "a"),
        (json!({ "labels_some": { "key": "team", "value": "test" } }), ""),
        (json!({ "labels_some": { "key": "team", "value": null } }), "b"),
        (json!({ "labels_some": {} }), "ab"),
        (json!({ "labels_every": { "key": "env" } }), "acd"),
        (json!({ "labels_none": { "key": "team" } }), "acd"),
        (json!({ "labels_none": {} }), "cd"),
        // What is not known to be otherwise counts for every, and not for some.
        (json!({ "labels_every": { "value_contains": "t" } }), "bcd"),
        (json!({ "labels_some": { "value_not": "test" } }), "a"),
        (json!({ "labels_none": { "value_not": "test" } }), "bcd"),
        // Together, and through a relation.
        (json!({ "labels_some": { "key": "env" }, "folder": { "name": "Web" } }), "a"),
        (json!({ "OR": [{ "labels_some": { "value": "prod" } }, { "folder": null }] }), "acd"),
        (json!({ "host": { "labels_some": { "key": "env" } } }), ""),
    ] {
        assert_eq!(listed(&service, &token, &json!({ "where": conditions })).await, expected, "{conditions}");
    }
    for body in [json!({ "labels_some": null }), json!({ "folder": { "labels_some": {} } }), json!({ "labels": {} })] {
        let answer = service.post("/v2/api/get-vms", Some(&token), &json!({ "where": body })).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_several_members_are_ordered_by_their_text() {
    let (service, token) = furnished().await;
    // The text of 10 stands before that of 2; equal ones are in order of id.
    for (arguments, expected) in [
        (json!({ "orderBy": "cpu_ASC" }), "dbac"),
        (json!({ "orderBy": "cpu_DESC" }), "acbd"),
        (json!({ "orderBy": "cpu_ASC", "after": "b" }), "ac"),
        (json!({ "orderBy": "cpu_ASC", "before": "c" }), "dba"),
        (json!({ "orderBy": "cpu_DESC", "after": "a", "before": "d" }), "cb"),
    ] {
        assert_eq!(listed(&service, &token, &arguments).await, expected, "{arguments}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_told_with_what_may_have_been_meant() {
    let (service, token) = furnished().await;
    for (arguments, said) in [
        (
            json!({ "where": { "nmae": "a" } }),
            "where.nmae is not known: it is no member of VmWhereInput; did you mean \"name\"?",
        ),
        (json!({ "where": { "name_like": "a" } }), "did you mean \"name_lte\"?"),
        (
            json!({ "where": { "cluster": { "host_some": {} } } }),
            "where.cluster.host_some is not known: it is no member of ClusterWhereInput; did you mean \"hosts_some\"?",
        ),
        (json!({ "where": { "labels": {} } }), "did you mean \"labels_some\"?"),
        (json!({ "where": { "labels_some": { "keys": "a" } } }), "no member of LabelWhereInput; did you mean \"key\"?"),
        (
            json!({ "where": { "status": "running" } }),
            "where.status must be one of DELETED, RUNNING, STOPPED, SUSPENDED, UNKNOWN; did you mean \"RUNNING\"?",
        ),
        (json!({ "where": { "status_in": ["RUNNING", "STOPED"] } }), "did you mean \"STOPPED\"?"),
        (json!({ "orderBy": "nam_DESC" }), "did you mean \"name_DESC\"?"),
        (json!({ "orderBy": "name" }), "did you mean \"name_ASC\"?"),
        (json!({ "orderBy": "id_asc" }), "did you mean \"id_ASC\"?"),
        (json!({ "orderBy": "labels_ASC" }), "orderBy \"labels_ASC\" is not known"),
        (json!({ "where": { "quux": 1 } }), "where.quux is not known: it is no member of VmWhereInput"),
    ] {
        for path in ["/v2/api/get-vms", "/v2/api/get-vms-connection"] {
            let answer = service.post(path, Some(&token), &arguments).await;
            let message = answer.json()["message"].as_str().unwrap().to_owned();
            assert!(answer.status == 400 && message.contains(said), "{arguments}: {answer:?}");
            assert_eq!(message.contains("did you mean"), said.contains("did you mean"), "{message}");
        }
        // GraphQL's own check comes first, and makes no suggestions.
        let answer = service.graphql(Some(&token), GRAPHQL, arguments.clone()).await.json();
        assert!(answer["errors"][0]["message"].is_string() && !answer.to_string().contains("did you mean"), "{answer}");
    }
}

/// The same question to both faces, the conditions as variables on GraphQL.
async fn ask(service: &Service, token: &str, conditions: &Value) -> [Answer; 2] {
    let arguments = json!({ "where": conditions, "orderBy": "name_ASC", "first": 9 });
    [
        service.post("/v2/api/get-vms", Some(token), &arguments).await,
        service.graphql(Some(token), GRAPHQL, arguments).await,
    ]
}

fn nested(levels: usize, wrap: impl Fn(Value) -> Value) -> Value {
    (0..levels).fold(json!({ "id": "a" }), |inner, _| wrap(inner))
}

#[tokio::test(flavor = "multi_thread")]
async fn large_conditions_are_answered_on_both_faces() {
    let (service, token) = furnished().await;
    let many = |count: usize| (0..count).map(|at| json!(format!("vm {at}"))).chain([json!("a")]).collect::<Value>();
    let each = |count: usize| (0..count).map(|at| json!({ "id": format!("vm {at}") })).collect::<Vec<Value>>();
    let also = |mut some: Vec<Value>, ids: &[&str]| {
        some.extend(ids.iter().map(|id| json!({ "id": id })));
        some
    };
    let prod = vec![json!({ "labels_some": { "value": "prod" } }); 2_000];
    let text = |operator: &str| vec![json!({ format!("name_{operator}"): "zz" }); 1_000];
    for (conditions, expected) in [
        (json!({ "id_in": many(10_000) }), "a"),
        (json!({ "id_not_in": many(10_000) }), "bcd"),
        (json!({ "labels_some": { "id_in": many(10_000) } }), ""),
        (json!({ "OR": also(each(4_998), &["b"]) }), "b"),
        (json!({ "NOT": each(4_999) }), "abcd"),
        (json!({ "AND": vec![json!({ "id": "c" }); 4_999] }), "c"),
        (json!({ "OR": also(prod, &["nobody"]) }), "a"),
        (
            json!({
                "id_in": many(26_000), "AND": text("not_ends_with"), "NOT": text("contains"),
                "OR": also(text("starts_with"), &["a"])
            }),
            "a",
        ),
        (nested(24, |inner| json!({ "NOT": [inner] })), "a"),
        (nested(24, |inner| json!({ "AND": [inner, { "id_not": "z" }] })), "a"),
    ] {
        // Without a window: what PostgreSQL would compile for most of a minute, were it let.
        let count = service.post("/v2/api/get-vms-connection", Some(&token), &json!({ "where": conditions })).await;
        assert_eq!(count.json()["aggregate"]["count"], json!(expected.len()), "{count:?}");
        for answer in ask(&service, &token, &conditions).await {
            let text: String = answer.text.chars().take(300).collect();
            assert_eq!(answer.status, 200, "{text}");
            let rows = answer.json();
            let rows = rows.pointer("/data/vms").unwrap_or(&rows).as_array().unwrap_or_else(|| panic!("{text}"));
            let ids: String = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
            assert_eq!(ids, expected, "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_clearly_on_both_faces() {
    let (service, token) = furnished().await;
    for (conditions, said) in [
        (json!({ "OR": vec![json!({ "id": "a" }); 5_000] }), "where has more than 5000 conditions"),
        (json!({ "AND": vec![json!({ "cluster": {} }); 101] }), "where has more than 100 conditions on related rows"),
        (json!({ "id_in": vec!["a"; 30_001] }), "where holds more than 30000 values"),
        (nested(25, |inner| json!({ "NOT": [inner] })), "nested too deep: at most 24 levels are allowed"),
        (nested(60, |inner| json!({ "OR": [inner] })), "nested too deep: at most 24 levels are allowed"),
        (nested(50, |inner| json!({ "cluster": { "vms_some": inner } })), "nested too deep: at most 24 levels"),
        (nested(100, |inner| json!({ "AND": [inner] })), "nested too deep at line 1 column"),
    ] {
        let [rest, graphql] = ask(&service, &token, &conditions).await;
        let message = rest.json()["message"].as_str().unwrap().to_owned();
        assert!(rest.status == 400 && message.contains(said), "{said:?} is not in {message:?}");
        assert_eq!(graphql.code(), "BAD_USER_INPUT");
        let message = graphql.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(said), "{said:?} is not in {message:?}");
    }
}

/// Conditions that are both as deep and as wide as is allowed: neither a thread's stack nor SQLite's 1,000 levels may end.
#[tokio::test(flavor = "multi_thread")]
async fn the_deepest_and_widest_conditions_are_answered() {
    let (service, token) = furnished().await;
    let wide = || (0..900).map(|at| json!({ "name_not": format!("x{at}") })).collect::<Vec<Value>>();
    for quantifier in ["vms_some", "vms_every", "vms_none"] {
        let mut inner = json!({ "id_not": "z" });
        for _ in 0..5 {
            let related = json!({ "NOT": [{ "cluster": { quantifier: inner } }] });
            inner = json!({ "AND": wide(), "OR": [related, { "name": "x" }], "id_not": "y" });
        }
        for answer in ask(&service, &token, &inner).await {
            let text: String = answer.text.chars().take(300).collect();
            assert!(answer.status == 200 && !text.contains("errors"), "{quantifier}: {text}");
        }
        let chain = (0..12)
            .fold(json!({ "id_not": "z" }), |inner, _| json!({ "cluster": { quantifier: inner }, "id_not": "y" }));
        for answer in ask(&service, &token, &chain).await {
            let text: String = answer.text.chars().take(300).collect();
            assert!(answer.status == 200 && !text.contains("errors"), "{quantifier}: {text}");
        }
    }
}
