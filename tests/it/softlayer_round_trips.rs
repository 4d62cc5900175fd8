//! What clients write as XML-RPC and SOAP is read as the same, in whatever way they write it, and what we write is read as what was meant:
//! values of chance.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::DateTime;
use keytower::softlayer::call::{Arguments, Reply};
use keytower::softlayer::fault::Fault;
use keytower::softlayer::value::{Struct, Value, date_text};
use keytower::softlayer::{soap, xml, xmlrpc};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use crate::softlayer_fuzz_xml::{SERVICE, cases, get_object};

/// A datatype that is not declared, so that its members are written as they are.
const KIND: &str = "SoftLayer_Anything";

fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        select(vec!['<', '>', '&', '"', '\'', '\r', '\n', '\t', ' ', ']', '-', ';', '#', 'é', '\u{85}', '\u{1f600}']),
        proptest::char::range(' ', '~'),
        any::<char>(),
    ]
}

fn text(allowed: bool) -> impl Strategy<Value = String> {
    let fit = move |text: String| if allowed { replaced(&text) } else { text };
    vec(character(), 0..12).prop_map(String::from_iter).prop_map(fit)
}

/// What is written in place of characters that XML forbids.
fn replaced(text: &str) -> String {
    let forbidden = |character: char| {
        (character < ' ' && !matches!(character, '\t' | '\n' | '\r')) || matches!(character, '\u{fffe}' | '\u{ffff}')
    };
    text.chars().map(|character| if forbidden(character) { '\u{fffd}' } else { character }).collect()
}

/// The name of a member that has no meaning of its own.
fn name() -> impl Strategy<Value = String> {
    let letters = "abcdefgXYZ_é".chars().collect::<Vec<_>>();
    let others = "abcdefg019-._é".chars().collect::<Vec<_>>();
    (select(letters), vec(select(others), 0..6)).prop_map(|(first, others)| {
        others.into_iter().fold(first.to_string(), |mut name, other| {
            name.push(other);
            name
        })
    })
}

/// From the year 1 to 9999.
fn date() -> impl Strategy<Value = Value> {
    (-62_135_596_800..253_402_300_800_i64).prop_map(|second| DateTime::from_timestamp(second, 0).unwrap().into())
}

/// A value. `allowed`: no text in it has characters that XML forbids.
fn value(allowed: bool) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        proptest::num::f64::NORMAL.prop_map(Value::Double),
        text(allowed).prop_map(Value::Text),
        date(),
    ];
    leaf.prop_recursive(5, 40, 6, |inside| {
        let members = btree_map(name(), inside.clone(), 0..6);
        let object = |members: BTreeMap<String, Value>| Struct {
            kind: Some(KIND.to_owned()),
            members: members.into_iter().collect(),
        };
        prop_oneof![vec(inside, 0..6).prop_map(Value::List), members.prop_map(object).prop_map(Value::Struct)]
    })
}

/// Writes requests as different clients do.
struct Client {
    out: String,
    /// Decides between ways of writing the same: one bit after the other.
    ways: u64,
}

impl Client {
    fn either(&mut self) -> bool {
        self.ways = self.ways.rotate_right(1);
        self.ways & 1 == 1
    }

    fn text(&mut self, text: &str) {
        if self.either() && !text.contains("]]>") && !text.contains('\r') {
            return write!(self.out, "<![CDATA[{text}]]>").unwrap();
        }
        let numbers = self.either();
        for character in text.chars() {
            match character {
                '<' if !numbers => self.out.push_str("&lt;"),
                '&' if !numbers => self.out.push_str("&amp;"),
                '<' | '>' | '&' | '\r' => write!(self.out, "&#{};", u32::from(character)).unwrap(),
                _ if numbers && !character.is_ascii() => write!(self.out, "&#x{:x};", u32::from(character)).unwrap(),
                _ => self.out.push(character),
            }
        }
        if self.either() {
            self.out.push_str("<!-- no text -->");
        }
    }

