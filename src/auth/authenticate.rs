//! The one function that turns what a caller showed into a [`Principal`].
//!
//! 1. Shape: a text that is neither a key nor a token is refused without asking the database; so are a key or portal token with a
//!    wrong checksum and a token whose signature, claims or times are wrong.
//! 2. One indexed statement: the row of the key or of the token's session, with the present rights of owner and key.
//! 3. State against the policies and the clock: whether its user is active and the one who is named beside it, the address it comes
//!    from, how old the session is and how long nobody used it, whether the key waits for its owner's word, and how its owner was
//!    authenticated when it was minted.
//! 4. Rights: a token has its user's; a key has what its roles, its owner's roles and its ceiling all allow.
//! 5. What a token's user has to do before anything else, and where they stand with their second factor. Keys know neither: that they
//!    work where nobody can be asked for a code is what they are for.
//!
//! [`judge`] is what steps 3 to 5 are; every write goes through it once more, after it has taken its locks.
//!
//! There is no cache: an acknowledged delete is seen by every request that begins later, on every node.

use std::net::IpAddr;

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::customer::Status;
use crate::domain::id::UserId;
use crate::domain::key_format;
use crate::domain::network::Ranges;
use crate::domain::policy::Policy;
use crate::domain::principal::{CredentialRef, Duty, FactorState, Principal};
use crate::domain::secret::{Handle, PlainKey};
use crate::domain::session::Seen;
use crate::error::{Barred, Error, Result};
use crate::store::{Grant, KeyGrant, SessionGrant, Store};

use super::token::{Claims, Tokens};
use super::vault::Vault;

/// What the digest of a portal token is made for.
pub const PORTAL_TOKEN: &str = "portal token";

/// What a credential is judged by.
#[derive(Debug)]
pub struct Authenticator<'a> {
    /// Where keys and sessions stand.
    pub store: &'a Store,
    /// What keys are looked up with.
    pub vault: &'a Vault,
    /// What reads tokens.
    pub tokens: &'a Tokens,
    /// What it is judged by.
    pub rules: Rules<'a>,
}

/// What somebody shows.
#[derive(Clone, Copy)]
pub struct Credential<'a> {
    /// The bare text of a key, a token or a portal token.
    pub text: &'a str,
    /// Whose it is said to be.
    pub of: Named<'a>,
}

/// Whose a credential is said to be.
#[derive(Debug, Clone, Copy)]
pub enum Named<'a> {
    /// Nothing is said.
    Nobody,
    /// The user with this login name.
    Username(&'a str),
    /// The user with this number.
    Number(i64),
}

impl<'a> From<&'a str> for Credential<'a> {
    fn from(text: &'a str) -> Self {
        Self { text, of: Named::Nobody }
    }
}

impl<'a> From<&'a String> for Credential<'a> {
    fn from(text: &'a String) -> Self {
        Self::from(text.as_str())
    }
}

/// Shows no secret.
impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("of", &self.of).finish_non_exhaustive()
    }
}

/// What a [`Grant`] is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// When sessions were used.
    pub seen: &'a Seen,
    /// For how long a session works that nobody uses; `None` means as long as its token.
    pub idle: Option<TimeDelta>,
    /// For how long a proven password or second factor counts as fresh.
    pub step_up: TimeDelta,
}

/// Finds out who shows a credential: [looks](fetch) it up, and [judges](judge) what is known of it.
///
/// # Errors
/// `Unauthenticated`, always with the same public text, when it does not work; `Unavailable` when the database can't tell.
pub async fn authenticate(
    credential: Credential<'_>,
    address: Option<IpAddr>,
    now: Timestamp,
    by: &Authenticator<'_>,
) -> Result<Principal> {
    let grant = fetch(credential.text, now, by).await?;
    let principal = judge(grant, address, now, &by.rules)?;
    if let Some(session) = principal.session() {
        by.rules.seen.note(session, now);
    }
    let is_named = match credential.of {
        Named::Nobody => true,
        Named::Username(name) => name == principal.username,
        Named::Number(number) => number == principal.number,
    };
    if is_named { Ok(principal) } else { Err(Error::refused("good, but another user is named beside it")) }
}

/// What can be told of a credential without the database.
enum Shape {
    Key(PlainKey),
    PortalToken(Handle),
    Token(Claims),
}

/// Refuses what can't be a credential that works: by its form, its checksum, or its signature, claims and times. It asks no database.
///
/// # Errors
/// `Unauthenticated`.
pub fn inspect(text: &str, tokens: &Tokens, now: Timestamp) -> Result<()> {
    shape(text, tokens, now).map(drop)
}

fn shape(text: &str, tokens: &Tokens, now: Timestamp) -> Result<Shape> {
    if let Some(key) = key_format::parse(text) {
        Ok(Shape::Key(key))
    } else if let Some(token) = key_format::parse_portal_token(text) {
        Ok(Shape::PortalToken(token))
    } else if text.split('.').count() == 3 {
        tokens.read(text, now).map(Shape::Token).map_err(Error::refused)
    } else {
        Err(Error::refused("neither a key nor a token"))
    }
}

