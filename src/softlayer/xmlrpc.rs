//! The XML-RPC codec (contract section 1): decodes bytes into a call, and encodes an answer as text.
//!
//! A body that is not XML gets the fault `-32700` or `-32701`. Any other malformed call gets the fault `-32600`; a malformed value or a
//! struct with two members of the same name makes a call malformed. `system.multicall` has no special meaning; it is an unknown method.

use super::call::{Arguments, Call};
use super::fault::Fault;
use super::value::{Struct, Value, date_text};
use super::xml::{self, Element, Writer};
use super::{headers, scalar};

/// Maximum length of a method name, in bytes.
const LONGEST_NAME: usize = 100;

/// Decodes a request body into a call.
///
/// # Errors
/// The errors of [`xml::read`], the errors for malformed headers, and [`Fault::no_call`] if the body is not a well-formed call.
pub fn decode(service: &str, body: &[u8]) -> Result<Call, Fault> {
    let (method, mut values) = method_call(xml::read(body)?)?;
    let mut call = Call {
        service: service.to_owned(),
        method,
        id: None,
        arguments: Arguments::InOrder(Vec::new()),
        shown: None,
        mask: None,
        filter: None,
        limit: None,
    };
    if let Some(given) = take_headers(&mut values)? {
        headers::read(&mut call, given)?;
    }
    call.arguments = Arguments::InOrder(values);
    Ok(call)
}

/// Returns the name of the method, and the values of all parameters.
fn method_call(root: Element) -> Result<(String, Vec<Value>), Fault> {
    if root.name != "methodCall" {
        return Err(Fault::no_call("it is no <methodCall>"));
    }
    let (mut method, mut params) = (None, None);
    for part in root.children {
        match part.name.as_str() {
            "methodName" if method.is_none() => method = Some(text(part)?),
            "params" if params.is_none() => params = Some(part.children),
            _ => return Err(Fault::no_call("a <methodCall> has one <methodName> and one <params>")),
        }
    }
    let method = method.map(|method| method.trim().to_owned()).filter(|method| !method.is_empty());
    let method = method.ok_or_else(|| Fault::no_call("a <methodCall> has a <methodName>"))?;
    if method.len() > LONGEST_NAME {
        return Err(Fault::no_call(format_args!("a <methodName> has at most {LONGEST_NAME} bytes")));
    }
    let values = params.unwrap_or_default().into_iter().map(|param| match param.name.as_str() {
        "param" => only(param, "value").and_then(value),
        _ => Err(Fault::no_call("<params> has <param> only")),
    });
    Ok((method, values.collect::<Result<_, _>>()?))
}

/// Removes the first value if it is a struct with a member `headers`, and returns the headers.
fn take_headers(values: &mut Vec<Value>) -> Result<Option<Vec<(String, Value)>>, Fault> {
    let Some(Value::Struct(first)) = values.first() else { return Ok(None) };
    if first.get("headers").is_none() {
        return Ok(None);
    }
    let Value::Struct(first) = values.remove(0) else { return Ok(None) };
    let given = first.members.into_iter().find(|(name, _)| name == "headers").map(|(_, given)| given);
    match given {
        Some(Value::Struct(given)) => Ok(Some(given.members)),
        // PHP sends null or an empty list if there are no headers.
        None | Some(Value::Null) => Ok(None),
        Some(Value::List(list)) if list.is_empty() => Ok(None),
        Some(_) => Err(Fault::no_call("`headers` is a struct")),
    }
}

