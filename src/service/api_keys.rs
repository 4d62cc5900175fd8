//! API keys: minted by a person, described, deleted. For anyone but the owner, or whoever manages keys, a key does not exist.

use std::sync::Arc;

use serde_json::Value;

use super::lists::{digested, scope};
use super::people::PEOPLE;
use crate::app::App;
use crate::domain::api_key::{NewApiKey, Provenance, check};
use crate::domain::audit::Entry;
use crate::domain::caller::Caller;
use crate::domain::entity::API_KEY;
use crate::domain::filter::{Query, Scalar};
use crate::domain::id::ApiKeyId;
use crate::domain::key_format;
use crate::domain::operation::Operation;
use crate::domain::permit::{Denial, Permit, authorize};
use crate::domain::principal::{FactorState, Principal};
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};
use crate::store::{Budget, Node, Projection, Scope, Tx};

/// How a caller names one key: exactly one of the two.
#[derive(Debug, Default)]
pub struct Selector {
    /// By id.
    pub id: Option<String>,
    /// By its text.
    pub key: Option<String>,
}

/// How much of a key the answer shows, and how much it may hold in all.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Which fields.
    pub projection: &'a Projection,
    /// How many values.
    pub budget: &'a Budget,
}

/// Mints a key for the caller, with the caller's roles. The answer is the only one that holds the key's text.
///
/// # Errors
/// `Invalid` for a name or description that is not allowed, `Forbidden` for a key, `Unavailable` when the database is away.
pub async fn create(
    app: &App,
    caller: &Caller,
    name: String,
    description: Option<String>,
    wanted: Wanted<'_>,
) -> Result<Arc<Node>> {
    let permit = authorize(caller, Operation::CreateApiKey)?;
    let owner = actor(&permit)?.clone();
    check(Some(&name), description.as_deref()).map_err(Error::invalid)?;
    let now = app.now();
    let text = key_format::generate(app.random.as_ref())?;
    let id = ApiKeyId::generate(now, app.random.as_ref())?;
    let key_name = name.clone();
    let (session, address) = (owner.session().cloned(), caller.address);
    let tx = app.begin(permit).await?;
    // Its roles must not be taken from the owner, or deleted, before it is there.
    tx.beside(PEOPLE).await?;
    let provenance = match &session {
        Some(id) => {
            // Whoever ends it, and may delete its user's keys, does so before or after.
            tx.hold_password(&owner.user).await?;
            let session = tx.session(id).await?.ok_or_else(|| Error::refused("the session was ended meanwhile"))?;
            let auth_time = Some(session.mfa_at.unwrap_or(session.created_at));
            Provenance { amr: session.amr, auth_time, auth_address: address }
        }
        None => Provenance::default(),
    };
    let key = NewApiKey {
        id: id.clone(),
        digest: app.vault.digest(&text),
        name,
        description: description.unwrap_or_default(),
        roles: tx.roles_of(&owner.user).await?,
        user: owner.user,
        ceiling: owner.rights,
        provenance,
        classic: None,
    };
    tx.insert_api_key(key, now).await?;
    let minted = &key_name;
    tx.note(Entry::done(text!("API key {minted} minted", "已创建 API 密钥 {minted}")).of(API_KEY.name, &id));
    // Read before it is kept: an answer that is too large must not leave a key that nobody knows.
    let mut node = find(&tx, &by("id", id.to_string())?, &Scope::All, wanted).await?;
    tx.commit().await?;
    tracing::info!(user.name = owner.username, key.id = %id, "API key minted");
    if let Some(node) = Arc::get_mut(&mut node) {
        node.reveal("key", Value::from(text.expose()));
    }
    Ok(node)
}

/// Renames a key or describes it anew; `None` leaves as it is.
///
/// # Errors
/// `Invalid` for a name or description that is not allowed, `Forbidden` for a key, `NotFound`, `Unavailable` when the database is
/// away.
pub async fn update(
    app: &App,
    caller: &Caller,
    selector: Selector,
    name: Option<String>,
    description: Option<String>,
    wanted: Wanted<'_>,
) -> Result<Arc<Node>> {
    let permit = authorize(caller, Operation::UpdateApiKey)?;
    check(name.as_deref(), description.as_deref()).map_err(Error::invalid)?;
    let scope = scope(permit.actor(), &API_KEY);
    let query = select(app, selector)?;
    let tx = app.begin(permit).await?;
    if name.is_none() && description.is_none() {
        return find(&tx, &query, &scope, wanted).await;
    }
    let named = Projection::of(&API_KEY, &["name"]);
    let found = find(&tx, &query, &scope, Wanted { projection: &named, budget: &Budget::unlimited() }).await?;
    let old = found.value("name").as_str().unwrap_or_default();
    let text = match name.as_deref().filter(|name| *name != old) {
        Some(name) => text!("API key {old} renamed: {name}", "API 密钥 {old} 已改名为 {name}"),
        None => text!("API key {old} described anew", "已修改 API 密钥 {old} 的描述"),
    };
    tx.describe_api_key(&ApiKeyId::from(found.id().to_owned()), name, description).await?;
    let described = find(&tx, &query, &scope, wanted).await?;
    tx.note(Entry::done(text).of(API_KEY.name, found.id()));
    tx.commit().await?;
    Ok(described)
}

