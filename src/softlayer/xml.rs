//! XML for the XML-RPC and SOAP codecs: a bounded reader that builds a tree of elements, and a writer of well-formed XML.
//!
//! | file | holds |
//! |---|---|
//! | this one | the tree and the limits |
//! | `text` | character decoding, and the characters and names that XML allows |
//! | `read` | the reader |
//! | `write` | the writer |
//!
//! The reader takes time and memory in proportion to the size of the body, whatever its content. It rejects DTDs, so that only the five
//! predefined entities exist, and it never fetches anything.

mod read;
mod text;
mod write;

pub use read::read;
pub(super) use text::is_allowed;
pub use write::Writer;

/// Maximum size of a body, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;
/// Maximum nesting of elements in a body.
pub const MAX_DEPTH: usize = 64;
/// Maximum number of elements in a body. An element takes about 200 bytes of memory, so all of them take a few times [`MAX_BODY`].
pub const MAX_ELEMENTS: usize = 32 * 1024;
/// Maximum number of attributes of an element, including namespace declarations.
pub const MAX_ATTRIBUTES: usize = 64;
/// Maximum nesting of elements in an answer; deeper elements are left out. Clients read at most 256 levels.
pub const MAX_WRITTEN_DEPTH: usize = 250;

/// An element, without prefixes: the codecs match elements by local name, and ignore namespaces.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Local name of the element.
    pub name: String,
    /// The local part of its `xsi:type`.
    pub kind: Option<String>,
    /// Whether its `xsi:nil` is true.
    pub nil: bool,
    /// Whether it has a `SOAP-ENC:arrayType`.
    pub array: bool,
    /// Child elements.
    pub children: Vec<Element>,
    /// Text of the element. An element has text or child elements, never both: white space between child elements is dropped.
    pub text: String,
}
