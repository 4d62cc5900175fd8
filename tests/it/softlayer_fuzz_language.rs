//! Masks, filters and REST requests of chance: what must hold of them is said in `fuzz/checks`, which the fuzz targets check without
//! end and this file for a while. Nothing may panic, and nothing here does I/O.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{TestCaseResult, TestRunner};

#[path = "../../fuzz/checks/language.rs"]
mod language;

const CASES: u32 = 1_000;

/// What masks are made of.
#[rustfmt::skip]
const MASK: &[&str] = &[
    "mask", "filteredMask", "id", "username", "parent", "childUsers", "users", "userStatus", "name", "hardwareCount",
    "statusKeyName", "apiAuthenticationKeys", "authenticationKey", "token", "user", "SoftLayer_User_Customer",
    "unknown", "[", "]", "[", "]", ".", ",", ";", "(", ")", " ", "\n", "é", "(SoftLayer_User_Customer)",
    "(SoftLayer_Container_Authentication_Response_Success)",
];
/// What filters are made of.
#[rustfmt::skip]
const FILTER: &[&str] = &[
    "{", "}", "[", "]", ",", ":", "\"operation\"", "\"options\"", "\"users\"", "\"id\"", "\"username\"",
    "\"createDate\"", "\"apiAuthenticationKeys\"", "\"authenticationKey\"", "\"parent\"", "\"orderBy\"", "\"in\"",
    "\"name\"", "\"value\"", "\"data\"", "\"date\"", "\"sort\"", "\"DESC\"", "\"01/02/2018 0:0:0\"", "\"^= 0a\"",
    "\"!= x\"", "\"is null\"", "\"not null\"", "1", "true", "null",
];
/// What requests are made of.
#[rustfmt::skip]
const REST: &[&str] = &[
    "GET ", "POST ", "PUT ", "DELETE ", "/", "SoftLayer_Account", "SoftLayer_User_Customer", "getUsers", "1001",
    ".json", ".xml", ".txt", "?", "&", "=", "objectMask", "objectFilter", "resultLimit", "mask[id]", "%7B%7D", "%",
    "%00", "+", ",", "\n", "{\"parameters\":", "[", "]", "{", "}", "\"", "\\u0000", "9223372036854775808", "1e999",
    "null",
];
/// Operands of conditions.
const OPERANDS: &[&str] =
    &["SL1001", "sl1002", "1", "true", "05/01/2018 12:30:00", "2018-05-01", "10.0", "", " ", "é", "=", "^= x", "İ"];

/// A change of a text.
#[derive(Debug, Clone)]
enum Edit {
    Insert(Index, &'static str),
    Replace(Index, u8),
    Delete(Index, usize),
    Repeat(Index, usize),
}

impl Edit {
    fn any(words: &'static [&'static str]) -> impl Strategy<Value = Self> {
        prop_oneof![
            (any::<Index>(), select(words)).prop_map(|(at, word)| Self::Insert(at, word)),
            (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Self::Replace(at, byte)),
            (any::<Index>(), 1..20_usize).prop_map(|(at, length)| Self::Delete(at, length)),
            (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Self::Repeat(at, length)),
        ]
    }

    fn apply(self, text: &mut Vec<u8>) {
        let place =
            |at: Index, length: usize| (at.index(text.len() + 1), (at.index(text.len() + 1) + length).min(text.len()));
        match self {
            Self::Insert(at, word) => {
                let (at, _) = place(at, 0);
                text.splice(at..at, word.bytes());
            }
            Self::Replace(at, byte) => {
                let (at, end) = place(at, 1);
                text.splice(at..end, [byte]);
            }
            Self::Delete(at, length) => {
                let (at, end) = place(at, length);
                text.drain(at..end);
            }
            Self::Repeat(at, length) => {
                let (at, end) = place(at, length);
                let again = text[at..end].to_vec();
                text.splice(at..at, again);
            }
        }
    }
}

/// The corpus of a target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert!(files.len() >= 12, "{} files in {}", files.len(), folder.display());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Inputs of a target: changed files of its corpus, words in any order, and bytes.
fn inputs(target: &str, words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let changed = (select(corpus(target)), vec(Edit::any(words), 0..6)).prop_map(|(mut text, edits)| {
        edits.into_iter().for_each(|edit| edit.apply(&mut text));
        text
    });
    let shuffled = vec(select(words), 0..60).prop_map(|words| words.concat().into_bytes());
    prop_oneof![4 => changed, 2 => shuffled, 1 => vec(any::<u8>(), 0..200)]
}

fn run<S: Strategy>(strategy: &S, test: impl Fn(S::Value) -> TestCaseResult) {
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config).run(strategy, test).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn masks_of_chance_read_as_they_are_printed() {
    corpus("mask").iter().for_each(|text| language::mask(std::str::from_utf8(text).unwrap()));
    run(&inputs("mask", MASK), |text| {
        language::mask(&String::from_utf8_lossy(&text));
        Ok(())
    });
}

#[test]
fn filters_of_chance_never_see_the_text_of_a_key() {
    corpus("filter").iter().for_each(|json| language::filter(json));
    run(&inputs("filter", FILTER), |json| {
        language::filter(&json);
        Ok(())
    });
}

/// Conditions on the texts of keys among others, at any depth: they are read, and say nothing.
#[test]
fn filters_on_the_text_of_a_key_say_nothing() {
    let way = vec(select(&["users", "parent", "childUsers", "apiAuthenticationKeys", "user"][..]), 0..5);
    const OPERATIONS: &[&str] = &["^= 0", "> 5", "0a1", "orderBy", "is null", "not null", "~ a", "in"];
    let conditions = vec((way, select(&["authenticationKey", "id", "username"][..]), select(OPERATIONS)), 1..4);
    run(&conditions, |conditions| {
        let members = conditions.into_iter().map(|(way, property, operation)| {
            let options = r#""options": [{"name": "data", "value": [1]}, {"name": "sort", "value": ["DESC"]}]"#;
            let leaf = format!("\"{property}\": {{\"operation\": \"{operation}\", {options}}}");
            way.iter().rev().fold(leaf, |inner, name| format!("\"{name}\": {{{inner}}}"))
        });
        language::filter(format!("{{{}}}", members.collect::<Vec<_>>().join(", ")).as_bytes());
        Ok(())
    });
}

#[test]
fn a_form_and_its_opposite_divide_the_rows() {
    run(&prop_oneof![select(OPERANDS).prop_map(str::to_owned), ".{0,12}"], |text| {
        language::opposites(&text);
        Ok(())
    });
}

#[test]
fn requests_of_chance_are_read_or_refused() {
    corpus("rest").iter().for_each(|text| language::rest(text));
    run(&inputs("rest", REST), |text| {
        language::rest(&text);
        Ok(())
    });
}
