//! The REST codec: decodes a request into a call, and encodes an answer or a fault as a body (contract section 2).
//!
//! | file | holds |
//! |---|---|
//! | this one | decoding of the path and the body of a request |
//! | `query` | mask, filter and limit in the query string; percent-decoding |
//! | `json` | conversion between JSON and the value tree |
//! | `encode` | encoding of answers and faults |
//!
//! In the format `.txt`, a scalar value is one line of text, and a list or an object is indented JSON. Arguments in the path are text; the
//! path has at most as many arguments as the method takes. Paths through relations, such as `getUsers/12/getParent`, are not supported.

mod encode;
mod json;
mod query;

pub use encode::{encode, encode_fault};

use super::call::{Arguments, Call};
use super::fault::Fault;
use super::table::{self, Method};
use super::value::Value;

/// Maximum length of a service or method name that a fault repeats, in characters.
const SHOWN: usize = 100;

/// The parts of an HTTP request that a call is decoded from.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// HTTP method: `GET`, `POST`, `PUT` or `DELETE`.
    pub verb: &'a str,
    /// The path after `/rest/v3.1/`, still percent-encoded.
    pub path: &'a str,
    /// The query string, still percent-encoded.
    pub query: Option<&'a str>,
    /// Body of the request.
    pub body: &'a [u8],
}

/// The format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON: the path ends with `.json`, or has no extension.
    Json,
    /// XML: the path ends with `.xml`.
    Xml,
    /// Plain text: the path ends with `.txt`.
    Text,
}

impl Format {
    /// Returns the format of the answer, by the extension of the path: JSON by default. Faults use this format too, even if the request is
    /// malformed.
    #[must_use]
    pub fn of(path: &str) -> Self {
        split_extension(trimmed(path)).1
    }
}

/// Decodes a request into a call and the format of the answer. The credential is in the HTTP headers, so the call's own credential is
/// `None`.
///
/// # Errors
/// - [`Fault::bad_request`] if the request is malformed.
/// - [`Fault::no_service`] or [`Fault::no_method`] if the service or the method does not exist.
pub fn decode(request: &Request<'_>) -> Result<(Call, Format), Fault> {
    let default = default_method(request.verb)?;
    let (path, format) = split_extension(trimmed(request.path));
    let mut parts = path.split('/').map(|part| query::percent_decoded(part, false));
    let service = parts.next().transpose()?.unwrap_or_default();
    let service = table::service(&service).ok_or_else(Fault::no_service)?;
    let mut next = parts.next().transpose()?;
    let id = next.as_deref().filter(|part| is_number(part)).map(read_id).transpose()?;
    if id.is_some() {
        next = parts.next().transpose()?;
    }
    let name = next.filter(|name| !name.is_empty());
    let method = find(service, name.as_deref().unwrap_or(default))?;
    let rest = parts.map(|part| part.map(Value::Text)).collect::<Result<Vec<_>, _>>()?;
    if method.takes_body_only() && !rest.is_empty() {
        let name = method.name;
        return Err(Fault::bad_request(format!(
            "{name} takes its arguments from the body only: POST {{\"parameters\": [...]}}, with no arguments in the path"
        )));
    }
    if rest.len() > method.parameters.len() {
        let most = method.parameters.len();
        return Err(Fault::bad_request(format!("{} takes at most {most} parameters", method.name)));
    }
    let body = if matches!(request.verb, "POST" | "PUT") { request.body } else { &[] };
    let arguments = Arguments::InOrder(parameters(body)?.unwrap_or(rest));
    let query::Read { mask, filter, limit } = query::read(request.query.unwrap_or_default())?;
    let (service, method) = (service.to_owned(), method.name.to_owned());
    Ok((Call { service, method, id, arguments, shown: None, mask, filter, limit }, format))
}

/// Removes the slashes at both ends of a path.
fn trimmed(path: &str) -> &str {
    path.trim_matches('/')
}

/// Returns a path without its extension, and the format that the extension means.
fn split_extension(path: &str) -> (&str, Format) {
    for (extension, format) in [(".json", Format::Json), (".xml", Format::Xml), (".txt", Format::Text)] {
        if let Some(path) = path.strip_suffix(extension) {
            return (path, format);
        }
    }
    (path, Format::Json)
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit())
}

fn read_id(digits: &str) -> Result<Value, Fault> {
    digits.parse().map(Value::Int).map_err(|_| Fault::bad_request("an id is a number of 64 bits"))
}

