//! GraphQL lists: the same rows as REST, relations at any depth, and as many statements for one row as for all.

use std::collections::BTreeMap;

use keytower::domain::caller::Caller;
use keytower::domain::entity::{DATACENTER, ENTITIES, Entity, Field, Kind, Shape};
use keytower::service::inventory;
use serde_json::{Map, Value, json};

use crate::support::{Service, pass, samples};

/// A service with the example, the samples and tasks, and root's token.
async fn furnished() -> (Service, String) {
    let service = Service::start().await;
    service.import_example().await;
    let text = samples::inventory().to_string();
    inventory::import(&service.app, &pass(&Caller::operator()), &text, |_| {}).await.unwrap();
    service.user("READ_ONLY").await;
    service.report_tasks().await;
    let token = service.root().await;
    (service, token)
}

/// The `data` of a question that must not fail.
async fn data(service: &Service, token: &str, query: &str, variables: Value) -> Value {
    let answer = service.graphql(Some(token), query, variables).await;
    let body = answer.json();
    assert!(answer.status == 200 && body.get("errors").is_none(), "{query}: {}", answer.text);
    body["data"].clone()
}

/// All that REST shows of an entity, as a selection.
fn selection(fields: &[Field]) -> String {
    let shape = |shape: &'static Shape| selection(shape.fields);
    let parts = fields.iter().filter(|field| field.contract).map(|field| match &field.kind {
        Kind::Object(of) | Kind::Objects(of) => format!("{} {{ {} }}", field.name, shape(of)),
        Kind::One(relation) | Kind::Many(relation) => format!("{} {{ {} }}", field.name, relation.brief.join(" ")),
        _ => field.name.to_owned(),
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// A REST object as GraphQL sends it: 64-bit integers are text.
fn as_graphql(fields: &'static [Field], object: &Value) -> Value {
    let mut members = Map::new();
    for field in fields.iter().filter(|field| field.contract) {
        let value = &object[field.name];
        let value = match &field.kind {
            Kind::Long if value.is_number() => json!(value.to_string()),
            Kind::Object(shape) if value.is_object() => as_graphql(shape.fields, value),
            Kind::Objects(shape) => value.as_array().unwrap().iter().map(|it| as_graphql(shape.fields, it)).collect(),
            _ => value.clone(),
        };
        members.insert(field.name.to_owned(), value);
    }
    members.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn graphql_and_rest_answer_the_same() {
    let (service, token) = furnished().await;
    for entity in ENTITIES.into_iter().filter(|entity| !entity.route.is_empty()) {
        let (name, plural) = (entity.name, entity.plural);
        let query = format!(
            "query($where: {name}WhereInput, $orderBy: {name}OrderByInput, $first: Int, $last: Int, $skip: Int,
                   $after: String, $before: String) {{
                 {plural}(where: $where, orderBy: $orderBy, first: $first, last: $last, skip: $skip, after: $after,
                          before: $before) {{ {} }}
                 {plural}Connection(where: $where, orderBy: $orderBy, first: $first, last: $last, skip: $skip,
                          after: $after, before: $before) {{ aggregate {{ count }} }}
             }}",
            selection(entity.fields)
        );
        let rows = service.post(&format!("/v2/api/get-{}", entity.route), Some(&token), &json!({})).await.json();
        let row = |at: usize| rows[at % rows.as_array().unwrap().len()].clone();
        // Not every entity has a name.
        let compared = || entity.fields.iter().find(|field| !field.operators().is_empty());
        let told = entity.field("name").or_else(compared).unwrap().name;
        let mut longs = Map::new();
        for field in entity.scalars().filter(|field| matches!(field.kind, Kind::Long)) {
            longs.insert(field.name.to_owned(), row(0)[field.name].clone());
        }
        for arguments in [
            json!({}),
            json!({ "where": null, "orderBy": null, "first": null, "last": null, "skip": null, "after": null }),
            json!({ "orderBy": format!("{told}_DESC"), "first": 3, "skip": 1 }),
            json!({ "last": 2, "skip": 1 }),
            json!({ "orderBy": "id_DESC", "after": row(1)["id"] }),
            json!({ "before": row(2)["id"] }),
            json!({ "where": { told: row(1)[told] } }),
            json!({ "where": { "id_in": [row(0)["id"], row(3)["id"], "none"] } }),
            json!({ "where": { "id_in": [] } }),
            json!({ "where": longs }),
        ] {
            let path = format!("/v2/api/get-{}", entity.route);
            let list = service.post(&path, Some(&token), &arguments).await.json();
            let count = service.post(&format!("{path}-connection"), Some(&token), &arguments).await.json();
            let answer = data(&service, &token, &query, arguments.clone()).await;
            let expected: Value = list.as_array().unwrap().iter().map(|row| as_graphql(entity.fields, row)).collect();
            assert_eq!(answer[plural], expected, "{name} {arguments}");
            assert_eq!(answer[format!("{plural}Connection")], count, "{name} {arguments}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rest_refuses_graphql_refuses() {
    let (service, token) = furnished().await;
    for arguments in ["first: 1, last: 1", "first: -1", "last: -1", "skip: -1"] {
        for field in
            [format!("vms({arguments}) {{ id }}"), format!("vmsConnection({arguments}) {{ aggregate {{ count }} }}")]
        {
            let answer = service.graphql(Some(&token), &format!("{{ {field} }}"), json!({})).await;
            assert_eq!((answer.status, answer.code().as_str()), (200, "BAD_USER_INPUT"), "{field}");
            assert_eq!(answer.json()["data"], Value::Null);
        }
    }
    // The schema itself knows neither of these.
    for field in ["vms(where: { key: \"a\" }) { id }", "vms(orderBy: cluster_ASC) { id }", "vms(limit: 1) { id }"] {
        let answer = service.graphql(Some(&token), &format!("{{ {field} }}"), json!({})).await;
        assert!(answer.json()["errors"][0]["message"].is_string() && answer.json().get("data").is_none(), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_numbers_are_numbers_on_rest_and_text_on_graphql() {
    let (service, token) = furnished().await;
    let id = samples::id(&keytower::domain::entity::VM, samples::Filled::All);
    let rest = service.post("/v2/api/get-vms", Some(&token), &json!({ "where": { "id": id } })).await;
    assert!(rest.text.contains("\"memory\":9223372036854775807"), "{}", rest.text);
    let query = "query($m: BigInt) { vms(where: { memory: $m }) { id memory vcpu } }";
    for memory in [json!(i64::MAX), json!(i64::MAX.to_string())] {
        let rows = data(&service, &token, query, json!({ "m": memory })).await;
        assert_eq!(rows["vms"][0], json!({ "id": id, "memory": "9223372036854775807", "vcpu": i32::MIN }), "{rows}");
    }
    for inline in ["9223372036854775807", "\"9223372036854775807\""] {
        let rows =
            data(&service, &token, &format!("{{ vms(where: {{ memory: {inline} }}) {{ id }} }}"), json!({})).await;
        assert_eq!(rows["vms"][0]["id"], json!(id));
    }
}

/// The ids that each row of a list has in a relation, as REST tells them.
async fn pairs(service: &Service, token: &str, entity: &Entity, relation: &str) -> BTreeMap<String, Vec<String>> {
    let rows = service.post(&format!("/v2/api/get-{}", entity.route), Some(token), &json!({})).await.json();
    let id = |row: &Value| row["id"].as_str().unwrap().to_owned();
    let others = |row: &Value| match &row[relation] {
        Value::Null => Vec::new(),
        Value::Array(rows) => rows.iter().map(id).collect(),
        one => vec![id(one)],
    };
    rows.as_array().unwrap().iter().map(|row| (id(row), others(row))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_relation_tell_the_same() {
    let (service, token) = furnished().await;
    let find = |name: &str| ENTITIES.into_iter().find(|entity| entity.name == name).unwrap();
    for (left, there, right, back) in [
        ("Vm", "host", "Host", "vms"),
        ("Vm", "cluster", "Cluster", "vms"),
        ("Host", "cluster", "Cluster", "hosts"),
        ("Cluster", "datacenters", "Datacenter", "clusters"),
        ("Datacenter", "organization", "Organization", "datacenters"),
        ("User", "roles", "UserRoleNext", "users"),
    ] {
        let forth = pairs(&service, &token, find(left), there).await;
        let back = pairs(&service, &token, find(right), back).await;
        let mut turned: BTreeMap<String, Vec<String>> = back.keys().map(|id| (id.clone(), Vec::new())).collect();
        for (id, others) in &forth {
            for other in others {
                turned.get_mut(other).unwrap_or_else(|| panic!("{left} {id} names {other}")).push(id.clone());
            }
        }
        assert_eq!(turned, back, "{left}.{there}");
        assert!(forth.values().any(|others| !others.is_empty()), "{left}.{there}");
    }
    // And as the file told it.
    let example: Value = serde_json::from_str(include_str!("../../examples/inventory.json")).unwrap();
    let hosts = pairs(&service, &token, find("Vm"), "host").await;
    for vm in example["vms"].as_array().unwrap() {
        let told: Vec<String> = vm["host"]["id"].as_str().map(str::to_owned).into_iter().collect();
        assert_eq!(hosts[vm["id"].as_str().unwrap()], told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn relations_hold_at_every_depth_for_the_same_few_statements() {
    let (service, token) = furnished().await;
    let query = "query($first: Int) { datacenters(orderBy: name_ASC, first: $first) { id organization { id }
        clusters { id hosts { id vms { id host { id cluster { id datacenters { id organization { id } } } } } } } } }";
    let forth = pairs(&service, &token, &DATACENTER, "clusters").await;
    let mut counts = Vec::new();
    for first in [1, 2, 100] {
        let before = service.app.store.statements();
        let rows = data(&service, &token, query, json!({ "first": first })).await;
        counts.push(service.app.store.statements() - before);
        let mut vms = 0;
        for datacenter in rows["datacenters"].as_array().unwrap() {
            let clusters = datacenter["clusters"].as_array().unwrap();
            let ids: Vec<&str> = clusters.iter().map(|cluster| cluster["id"].as_str().unwrap()).collect();
            assert_eq!(ids, forth[datacenter["id"].as_str().unwrap()]);
            for (cluster, host, vm) in clusters.iter().flat_map(|cluster| {
                let hosts = cluster["hosts"].as_array().unwrap();
                let vms =
                    hosts.iter().flat_map(|host| host["vms"].as_array().unwrap().iter().map(move |vm| (host, vm)));
                vms.map(move |(host, vm)| (cluster, host, vm))
            }) {
                vms += 1;
                assert_eq!(vm["host"]["id"], host["id"]);
                assert_eq!(vm["host"]["cluster"]["id"], cluster["id"]);
                let back = vm["host"]["cluster"]["datacenters"].as_array().unwrap();
                let here = json!({ "id": datacenter["id"], "organization": datacenter["organization"] });
                assert!(back.contains(&here), "{back:?}");
            }
        }
        assert!(vms > 5, "{vms}");
    }
    // One for the token, one for the list, one for each of the eight relations that the question names.
    assert_eq!(counts, [10, 10, 10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_statements_is_that_of_the_relations() {
    let (service, token) = furnished().await;
    for (query, expected) in [
        ("{ vms { id name memory } }", 2),
        ("{ vms { cluster { id } host { id } } }", 4),
        ("{ vmsConnection { aggregate { count } } }", 2),
        ("{ vms { id } hosts { id } clusters { id } }", 4),
        ("{ a: vms { host { id } } b: vms { host { name } } }", 5),
        ("{ users { roles { users { roles { id } } } } }", 5),
        ("{ clusters { a: hosts { id } b: hosts { name } } }", 3),
        ("{ clusters(where: { id: \"none\" }) { hosts { vms { id } } } }", 2),
        ("{ __typename }", 1),
    ] {
        let before = service.app.store.statements();
        data(&service, &token, query, json!({})).await;
        assert_eq!(service.app.store.statements() - before, expected, "{query}");
    }
    for (body, expected) in [(json!({ "first": 100 }), 4), (json!({}), 5)] {
        let before = service.app.store.statements();
        service.post("/v2/api/get-vms", Some(&token), &body).await;
        let told = "the token, the VMs, their hosts, their clusters; of a whole list the ids before";
        assert_eq!(service.app.store.statements() - before, expected, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aliases_of_one_relation_are_each_what_they_ask_for() {
    let (service, token) = furnished().await;
    let plain = data(&service, &token, "{ hosts { id name vms { id name } } }", json!({})).await;
    let query =
        "{ hosts { key: id a: vms { id } b: vms { label: name host { name } } c: vms { __typename } d: vms { id } } }";
    let aliased = data(&service, &token, query, json!({})).await;
    let (plain, aliased) = (plain["hosts"].as_array().unwrap(), aliased["hosts"].as_array().unwrap());
    assert_eq!(plain.len(), aliased.len());
    for (plain, aliased) in plain.iter().zip(aliased) {
        let each =
            |make: &dyn Fn(&Value) -> Value| plain["vms"].as_array().unwrap().iter().map(make).collect::<Value>();
        let expected = json!({
            "key": plain["id"],
            "a": each(&|vm| json!({ "id": vm["id"] })),
            "b": each(&|vm| json!({ "label": vm["name"], "host": { "name": plain["name"] } })),
            "c": each(&|_| json!({ "__typename": "Vm" })),
            "d": each(&|vm| json!({ "id": vm["id"] })),
        });
        assert_eq!(*aliased, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_directives_and_literals_select_what_they_say() {
    let (service, token) = furnished().await;
    let plain =
        data(&service, &token, "{ vms(first: 2, orderBy: name_DESC) { id name memory host { id name } } }", json!({}))
            .await;
    let query = "query($yes: Boolean!, $no: Boolean = false, $most: Int = 2, $order: VmOrderByInput = name_DESC) {
            vms(first: $most, orderBy: $order) {
                ...outer @include(if: $yes)
                ... on Vm @skip(if: $yes) { vcpu }
                ... @include(if: $no) { status }
                name @skip(if: $yes)
                memory @include(if: true) @skip(if: false)
                cluster @include(if: $no) { id }
                host { id }
            }
            clusters @skip(if: $yes) { id }
        }
        fragment outer on Vm { id host { ...inner } }
        fragment inner on Host { name }";
    let answer = data(&service, &token, query, json!({ "yes": true })).await;
    let expected: Value = plain["vms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|vm| json!({ "id": vm["id"], "memory": vm["memory"], "host": vm["host"] }))
        .collect();
    assert_eq!(answer, json!({ "vms": expected }));
    let turned = data(&service, &token, query, json!({ "yes": false, "no": true, "most": 1 })).await;
    let vm = turned["vms"][0].as_object().unwrap();
    let mut members: Vec<&str> = vm.keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["cluster", "host", "memory", "name", "status", "vcpu"]);
    assert!(turned["clusters"].as_array().is_some_and(|clusters| !clusters.is_empty()));
    // The same with literals where the variables were.
    for (literal, rows) in [
        ("first: 2, orderBy: name_DESC", 2),
        ("first: 0", 0),
        ("where: { status_in: [RUNNING], ha: true, name: null }", 0),
        ("where: { id_in: null }", 0),
        ("where: {}, after: null, last: 1", 1),
    ] {
        let answer = data(&service, &token, &format!("{{ vms({literal}) {{ id }} }}"), json!({})).await;
        assert_eq!(answer["vms"].as_array().unwrap().len(), rows, "{literal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_would_be_too_large_is_refused_whole() {
    let (service, token) = furnished().await;
    // Every level multiplies the rows.
    let deep = "{ users { roles { users { roles { id } } } } a: clusters { vms { cluster { vms { cluster { vms { cluster { vms { id } } } } } } } } }";
    let answer = service.graphql(Some(&token), deep, json!({})).await;
    assert_eq!((answer.status, answer.code().as_str()), (200, "BAD_USER_INPUT"), "{}", &answer.text[..200]);
    assert!(answer.json()["errors"][0]["message"].as_str().unwrap().contains("values"));
    assert_eq!(answer.json()["data"], Value::Null);
}
