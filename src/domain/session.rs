//! A session: what a token names in its `jti`. It lives in the store, so that ending it ends the token.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::clock::Timestamp;
use super::id::{SessionId, UserId};

/// A stored session.
#[derive(Debug, Clone)]
pub struct Session {
    /// The `jti` of its token.
    pub id: SessionId,
    /// Who logged in.
    pub user: UserId,
    /// When.
    pub created_at: Timestamp,
    /// When the token stops working.
    pub expires_at: Timestamp,
    /// How they proved it (RFC 8176), for example `pwd`.
    pub amr: Vec<String>,
    /// When they last proved a second factor.
    pub mfa_at: Option<Timestamp>,
    /// From where.
    pub address: Option<String>,
    /// What the client called itself.
    pub agent: Option<String>,
    /// Whether the password had expired: the session can change it, and nothing else.
    pub password_expired: bool,
}

impl Session {
    /// The products that the client names itself by, without the remarks in brackets (RFC 9110, section 10.1.5).
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

/// A session as its owner sees it.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// What was stored.
    pub session: Session,
    /// When it was used last.
    pub last_seen_at: Timestamp,
}

/// When sessions were used last on this node, as far as that is not written down yet: it is written now and then, off the path of
/// requests.
#[derive(Debug, Default)]
pub struct Seen(Mutex<BTreeMap<SessionId, Timestamp>>);

impl Seen {
    /// A session was used.
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

    /// When a session was used last, on this node or as it is written down.
    #[must_use]
    pub fn last_used(&self, session: &SessionId, written: Timestamp) -> Timestamp {
        self.last(session).map_or(written, |here| here.max(written))
    }

    /// What is to be written down. It stays until [`Seen::written`].
    #[must_use]
    pub fn all(&self) -> BTreeMap<SessionId, Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets what was written down, but for sessions that were used since.
    pub fn written(&self, written: &BTreeMap<SessionId, Timestamp>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|session, at| written.get(session) != Some(at));
    }
}