/// Converts a `<value>` element to a value.
fn value(element: Element) -> Result<Value, Fault> {
    let mut inside = element.children.into_iter();
    let Some(typed) = inside.next() else { return Ok(Value::Text(element.text)) };
    if inside.next().is_some() {
        return Err(Fault::no_call("a <value> holds one value"));
    }
    let read = match typed.name.as_str() {
        "string" => return text(typed).map(Value::Text),
        "nil" => return text(typed).map(|_| Value::Null),
        "array" => return array(typed),
        "struct" => return object(typed).map(Value::Struct),
        "int" | "i4" | "i8" => scalar::int,
        "boolean" => scalar::bool,
        "double" => scalar::double,
        "dateTime.iso8601" => scalar::date,
        "base64" => scalar::base64,
        _ => {
            return Err(Fault::no_call(
                "a <value> is an <int>, <i4>, <i8>, <boolean>, <string>, <double>, <nil/>, <array>, <struct>, <base64> or \
                 <dateTime.iso8601>",
            ));
        }
    };
    let name = typed.name.clone();
    read(&text(typed)?).map_err(|allowed| Fault::no_call(format_args!("in <{name}> {allowed}")))
}

fn array(element: Element) -> Result<Value, Fault> {
    let items = only(element, "data")?.children.into_iter().map(|item| match item.name.as_str() {
        "value" => value(item),
        _ => Err(Fault::no_call("<data> has <value> only")),
    });
    items.collect::<Result<_, _>>().map(Value::List)
}

/// Converts a `<struct>` element to an object. A text member `complexType` is the name of the object's datatype, like `xsi:type` in SOAP,
/// and is removed from the members.
fn object(element: Element) -> Result<Struct, Fault> {
    let members = element.children.into_iter().map(member).collect::<Result<Vec<_>, _>>()?;
    scalar::once(&members).map_err(|allowed| Fault::no_call(format_args!("in <struct> {allowed}")))?;
    let mut object = Struct { kind: None, members };
    if let Some(Value::Text(kind)) = object.get("complexType") {
        object.kind = Some(kind.clone());
        object.members.retain(|(name, _)| name != "complexType");
    }
    Ok(object)
}

fn member(element: Element) -> Result<(String, Value), Fault> {
    let wrong = || Fault::no_call("a <struct> has <member> only, with one <name> and one <value>");
    if element.name != "member" || element.children.len() != 2 {
        return Err(wrong());
    }
    let (mut name, mut content) = (None, None);
    for part in element.children {
        match part.name.as_str() {
            "name" => name = Some(text(part)?),
            "value" => content = Some(value(part)?),
            _ => return Err(wrong()),
        }
    }
    name.zip(content).ok_or_else(wrong)
}

/// Returns the only child of an element; the child must have the given name.
fn only(element: Element, name: &str) -> Result<Element, Fault> {
    let outer = element.name;
    let mut inside = element.children.into_iter();
    match (inside.next(), inside.next()) {
        (Some(inner), None) if inner.name == name => Ok(inner),
        _ => Err(Fault::no_call(format_args!("<{outer}> has one <{name}>"))),
    }
}

/// Returns the text of an element, which must not have children.
fn text(element: Element) -> Result<String, Fault> {
    if element.children.is_empty() {
        return Ok(element.text);
    }
    Err(Fault::no_call("there are elements where text is allowed only"))
}

/// Encodes an answer. Leaves out members of an object with the value [`Value::Null`]; elsewhere null becomes `<nil/>`.
#[must_use]
pub fn encode(reply: &Value) -> String {
    let mut writer = Writer::default();
    writer.element("methodResponse", &[], |writer| {
        writer.element("params", &[], |writer| writer.element("param", &[], |writer| write_value(writer, reply)));
    });
    writer.finish()
}

/// Encodes a fault. The code is always encoded as text, even if it is a number: clients compare codes as text.
#[must_use]
pub fn encode_fault(fault: &Fault) -> String {
    let mut told = Struct::default();
    told.put("faultCode", fault.code.as_str());
    told.put("faultString", fault.text.as_str());
    let mut writer = Writer::default();
    writer.element("methodResponse", &[], |writer| {
        writer.element("fault", &[], |writer| write_value(writer, &told.into()));
    });
    writer.finish()
}

