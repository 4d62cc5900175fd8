//! Converts between JSON and the value tree.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::softlayer::fault::Fault;
use crate::softlayer::value::{Struct, Value, date_text};

/// Maximum nesting of a document.
const DEPTH_MAX: usize = 64;
/// Upper bound (exclusive) of the absolute value of a float: 2^63. The JSON parser turns integers beyond 64 bits into floats, which this
/// bound rejects.
const LARGEST: f64 = 9_223_372_036_854_775_807.0;

/// Parses JSON; members keep their order. Rejects duplicate members, since JSON parsers disagree on which one counts. A text member
/// `complexType` is the name of the object's datatype, and not a member of the result.
pub(super) fn read(text: &[u8]) -> Result<Value, Fault> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Nested { depth: 0 }.deserialize(&mut reader).map_err(Fault::bad_request)?;
    reader.end().map_err(Fault::bad_request)?;
    Ok(value)
}

/// Deserializer for a value that is nested in `depth` lists and objects.
#[derive(Clone, Copy)]
struct Nested {
    depth: usize,
}

impl Nested {
    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth >= DEPTH_MAX {
            return Err(E::custom(format_args!("nested deeper than {DEPTH_MAX} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number).map(Value::Int).map_err(|_| E::custom("a number is too large"))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        if number.abs() < LARGEST { Ok(Value::Double(number)) } else { Err(E::custom("a number is too large")) }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            list.push(element);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Struct::default();
        let mut seen = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                return Err(A::Error::custom("two members have the same name"));
            }
            match members.next_value_seed(inner)? {
                Value::Text(kind) if name == "complexType" => object.kind = Some(kind),
                value => object.members.push((name, value)),
            }
        }
        Ok(Value::Struct(object))
    }
}

/// Wrapper that serializes a value as JSON: dates become text, members keep their order, NaN and infinity become null.
pub(super) struct Written<'a>(pub(super) &'a Value);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => writer.serialize_unit(),
            Value::Bool(truth) => writer.serialize_bool(*truth),
            Value::Int(number) => writer.serialize_i64(*number),
            Value::Double(number) => writer.serialize_f64(*number),
            Value::Text(text) => writer.serialize_str(text),
            Value::Date(moment) => writer.serialize_str(&date_text(moment)),
            Value::List(list) => writer.collect_seq(list.iter().map(Written)),
            Value::Struct(object) => {
                let mut map = writer.serialize_map(Some(object.members.len()))?;
                for (name, value) in &object.members {
                    map.serialize_entry(name, &Written(value))?;
                }
                map.end()
            }
        }
    }
}
