//! The one function that turns what a caller showed into a [`Principal`].
//!
//! 1. Shape: a text that is neither a key nor a token is refused without asking the database; so are a key with a wrong checksum
//!    and a token whose signature, claims or times are wrong.
//! 2. One indexed statement: the row of the key or of the token's session, with the present rights of owner and key.
//! 3. State against the policies and the clock: the address it comes from, the age of the session.
//! 4. Rights: a token has its user's; a key has what its roles, its owner's roles and its ceiling all allow.
//!
//! There is no cache: an acknowledged delete is seen by every request that begins later, on every node.

use std::net::IpAddr;

use crate::domain::clock::Timestamp;
use crate::domain::key_format;
use crate::domain::policy::Policy;
use crate::domain::principal::{CredentialRef, Principal};
use crate::domain::secret::PlainKey;
use crate::error::{Error, Result};
use crate::store::Store;

use super::token::Tokens;
use super::vault::Vault;

/// Finds out who shows `credential`: the bare text of a key or a token.
///
/// # Errors
/// `Unauthenticated`, always with the same public text, when it does not work; `Unavailable` when the database can't tell.
pub async fn authenticate(
    credential: &str,
    address: Option<IpAddr>,
    now: Timestamp,
    store: &Store,
    vault: &Vault,
    tokens: &Tokens,
) -> Result<Principal> {
    if let Some(key) = key_format::parse(credential) {
        return by_key(&key, address, store, vault).await;
    }
    if credential.split('.').count() == 3 {
        return by_token(credential, address, now, store, tokens).await;
    }
    Err(Error::refused("neither a key nor a token"))
}

async fn by_key(key: &PlainKey, address: Option<IpAddr>, store: &Store, vault: &Vault) -> Result<Principal> {
    let row = store.find_key(&vault.digest(key)).await?.ok_or_else(|| Error::refused("key: unknown"))?;
    check_address(&row.policy, address, "key")?;
    Ok(Principal {
        user: row.user,
        username: row.username,
        rights: row.held.intersection(&row.granted).intersection(&row.ceiling),
        credential: CredentialRef::ApiKey { id: row.id, name: row.name },
    })
}

async fn by_token(
    token: &str,
    address: Option<IpAddr>,
    now: Timestamp,
    store: &Store,
    tokens: &Tokens,
) -> Result<Principal> {
    let claims = tokens.read(token, now).map_err(Error::refused)?;
    let row = store.find_session(&claims.session).await?;
    // Signed by us, so that it may be named: the audit log tells whose token is still in use.
    let refused =
        |why: &str| Error::refused(format!("token: session {} of user {} {why}", claims.session, claims.user));
    let row = row.ok_or_else(|| refused("was ended"))?;
    if row.user != claims.user || now >= row.expires_at {
        return Err(refused("is another user's, or over"));
    }
    if row.policy.sessions_over(now).is_some_and(|begun| row.created_at <= begun) {
        return Err(Error::refused("token: its session is older than the policy allows"));
    }
    check_address(&row.policy, address, "token")?;
    Ok(Principal {
        user: row.user,
        username: row.username,
        rights: row.held,
        credential: CredentialRef::Session(row.id),
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
