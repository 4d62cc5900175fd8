//! The list language against the contract, member by member: `contract/lists.txt` holds what the contract names.

use std::collections::{BTreeMap, BTreeSet};

use keytower::domain::entity::{ENTITIES, Field, Kind, Shape};
use keytower::domain::filter::Query;
use keytower::domain::filter::operator::{Member, members};
use serde_json::{Value, json};

/// What the contract names and we refuse: object, member, why.
const REFUSED: &[(&str, &str, &str)] = &[];

/// The lines of the file, by kind and object.
struct Contract(BTreeMap<(String, String), Vec<String>>);

impl Contract {
    fn read() -> Self {
        let mut lines: Vec<String> = Vec::new();
        for line in include_str!("contract/lists.txt").lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix("    ") {
                Some(more) => lines.last_mut().unwrap().push_str(&format!(" {more}")),
                None => lines.push(line.to_owned()),
            }
        }
        let read = |line: String| {
            let (head, items) = line.split_once(": ")?;
            let (kind, object) = head.split_once(' ')?;
            Some(((kind.to_owned(), object.to_owned()), items.split(' ').map(str::to_owned).collect()))
        };
        Self(lines.into_iter().filter_map(read).collect())
    }

    fn of(&self, kind: &str, object: &str) -> &[String] {
        self.0.get(&(kind.to_owned(), object.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// The members of a `where` by name, each with the type of its field.
    fn members(&self, object: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for field in self.of("where", object) {
            let (name, kind) = field.split_once('=').unwrap();
            for suffix in suffixes(kind) {
                found.insert(format!("{name}{suffix}"), kind.to_owned());
            }
        }
        found
    }
}

/// The operators of a type (contract section 4.2).
fn suffixes(kind: &str) -> Vec<&'static str> {
    let equal = ["", "_not"];
    let listed = ["_in", "_not_in"];
    let ordered = ["_lt", "_lte", "_gt", "_gte"];
    let text = ["_contains", "_not_contains", "_starts_with", "_not_starts_with", "_ends_with", "_not_ends_with"];
    match kind.split('.').next().unwrap() {
        "bool" => equal.to_vec(),
        "enum" => [equal, listed].concat(),
        "int" | "long" | "float" | "time" => [&equal[..], &listed, &ordered].concat(),
        "text" => [&equal[..], &listed, &ordered, &text].concat(),
        "one" => vec![""],
        "many" => vec!["_some", "_every", "_none"],
        other => panic!("{other}"),
    }
}

/// The type of a field, in the words of the file.
fn kind(field: &Field) -> String {
    match (&field.kind, field.related()) {
        (Kind::One(_) | Kind::Object(_), Some(shape)) => format!("one.{}", shape.name),
        (_, Some(shape)) => format!("many.{}", shape.name),
        (Kind::Bool, _) => "bool".to_owned(),
        (Kind::Int, _) => "int".to_owned(),
        (Kind::Long, _) => "long".to_owned(),
        (Kind::Float, _) => "float".to_owned(),
        (Kind::DateTime, _) => "time".to_owned(),
        (Kind::Enum(values), _) => format!("enum.{}", values.name),
        _ => "text".to_owned(),
    }
}

/// A value that a member takes, and one that it does not.
fn operands(contract: &Contract, member: &str, kind: &str) -> (Value, Value) {
    let (right, wrong) = match kind.split_once('.') {
        Some(("one" | "many", _)) => (json!({ "OR": [{ "id": "a" }, {}] }), json!({ "id": {} })),
        Some((_, name)) => (json!(contract.of("enum", name)[0]), json!("bogus")),
        None => match kind {
            "bool" => (json!(true), json!("true")),
            "int" => (json!(i32::MIN), json!(i64::MAX)),
            "long" => (json!(i64::MAX), json!(1.5)),
            "float" => (json!(0.5), json!("x")),
            "time" => (json!("2026-01-31T12:00:00.000Z"), json!("yesterday")),
            _ => (json!("a"), json!(["a"])),
        },
    };
    let list = member.ends_with("_in") && !kind.starts_with("bool") && !kind.contains("one.");
    if list { (json!([right, null]), json!([wrong])) } else { (right, wrong) }
}

/// Our members, but for those of fields that the contract does not have.
fn ours(shape: Shape) -> BTreeMap<String, String> {
    let named = |(name, member)| match member {
        Member::Scalar(field, _) | Member::Related(field, _, _) => field.contract.then(|| (name, kind(field))),
    };
    members(shape).filter_map(named).collect()
}

#[test]
fn every_member_and_every_order_of_the_contract_is_served() {
    let contract = Contract::read();
    let (mut conditions, mut orders) = (0, 0);
    for entity in ENTITIES.into_iter().filter(|entity| !entity.route.is_empty()) {
        let name = entity.name;
        let mut expected = contract.members(name);
        assert!(!expected.is_empty(), "contract/lists.txt does not hold {name}");
        expected.retain(|member, _| !REFUSED.iter().any(|(of, refused, _)| *of == name && refused == member));
        assert_eq!(ours(entity.shape()), expected, "{name}");
        for (member, kind) in expected {
            let (right, wrong) = operands(&contract, &member, &kind);
            let read =
                |value: &Value| Query::parse(entity, json!({ "where": { &member: value } }).as_object().unwrap());
            assert!(read(&right).is_ok(), "{name}.{member} {right}: {:?}", read(&right));
            assert!(read(&wrong).is_err(), "{name}.{member} {wrong}");
            conditions += 1;
        }
        let expected: BTreeSet<&str> = contract.of("order", name).iter().map(String::as_str).collect();
        let found = entity.orderable().filter(|field| field.contract).map(|field| field.name);
        let found: BTreeSet<&str> = found.collect();
        assert_eq!(found, expected, "{name}");
        orders += 2 * expected.len();
        for field in entity.fields {
            if let Kind::Enum(values) = field.kind {
                assert_eq!(values.values, contract.of("enum", values.name), "{}", values.name);
            }
        }
    }
    println!("{conditions} members and {orders} orders");
    assert!(conditions > 1_800 && orders > 400, "{conditions} {orders}");
}

/// Of an object without a list of its own, rows keep what the contract shows of it inside another, and no more can be asked.
#[test]
fn of_a_nested_object_what_is_shown_can_be_asked_and_nothing_else() {
    let contract = Contract::read();
    let mut seen = BTreeSet::new();
    for entity in ENTITIES.into_iter().filter(|entity| !entity.route.is_empty()) {
        for field in entity.fields {
            let (Some(shape), None) = (field.related(), field.relation()) else { continue };
            let shown = contract.of("inside", shape.name);
            assert!(!shown.is_empty(), "contract/lists.txt does not hold {}", shape.name);
            let names: Vec<&str> = shape.fields.iter().map(|field| field.name).collect();
            assert_eq!(names, shown, "{}", shape.name);
            let held: BTreeSet<String> = contract
                .of("where", shape.name)
                .iter()
                .filter_map(|field| field.split_once('='))
                .filter(|(name, _)| shown.iter().any(|held| held == name))
                .flat_map(|(name, kind)| suffixes(kind).into_iter().map(move |suffix| format!("{name}{suffix}")))
                .collect();
            assert_eq!(ours(shape).into_keys().collect::<BTreeSet<_>>(), held, "{}", shape.name);
            let member = if matches!(field.kind, Kind::Object(_)) {
                field.name.to_owned()
            } else {
                format!("{}_some", field.name)
            };
            for (name, kind) in contract.members(shape.name) {
                let (right, _) = operands(&contract, &name, &kind);
                let body = json!({ "where": { &member: { &name: right } } });
                let read = Query::parse(entity, body.as_object().unwrap());
                match read {
                    Ok(_) => assert!(held.contains(&name), "{member}.{name}"),
                    Err(refusal) => {
                        assert!(!held.contains(&name), "{member}.{name}: {refusal:?}");
                        assert!(refusal.en().contains(&format!("where.{member}.{name} is not known")), "{refusal:?}");
                    }
                }
            }
            seen.insert(shape.name);
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
}
