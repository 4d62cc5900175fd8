//! Decodes a SOAP envelope into a call.

use crate::softlayer::call::{Arguments, Call};
use crate::softlayer::fault::Fault;
use crate::softlayer::value::{Struct, Value};
use crate::softlayer::xml::{self, Element};
use crate::softlayer::{headers, scalar};

/// Maximum length of a method name, in bytes.
const LONGEST_NAME: usize = 100;

/// Decodes a request body into a call.
///
/// # Errors
/// The errors of [`xml::read`], the errors for malformed headers, and [`Fault::bad_request`] if the body is not a well-formed call.
pub fn decode(service: &str, body: &[u8]) -> Result<Call, Fault> {
    let (header, method) = envelope(xml::read(body)?)?;
    if method.name.len() > LONGEST_NAME {
        return Err(Fault::bad_request(format_args!("the name of a method has at most {LONGEST_NAME} bytes")));
    }
    let mut call = Call {
        service: service.to_owned(),
        method: method.name,
        id: None,
        arguments: Arguments::Named(members(method.children)?),
        shown: None,
        mask: None,
        filter: None,
        limit: None,
    };
    let header = header.into_iter().filter(|part| headers::is_known(&part.name)).collect();
    headers::read(&mut call, members(header)?)?;
    Ok(call)
}

/// Returns the elements in the envelope's header, and the only element in the envelope's body.
fn envelope(root: Element) -> Result<(Vec<Element>, Element), Fault> {
    if root.name != "Envelope" {
        return Err(Fault::bad_request("it is no SOAP envelope"));
    }
    let (mut header, mut body) = (None, None);
    for part in root.children {
        match part.name.as_str() {
            "Header" if header.is_none() && body.is_none() => header = Some(part.children),
            "Body" if body.is_none() => body = Some(part.children),
            _ => return Err(Fault::bad_request("an envelope has one header at most, then one body")),
        }
    }
    let mut body = body.unwrap_or_default().into_iter();
    match (body.next(), body.next()) {
        (Some(method), None) => Ok((header.unwrap_or_default(), method)),
        _ => Err(Fault::bad_request("the body of an envelope has one element")),
    }
}

/// Converts elements to members of a struct; rejects duplicate names.
fn members(elements: Vec<Element>) -> Result<Vec<(String, Value)>, Fault> {
    let named = |mut element: Element| Ok((std::mem::take(&mut element.name), value(element)?));
    let members = elements.into_iter().map(named).collect::<Result<Vec<_>, Fault>>()?;
    scalar::once(&members).map_err(Fault::bad_request)?;
    Ok(members)
}

fn value(element: Element) -> Result<Value, Fault> {
    if element.nil {
        return Ok(Value::Null);
    }
    if is_list(&element) {
        return list(element);
    }
    if element.children.is_empty() {
        return leaf(element);
    }
    let kind = element.kind.filter(|kind| !matches!(kind.as_str(), "Struct" | "anyType"));
    Ok(Struct { kind, members: members(element.children)? }.into())
}

fn is_list(element: &Element) -> bool {
    let kind = element.kind.as_deref().unwrap_or_default();
    // Some clients name the elements of a list after the datatype of the elements.
    let is_item = |child: &Element| child.name == "item" || child.name.starts_with("SoftLayer_");
    let items = !element.children.is_empty() && element.children.iter().all(is_item);
    element.array || kind.ends_with("Array") || items
}

fn list(element: Element) -> Result<Value, Fault> {
    if !element.text.trim().is_empty() {
        return Err(Fault::bad_request("there is text in a list in place of items"));
    }
    element.children.into_iter().map(value).collect::<Result<_, _>>().map(Value::List)
}

