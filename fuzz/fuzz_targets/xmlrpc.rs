//! Whatever comes as XML-RPC ends in a call or a fault, and what we write of either is XML that we read.

#![no_main]

use keytower::softlayer::call::Arguments;
use keytower::softlayer::{xml, xmlrpc};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    match xmlrpc::decode("SoftLayer_User_Customer", body) {
        Ok(call) => {
            let Arguments::InOrder(values) = call.arguments else { panic!("XML-RPC names no arguments") };
            values.iter().for_each(|value| readable(&xmlrpc::encode(value)));
        }
        Err(fault) => readable(&xmlrpc::encode_fault(&fault)),
    }
});

/// An answer may stand deeper than the call, where text had no type in it.
fn readable(answer: &str) {
    if let Err(fault) = xml::read(answer.as_bytes()) {
        assert!(fault.text.contains("too deep"), "{fault:?}: {answer}");
    }
}
