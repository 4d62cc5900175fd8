//! The filter language against a naive evaluator: thousands of random filters and orders, the same rows from the database as from a
//! walk over the objects themselves.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use keytower::domain::caller::Caller;
use keytower::domain::entity::{
    CLUSTER, DATACENTER, ENTITIES, Entity, Field, HOST, Kind, Shape, USER, USER_ROLE_NEXT, VM,
};
use keytower::domain::filter::operator::{Member, members};
use keytower::domain::filter::{Operator, Quantifier};
use keytower::service::inventory;
use keytower::service::inventory::lists::{self, Budget, Projection};
use serde_json::{Map, Value, json};

use crate::lists::sorted;
use crate::support::{Service, pass};

/// How many filters are tried on each entity.
const ROUNDS: usize = 500;
/// Of all choices; another number tries others.
const SEED: u64 = 0x6b65_7974_6f77_6572;

/// Texts that tell comparisons apart.
const TEXTS: [&str; 10] = ["env", "ENV", "", "a%", "a_", "ab", "\u{e4}\u{1f600}", "it's \"x\"\\", "\n", "env prod"];

/// Every object, by what it is and its id; those that are kept inside others, by where they were found.
type World = BTreeMap<&'static str, BTreeMap<String, Value>>;

/// xorshift64*: good enough to choose with, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % sides
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_filters_list_what_a_naive_walk_lists() {
    let service = Service::start().await;
    let mut dice = Dice(SEED);
    let inventory = made_up_inventory(&mut dice).to_string();
    inventory::import(&service.app, &pass(&Caller::operator()), &inventory, |_| {}).await.unwrap();
    for preset in ["ADMIN", "READ_ONLY", "READ_ONLY", "VM_USER"] {
        service.user(preset).await;
    }
    let world = world(&service).await;
    let (mut none, mut some, mut ordered) = (0, 0, 0);
    for entity in [&VM, &HOST, &CLUSTER, &DATACENTER, &USER, &USER_ROLE_NEXT] {
        for round in 0..ROUNDS {
            let filter = filter(&mut dice, &world, entity.shape(), 0);
            let order = made_up_order(&mut dice, entity);
            // Orders are the more telling the more rows there are.
            let filter = if order.is_some() && dice.roll(2) == 0 { json!({}) } else { filter };
            let rows: Vec<Value> = world[entity.name].values().cloned().collect();
            let after = (dice.roll(3) == 0).then(|| dice.pick(&rows)["id"].clone());
            let mut expected = sorted(&rows, order);
            if let Some(after) = &after {
                let place = expected.iter().position(|row| row["id"] == *after).unwrap();
                expected.drain(..=place);
            }
            expected.retain(|object| matches(&world, entity.shape(), object, &filter) == Some(true));
            let expected: Vec<String> = expected.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
            let way = |descending| if descending { "DESC" } else { "ASC" };
            let order = order.map(|(field, descending)| format!("{}_{}", field.name, way(descending)));
            let arguments = json!({ "where": filter, "orderBy": order, "after": after });
            let listed = listed(&service, entity, &arguments).await;
            assert_eq!(listed, expected, "{} round {round} of seed {SEED}: {arguments:#}", entity.name);
            *(if listed.is_empty() { &mut none } else { &mut some }) += 1;
            ordered += usize::from(order.is_some() && listed.len() > 1);
        }
    }
    // A generator whose filters match nothing, or everything is refused, would prove nothing.
    assert!(some > 2 * ROUNDS && none > ROUNDS / 2, "{some} filters matched something, {none} nothing");
    assert!(ordered > ROUNDS / 2, "{ordered}");
    println!("{some} filters matched something, {none} nothing; {ordered} orders had something to order");
}

