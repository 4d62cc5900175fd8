//! Checks that any XML-RPC input yields a call or a fault, and that keytower can parse the XML that it writes for either.

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

/// An answer may be nested deeper than its call, because it adds a type element around text that had none.
fn readable(answer: &str) {
    if let Err(fault) = xml::read(answer.as_bytes()) {
        assert!(fault.text.contains("too deep"), "{fault:?}: {answer}");
    }
}
