//! Checks an inventory against the descriptions of the entities. The inventory is a file, whose line numbers appear in the error messages,
//! or a page of a list from the upstream.

use std::collections::{BTreeMap, HashSet};

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::domain::clock::{iso, parse_iso};
use crate::domain::entity::{Entity, Field, Kind};
use crate::service::inventory::ENTITIES;

const TWICE: &str = "stands here twice";

/// A problem in the checked text, with the byte offset of the faulty value.
#[derive(Debug)]
pub(in crate::service) struct Problem {
    offset: usize,
    path: String,
    reason: String,
}

impl Problem {
    /// Describes the problem, with the number of its line in `text`.
    pub(in crate::service) fn tell(&self, text: &str) -> String {
        let before = text.as_bytes().get(..self.offset).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line}: {self}")
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

/// How to treat unknown members, and unknown values of optional enumerations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    /// Report each as a problem: a person wrote the file.
    Refused,
    /// Leave each out: an upstream of a later release may send members and values that this release does not know.
    LeftOut,
}

/// A record, and the place in the text where the record was read.
#[derive(Debug)]
pub(in crate::service) struct Record {
    pub(in crate::service) id: String,
    pub(in crate::service) values: Map<String, Value>,
    offset: usize,
    path: String,
}

impl Record {
    /// Returns a problem for each id that the relation `field` names and that is not in `known`.
    pub(in crate::service) fn dangling(&self, field: &Field, known: &HashSet<String>) -> Vec<Problem> {
        let named = match self.values.get(field.name) {
            Some(Value::Array(others)) => others.iter().collect(),
            Some(other) => vec![other],
            None => Vec::new(),
        };
        let ids = named.into_iter().filter_map(|other| other.get("id").and_then(Value::as_str));
        ids.filter(|id| !known.contains(*id))
            .map(|id| Problem {
                offset: self.offset,
                path: format!("{}.{}", self.path, field.name),
                reason: format!("there is no {id:?}, neither in this file nor imported before"),
            })
            .collect()
    }
}

/// The members of an object. JSON does not define the meaning of a name that occurs twice; here such a name is a problem.
#[derive(Default)]
struct Members<'a> {
    by_name: BTreeMap<String, &'a RawValue>,
    twice: Vec<(String, &'a RawValue)>,
}

impl<'a> Members<'a> {
    fn read(text: &'a str) -> serde_json::Result<Self> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let members = reader.deserialize_map(MembersVisitor)?;
        reader.end()?;
        Ok(members)
    }
}

struct MembersVisitor;

impl<'a> Visitor<'a> for MembersVisitor {
    type Value = Members<'a>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            if members.by_name.insert(name.clone(), value).is_some() {
                members.twice.push((name, value));
            }
        }
        Ok(members)
    }
}

/// Reads the whole file. Returns the records of each entity, and all problems.
pub(in crate::service) fn read(text: &str) -> (Vec<(&'static Entity, Vec<Record>)>, Vec<Problem>) {
    let mut reader = Reader { text, unknown: Unknown::Refused, problems: Vec::new() };
    let mut lists = Vec::new();
    let Members { by_name: members, twice } = match Members::read(text) {
        Ok(members) => members,
        Err(error) => {
            let reason = format!("the file must be one JSON object: {error}");
            let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
            let offset = lines.map(str::len).sum();
            return (lists, vec![Problem { offset, path: "$".to_owned(), reason }]);
        }
    };
    for (name, value) in twice {
        reader.problem(value, &name, TWICE);
    }
    let known: Vec<&str> = ENTITIES.iter().map(|entity| entity.plural).collect();
    for (name, value) in members.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        reader.problem(value, name, format!("is not known: allowed are {}", known.join(", ")));
    }
    for entity in ENTITIES {
        let records = members.get(entity.plural).map(|list| reader.records(entity, list)).unwrap_or_default();
        lists.push((entity, records));
    }
    (lists, reader.problems)
}

