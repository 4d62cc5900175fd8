//! Encodes an answer as a SOAP envelope, in the form that SoftLayer's own service uses.

use std::borrow::Cow;

use crate::softlayer::call::Reply;
use crate::softlayer::fault::{Fault, PUBLIC};
use crate::softlayer::table::Method;
use crate::softlayer::types::{Kind, Type};
use crate::softlayer::value::{Struct, Value, date_text};
use crate::softlayer::xml::Writer;

const ENVELOPE: (&str, &str) = ("xmlns:SOAP-ENV", "http://schemas.xmlsoap.org/soap/envelope/");
const ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";

/// Encodes an answer. `namespace` comes from [`super::namespace`].
///
/// An encoded object has only the properties that the object's datatype declares, in the declared order: clients skip all others.
#[must_use]
pub fn encode(namespace: &str, method: &Method, reply: &Reply) -> String {
    let attributes = [
        ENVELOPE,
        ("xmlns:ns1", namespace),
        ("xmlns:xsd", "http://www.w3.org/2001/XMLSchema"),
        ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
        ("xmlns:SOAP-ENC", ENCODING),
        ("SOAP-ENV:encodingStyle", ENCODING),
    ];
    let mut writer = Writer::default();
    writer.element("SOAP-ENV:Envelope", &attributes, |writer| {
        if let Some(total) = reply.total {
            writer.element("SOAP-ENV:Header", &[], |writer| {
                writer.element("ns1:totalItems", &[], |writer| writer.leaf("amount", &[], &total.to_string()));
            });
        }
        writer.element("SOAP-ENV:Body", &[], |writer| {
            writer.element(&format!("ns1:{}Response", method.name), &[], |writer| {
                write_value(writer, &format!("{}Return", method.name), &reply.value, Some(method.returns));
            });
        });
    });
    writer.finish()
}

/// Encodes a fault. The encoded code is the name of an exception; a numeric XML-RPC code becomes [`PUBLIC`].
#[must_use]
pub fn encode_fault(fault: &Fault) -> String {
    let code = if fault.code.starts_with(|first: char| first.is_ascii_alphabetic()) { &fault.code } else { PUBLIC };
    let mut writer = Writer::default();
    writer.element("SOAP-ENV:Envelope", &[ENVELOPE], |writer| {
        writer.element("SOAP-ENV:Body", &[], |writer| {
            writer.element("SOAP-ENV:Fault", &[], |writer| {
                writer.leaf("faultcode", &[], code);
                writer.leaf("faultstring", &[], &fault.text);
            });
        });
    });
    writer.finish()
}

/// Writes a value as an element with `xsi:type`. The type is the value's own type if the value has one, else `declared`.
fn write_value(writer: &mut Writer, name: &str, value: &Value, declared: Option<Kind>) {
    let (kind, text) = match value {
        Value::Bool(truth) => ("xsd:boolean", truth.to_string()),
        Value::Int(number) if matches!(declared, Some(Kind::Count(_))) => ("xsd:unsignedLong", number.to_string()),
        Value::Int(number) => ("xsd:int", number.to_string()),
        Value::Double(number) if number.is_finite() => ("xsd:double", number.to_string()),
        Value::Null | Value::Double(_) => return writer.leaf(name, &[("xsi:nil", "true")], ""),
        Value::Text(text) => return writer.leaf(name, &[("xsi:type", "xsd:string")], text),
        Value::Date(moment) => ("xsd:dateTime", date_text(moment)),
        Value::List(list) => return write_list(writer, name, list, declared),
        Value::Struct(object) => return write_object(writer, name, object, declared),
    };
    writer.leaf(name, &[("xsi:type", kind)], &text);
}

fn write_object(writer: &mut Writer, name: &str, object: &Struct, declared: Option<Kind>) {
    let kind = object.kind.as_deref().or_else(|| declared.and_then(Kind::target));
    let xsi = kind.map_or(Cow::Borrowed("SOAP-ENC:Struct"), |kind| format!("ns1:{kind}").into());
    writer.element(name, &[("xsi:type", &xsi)], |writer| match kind.and_then(Type::find) {
        Some(known) => {
            for property in known.properties() {
                if let Some(value) = object.get(property.name) {
                    write_value(writer, property.name, value, Some(property.kind));
                }
            }
        }
        None => object.members.iter().for_each(|(name, value)| write_value(writer, name, value, None)),
    });
}

