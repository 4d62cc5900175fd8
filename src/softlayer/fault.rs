//! Faults: errors in the form that SoftLayer's clients expect (contract sections 1.3, 2.2, 4.1 and 5).

/// Fault code for most errors whose text is meant for people.
pub const PUBLIC: &str = "SoftLayer_Exception_Public";
/// Fault code for errors that have no more precise exception name.
pub const PLAIN: &str = "SoftLayer_Exception";

/// A fault: a code for programs, a text for people, and the HTTP status for REST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Code for programs: the name of an exception, or an XML-RPC error number as text.
    pub code: String,
    /// The message for people.
    pub text: String,
    /// The HTTP status for REST. XML-RPC answers every fault with 200 and SOAP with 500, except that both keep 408, 413 and 503.
    pub status: u16,
}

impl Fault {
    /// Creates a fault from a code, a text and an HTTP status for REST.
    pub fn new(code: &str, text: impl Into<String>, status: u16) -> Self {
        Self { code: code.to_owned(), text: text.into(), status }
    }

    /// Creates a fault with the code [`PUBLIC`] and status 500.
    pub fn public(text: impl Into<String>) -> Self {
        Self::new(PUBLIC, text, 500)
    }

    /// Fault for a body that is not well-formed XML or exceeds a limit.
    pub fn not_well_formed(why: impl std::fmt::Display) -> Self {
        Self::new("-32700", format!("parse error. not well formed: {why}"), 400)
    }

    /// Fault for a body in an unsupported encoding.
    #[must_use]
    pub fn unsupported_encoding() -> Self {
        Self::new("-32701", "parse error. unsupported encoding: use UTF-8", 400)
    }

    /// Fault for a body that is XML, but not an XML-RPC call.
    pub fn no_call(why: impl std::fmt::Display) -> Self {
        Self::new("-32600", format!("server error. invalid xml-rpc. not conforming to spec: {why}"), 400)
    }

    /// Fault for a malformed REST or SOAP request.
    pub fn bad_request(why: impl std::fmt::Display) -> Self {
        Self::new("SoftLayer_Exception_WebService_BadRequest", format!("Bad request: {why}"), 400)
    }

    /// Fault for a mask that names a property that the datatype does not have.
    #[must_use]
    pub fn no_property(property: &str, kind: &str) -> Self {
        let text = format!("Property '{property}' not valid for '{kind}'.");
        Self::new("SoftLayer_Exception_WebService_ObjectMask", text, 500)
    }

    /// Fault for a mask that is malformed or exceeds a limit.
    #[must_use]
    pub fn no_mask(line: usize, column: usize, expected: &str, got: &str) -> Self {
        let text = format!("Error on line {line} at column {column}: Expected {expected}, got '{got}'");
        Self::new("SoftLayer_Exception_Common_Parser", text, 500)
    }

    /// Fault for a value that is not allowed; the text says what is wrong and what is allowed.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::new("SoftLayer_Exception_InvalidValue", text, 500)
    }

    /// Fault for an object that does not exist or that the caller may not see.
    #[must_use]
    pub fn no_object(id: &str) -> Self {
        let text = format!("Unable to find object with id of '{id}'.");
        Self::new("SoftLayer_Exception_ObjectNotFound", text, 404)
    }

    /// Fault for a service that is not supported.
    #[must_use]
    pub fn no_service() -> Self {
        Self::new("-32601", "Service does not exist", 404)
    }

    /// Fault for a method that the service does not have.
    #[must_use]
    pub fn no_method(name: &str) -> Self {
        Self::new("-32601", format!("Function (\"{name}\") is not a valid method for this service."), 404)
    }

    /// Fault for a call that must name an object, but has no valid object id.
    #[must_use]
    pub fn no_init() -> Self {
        Self::new("-32602", "server error. invalid method init parameters", 500)
    }
}
