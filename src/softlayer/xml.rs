//! XML as two of the codecs need it: a bounded reader that makes a tree of elements, and a writer whose answers are well-formed.
//!
//! | file | holds |
//! |---|---|
//! | this one | the tree and the bounds |
//! | `text` | from bytes to characters, and which characters and names XML allows |
//! | `read` | from characters to the tree |
//! | `write` | the writer |
//!
//! The reader takes time and memory in proportion to the body, whatever stands in it. No DTD is read, so there are no entities but
//! the five that XML itself knows, and nothing is ever fetched.

mod read;
mod text;
mod write;

pub use read::read;
pub(super) use text::is_allowed;
pub use write::Writer;

/// Longest body that is read, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;
/// Deepest nesting of elements that is read.
pub const MAX_DEPTH: usize = 64;
/// Most elements in a body. One takes some 200 bytes of memory, so all of them take a few times the longest body.
pub const MAX_ELEMENTS: usize = 32 * 1024;
/// Most attributes of an element, declarations of namespaces among them.
pub const MAX_ATTRIBUTES: usize = 64;
/// Deepest nesting of elements that is written; what would stand deeper is left out. Clients read no more than 256.
pub const MAX_WRITTEN_DEPTH: usize = 250;

/// An element. Prefixes are left away: callers know elements by their local names, whatever the namespace.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its local name.
    pub name: String,
    /// The local part of its `xsi:type`.
    pub kind: Option<String>,
    /// Whether it has `xsi:nil`.
    pub nil: bool,
    /// Whether it has a `SOAP-ENC:arrayType`.
    pub array: bool,
    /// The elements in it.
    pub children: Vec<Element>,
    /// The text in it. An element has text or elements, never both: white space beside elements is left away.
    pub text: String,
}
