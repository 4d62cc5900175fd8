//! The SOAP 1.1 codec, rpc/encoded (contract sections 3.1 to 3.3): decodes bytes into a call, and encodes an answer as text.
//!
//! The codec matches elements and types by local name, and ignores namespaces. It rejects a body that is not a call, and a call or a struct
//! with two elements of the same name.

mod read;
mod write;

pub use read::decode;
pub use write::{encode, encode_fault};

/// Returns the XML namespace for a version of the API, `v3` or `v3.1`.
#[must_use]
pub fn namespace(version: &str) -> String {
    format!("http://api.service.softlayer.com/soap/{version}/")
}
