//! Builds the value of an object: the local properties and the relations that a mask selects.

use std::collections::BTreeMap;

use super::mask::Wanted;
use super::types::{Kind, Property, Type};
use super::value::{Struct, Value};

/// The values of an object's relations, by name.
pub(super) type Parts = BTreeMap<&'static str, Value>;

/// Returns the number of objects and the number of scalar values in a value.
pub(super) fn weight(value: &Value) -> (u64, u64) {
    let sum = |sums: (u64, u64), value: &Value| {
        let (objects, values) = weight(value);
        (sums.0.saturating_add(objects), sums.1.saturating_add(values))
    };
    match value {
        Value::Struct(object) => object.members.iter().map(|(_, value)| value).fold((1, 0), sum),
        Value::List(list) => list.iter().fold((0, 0), sum),
        _ => (0, 1),
    }
}

/// Returns the relations to read, each with the mask for the related objects. A relation that is only counted gets all local properties.
pub(super) fn relations(wanted: &Wanted) -> Vec<(&'static Property, Wanted)> {
    let mut all: Vec<(&'static Property, Wanted)> =
        wanted.relations().map(|(property, inner)| (property, inner.clone())).collect();
    for count in wanted.counts() {
        let Kind::Count(name) = count.kind else { continue };
        let Some(property) = wanted.kind().property(name) else { continue };
        let target = property.kind.target().and_then(Type::find);
        if let Some(target) = target.filter(|_| !all.iter().any(|(known, _)| known.name == name)) {
            all.push((property, Wanted::of(target)));
        }
    }
    all
}

/// Returns the value of a relation: the list or, for a relation to one object, the first object or null.
pub(super) fn of_kind(kind: Kind, list: Vec<Value>) -> Value {
    match kind {
        Kind::One(_) => list.into_iter().next().unwrap_or(Value::Null),
        _ => Value::List(list),
    }
}

/// Builds an object with the wanted properties. `local` returns a local property, `parts` holds the values of the relations.
pub(super) fn assemble(wanted: &Wanted, local: impl Fn(&str) -> Value, mut parts: Parts) -> Value {
    let mut object = Struct::of(wanted.kind().name);
    let counted = |parts: &Parts, name: &str| match parts.get(name) {
        Some(Value::List(list)) => i64::try_from(list.len()).unwrap_or(i64::MAX),
        Some(Value::Null) | None => 0,
        Some(_) => 1,
    };
    let counts: Vec<(&str, i64)> = wanted
        .counts()
        .filter_map(
            |count| if let Kind::Count(name) = count.kind { Some((count.name, counted(&parts, name))) } else { None },
        )
        .collect();
    for property in wanted.kind().properties().filter(|property| wanted.wants(property)) {
        match property.kind {
            Kind::Count(_) => {}
            Kind::One(_) | Kind::Many(_) => {
                object.put(property.name, parts.remove(property.name).unwrap_or(Value::Null))
            }
            _ => object.put(property.name, local(property.name)),
        }
    }
    for (name, count) in counts {
        object.put(name, count);
    }
    Value::Struct(object)
}

/// Reduces a complete object to the wanted properties; `user` becomes the value of the object's relation `user`.
pub(super) fn thin(object: &Struct, wanted: &Wanted, user: Option<Value>) -> Value {
    let mut parts: Parts = user.map(|user| ("user", user)).into_iter().collect();
    for (property, inner) in relations(wanted).iter().filter(|(property, _)| property.name != "user") {
        let thinned = match object.get(property.name) {
            Some(Value::List(list)) => {
                Value::List(list.iter().filter_map(Value::as_struct).map(|one| thin(one, inner, None)).collect())
            }
            Some(Value::Struct(one)) => thin(one, inner, None),
            _ => of_kind(property.kind, Vec::new()),
        };
        parts.insert(property.name, thinned);
    }
    assemble(wanted, |name| object.get(name).cloned().unwrap_or(Value::Null), parts)
}
