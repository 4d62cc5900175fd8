//! The list language against a naive evaluator: filters and orders answer the same rows on both databases. `windows` goes on.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use keytower::domain::caller::Caller;
use keytower::domain::entity::{API_KEY, ENTITIES, Entity, Field, Kind, VM};
use keytower::domain::filter::Operator;
use keytower::error::Kind as ErrorKind;
use keytower::service::inventory;
use keytower::service::inventory::lists::{self, Budget, Projection};
use serde_json::{Map, Value, json};

use crate::support::samples::{self, Filled};
use crate::support::{Service, pass};

/// Names that tell orders and comparisons apart.
const NAMES: [&str; 16] = [
    "vm",
    "VM",
    "Vm",
    "v",
    "vm 1",
    "vm%",
    "vm_",
    "z",
    "Z",
    "\u{e4}",
    "a\u{308}",
    "\u{df}",
    "\u{ffff}",
    "\u{1f600}",
    "",
    "10",
];

/// A service with the example, the samples, VMs of odd names, users, keys and tasks.
pub(crate) async fn furnished() -> Service {
    let service = Service::start().await;
    service.import_example().await;
    let mut inventory = samples::inventory();
    for (at, name) in NAMES.into_iter().enumerate() {
        let mut vm = samples::record(&VM, Filled::Required);
        vm["id"] = json!(format!("odd-{:02}", NAMES.len() - at));
        vm["name"] = json!(name);
        vm["memory"] = json!(9_007_199_254_740_992_i64 + i64::try_from(at / 2).unwrap());
        inventory["vms"].as_array_mut().unwrap().push(vm);
    }
    let text = inventory.to_string();
    inventory::import(&service.app, &pass(&Caller::operator()), &text, |_| {}).await.unwrap();
    for preset in ["READ_ONLY", "USER_ADMIN"] {
        let (_, token) = service.user(preset).await;
        for name in ["ci", "CI", "deploy"] {
            service.mint(&token, name).await;
        }
    }
    service.report_tasks().await;
    service
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("{other} is no object"),
    }
}

/// Lists as the faces do, with the given arguments; answers the objects.
pub(crate) async fn objects(service: &Service, entity: &'static Entity, arguments: Value, all: bool) -> Vec<Value> {
    let mut wanted = Projection::default();
    wanted.want(entity.field("id").unwrap());
    let wanted = if all { Projection::full(entity) } else { wanted };
    let (arguments, operator) = (members(arguments), Caller::operator());
    let rows =
        lists::list(&service.app, &pass(&operator), entity, &arguments, &wanted, &Budget::unlimited()).await.unwrap();
    rows.iter().map(|row| serde_json::to_value(row).unwrap()).collect()
}

