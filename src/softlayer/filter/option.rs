//! Reads the options of a filter operation: structs with a name and a list of values.

use super::date;
use crate::domain::clock::Timestamp;
use crate::softlayer::fault::Fault;
use crate::softlayer::types::{Kind, Property};
use crate::softlayer::value::{Struct, Value};

/// Returns the values of the option with a name; a single value counts as a list of one.
pub(super) fn option<'a>(options: Option<&'a Value>, name: &str) -> Option<&'a [Value]> {
    let named = |option: &&Struct| option.get("name").and_then(Value::as_text).as_deref() == Some(name);
    let option = list(options?).iter().filter_map(Value::as_struct).find(named)?;
    option.get("value").map(list)
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::List(list) => list,
        one => std::slice::from_ref(one),
    }
}

/// Returns the values of the option `data`.
pub(super) fn data<'a>(property: &Property, options: Option<&'a Value>) -> Result<&'a [Value], Fault> {
    option(options, "data").ok_or_else(|| refused(property, "it needs the option 'data' with a list of values"))
}

/// Returns the date in the option with a name; the property must be of the type date.
pub(super) fn date_option(property: &Property, options: Option<&Value>, name: &str) -> Result<Timestamp, Fault> {
    if property.kind != Kind::Date {
        return Err(refused(property, "it holds no date"));
    }
    match option(options, name) {
        Some([Value::Date(moment)]) => Some(*moment),
        Some([Value::Text(text)]) => date::read(text),
        _ => None,
    }
    .ok_or_else(|| refused(property, &format!("it needs the option '{name}', and {}", date::ALLOWED)))
}

/// Returns a fault that names the property and says what is allowed.
pub(super) fn refused(property: &Property, allowed: &str) -> Fault {
    Fault::invalid(format!("The filter on '{}' is not valid: {allowed}.", property.name))
}
