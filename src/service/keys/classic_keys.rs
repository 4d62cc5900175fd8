//! Classic keys. A user has at most one classic key, the API key for SoftLayer's clients (contract, sections 5.3 and 5.4).
//!
//! | action | the user | an ancestor of the user | any other caller |
//! |---|---|---|---|
//! | create | yes | yes, and sees the text once | not found |
//! | see that the key exists | yes | yes | not found |
//! | read the text again | if the user created the key, with a fresh second factor | no | no |
//! | restrict to fewer addresses | yes | yes | not found |
//! | allow more addresses | with a fresh second factor | the same, if the ancestor's rights cover the user's | not found |
//! | remove | yes | yes | not found |
//!
//! A sealed copy of the text is stored only if the owner created the key. A key that the owner created in a session may do what the owner
//! may do at the time of a request; any other classic key may do at most what its creator could do when the key was created. A caller with
//! an API key may manage classic keys only if that API key is classic itself: a key that was minted for another purpose must not gain
//! rights.

use crate::app::App;
use crate::domain::api_key::{NewApiKey, NewClassicKey};
use crate::domain::audit::Entry;
use crate::domain::customer::{ClassicKey, Customer, Status};
use crate::domain::entity::API_KEY;
use crate::domain::id::{ApiKeyId, UserId};
use crate::domain::key_format;
use crate::domain::network::Ranges;
use crate::domain::operation::Operation;
use crate::domain::permission::Actions;
use crate::domain::permit::{Denial, Permit};
use crate::domain::principal::{CredentialRef, FactorState, Principal};
use crate::domain::reason::Reason;
use crate::domain::secret::PlainKey;
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};
use crate::store::{Tx, Users};

use crate::service::access::expect_user_management;
use crate::service::keys::api_keys::provenance;
use crate::service::people::change::PEOPLE;
use crate::service::people::customers::{Viewer, VisibleUser, no_such_user};

/// Name of every classic key.
const NAME: &str = "classic";
/// Maximum length of a list of addresses, in characters.
const RESTRICTION_MAX: usize = 1_000;

/// A classic key as the caller may see it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The classic key.
    pub key: ClassicKey,
    /// Text of the key, if the caller may read it.
    pub text: Option<PlainKey>,
}

/// Creates the classic key of the user with this number. Returns the text of the key.
///
/// # Errors
/// - `Invalid` if the user has a classic key already, or is neither active nor VPN-only.
/// - `NotFound` if the user is neither the caller nor below the caller.
/// - `Forbidden` if the caller uses a key that is not classic, the user holds rights that the caller does not hold, or the settings do not
///   let ancestors, or keys of ancestors, create keys.
/// - `StepUp` if the second factor was not proven recently.
/// - `Unavailable` if the database is unreachable.
pub async fn add(app: &App, permit: &Permit, user: i64) -> Result<PlainKey> {
    let permit = permit.require(Operation::AddClassicKey)?;
    let now = app.now();
    let text = key_format::generate(app.random.as_ref())?;
    let id = ApiKeyId::generate(now, app.random.as_ref())?;
    let owner = app.store.customer(user).await?.ok_or_else(no_such_user)?;
    // Roles, states and the hierarchy can't change until the transaction ends.
    let tx = app.begin_for(&permit, Users::used(owner.id)).await?;
    tx.beside(PEOPLE).await?;
    let actor = tx.permit().principal()?.clone();
    let (owner, is_self) = reach(&tx, &actor, user).await?;
    if !is_self {
        expect_user_management(app, &actor)?;
    }
    if !is_self && !app.settings.softlayer_keys_by_ancestors {
        let text = text!("everybody makes their own API key here", "此处每个用户只能自行创建 API 密钥");
        return Err(Error::new(Kind::Forbidden, text));
    }
    if owner.status != Status::Active && owner.status != Status::VpnOnly {
        return Err(Error::refused_change(Reason::KeyForStatus(owner.status)));
    }
    let ceiling = match is_self && !actor.is_key() {
        true => Actions::from_names(["*"]),
        false => ceiling(&tx, &actor, &owner.id).await?,
    };
    let sealed = is_self.then(|| app.vault.seal(&place(&id), text.expose().as_bytes())).transpose()?;
    let key = NewApiKey {
        id: id.clone(),
        digest: app.vault.digest(&text),
        name: NAME.to_owned(),
        description: String::new(),
        roles: Vec::new(),
        user: owner.id.clone(),
        ceiling,
        provenance: provenance(&tx).await?,
        classic: Some(NewClassicKey { creator: actor.user.clone(), sealed }),
    };
    tx.insert_api_key(key, now).await?;
    let name = &owner.username;
    let told = text!("classic API key of user {name} made", "已创建用户 {name} 的经典 API 密钥");
    tx.note(Entry::done(told).of(API_KEY.name, &id));
    tx.commit().await?;
    tracing::info!(user.name = owner.username, by = actor.username, key.id = %id, "classic API key made");
    Ok(text)
}

