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
use crate::store::{SessionRow, Store};

use super::token::Tokens;
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
    /// When sessions were used.
    pub seen: &'a Seen,
    /// For how long a session works that nobody uses; nothing as long as its token.
    pub idle: Option<TimeDelta>,
    /// For how long a proven second factor counts as fresh.
    pub step_up: TimeDelta,
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

/// Finds out who shows a credential.
///
/// # Errors
/// `Unauthenticated`, always with the same public text, when it does not work; `Unavailable` when the database can't tell.
pub async fn authenticate(
    credential: Credential<'_>,
    address: Option<IpAddr>,
    now: Timestamp,
    by: &Authenticator<'_>,
) -> Result<Principal> {
    let Credential { text, of } = credential;
    let principal = if let Some(key) = key_format::parse(text) {
        by_key(&key, address, now, by).await?
    } else if let Some(token) = key_format::parse_portal_token(text) {
        by_portal_token(&token, address, now, by).await?
    } else if text.split('.').count() == 3 {
        by_token(text, address, now, by).await?
    } else {
        return Err(Error::refused("neither a key nor a token"));
    };
    let is_named = match of {
        Named::Nobody => true,
        Named::Username(name) => name == principal.username,
        Named::Number(number) => number == principal.number,
    };
    if is_named { Ok(principal) } else { Err(Error::refused("good, but another user is named beside it")) }
}

async fn by_key(key: &PlainKey, address: Option<IpAddr>, now: Timestamp, by: &Authenticator<'_>) -> Result<Principal> {
    let row = by.store.find_key(&by.vault.digest(key)).await?.ok_or_else(|| Error::refused("key: unknown"))?;
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
        rights: row.held.intersection(&row.granted).intersection(&row.ceiling),
        credential: CredentialRef::ApiKey { id: row.id, name: row.name, classic: row.classic },
        duty: None,
        factor: FactorState::None,
    })
}

async fn by_token(token: &str, address: Option<IpAddr>, now: Timestamp, by: &Authenticator<'_>) -> Result<Principal> {
    let claims = by.tokens.read(token, now).map_err(Error::refused)?;
    let row = by.store.find_session(&claims.session).await?;
    // Signed by us, so that it may be named: the audit log tells whose token is still in use.
    let refused =
        |why: &str| Error::refused(format!("token: session {} of user {} {why}", claims.session, claims.user));
    let row = row.ok_or_else(|| refused("was ended"))?;
    if row.user != claims.user {
        return Err(refused("is another user's"));
    }
    by_session(row, address, now, by)
}

async fn by_portal_token(
    token: &Handle,
    address: Option<IpAddr>,
    now: Timestamp,
    by: &Authenticator<'_>,
) -> Result<Principal> {
    let row = by.store.find_portal_session(by.vault.mark(PORTAL_TOKEN, token.expose())).await?;
    by_session(row.ok_or_else(|| Error::refused("portal token: unknown"))?, address, now, by)
}

fn by_session(row: SessionRow, address: Option<IpAddr>, now: Timestamp, by: &Authenticator<'_>) -> Result<Principal> {
    let refused = |why: &str| Error::refused(format!("token: session {} of user {} {why}", row.id, row.user));
    if now >= row.expires_at {
        return Err(refused("is over"));
    }
    check_status(row.status, &row.user)?;
    if row.policy.ends_session(row.created_at, now) {
        return Err(Error::refused("token: its session is older than the policy allows"));
    }
    let last_used = by.seen.last_used(&row.id, row.last_seen_at.unwrap_or(row.created_at));
    if by.idle.is_some_and(|idle| now - last_used >= idle) {
        return Err(refused("was not used for too long"));
    }
    check_address(&row.policy, address, "token")?;
    by.seen.note(&row.id, now);
    let must_enroll = !row.has_factor && row.policy.mfa.demands(row.roles.iter(), now);
    let duty = Duty::of(row.password_expired, must_enroll);
    let factor = match row.mfa_at {
        _ if !row.has_factor => FactorState::None,
        Some(at) if now - at < by.step_up => FactorState::Fresh,
        _ => FactorState::Stale,
    };
    Ok(Principal {
        user: row.user,
        username: row.username,
        number: row.number,
        rights: row.held,
        credential: CredentialRef::Session(row.id),
        duty,
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