/// The example, its objects without a list of their own made up anew.
fn made_up_inventory(dice: &mut Dice) -> Value {
    let mut inventory: Value = serde_json::from_str(include_str!("../../examples/inventory.json")).unwrap();
    for entity in inventory::ENTITIES {
        for record in inventory[entity.plural].as_array_mut().into_iter().flatten() {
            for field in entity.fields.iter().filter(|field| matches!(field.kind, Kind::Object(_) | Kind::Objects(_))) {
                match made_up(dice, field) {
                    Value::Null => record.as_object_mut().unwrap().remove(field.name),
                    value => record.as_object_mut().unwrap().insert(field.name.to_owned(), value),
                };
            }
        }
    }
    inventory
}

/// A value of a field, now and then none when there needn't be one.
fn made_up(dice: &mut Dice, field: &'static Field) -> Value {
    let object = |dice: &mut Dice, shape: &'static Shape| -> Value {
        shape.fields.iter().map(|field| (field.name.to_owned(), made_up(dice, field))).collect::<Map<_, _>>().into()
    };
    if !field.required && dice.roll(4) == 0 {
        return Value::Null;
    }
    match &field.kind {
        Kind::Id => json!(format!("id {}", dice.roll(5))),
        Kind::Text => json!(dice.pick(&TEXTS)),
        Kind::Bool => json!(dice.roll(2) == 0),
        Kind::Int => json!(dice.roll(12)),
        Kind::Enum(values) => json!(dice.pick(values.values)),
        Kind::Texts => json!([dice.pick(&TEXTS)]),
        Kind::Json => json!({ "b": dice.roll(3), "a": dice.pick(&TEXTS) }),
        Kind::Object(shape) => object(dice, shape),
        Kind::Objects(shape) => (0..dice.roll(4)).map(|_| object(dice, shape)).collect(),
        other => panic!("nothing is made up for {other:?}"),
    }
}

/// No order, or one by any field, those of several members more often than others.
fn made_up_order(dice: &mut Dice, entity: &'static Entity) -> Option<(&'static Field, bool)> {
    let all: Vec<&Field> = entity.orderable().collect();
    let embedded: Vec<&Field> = entity.orderable().filter(|field| !field.is_scalar()).collect();
    let descending = dice.roll(2) == 0;
    match dice.roll(4) {
        0 if !embedded.is_empty() => Some((*dice.pick(&embedded), descending)),
        0 | 1 => Some((*dice.pick(&all), descending)),
        _ => None,
    }
}

async fn world(service: &Service) -> World {
    let operator = Caller::operator();
    let mut world = World::new();
    for entity in ENTITIES {
        let all = Projection::full(entity);
        let rows = lists::list(&service.app, &pass(&operator), entity, &Map::new(), &all, &Budget::unlimited()).await;
        let rows = rows.unwrap().into_iter().map(|row| (row.id().to_owned(), serde_json::to_value(&row).unwrap()));
        let rows: BTreeMap<String, Value> = rows.collect();
        for field in entity.fields {
            let (Some(shape), None) = (field.related(), field.relation()) else { continue };
            let kept = world.entry(shape.name).or_default();
            for (id, row) in &rows {
                let objects = objects(&row[field.name]).into_iter().enumerate();
                kept.extend(objects.map(|(at, it)| (format!("{id} {} {at}", field.name), it.clone())));
            }
        }
        world.insert(entity.name, rows);
    }
    world
}

