//! API keys: the records that the layers above exchange, and the rules for names and descriptions.

use std::net::IpAddr;

use super::clock::Timestamp;
use super::id::{ApiKeyId, RoleId, UserId};
use super::name::check_name;
use super::permission::Actions;
use super::secret::KeyDigest;
use super::text::{Text, text};

/// Maximum number of characters in a key's name.
pub const NAME_MAX: usize = 255;
/// Maximum number of characters in a key's description.
pub const DESCRIPTION_MAX: usize = 1000;

/// A stored key, with the members that the rules need.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Id of the key.
    pub id: ApiKeyId,
    /// Name that the owner gave to the key.
    pub name: String,
    /// Id of the owner.
    pub user: UserId,
}

/// A key to be stored.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Id of the key.
    pub id: ApiKeyId,
    /// Digest by which the store finds the key.
    pub digest: KeyDigest,
    /// Name that the owner gave to the key.
    pub name: String,
    /// Description of the key's purpose.
    pub description: String,
    /// Id of the owner.
    pub user: UserId,
    /// Ids of the owner's roles when the key was minted.
    pub roles: Vec<RoleId>,
    /// Actions allowed to the owner when the key was minted. The key never allows other actions, even if the roles gain some later.
    pub ceiling: Actions,
    /// How the owner was authenticated when the key was minted.
    pub provenance: Provenance,
    /// Further data of a classic key; `None` for other keys.
    pub classic: Option<NewClassicKey>,
}

/// Data that only a classic key has.
#[derive(Debug, Clone)]
pub struct NewClassicKey {
    /// Id of the user who minted the key.
    pub creator: UserId,
    /// Encrypted text of the key, so that the owner can read the key again; `None` if another user minted the key.
    pub sealed: Option<Vec<u8>>,
}

/// How the owner of a key was authenticated when the key was minted.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    /// Names of the authentication methods (RFC 8176), for example `pwd`.
    pub amr: Vec<String>,
    /// Time of the login or of the last proof of a second factor, whichever is later.
    pub auth_time: Option<Timestamp>,
    /// Client address of the request that minted the key.
    pub auth_address: Option<IpAddr>,
}

/// Checks the name and the description of a key.
///
/// # Errors
/// The text says what is wrong and what is allowed.
pub fn check(name: Option<&str>, description: Option<&str>) -> Result<(), Text> {
    if let Some(name) = name {
        check_name("name", name, NAME_MAX)?;
    }
    let description = description.unwrap_or_default();
    if description.chars().any(|character| character.is_control() && !"\n\r\t".contains(character)) {
        return Err(text!(
            "description must not contain control characters but line breaks and tabs",
            "description 除换行和制表符外不能包含控制字符"
        ));
    }
    let length = description.chars().count();
    if length > DESCRIPTION_MAX {
        return Err(text!(
            "description must have at most {DESCRIPTION_MAX} characters, this one has {length}",
            "description 最多 {DESCRIPTION_MAX} 个字符，当前为 {length} 个"
        ));
    }
    Ok(())
}
