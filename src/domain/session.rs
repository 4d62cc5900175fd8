//! Sessions: the `jti` of a token is the id of a session. The store holds the sessions, so that ending a session also ends the token.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::clock::Timestamp;
use super::id::{SessionId, UserId};

/// A stored session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Id of the session: the `jti` of the token.
    pub id: SessionId,
    /// Id of the user who logged in.
    pub user: UserId,
    /// When the user logged in.
    pub created_at: Timestamp,
    /// When the token stops working.
    pub expires_at: Timestamp,
    /// Names of the authentication methods (RFC 8176), for example `pwd`.
    pub amr: Vec<String>,
    /// When the user last proved a second factor.
    pub mfa_at: Option<Timestamp>,
    /// Client address of the login.
    pub address: Option<String>,
    /// User agent of the client.
    pub agent: Option<String>,
    /// Whether the password had expired at the login. Such a session serves only to change the password.
    pub password_expired: bool,
}

impl Session {
    /// Returns the product names in the user agent, without the comments in parentheses (RFC 9110, section 10.1.5).
    #[must_use]
    pub fn device(&self) -> Option<String> {
        let mut depth = 0_usize;
        let outside = |letter: &char| {
            depth = if *letter == '(' { depth + 1 } else { depth };
            let outside = depth == 0;
            depth = if *letter == ')' { depth.saturating_sub(1) } else { depth };
            outside
        };
        let products: String = self.agent.as_ref()?.chars().filter(outside).collect();
        let products = products.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(products).filter(|products| !products.is_empty())
    }
}

/// A session, as shown to the user who logged in.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// The stored session.
    pub session: Session,
    /// When the session was last used.
    pub last_seen_at: Timestamp,
}

/// Times at which sessions were last used on this node, as far as these times are not in the store yet. A periodic job stores the times, so
/// that requests do not wait for a write.
#[derive(Debug, Default)]
pub struct Seen(Mutex<BTreeMap<SessionId, Timestamp>>);

impl Seen {
    /// Notes that a session was used at the time `at`.
    pub fn note(&self, session: &SessionId, at: Timestamp) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get_mut(session) {
            Some(last) => *last = at.max(*last),
            None => drop(seen.insert(session.clone(), at)),
        }
    }

    fn last(&self, session: &SessionId) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(session).copied()
    }

    /// Returns when a session was last used: on this node, or at the stored time `written` if that is later.
    #[must_use]
    pub fn last_used(&self, session: &SessionId, written: Timestamp) -> Timestamp {
        self.last(session).map_or(written, |here| here.max(written))
    }

    /// Returns all times that are not in the store yet, by session. The times stay here until [`Seen::written`] removes them.
    #[must_use]
    pub fn all(&self) -> BTreeMap<SessionId, Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Removes the times in `written`, which are in the store now. A session that was used again since then keeps its newer time.
    pub fn written(&self, written: &BTreeMap<SessionId, Timestamp>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|session, at| written.get(session) != Some(at));
    }
}
