//! The audit logs. Committing a write appends entries to the logs; `keytower audit verify` checks the logs.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, Query as Sql};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryResult, QuerySelect};

use super::model::meta;
use super::{Store, Tx, error};
use crate::domain::audit::{Author, Chain, Entry, Head, Link, Log};
use crate::domain::clock::{Clock, iso};
use crate::domain::id::AuditLogId;
use crate::domain::principal::CredentialRef;
use crate::domain::random::Random;
use crate::domain::redact::redact;
use crate::domain::text::Language;
use crate::domain::text::text;
use crate::domain::user::LOCAL;
use crate::error::{Error, Result};

/// Services that a write uses to append entries to the audit logs.
#[derive(Clone)]
pub struct Scribe {
    /// Computes the codes of the chain.
    pub chain: Arc<dyn Chain>,
    /// Supplies the time of each entry.
    pub clock: Arc<dyn Clock>,
    /// Supplies randomness for the ids of entries.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for Scribe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scribe").finish_non_exhaustive()
    }
}

/// Entries that a write will append to the audit logs.
pub(super) type Notes = Mutex<Vec<Entry>>;

/// Maximum number of rows in one statement.
const CHUNK: usize = 1_000;

/// A row of an audit log as stored, not yet verified.
#[derive(Debug)]
pub struct Found {
    /// Position of the row in the chain.
    pub seq: i64,
    /// Id of the row.
    pub id: String,
    /// The values of the row that the chain covers, and the row's stored code; `None` if a value has a type that keytower never writes.
    pub link: Option<(Link, Vec<u8>)>,
}

/// Returns the id of the row of `meta` that stores the end of a log's chain.
fn head_fact(log: Log) -> String {
    format!("audit_head/{}", log.table())
}

impl Store {
    /// Returns at most `most` rows of a log, ordered by position, starting at position `from`.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn links(&self, log: Log, from: i64, most: u64) -> Result<Vec<Found>> {
        let mut select = Sql::select();
        select.from(log.table()).columns(log.columns().iter().map(|name| Alias::new(*name)));
        select.columns(["chain_seq", "chain_code"]).and_where(Expr::col("chain_seq").gte(from));
        select.order_by("chain_seq", Order::Asc).limit(most);
        let rows = self.read.query_all(&select).await.map_err(error)?;
        Ok(rows.iter().map(|row| found(row, log)).collect())
    }

    /// Returns the stored end of a log's chain, and the seal of that end; `None` if the stored value is missing or malformed.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn audit_head(&self, log: Log) -> Result<Option<(Head, Vec<u8>)>> {
        let row = meta::Entity::find_by_id(head_fact(log)).one(&self.read).await.map_err(error)?;
        Ok(row.and_then(|row| read_head(&row.value)))
    }
}

