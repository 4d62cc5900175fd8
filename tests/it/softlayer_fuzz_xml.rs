//! XML-RPC and SOAP of chance: whatever comes ends in a call or a short fault. The files of `fuzz/corpus` are where most of it starts
//! from; `softlayer_round_trips` tries what is well-formed.

use std::cell::Cell;
use std::ops::Range;
use std::path::Path;

use keytower::softlayer::call::{Arguments, Call};
use keytower::softlayer::fault::Fault;
use keytower::softlayer::table::{Method, method_of};
use keytower::softlayer::value::Value;
use keytower::softlayer::{soap, xml, xmlrpc};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;

pub const SERVICE: &str = "SoftLayer_User_Customer";
/// Largest file of the corpus.
const LARGEST: usize = 20_000;
/// Longest text of a fault: no part of what was sent is in it.
const LONGEST_FAULT: usize = 250;

/// The same cases at every run, and nothing kept beside the sources.
pub fn cases(cases: u32) -> ProptestConfig {
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

pub fn get_object() -> &'static Method {
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

#[rustfmt::skip]
const PIECES: &[&str] = &[
    "<", ">", "</", "/>", "&", ";", "&#", "&#x", "&amp;", "&lt;", "<!", "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>",
    "<!DOCTYPE a [", "]", "<!ENTITY a 'b'>", "&a;", "=", "'", "\"", " ", "\n", "\r", "\0", "\u{feff}", "é", ":",
    "xmlns", "xsi:type='xsd:int'", "xsi:nil='1'", "a", "9", "-", "<a>", "</a>", "<a/>", "<value>", "</value>",
    "<int>", "</int>", "<struct>", "</struct>", "<member>", "</member>", "<name>", "</name>", "<array><data>",
    "</data></array>", "<nil/>", "<params>", "</params>", "<param>", "</param>", "<methodCall>", "</methodCall>",
    "<methodName>", "</methodName>", "<Envelope>", "</Envelope>", "<Header>", "</Header>", "<Body>", "</Body>",
    "<item>", "</item>", "headers", "authenticate", "resultLimit", "ObjectMask", "InitParameters",
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
