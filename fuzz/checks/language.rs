//! Properties of every mask, filter and REST request, whatever the input. The fuzz targets and the test suite share them.

use keytower::domain::clock::parse_iso;
use keytower::softlayer::call::{Arguments, Call, Mask, Reply};
use keytower::softlayer::fault::Fault;
use keytower::softlayer::filter::{self, Filter};
use keytower::softlayer::mask;
use keytower::softlayer::rest::{self, Format, Request};
use keytower::softlayer::types::Type;
use keytower::softlayer::value::{Struct, Value};
use serde_json::Value as Json;

const ACCOUNT: &str = "SoftLayer_Account";
const USER: &str = "SoftLayer_User_Customer";
const KEY: &str = "SoftLayer_User_Customer_ApiAuthentication";
const EVENT: &str = "SoftLayer_Event_Log";
const RESPONSE: &str = "SoftLayer_Container_Authentication_Response_Common";
const FORMATS: [Format; 3] = [Format::Json, Format::Xml, Format::Text];

fn kind(name: &str) -> &'static Type {
    Type::find(name).expect("a datatype")
}

/// Checks that a parsed mask, printed and parsed again, is the same tree, and that a rejected mask has a valid fault.
pub fn mask(text: &str) {
    for name in [ACCOUNT, USER, RESPONSE, EVENT] {
        match mask::read(&Mask::Text(text.to_owned()), kind(name)) {
            Ok(wanted) => {
                let printed = wanted.to_string();
                let again = mask::read(&Mask::Text(printed.clone()), kind(name));
                assert_eq!(again.as_ref(), Ok(&wanted), "{text:?} is printed as {printed:?}");
            }
            Err(fault) => told(&fault),
        }
    }
}

/// Checks that the result of a filter does not depend on the text of a key, and that no filter needs that text.
pub fn filter(json: &[u8]) {
    let Some(filter) = objects_of(json).filter else { return };
    for (relation, name) in
        [(Some("users"), USER), (Some("apiAuthenticationKeys"), KEY), (None, EVENT), (None, ACCOUNT)]
    {
        match filter::read(&filter, relation, kind(name)) {
            Ok(filter) => blind_to_keys(&filter),
            Err(fault) => told(&fault),
        }
    }
    if let Some(tree) = filter.as_struct() {
        tree.members.iter().filter_map(|(_, value)| value.as_text()).for_each(|text| opposites(&text));
    }
}

/// Parses a filter as a part of a request.
fn objects_of(json: &[u8]) -> Call {
    let encoded: String = json.iter().map(|byte| format!("%{byte:02X}")).collect();
    let query = format!("objectFilter={encoded}");
    let request = Request { verb: "GET", path: "SoftLayer_Account/getUsers", query: Some(&query), body: b"" };
    let nothing = Request { query: None, ..request };
    rest::decode(&request).or_else(|_| rest::decode(&nothing)).expect("a request without a query").0
}

fn blind_to_keys(filter: &Filter) {
    let needs = filter.needs().to_string();
    assert!(!needs.contains("authenticationKey"), "a filter needs {needs}");
    let [without, one, other] = [None, Some("0a"), Some("ff")].map(|text| rows(text));
    for ((a, b), c) in without.iter().zip(&one).zip(&other) {
        assert!(
            filter.matches(a) == filter.matches(b) && filter.matches(b) == filter.matches(c),
            "a key's text counts"
        );
    }
    let [without, one, other] = [without, one, other].map(|mut rows| {
        filter.sort(&mut rows);
        rows.iter().map(|row| row.as_struct().and_then(|row| row.get("id")).cloned()).collect::<Vec<_>>()
    });
    assert!(without == one && one == other, "rows are ordered by a key's text");
}

/// Checks that an operation and its opposite divide all rows between them, or are both rejected.
pub fn opposites(text: &str) {
    let rows = rows(Some("0a"));
    // One property of each type.
    for property in ["username", "id", "isMasterUserFlag", "createDate", "apiAuthenticationKeyCount"] {
        let signed = ["^=", "$=", "*=", "_=", "~"].map(|sign| (format!("{sign}{text}"), format!("!{sign} {text}")));
        let words = [("in", "not in"), ("in", &format!("!= {text}")), ("is null", "not null")]
            .map(|(form, opposite)| (form.to_owned(), opposite.to_owned()));
        for (form, opposite) in signed.into_iter().chain(words) {
            match (condition(property, &form, text), condition(property, &opposite, text)) {
                (Ok(passing), Ok(others)) => {
                    for row in &rows {
                        assert_ne!(passing.matches(row), others.matches(row), "{property}: {form:?} and {opposite:?}");
                    }
                }
                (form, opposite) => assert_eq!(form.err(), opposite.err(), "{property} and {text:?}"),
            }
        }
    }
}