/// What a field that is one object, or a list of them, or missing, holds.
fn objects(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

async fn listed(service: &Service, entity: &'static Entity, arguments: &Value) -> Vec<String> {
    let mut only_id = Projection::default();
    only_id.want(entity.field("id").unwrap());
    let given = arguments.as_object().unwrap();
    let operator = Caller::operator();
    let rows = lists::list(&service.app, &pass(&operator), entity, given, &only_id, &Budget::unlimited()).await;
    let rows = rows.unwrap_or_else(|error| panic!("{error:?} for {arguments:#}"));
    rows.iter().map(|row| row.id().to_owned()).collect()
}

/// Makes up a filter whose values mostly occur.
fn filter(dice: &mut Dice, world: &World, shape: Shape, depth: usize) -> Value {
    let known: Vec<(String, Member)> = members(shape).collect();
    let mut made = Map::new();
    for _ in 0..=dice.roll(2) {
        let (name, value) = match dice.roll(if depth < 3 { 12 } else { 9 }) {
            9 => ("AND", list(dice, world, shape, depth)),
            10 => ("OR", list(dice, world, shape, depth)),
            11 => ("NOT", list(dice, world, shape, depth)),
            _ => {
                let (name, member) = dice.pick(&known);
                let value = match member {
                    Member::Scalar(field, operator) => operand(dice, world, shape, field, *operator),
                    Member::Related(..) if depth >= 3 => continue,
                    Member::Related(_, _, Quantifier::One) if dice.roll(8) == 0 => Value::Null,
                    Member::Related(_, shape, _) => filter(dice, world, *shape, depth + 1),
                };
                (name.as_str(), value)
            }
        };
        made.insert(name.to_owned(), value);
    }
    Value::Object(made)
}

fn list(dice: &mut Dice, world: &World, shape: Shape, depth: usize) -> Value {
    (0..dice.roll(4))
        .map(|_| if dice.roll(6) == 0 { json!({}) } else { filter(dice, world, shape, depth + 1) })
        .collect()
}

fn operand(dice: &mut Dice, world: &World, shape: Shape, field: &Field, operator: Operator) -> Value {
    if operator.takes_list() {
        return match dice.roll(10) {
            0 => Value::Null,
            _ => (0..dice.roll(5)).map(|_| scalar(dice, world, shape, field)).collect(),
        };
    }
    let value = scalar(dice, world, shape, field);
    match (operator, value) {
        (
            Operator::Contains
            | Operator::NotContains
            | Operator::StartsWith
            | Operator::NotStartsWith
            | Operator::EndsWith
            | Operator::NotEndsWith,
            Value::String(text),
        ) => {
            let letters: Vec<char> = text.chars().collect();
            let (from, to) = (dice.roll(letters.len() + 1), dice.roll(letters.len() + 1));
            let part: String = letters[from.min(to)..from.max(to)].iter().collect();
            match dice.roll(6) {
                0 => part.to_uppercase().into(),
                1 => format!("{part}%").into(),
                2 => text[..text.chars().next().map_or(0, char::len_utf8)].into(),
                _ => part.into(),
            }
        }
        (_, value) => value,
    }
}

/// A value of the field from some row, now and then changed or missing.
fn scalar(dice: &mut Dice, world: &World, shape: Shape, field: &Field) -> Value {
    let rows: Vec<&Value> = world[shape.name].values().collect();
    let value = dice.pick(&rows)[field.name].clone();
    match (&field.kind, dice.roll(8)) {
        (_, 0) => Value::Null,
        (Kind::Text | Kind::Id, 1) => json!(format!("{}_", value.as_str().unwrap_or("é"))),
        (Kind::Int | Kind::Long, 1) => json!(value.as_i64().unwrap_or(1) - 1),
        // Numeric text is accepted too.
        (Kind::Int | Kind::Long, 2) => json!(value.as_i64().unwrap_or(7).to_string()),
        (Kind::Enum(values), 1) => json!(dice.pick(values.values)),
        (Kind::Bool, 1) => json!(false),
        _ => value,
    }
}

/// SQL's three-valued logic: `None` is unknown.
fn matches(world: &World, shape: Shape, object: &Value, filter: &Value) -> Option<bool> {
    let known: BTreeMap<String, Member> = members(shape).collect();
    all(filter.as_object().unwrap().iter().map(|(name, value)| match name.as_str() {
        "AND" => all(each(world, shape, object, value)),
        "OR" => not(all(each(world, shape, object, value).map(not))),
        "NOT" => {
            let meant = value.as_array().unwrap().iter().filter(|item| !item.as_object().unwrap().is_empty());
            all(meant.map(|item| not(matches(world, shape, object, item))))
        }
        _ => match known[name] {
            Member::Scalar(field, operator) => compare(&object[field.name], operator, value),
            Member::Related(field, shape, quantifier) => {
                related(world, field, shape, quantifier, &object[field.name], value)
            }
        },
    }))
}

fn each<'a>(
    world: &'a World,
    shape: Shape,
    object: &'a Value,
    list: &'a Value,
) -> impl Iterator<Item = Option<bool>> + 'a {
    list.as_array().unwrap().iter().map(move |item| matches(world, shape, object, item))
}

