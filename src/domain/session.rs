//! A session: what a token names in its `jti`. It lives in the store, so that ending it ends the token.

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
}