/// Deletes a key and answers what it was. Once this returns, the key is refused everywhere.
///
/// # Errors
/// `NotFound` for a key that does not exist or that the caller may not know of, `Forbidden` for a key that deletes another,
/// `Unavailable` when the database is away.
pub async fn delete(app: &App, caller: &Caller, selector: Selector, wanted: Wanted<'_>) -> Result<Arc<Node>> {
    let permit = authorize(caller, Operation::DeleteApiKey)?;
    let actor = actor(&permit)?.clone();
    let query = select(app, selector)?;
    let tx = app.begin(permit).await?;
    let found = find(&tx, &query, &scope(Some(&actor), &API_KEY), wanted).await?;
    if !actor.may_delete(found.id()) {
        return Err(Error::new(
            Kind::Forbidden,
            text!(
                "an API key can delete only itself: log in and use the token",
                "API 密钥只能删除自身：请登录并使用令牌"
            ),
        ));
    }
    let deleted = tx.delete_api_key(&ApiKeyId::from(found.id().to_owned())).await?;
    let name = deleted.ok_or_else(no_such_key)?;
    tx.note(Entry::done(text!("API key {name} deleted", "已删除 API 密钥 {name}")).of(API_KEY.name, found.id()));
    tx.commit().await?;
    tracing::info!(user.name = actor.username, key.id = found.id(), "API key deleted");
    Ok(found)
}

/// Lets a key of the caller work again that the reset of their second factors has suspended.
///
/// # Errors
/// `NotFound` for a key that is not the caller's, `Forbidden` for a key, `StepUp` without a fresh second factor, `Unavailable` when the
/// database is away.
pub async fn confirm(app: &App, caller: &Caller, selector: Selector, wanted: Wanted<'_>) -> Result<Arc<Node>> {
    let permit = authorize(caller, Operation::ConfirmApiKey)?;
    let actor = actor(&permit)?.clone();
    let query = select(app, selector)?;
    let own = Scope::OwnedBy(actor.user.clone());
    let tx = app.begin(permit).await?;
    let named = Projection::of(&API_KEY, &["name"]);
    let found = find(&tx, &query, &own, Wanted { projection: &named, budget: &Budget::unlimited() }).await?;
    if actor.factor == FactorState::None {
        let text = text!(
            "the key was minted under a second factor, and you have none now: enrol one first",
            "该密钥是在第二因素下创建的，而您现在没有第二因素：请先注册"
        );
        return Err(Error::new(Kind::StepUp, text));
    }
    let name = found.value("name").as_str().unwrap_or_default();
    tx.resume_api_key(&ApiKeyId::from(found.id().to_owned())).await?;
    let confirmed = find(&tx, &query, &own, wanted).await?;
    tx.note(Entry::done(text!("API key {name} confirmed", "已确认 API 密钥 {name}")).of(API_KEY.name, found.id()));
    tx.commit().await?;
    Ok(confirmed)
}

/// Reads one key; `None` for a key that does not exist or that the caller may not know of.
///
/// # Errors
/// `Invalid` for a selector that names none or two, `Unavailable` when the database is away.
pub async fn read(app: &App, caller: &Caller, selector: Selector, wanted: Wanted<'_>) -> Result<Option<Arc<Node>>> {
    let permit = authorize(caller, Operation::Read(&API_KEY))?;
    let (query, scope) = (select(app, selector)?, scope(permit.actor(), &API_KEY));
    Ok(app.store.list(&query, &scope, wanted.projection, wanted.budget).await?.into_iter().next())
}

async fn find(tx: &Tx, query: &Query, scope: &Scope, wanted: Wanted<'_>) -> Result<Arc<Node>> {
    let found = tx.list(query, scope, wanted.projection, wanted.budget).await?;
    found.into_iter().next().ok_or_else(no_such_key)
}

fn no_such_key() -> Error {
    Error::new(Kind::NotFound, text!("there is no such API key", "没有这样的 API 密钥"))
}

fn select(app: &App, selector: Selector) -> Result<Query> {
    let (name, text) = match (selector.id, selector.key) {
        (Some(id), None) => ("id", id),
        (None, Some(key)) => ("key", key),
        _ => {
            return Err(Error::invalid(text!(
                "where must name exactly one of id and key",
                "where 必须恰好指定 id 和 key 之一"
            )));
        }
    };
    let mut query = by(name, text)?;
    query.filter = digested(app, query.filter);
    Ok(query)
}

fn by(name: &str, text: String) -> Result<Query> {
    let field = API_KEY.field(name).ok_or_else(|| Error::internal("ApiKey has lost a field"))?;
    // No row has NUL in it, and PostgreSQL would not even compare it.
    let values = if text.contains('\0') { Vec::new() } else { vec![Scalar::Text(text)] };
    Ok(Query::having(&API_KEY, field, values))
}

fn actor(permit: &Permit) -> Result<&Principal> {
    permit.actor().ok_or_else(|| Denial::NoCredential.into())
}