fn all(conditions: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let conditions: Vec<Option<bool>> = conditions.collect();
    let holds = !conditions.contains(&Some(false));
    if holds && conditions.contains(&None) { None } else { Some(holds) }
}

fn not(condition: Option<bool>) -> Option<bool> {
    condition.map(|truth| !truth)
}

fn related(
    world: &World,
    field: &Field,
    shape: Shape,
    quantifier: Quantifier,
    value: &Value,
    filter: &Value,
) -> Option<bool> {
    let found = objects(value);
    if filter.is_null() {
        return Some(found.is_empty());
    }
    let mut found = found.into_iter().map(|object| {
        let whole = field.relation().map(|_| &world[shape.name][object["id"].as_str().unwrap()]);
        matches(world, shape, whole.unwrap_or(object), filter)
    });
    Some(match quantifier {
        Quantifier::One | Quantifier::Some => found.any(|it| it == Some(true)),
        Quantifier::None => !found.any(|it| it == Some(true)),
        Quantifier::Every => !found.any(|it| it == Some(false)),
    })
}

fn compare(value: &Value, operator: Operator, operand: &Value) -> Option<bool> {
    let equal = |operand: &Value| match (value.is_null(), operand.is_null()) {
        (true, true) => Some(true),
        (false, true) => Some(false),
        (true, false) => None,
        (false, false) => Some(order(value, operand) == Ordering::Equal),
    };
    let listed = |items: &[Value]| {
        let found = items.iter().map(equal).map(not);
        not(all(found))
    };
    let present = || (!value.is_null() && !operand.is_null()).then(|| order(value, operand));
    let texts = || Some((value.as_str()?, operand.as_str()?));
    match operator {
        Operator::Equals => equal(operand),
        Operator::Not => not(equal(operand)),
        Operator::In => operand.as_array().map_or_else(|| equal(&Value::Null), |items| listed(items)),
        Operator::NotIn => not(operand.as_array().map_or_else(|| equal(&Value::Null), |items| listed(items))),
        Operator::Lt => present().map(Ordering::is_lt),
        Operator::Lte => present().map(Ordering::is_le),
        Operator::Gt => present().map(Ordering::is_gt),
        Operator::Gte => present().map(Ordering::is_ge),
        Operator::Contains => texts().map(|(text, part)| text.contains(part)),
        Operator::NotContains => texts().map(|(text, part)| !text.contains(part)),
        Operator::StartsWith => texts().map(|(text, part)| text.starts_with(part)),
        Operator::NotStartsWith => texts().map(|(text, part)| !text.starts_with(part)),
        Operator::EndsWith => texts().map(|(text, part)| text.ends_with(part)),
        Operator::NotEndsWith => texts().map(|(text, part)| !text.ends_with(part)),
    }
}

fn order(left: &Value, right: &Value) -> Ordering {
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<i64>().ok()).or_else(|| value.as_i64());
    match (left, right) {
        (Value::String(left), Value::String(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Number(one), _) if one.is_i64() && number(right).is_some() => number(left).cmp(&number(right)),
        _ => left.as_f64().unwrap().total_cmp(&right.as_f64().unwrap()),
    }
}