/// Reads a page of a list from the upstream. A problem names its record by id, since nobody sees the lines of a page.
pub(in crate::service) fn read_page(entity: &'static Entity, text: &str) -> (Vec<Record>, Vec<Problem>) {
    let mut reader = Reader { text, unknown: Unknown::LeftOut, problems: Vec::new() };
    let records = match serde_json::from_str(text) {
        Ok(list) => reader.records(entity, list),
        Err(error) => {
            let reason = format!("must be JSON: {error}");
            reader.problems.push(Problem { offset: 0, path: entity.plural.to_owned(), reason });
            Vec::new()
        }
    };
    (records, reader.problems)
}

struct Reader<'a> {
    text: &'a str,
    unknown: Unknown,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn records(&mut self, entity: &'static Entity, list: &'a RawValue) -> Vec<Record> {
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(list.get()) else {
            self.problem(list, entity.plural, "must be a list");
            return Vec::new();
        };
        let mut seen = HashSet::new();
        let mut records = Vec::new();
        for (at, item) in items.into_iter().enumerate() {
            let path = match self.unknown {
                Unknown::Refused => format!("{}[{at}]", entity.plural),
                Unknown::LeftOut => format!("{}[{}]", entity.plural, id_of(item)),
            };
            let Some(values) = self.object(entity.fields, item, &path) else { continue };
            let id = values.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            if !seen.insert(id.clone()) {
                self.problem(item, &format!("{path}.id"), format!("{id:?} stands in this file twice"));
            }
            records.push(Record { id, values, offset: self.offset(item), path });
        }
        records
    }

    /// Reads an object with these fields. Records every problem, and returns `None` if there was a problem.
    fn object(&mut self, fields: &[Field], raw: &'a RawValue, path: &str) -> Option<Map<String, Value>> {
        let Ok(Members { by_name: members, twice }) = Members::read(raw.get()) else {
            self.problem(raw, path, "must be an object");
            return None;
        };
        let before = self.problems.len();
        for (name, value) in twice {
            self.problem(value, &format!("{path}.{name}"), TWICE);
        }
        let strict = self.unknown == Unknown::Refused;
        let known = |name: &str| fields.iter().any(|field| field.name == name);
        for (name, value) in members.iter().filter(|(name, _)| strict && !known(name)) {
            self.problem(value, &format!("{path}.{name}"), "is not a field of this object");
        }
        let mut values = Map::new();
        for field in fields {
            let path = format!("{path}.{}", field.name);
            match members.get(field.name) {
                Some(value) if value.get() != "null" => {
                    if let Some(value) = self.value(field, value, &path) {
                        values.insert(field.name.to_owned(), value);
                    }
                }
                Some(null) if field.required => self.problem(null, &path, "must not be null"),
                None if field.required => self.problem(raw, &path, "is missing"),
                _ => {}
            }
        }
        (self.problems.len() == before).then_some(values)
    }

    fn value(&mut self, field: &Field, raw: &'a RawValue, path: &str) -> Option<Value> {
        match &field.kind {
            Kind::Object(shape) => return self.object(shape.fields, raw, path).map(Value::Object),
            Kind::Objects(shape) => {
                return self
                    .list(raw, path, |reader, item, path| reader.object(shape.fields, item, path).map(Value::Object));
            }
            Kind::One(_) => return self.reference(raw, path),
            Kind::Many(_) => return self.list(raw, path, Self::reference),
            _ => {}
        }
        // Some texts follow the JSON grammar but have no value, such as 1e999 or half a surrogate pair.
        let value = serde_json::from_str(raw.get()).map_err(|_| allowed(&field.kind));
        match value.and_then(|value| plain(&field.kind, value)) {
            Ok(value) => Some(value),
            Err(_) if self.is_left_out(field, raw) => None,
            Err(allowed) => {
                self.problem(raw, path, format!("must be {allowed}"));
                None
            }
        }
    }

    /// Tells whether to leave out a value instead of reporting a problem: an unknown value of an optional enumeration from the upstream.
    fn is_left_out(&self, field: &Field, raw: &RawValue) -> bool {
        let text = raw.get().starts_with('"');
        self.unknown == Unknown::LeftOut && text && !field.required && matches!(field.kind, Kind::Enum(_))
    }

    /// Reads a reference to a related row: an object with an id. Other members of the object are not checked: the related row has a record
    /// of its own.
    fn reference(&mut self, raw: &'a RawValue, path: &str) -> Option<Value> {
        let value: Option<Value> = serde_json::from_str(raw.get()).ok();
        match value {
            Some(value) if value.get("id").and_then(Value::as_str).is_some_and(|id| !id.is_empty()) => Some(value),
            _ => {
                self.problem(raw, path, "must be an object with an id");
                None
            }
        }
    }

    fn list(
        &mut self,
        raw: &'a RawValue,
        path: &str,
        mut item: impl FnMut(&mut Self, &'a RawValue, &str) -> Option<Value>,
    ) -> Option<Value> {
        let Ok(items) = serde_json::from_str::<Vec<&'a RawValue>>(raw.get()) else {
            self.problem(raw, path, "must be a list");
            return None;
        };
        let items = items.into_iter().enumerate();
        items.map(|(at, raw)| item(self, raw, &format!("{path}[{at}]"))).collect::<Option<Vec<_>>>().map(Value::Array)
    }

    fn problem(&mut self, at: &RawValue, path: &str, reason: impl Into<String>) {
        self.problems.push(Problem { offset: self.offset(at), path: path.to_owned(), reason: reason.into() });
    }

    /// Returns the byte offset of a value. The value is a slice of the text, so the offset follows from the two addresses.
    fn offset(&self, at: &RawValue) -> usize {
        at.get().as_ptr().addr().saturating_sub(self.text.as_ptr().addr())
    }
}