/// Removes the classic key with this number. Once this function returns, every node rejects the key.
///
/// # Errors
/// - `NotFound` if the key does not exist, or its owner is neither the caller nor below the caller.
/// - `Forbidden` if the caller uses a key that is not classic, or uses any API key for the key of another user while the settings do not
///   let keys manage users.
/// - `Unavailable` if the database is unreachable.
pub async fn remove(app: &App, permit: &Permit, number: i64) -> Result<()> {
    let permit = permit.require(Operation::RemoveClassicKey)?;
    let (tx, key) = find(app, &permit, number).await?;
    let by = tx.permit().principal()?.username.clone();
    tx.delete_api_key(&key.id).await?.ok_or_else(no_such_key)?;
    let told = text!("classic API key {number} removed", "已删除经典 API 密钥 {number}");
    tx.note(Entry::done(told).of(API_KEY.name, &key.id));
    tx.commit().await?;
    tracing::info!(by, key.id = %key.id, "classic API key removed");
    Ok(())
}

/// Restricts a classic key to addresses and networks, separated by commas; an empty list allows all addresses. Every caller who can see the
/// key may tighten the restriction. Loosening the restriction requires the same as minting a key, and all rights of the owner.
///
/// # Errors
/// - `Invalid` if an entry is neither an address nor a network.
/// - `Forbidden` if the restriction becomes looser and the caller uses an API key or does not hold all rights of the owner.
/// - `StepUp` if the restriction becomes looser and the second factor was not proven recently.
/// - Otherwise like [`remove`].
pub async fn restrict(app: &App, permit: &Permit, number: i64, addresses: &str) -> Result<Shown> {
    let permit = permit.require(Operation::EditClassicKey)?;
    let addresses = check_restriction(addresses)?;
    let (tx, key) = find(app, &permit, number).await?;
    let actor = tx.permit().principal()?.clone();
    if loosens(key.address_restriction.as_deref(), addresses.as_deref())? {
        tx.permit().check(Operation::LoosenClassicKey)?;
        if key.owner != actor.user {
            ceiling(&tx, &actor, &key.owner).await?;
        }
    }
    tx.restrict_key(&key.id, addresses.clone(), app.now()).await?;
    let from = addresses.as_deref().unwrap_or("everywhere");
    let told = text!("classic API key {number} works from {from}", "经典 API 密钥 {number} 的允许地址：{from}");
    tx.note(Entry::done(told).of(API_KEY.name, &key.id));
    let key = tx.classic_key(number).await?.ok_or_else(no_such_key)?;
    let shown = show(app, &actor, key)?;
    tx.commit().await?;
    Ok(shown)
}

/// Tells whether the list `after` admits an address that `before` rejects. Without a list, every address is admitted.
///
/// # Errors
/// `Internal` if a list can't be parsed.
pub(in crate::service) fn loosens(before: Option<&str>, after: Option<&str>) -> Result<bool> {
    let read =
        |list: Option<&str>| Ranges::parse_list(list.unwrap_or_default()).map_err(|why| Error::internal(why.en()));
    Ok(match (read(before)?, read(after)?) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(before), Some(after)) => !before.cover(&after),
    })
}

/// Checks a list of addresses and networks; returns `None` for an empty list.
///
/// # Errors
/// `Invalid` if the list is too long, or an entry is neither an address nor a network.
pub fn check_restriction(addresses: &str) -> Result<Option<String>> {
    let length = addresses.chars().count();
    if length > RESTRICTION_MAX {
        return Err(Error::invalid(text!(
            "ipAddressRestriction must have at most {RESTRICTION_MAX} characters, this one has {length}",
            "ipAddressRestriction 最多 {RESTRICTION_MAX} 个字符，当前为 {length} 个"
        )));
    }
    let ranges = Ranges::parse_list(addresses).map_err(Error::invalid)?;
    Ok(ranges.map(|_| addresses.to_owned()))
}

