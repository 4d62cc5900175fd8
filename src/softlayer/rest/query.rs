//! Reads the query string of a call.

use super::json;
use crate::softlayer::call::{Limit, Mask};
use crate::softlayer::fault::Fault;
use crate::softlayer::value::Value;

/// The parameters of a query string that the API uses.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) mask: Option<Mask>,
    pub(super) filter: Option<Value>,
    pub(super) limit: Option<Limit>,
}

/// Reads a query string: `objectMask`, `objectFilter` and `resultLimit`. If a parameter occurs several times, the first value that is not
/// empty counts. Other parameters are ignored, even if they are malformed.
pub(super) fn read(query: &str) -> Result<Read, Fault> {
    let mut read = Read::default();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = || percent_decoded(value, true);
        match percent_decoded(name, true).as_deref() {
            Ok("objectMask") if read.mask.is_none() => read.mask = mask(value()?),
            Ok("objectFilter") if read.filter.is_none() => read.filter = filter(&value()?)?,
            Ok("resultLimit") if read.limit.is_none() => read.limit = limit(&value()?)?,
            _ => {}
        }
    }
    Ok(read)
}

fn mask(text: String) -> Option<Mask> {
    (!text.trim().is_empty()).then_some(Mask::Text(text))
}

fn filter(text: &str) -> Result<Option<Value>, Fault> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    match json::read(text.as_bytes())? {
        filter @ Value::Struct(_) => Ok(Some(filter)),
        Value::Null => Ok(None),
        Value::List(list) if list.is_empty() => Ok(None),
        _ => Err(Fault::bad_request("the filter is a JSON object")),
    }
}

/// Parses `LIMIT` or `OFFSET,LIMIT`. A limit of 0 means no limit: clients send 0 to set only an offset.
fn limit(text: &str) -> Result<Option<Limit>, Fault> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let number = |text: &str| text.trim().parse::<u64>();
    let (offset, limit) = text.split_once(',').unwrap_or(("0", text));
    let (Ok(offset), Ok(limit)) = (number(offset), number(limit)) else {
        return Err(Fault::bad_request("resultLimit is LIMIT or OFFSET,LIMIT"));
    };
    Ok(Some(Limit { limit: Some(limit).filter(|limit| *limit > 0), offset }))
}

/// Decodes percent-encoding. If `plus` is true, as in a query string, `+` means a space.
pub(super) fn percent_decoded(text: &str, plus: bool) -> Result<String, Fault> {
    let refused = || {
        Fault::bad_request("a percent sign is not followed by two hexadecimal digits, or what they spell is not UTF-8")
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hexadecimal(bytes.next(), bytes.next()).ok_or_else(refused)?,
            b'+' if plus => b' ',
            byte => byte,
        });
    }
    String::from_utf8(decoded).map_err(|_| refused())
}

fn hexadecimal(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| u8::try_from(char::from(byte?).to_digit(16)?).ok();
    Some(digit(high)? * 16 + digit(low)?)
}