/// Returns the id that a record states, even if the record is invalid; empty if the record states no id.
fn id_of(record: &RawValue) -> String {
    let record: Option<Value> = serde_json::from_str(record.get()).ok();
    record.and_then(|record| record.get("id")?.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Checks a value of a field that is neither an object nor a relation, and normalizes times.
fn plain(kind: &Kind, value: Value) -> Result<Value, String> {
    let good = match kind {
        Kind::Id => value.as_str().is_some_and(|id| !id.is_empty() && !id.contains('\0')),
        Kind::Text | Kind::Localized => value.as_str().is_some_and(|text| !text.contains('\0')),
        Kind::DateTime => {
            let moment = value.as_str().and_then(parse_iso);
            return moment.map(|moment| Value::from(iso(moment))).ok_or_else(|| allowed(kind));
        }
        Kind::Bool => value.is_boolean(),
        Kind::Int => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        Kind::Long => value.as_i64().is_some(),
        Kind::Float => value.is_number(),
        Kind::Enum(values) => value.as_str().is_some_and(|text| values.values.contains(&text)),
        Kind::Texts => all(&value, &|item| item.is_string()),
        Kind::Ints => all(&value, &|item| item.as_i64().is_some_and(|number| i32::try_from(number).is_ok())),
        Kind::Floats => all(&value, &Value::is_number),
        Kind::Json => value.is_object(),
        _ => true,
    };
    if good { Ok(value) } else { Err(allowed(kind)) }
}

fn all(value: &Value, good: &dyn Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(good))
}

fn allowed(kind: &Kind) -> String {
    match kind {
        Kind::Id => "text, not empty",
        Kind::Bool => "true or false",
        Kind::Int => "a 32-bit whole number",
        Kind::Long => "a 64-bit whole number",
        Kind::Float => "a number",
        Kind::DateTime => "a time such as \"2026-01-31T12:00:00.000Z\"",
        Kind::Enum(values) => return format!("one of {}", values.values.join(", ")),
        Kind::Texts => "a list of texts",
        Kind::Ints => "a list of 32-bit whole numbers",
        Kind::Floats => "a list of numbers",
        Kind::Json => "an object",
        _ => "text without NUL",
    }
    .to_owned()
}