/// Reads an element without children. The `xsi:type` decides: a simple type means a value of that type, a SoftLayer datatype means an empty
/// object, anything else means text.
fn leaf(element: Element) -> Result<Value, Fault> {
    let kind = element.kind.unwrap_or_default();
    let read = match kind.as_str() {
        "int" | "integer" | "long" | "short" | "byte" | "unsignedInt" | "unsignedLong" | "unsignedShort"
        | "unsignedByte" | "nonNegativeInteger" | "positiveInteger" | "nonPositiveInteger" | "negativeInteger" => {
            scalar::int
        }
        "boolean" => scalar::bool,
        "double" | "float" | "decimal" => scalar::double,
        "dateTime" => scalar::date,
        "base64Binary" | "base64" => scalar::base64,
        _ if kind.starts_with("SoftLayer_") && element.text.trim().is_empty() => return Ok(Struct::of(&kind).into()),
        _ => return Ok(Value::Text(element.text)),
    };
    read(&element.text).map_err(|allowed| Fault::bad_request(format_args!("in an element of type {kind} {allowed}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::parse_iso;
    use crate::softlayer::call::{Limit, Mask, Shown};

    const SERVICE: &str = "SoftLayer_User_Customer";

    fn call(header: &str, body: &str) -> Result<Call, Fault> {
        let envelope = "<soap-env:Envelope xmlns:soap-env='http://schemas.xmlsoap.org/soap/envelope/' \
                        xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xmlns:xsd='http://www.w3.org/2001/XMLSchema'>";
        let header = format!("<soap-env:Header>{header}</soap-env:Header>");
        let body = format!("{envelope}{header}<soap-env:Body>{body}</soap-env:Body></soap-env:Envelope>");
        decode(SERVICE, body.as_bytes())
    }

    fn argument(element: &str) -> Result<Value, Fault> {
        let Arguments::Named(mut values) = call("", &format!("<m>{element}</m>"))?.arguments else {
            panic!("no names")
        };
        Ok(values.remove(0).1)
    }

    fn object(kind: Option<&str>, members: &[(&str, Value)]) -> Value {
        let members = members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Struct { kind: kind.map(str::to_owned), members }.into()
    }

    #[test]
    fn the_call_of_the_python_client_is_read() {
        let body = r#"<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/"><soap-env:Header>
<ns0:authenticate xmlns:ns0="http://api.service.softlayer.com/soap/v3.1/"><ns0:username>U</ns0:username><ns0:apiKey>K</ns0:apiKey></ns0:authenticate>
<ns2:SoftLayer_User_CustomerInitParameters xmlns:ns2="urn:x"><id>1001</id></ns2:SoftLayer_User_CustomerInitParameters>
<ns1:SoftLayer_ObjectMask xmlns:ns1="urn:x"><ns1:mask>mask[id,username]</ns1:mask></ns1:SoftLayer_ObjectMask></soap-env:Header>
<soap-env:Body><ns0:getObject xmlns:ns0="http://api.service.softlayer.com/soap/v3.1/"/></soap-env:Body></soap-env:Envelope>"#;
        let call = decode(SERVICE, body.as_bytes()).unwrap();
        assert_eq!((call.service.as_str(), call.method.as_str()), (SERVICE, "getObject"));
        assert!(call.shown == Some(Shown::Key { username: "U".to_owned(), secret: "K".to_owned() }));
        assert_eq!(call.id, Some(Value::Int(1001)));
        assert_eq!(call.mask, Some(Mask::Text("mask[id,username]".to_owned())));
        assert_eq!(call.arguments, Arguments::Named(vec![]));
        assert!(call.filter.is_none() && call.limit.is_none());
    }

    #[test]
    fn other_headers_are_read_with_and_without_types() {
        let header = "<authenticate xsi:type='ns0:PortalLoginToken'><username/><apiKey/><userId xsi:type='xsd:int'>1001</userId>\
            <authToken>h</authToken></authenticate>\
            <x:SoftLayer_User_CustomerObjectFilter xmlns:x='urn:x'><id><operation>5</operation></id>\
            </x:SoftLayer_User_CustomerObjectFilter>\
            <resultLimit xsi:type='ns0:resultLimit'><limit xsi:type='xsd:int'>2</limit><offset>4</offset></resultLimit>\
            <clientLegacySession><userId>1</userId></clientLegacySession>\
            <Security xsi:type='xsd:int'>none of ours</Security><Security/>";
        let call = call(header, "<getObject/>").unwrap();
        assert!(call.shown == Some(Shown::Token { user: 1001, hash: "h".to_owned() }));
        let operation = object(None, &[("operation", "5".into())]);
        assert_eq!(call.filter, Some(object(None, &[("id", operation)])));
        assert_eq!(call.limit, Some(Limit { limit: Some(2), offset: 4 }));
    }

    #[test]
    fn a_header_may_lack_and_be_empty() {
        let body = "<Envelope><Body><getObject><a>1</a></getObject></Body></Envelope>";
        let read = decode(SERVICE, body.as_bytes()).unwrap();
        assert!(read.shown.is_none());
        assert_eq!(read.arguments, Arguments::Named(vec![("a".to_owned(), "1".into())]));
        assert!(call("<authenticate/>", "<getObject/>").unwrap().shown == Some(Shown::Incomplete));
        assert!(call("<authenticate xsi:nil='true'/>", "<getObject/>").unwrap().shown == Some(Shown::Incomplete));
    }

    #[test]
    fn a_legacy_mask_is_a_tree() {
        let header = "<SoftLayer_User_CustomerObjectMask><mask xsi:type='ns1:SoftLayer_User_Customer'><id/><parent><username/></parent></mask>\
                      </SoftLayer_User_CustomerObjectMask>";
        let parent = object(None, &[("username", "".into())]);
        let tree = object(Some("SoftLayer_User_Customer"), &[("id", "".into()), ("parent", parent)]);
        assert_eq!(call(header, "<getObject/>").unwrap().mask, Some(Mask::Tree(tree)));
    }

    #[test]
    fn arguments_have_names_and_their_order_is_that_of_the_call() {
        let body = "<ns0:getPortalLoginToken xmlns:ns0='urn:x'><password xsi:type='xsd:string'>P</password>\
                    <ns0:username>U</ns0:username></ns0:getPortalLoginToken>";
        let named = vec![("password".to_owned(), "P".into()), ("username".to_owned(), "U".into())];
        assert_eq!(call("", body).unwrap().arguments, Arguments::Named(named));
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let moment = || Value::from(parse_iso("2018-05-08T15:28:32Z").unwrap());
        for (element, value) in [
            ("<a>5</a>", "5".into()),
            ("<a> x </a>", " x ".into()),
            ("<a/>", "".into()),
            ("<a xsi:nil='true'/>", Value::Null),
            ("<a xsi:type='xsd:int' xsi:nil='1'></a>", Value::Null),
            ("<a xsi:nil='false'>x</a>", "x".into()),
            ("<a xsi:type='xsd:string'>5</a>", "5".into()),
            ("<a xsi:type='xsd:token'>5</a>", "5".into()),
            ("<a xsi:type='xsd:int'> 5 </a>", Value::Int(5)),
            ("<a xsi:type='xsd:unsignedLong'>9223372036854775807</a>", Value::Int(i64::MAX)),
            ("<a xsi:type='boolean'>true</a>", true.into()),
            ("<a xsi:type='xsd:boolean'>0</a>", false.into()),
            ("<a xsi:type='xsd:decimal'>0.5</a>", Value::Double(0.5)),
            ("<a xsi:type='xsd:dateTime'>2018-05-08T09:28:32-06:00</a>", moment()),
            ("<a xsi:type='xsd:base64Binary'>U0wxMDAx</a>", "SL1001".into()),
            ("<a xsi:type='ns1:SoftLayer_T'/>", object(Some("SoftLayer_T"), &[])),
            ("<a xsi:type='ns1:SoftLayer_T'><b>1</b></a>", object(Some("SoftLayer_T"), &[("b", "1".into())])),
            ("<a xsi:type='SOAP-ENC:Struct'><b>1</b></a>", object(None, &[("b", "1".into())])),
            ("<a xsi:type='ns1:SoftLayer_TArray'/>", Value::List(vec![])),
            ("<a xsi:type='SOAP-ENC:Array'><x>1</x><x>2</x></a>", vec!["1".into(), "2".into()].into()),
            ("<a SOAP-ENC:arrayType='xsd:int[1]'><n xsi:type='xsd:int'>1</n></a>", vec![Value::Int(1)].into()),
            ("<a SOAP-ENC:arrayType='xsd:int[0]'/>", Value::List(vec![])),
            ("<a><item>1</item><item xsi:nil='true'/></a>", vec!["1".into(), Value::Null].into()),
            ("<a xsi:type='ns1:ArrayOfstring'><item>1</item></a>", vec!["1".into()].into()),
            ("<a><SoftLayer_T>1</SoftLayer_T><SoftLayer_T>2</SoftLayer_T></a>", vec!["1".into(), "2".into()].into()),
            ("<a><item>1</item><b>2</b></a>", object(None, &[("item", "1".into()), ("b", "2".into())])),
        ] {
            assert_eq!(argument(element).unwrap(), value, "{element}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_is_allowed_and_not_told_back() {
        for (element, allowed) in [
            ("<a xsi:type='xsd:int'>secret</a>", "in an element of type int a whole number from"),
            ("<a xsi:type='xsd:int'>9223372036854775808</a>", "a whole number from"),
            ("<a xsi:type='xsd:boolean'>secret</a>", "in an element of type boolean 1, 0, true or false is allowed"),
            ("<a xsi:type='xsd:double'>INF</a>", "a finite number is allowed"),
            ("<a xsi:type='xsd:dateTime'>secret</a>", "a moment is allowed"),
            ("<a xsi:type='xsd:base64Binary'>secret!</a>", "Base64"),
            ("<a xsi:type='ns1:SoftLayer_TArray'>secret</a>", "text in a list"),
            ("<a><secret/><secret/></a>", "each member is allowed once"),
            ("<secret/><secret/>", "each member is allowed once"),
        ] {
            let fault = argument(element).unwrap_err();
            assert_eq!(fault.code, "SoftLayer_Exception_WebService_BadRequest", "{element}");
            assert!(fault.text.contains(allowed) && !fault.text.contains("secret"), "{element}: {}", fault.text);
        }
        let twice = "<authenticate><username>a</username></authenticate><authenticate/>";
        assert!(call(twice, "<getObject/>").is_err());
    }

    #[test]
    fn what_is_no_call_is_refused() {
        let bad = "SoftLayer_Exception_WebService_BadRequest";
        for (body, code) in [
            ("", "-32700"),
            ("<!DOCTYPE Envelope><Envelope><Body><a/></Body></Envelope>", "-32700"),
            ("<Envelope><Body><a href='#1'>&x;</a></Body></Envelope>", "-32700"),
            ("<methodCall/>", bad),
            ("<Envelope/>", bad),
            ("<Envelope><Header/></Envelope>", bad),
            ("<Envelope><Body/></Envelope>", bad),
            ("<Envelope><Body>getObject</Body></Envelope>", bad),
            ("<Envelope><Body><a/><b/></Body></Envelope>", bad),
            ("<Envelope><Body><a/></Body><Body><a/></Body></Envelope>", bad),
            ("<Envelope><Body><a/></Body><Header/></Envelope>", bad),
            ("<Envelope><Header/><Header/><Body><a/></Body></Envelope>", bad),
            ("<Envelope><x/><Body><a/></Body></Envelope>", bad),
        ] {
            assert_eq!(decode(SERVICE, body.as_bytes()).unwrap_err().code, code, "{body}");
        }
        assert_eq!(call("", &format!("<{}/>", "m".repeat(LONGEST_NAME + 1))).unwrap_err().code, bad);
        let deep = "<a>".repeat(10_000) + &"</a>".repeat(10_000);
        assert_eq!(call("", &deep).unwrap_err().code, "-32700");
    }
}
