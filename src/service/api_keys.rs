//! API keys: minted by a person, described, deleted. For anyone but the owner, or whoever manages keys, a key does not exist.

use std::sync::Arc;

use serde_json::Value;

use super::lists::{digested, scope};
use crate::app::App;
use crate::domain::api_key::{NewApiKey, check};
use crate::domain::entity::API_KEY;
use crate::domain::filter::{Filter, Query, Scalar};
use crate::domain::id::ApiKeyId;
use crate::domain::key_format;
use crate::domain::operation::Operation;
use crate::domain::permit::{Denial, Permit, authorize};
use crate::domain::principal::Principal;
use crate::error::{Error, Kind, Result};
use crate::store::{Budget, Node, Projection, Scope};

/// How a caller names one key: exactly one of the two.
#[derive(Debug, Default)]
pub struct Selector {
    /// By id.
    pub id: Option<String>,
    /// By its text.
    pub key: Option<String>,
}

/// Mints a key for the caller, with the caller's roles. The answer is the only one that holds the key's text.
///
/// # Errors
/// `Invalid` for a name or description that is not allowed, `Forbidden` for a key, `Unavailable` when the database is away.
pub async fn create(
    app: &App,
    caller: Option<&Principal>,
    name: String,
    description: Option<String>,
    projection: &Projection,
) -> Result<Arc<Node>> {
    let permit = authorize(caller, Operation::CreateApiKey)?;
    let owner = actor(&permit)?.clone();
    check(Some(&name), description.as_deref()).map_err(Error::invalid)?;
    let now = app.now();
    let text = key_format::generate(app.random.as_ref())?;
    let id = ApiKeyId::generate(now, app.random.as_ref())?;
    let tx = app.store.begin(permit).await?;
    let key = NewApiKey {
        id: id.clone(),
        digest: app.vault.digest(&text),
        name,
        description: description.unwrap_or_default(),
        roles: tx.roles_of(&owner.user).await?,
        user: owner.user,
        ceiling: owner.rights,
    };
    tx.insert_api_key(key, now).await?;
    tx.commit().await?;
    tracing::info!(user.name = owner.username, key.id = %id, "API key minted");
    let query = by_id(id.to_string())?;
    let mut node = find(app, &query, &Scope::All, projection).await?.ok_or_else(not_found)?;
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
    caller: Option<&Principal>,
    selector: Selector,
    name: Option<String>,
    description: Option<String>,
    projection: &Projection,
) -> Result<Arc<Node>> {
    let permit = authorize(caller, Operation::UpdateApiKey)?;
    check(name.as_deref(), description.as_deref()).map_err(Error::invalid)?;
    let scope = scope(permit.actor(), &API_KEY);
    let found = find(app, &select(app, selector)?, &scope, projection).await?.ok_or_else(not_found)?;
    if name.is_none() && description.is_none() {
        return Ok(found);
    }
    let tx = app.store.begin(permit).await?;
    if !tx.describe_api_key(&ApiKeyId::from(found.id().to_owned()), name, description).await? {
        return Err(not_found());
    }
    tx.commit().await?;
    find(app, &by_id(found.id().to_owned())?, &scope, projection).await?.ok_or_else(not_found)
}

/// Deletes a key and answers what it was. Once this returns, the key is refused everywhere.
///
/// # Errors
/// `NotFound` for a key that does not exist or that the caller may not know of, `Forbidden` for a key that deletes another,
/// `Unavailable` when the database is away.
pub async fn delete(
    app: &App,
    caller: Option<&Principal>,
    selector: Selector,
    projection: &Projection,
) -> Result<Arc<Node>> {
    let permit = authorize(caller, Operation::DeleteApiKey)?;
    let actor = actor(&permit)?.clone();
    let query = select(app, selector)?;
    let found = find(app, &query, &scope(Some(&actor), &API_KEY), projection).await?.ok_or_else(not_found)?;
    if !actor.may_delete(found.id()) {
        return Err(Error::new(Kind::Forbidden, "an API key can delete only itself: log in and use the token"));
    }
    let tx = app.store.begin(permit).await?;
    if !tx.delete_api_key(&ApiKeyId::from(found.id().to_owned())).await? {
        return Err(not_found());
    }
    tx.commit().await?;
    tracing::info!(user.name = actor.username, key.id = found.id(), "API key deleted");
    Ok(found)
}

/// Reads one key; `None` for a key that does not exist or that the caller may not know of.
///
/// # Errors
/// `Invalid` for a selector that names none or two, `Unavailable` when the database is away.
pub async fn read(
    app: &App,
    caller: Option<&Principal>,
    selector: Selector,
    projection: &Projection,
) -> Result<Option<Arc<Node>>> {
    let permit = authorize(caller, Operation::Read(&API_KEY))?;
    find(app, &select(app, selector)?, &scope(permit.actor(), &API_KEY), projection).await
}

async fn find(app: &App, query: &Query, scope: &Scope, projection: &Projection) -> Result<Option<Arc<Node>>> {
    Ok(app.store.list(query, scope, projection, &Budget::unlimited()).await?.into_iter().next())
}

fn select(app: &App, selector: Selector) -> Result<Query> {
    let (name, text) = match (selector.id, selector.key) {
        (Some(id), None) => ("id", id),
        (None, Some(key)) => ("key", key),
        _ => return Err(Error::invalid("where must name exactly one of id and key")),
    };
    let mut query = by(name, text)?;
    query.filter = digested(app, query.filter);
    Ok(query)
}

fn by_id(id: String) -> Result<Query> {
    by("id", id)
}

fn by(name: &str, text: String) -> Result<Query> {
    let field = API_KEY.field(name).ok_or_else(|| Error::internal("ApiKey has lost a field"))?;
    let filter = match text.contains('\0') {
        true => Filter::In(field, Vec::new()),
        false => Filter::In(field, vec![Scalar::Text(text)]),
    };
    Ok(Query { filter, ..Query::all(&API_KEY) })
}

fn actor(permit: &Permit) -> Result<&Principal> {
    permit.actor().ok_or_else(|| Denial::NoCredential.into())
}

fn not_found() -> Error {
    Error::new(Kind::NotFound, "there is no such API key")
}