/// Returns the classic keys of `owners` that the caller may see: the caller's own key, and the keys of users below the caller.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub async fn list(app: &App, viewer: &Viewer, owners: &[UserId]) -> Result<Vec<Shown>> {
    let mut reached = Vec::new();
    for owner in owners {
        if viewer.is_self_or_below(app, owner).await? {
            reached.push(owner.clone());
        }
    }
    let keys = app.store.classic_keys_of(&reached).await?;
    keys.into_iter().map(|key| show(app, viewer.actor(), key)).collect()
}

/// Returns the classic keys of one user.
///
/// # Errors
/// - `NotFound` if the user is neither the caller nor below the caller.
/// - `Unavailable` if the database is unreachable.
pub async fn list_of(app: &App, viewer: &Viewer, owner: &VisibleUser) -> Result<Vec<Shown>> {
    if !viewer.is_self_or_below(app, &owner.id).await? {
        return Err(Error::new(Kind::NotFound, text!("there is no such user", "没有这样的用户")));
    }
    list(app, viewer, std::slice::from_ref(&owner.id)).await
}

/// Returns the classic key with this number.
///
/// # Errors
/// - `NotFound` if the key does not exist, or its owner is neither the caller nor below the caller.
/// - `Unavailable` if the database is unreachable.
pub async fn read(app: &App, viewer: &Viewer, number: i64) -> Result<Shown> {
    let key = app.store.classic_key(number).await?.ok_or_else(no_such_key)?;
    if !viewer.is_self_or_below(app, &key.owner).await? {
        return Err(no_such_key());
    }
    show(app, viewer.actor(), key)
}

/// Returns the key as the caller may see it. The text is included only for an owner who created the key. The owner must use the key itself,
/// or a session whose second factor is not stale.
fn show(app: &App, actor: &Principal, key: ClassicKey) -> Result<Shown> {
    let may_read = key.owner == actor.user
        && match &actor.credential {
            CredentialRef::Session(_) => actor.factor != FactorState::Stale,
            CredentialRef::ApiKey { id, .. } => *id == key.id,
            CredentialRef::Operator => false,
        };
    let Some(sealed) = key.sealed.as_deref().filter(|_| may_read) else { return Ok(Shown { key, text: None }) };
    let opened = app.vault.open(&place(&key.id), sealed);
    let text = opened.and_then(|bytes| key_format::parse(std::str::from_utf8(&bytes).ok()?));
    let text = text.ok_or_else(|| Error::internal(format!("the sealed copy of key {} does not open", key.id)))?;
    Ok(Shown { key, text: Some(text) })
}

/// Returns the user with this number, and whether this user is the caller. Rejects a user who is neither the caller nor below the caller.
async fn reach(tx: &Tx, actor: &Principal, number: i64) -> Result<(Customer, bool)> {
    let user = tx.customer(number).await?.ok_or_else(no_such_user)?;
    let is_self = user.id == actor.user;
    if is_self || tx.is_above(&actor.user, &user.id).await? { Ok((user, is_self)) } else { Err(no_such_user()) }
}

/// Begins a change to the classic key of the caller or of a user below the caller. Returns the transaction and the key.
async fn find(app: &App, permit: &Permit, number: i64) -> Result<(Tx, ClassicKey)> {
    // Find the key without a lock, lock its owner, and read the key again: a key never changes its owner.
    let key = app.store.classic_key(number).await?.ok_or_else(no_such_key)?;
    let tx = app.begin_for(permit, Users::changed([key.owner])).await?;
    let key = tx.classic_key(number).await?.ok_or_else(no_such_key)?;
    let actor = tx.permit().principal()?.clone();
    if key.owner == actor.user {
        return Ok((tx, key));
    }
    if !tx.is_above(&actor.user, &key.owner).await? {
        return Err(no_such_key());
    }
    expect_user_management(app, &actor)?;
    Ok((tx, key))
}

fn no_such_key() -> Error {
    Error::new(Kind::NotFound, text!("there is no such API key", "没有这样的 API 密钥"))
}

/// Returns the actions that limit a key, unless its owner creates the key in a session: the actions that the creator may perform. Rejects a
/// creator who does not hold all rights of the owner.
async fn ceiling(tx: &Tx, actor: &Principal, owner: &UserId) -> Result<Actions> {
    let (own, theirs) = (actor.rights, tx.rights_of(owner).await?);
    match own.missing_action(&theirs) {
        Some(action) => Err(Denial::MissingAction(action.name()).into()),
        None => Ok(*own.everywhere()),
    }
}

/// Returns the place that the copy of a key's text is sealed for.
fn place(id: &ApiKeyId) -> String {
    format!("api_keys/{id}/text")
}
