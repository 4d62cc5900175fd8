//! A decoded call and its answer, the same for all three codecs.

use std::fmt;

use super::value::Value;

/// A call.
#[derive(Debug)]
pub struct Call {
    /// For example `SoftLayer_Account`.
    pub service: String,
    /// For example `getObject`.
    pub method: String,
    /// The id of the object that the call names, if it names one.
    pub id: Option<Value>,
    /// The arguments.
    pub arguments: Arguments,
    /// The credential in the call itself; if `None`, the `Authorization` header of the request may have one.
    pub shown: Option<Shown>,
    /// The mask: which properties the answer has.
    pub mask: Option<Mask>,
    /// The filter: which rows a list has, as a struct (contract section 6).
    pub filter: Option<Value>,
    /// The page of a list.
    pub limit: Option<Limit>,
}

/// Arguments of a call: SOAP names them, XML-RPC and REST use their order.
#[derive(Debug, PartialEq)]
pub enum Arguments {
    /// In the order of the method's parameters; the last ones may be missing.
    InOrder(Vec<Value>),
    /// By the names of the method's parameters.
    Named(Vec<(String, Value)>),
}

/// The credential that a call shows.
#[derive(Clone, PartialEq, Eq)]
pub enum Shown {
    /// A username and an API key. With the username `apikey`, the key alone identifies its user.
    Key {
        /// The username.
        username: String,
        /// The API key, or a portal token in its place.
        secret: String,
    },
    /// A portal token.
    Token {
        /// The numeric id of its user.
        user: i64,
        /// Text of the portal token, which SoftLayer calls its hash.
        hash: String,
    },
    /// A bearer token: any credential that keytower issues.
    Bearer(String),
    /// A header with an incomplete credential.
    Incomplete,
}

/// A mask, not yet parsed.
#[derive(Debug, Clone, PartialEq)]
pub enum Mask {
    /// Text in the mask language.
    Text(String),
    /// A legacy mask: nested structs with empty leaves.
    Tree(Value),
}

/// The page of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit {
    /// Maximum number of rows; `None` means all.
    pub limit: Option<u64>,
    /// Number of rows to skip.
    pub offset: u64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The value.
    pub value: Value,
    /// For a list: the number of rows without the limit.
    pub total: Option<u64>,
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        Self { value, total: None }
    }
}

/// Shows no secret.
impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key { .. } => "Key(..)",
            Self::Token { .. } => "Token(..)",
            Self::Bearer(_) => "Bearer(..)",
            Self::Incomplete => "Incomplete",
        })
    }
}
