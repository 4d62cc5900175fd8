//! The caller of a request: principal, client address, language and user agent.

use std::net::IpAddr;

use super::principal::Principal;
use super::secret::Handle;
use super::text::Language;

/// Maximum number of characters kept of a client's user agent.
pub const AGENT_MAX: usize = 200;

/// The caller of a request, authenticated or not.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Principal of the request; `None` if the request has no credential. A request with a rejected credential fails before it gets a
    /// `Caller`.
    pub principal: Option<Principal>,
    /// Client address; `None` for commands of the operator.
    pub address: Option<IpAddr>,
    /// Language of the answer.
    pub language: Language,
    /// User agent of the client.
    pub agent: Option<String>,
    /// Token that the client got at an earlier login, and that marks the device as known.
    pub device: Option<Handle>,
}

impl Caller {
    /// Returns the operator at the machine as the caller.
    #[must_use]
    pub fn operator() -> Self {
        Self::from(Principal::operator())
    }
}

impl From<Principal> for Caller {
    fn from(principal: Principal) -> Self {
        Self { principal: Some(principal), ..Self::default() }
    }
}
