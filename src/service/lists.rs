//! Reading lists, single objects and counts of any entity.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::api_keys::Wanted;
use super::first::check_shown;
use crate::app::App;
use crate::domain::entity::{API_KEY, Entity, Kind, USER_AUDIT_LOG};
use crate::domain::filter::{Filter, Query, Scalar};
use crate::domain::key_format;
use crate::domain::operation::Operation;
use crate::domain::permission::Action;
use crate::domain::permit::{Denial, Permit};
use crate::domain::principal::Principal;
use crate::domain::text::Language;
use crate::error::{Error, Result};
use crate::store::{Scope, Tx};

pub use crate::store::{Budget, Node, Projection};

/// How many ids go into one statement.
const CHUNK: usize = 5_000;

/// Reads a list. `arguments` are the members of a list body, or the arguments of a GraphQL list: the same language.
///
/// # Errors
/// `Invalid` when the arguments are wrong or the answer exceeds the budget, `Unauthenticated` without a credential,
/// `Unavailable` when the database is away.
pub async fn list(
    app: &App,
    permit: &Permit,
    entity: &'static Entity,
    arguments: &Map<String, Value>,
    projection: &Projection,
    budget: &Budget,
) -> Result<Vec<Arc<Node>>> {
    let (permit, query) = prepare(app, permit, entity, arguments)?;
    check_shown(&permit, projection)?;
    let scope = scope(permit.actor(), entity);
    app.store.list(&query, &scope, projection, budget).await
}

/// The same of rows of a kind, for whoever may see all of these.
pub(super) async fn list_in(
    app: &App,
    permit: &Permit,
    entity: &'static Entity,
    arguments: &Map<String, Value>,
    scope: &Scope,
    wanted: Wanted<'_>,
) -> Result<Vec<Arc<Node>>> {
    let (permit, query) = prepare(app, permit, entity, arguments)?;
    check_shown(&permit, wanted.projection)?;
    app.store.list(&query, scope, wanted.projection, wanted.budget).await
}

/// Counts a list, its window included.
///
/// # Errors
/// Like [`list`].
pub async fn count(app: &App, permit: &Permit, entity: &'static Entity, arguments: &Map<String, Value>) -> Result<u64> {
    let (permit, query) = prepare(app, permit, entity, arguments)?;
    app.store.count(&query, &scope(permit.actor(), entity)).await
}

fn prepare(
    app: &App,
    permit: &Permit,
    entity: &'static Entity,
    arguments: &Map<String, Value>,
) -> Result<(Permit, Query)> {
    let permit = permit.require(Operation::Read(entity))?;
    // Without a credential nothing can be found out by asking for what has this or that.
    if permit.actor().is_none() && arguments.get("where").is_some_and(|conditions| !conditions.is_null()) {
        return Err(Denial::NoCredential.into());
    }
    let mut query = Query::parse(entity, arguments).map_err(Error::invalid)?;
    query.filter = digested(app, query.filter);
    query.language = permit.caller().language;
    Ok((permit, query))
}

/// The rows with these ids, as a write sees them, in English. Those that do not exist are left out.
pub(super) async fn by_ids(
    tx: &Tx,
    entity: &'static Entity,
    ids: &[String],
    wanted: Wanted<'_>,
) -> Result<Vec<Arc<Node>>> {
    by_ids_in(Language::default(), tx, entity, ids, wanted).await
}

/// The same, in a language.
pub(super) async fn by_ids_in(
    language: Language,
    tx: &Tx,
    entity: &'static Entity,
    ids: &[String],
    wanted: Wanted<'_>,
) -> Result<Vec<Arc<Node>>> {
    let id = entity.field("id").ok_or_else(|| Error::internal(format!("{} has no id", entity.name)))?;
    let mut rows = Vec::new();
    for ids in ids.chunks(CHUNK) {
        // No row has NUL in it, and PostgreSQL would not even compare it.
        let ids = ids.iter().filter(|id| !id.contains('\0')).cloned();
        let query = Query { language, ..Query::having(entity, id, ids.map(Scalar::Text).collect()) };
        rows.extend(tx.list(&query, &Scope::All, wanted.projection, wanted.budget).await?);
    }
    Ok(rows)
}

/// Which rows the caller may know of: of keys and of what the audit log tells, its own, unless it manages them.
pub(super) fn scope(caller: Option<&Principal>, entity: &'static Entity) -> Scope {
    let all = match entity.name {
        name if name == API_KEY.name => Action::MANAGE_API_KEY,
        name if name == USER_AUDIT_LOG.name => Action::MANAGE_AUDIT_LOG,
        _ => return Scope::All,
    };
    match caller {
        Some(principal) if !principal.rights.allows(all) => Scope::OwnedBy(principal.user.clone()),
        _ => Scope::All,
    }
}

/// Replaces the texts of keys by their digests. A text that is no key matches nothing.
pub(super) fn digested(app: &App, filter: Filter) -> Filter {
    filter.map(&|field, operator, values| {
        if !matches!(field.kind, Kind::Key) {
            return Filter::Compare(field, operator, values);
        }
        let keys = values.iter().filter_map(|value| match value {
            Scalar::Text(text) => key_format::parse(text),
            _ => None,
        });
        Filter::Digests(keys.map(|key| app.vault.digest(&key).as_bytes().to_vec()).collect())
    })
}
