//! XML-RPC and SOAP of chance: whatever comes ends in a call or a short fault, and what is written by one side is read by the other as
//! the same. The files of `fuzz/corpus` are where most of it starts from.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use chrono::DateTime;
use keytower::softlayer::call::{Arguments, Call, Reply};
use keytower::softlayer::fault::Fault;
use keytower::softlayer::table::{Method, method_of};
use keytower::softlayer::value::{Struct, Value, date_text};
use keytower::softlayer::{soap, xml, xmlrpc};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;

const SERVICE: &str = "SoftLayer_User_Customer";
/// Largest file of the corpus.
const LARGEST: usize = 20_000;
/// Longest text of a fault: no part of what was sent is in it.
const LONGEST_FAULT: usize = 250;
/// A datatype that is not declared, so that its members are written as they are.
const KIND: &str = "SoftLayer_Anything";

/// The same cases at every run, and nothing kept beside the sources.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_180_508),
        ..ProptestConfig::default()
    }
}

#[derive(Debug, Clone, Copy)]
enum Dialect {
    XmlRpc,
    Soap,
}

const DIALECTS: [Dialect; 2] = [Dialect::XmlRpc, Dialect::Soap];

impl Dialect {
    fn folder(self) -> &'static str {
        match self {
            Self::XmlRpc => "xmlrpc",
            Self::Soap => "soap",
        }
    }

    fn decode(self, body: &[u8]) -> Result<Call, Fault> {
        match self {
            Self::XmlRpc => xmlrpc::decode(SERVICE, body),
            Self::Soap => soap::decode(SERVICE, body),
        }
    }

    fn encode(self, value: Value) -> String {
        match self {
            Self::XmlRpc => xmlrpc::encode(&value),
            Self::Soap => soap::encode(&soap::namespace("v3.1"), get_object(), &value.into()),
        }
    }

    fn encode_fault(self, fault: &Fault) -> String {
        match self {
            Self::XmlRpc => xmlrpc::encode_fault(fault),
            Self::Soap => soap::encode_fault(fault),
        }
    }

    fn corpus(self) -> Vec<(String, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(self.folder());
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    }

    /// Decodes a body, and writes what came of it; tells whether it is a call.
    fn digest(self, body: &[u8]) -> bool {
        match self.decode(body) {
            Ok(call) => {
                let values = match call.arguments {
                    Arguments::InOrder(values) => values,
                    Arguments::Named(values) => values.into_iter().map(|(_, value)| value).collect(),
                };
                values.into_iter().for_each(|value| well_formed(&self.encode(value)));
                true
            }
            Err(fault) => {
                assert!(fault.text.len() <= LONGEST_FAULT, "{fault:?}");
                assert!(matches!(fault.status, 400 | 413 | 500), "{fault:?}");
                well_formed(&self.encode_fault(&fault));
                false
            }
        }
    }
}

/// Text without a type stands one deeper in the answer than in the call.
fn well_formed(answer: &str) {
    if let Err(fault) = xml::read(answer.as_bytes()) {
        assert!(fault.text.contains("too deep"), "{fault:?}: {answer}");
    }
}

fn get_object() -> &'static Method {
    method_of(SERVICE, "getObject").unwrap()
}

#[test]
fn every_file_of_the_corpus_is_a_call_or_refused_as_its_name_says() {
    for dialect in DIALECTS {
        let files = dialect.corpus();
        assert!(files.len() > 20, "{dialect:?}: {}", files.len());
        for (name, body) in files {
            assert!(body.len() < LARGEST, "{dialect:?}: {name}");
            assert_eq!(
                dialect.digest(&body),
                !name.starts_with("bad_"),
                "{dialect:?}: {name}: {:?}",
                dialect.decode(&body)
            );
        }
    }
}

/// A change to a body.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Cut(Index, usize),
    Insert(Index, Vec<u8>),
    Double(Index, usize),
    /// One element away, or there twice.
    Element(Index, bool),
}