/// Looks a credential up: one indexed statement, and none for what is refused by its shape.
async fn fetch(text: &str, now: Timestamp, by: &Authenticator<'_>) -> Result<Grant> {
    match shape(text, by.tokens, now)? {
        Shape::Key(key) => {
            let row = by.store.find_key(&by.vault.digest(&key)).await?;
            row.map(Grant::Key).ok_or_else(|| Error::refused("key: unknown"))
        }
        Shape::PortalToken(token) => {
            let row = by.store.find_portal_session(by.vault.mark(PORTAL_TOKEN, token.expose())).await?;
            row.map(Grant::Session).ok_or_else(|| Error::refused("portal token: unknown"))
        }
        Shape::Token(claims) => {
            let row = by.store.find_session(&claims.session).await?;
            // Signed by us, so that it may be named: the audit log tells whose token is still in use.
            let refused =
                |why: &str| Error::refused(format!("token: session {} of user {} {why}", claims.session, claims.user));
            let row = row.ok_or_else(|| refused("was ended"))?;
            if row.user == claims.user { Ok(Grant::Session(row)) } else { Err(refused("is another user's")) }
        }
    }
}

/// Judges what is known of a credential: at the door, and again inside every write.
///
/// # Errors
/// `Unauthenticated` when it does not work (any more).
pub fn judge(grant: Grant, address: Option<IpAddr>, now: Timestamp, rules: &Rules<'_>) -> Result<Principal> {
    match grant {
        Grant::Key(key) => judge_key(key, address, now),
        Grant::Session(session) => judge_session(session, address, now, rules),
    }
}

fn judge_key(row: KeyGrant, address: Option<IpAddr>, now: Timestamp) -> Result<Principal> {
    check_status(row.status, &row.user)?;
    check_address(&row.policy, address, "key")?;
    if !admits(row.address_restriction.as_deref(), address)? {
        let why = format!("key {}: good, but its address is none of those that it works from", row.id);
        return Err(Error::refused_for(Barred::Address, why));
    }
    if row.suspended {
        return Err(Error::refused(format!("key {}: suspended until its owner confirms it", row.id)));
    }
    if !row.policy.mfa.admits_key(&row.amr, now) {
        return Err(Error::refused(format!(
            "key {}: minted without a second factor, which the policy demands",
            row.id
        )));
    }
    Ok(Principal {
        user: row.user,
        username: row.username,
        number: row.number,
        rights: row.held.intersection(&row.granted).intersection(&row.ceiling.into()),
        credential: CredentialRef::ApiKey { id: row.id, name: row.name, classic: row.classic },
        duty: None,
        factor: FactorState::None,
        password_is_fresh: false,
    })
}

fn judge_session(row: SessionGrant, address: Option<IpAddr>, now: Timestamp, rules: &Rules<'_>) -> Result<Principal> {
    let refused = |why: &str| Error::refused(format!("token: session {} of user {} {why}", row.id, row.user));
    if now >= row.expires_at {
        return Err(refused("is over"));
    }
    check_status(row.status, &row.user)?;
    if row.policy.ends_session(row.created_at, now) {
        return Err(Error::refused("token: its session is older than the policy allows"));
    }
    let last_used = rules.seen.last_used(&row.id, row.last_seen_at.unwrap_or(row.created_at));
    if rules.idle.is_some_and(|idle| now - last_used >= idle) {
        return Err(refused("was not used for too long"));
    }
    check_address(&row.policy, address, "token")?;
    let must_enroll = !row.has_factor && row.policy.mfa.demands(row.roles.iter(), now);
    let is_fresh = |at: Timestamp| now - at < rules.step_up;
    let factor = match row.mfa_at {
        _ if !row.has_factor => FactorState::None,
        Some(at) if is_fresh(at) => FactorState::Fresh,
        _ => FactorState::Stale,
    };
    Ok(Principal {
        duty: Duty::of(row.password_expired, must_enroll),
        password_is_fresh: is_fresh(row.password_at.unwrap_or(row.created_at).max(row.created_at)),
        user: row.user,
        username: row.username,
        number: row.number,
        rights: row.held,
        credential: CredentialRef::Session(row.id),
        factor,
    })
}

fn check_status(status: Status, user: &UserId) -> Result<()> {
    match status {
        Status::Active => Ok(()),
        other => {
            Err(Error::refused_for(Barred::Status(other), format!("good, but its user {user} is {}", other.key_name())))
        }
    }
}

/// Tells whether somebody is let in from an address, as their own restriction says it.
///
/// # Errors
/// `Internal` for a restriction that can't be read.
pub fn admits(restriction: Option<&str>, address: Option<IpAddr>) -> Result<bool> {
    let ranges = Ranges::parse_list(restriction.unwrap_or_default()).map_err(|why| Error::internal(why.en()))?;
    Ok(ranges.is_none_or(|ranges| address.is_some_and(|address| ranges.contain(address))))
}

/// Refuses a good credential that comes from an address that is not let in: like any other that does not work, so that a thief
/// does not learn that it is good.
fn check_address(policy: &Policy, address: Option<IpAddr>, what: &str) -> Result<()> {
    match policy.admits(address).map_err(|why| Error::internal(why.en()))? {
        true => Ok(()),
        false => Err(Error::refused(format!("{what}: good, but its address is not let in"))),
    }
}
