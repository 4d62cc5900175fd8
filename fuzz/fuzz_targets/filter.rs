//! Fuzzes filters.

#![no_main]

#[path = "../checks/language.rs"]
#[allow(dead_code)]
mod language;

libfuzzer_sys::fuzz_target!(|json: &[u8]| language::filter(json));
