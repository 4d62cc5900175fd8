//! Who asks, from where, and in which language they read.

use std::net::IpAddr;

use super::principal::Principal;
use super::secret::Handle;
use super::text::Language;

/// Most characters that are kept of what a client calls itself.
pub const AGENT_MAX: usize = 200;

/// A caller, authenticated or not.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Whom the credential names; none was shown otherwise. A refused credential never gets this far.
    pub principal: Option<Principal>,
    /// Where the request comes from; the operator's commands come from nowhere.
    pub address: Option<IpAddr>,
    /// How to answer.
    pub language: Language,
    /// What the client calls itself.
    pub agent: Option<String>,
    /// What it was given when its user logged in from there before.
    pub device: Option<Handle>,
}

impl Caller {
    /// The operator at the machine itself.
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
