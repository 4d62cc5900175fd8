//! A call as every codec hands it on, and its answer as every codec renders it.

use std::fmt;

use super::value::Value;

/// A call.
#[derive(Debug)]
pub struct Call {
    /// For example `SoftLayer_Account`.
    pub service: String,
    /// For example `getObject`.
    pub method: String,
    /// The object that it is about, where one is named.
    pub id: Option<Value>,
    /// What it is given.
    pub arguments: Arguments,
    /// Who asks. `None`: nothing was shown in the call itself; the request's `Authorization` may say it.
    pub shown: Option<Shown>,
    /// How much of the answer is wanted.
    pub mask: Option<Mask>,
    /// Which rows are wanted: a struct as section 6 of the contract tells.
    pub filter: Option<Value>,
    /// How many.
    pub limit: Option<Limit>,
}

/// Arguments: SOAP names them, the others count on their order.
#[derive(Debug, PartialEq)]
pub enum Arguments {
    /// In the order of the method's parameters; those at the end may lack.
    InOrder(Vec<Value>),
    /// By the names of the method's parameters.
    Named(Vec<(String, Value)>),
}

/// What somebody shows who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Shown {
    /// A user's name and an API key; `apikey` for a name stands for whoever the key belongs to.
    Key {
        /// The name.
        username: String,
        /// The key, or a portal token in its place.
        secret: String,
    },
    /// A portal token.
    Token {
        /// The numeric id of its user.
        user: i64,
        /// Its hash.
        hash: String,
    },
    /// A bearer token: any credential of ours.
    Bearer(String),
    /// A header that names no credential in full.
    Incomplete,
}

/// A mask as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Mask {
    /// In the mask language.
    Text(String),
    /// A tree of nested structs, whose leaves hold nothing.
    Tree(Value),
}

/// How many rows of a list, from which one on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit {
    /// At most so many; all where absent.
    pub limit: Option<u64>,
    /// So many are skipped.
    pub offset: u64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// What it holds.
    pub value: Value,
    /// For a list: how many rows there are without the limit.
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
