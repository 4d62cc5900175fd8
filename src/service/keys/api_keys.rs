//! Mints, describes, confirms and deletes API keys. A caller needs a session to mint a key. Only the owner of a key and callers with the
//! right to manage keys see the key.

use std::sync::Arc;

use serde_json::Value;

use crate::app::App;
use crate::domain::api_key::{NewApiKey, Provenance, check};
use crate::domain::audit::Entry;
use crate::domain::entity::API_KEY;
use crate::domain::filter::{Query, Scalar};
use crate::domain::id::ApiKeyId;
use crate::domain::key_format;
use crate::domain::operation::Operation;
use crate::domain::permit::Permit;
use crate::domain::principal::{CredentialRef, FactorState};
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};
use crate::service::access::Wanted;
use crate::service::inventory::lists::{digested, scope};
use crate::store::{Node, Scope, Tx, Users};

/// How a request names one key: exactly one field is set.
#[derive(Debug, Default)]
pub struct Selector {
    /// Id of the key.
    pub id: Option<String>,
    /// Text of the key.
    pub key: Option<String>,
}

/// Mints a key for the caller, with the caller's roles. Only the answer to this request contains the key's text.
///
/// # Errors
/// - `Invalid` if the name or description is not allowed.
/// - `Forbidden` if the caller authenticated with an API key.
/// - `StepUp` if the second factor was not proven recently.
/// - `Unavailable` if the database is unreachable.
pub async fn create(
    app: &App,
    permit: &Permit,
    name: String,
    description: Option<String>,
    wanted: Wanted<'_>,
) -> Result<Arc<Node>> {
    let permit = permit.require(Operation::CreateApiKey)?;
    check(Some(&name), description.as_deref()).map_err(Error::invalid)?;
    let now = app.now();
    let text = key_format::generate(app.random.as_ref())?;
    let id = ApiKeyId::generate(now, app.random.as_ref())?;
    let told = text!("API key {name} minted", "已创建 API 密钥 {name}");
    // A change of the owner's roles, or the end of the session, happens before or after this transaction, not during it.
    let tx = app.begin(&permit).await?;
    let owner = tx.permit().principal()?.clone();
    let key = NewApiKey {
        id: id.clone(),
        digest: app.vault.digest(&text),
        name,
        description: description.unwrap_or_default(),
        roles: tx.roles_of(&owner.user).await?,
        user: owner.user,
        ceiling: *owner.rights.actions(),
        provenance: provenance(&tx).await?,
        classic: None,
    };
    tx.insert_api_key(key, now).await?;
    tx.note(Entry::done(told).of(API_KEY.name, &id));
    // Read before the commit: an answer that is too large must not leave a key whose text nobody knows.
    let mut node = find(&tx, &by("id", id.to_string())?, &Scope::All, wanted).await?;
    tx.commit().await?;
    tracing::info!(user.name = owner.username, key.id = %id, "API key minted");
    if let Some(node) = Arc::get_mut(&mut node) {
        node.reveal("key", Value::from(text.expose()));
    }
    Ok(node)
}

/// Returns how the caller who mints a key was authenticated. For a caller with a session, this is noted in the session. For a caller with
/// an API key, this was noted when that key was minted.
pub(in crate::service) async fn provenance(tx: &Tx) -> Result<Provenance> {
    match &tx.permit().principal()?.credential {
        CredentialRef::Session(id) => {
            let session = tx.session(id).await?.ok_or_else(|| Error::refused("the session was ended meanwhile"))?;
            let auth_time = Some(session.mfa_at.unwrap_or(session.created_at));
            Ok(Provenance { amr: session.amr, auth_time, auth_address: tx.permit().caller().address })
        }
        CredentialRef::ApiKey { id, .. } => tx.provenance_of(id).await,
        CredentialRef::Operator => Ok(Provenance::default()),
    }
}

/// Changes the name or description of a key. A value that is `None` stays as it is.
///
/// # Errors
/// - `Invalid` if the name or description is not allowed.
/// - `Forbidden` if the caller authenticated with an API key.
/// - `NotFound` if the key does not exist or the caller may not see it.
/// - `Unavailable` if the database is unreachable.
pub async fn update(
    app: &App,
    permit: &Permit,
    selector: Selector,
    name: Option<String>,
    description: Option<String>,
    wanted: Wanted<'_>,
) -> Result<Arc<Node>> {
    let permit = permit.require(Operation::UpdateApiKey)?;
    check(name.as_deref(), description.as_deref()).map_err(Error::invalid)?;
    let query = select(app, selector)?;
    let tx = app.begin(&permit).await?;
    let scope = scope(tx.actor(), &API_KEY);
    if name.is_none() && description.is_none() {
        return find(&tx, &query, &scope, wanted).await;
    }
    let key = tx.api_key(&query, &scope).await?.ok_or_else(no_such_key)?;
    let old = &key.name;
    let text = match name.as_deref().filter(|name| name != old) {
        Some(name) => text!("API key {old} renamed: {name}", "API 密钥 {old} 已改名为 {name}"),
        None => text!("API key {old} described anew", "已修改 API 密钥 {old} 的描述"),
    };
    tx.describe_api_key(&key.id, name, description).await?;
    let described = find(&tx, &query, &scope, wanted).await?;
    tx.note(Entry::done(text).of(API_KEY.name, &key.id));
    tx.commit().await?;
    Ok(described)
}