fn write_value(writer: &mut Writer, value: &Value) {
    writer.element("value", &[], |writer| match value {
        Value::Bool(truth) => writer.leaf("boolean", &[], if *truth { "1" } else { "0" }),
        Value::Int(number) => writer.leaf("int", &[], &number.to_string()),
        Value::Double(number) if number.is_finite() => writer.leaf("double", &[], &number.to_string()),
        Value::Null | Value::Double(_) => writer.leaf("nil", &[], ""),
        Value::Text(text) => writer.leaf("string", &[], text),
        Value::Date(moment) => writer.leaf("string", &[], &date_text(moment)),
        Value::List(list) => writer.element("array", &[], |writer| {
            writer.element("data", &[], |writer| list.iter().for_each(|item| write_value(writer, item)));
        }),
        Value::Struct(object) => writer.element("struct", &[], |writer| {
            object.members.iter().filter(|(_, value)| !value.is_null()).for_each(|member| write_member(writer, member));
        }),
    });
}

fn write_member(writer: &mut Writer, (name, value): &(String, Value)) {
    writer.element("member", &[], |writer| {
        writer.leaf("name", &[], name);
        write_value(writer, value);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::parse_iso;
    use crate::softlayer::call::{Limit, Mask, Shown};

    const SERVICE: &str = "SoftLayer_User_Customer";
    const LOGIN: &str = "<?xml version='1.0' encoding='iso-8859-1'?><methodCall><methodName>getPortalLoginToken</methodName><params>\n\
        <param><value><struct><member><name>headers</name><value><struct></struct></value></member></struct></value></param>\n\
        <param><value><string>SL1001</string></value></param><param><value><string>PÄSSWORD</string></value></param>\n\
        <param><value><nil/></value></param><param><value><nil/></value></param></params></methodCall>";

    fn call(params: &[&str]) -> Result<Call, Fault> {
        let params: String = params.iter().map(|param| format!("<param><value>{param}</value></param>")).collect();
        let body = format!("<methodCall><methodName>m</methodName><params>{params}</params></methodCall>");
        decode(SERVICE, body.as_bytes())
    }

    fn argument(content: &str) -> Value {
        let Arguments::InOrder(mut values) = call(&[content]).unwrap().arguments else { panic!("they are named") };
        values.remove(0)
    }

    fn refused(content: &str) -> Fault {
        call(&[content]).unwrap_err()
    }

    fn object(members: &[(&str, &str)]) -> String {
        let member =
            |(name, value): &(&str, &str)| format!("<member><name>{name}</name><value>{value}</value></member>");
        format!("<struct>{}</struct>", members.iter().map(member).collect::<String>())
    }

    fn values(members: &[(&str, Value)]) -> Struct {
        Struct {
            kind: None,
            members: members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        }
    }

    #[test]
    fn the_call_of_the_python_client_is_read() {
        let call = decode(SERVICE, LOGIN.as_bytes()).unwrap();
        assert_eq!((call.service.as_str(), call.method.as_str()), (SERVICE, "getPortalLoginToken"));
        let arguments = vec!["SL1001".into(), "PÄSSWORD".into(), Value::Null, Value::Null];
        assert_eq!(call.arguments, Arguments::InOrder(arguments));
        assert!(call.shown.is_none() && call.id.is_none() && call.mask.is_none());
        assert!(call.filter.is_none() && call.limit.is_none());
    }

    #[test]
    fn a_client_that_sends_latin_1_is_understood_as_well() {
        let latin: Vec<u8> = LOGIN.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect();
        let arguments = decode(SERVICE, &latin).unwrap().arguments;
        assert_eq!(arguments, decode(SERVICE, LOGIN.as_bytes()).unwrap().arguments);
    }

    #[test]
    fn headers_are_read_and_taken_away() {
        let headers = object(&[
            ("User-Agent", "softlayer-go"),
            ("authenticate", &object(&[("username", "SL1001"), ("apiKey", "<string>k</string>")])),
            ("SoftLayer_User_CustomerInitParameters", &object(&[("id", "<int>1001</int>")])),
            ("SoftLayer_ObjectMask", &object(&[("mask", "mask[id,\n  username]")])),
            ("SoftLayer_User_CustomerObjectFilter", &object(&[("id", &object(&[("operation", "<int>5</int>")]))])),
            ("resultLimit", &object(&[("limit", "<int>2</int>"), ("offset", "<int>4</int>")])),
        ]);
        let call = call(&[&object(&[("headers", &headers)]), "<int>7</int>"]).unwrap();
        assert!(call.shown == Some(Shown::Key { username: "SL1001".to_owned(), secret: "k".to_owned() }));
        assert_eq!(call.id, Some(Value::Int(1001)));
        assert_eq!(call.mask, Some(Mask::Text("mask[id,\n  username]".to_owned())));
        let operation = values(&[("operation", Value::Int(5))]);
        assert_eq!(call.filter, Some(values(&[("id", operation.into())]).into()));
        assert_eq!(call.limit, Some(Limit { limit: Some(2), offset: 4 }));
        assert_eq!(call.arguments, Arguments::InOrder(vec![Value::Int(7)]));
    }

    #[test]
    fn a_legacy_mask_is_a_tree() {
        let leaf = "<array><data/></array>";
        let mask = object(&[("mask", &object(&[("id", leaf), ("parent", &object(&[("username", "")]))]))]);
        let headers = object(&[("headers", &object(&[("SoftLayer_User_CustomerObjectMask", &mask)]))]);
        let tree = values(&[("id", Value::List(vec![])), ("parent", values(&[("username", "".into())]).into())]);
        assert_eq!(call(&[&headers]).unwrap().mask, Some(Mask::Tree(tree.into())));
    }

    #[test]
    fn a_first_value_without_headers_is_an_argument() {
        for first in ["SL1001", "<nil/>", &object(&[]), &object(&[("username", "x")]), "<array><data/></array>"] {
            let Arguments::InOrder(values) = call(&[first, "y"]).unwrap().arguments else { panic!("they are named") };
            assert_eq!(values.len(), 2, "{first}");
        }
        for none in ["<nil/>", "<array><data/></array>", "<struct/>"] {
            assert_eq!(call(&[&object(&[("headers", none)])]).unwrap().arguments, Arguments::InOrder(vec![]));
        }
        assert_eq!(refused(&object(&[("headers", "x")])).code, "-32600");
    }

    #[test]
    fn a_call_may_have_no_params() {
        for body in [
            "<methodCall><methodName> getObject\n</methodName></methodCall>",
            "<methodCall><methodName>getObject</methodName><params/></methodCall>",
            "<methodCall><params></params><methodName>getObject</methodName></methodCall>",
        ] {
            let call = decode(SERVICE, body.as_bytes()).unwrap();
            assert_eq!((call.method.as_str(), call.arguments), ("getObject", Arguments::InOrder(vec![])), "{body}");
        }
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let moment = parse_iso("2018-05-08T15:28:32Z").unwrap();
        for (content, value) in [
            ("text", "text".into()),
            (" text ", " text ".into()),
            ("", "".into()),
            ("<string/>", "".into()),
            ("<string> a<![CDATA[<]]>&amp; </string>", " a<& ".into()),
            ("<int>-1</int>", Value::Int(-1)),
            (" <i4>1</i4>\n", Value::Int(1)),
            ("<i8>9223372036854775807</i8>", Value::Int(i64::MAX)),
            ("<ex:i8 xmlns:ex='urn:ex'>1</ex:i8>", Value::Int(1)),
            ("<boolean>1</boolean>", true.into()),
            ("<boolean>0</boolean>", false.into()),
            ("<double>-0.5</double>", Value::Double(-0.5)),
            ("<nil/>", Value::Null),
            ("<dateTime.iso8601>20180508T15:28:32</dateTime.iso8601>", moment.into()),
            ("<base64>U0wx\nMDAx</base64>", "SL1001".into()),
            ("<array><data/></array>", Value::List(vec![])),
            ("<array><data><value>a</value><value><nil/></value></data></array>", vec!["a".into(), Value::Null].into()),
            ("<struct/>", Struct::default().into()),
        ] {
            assert_eq!(argument(content), value, "{content}");
        }
        let read = argument(&object(&[("b", "<int>1</int>"), ("a", "<nil/>"), ("", "x")]));
        assert_eq!(read, values(&[("b", Value::Int(1)), ("a", Value::Null), ("", "x".into())]).into());
    }

    #[test]
    fn a_complex_type_tells_the_datatype() {
        let Value::Struct(read) = argument(&object(&[("id", "x"), ("complexType", "SoftLayer_T")])) else {
            panic!("no struct")
        };
        assert_eq!(read, Struct { kind: Some("SoftLayer_T".to_owned()), ..values(&[("id", "x".into())]) });
    }

    #[test]
    fn values_that_cannot_be_read_are_refused_with_what_is_allowed_and_not_told_back() {
        for (content, allowed) in [
            (
                "<int>secret</int>",
                "in <int> a whole number from -9223372036854775808 to 9223372036854775807 is allowed",
            ),
            ("<i8>9223372036854775808</i8>", "in <i8> a whole number from"),
            ("<int/>", "in <int> a whole number"),
            ("<boolean>secret</boolean>", "in <boolean> 1, 0, true or false is allowed"),
            ("<double>1e999</double>", "in <double> a finite number is allowed"),
            ("<base64>secret!</base64>", "in <base64> Base64"),
            ("<dateTime.iso8601>secret</dateTime.iso8601>", "in <dateTime.iso8601> a moment is allowed"),
            ("<secret/>", "a <value> is an <int>"),
            ("<int>1</int><int>2</int>", "a <value> holds one value"),
            ("<int><int>1</int></int>", "elements where text is allowed only"),
            ("<string><b>x</b></string>", "elements where text is allowed only"),
            ("<array/>", "<array> has one <data>"),
            ("<array><data/><data/></array>", "<array> has one <data>"),
            ("<array><value/></array>", "<array> has one <data>"),
            ("<array><data><int>1</int></data></array>", "<data> has <value> only"),
            ("<struct><name>a</name></struct>", "a <struct> has <member> only"),
            ("<struct><member><name>a</name></member></struct>", "a <struct> has <member> only"),
            ("<struct><member><name>a</name><name>b</name></member></struct>", "a <struct> has <member> only"),
            ("<struct><member><value/><value/></member></struct>", "a <struct> has <member> only"),
            ("<struct><member><name>a</name><value/><value/></member></struct>", "a <struct> has <member> only"),
            (&object(&[("secret", "1"), ("secret", "2")]), "in <struct> each member is allowed once"),
        ] {
            let fault = refused(content);
            assert_eq!(fault.code, "-32600", "{content}");
            assert!(fault.text.contains(allowed) && !fault.text.contains("secret"), "{content}: {}", fault.text);
        }
    }

    #[test]
    fn what_is_no_call_is_refused() {
        for (body, code) in [
            ("", "-32700"),
            ("{}", "-32700"),
            ("<!DOCTYPE methodCall [<!ENTITY a 'a'>]><methodCall><methodName>&a;</methodName></methodCall>", "-32700"),
            ("<methodResponse/>", "-32600"),
            ("<methodCall/>", "-32600"),
            ("<methodCall><methodName/></methodCall>", "-32600"),
            ("<methodCall><methodName> </methodName></methodCall>", "-32600"),
            ("<methodCall><methodName>a</methodName><methodName>b</methodName></methodCall>", "-32600"),
            ("<methodCall><methodName><b/></methodName></methodCall>", "-32600"),
            ("<methodCall><methodName>a</methodName><params/><params/></methodCall>", "-32600"),
            ("<methodCall><methodName>a</methodName><x/></methodCall>", "-32600"),
            ("<methodCall><methodName>a</methodName><params><value/></params></methodCall>", "-32600"),
            ("<methodCall><methodName>a</methodName><params><param/></params></methodCall>", "-32600"),
        ] {
            assert_eq!(decode(SERVICE, body.as_bytes()).unwrap_err().code, code, "{body}");
        }
        assert_eq!(decode(SERVICE, b"<a>\xff</a>").unwrap_err(), Fault::unsupported_encoding());
        let long = format!("<methodCall><methodName>{}</methodName></methodCall>", "m".repeat(LONGEST_NAME + 1));
        assert_eq!(decode(SERVICE, long.as_bytes()).unwrap_err().code, "-32600");
    }

    #[test]
    fn structs_nested_by_the_thousand_and_large_ones_end_in_a_fault_or_a_value() {
        let open = "<struct><member><name>a</name><value>".repeat(10_000);
        let close = "</value></member></struct>".repeat(10_000);
        assert_eq!(refused(&format!("{open}{close}")).code, "-32700");
        let deep = "<struct><member><name>a</name><value>".repeat(19) + &"</value></member></struct>".repeat(19);
        assert!(argument(&deep).as_struct().is_some());
        let names: Vec<String> = (0..7_000).map(|n| format!("m{n}")).collect();
        let members: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        assert_eq!(argument(&object(&members)).as_struct().unwrap().members.len(), 7_000);
    }

    #[test]
    fn multicall_is_a_method_like_any_other() {
        let body = "<methodCall><methodName>system.multicall</methodName><params><param><value><array><data/></array></value></param>\
                    </params></methodCall>";
        let call = decode(SERVICE, body.as_bytes()).unwrap();
        assert_eq!(
            (call.method.as_str(), call.arguments),
            ("system.multicall", Arguments::InOrder(vec![Value::List(vec![])]))
        );
    }

    #[test]
    fn answers_are_written_as_clients_expect_them() {
        let mut user = Struct::of("SoftLayer_User_Customer");
        user.put("id", 1001);
        user.put("isMasterUserFlag", true);
        user.put("createDate", parse_iso("2018-05-08T15:28:32.5-06:00").unwrap());
        user.put("username", "SL<1001>\r");
        user.put("roles", Vec::new());
        user.members.push(("parentId".to_owned(), Value::Null));
        let list =
            Value::List(vec![user.into(), Value::Null, Value::Double(0.5), Value::Double(f64::NAN), false.into()]);
        let wanted = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse><params><param><value><array><data>\
            <value><struct>\
            <member><name>id</name><value><int>1001</int></value></member>\
            <member><name>isMasterUserFlag</name><value><boolean>1</boolean></value></member>\
            <member><name>createDate</name><value><string>2018-05-08T21:28:32+00:00</string></value></member>\
            <member><name>username</name><value><string>SL&lt;1001&gt;&#13;</string></value></member>\
            <member><name>roles</name><value><array><data/></array></value></member>\
            </struct></value>\
            <value><nil/></value><value><double>0.5</double></value><value><nil/></value><value><boolean>0</boolean></value>\
            </data></array></value></param></params></methodResponse>";
        assert_eq!(encode(&list), wanted);
        assert!(encode(&Value::Null).contains("<params><param><value><nil/></value></param></params>"));
    }

    #[test]
    fn the_code_of_a_fault_is_text() {
        let wanted = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse><fault><value><struct>\
            <member><name>faultCode</name><value><string>-32601</string></value></member>\
            <member><name>faultString</name><value><string>Function (\"&lt;x&gt;\") is not a valid method for this \
            service.</string></value></member></struct></value></fault></methodResponse>";
        assert_eq!(encode_fault(&Fault::no_method("<x>")), wanted);
    }
}