/// The ids of a list; its count must agree.
pub(crate) async fn ids(service: &Service, entity: &'static Entity, arguments: Value) -> Vec<String> {
    let rows = objects(service, entity, arguments.clone(), false).await;
    let count = lists::count(&service.app, &pass(&Caller::operator()), entity, &members(arguments.clone())).await;
    assert_eq!(count.unwrap(), u64::try_from(rows.len()).unwrap(), "{} {arguments}", entity.name);
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

pub(crate) async fn refusal(service: &Service, entity: &'static Entity, arguments: Value) -> String {
    let operator = Caller::operator();
    let counted = lists::count(&service.app, &pass(&operator), entity, &members(arguments.clone())).await;
    let Err(error) = counted else { panic!("{} {arguments}", entity.name) };
    assert_eq!(error.kind(), ErrorKind::Invalid, "{} {arguments}: {error:?}", entity.name);
    error.public().to_owned()
}

/// The ids of the rows that fit, in order of id.
pub(crate) fn fitting(rows: &[Value], fits: impl Fn(&Value) -> bool) -> Vec<String> {
    let mut ids: Vec<String> =
        rows.iter().filter(|row| fits(row)).map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

/// Some values of a field: of these rows, then one that no row has, then null.
fn values(rows: &[Value], field: &Field) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let mut found: Vec<Value> = rows.iter().map(|row| row[field.name].clone()).collect();
    found.retain(|value| !value.is_null() && seen.insert(value.to_string()));
    // The last rows are the odd ones.
    let keep = found.len().saturating_sub(6);
    found.drain(..keep);
    found.extend(match field.kind {
        Kind::Id | Kind::Text => vec![json!("' OR ''='"), json!("%"), json!("_")],
        Kind::DateTime => vec![json!("1999-01-01T00:00:00.000Z")],
        Kind::Bool => vec![json!(true), json!(false)],
        Kind::Int => vec![json!(i32::MAX)],
        Kind::Long => vec![json!(i64::MIN), json!(9_007_199_254_740_993_i64)],
        Kind::Float => vec![json!(0.3), json!(1)],
        Kind::Enum(values) => vec![json!(values.values[0])],
        _ => Vec::new(),
    });
    found.push(Value::Null);
    found
}

/// Numbers compare by value, whether they are written with a point or without.
fn equal(left: &Value, right: &Value) -> bool {
    left == right || (left.is_number() && left.as_f64() == right.as_f64() && (left.is_f64() || right.is_f64()))
}

#[tokio::test(flavor = "multi_thread")]
async fn equality_and_in_on_every_scalar_field() {
    let service = furnished().await;
    let mut asked = 0;
    for entity in ENTITIES {
        let rows = objects(&service, entity, json!({}), true).await;
        assert!(!rows.is_empty(), "{}", entity.name);
        for field in entity.scalars().filter(|field| field.contract && !matches!(field.kind, Kind::Key)) {
            let (name, values) = (field.name, values(&rows, field));
            for value in &values {
                let expected = fitting(&rows, |row| equal(&row[name], value));
                let found = ids(&service, entity, json!({ "where": { name: value } })).await;
                assert_eq!(found, expected, "{}.{name} = {value}", entity.name);
                asked += 1;
            }
            let list_name = format!("{name}_in");
            if !field.operators().contains(&Operator::In) {
                let refusal = refusal(&service, entity, json!({ "where": { list_name.as_str(): [true] } })).await;
                assert!(refusal.contains(&list_name), "{refusal}");
                continue;
            }
            let some: Vec<Value> = values.iter().take(2).cloned().collect();
            for list in
                [json!([]), json!(some), json!(values), json!([null]), json!([values[0], values[0]]), Value::Null]
            {
                let wanted = list.as_array().cloned().unwrap_or_else(|| vec![Value::Null]);
                let expected = fitting(&rows, |row| wanted.iter().any(|value| equal(&row[name], value)));
                let found = ids(&service, entity, json!({ "where": { list_name.as_str(): list } })).await;
                assert_eq!(found, expected, "{}.{list_name} = {list}", entity.name);
                asked += 1;
            }
            // Numbers may come as text.
            if let (Kind::Int | Kind::Long | Kind::Float, Some(number)) = (&field.kind, values.first()) {
                let expected = fitting(&rows, |row| equal(&row[name], number));
                let found = ids(&service, entity, json!({ "where": { name: number.to_string() } })).await;
                assert_eq!(found, expected, "{}.{name} = \"{number}\"", entity.name);
                let refusal = refusal(&service, entity, json!({ "where": { name: "many" } })).await;
                assert!(refusal.contains(name), "{refusal}");
            }
        }
    }
    println!("{asked} filters");
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_add_up_and_the_empty_one_holds() {
    let service = furnished().await;
    let rows = objects(&service, &VM, json!({}), true).await;
    for conditions in [
        json!({ "status": "RUNNING", "ha": true }),
        json!({ "status_in": ["RUNNING", "STOPPED"], "vcpu": 4, "in_recycle_bin": false }),
        json!({ "status": "RUNNING", "status_in": ["STOPPED"] }),
        json!({ "guest_os_type": null, "max_iops": null }),
        json!({}),
    ] {
        let holds = |row: &Value| {
            conditions.as_object().unwrap().iter().all(|(name, value)| match name.strip_suffix("_in") {
                Some(name) => value.as_array().unwrap().contains(&row[name]),
                None => row[name] == *value,
            })
        };
        assert_eq!(ids(&service, &VM, json!({ "where": conditions })).await, fitting(&rows, holds), "{conditions}");
    }
    assert_eq!(ids(&service, &VM, json!({ "where": null })).await.len(), rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_found_by_their_text_and_by_nothing_like_it() {
    let service = Service::start().await;
    let (_, token) = service.user("READ_ONLY").await;
    let (first, text) = service.mint(&token, "first").await;
    let (second, other) = service.mint(&token, "second").await;
    let both = if first < second { [first.clone(), second] } else { [second, first.clone()] };
    for (condition, expected) in [
        (json!({ "key": text }), vec![first.clone()]),
        (json!({ "key_in": [text, other, text] }), both.to_vec()),
        (json!({ "key_in": [text, "", "x", null] }), vec![first.clone()]),
        (json!({ "key_in": [] }), vec![]),
        (json!({ "key": text.to_uppercase() }), vec![]),
        (json!({ "key": &text[..63] }), vec![]),
        (json!({ "key": format!("{text} ") }), vec![]),
        (json!({ "key": null }), vec![]),
    ] {
        assert_eq!(ids(&service, &API_KEY, json!({ "where": condition })).await, expected, "{condition}");
    }
    for operator in ["not", "not_in", "lt", "lte", "gt", "gte", "contains", "starts_with", "ends_with"] {
        let name = format!("key_{operator}");
        assert!(refusal(&service, &API_KEY, json!({ "where": { name.as_str(): text } })).await.contains(&name));
    }
    assert!(refusal(&service, &API_KEY, json!({ "orderBy": "key_ASC" })).await.contains("key_ASC"));
}

/// How two rows stand in ascending order of a field: text by its bytes, what is missing last.
fn compare(field: &Field, left: &Value, right: &Value) -> Ordering {
    let (left, right) = (&left[field.name], &right[field.name]);
    match (left, right) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        (Value::String(left), Value::String(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (left, right) if left.is_object() || left.is_array() => left.to_string().cmp(&right.to_string()),
        (left, right) if left.is_i64() && right.is_i64() => left.as_i64().cmp(&right.as_i64()),
        (left, right) => left.as_f64().unwrap().total_cmp(&right.as_f64().unwrap()),
    }
}

/// The rows in order: ties by id, ascending, whichever way the order goes.
pub(crate) fn sorted(rows: &[Value], order: Option<(&Field, bool)>) -> Vec<Value> {
    let mut rows = rows.to_vec();
    rows.sort_by(|left, right| {
        let by_field = order.map_or(Ordering::Equal, |(field, descending)| {
            let way = compare(field, left, right);
            if descending { way.reverse() } else { way }
        });
        by_field.then_with(|| left["id"].as_str().cmp(&right["id"].as_str()))
    });
    rows
}

pub(crate) fn ids_of(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_orders_both_ways() {
    let service = furnished().await;
    let (mut with_ties, mut with_nulls) = (0, 0);
    for entity in ENTITIES {
        let rows = objects(&service, entity, json!({}), true).await;
        assert_eq!(ids_of(&rows), ids_of(&sorted(&rows, None)), "{} without an order", entity.name);
        for field in entity.orderable().filter(|field| field.contract) {
            let different: BTreeSet<String> = rows.iter().map(|row| row[field.name].to_string()).collect();
            with_ties += usize::from(different.len() > 1 && different.len() < rows.len());
            with_nulls += usize::from(different.len() > 1 && different.contains("null"));
            for (way, descending) in [("ASC", false), ("DESC", true)] {
                let order = format!("{}_{way}", field.name);
                let found = ids(&service, entity, json!({ "orderBy": order })).await;
                assert_eq!(found, ids_of(&sorted(&rows, Some((field, descending)))), "{} {order}", entity.name);
            }
        }
        for order in ["id", "id_asc", "nothing_ASC", "id_ASC ", "_ASC", "", "roles_ASC", "cluster_ASC"] {
            assert!(refusal(&service, entity, json!({ "orderBy": order })).await.contains("orderBy"), "{order}");
        }
    }
    assert!(with_ties > 20 && with_nulls > 20, "{with_ties} {with_nulls}");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_compared_by_its_bytes() {
    let service = furnished().await;
    let odd: Vec<String> = (1..=NAMES.len()).map(|at| format!("odd-{at:02}")).collect();
    let mut names = NAMES;
    names.sort_unstable_by_key(|name| name.as_bytes());
    let rows = lists_names(&service, json!({ "where": { "id_in": odd }, "orderBy": "name_ASC" })).await;
    assert_eq!(rows, names);
    for name in NAMES {
        assert_eq!(lists_names(&service, json!({ "where": { "name": name } })).await, [name]);
    }
}

async fn lists_names(service: &Service, arguments: Value) -> Vec<String> {
    let rows = objects(service, &VM, arguments, true).await;
    rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}
