//! A decoded call and the answer to it, the same for all three codecs.

use std::fmt;

use super::value::Value;

/// A call of a method.
#[derive(Debug)]
pub struct Call {
    /// Name of the service, for example `SoftLayer_Account`.
    pub service: String,
    /// Name of the method, for example `getObject`.
    pub method: String,
    /// Id of the object that the call names, if any.
    pub id: Option<Value>,
    /// Arguments for the method.
    pub arguments: Arguments,
    /// The credential in the call itself; if `None`, the request's `Authorization` header may hold a credential.
    pub shown: Option<Shown>,
    /// The mask, which selects the properties in the answer.
    pub mask: Option<Mask>,
    /// The filter, which selects the rows of a list; a struct (contract section 6).
    pub filter: Option<Value>,
    /// The page of a list to return.
    pub limit: Option<Limit>,
}

/// Arguments of a call. In SOAP each argument has a name; in XML-RPC and REST the order counts.
#[derive(Debug, PartialEq)]
pub enum Arguments {
    /// Arguments in the order of the method's parameters; the last arguments may be missing.
    InOrder(Vec<Value>),
    /// Arguments with the names of the method's parameters.
    Named(Vec<(String, Value)>),
}

/// The credential in a call.
#[derive(Clone, PartialEq, Eq)]
pub enum Shown {
    /// A username and an API key. With the username `apikey`, the key alone identifies the user.
    Key {
        /// The username.
        username: String,
        /// The API key, or a portal token instead of a key.
        secret: String,
    },
    /// A portal token.
    Token {
        /// Numeric id of the token's user.
        user: i64,
        /// Text of the portal token. SoftLayer calls this text the hash.
        hash: String,
    },
    /// A bearer token: any credential that keytower issues.
    Bearer(String),
    /// An incomplete credential, such as a username without a key.
    Incomplete,
}

/// A mask that is not parsed yet.
#[derive(Debug, Clone, PartialEq)]
pub enum Mask {
    /// An object mask as text, for example `mask[id,username]`.
    Text(String),
    /// A legacy mask: nested structs with empty leaves.
    Tree(Value),
}

/// The page of a list to return.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit {
    /// Maximum number of rows; `None` means no maximum.
    pub limit: Option<u64>,
    /// Number of rows to skip.
    pub offset: u64,
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The value that the method returned.
    pub value: Value,
    /// For a list: the number of rows before the limit selects a page.
    pub total: Option<u64>,
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        Self { value, total: None }
    }
}

/// Shows the kind of credential, but no secret.
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