    fn space(&mut self) {
        if self.either() {
            self.out.push_str("\r\n\t ");
        }
    }

    /// Writes a `<value>` of XML-RPC.
    fn xmlrpc(&mut self, value: &Value) {
        self.out.push_str("<value>");
        match value {
            Value::Text(text) if self.either() => self.text(text),
            _ => {
                self.space();
                self.typed(value);
                self.space();
            }
        }
        self.out.push_str("</value>");
    }

    fn typed(&mut self, value: &Value) {
        match value {
            Value::Null => self.out.push_str("<nil/>"),
            Value::Bool(truth) => write!(self.out, "<boolean>{}</boolean>", u8::from(*truth)).unwrap(),
            Value::Int(number) => {
                let tag = if self.either() { "int" } else { "i8" };
                write!(self.out, "<{tag}>{number}</{tag}>").unwrap();
            }
            Value::Double(number) => write!(self.out, "<double>{number:?}</double>").unwrap(),
            Value::Date(moment) => {
                let form = if self.either() { "%Y%m%dT%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%SZ" };
                write!(self.out, "<dateTime.iso8601>{}</dateTime.iso8601>", moment.format(form)).unwrap();
            }
            Value::Text(text) => {
                self.out.push_str("<string>");
                self.text(text);
                self.out.push_str("</string>");
            }
            Value::List(list) => {
                self.out.push_str("<array><data>");
                for item in list {
                    self.space();
                    self.xmlrpc(item);
                }
                self.out.push_str("</data></array>");
            }
            Value::Struct(object) => {
                self.out.push_str("<struct>");
                let kind = ("complexType".to_owned(), Value::from(object.kind.clone()));
                for (name, member) in object.members.iter().chain([&kind]) {
                    self.out.push_str("<member><name>");
                    self.text(name);
                    self.out.push_str("</name>");
                    self.space();
                    self.xmlrpc(member);
                    self.out.push_str("</member>");
                }
                self.out.push_str("</struct>");
            }
        }
    }

    /// Writes an element of SOAP.
    fn soap(&mut self, name: &str, value: &Value) {
        let prefix = if self.either() { "ns1:" } else { "" };
        write!(self.out, "<{prefix}{name}").unwrap();
        match value {
            Value::Null => self.out.push_str(" xsi:nil='true'>"),
            Value::Bool(truth) => write!(self.out, " xsi:type='xsd:boolean'>{truth}").unwrap(),
            Value::Int(number) => write!(self.out, " xsi:type='xsd:long'> {number} ").unwrap(),
            Value::Double(number) => write!(self.out, " xsi:type='xsd:double'>{number:?}").unwrap(),
            Value::Date(moment) => write!(self.out, " xsi:type='xsd:dateTime'>{}", date_text(moment)).unwrap(),
            Value::Text(text) => {
                let kind = if self.either() { " xsi:type='xsd:string'>" } else { ">" };
                self.out.push_str(kind);
                self.text(text);
            }
            Value::List(list) => {
                let kind = if self.either() {
                    "xsi:type='ns1:SoftLayer_AnythingArray'"
                } else {
                    "SOAP-ENC:arrayType='xsd:anyType[]'"
                };
                write!(self.out, " {kind}>").unwrap();
                list.iter().for_each(|item| self.soap("item", item));
            }
            Value::Struct(object) => {
                write!(self.out, " xsi:type='ns1:{}'>", object.kind.as_deref().unwrap()).unwrap();
                for (name, member) in &object.members {
                    self.space();
                    self.soap(name, member);
                }
            }
        }
        write!(self.out, "</{prefix}{name}>").unwrap();
    }
}

fn numbered(values: &[Value]) -> Vec<(String, Value)> {
    values.iter().enumerate().map(|(index, value)| (format!("p{index}"), value.clone())).collect()
}

