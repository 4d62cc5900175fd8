//! The one function that turns what a caller showed into a [`Principal`].
//!
//! 1. Shape: a text that is neither a key nor a token is refused without asking the database; so are a key with a wrong checksum
//!    and a token whose signature, claims or times are wrong.
//! 2. One indexed statement: the row of the key or of the token's session, with the present rights of owner and key.
//! 3. State against the policies and the clock: the address it comes from, how old the session is and how long nobody used it,
//!    whether the key waits for its owner's word, and how its owner was authenticated when it was minted.
//! 4. Rights: a token has its user's; a key has what its roles, its owner's roles and its ceiling all allow.
//! 5. What a token's user has to do before anything else, and where they stand with their second factor. Keys know neither: that they
//!    work where nobody can be asked for a code is what they are for.
//!
//! There is no cache: an acknowledged delete is seen by every request that begins later, on every node.

use std::net::IpAddr;

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::key_format;
use crate::domain::policy::Policy;
use crate::domain::principal::{CredentialRef, Duty, FactorState, Principal};
use crate::domain::secret::PlainKey;
use crate::domain::session::Seen;
use crate::error::{Error, Result};
use crate::store::Store;

use super::token::Tokens;
use super::vault::Vault;

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

/// Finds out who shows `credential`: the bare text of a key or a token.
///
/// # Errors
/// `Unauthenticated`, always with the same public text, when it does not work; `Unavailable` when the database can't tell.
pub async fn authenticate(
    credential: &str,
    address: Option<IpAddr>,
    now: Timestamp,
    by: &Authenticator<'_>,
) -> Result<Principal> {
    if let Some(key) = key_format::parse(credential) {
        return by_key(&key, address, now, by).await;
    }
    if credential.split('.').count() == 3 {
        return by_token(credential, address, now, by).await;
    }
    Err(Error::refused("neither a key nor a token"))
}

async fn by_key(key: &PlainKey, address: Option<IpAddr>, now: Timestamp, by: &Authenticator<'_>) -> Result<Principal> {
    let row = by.store.find_key(&by.vault.digest(key)).await?.ok_or_else(|| Error::refused("key: unknown"))?;
    check_address(&row.policy, address, "key")?;
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
        rights: row.held.intersection(&row.granted).intersection(&row.ceiling),
        credential: CredentialRef::ApiKey { id: row.id, name: row.name, classic: false },
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
    if row.user != claims.user || now >= row.expires_at {
        return Err(refused("is another user's, or over"));
    }
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
        rights: row.held,
        credential: CredentialRef::Session(row.id),
        duty,
        factor,
    })
}

/// Refuses a good credential that comes from an address that is not let in: like any other that does not work, so that a thief
/// does not learn that it is good.
fn check_address(policy: &Policy, address: Option<IpAddr>, what: &str) -> Result<()> {
    match policy.admits(address).map_err(|why| Error::internal(why.en()))? {
        true => Ok(()),
        false => Err(Error::refused(format!("{what}: good, but its address is not let in"))),
    }
}