fn write_list(writer: &mut Writer, name: &str, list: &[Value], declared: Option<Kind>) {
    let first = list.first().and_then(Value::as_struct).and_then(|object| object.kind.as_deref());
    let (item, kind) = match (declared, first) {
        (Some(Kind::Texts), _) => ("xsd:string".to_owned(), "ns1:ArrayOfstring".to_owned()),
        (Some(Kind::Many(target)), _) | (_, Some(target)) => (format!("ns1:{target}"), format!("ns1:{target}Array")),
        _ => ("xsd:anyType".to_owned(), "SOAP-ENC:Array".to_owned()),
    };
    let array = format!("{item}[{}]", list.len());
    let declared = declared.and_then(Kind::target).map(Kind::One);
    writer.element(name, &[("SOAP-ENC:arrayType", &array), ("xsi:type", &kind)], |writer| {
        list.iter().for_each(|value| write_value(writer, "item", value, declared));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::parse_iso;
    use crate::softlayer::soap::namespace;
    use crate::softlayer::table::method_of;

    const USER: &str = "SoftLayer_User_Customer";

    fn body(method: &str, reply: impl Into<Reply>) -> String {
        let text = encode(&namespace("v3.1"), method_of(USER, method).unwrap(), &reply.into());
        let (_, body) = text.split_once("<SOAP-ENV:Body>").unwrap();
        body.strip_suffix("</SOAP-ENV:Body></SOAP-ENV:Envelope>").unwrap().to_owned()
    }

    #[test]
    fn the_envelope_is_that_of_the_live_service() {
        let method = method_of(USER, "addApiAuthenticationKey").unwrap();
        let wanted = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://schemas.xmlsoap.org/soap/envelope/\" \
            xmlns:ns1=\"http://api.service.softlayer.com/soap/v3/\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
            xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:SOAP-ENC=\"http://schemas.xmlsoap.org/soap/encoding/\" \
            SOAP-ENV:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><SOAP-ENV:Body>\
            <ns1:addApiAuthenticationKeyResponse><addApiAuthenticationKeyReturn xsi:type=\"xsd:string\">k&lt;</addApiAuthenticationKeyReturn>\
            </ns1:addApiAuthenticationKeyResponse></SOAP-ENV:Body></SOAP-ENV:Envelope>";
        assert_eq!(encode(&namespace("v3"), method, &Value::from("k<").into()), wanted);
    }

    #[test]
    fn properties_stand_in_the_order_of_the_datatype_and_others_are_left_out() {
        let mut user = Struct::of(USER);
        user.put("apiAuthenticationKeyCount", 1);
        user.put("parent", Struct { kind: None, members: vec![("id".to_owned(), Value::Int(1000))] });
        user.put("notDeclared", "x");
        user.put("username", "SL1001");
        user.put("isMasterUserFlag", false);
        user.put("id", 1001);
        user.put("createDate", parse_iso("2018-05-08T15:28:32-06:00").unwrap());
        user.put("roles", Vec::new());
        user.members.push(("parentId".to_owned(), Value::Null));
        let wanted = "<ns1:getObjectResponse><getObjectReturn xsi:type=\"ns1:SoftLayer_User_Customer\">\
            <createDate xsi:type=\"xsd:dateTime\">2018-05-08T21:28:32+00:00</createDate>\
            <id xsi:type=\"xsd:int\">1001</id>\
            <isMasterUserFlag xsi:type=\"xsd:boolean\">false</isMasterUserFlag>\
            <parentId xsi:nil=\"true\"/>\
            <username xsi:type=\"xsd:string\">SL1001</username>\
            <parent xsi:type=\"ns1:SoftLayer_User_Customer\"><id xsi:type=\"xsd:int\">1000</id></parent>\
            <roles SOAP-ENC:arrayType=\"ns1:SoftLayer_User_Permission_Role[0]\" xsi:type=\"ns1:SoftLayer_User_Permission_RoleArray\"/>\
            <apiAuthenticationKeyCount xsi:type=\"xsd:unsignedLong\">1</apiAuthenticationKeyCount>\
            </getObjectReturn></ns1:getObjectResponse>";
        assert_eq!(body("getObject", Value::from(user)), wanted);
    }

    #[test]
    fn a_list_tells_its_length_and_the_header_the_total() {
        let key = |id: i64| Value::from(Struct { kind: None, members: vec![("id".to_owned(), id.into())] });
        let reply = Reply { value: vec![key(1), key(2)].into(), total: Some(7) };
        let text = encode(&namespace("v3.1"), method_of(USER, "getApiAuthenticationKeys").unwrap(), &reply);
        for part in [
            "<SOAP-ENV:Header><ns1:totalItems><amount>7</amount></ns1:totalItems></SOAP-ENV:Header><SOAP-ENV:Body>",
            "<ns1:getApiAuthenticationKeysResponse><getApiAuthenticationKeysReturn \
             SOAP-ENC:arrayType=\"ns1:SoftLayer_User_Customer_ApiAuthentication[2]\" \
             xsi:type=\"ns1:SoftLayer_User_Customer_ApiAuthenticationArray\">\
             <item xsi:type=\"ns1:SoftLayer_User_Customer_ApiAuthentication\"><id xsi:type=\"xsd:int\">1</id></item>\
             <item xsi:type=\"ns1:SoftLayer_User_Customer_ApiAuthentication\"><id xsi:type=\"xsd:int\">2</id></item>\
             </getApiAuthenticationKeysReturn></ns1:getApiAuthenticationKeysResponse>",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn an_object_tells_its_own_datatype_where_that_extends_the_declared_one() {
        let mut told = Struct::of("SoftLayer_Container_Authentication_Response_LoginFailed");
        told.put("errorMessage", "no");
        told.put("statusKeyName", "LOGIN_FAILED");
        let wanted = "<ns1:getLoginTokenResponse>\
            <getLoginTokenReturn xsi:type=\"ns1:SoftLayer_Container_Authentication_Response_LoginFailed\">\
            <statusKeyName xsi:type=\"xsd:string\">LOGIN_FAILED</statusKeyName><errorMessage xsi:type=\"xsd:string\">no</errorMessage>\
            </getLoginTokenReturn></ns1:getLoginTokenResponse>";
        assert_eq!(body("getLoginToken", Value::from(told)), wanted);
    }

    #[test]
    fn nothing_and_truth_are_answers() {
        let nothing = "<ns1:selfPasswordChangeResponse><selfPasswordChangeReturn xsi:nil=\"true\"/></ns1:selfPasswordChangeResponse>";
        assert_eq!(body("selfPasswordChange", Value::Null), nothing);
        let truth = "<ns1:isMasterUserResponse><isMasterUserReturn xsi:type=\"xsd:boolean\">true</isMasterUserReturn></ns1:isMasterUserResponse>";
        assert_eq!(body("isMasterUser", Value::from(true)), truth);
    }

    #[test]
    fn lists_and_objects_that_nobody_declares_are_written_as_they_are() {
        let texts = write(&Value::List(vec!["a".into()]), Some(Kind::Texts));
        assert_eq!(
            texts,
            "<x SOAP-ENC:arrayType=\"xsd:string[1]\" xsi:type=\"ns1:ArrayOfstring\"><item xsi:type=\"xsd:string\">a</item></x>"
        );
        let list = write(&Value::List(vec![Value::Int(1), Value::Double(0.5), Value::Double(f64::INFINITY)]), None);
        assert_eq!(
            list,
            "<x SOAP-ENC:arrayType=\"xsd:anyType[3]\" xsi:type=\"SOAP-ENC:Array\"><item xsi:type=\"xsd:int\">1</item>\
             <item xsi:type=\"xsd:double\">0.5</item><item xsi:nil=\"true\"/></x>"
        );
        let members = vec![("a".to_owned(), Value::Int(1)), ("no name".to_owned(), Value::Int(2))];
        let object = write(&Struct { kind: None, members }.into(), None);
        assert_eq!(object, "<x xsi:type=\"SOAP-ENC:Struct\"><a xsi:type=\"xsd:int\">1</a></x>");
    }

    fn write(value: &Value, declared: Option<Kind>) -> String {
        let mut writer = Writer::default();
        write_value(&mut writer, "x", value, declared);
        writer.finish().split_once('\n').unwrap().1.to_owned()
    }

    #[test]
    fn the_code_of_a_fault_is_an_exception() {
        let fault = |fault: &Fault| encode_fault(fault).split_once("<SOAP-ENV:Body>").unwrap().1.to_owned();
        assert_eq!(
            fault(&Fault::no_object("<1>")),
            "<SOAP-ENV:Fault><faultcode>SoftLayer_Exception_ObjectNotFound</faultcode>\
             <faultstring>Unable to find object with id of '&lt;1&gt;'.</faultstring></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>"
        );
        assert!(fault(&Fault::no_service()).contains("<faultcode>SoftLayer_Exception_Public</faultcode>"));
        assert!(encode_fault(&Fault::no_service()).starts_with(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://schemas.xmlsoap.org/soap/envelope/\">"
        ));
    }
}
