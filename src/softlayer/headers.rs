//! Reads the headers inside a call: the struct `headers` in XML-RPC, and the envelope's header in SOAP (contract sections 1.1, 3.1, 4).

use super::call::{Call, Limit, Mask, Shown};
use super::fault::Fault;
use super::value::{Struct, Value};

/// A supported header. In a call, the name of a service may stand before the name of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    Authenticate,
    Limit,
    Init,
    Mask,
    Filter,
}

impl Header {
    fn named(name: &str) -> Option<Self> {
        match name {
            "authenticate" => Some(Self::Authenticate),
            "resultLimit" => Some(Self::Limit),
            _ if name.ends_with("InitParameters") => Some(Self::Init),
            _ if name.ends_with("ObjectMask") => Some(Self::Mask),
            _ if name.ends_with("ObjectFilter") => Some(Self::Filter),
            _ => None,
        }
    }
}

/// Returns true if a header is supported. Calls may have other headers, which are ignored.
pub(super) fn is_known(name: &str) -> bool {
    Header::named(name).is_some()
}

/// Puts headers into a call. If two headers set the same field, the later header wins, except that a text mask wins over a tree mask.
///
/// # Errors
/// - [`Fault::no_init`] if the id of the object is malformed.
/// - [`Fault::invalid`] if the limit is malformed.
pub(super) fn read(call: &mut Call, headers: Vec<(String, Value)>) -> Result<(), Fault> {
    for (name, value) in headers {
        match Header::named(&name) {
            Some(Header::Authenticate) => call.shown = Some(shown(&value)),
            Some(Header::Limit) => call.limit = limit(&value)?,
            Some(Header::Init) => call.id = id(value)?,
            Some(Header::Mask) => call.mask = stronger(call.mask.take(), mask(value)),
            Some(Header::Filter) => call.filter = Some(value).filter(|filter| !is_empty(filter)),
            None => {}
        }
    }
    Ok(())
}

/// Reads a credential: a portal token or, without one, a username and a key. Ignores `complexType`, which clients omit or set wrongly.
fn shown(header: &Value) -> Shown {
    let Some(header) = header.as_struct() else { return Shown::Incomplete };
    let text = |name| header.get(name).and_then(Value::as_text).filter(|text| !text.is_empty());
    if let (Some(user), Some(hash)) = (text("userId"), text("authToken")) {
        return user.trim().parse().map_or(Shown::Incomplete, |user| Shown::Token { user, hash });
    }
    match (text("username"), text("apiKey")) {
        (Some(username), Some(secret)) => Shown::Key { username, secret },
        _ => Shown::Incomplete,
    }
}

fn limit(header: &Value) -> Result<Option<Limit>, Fault> {
    if is_empty(header) {
        return Ok(None);
    }
    let wrong = || Fault::invalid("resultLimit is allowed to have limit and offset, each a whole number from 0");
    let header = header.as_struct().ok_or_else(wrong)?;
    let number = |name| match header.get(name) {
        Some(value) if !is_empty(value) => value.as_int().and_then(|number| u64::try_from(number).ok()).map(Some),
        _ => Some(None),
    };
    let (limit, offset) = number("limit").zip(number("offset")).ok_or_else(wrong)?;
    Ok(Some(Limit { limit, offset: offset.unwrap_or_default() }))
}

/// Reads the id of an object: a number, or the text of a global identifier.
fn id(header: Value) -> Result<Option<Value>, Fault> {
    if is_empty(&header) {
        return Ok(None);
    }
    let header = header.as_struct().ok_or_else(Fault::no_init)?;
    let mut given = ["id", "globalIdentifier"].into_iter().filter_map(|name| header.get(name));
    let Some(given) = given.find(|value| !is_empty(value)) else { return Ok(None) };
    let number = given.as_int().map(Value::Int);
    number.or_else(|| given.as_text().map(Value::Text)).map(Some).ok_or_else(Fault::no_init)
}

fn mask(header: Value) -> Option<Mask> {
    let inside = match header {
        Value::Struct(Struct { members, .. }) => members.into_iter().find(|(name, _)| name == "mask")?.1,
        other => other,
    };
    match inside {
        Value::Text(text) if !text.trim().is_empty() => Some(Mask::Text(text)),
        Value::Struct(tree) if !tree.members.is_empty() => Some(Mask::Tree(tree.into())),
        _ => None,
    }
}

