//! SOAP 1.1, rpc/encoded (contract sections 3.1 to 3.3): from bytes to a call, and from an answer to text.
//!
//! Elements and types are known by their local names, whatever the namespace. What is no call is a fault of a bad request; a struct or
//! a call that has two elements of one name is refused.

mod read;
mod write;

pub use read::decode;
pub use write::{encode, encode_fault};

/// The namespace of a version of the API: `v3` or `v3.1`.
#[must_use]
pub fn namespace(version: &str) -> String {
    format!("http://api.service.softlayer.com/soap/{version}/")
}
