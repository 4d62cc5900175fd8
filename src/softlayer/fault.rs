//! What goes wrong, as SoftLayer's clients know it (contract sections 1.3, 2.2, 4.1 and 5).

/// The exception that stands for most of what is told to people.
pub const PUBLIC: &str = "SoftLayer_Exception_Public";
/// The exception without a more precise name.
pub const PLAIN: &str = "SoftLayer_Exception";

/// A fault: a code that programs know, a text, and the HTTP status that REST answers it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The name of an exception, or a number of XML-RPC's; text in either case.
    pub code: String,
    /// For people.
    pub text: String,
    /// The status on REST; XML-RPC answers 200 and SOAP 500, but for 413, 408 and 503, which every dialect answers alike.
    pub status: u16,
}

impl Fault {
    /// A fault.
    pub fn new(code: &str, text: impl Into<String>, status: u16) -> Self {
        Self { code: code.to_owned(), text: text.into(), status }
    }

    /// A fault of [`PUBLIC`], which REST answers with 500.
    pub fn public(text: impl Into<String>) -> Self {
        Self::new(PUBLIC, text, 500)
    }

    /// XML that is none, or more than is read of it.
    pub fn not_well_formed(why: impl std::fmt::Display) -> Self {
        Self::new("-32700", format!("parse error. not well formed: {why}"), 400)
    }

    /// Text in an encoding that is not read.
    #[must_use]
    pub fn unsupported_encoding() -> Self {
        Self::new("-32701", "parse error. unsupported encoding: use UTF-8", 400)
    }

    /// XML that is no call.
    pub fn no_call(why: impl std::fmt::Display) -> Self {
        Self::new("-32600", format!("server error. invalid xml-rpc. not conforming to spec: {why}"), 400)
    }

    /// REST parameters that can't be read.
    pub fn bad_request(why: impl std::fmt::Display) -> Self {
        Self::new("SoftLayer_Exception_WebService_BadRequest", format!("Bad request: {why}"), 400)
    }

    /// A mask that names something that is not there.
    #[must_use]
    pub fn no_property(property: &str, kind: &str) -> Self {
        let text = format!("Property '{property}' not valid for '{kind}'.");
        Self::new("SoftLayer_Exception_WebService_ObjectMask", text, 500)
    }

    /// A mask that can't be read.
    #[must_use]
    pub fn no_mask(line: usize, column: usize, expected: &str, got: &str) -> Self {
        let text = format!("Error on line {line} at column {column}: Expected {expected}, got '{got}'");
        Self::new("SoftLayer_Exception_Common_Parser", text, 500)
    }

    /// A value that is not allowed: what is wrong, and what is allowed.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::new("SoftLayer_Exception_InvalidValue", text, 500)
    }

    /// An object that does not exist, or that the caller may not know of.
    #[must_use]
    pub fn no_object(id: &str) -> Self {
        let text = format!("Unable to find object with id of '{id}'.");
        Self::new("SoftLayer_Exception_ObjectNotFound", text, 404)
    }

    /// A service that is not served.
    #[must_use]
    pub fn no_service() -> Self {
        Self::new("-32601", "Service does not exist", 404)
    }

    /// A method that the service does not have.
    #[must_use]
    pub fn no_method(name: &str) -> Self {
        Self::new("-32601", format!("Function (\"{name}\") is not a valid method for this service."), 404)
    }

    /// A method that is about one object, of which none was named.
    #[must_use]
    pub fn no_init() -> Self {
        Self::new("-32602", "server error. invalid method init parameters", 500)
    }
}