#[test]
fn what_clients_write_is_read_as_the_same() {
    proptest!(cases(1000), |(values in vec(value(true), 0..4), ways: u64)| {
        let mut client = Client { out: "<?xml version='1.0'?><methodCall><methodName>m</methodName><params>".to_owned(), ways };
        let headers = "<param><value><struct><member><name>headers</name><value><struct/></value></member></struct></value></param>";
        client.out.push_str(headers);
        for value in &values {
            client.out.push_str("<param>");
            client.xmlrpc(value);
            client.out.push_str("</param>");
        }
        client.out.push_str("</params></methodCall>");
        prop_assert_eq!(xmlrpc::decode(SERVICE, client.out.as_bytes()).unwrap().arguments, Arguments::InOrder(values.clone()));

        let mut client = Client { out: "<e:Envelope xmlns:e='urn:e'><e:Body><m>".to_owned(), ways };
        let values = numbered(&values);
        for (name, value) in &values {
            client.soap(name, value);
        }
        client.out.push_str("</m></e:Body></e:Envelope>");
        prop_assert_eq!(soap::decode(SERVICE, client.out.as_bytes()).unwrap().arguments, Arguments::Named(values));
    });
}

/// What is left of a value in an answer of XML-RPC.
fn as_xmlrpc(value: &Value) -> Value {
    match value {
        Value::Date(moment) => Value::Text(date_text(moment)),
        Value::Text(text) => Value::Text(replaced(text)),
        Value::List(list) => Value::List(list.iter().map(as_xmlrpc).collect()),
        Value::Struct(object) => {
            let there = object.members.iter().filter(|(_, value)| !value.is_null());
            let members = there.map(|(name, value)| (name.clone(), as_xmlrpc(value))).collect();
            Struct { kind: None, members }.into()
        }
        other => other.clone(),
    }
}

/// What is left of a value in an answer of SOAP.
fn as_soap(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(replaced(text)),
        Value::List(list) => Value::List(list.iter().map(as_soap).collect()),
        Value::Struct(object) => {
            let members = object.members.iter().map(|(name, value)| (name.clone(), as_soap(value))).collect();
            Struct { kind: object.kind.clone(), members }.into()
        }
        other => other.clone(),
    }
}

#[test]
fn what_we_write_is_read_as_the_same() {
    proptest!(cases(1000), |(value in value(false), total in any::<Option<u64>>())| {
        let answer = xmlrpc::encode(&value).replace("methodResponse>", "methodCall>");
        let call = answer.replace("<methodCall>", "<methodCall><methodName>m</methodName>");
        let read = xmlrpc::decode(SERVICE, call.as_bytes()).unwrap().arguments;
        prop_assert_eq!(read, Arguments::InOrder(vec![as_xmlrpc(&value)]));

        let reply = Reply { value, total };
        let read = soap::decode(SERVICE, soap::encode(&soap::namespace("v3.1"), get_object(), &reply).as_bytes()).unwrap();
        prop_assert_eq!(read.method, "getObjectResponse");
        prop_assert_eq!(read.arguments, Arguments::Named(vec![("getObjectReturn".to_owned(), as_soap(&reply.value))]));
    });
}

#[test]
fn faults_are_read_as_they_were_written() {
    proptest!(cases(1000), |(code in text(false), told in text(false))| {
        let fault = Fault::new(&code, told, 500);
        let answer = xml::read(xmlrpc::encode_fault(&fault).as_bytes()).unwrap();
        let members = &answer.children[0].children[0].children[0].children;
        let texts: Vec<&str> = members.iter().map(|member| member.children[1].children[0].text.as_str()).collect();
        prop_assert_eq!(texts, [replaced(&fault.code), replaced(&fault.text)]);

        let answer = xml::read(soap::encode_fault(&fault).as_bytes()).unwrap();
        prop_assert_eq!(&answer.children[0].children[0].children[1].text, &replaced(&fault.text));
    });
}
