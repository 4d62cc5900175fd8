//! Reads lists, single objects and counts of any entity.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::service::access::{Wanted, check_shown};

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
use crate::store::{Ids, Scope, Tx};

pub use crate::store::{BLOCK, Budget, Node, Projection};

/// Maximum number of ids in one statement.
const CHUNK: usize = 5_000;

/// Reads a list. `arguments` are the members of a REST list body or the arguments of a GraphQL list; both have the same names and syntax.
///
/// # Errors
/// - `Invalid` if the arguments are wrong or the answer exceeds the budget.
/// - `Unauthenticated` if the caller shows no credential and the request needs one.
/// - `Unavailable` if the database is unreachable.
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
    app.store.list(permit.user(), &query, &scope, projection, budget).await
}

/// A whole list, read in blocks of 500 rows.
#[derive(Debug)]
pub struct Blocks {
    permit: Permit,
    query: Query,
    projection: Projection,
    ids: Ids,
    has_begun: bool,
}

/// Begins to read a list in blocks, with every field that REST shows. This call decides which rows the list contains. A row that is deleted
/// before its block is read is left out.
///
/// # Errors
/// Like [`list`].
pub async fn blocks(
    app: &App,
    permit: &Permit,
    entity: &'static Entity,
    arguments: &Map<String, Value>,
) -> Result<Blocks> {
    let (permit, query) = prepare(app, permit, entity, arguments)?;
    let projection = Projection::full(entity);
    check_shown(&permit, &projection)?;
    let ids = app.store.list_ids(permit.user(), &query, &scope(permit.actor(), entity)).await?;
    Ok(Blocks { permit, query, projection, ids, has_begun: false })
}

impl Blocks {
    /// Returns the next block; `None` at the end. Verifies the caller's credential again before every block except the first.
    ///
    /// # Errors
    /// - `Unauthenticated` if the credential was revoked meanwhile.
    /// - Otherwise like [`list`].
    pub async fn next(&mut self, app: &App) -> Result<Option<Vec<Arc<Node>>>> {
        if self.ids.is_empty() {
            return Ok(None);
        }
        if std::mem::replace(&mut self.has_begun, true) {
            self.permit = app.confirm(&self.permit).await?;
        }
        let ids = self.ids.take();
        let scope = scope(self.permit.actor(), self.query.entity);
        app.store.list_block(self.permit.user(), &self.query, &scope, &self.projection, ids).await.map(Some)
    }

    /// Tells whether all rows have been read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.ids.is_empty()
    }
}

/// Reads the list of the rows in `scope`, for a caller who may see all of these rows.
pub(in crate::service) async fn list_in(
    app: &App,
    permit: &Permit,
    entity: &'static Entity,
    arguments: &Map<String, Value>,
    scope: &Scope,
    wanted: Wanted<'_>,
) -> Result<Vec<Arc<Node>>> {
    let (permit, query) = prepare(app, permit, entity, arguments)?;
    check_shown(&permit, wanted.projection)?;
    app.store.list(permit.user(), &query, scope, wanted.projection, wanted.budget).await
}

/// Returns the number of rows of a list, within the window that `arguments` select (`first`, `skip` and so on).
///
/// # Errors
/// Like [`list`].
pub async fn count(app: &App, permit: &Permit, entity: &'static Entity, arguments: &Map<String, Value>) -> Result<u64> {
    let (permit, query) = prepare(app, permit, entity, arguments)?;
    app.store.count(permit.user(), &query, &scope(permit.actor(), entity)).await
}

fn prepare(
    app: &App,
    permit: &Permit,
    entity: &'static Entity,
    arguments: &Map<String, Value>,
) -> Result<(Permit, Query)> {
    let permit = permit.require(Operation::Read(entity))?;
    // Without a credential, reject a `where`: conditions would let the caller probe for values.
    if permit.actor().is_none() && arguments.get("where").is_some_and(|conditions| !conditions.is_null()) {
        return Err(Denial::NoCredential.into());
    }
    let mut query = Query::parse(entity, arguments).map_err(Error::invalid)?;
    query.filter = digested(app, query.filter);
    query.language = permit.caller().language;
    Ok((permit, query))
}

/// Returns the rows with these ids as read in the transaction, with texts in English. Ids without a row are left out.
pub(in crate::service) async fn by_ids(
    tx: &Tx,
    entity: &'static Entity,
    ids: &[String],
    wanted: Wanted<'_>,
) -> Result<Vec<Arc<Node>>> {
    by_ids_in(Language::default(), tx, entity, ids, wanted).await
}

/// Returns rows as [`by_ids`] does, in a given language.
pub(in crate::service) async fn by_ids_in(
    language: Language,
    tx: &Tx,
    entity: &'static Entity,
    ids: &[String],
    wanted: Wanted<'_>,
) -> Result<Vec<Arc<Node>>> {
    let id = entity.field("id").ok_or_else(|| Error::internal(format!("{} has no id", entity.name)))?;
    let mut rows = Vec::new();
    for ids in ids.chunks(CHUNK) {
        // No stored text contains NUL, and PostgreSQL rejects NUL in a comparison.
        let ids = ids.iter().filter(|id| !id.contains('\0')).cloned();
        let query = Query { language, ..Query::having(entity, id, ids.map(Scalar::Text).collect()) };
        rows.extend(tx.list(&query, &Scope::All, wanted.projection, wanted.budget).await?);
    }
    Ok(rows)
}

/// Returns the scope of the rows that the caller may see. Of API keys and audit log rows, a caller without the right to manage these rows
/// sees only the caller's own.
pub(in crate::service) fn scope(caller: Option<&Principal>, entity: &'static Entity) -> Scope {
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

/// Replaces the texts of API keys in a filter by the digests of the keys. A text that is not a key matches nothing.
pub(in crate::service) fn digested(app: &App, filter: Filter) -> Filter {
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
