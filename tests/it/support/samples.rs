//! Inventory records made from the entities' descriptions: one with everything, one with only what must be there.

use keytower::domain::entity::{Entity, Field, Kind, Shape};
use keytower::service::inventory::ENTITIES;
use serde_json::{Map, Value, json};

/// How much of a record is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    All,
    Required,
}

/// An inventory of two records of each entity; they belong with each other by how much is filled in.
pub fn inventory() -> Value {
    let both =
        |entity: &'static Entity| Value::from(vec![record(entity, Filled::All), record(entity, Filled::Required)]);
    ENTITIES.into_iter().map(|entity| (entity.plural.to_owned(), both(entity))).collect::<Map<_, _>>().into()
}

/// The id of a record.
pub fn id(entity: &Entity, filled: Filled) -> String {
    format!("sample-{}-{filled:?}", entity.plural)
}

/// A record.
pub fn record(entity: &'static Entity, filled: Filled) -> Value {
    let mut record = object(entity.fields, filled);
    record.insert("id".to_owned(), id(entity, filled).into());
    record.into()
}

fn object(fields: &'static [Field], filled: Filled) -> Map<String, Value> {
    let wanted = fields.iter().filter(|field| field.required || filled == Filled::All);
    wanted.filter_map(|field| Some((field.name.to_owned(), value(field, filled)?))).collect()
}

/// Values at the edges of what each kind can hold.
fn value(field: &'static Field, filled: Filled) -> Option<Value> {
    let nested = |shape: &'static Shape| Value::from(object(shape.fields, filled));
    Some(match &field.kind {
        Kind::Id => json!("an id"),
        Kind::Text | Kind::Localized => json!("t\u{e9}xt \"quoted\" \\ \u{1f600}\n%_'"),
        Kind::DateTime => json!("2026-01-31T12:00:00.000Z"),
        Kind::Bool => json!(true),
        Kind::Int => json!(i32::MIN),
        Kind::Long => json!(i64::MAX),
        Kind::Float => json!(0.1 + 0.2),
        Kind::Enum(values) => json!(values.values.last()),
        Kind::Texts => json!(["", "\u{e9}"]),
        Kind::Ints => json!([i32::MAX, 0]),
        Kind::Floats => json!([0.5, -1e300]),
        Kind::Json => json!({ "any": [1, null, { "thing": "" }] }),
        Kind::Object(shape) => nested(shape),
        Kind::Objects(shape) => json!([nested(shape), nested(shape)]),
        Kind::One(relation) => json!({ "id": id(relation.target, filled) }),
        Kind::Many(_) | Kind::Key => return None,
    })
}