/// Builds a filter on a property of a user; `data` is the option for the operations that take one.
fn condition(property: &str, operation: &str, data: &str) -> Result<Filter, Fault> {
    let mut option = Struct::default();
    option.put("name", "data");
    option.put("value", vec![Value::from(data)]);
    let mut condition = Struct::default();
    condition.put("operation", operation);
    condition.put("options", vec![Value::from(option)]);
    let mut root = Struct::default();
    root.put(property, condition);
    filter::read(&root.into(), None, kind(USER))
}

/// Returns rows that serve as users, keys and events, and whose keys have this text.
fn rows(text: Option<&str>) -> Vec<Value> {
    let key = |id: i64| {
        let mut key = Struct::of(KEY);
        key.put("id", id);
        key.put("ipAddressRestriction", "10.0.0.0/8");
        key.put("authenticationKey", text.map(|text| format!("{text}{id}")));
        key
    };
    let user = |id: i64, name: &str| {
        let mut user = key(id);
        user.put("username", name);
        user.put("createDate", parse_iso("2018-05-01T12:30:00.4Z"));
        user.put("isMasterUserFlag", id == 3);
        user.put("apiAuthenticationKeyCount", 10 - id);
        user.put("apiAuthenticationKeys", vec![Value::from(key(10 - id)), key(20 + id).into()]);
        user
    };
    let mut parent = user(3, "SL1003");
    parent.put("childUsers", vec![Value::from(user(2, "sl1002"))]);
    let mut child = user(1, "été");
    child.put("parent", parent.clone());
    child.put("users", vec![Value::from(parent.clone())]);
    let mut nameless = Struct::of(USER);
    nameless.put("id", 4);
    [parent, child, user(2, "sl1002"), nameless].map(Value::from).to_vec()
}

/// Checks that a request is parsed or rejected, that its values can be written in every format, and that the JSON parses to the same
/// values.
pub fn rest(text: &[u8]) {
    let (line, body) = match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, &[][..]),
    };
    let Ok(line) = std::str::from_utf8(line) else { return };
    let (verb, target) = line.split_once(' ').unwrap_or(("GET", line));
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    match rest::decode(&Request { verb, path, query, body }) {
        Ok((call, format)) => {
            assert_eq!(format, Format::of(path));
            assert!(call.shown.is_none());
            if let Arguments::InOrder(list) = call.arguments {
                reads_as_written(list);
            }
            written(&call.filter.unwrap_or(Value::Null).into());
        }
        Err(fault) => told(&fault),
    }
}

/// Checks that an answer can be written in every format; returns its JSON.
fn written(reply: &Reply) -> String {
    let [json, xml, text] = FORMATS.map(|format| rest::encode(reply, format).1);
    serde_json::from_str::<Json>(&json).expect("JSON");
    well_formed(&xml);
    assert!(!text.is_empty());
    json
}

fn reads_as_written(list: Vec<Value>) {
    let doubles = list.iter().any(has_double);
    let json = written(&Value::List(list).into());
    let body = format!("{{\"parameters\": {json}}}");
    let request = Request { verb: "POST", path: "User_Customer", query: None, body: body.as_bytes() };
    let again = rest::decode(&request).map(|(call, _)| call.arguments);
    let Ok(Arguments::InOrder(again)) = again else { panic!("{body} reads as {again:?}") };
    // The last digit of a double may differ.
    if !doubles {
        assert_eq!(written(&Value::List(again).into()), json);
    }
}

fn has_double(value: &Value) -> bool {
    match value {
        Value::Double(_) => true,
        Value::List(list) => list.iter().any(has_double),
        Value::Struct(object) => object.members.iter().any(|(_, value)| has_double(value)),
        _ => false,
    }
}

/// Checks that a fault is short and can be written in every format.
fn told(fault: &Fault) {
    assert!(!fault.text.is_empty() && fault.text.len() < 1_000, "{fault:?}");
    let [json, xml, text] = FORMATS.map(|format| rest::encode_fault(fault, format).1);
    let json: Json = serde_json::from_str(&json).expect("JSON");
    assert!(json["error"].is_string() && json["code"].as_str().is_some_and(|code| code.starts_with("SoftLayer_")));
    well_formed(&xml);
    assert!(!text.is_empty());
}

fn well_formed(xml: &str) {
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut depth = 0_usize;
    loop {
        match reader.read_event().expect("XML") {
            quick_xml::events::Event::Start(_) => depth += 1,
            quick_xml::events::Event::End(_) => depth -= 1,
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0, "{xml}");
    let allowed = |sign: char| !sign.is_control() || "\t\n".contains(sign) || ('\u{7F}'..='\u{9F}').contains(&sign);
    assert!(xml.chars().all(allowed), "{xml:?}");
}