const PIECES: &[&str] = &[
    "<",
    ">",
    "</",
    "/>",
    "&",
    ";",
    "&#",
    "&#x",
    "&amp;",
    "&lt;",
    "<!",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "<!DOCTYPE a [",
    "]",
    "<!ENTITY a 'b'>",
    "&a;",
    "=",
    "'",
    "\"",
    " ",
    "\n",
    "\r",
    "\0",
    "\u{feff}",
    "é",
    ":",
    "xmlns",
    "xsi:type='xsd:int'",
    "xsi:nil='1'",
    "a",
    "9",
    "-",
    "<a>",
    "</a>",
    "<a/>",
    "<value>",
    "</value>",
    "<int>",
    "</int>",
    "<struct>",
    "</struct>",
    "<member>",
    "</member>",
    "<name>",
    "</name>",
    "<array><data>",
    "</data></array>",
    "<nil/>",
    "<params>",
    "</params>",
    "<param>",
    "</param>",
    "<methodCall>",
    "</methodCall>",
    "<methodName>",
    "</methodName>",
    "<Envelope>",
    "</Envelope>",
    "<Header>",
    "</Header>",
    "<Body>",
    "</Body>",
    "<item>",
    "</item>",
    "headers",
    "authenticate",
    "resultLimit",
    "ObjectMask",
    "InitParameters",
];

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    vec(select(PIECES), 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<Index>(), any::<bool>()).prop_map(|(at, twice)| Change::Element(at, twice)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, bits)| Change::Flip(at, bits)),
        1 => (any::<Index>(), 0..3_u8).prop_map(|(at, bit)| Change::Flip(at, 1 << bit)),
        1 => (any::<Index>(), 1..200_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        1 => (any::<Index>(), vec(select(PIECES), 1..4)).prop_map(|(at, new)| Change::Insert(at, new.concat().into_bytes())),
        1 => (any::<Index>(), vec(any::<u8>(), 1..4)).prop_map(|(at, new)| Change::Insert(at, new)),
        1 => (any::<Index>(), 1..2_000_usize).prop_map(|(at, length)| Change::Double(at, length)),
    ]
}

/// Where an element of a body is, about: to the next end of one of its name.
fn element(body: &[u8], at: Index) -> Option<Range<usize>> {
    let starts: Vec<usize> = (0..body.len().saturating_sub(1))
        .filter(|&start| body[start] == b'<' && body[start + 1].is_ascii_alphabetic())
        .collect();
    let start = *starts.get(at.index(starts.len().max(1)))?;
    let name = body[start + 1..].split(|byte| b" />\n".contains(byte)).next()?;
    let end = [b"</", name, b">"].concat();
    let length = body[start..].windows(end.len()).position(|part| part == end)?;
    Some(start..start + length + end.len())
}

fn apply(body: &mut Vec<u8>, change: Change) {
    let place = |at: Index| at.index(body.len() + 1);
    let part = |start: usize, length: usize| start..(start + length).min(body.len());
    match change {
        Change::Flip(at, bits) => {
            let at = place(at);
            body.get_mut(at..).unwrap().iter_mut().take(1).for_each(|byte| *byte ^= bits);
        }
        Change::Cut(at, length) => drop(body.drain(part(place(at), length))),
        Change::Insert(at, new) => {
            let at = place(at);
            body.splice(at..at, new);
        }
        Change::Element(at, false) => drop(element(body, at).map(|part| body.drain(part))),
        Change::Element(at, true) => {
            let part = element(body, at).unwrap_or_default();
            let copy = body[part.clone()].to_vec();
            body.splice(part.end..part.end, copy);
        }
        Change::Double(at, length) => {
            let part = part(place(at), length);
            let copy = body[part.clone()].to_vec();
            body.splice(part.end..part.end, copy);
        }
    }
}

#[test]
fn bytes_of_chance_end_in_a_call_or_a_fault() {
    proptest!(cases(1000), |(body in prop_oneof![vec(any::<u8>(), 0..2_000), pieces()])| {
        for dialect in DIALECTS {
            dialect.digest(&body);
        }
    });
}

#[test]
fn changed_files_of_the_corpus_end_in_a_call_or_a_fault() {
    for dialect in DIALECTS {
        let files = dialect.corpus();
        let calls = Cell::new(0);
        proptest!(cases(1000), |(file in any::<Index>(), changes in vec(change(), 1..4))| {
            let mut body = file.get(&files).1.clone();
            changes.into_iter().for_each(|change| apply(&mut body, change));
            calls.set(calls.get() + u32::from(dialect.digest(&body)));
        });
        // Most changes break the XML; where none survived, the rest would hardly be tried.
        println!("{dialect:?}: {} calls", calls.get());
        assert!(calls.get() > 30, "{dialect:?}: {calls:?}");
    }
}

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
