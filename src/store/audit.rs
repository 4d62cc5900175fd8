//! The audit logs: appended to by every write, read by whoever checks them.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, Query as Sql};
use sea_orm::{ConnectionTrait, EntityTrait, QuerySelect};

use super::model::meta;
use super::{Store, Tx, error, is_taken};
use crate::domain::audit::{Author, Chain, Entry, Head, Link, Log};
use crate::domain::clock::{Clock, iso};
use crate::domain::id::uuid_v7;
use crate::domain::principal::CredentialRef;
use crate::domain::random::Random;
use crate::domain::text::Language;
use crate::domain::text::text;
use crate::domain::user::LOCAL;
use crate::error::{Error, Result};

/// What a write needs to leave its trace.
#[derive(Clone)]
pub struct Scribe {
    /// Makes the codes of the chain.
    pub chain: Arc<dyn Chain>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for Scribe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scribe").finish_non_exhaustive()
    }
}

/// What a write has to tell so far.
pub(super) type Notes = Mutex<Vec<Entry>>;

/// The fact that tells where a log ends.
fn head_fact(log: Log) -> String {
    format!("audit_head/{}", log.table())
}

impl Store {
    /// The rows of a log from a place on, in order, each with the code that it carries.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn links(&self, log: Log, from: i64, most: u64) -> Result<Vec<(Link, Vec<u8>)>> {
        let mut select = Sql::select();
        select.from(log.table()).columns(log.columns().iter().map(|name| Alias::new(*name)));
        select.columns(["chain_seq", "chain_code"]).and_where(Expr::col("chain_seq").gte(from));
        select.order_by("chain_seq", Order::Asc).limit(most);
        let rows = self.read.query_all(&select).await.map_err(error)?;
        rows.iter()
            .map(|row| {
                let values =
                    log.columns().iter().map(|name| row.try_get("", name)).collect::<std::result::Result<_, _>>();
                let link = Link { seq: row.try_get("", "chain_seq").map_err(error)?, values: values.map_err(error)? };
                Ok((link, row.try_get("", "chain_code").map_err(error)?))
            })
            .collect()
    }

    /// Where a log says that it ends, and the code of that; none when nobody says so.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn audit_head(&self, log: Log) -> Result<Option<(Head, Vec<u8>)>> {
        let row = meta::Entity::find_by_id(head_fact(log)).one(&self.read).await.map_err(error)?;
        Ok(row.and_then(|row| read_head(&row.value)))
    }
}

impl Tx {
    /// Adds to what the audit log will say of this write.
    pub fn note(&self, entry: Entry) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// Begins the logs of a database that has none.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn begin_logs(&self) -> Result<()> {
        for log in Log::ALL {
            let known = meta::Entity::find_by_id(head_fact(log)).one(&self.db).await.map_err(error)?;
            let mut rows = Sql::select();
            rows.column("id").from(log.table()).limit(1);
            // A log that lost its head must not get another one: that would hide what was cut off.
            if known.is_none() && self.db.query_one(&rows).await.map_err(error)?.is_none() {
                self.insert_fact(&head_fact(log), write_head(&Head::default(), log, self.scribe.chain.as_ref()))
                    .await?;
            }
        }
        Ok(())
    }

    /// Writes the notes, or that the operation was done, at the end of their logs. The last step of a write: from here to its end
    /// all others wait. What somebody asked for stands in the users' log, even when the service does it later.
    pub(super) async fn append(&self) -> Result<()> {
        let mut notes = std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        let operation = self.permit.operation().name();
        if notes.is_empty() {
            notes.push(Entry::done(text!("{operation}", "{operation}")));
        }
        let by_system = self.permit.actor().is_some_and(|actor| actor.credential == CredentialRef::Operator);
        let (of_system, of_users) = notes.into_iter().partition(|note: &Entry| by_system && note.by.is_none());
        // Always in this order, so that two writes never wait for each other.
        self.append_to(Log::User, operation, of_users).await?;
        self.append_to(Log::System, operation, of_system).await
    }

    async fn append_to(&self, log: Log, operation: &str, notes: Vec<Entry>) -> Result<()> {
        if notes.is_empty() {
            return Ok(());
        }
        let held = meta::Entity::find_by_id(head_fact(log)).lock_exclusive().one(&self.db).await.map_err(error)?;
        let held = held.and_then(|row| read_head(&row.value));
        let (mut head, _) = held.ok_or_else(|| Error::internal(format!("{} has lost its head", log.table())))?;
        for note in notes {
            let link = Link { seq: head.seq + 1, values: self.values(log, operation, note)? };
            let code = link.code(log, &head.code, self.scribe.chain.as_ref());
            let mut insert = Sql::insert();
            let columns = log.columns().iter().chain(&["chain_seq", "chain_code"]);
            insert.into_table(log.table()).columns(columns.map(|name| Alias::new(*name)));
            let values = link.values.iter().map(|value| Expr::val(value.clone()));
            let chained = [Expr::val(link.seq), Expr::val(code.clone())];
            insert.values(values.chain(chained)).map_err(Error::internal)?;
            self.db.execute(&insert).await.map_err(|cause| match is_taken(&cause) {
                true => Error::invalid(text!("there is a record with this id already", "已存在使用此 id 的记录")),
                false => error(cause),
            })?;
            head = Head { seq: link.seq, code };
        }
        let value = write_head(&head, log, self.scribe.chain.as_ref());
        let row = meta::ActiveModel { id: Set(head_fact(log)), value: Set(value) };
        meta::Entity::update(row).exec(&self.db).await.map_err(error)?;
        Ok(())
    }

    /// The values of a row, in the order of [`Log::columns`].
    fn values(&self, log: Log, operation: &str, entry: Entry) -> Result<Vec<Option<String>>> {
        let Entry { action, message, resource, cluster, outcome, by, times, address, id } = entry;
        let now = self.scribe.clock.now();
        let caller = self.permit.caller();
        let by = by.or_else(|| caller.principal.as_ref().map(Author::from));
        let (started, finished) = times.unwrap_or((Some(now), Some(now)));
        let (resource_type, resource_id) = resource.unzip();
        let id = match id {
            Some(id) => id,
            None => uuid_v7(now, self.scribe.random.as_ref())?.to_string(),
        };
        let action = action.unwrap_or_else(|| operation.to_owned());
        let status = outcome.map(|outcome| outcome.name().to_owned());
        let (zh, en) = (message.said_in(Language::ZhCn), message.en().to_owned());
        let values = match log {
            Log::User => vec![
                Some(id),
                Some(action),
                by.as_ref().map(|_| LOCAL.to_owned()),
                cluster,
                Some(iso(now)),
                by.as_ref().and_then(|by| by.credential.clone()),
                finished.map(iso),
                Some(address.or_else(|| caller.address.map(|it| it.to_string())).unwrap_or_default()),
                Some(en),
                Some(zh),
                resource_id,
                resource_type,
                started.map(iso),
                status,
                by.as_ref().map(|by| by.id.to_string()),
                by.map(|by| by.username),
            ],
            Log::System => vec![
                Some(id.clone()),
                Some(action),
                cluster,
                finished.map(iso),
                Some(iso(now)),
                Some(id),
                Some(en),
                Some(zh),
                resource_id,
                status,
            ],
        };
        // No text has NUL in it, and PostgreSQL would not keep it.
        Ok(values.into_iter().map(|value| value.map(|text| text.replace('\0', ""))).collect())
    }
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
