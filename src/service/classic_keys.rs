//! Classic keys: the one API key of a user that SoftLayer's clients use (contract, sections 5.3 and 5.4).
//!
//! | | oneself | an ancestor | anybody else |
//! |---|---|---|---|
//! | make | yes | yes: sees the text once | not found |
//! | see that it is there | yes | yes | not found |
//! | read the text again | of a key made by oneself, with a fresh second factor | no | no |
//! | let it work from fewer addresses | yes | yes | not found |
//! | let it work from more addresses | with a fresh second factor | the same, and where one's rights cover the owner's | not found |
//! | remove | yes | yes | not found |
//!
//! A sealed copy is kept only where the owner made the key. Such a key is tied to its owner, and does what they may do now; one that an
//! ancestor made does no more than that ancestor could then. Of keys, only classic ones manage classic keys: one that was minted for
//! something else must not come by more than it has.

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

use super::api_keys::provenance;
use super::customers::{Viewer, VisibleUser, no_such_user};
use super::people::PEOPLE;

/// What such a key is called where keys have names.
const NAME: &str = "classic";
/// Most characters of a list of addresses.
const RESTRICTION_MAX: usize = 1_000;

/// A classic key as somebody sees it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The key.
    pub key: ClassicKey,
    /// Its text, for whoever may read it.
    pub text: Option<PlainKey>,
}

/// Makes the classic key of a user, by their number. The answer holds its text.
///
/// # Errors
/// `Invalid` where there is one already and for a user who is not active, `NotFound` for a user that the caller is no ancestor of,
/// `Forbidden` for a key that is not classic and for a user who holds more than the caller, `StepUp` without a fresh second factor,
/// `Unavailable` when the database is away.
pub async fn add(app: &App, permit: &Permit, user: i64) -> Result<PlainKey> {
    let permit = permit.require(Operation::AddClassicKey)?;
    let now = app.now();
    let text = key_format::generate(app.random.as_ref())?;
    let id = ApiKeyId::generate(now, app.random.as_ref())?;
    let owner = app.store.customer(user).await?.ok_or_else(no_such_user)?;
    // Roles, states and the hierarchy stay as they are.
    let tx = app.begin_for(&permit, Users::used(owner.id)).await?;
    tx.beside(PEOPLE).await?;
    let actor = tx.permit().principal()?.clone();
    let (owner, is_self) = reach(&tx, &actor, user).await?;
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

/// Removes a classic key, by its number. Once this returns, the key is refused everywhere.
///
/// # Errors
/// `NotFound` for a key that is none, or whose owner the caller is no ancestor of; `Forbidden` for a key that is not classic,
/// `Unavailable` when the database is away.
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

/// Says from where a classic key works: addresses and networks with commas between; from everywhere where there is none. Whoever reaches
/// the key may tighten that. To loosen it takes what minting takes, and rights that cover its owner's.
///
/// # Errors
/// `Invalid` for what is no address and no network; `Forbidden` for a key that loosens, and for a caller who does not hold what the owner
/// holds; `StepUp` for loosening without a fresh second factor; otherwise like [`remove`].
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

/// Tells whether a list of addresses lets in any address that the one before keeps out. Without a list, every address is let in.
///
/// # Errors
/// `Internal` for a list before that can't be read.
pub(super) fn loosens(before: Option<&str>, after: Option<&str>) -> Result<bool> {
    let read =
        |list: Option<&str>| Ranges::parse_list(list.unwrap_or_default()).map_err(|why| Error::internal(why.en()));
    Ok(match (read(before)?, read(after)?) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(before), Some(after)) => !before.cover(&after),
    })
}

/// Checks a list of addresses and networks; an empty one is none.
///
/// # Errors
/// `Invalid` with what is wrong and what is allowed.
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

/// The classic keys of users, as far as the caller may know of them: one's own, and those of users below.
///
/// # Errors
/// `Unavailable` when the database is away.
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

/// The classic keys of one user.
///
/// # Errors
/// `NotFound` unless the user is the caller or below the caller; `Unavailable` when the database is away.
pub async fn list_of(app: &App, viewer: &Viewer, owner: &VisibleUser) -> Result<Vec<Shown>> {
    if !viewer.is_self_or_below(app, &owner.id).await? {
        return Err(Error::new(Kind::NotFound, text!("there is no such user", "没有这样的用户")));
    }
    list(app, viewer, std::slice::from_ref(&owner.id)).await
}

/// A classic key, by its number.
///
/// # Errors
/// `NotFound` for a key that is none, or whose owner the caller is no ancestor of; `Unavailable` when the database is away.
pub async fn read(app: &App, viewer: &Viewer, number: i64) -> Result<Shown> {
    let key = app.store.classic_key(number).await?.ok_or_else(no_such_key)?;
    if !viewer.is_self_or_below(app, &key.owner).await? {
        return Err(no_such_key());
    }
    show(app, viewer.actor(), key)
}

/// The key as the caller sees it. Its text is for the owner who made it: in a session that could mint a key now, or shown by the key
/// itself.
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

/// A user who is the caller, or whom the caller is an ancestor of; and which of both.
async fn reach(tx: &Tx, actor: &Principal, number: i64) -> Result<(Customer, bool)> {
    let user = tx.customer(number).await?.ok_or_else(no_such_user)?;
    let is_self = user.id == actor.user;
    if is_self || tx.is_above(&actor.user, &user.id).await? { Ok((user, is_self)) } else { Err(no_such_user()) }
}

/// Begins a change of a key, which must be the caller's or that of a user below.
async fn find(app: &App, permit: &Permit, number: i64) -> Result<(Tx, ClassicKey)> {
    // Found without a lock, and found again with its owner's: a key never changes hands.
    let key = app.store.classic_key(number).await?.ok_or_else(no_such_key)?;
    let tx = app.begin_for(permit, Users::changed([key.owner])).await?;
    let key = tx.classic_key(number).await?.ok_or_else(no_such_key)?;
    let actor = &tx.permit().principal()?.user;
    let reached = key.owner == *actor || tx.is_above(actor, &key.owner).await?;
    if reached { Ok((tx, key)) } else { Err(no_such_key()) }
}

fn no_such_key() -> Error {
    Error::new(Kind::NotFound, text!("there is no such API key", "没有这样的 API 密钥"))
}

/// What a key may do that somebody makes who is not its owner in person: no more than they may do themselves. Who holds more than they do
/// is not theirs to act for.
async fn ceiling(tx: &Tx, actor: &Principal, owner: &UserId) -> Result<Actions> {
    let (own, theirs) = (actor.rights, tx.rights_of(owner).await?);
    match own.missing_action(&theirs) {
        Some(action) => Err(Denial::MissingAction(action.name()).into()),
        None => Ok(*own.everywhere()),
    }
}

/// Where the sealed copy of a key belongs.
fn place(id: &ApiKeyId) -> String {
    format!("api_keys/{id}/text")
}
