//! Checks that any SOAP input yields a call or a fault, and that keytower can parse the XML that it writes for either.

#![no_main]

use keytower::softlayer::call::Arguments;
use keytower::softlayer::table::method_of;
use keytower::softlayer::{soap, xml};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    match soap::decode("SoftLayer_User_Customer", body) {
        Ok(call) => {
            let Arguments::Named(values) = call.arguments else { panic!("SOAP names its arguments") };
            let method = method_of("SoftLayer_User_Customer", "getObject").expect("there is such a method");
            for (_, value) in values {
                readable(&soap::encode(&soap::namespace("v3.1"), method, &value.into()));
            }
        }
        Err(fault) => readable(&soap::encode_fault(&fault)),
    }
});

fn readable(answer: &str) {
    if let Err(fault) = xml::read(answer.as_bytes()) {
        panic!("{fault:?}: {answer}");
    }
}
