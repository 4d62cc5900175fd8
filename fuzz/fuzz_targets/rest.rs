//! Fuzzes REST requests.

#![no_main]

#[path = "../checks/language.rs"]
#[allow(dead_code)]
mod language;

libfuzzer_sys::fuzz_target!(|text: &[u8]| language::rest(text));
