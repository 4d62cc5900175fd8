//! XML for the XML-RPC and SOAP codecs: a bounded reader that builds a tree of elements, and a writer of well-formed XML.
//!
//! | file | holds |
//! |---|---|
//! | this one | the tree of elements; the limits of the reader and the writer |
//! | `text` | character decoding; checks of characters and names |
//! | `read` | the reader |
//! | `write` | the writer |
//!
//! The time and the memory that the reader takes are proportional to the size of the body, whatever the body contains. The reader rejects
//! DTDs, so that only the five predefined entities exist, and it never fetches anything.

mod read;
mod text;
mod write;

pub use read::read;
pub(super) use text::is_allowed;
pub use write::Writer;

/// Maximum size of a request body, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;
/// Maximum nesting of elements in a body.
pub const MAX_DEPTH: usize = 64;
/// Maximum number of elements in a body. An element takes about 200 bytes of memory, so the elements of a body take a few times
/// [`MAX_BODY`].
pub const MAX_ELEMENTS: usize = 32 * 1024;
/// Maximum number of attributes of an element, including namespace declarations.
pub const MAX_ATTRIBUTES: usize = 64;
/// Maximum nesting of elements in an answer; deeper elements are left out. Clients read at most 256 levels.
pub const MAX_WRITTEN_DEPTH: usize = 250;

/// An XML element. Names have no prefix: the codecs match elements by local name, and ignore namespaces.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Local name of the element.
    pub name: String,
    /// Local part of the attribute `xsi:type`, if the element has one.
    pub kind: Option<String>,
    /// Whether the element has the attribute `xsi:nil` with a true value.
    pub nil: bool,
    /// Whether the element has an attribute `SOAP-ENC:arrayType`.
    pub array: bool,
    /// Child elements.
    pub children: Vec<Element>,
    /// Text of the element. An element has text or child elements, never both: white space between child elements is dropped.
    pub text: String,
}
