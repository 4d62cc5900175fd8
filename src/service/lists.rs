//! Reading lists, single objects and counts of any entity.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::access::{Wanted, check_shown};

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

/// Begins to read a list in blocks, with everything that REST shows of a row. Which rows it holds is settled here; a row that is deleted
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
    /// Reads the next block, after the caller's credential was judged anew; `None` at the end.
    ///
    /// # Errors
    /// `Unauthenticated` when the credential was ended meanwhile, and like [`list`].
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
    app.store.list(permit.user(), &query, scope, wanted.projection, wanted.budget).await
}

/// Counts a list, its window included.
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
