//! Encodes answers and faults as bodies. A body is never empty, because clients treat an empty body as an error.

use std::borrow::Cow;

use super::Format;
use super::json::Written;
use crate::softlayer::call::Reply;
use crate::softlayer::fault::{Fault, PUBLIC};
use crate::softlayer::value::{Struct, Value, date_text};

/// Text of every fault with status 401, whatever the cause.
const DENIED: &str = "Access Denied. ";

/// Encodes an answer; returns the content type and the body.
#[must_use]
pub fn encode(reply: &Reply, format: Format) -> (&'static str, String) {
    write(&reply.value, format)
}

/// Encodes a fault. A fault with status 401 always gets the same text, and a numeric code becomes [`PUBLIC`].
#[must_use]
pub fn encode_fault(fault: &Fault, format: Format) -> (&'static str, String) {
    let (code, text) = match fault.status {
        401 => (PUBLIC, DENIED),
        _ if fault.code.starts_with('-') => (PUBLIC, fault.text.as_str()),
        _ => (fault.code.as_str(), fault.text.as_str()),
    };
    let mut object = Struct::default();
    object.put("error", text);
    object.put("code", code);
    write(&object.into(), format)
}

fn write(value: &Value, format: Format) -> (&'static str, String) {
    match format {
        Format::Json => ("application/json", or_null(serde_json::to_string(&Written(value)))),
        Format::Xml => ("application/xml", xml(value)),
        Format::Text => ("text/plain; charset=utf-8", plain(value) + "\n"),
    }
}

fn or_null(json: serde_json::Result<String>) -> String {
    json.unwrap_or_else(|_| "null".to_owned())
}

fn plain(value: &Value) -> String {
    match value {
        Value::List(_) | Value::Struct(_) => or_null(serde_json::to_string_pretty(&Written(value))),
        scalar => bare(scalar).map_or_else(|| "null".to_owned(), Cow::into_owned),
    }
}

/// Returns a scalar value as text; `None` for null, lists and objects.
fn bare(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        Value::Int(number) => Some(Cow::Owned(number.to_string())),
        Value::Double(number) => Some(Cow::Owned(number.to_string())),
        Value::Date(moment) => Some(Cow::Owned(date_text(moment))),
        Value::Null | Value::List(_) | Value::Struct(_) => None,
    }
}

/// Encodes a value as XML: a `<root>` with an element for each member of an object, and an `<item>` for each element of a list.
fn xml(value: &Value) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    element("root", value, &mut out);
    out
}

fn element(name: &str, value: &Value, out: &mut String) {
    let name = if is_name(name) { name } else { "item" };
    out.extend(["<", name, ">"]);
    match value {
        Value::List(list) => list.iter().for_each(|inner| element("item", inner, out)),
        Value::Struct(object) => object.members.iter().for_each(|(name, inner)| element(name, inner, out)),
        scalar => bare(scalar).unwrap_or_default().chars().for_each(|sign| escape(sign, out)),
    }
    out.extend(["</", name, ">"]);
}

fn is_name(name: &str) -> bool {
    let letter = |sign: char| sign.is_ascii_alphabetic() || sign == '_';
    name.starts_with(letter) && name.chars().all(|sign| letter(sign) || sign.is_ascii_digit())
}

/// Writes a character of text; a character that XML forbids becomes U+FFFD.
fn escape(sign: char, out: &mut String) {
    match sign {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '\r' => out.push_str("&#13;"),
        '\t' | '\n' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'.. => out.push(sign),
        _ => out.push(char::REPLACEMENT_CHARACTER),
    }
}
