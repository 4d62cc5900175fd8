//! An API key as the rooms above exchange it.

use std::net::IpAddr;

use super::clock::Timestamp;
use super::id::{ApiKeyId, RoleId, UserId};
use super::name::check_name;
use super::permission::Actions;
use super::secret::KeyDigest;
use super::text::{Text, text};

/// Most characters in a key's name.
pub const NAME_MAX: usize = 255;
/// Most characters in a key's description.
pub const DESCRIPTION_MAX: usize = 1000;

/// A key as decisions need it.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Id.
    pub id: ApiKeyId,
    /// What its owner calls it.
    pub name: String,
    /// Owner.
    pub user: UserId,
}

/// A key to be stored.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Id.
    pub id: ApiKeyId,
    /// Where it is looked up.
    pub digest: KeyDigest,
    /// What its owner calls it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Owner.
    pub user: UserId,
    /// The owner's roles at the mint.
    pub roles: Vec<RoleId>,
    /// What the owner could do at the mint: a key never does more, whatever its roles gain later.
    pub ceiling: Actions,
    /// How its owner was authenticated at the mint.
    pub provenance: Provenance,
    /// What a classic key has beside.
    pub classic: Option<NewClassicKey>,
}

/// What a classic key has beside other keys.
#[derive(Debug, Clone)]
pub struct NewClassicKey {
    /// Who made it.
    pub creator: UserId,
    /// The sealed text, for its owner who made it.
    pub sealed: Option<Vec<u8>>,
}

/// How the owner of a key was authenticated when it was minted.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    /// The methods (RFC 8176).
    pub amr: Vec<String>,
    /// When: the later of the login and the last proof of a second factor.
    pub auth_time: Option<Timestamp>,
    /// From where the mint was asked for.
    pub auth_address: Option<IpAddr>,
}

/// Checks what a caller calls a key.
///
/// # Errors
/// What is wrong and what is allowed.
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