fn default_method(verb: &str) -> Result<&'static str, Fault> {
    match verb {
        "GET" => Ok("getObject"),
        "POST" => Ok("createObject"),
        "PUT" => Ok("editObject"),
        "DELETE" => Ok("deleteObject"),
        _ => Err(Fault::bad_request("the verb is GET, POST, PUT or DELETE")),
    }
}

/// Finds a method by its name; the `get` at the beginning of the name is optional.
fn find(service: &'static str, name: &str) -> Result<&'static Method, Fault> {
    let printable = |sign: char| if sign.is_control() { char::REPLACEMENT_CHARACTER } else { sign };
    let shown = || name.chars().take(SHOWN).map(printable).collect::<String>();
    let method = table::method_of(service, name).or_else(|| table::method_of(service, &format!("get{name}")));
    method.ok_or_else(|| Fault::no_method(&shown()))
}

/// Reads the arguments in the member `parameters` of a body; `None` if the body is empty or has no such member.
fn parameters(body: &[u8]) -> Result<Option<Vec<Value>>, Fault> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let Value::Struct(mut object) = json::read(body)? else {
        return Err(Fault::bad_request("the body is {\"parameters\": [...]}"));
    };
    let parameters = object.members.iter().position(|(name, _)| name == "parameters");
    match parameters.map(|at| object.members.swap_remove(at).1) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::List(list)) => Ok(Some(list)),
        Some(_) => Err(Fault::bad_request("\"parameters\" is a list")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::parse_iso;
    use crate::softlayer::call::{Limit, Mask, Reply};
    use crate::softlayer::value::Struct;

    const USER: &str = "SoftLayer_User_Customer";

    fn ask(verb: &str, path: &str, query: &str, body: &str) -> Result<(Call, Format), Fault> {
        decode(&Request { verb, path, query: Some(query), body: body.as_bytes() })
    }

    fn get(path: &str) -> Call {
        ask("GET", path, "", "").unwrap_or_else(|fault| panic!("{path}: {fault:?}")).0
    }

    fn posted(body: &str) -> Result<Arguments, Fault> {
        ask("POST", "SoftLayer_User_Customer/getPortalLoginToken.json", "", body).map(|(call, _)| call.arguments)
    }

    fn texts(texts: &[&str]) -> Arguments {
        Arguments::InOrder(texts.iter().map(|text| Value::from(*text)).collect())
    }

    #[test]
    fn every_way_to_name_a_method_finds_it() {
        for (verb, path, service, id, method) in [
            ("GET", "SoftLayer_User_Customer/1001/getObject.json", USER, Some(1001), "getObject"),
            ("GET", "SoftLayer_User_Customer/1001.json", USER, Some(1001), "getObject"),
            ("GET", "SoftLayer_User_Customer/1001", USER, Some(1001), "getObject"),
            ("GET", "/SoftLayer_User_Customer/1001/", USER, Some(1001), "getObject"),
            ("PUT", "SoftLayer_User_Customer/1001.json", USER, Some(1001), "editObject"),
            ("POST", "SoftLayer_User_Customer.json", USER, None, "createObject"),
            ("POST", "User_Customer", USER, None, "createObject"),
            ("GET", "SoftLayer_User_Customer_OpenIdConnect/7", USER, Some(7), "getObject"),
            (
                "GET",
                "SoftLayer_User_Customer/1001/ApiAuthenticationKeys.json",
                USER,
                Some(1001),
                "getApiAuthenticationKeys",
            ),
            ("GET", "SoftLayer_User_Customer/1001/apiAuthenticationKeys", USER, Some(1001), "getApiAuthenticationKeys"),
            (
                "GET",
                "SoftLayer_User_Customer/1003/addApiAuthenticationKey.json",
                USER,
                Some(1003),
                "addApiAuthenticationKey",
            ),
            ("GET", "SoftLayer_Account.json", "SoftLayer_Account", None, "getObject"),
            ("GET", "SoftLayer_Account/Users.xml", "SoftLayer_Account", None, "getUsers"),
            ("GET", "SoftLayer%5FAccount/get%55sers.txt", "SoftLayer_Account", None, "getUsers"),
            ("GET", "SoftLayer_Account/.json", "SoftLayer_Account", None, "getObject"),
        ] {
            let (call, _) = ask(verb, path, "", "").unwrap_or_else(|fault| panic!("{path}: {fault:?}"));
            assert_eq!((call.service.as_str(), call.method.as_str()), (service, method), "{path}");
            assert_eq!(call.id, id.map(Value::Int), "{path}");
            assert_eq!((call.arguments, call.shown), (texts(&[]), None), "{path}");
        }
    }

    #[test]
    fn the_extension_says_the_format() {
        for (path, format) in [
            ("SoftLayer_Account/getUsers", Format::Json),
            ("SoftLayer_Account/getUsers.json", Format::Json),
            ("SoftLayer_Account/getUsers.xml/", Format::Xml),
            ("SoftLayer_Account.txt", Format::Text),
            ("Nonexistent.xml", Format::Xml),
            ("", Format::Json),
        ] {
            assert_eq!(Format::of(path), format, "{path}");
            if path.starts_with("Soft") {
                assert_eq!(ask("GET", path, "", "").unwrap().1, format, "{path}");
            }
        }
        assert_eq!(ask("GET", "SoftLayer_Account/getUsers.json/x", "", "").unwrap_err().status, 404);
    }

    #[test]
    fn what_is_not_there_is_told() {
        for (verb, path, fault) in [
            ("GET", "Nonexistent.xml", Fault::no_service()),
            ("GET", "", Fault::no_service()),
            ("GET", ".json", Fault::no_service()),
            ("GET", "softlayer_account", Fault::no_service()),
            ("GET", "SoftLayer_Account/getHats", Fault::no_method("getHats")),
            ("DELETE", "SoftLayer_User_Customer/1001", Fault::no_method("deleteObject")),
            ("POST", "SoftLayer_Account", Fault::no_method("createObject")),
            ("GET", "SoftLayer_User_Customer/-1", Fault::no_method("-1")),
            ("GET", "SoftLayer_Account/%00", Fault::no_method("\u{FFFD}")),
        ] {
            assert_eq!(ask(verb, path, "", "").unwrap_err(), fault, "{verb} {path}");
        }
        for (verb, path) in [
            ("PATCH", "SoftLayer_Account"),
            ("HEAD", "SoftLayer_User_Customer/1003/addApiAuthenticationKey.json"),
            ("GET", "SoftLayer_User_Customer/99999999999999999999"),
            ("GET", "SoftLayer_Account/%ff"),
            ("GET", "SoftLayer_Account/%4"),
            ("GET", "SoftLayer_Account/%+1"),
            ("GET", "SoftLayer_Account/getUsers/12/getParent"),
        ] {
            let fault = ask(verb, path, "", "").unwrap_err();
            assert_eq!(
                (fault.code.as_str(), fault.status),
                ("SoftLayer_Exception_WebService_BadRequest", 400),
                "{path}"
            );
        }
        assert!(ask("GET", &format!("SoftLayer_Account/{}", "x".repeat(60_000)), "", "").unwrap_err().text.len() < 300);
    }

    #[test]
    fn arguments_stand_in_the_path_or_in_the_body() {
        let path = "SoftLayer_User_Customer/getPasswordRequirements/a%2Fb+c%20%C3%A9.json";
        assert_eq!(get(path).arguments, texts(&["a/b+c é"]));

        let read = posted("{\"parameters\": [\"SL1001\", \"PASSWORD\", null, null]}").unwrap();
        let expected = ["SL1001", "PASSWORD"].map(Value::from).into_iter().chain([Value::Null, Value::Null]);
        assert_eq!(read, Arguments::InOrder(expected.collect()));
        for body in ["", " \n", "{}", "{\"parameters\": []}", "{\"parameters\": null}", "{\"other\": [1]}"] {
            assert_eq!(posted(body).unwrap(), texts(&[]), "{body}");
        }
        let removed =
            ask("POST", "SoftLayer_User_Customer/removeApiAuthenticationKey.json", "", "{\"parameters\": [5004]}");
        assert_eq!(removed.unwrap().0.arguments, Arguments::InOrder(vec![Value::Int(5004)]));
        // The body of a GET is ignored.
        assert!(ask("GET", "SoftLayer_Account", "", "{").is_ok());
    }

    #[test]
    fn methods_that_change_something_or_take_a_secret_read_the_body_only() {
        let mut of_body = Vec::new();
        for method in table::METHODS {
            let id = if method.of_object { "/1001" } else { "" };
            let path = format!("{}{id}/{}", method.service, method.name);
            let with_argument = format!("{path}/secret.json");
            let refused = |verb: &str, path: &str| {
                let fault = ask(verb, path, "", "").err().filter(|fault| fault.text.contains("from the body only"));
                fault.is_some_and(|fault| fault.status == 400 && !fault.text.contains("secret"))
            };
            let expected = method.takes_body_only();
            for verb in ["GET", "POST", "PUT", "DELETE"] {
                assert_eq!(refused(verb, &with_argument), expected, "{verb} {with_argument}");
                // Clients send GET if they pass no arguments. Then the path holds no secret, and the method reports the missing argument.
                assert!(!refused(verb, &path), "{verb} {path}");
            }
            if expected {
                of_body.push(method.name);
            }
        }
        for name in [
            "getPortalLoginToken",
            "performExternalAuthentication",
            "getLoginToken",
            "validateAuthenticationToken",
            "isValidPortalPassword",
            "selfPasswordChange",
            "createUser",
            "createObject",
            "removeApiAuthenticationKey",
            "updateSecurityAnswers",
        ] {
            assert!(of_body.contains(&name), "{name}");
        }
        for name in ["getObject", "getUsers", "addApiAuthenticationKey", "getPasswordRequirements"] {
            assert!(!of_body.contains(&name), "{name}");
        }
    }

    #[test]
    fn json_becomes_values_in_the_order_in_which_it_comes() {
        let body = "{\"parameters\": [{\"z\": 1, \"a\": [true, 1.5, \"x\", null], \"complexType\": \"T\"}, -5]}";
        let list = Value::List(vec![Value::Bool(true), Value::Double(1.5), Value::from("x"), Value::Null]);
        let members = vec![("z".to_owned(), Value::Int(1)), ("a".to_owned(), list)];
        let object = Value::Struct(Struct { kind: Some("T".to_owned()), members });
        assert_eq!(posted(body).unwrap(), Arguments::InOrder(vec![object, Value::Int(-5)]));
    }

    #[test]
    fn a_body_that_cannot_be_read_is_refused() {
        let nested = |levels: usize| format!("{{\"parameters\": [{}{}]}}", "[".repeat(levels), "]".repeat(levels));
        assert!(posted(&nested(62)).is_ok());
        for body in [
            "{",
            "[]",
            "5",
            "{\"parameters\": {}}",
            "{\"parameters\": [}",
            "{\"parameters\": []} x",
            "{\"parameters\": [9223372036854775808]}",
            "{\"parameters\": [99999999999999999999999]}",
            "{\"parameters\": [1e400]}",
            "{\"parameters\": [{\"id\": 1, \"\\u0069d\": 2}]}",
            "{\"parameters\": [], \"parameters\": [1]}",
            "{\"parameters\": [\"\\ud800\"]}",
            &nested(63),
            &nested(100_000),
        ] {
            let fault = posted(body).unwrap_err();
            assert_eq!((fault.code.as_str(), fault.status), ("SoftLayer_Exception_WebService_BadRequest", 400));
        }
        let latin = Request { verb: "POST", path: USER, query: None, body: b"{\"parameters\": [\"\xe9\"]}" };
        assert_eq!(decode(&latin).unwrap_err().status, 400);
        let largest = posted("{\"parameters\": [9223372036854775807]}").unwrap();
        assert_eq!(largest, Arguments::InOrder(vec![Value::Int(i64::MAX)]));
    }

    #[test]
    fn the_query_says_mask_filter_and_limit_and_the_rest_is_ignored() {
        let query = "objectMask=mask%5Bid%2C%0A+++username%5D&resultLimit=10%2C5&authenticate=userId&authenticate=authToken&x&\
            objectFilter=%7B%22users%22%3A+%7B%22username%22%3A+%7B%22operation%22%3A+%22_%3D+SL1001%22%7D%7D%7D&objectMask=no&y=%ff";
        let (call, _) = ask("GET", "SoftLayer_Account/getUsers.json", query, "").unwrap();
        assert_eq!(call.mask, Some(Mask::Text("mask[id,\n   username]".to_owned())));
        assert_eq!(call.limit, Some(Limit { limit: Some(5), offset: 10 }));
        let users = call.filter.as_ref().and_then(Value::as_struct).and_then(|filter| filter.get("users"));
        let username = users.and_then(Value::as_struct).and_then(|users| users.get("username"));
        assert_eq!(username.and_then(Value::as_struct).unwrap().get("operation"), Some(&Value::from("_= SL1001")));
        assert_eq!(call.shown, None);

        for (query, limit) in [
            ("resultLimit=7", Some(Limit { limit: Some(7), offset: 0 })),
            ("resultLimit=3,0", Some(Limit { limit: None, offset: 3 })),
            ("resultLimit= 3 , 4 ", Some(Limit { limit: Some(4), offset: 3 })),
            ("resultLimit=", None),
            ("", None),
            ("objectMask=&objectFilter=&objectFilter=[]", None),
            ("objectFilter=null", None),
        ] {
            let (call, _) = ask("GET", "SoftLayer_Account/getUsers", query, "").unwrap();
            assert_eq!((call.limit, call.mask, call.filter), (limit, None, None), "{query}");
        }
        for query in [
            "resultLimit=x",
            "resultLimit=-1",
            "resultLimit=1,2,3",
            "objectFilter={",
            "objectFilter=5",
            "objectMask=%e9",
        ] {
            let fault = ask("GET", "SoftLayer_Account/getUsers", query, "").unwrap_err();
            assert_eq!(
                (fault.code.as_str(), fault.status),
                ("SoftLayer_Exception_WebService_BadRequest", 400),
                "{query}"
            );
        }
    }

    #[test]
    fn an_answer_is_a_bare_value_in_its_format() {
        let mut user = Struct::of(USER);
        user.put("username", "a<b>&\"c\"");
        user.put("createDate", parse_iso("2018-05-08T15:28:32.400-06:00").unwrap());
        user.put("roles", vec![Value::Int(1), Value::Null]);
        let list = Value::from(vec![Value::from(user)]);
        for (value, json, xml, text) in [
            (Value::Null, "null", "<root></root>", "null\n"),
            (Value::Bool(true), "true", "<root>true</root>", "true\n"),
            (Value::Int(5), "5", "<root>5</root>", "5\n"),
            (Value::from(""), "\"\"", "<root></root>", "\n"),
            (Value::from("a\u{0}\n"), "\"a\\u0000\\n\"", "<root>a\u{FFFD}\n</root>", "a\u{0}\n\n"),
            (Value::Double(f64::NAN), "null", "<root>NaN</root>", "NaN\n"),
            (Value::from(vec![]), "[]", "<root></root>", "[]\n"),
            (
                list,
                "[{\"username\":\"a<b>&\\\"c\\\"\",\"createDate\":\"2018-05-08T21:28:32+00:00\",\"roles\":[1,null]}]",
                "<root><item><username>a&lt;b&gt;&amp;\"c\"</username><createDate>2018-05-08T21:28:32+00:00</createDate>\
                <roles><item>1</item><item></item></roles></item></root>",
                "[\n  {\n    \"username\": \"a<b>&\\\"c\\\"\",\n    \"createDate\": \"2018-05-08T21:28:32+00:00\",\n    \"roles\": [\n      1,\n      null\n    ]\n  }\n]\n",
            ),
        ] {
            let reply = Reply::from(value);
            assert_eq!(encode(&reply, Format::Json), ("application/json", json.to_owned()));
            let xml = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{xml}");
            assert_eq!(encode(&reply, Format::Xml), ("application/xml", xml));
            assert_eq!(encode(&reply, Format::Text), ("text/plain; charset=utf-8", text.to_owned()));
        }
    }

    #[test]
    fn a_fault_is_told_with_its_text_and_the_name_of_an_exception() {
        for (fault, json) in [
            (Fault::no_service(), r#"{"error":"Service does not exist","code":"SoftLayer_Exception_Public"}"#),
            (
                Fault::no_method("x"),
                r#"{"error":"Function (\"x\") is not a valid method for this service.","code":"SoftLayer_Exception_Public"}"#,
            ),
            (
                Fault::no_init(),
                r#"{"error":"server error. invalid method init parameters","code":"SoftLayer_Exception_Public"}"#,
            ),
            (
                Fault::no_object("1"),
                r#"{"error":"Unable to find object with id of '1'.","code":"SoftLayer_Exception_ObjectNotFound"}"#,
            ),
            (
                Fault::new("SoftLayer_Exception", "Invalid API token.", 401),
                r#"{"error":"Access Denied. ","code":"SoftLayer_Exception_Public"}"#,
            ),
        ] {
            assert_eq!(encode_fault(&fault, Format::Json), ("application/json", json.to_owned()));
        }
        let (_, xml) = encode_fault(&Fault::no_service(), Format::Xml);
        let root = "<root><error>Service does not exist</error><code>SoftLayer_Exception_Public</code></root>";
        assert_eq!(xml, format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{root}"));
    }
}
