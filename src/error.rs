//! The one error: a kind from a closed list, what the caller may read, and what only the log may.

use std::fmt;

use crate::domain::permit::Denial;
use crate::domain::random::Exhausted;

/// Most characters of what the caller may read.
const PUBLIC_MAX: usize = 4000;

/// What went wrong, as far as a caller can act on it. Each face renders each kind in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is wrong: what is wrong and what is allowed stands in the message.
    Invalid,
    /// The login did not succeed: user name or password is wrong.
    LoginFailed,
    /// No credential, or one that does not work (any more).
    Unauthenticated,
    /// The credential works, and lacks the right.
    Forbidden,
    /// There is no such thing, or none that the caller may know of.
    NotFound,
    /// The address exists, the method does not.
    MethodNotAllowed,
    /// The request did not arrive in time.
    Timeout,
    /// The request is too large.
    TooLarge,
    /// The body is of a type that is not understood here.
    UnsupportedMediaType,
    /// The database is away; the same request may work later.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Invalid,
        Self::LoginFailed,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Timeout,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Unavailable,
        Self::Internal,
    ];
}

/// An error with two texts. There is no way to print the internal one to a caller.
pub struct Error {
    kind: Kind,
    public: String,
    internal: Option<String>,
}

/// A result with our [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error whose text the caller may read; it is cut where it would repeat much of what the caller sent.
    pub fn new(kind: Kind, public: impl Into<String>) -> Self {
        let mut public = public.into();
        if let Some((end, _)) = public.char_indices().nth(PUBLIC_MAX) {
            public.truncate(end);
            public.push('…');
        }
        Self { kind, public, internal: None }
    }

    /// A wrong request.
    pub fn invalid(public: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, public)
    }

    /// A credential that does not work. All of them look alike; `why` goes to the log.
    pub fn refused(why: impl Into<String>) -> Self {
        Self {
            kind: Kind::Unauthenticated,
            public: "the credential is not valid".to_owned(),
            internal: Some(why.into()),
        }
    }

    /// A fault of ours; the caller learns nothing of it.
    pub fn internal(why: impl fmt::Display) -> Self {
        Self { kind: Kind::Internal, public: "internal error".to_owned(), internal: Some(why.to_string()) }
    }

    /// The database is away; `why` goes to the log.
    pub fn unavailable(why: impl fmt::Display) -> Self {
        Self {
            kind: Kind::Unavailable,
            public: "the database can't be reached, try again later".to_owned(),
            internal: Some(why.to_string()),
        }
    }

    /// The same error, said of a part of the request: behind `[1]`, `username must …` is `[1].username must …`.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        match self.kind {
            Kind::Invalid | Kind::Forbidden => Self::new(self.kind, format!("{place}.{}", self.public)),
            _ => self,
        }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the caller may read.
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }

    /// What only the log may read, where it differs.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.internal.as_deref()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.internal.as_deref().unwrap_or(&self.public))
    }
}

impl From<Exhausted> for Error {
    fn from(_: Exhausted) -> Self {
        Self::internal("the source of randomness did not answer")
    }
}

impl From<Denial> for Error {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::NoCredential => {
                Self::new(Kind::Unauthenticated, "a token or an API key is needed in the Authorization header")
            }
            Denial::KeyNotAllowed => Self::new(Kind::Forbidden, "an API key can't do this: log in and use the token"),
            Denial::MissingAction(action) => Self::new(Kind::Forbidden, format!("the action {action} is missing")),
        }
    }
}
