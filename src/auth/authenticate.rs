//! The one function that turns a credential into a [`Principal`], in these steps:
//!
//! 1. Shape: rejects, without a database query, a text that is neither a key nor a token, a key or portal token with a wrong checksum, and
//!    a token whose signature, claims or times are wrong.
//! 2. Look-up: one indexed statement reads the key, or the session of the token, and the current rights of the user and the key.
//! 3. State: checks, by the policies and the clock, the status of the user, the address of the caller, the age and the last use of the
//!    session, the suspension of the key, and how the key's owner was authenticated when the key was minted.
//! 4. Rights: a token has the rights of its user; a key has the rights that the key's roles, the owner's roles and the key's ceiling all
//!    allow.
//! 5. Duties: what a token's user must do before anything else, and how fresh the second factor is. A key has no duties and no second
//!    factor, since a key must work where nobody can be asked for a code.
//! 6. Name: if the caller names a user along with the credential, that user must be the user of the credential.
//!
//! [`judge`] does steps 3 to 5; every write repeats these steps under its locks.
//!
//! There is no cache: once the deletion of a key or session is acknowledged, every node rejects each later request with that credential.

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

/// Purpose of the [`Vault::mark`] of a portal token.
pub const PORTAL_TOKEN: &str = "portal token";

/// The parts of the service that [`authenticate`] needs to check a credential.
#[derive(Debug)]
pub struct Authenticator<'a> {
    /// Store with the keys and sessions.
    pub store: &'a Store,
    /// Computes the digests by which keys are looked up.
    pub vault: &'a Vault,
    /// Verifies tokens.
    pub tokens: &'a Tokens,
    /// Rules that [`judge`] applies.
    pub rules: Rules<'a>,
}

/// A credential as the caller sent it.
#[derive(Clone, Copy)]
pub struct Credential<'a> {
    /// The bare text of a key, a token or a portal token.
    pub text: &'a str,
    /// The user whom the caller names along with the credential.
    pub of: Named<'a>,
}

/// The user whom a caller names along with a credential.
#[derive(Debug, Clone, Copy)]
pub enum Named<'a> {
    /// The caller names no user.
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

/// Prints the credential without its text, which is a secret.
impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("of", &self.of).finish_non_exhaustive()
    }
}

/// Rules that [`judge`] applies to a [`Grant`].
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// When sessions were last used: the times that are not stored in the database yet.
    pub seen: &'a Seen,
    /// How long an unused session stays valid; `None` means as long as the session's token.
    pub idle: Option<TimeDelta>,
    /// How long a proof of the password or of the second factor counts as fresh.
    pub step_up: TimeDelta,
}

/// Returns the principal of a credential: looks the credential up, [judges](judge) it, and notes that its session was used.
///
/// # Errors
/// - `Unauthenticated`, always with the same public text, if the credential is not valid.
/// - `Unavailable` if the database is unreachable.
pub async fn authenticate(
    credential: Credential<'_>,
    address: Option<IpAddr>,
    now: Timestamp,
    by: &Authenticator<'_>,
) -> Result<Principal> {
    let grant = fetch(credential.text, now, by).await?;
    let principal = judge(grant, address, now, &by.rules)?;
    let is_named = match credential.of {
        Named::Nobody => true,
        Named::Username(name) => name == principal.username,
        Named::Number(number) => number == principal.number,
    };
    if !is_named {
        return Err(Error::refused("valid, but the request names another user"));
    }
    if let Some(session) = principal.session() {
        by.rules.seen.note(session, now);
    }
    Ok(principal)
}

/// The kind of a credential and the content of its text, determined without the database.
enum Shape {
    Key(PlainKey),
    PortalToken(Handle),
    Token(Claims),
}

/// Rejects a text that can't be a valid credential: a text with a wrong form, checksum, signature, claim or time. Needs no database.
///
/// # Errors
/// `Unauthenticated` if the text can't be a valid credential.
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

/// Looks a credential up with one indexed statement. Sends no statement if the shape of the text is wrong.
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
            // keytower has signed the ids of session and user, so the error may name both ids. The audit log then shows whose token is
            // still in use.
            let refused =
                |why: &str| Error::refused(format!("token: session {} of user {} {why}", claims.session, claims.user));
            let row = row.ok_or_else(|| refused("was ended"))?;
            if row.user == claims.user { Ok(Grant::Session(row)) } else { Err(refused("is another user's")) }
        }
    }
}

/// Decides whether a credential is valid, and which rights it gives. Runs for every request, and again inside every write.
///
/// # Errors
/// `Unauthenticated` if the credential is not valid (anymore).
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

/// Returns whether the restriction of a user or a key allows an address. Without a restriction, every address is allowed. With a
/// restriction, an unknown address is not allowed.
///
/// # Errors
/// `Internal` if the restriction can't be parsed.
pub fn admits(restriction: Option<&str>, address: Option<IpAddr>) -> Result<bool> {
    let ranges = Ranges::parse_list(restriction.unwrap_or_default()).map_err(|why| Error::internal(why.en()))?;
    Ok(ranges.is_none_or(|ranges| address.is_some_and(|address| ranges.contain(address))))
}

/// Rejects a valid credential from an address that the policy does not allow. The error is the same as for an invalid one, so that a thief
/// does not learn that the credential is valid.
fn check_address(policy: &Policy, address: Option<IpAddr>, what: &str) -> Result<()> {
    match policy.admits(address).map_err(|why| Error::internal(why.en()))? {
        true => Ok(()),
        false => Err(Error::refused(format!("{what}: good, but its address is not let in"))),
    }
}