impl Tx {
    /// Adds an entry that this write will append to the audit logs.
    pub fn note(&self, entry: Entry) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// Returns true if this write has at least one entry for the audit logs so far.
    #[must_use]
    pub fn is_noted(&self) -> bool {
        !self.notes.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Initializes the audit logs of a new database.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn begin_logs(&self) -> Result<()> {
        for log in Log::ALL {
            self.insert_fact(&head_fact(log), write_head(&Head::default(), log, self.scribe.chain.as_ref())).await?;
        }
        Ok(())
    }

    /// Appends this write's entries to the audit logs. If there are none, appends one entry that the operation was done. This is the last
    /// step of a write, because appending locks the end of the log: every other write that appends to the same log waits until this write
    /// ends. An entry with an author goes to the user log, even if the service itself does the work later.
    pub(super) async fn append(&self) -> Result<()> {
        let mut notes = std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        let operation = self.permit.operation().name();
        if notes.is_empty() {
            notes.push(Entry::done(text!("{operation}", "{operation}")));
        }
        let by_system = self.permit.actor().is_some_and(|actor| actor.credential == CredentialRef::Operator);
        let (of_system, of_users) = notes.into_iter().partition(|note: &Entry| by_system && note.by.is_none());
        // Every write locks the logs in this order, so that two writes never deadlock.
        self.append_to(Log::User, operation, of_users).await?;
        self.append_to(Log::System, operation, of_system).await
    }

    async fn append_to(&self, log: Log, operation: &str, notes: Vec<Entry>) -> Result<()> {
        if notes.is_empty() {
            return Ok(());
        }
        let mut head = self.hold_head(log).await?;
        self.expect_new_ids(log, &notes).await?;
        let columns = || log.columns().iter().chain(&["chain_seq", "chain_code"]).map(|name| Alias::new(*name));
        let mut rows = Vec::new();
        for note in notes {
            let link = Link { seq: head.seq + 1, values: self.values(log, operation, note)? };
            let code = link.code(log, &head.code, self.scribe.chain.as_ref());
            let chained = [Expr::val(link.seq), Expr::val(code.clone())];
            rows.push(link.values.into_iter().map(Expr::val).chain(chained).collect::<Vec<_>>());
            head = Head { seq: link.seq, code };
        }
        for some in rows.chunks(CHUNK) {
            let mut insert = Sql::insert();
            insert.into_table(log.table()).columns(columns());
            for row in some {
                insert.values(row.iter().cloned()).map_err(Error::internal)?;
            }
            self.db.execute(&insert).await.map_err(error)?;
        }
        let value = write_head(&head, log, self.scribe.chain.as_ref());
        let update = meta::Entity::update_many().col_expr(meta::Column::Value, value.into());
        update.filter(meta::Column::Id.eq(head_fact(log))).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// Returns the end of a log's chain, and locks that end until this write ends. Fails if the stored seal is not valid: continuing from a
    /// forged end would put a valid seal on a log that was tampered with.
    async fn hold_head(&self, log: Log) -> Result<Head> {
        let row = meta::Entity::find_by_id(head_fact(log)).lock_exclusive().one(&self.db).await.map_err(error)?;
        let said = row.and_then(|row| read_head(&row.value));
        let head =
            said.filter(|(head, seal)| head.seal(log, self.scribe.chain.as_ref()) == *seal).map(|(head, _)| head);
        head.ok_or_else(|| {
            let table = log.table();
            Error::internal(format!(
                "where {table} ends was edited or removed: nothing is written until it is as it was; run keytower audit verify"
            ))
        })
    }

    /// Rejects the entries if the caller chose an id that already exists in the log.
    async fn expect_new_ids(&self, log: Log, notes: &[Entry]) -> Result<()> {
        let chosen: Vec<&str> = notes.iter().filter_map(|note| note.id.as_ref()).map(AuditLogId::as_str).collect();
        if chosen.is_empty() {
            return Ok(());
        }
        let mut taken = Sql::select();
        taken.column("id").from(log.table()).and_where(Expr::col("id").is_in(chosen)).limit(1);
        let Some(row) = self.db.query_one(&taken).await.map_err(error)? else { return Ok(()) };
        let id: String = row.try_get("", "id").map_err(error)?;
        Err(Error::invalid(text!("id {id:?} is taken already", "id {id:?} 已被使用")))
    }

    /// Returns the values of a row, in the order of [`Log::columns`].
    fn values(&self, log: Log, operation: &str, entry: Entry) -> Result<Vec<Option<String>>> {
        let Entry { message, outcome, action, resource_type, resource_id, cluster, by, address, times, id } = entry;
        let now = self.scribe.clock.now();
        let caller = self.permit.caller();
        let by = by.or_else(|| caller.principal.as_ref().map(Author::from));
        let (started_at, finished_at) = times.unwrap_or((Some(now), Some(now)));
        let id = match id {
            Some(id) => id,
            None => AuditLogId::generate(now, self.scribe.random.as_ref())?,
        };
        let id = id.to_string();
        let action = action.unwrap_or_else(|| operation.to_owned());
        let (en, zh) = (message.said_in(Language::EnUs), message.said_in(Language::ZhCn));
        let status = outcome.name().to_owned();
        let values = match log {
            Log::User => vec![
                Some(id),
                Some(action),
                by.as_ref().map(|_| LOCAL.to_owned()),
                cluster,
                Some(iso(now)),
                by.as_ref().and_then(|by| by.credential.clone()),
                finished_at.map(iso),
                Some(address.or_else(|| caller.address.map(|it| it.to_string())).unwrap_or_default()),
                Some(en),
                Some(zh),
                resource_id,
                resource_type,
                started_at.map(iso),
                Some(status),
                by.as_ref().map(|by| by.id.to_string()),
                by.map(|by| by.username),
            ],
            Log::System => vec![
                Some(id.clone()),
                Some(action),
                cluster,
                finished_at.map(iso),
                Some(iso(now)),
                Some(id),
                Some(en),
                Some(zh),
                resource_id,
                Some(status),
            ],
        };
        // The logs are kept forever, so secrets are removed, even from names that users chose. NUL is also removed, because PostgreSQL
        // can't store it in text.
        Ok(values.into_iter().map(|value| value.map(|text| redact(&text.replace('\0', "")))).collect())
    }
}

fn found(row: &QueryResult, log: Log) -> Found {
    let read = || {
        let values =
            log.columns().iter().map(|name| row.try_get("", name)).collect::<std::result::Result<_, DbErr>>()?;
        Ok::<_, DbErr>((Link { seq: row.try_get("", "chain_seq")?, values }, row.try_get("", "chain_code")?))
    };
    // SQLite accepts any type in any column; a position that is not a number sorts after all others.
    let seq = row.try_get("", "chain_seq").unwrap_or(i64::MAX);
    Found { seq, id: row.try_get("", "id").unwrap_or_default(), link: read().ok() }
}

fn write_head(head: &Head, log: Log, chain: &dyn Chain) -> String {
    format!("{} {} {}", head.seq, STANDARD.encode(&head.code), STANDARD.encode(head.seal(log, chain)))
}

fn read_head(value: &str) -> Option<(Head, Vec<u8>)> {
    let mut parts = value.split(' ');
    let seq = parts.next()?.parse().ok()?;
    let mut bytes = || STANDARD.decode(parts.next()?).ok();
    Some((Head { seq, code: bytes()? }, bytes()?))
}