fn stronger(before: Option<Mask>, new: Option<Mask>) -> Option<Mask> {
    match (before, new) {
        (before, None) | (before @ Some(Mask::Text(_)), Some(Mask::Tree(_))) => before,
        (_, new) => new,
    }
}

/// Returns true if a value is empty: null, blank text, an empty list or an empty struct. PHP sends an empty list for a struct without
/// members, and SOAP clients send empty text.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.trim().is_empty(),
        Value::List(list) => list.is_empty(),
        Value::Struct(object) => object.members.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::softlayer::call::Arguments;

    fn object(members: &[(&str, Value)]) -> Value {
        let members = members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Struct { kind: None, members }.into()
    }

    fn with(headers: &[(&str, Value)]) -> Result<Call, Fault> {
        let mut call = Call {
            service: "SoftLayer_Account".to_owned(),
            method: "getObject".to_owned(),
            id: None,
            arguments: Arguments::InOrder(Vec::new()),
            shown: None,
            mask: None,
            filter: None,
            limit: None,
        };
        read(&mut call, headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())?;
        Ok(call)
    }

    fn shown_in(members: &[(&str, Value)]) -> Shown {
        with(&[("authenticate", object(members))]).unwrap().shown.unwrap()
    }

    #[test]
    fn a_user_and_a_key_are_shown() {
        let key = || Shown::Key { username: "SL1001".to_owned(), secret: "k".to_owned() };
        assert!(shown_in(&[("username", "SL1001".into()), ("apiKey", "k".into())]) == key());
        let with_empty_token = [
            ("userId", "".into()),
            ("authToken", "".into()),
            ("username", "SL1001".into()),
            ("apiKey", "k".into()),
            ("complexType", "PortalLoginToken".into()),
        ];
        assert!(shown_in(&with_empty_token) == key());
    }

    #[test]
    fn a_token_is_known_by_its_members() {
        let token = || Shown::Token { user: 1001, hash: "h".to_owned() };
        for user in [Value::Int(1001), "1001".into(), " 1001 ".into()] {
            assert!(shown_in(&[("userId", user), ("authToken", "h".into())]) == token());
        }
        let with_empty_key =
            [("username", "".into()), ("apiKey", "".into()), ("userId", Value::Int(1001)), ("authToken", "h".into())];
        assert!(shown_in(&with_empty_key) == token());
    }

    #[test]
    fn a_header_without_a_credential_in_full_is_incomplete() {
        for members in [
            vec![],
            vec![("username", "SL1001".into())],
            vec![("apiKey", "k".into())],
            vec![("username", "SL1001".into()), ("apiKey", "".into())],
            vec![("username", Value::Null), ("apiKey", "k".into())],
            vec![("userId", Value::Int(1)), ("apiKey", "k".into())],
            vec![("userId", "x".into()), ("authToken", "h".into())],
            vec![("userId", "99999999999999999999".into()), ("authToken", "h".into())],
            vec![("username", Value::List(vec![])), ("apiKey", object(&[]))],
        ] {
            assert!(shown_in(&members) == Shown::Incomplete, "{members:?}");
        }
        for header in [Value::Null, "".into(), Value::List(vec![]), true.into()] {
            assert!(with(&[("authenticate", header)]).unwrap().shown == Some(Shown::Incomplete));
        }
        assert!(with(&[]).unwrap().shown.is_none());
    }

    #[test]
    fn an_id_is_a_number_or_a_global_identifier() {
        let id = |members: &[(&str, Value)]| {
            with(&[("SoftLayer_AccountInitParameters", object(members))]).map(|call| call.id)
        };
        assert_eq!(id(&[("id", Value::Int(5))]).unwrap(), Some(Value::Int(5)));
        assert_eq!(id(&[("id", "5".into())]).unwrap(), Some(Value::Int(5)));
        assert_eq!(id(&[("id", "x-1".into())]).unwrap(), Some("x-1".into()));
        assert_eq!(id(&[("id", "".into()), ("globalIdentifier", "x-1".into())]).unwrap(), Some("x-1".into()));
        assert_eq!(id(&[("id", Value::Null)]).unwrap(), None);
        assert_eq!(id(&[]).unwrap(), None);
        assert_eq!(id(&[("id", true.into())]).unwrap_err(), Fault::no_init());
        assert_eq!(id(&[("id", object(&[("id", Value::Int(1))]))]).unwrap_err(), Fault::no_init());
        let bare = with(&[("SoftLayer_AccountInitParameters", Value::Int(5))]);
        assert_eq!(bare.unwrap_err(), Fault::no_init());
    }

    #[test]
    fn a_mask_is_text_or_a_tree() {
        let tree = object(&[("id", Value::List(vec![])), ("parent", object(&[("username", "".into())]))]);
        let text = || Some(Mask::Text("mask[id]".to_owned()));
        for name in ["SoftLayer_ObjectMask", "ObjectMask", "SoftLayer_AccountObjectMask"] {
            let mask = |value: Value| with(&[(name, value)]).unwrap().mask;
            assert_eq!(mask(object(&[("mask", "mask[id]".into())])), text(), "{name}");
            assert_eq!(mask("mask[id]".into()), text(), "{name}");
            assert_eq!(mask(object(&[("mask", tree.clone())])), Some(Mask::Tree(tree.clone())), "{name}");
            for nothing in [Value::Null, "".into(), " ".into(), Value::List(vec![]), object(&[])] {
                assert_eq!(mask(object(&[("mask", nothing.clone())])), None, "{name}");
                assert_eq!(mask(nothing), None, "{name}");
            }
        }
        let text_header = ("SoftLayer_ObjectMask", object(&[("mask", "mask[id]".into())]));
        let tree_header = ("SoftLayer_AccountObjectMask", object(&[("mask", tree)]));
        assert_eq!(with(&[text_header.clone(), tree_header.clone()]).unwrap().mask, text());
        assert_eq!(with(&[tree_header, text_header]).unwrap().mask, text());
    }

    #[test]
    fn a_filter_is_handed_on_where_it_has_members() {
        let filter = object(&[("users", object(&[("username", object(&[("operation", "_= SL1001".into())]))]))]);
        assert_eq!(with(&[("SoftLayer_AccountObjectFilter", filter.clone())]).unwrap().filter, Some(filter));
        for nothing in [Value::Null, Value::List(vec![]), object(&[]), "".into()] {
            assert_eq!(with(&[("SoftLayer_AccountObjectFilter", nothing)]).unwrap().filter, None);
        }
    }

    #[test]
    fn a_limit_counts_from_zero() {
        let limit = |members: &[(&str, Value)]| with(&[("resultLimit", object(members))]).map(|call| call.limit);
        let is = |limit, offset| Some(Limit { limit, offset });
        assert_eq!(limit(&[("limit", Value::Int(5)), ("offset", Value::Int(10))]).unwrap(), is(Some(5), 10));
        assert_eq!(limit(&[("limit", "5".into())]).unwrap(), is(Some(5), 0));
        assert_eq!(limit(&[("limit", Value::Int(0)), ("offset", Value::Null)]).unwrap(), is(Some(0), 0));
        assert_eq!(limit(&[("offset", Value::Int(3))]).unwrap(), is(None, 3));
        assert_eq!(limit(&[]).unwrap(), None);
        for wrong in [Value::Int(-1), "x".into(), "1.5".into(), true.into(), Value::List(vec![Value::Int(1)])] {
            let code = "SoftLayer_Exception_InvalidValue";
            assert_eq!(limit(&[("limit", wrong.clone())]).unwrap_err().code, code, "{wrong:?}");
            assert_eq!(
                limit(&[("limit", Value::Int(1)), ("offset", wrong.clone())]).unwrap_err().code,
                code,
                "{wrong:?}"
            );
        }
        assert!(with(&[("resultLimit", Value::Int(5))]).is_err());
    }

    #[test]
    fn other_headers_are_ignored() {
        let call =
            with(&[("User-Agent", "x".into()), ("employeesession", true.into()), ("clientLegacySession", Value::Null)]);
        let call = call.unwrap();
        assert!(call.shown.is_none() && call.id.is_none() && call.mask.is_none());
        assert!(call.filter.is_none() && call.limit.is_none());
    }
}