/// Deletes a key and returns its last state. Once this function returns, every node rejects the key.
///
/// # Errors
/// - `NotFound` if the key does not exist or the caller may not see it.
/// - `Forbidden` if the caller uses an API key and deletes another one.
/// - `Unavailable` if the database is unreachable.
pub async fn delete(app: &App, permit: &Permit, selector: Selector, wanted: Wanted<'_>) -> Result<Arc<Node>> {
    let permit = permit.require(Operation::DeleteApiKey)?;
    let query = select(app, selector)?;
    // Find the key without a lock, lock its owner, and read the key again: a key never changes its owner.
    let key = app.store.api_key(&query, &scope(permit.actor(), &API_KEY)).await?.ok_or_else(no_such_key)?;
    let tx = app.begin_for(&permit, Users::changed([key.user])).await?;
    let actor = tx.permit().principal()?.clone();
    let scope = scope(Some(&actor), &API_KEY);
    let key = tx.api_key(&query, &scope).await?.ok_or_else(no_such_key)?;
    if !actor.may_delete(key.id.as_str()) {
        return Err(Error::new(
            Kind::Forbidden,
            text!(
                "an API key can delete only itself: log in and use the token",
                "API 密钥只能删除自身：请登录并使用令牌"
            ),
        ));
    }
    let found = find(&tx, &query, &scope, wanted).await?;
    let name = tx.delete_api_key(&key.id).await?.ok_or_else(no_such_key)?;
    tx.note(Entry::done(text!("API key {name} deleted", "已删除 API 密钥 {name}")).of(API_KEY.name, &key.id));
    tx.commit().await?;
    tracing::info!(user.name = actor.username, key.id = %key.id, "API key deleted");
    Ok(found)
}

/// Reactivates a key of the caller that the reset of the caller's second factors has suspended.
///
/// # Errors
/// - `NotFound` if the key does not exist or is not the caller's.
/// - `Forbidden` if the caller authenticated with an API key.
/// - `StepUp` if the caller has no second factor or has not proven it recently.
/// - `Unavailable` if the database is unreachable.
pub async fn confirm(app: &App, permit: &Permit, selector: Selector, wanted: Wanted<'_>) -> Result<Arc<Node>> {
    let permit = permit.require(Operation::ConfirmApiKey)?;
    let query = select(app, selector)?;
    let tx = app.begin(&permit).await?;
    let actor = tx.permit().principal()?.clone();
    let own = Scope::OwnedBy(actor.user.clone());
    let key = tx.api_key(&query, &own).await?.ok_or_else(no_such_key)?;
    if actor.factor == FactorState::None {
        let text = text!(
            "the key was minted under a second factor, and you have none now: enrol one first",
            "该密钥是在第二因素下创建的，而您现在没有第二因素：请先注册"
        );
        return Err(Error::new(Kind::StepUp, text));
    }
    let name = &key.name;
    tx.resume_api_key(&key.id).await?;
    let confirmed = find(&tx, &query, &own, wanted).await?;
    tx.note(Entry::done(text!("API key {name} confirmed", "已确认 API 密钥 {name}")).of(API_KEY.name, &key.id));
    tx.commit().await?;
    Ok(confirmed)
}

/// Returns one key; `None` if it does not exist or the caller may not see it.
///
/// # Errors
/// - `Invalid` if the selector does not name exactly one of id and key.
/// - `Unavailable` if the database is unreachable.
pub async fn read(app: &App, permit: &Permit, selector: Selector, wanted: Wanted<'_>) -> Result<Option<Arc<Node>>> {
    let permit = permit.require(Operation::Read(&API_KEY))?;
    let (query, scope) = (select(app, selector)?, scope(permit.actor(), &API_KEY));
    Ok(app.store.named(&query, &scope, wanted.projection, wanted.budget).await?.into_iter().next())
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
    // No stored text contains NUL, and PostgreSQL rejects NUL in a comparison.
    let values = if text.contains('\0') { Vec::new() } else { vec![Scalar::Text(text)] };
    Ok(Query::having(&API_KEY, field, values))
}
