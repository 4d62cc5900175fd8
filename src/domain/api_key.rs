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

/// A stored key, as far as the rules need it.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Id.
    pub id: ApiKeyId,
    /// Name that its owner gave it.
    pub name: String,
    /// Owner.
    pub user: UserId,
}

/// A key to be stored.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Id.
    pub id: ApiKeyId,
    /// Digest by which the store finds it.
    pub digest: KeyDigest,
    /// Name that its owner gave it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Owner.
    pub user: UserId,
    /// Roles of the owner when the key was minted.
    pub roles: Vec<RoleId>,
    /// Actions allowed to the owner when the key was minted. The key never allows more, even if its roles gain actions later.
    pub ceiling: Actions,
    /// How its owner was authenticated when the key was minted.
    pub provenance: Provenance,
    /// Further data of a classic key; `None` for other keys.
    pub classic: Option<NewClassicKey>,
}

/// Data that only a classic key has.
#[derive(Debug, Clone)]
pub struct NewClassicKey {
    /// User who minted it.
    pub creator: UserId,
    /// Encrypted text of the key, so that its owner can read it again; `None` if another user minted it.
    pub sealed: Option<Vec<u8>>,
}

/// How the owner of a key was authenticated when it was minted.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    /// Authentication methods (RFC 8176).
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
