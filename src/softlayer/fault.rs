//! Faults: errors in the form that SoftLayer's clients know (contract sections 1.3, 2.2, 4.1 and 5).

/// Code of most faults whose text is for people.
pub const PUBLIC: &str = "SoftLayer_Exception_Public";
/// Code of faults without a more precise exception.
pub const PLAIN: &str = "SoftLayer_Exception";

/// A fault: a code for programs, a text for people, and the HTTP status for REST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The name of an exception, or an XML-RPC error number as text.
    pub code: String,
    /// The message for people.
    pub text: String,
    /// The HTTP status for REST. XML-RPC answers 200 and SOAP 500, except that 408, 413 and 503 are the same for all three.
    pub status: u16,
}

impl Fault {
    /// A fault.
    pub fn new(code: &str, text: impl Into<String>, status: u16) -> Self {
        Self { code: code.to_owned(), text: text.into(), status }
    }

    /// A fault with the code [`PUBLIC`] and status 500.
    pub fn public(text: impl Into<String>) -> Self {
        Self::new(PUBLIC, text, 500)
    }

    /// The body is not well-formed XML, or exceeds a limit.
    pub fn not_well_formed(why: impl std::fmt::Display) -> Self {
        Self::new("-32700", format!("parse error. not well formed: {why}"), 400)
    }

    /// The body has an unsupported encoding.
    #[must_use]
    pub fn unsupported_encoding() -> Self {
        Self::new("-32701", "parse error. unsupported encoding: use UTF-8", 400)
    }

    /// The body is XML, but not an XML-RPC call.
    pub fn no_call(why: impl std::fmt::Display) -> Self {
        Self::new("-32600", format!("server error. invalid xml-rpc. not conforming to spec: {why}"), 400)
    }

    /// The request of REST or SOAP is malformed.
    pub fn bad_request(why: impl std::fmt::Display) -> Self {
        Self::new("SoftLayer_Exception_WebService_BadRequest", format!("Bad request: {why}"), 400)
    }

    /// The mask names a property that the datatype does not have.
    #[must_use]
    pub fn no_property(property: &str, kind: &str) -> Self {
        let text = format!("Property '{property}' not valid for '{kind}'.");
        Self::new("SoftLayer_Exception_WebService_ObjectMask", text, 500)
    }

    /// The mask is malformed, or exceeds a limit.
    #[must_use]
    pub fn no_mask(line: usize, column: usize, expected: &str, got: &str) -> Self {
        let text = format!("Error on line {line} at column {column}: Expected {expected}, got '{got}'");
        Self::new("SoftLayer_Exception_Common_Parser", text, 500)
    }

    /// A value is not allowed; the text says what is wrong, and what is allowed.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::new("SoftLayer_Exception_InvalidValue", text, 500)
    }

    /// The object does not exist, or the caller may not see it.
    #[must_use]
    pub fn no_object(id: &str) -> Self {
        let text = format!("Unable to find object with id of '{id}'.");
        Self::new("SoftLayer_Exception_ObjectNotFound", text, 404)
    }

    /// The service is not supported.
    #[must_use]
    pub fn no_service() -> Self {
        Self::new("-32601", "Service does not exist", 404)
    }

    /// The service does not have this method.
    #[must_use]
    pub fn no_method(name: &str) -> Self {
        Self::new("-32601", format!("Function (\"{name}\") is not a valid method for this service."), 404)
    }

    /// The method needs the id of an object, and the call has none.
    #[must_use]
    pub fn no_init() -> Self {
        Self::new("-32602", "server error. invalid method init parameters", 500)
    }
}
