//! The audit log beside the writes that fill it: what was refused, and the check of the chain.

use std::net::IpAddr;

use crate::app::App;
use crate::domain::audit::{Entry, Head, Log};
use crate::domain::caller::Caller;
use crate::domain::operation::Operation;
use crate::domain::permit::authorize;
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};

/// Rows of a log that are checked at a time, between two signs of progress.
const STRIDE: u64 = 1_000;

/// Writes down that a caller's change was refused. The request is answered as it would be anyway: a log that can't be written is
/// told to the operator.
pub async fn failed(app: &App, caller: &Caller, operation: Operation, error: &Error) {
    if caller.principal.is_none() || !operation.is_change() {
        return;
    }
    let why = match error.kind() {
        Kind::Forbidden | Kind::NotFound | Kind::Locked | Kind::TooMany | Kind::LoginFailed => error.text().clone(),
        // The error may quote what was sent, and a secret may have been sent in the wrong place.
        Kind::Invalid => text!("the request was not valid", "请求无效"),
        _ => return,
    };
    let entry = Entry { action: Some(operation.name().to_owned()), ..Entry::failed(why) };
    if let Err(error) = record(app, caller, entry).await {
        tracing::error!(?error, operation = operation.name(), "the audit log could not be written");
    }
}

/// Writes one row that belongs to no write.
///
/// # Errors
/// `Unavailable` when the database is away.
pub async fn record(app: &App, caller: &Caller, entry: Entry) -> Result<()> {
    let tx = app.begin(authorize(caller, Operation::Record)?).await?;
    tx.note(entry);
    tx.commit().await
}

/// Notes that a credential was refused. It is written down with others like it by [`write_refusals`], so that whoever tries many
/// fills no disk and waits no longer than anybody else.
pub fn refused(app: &App, address: Option<IpAddr>, error: &Error) {
    app.refusals.note(address, error.cause().unwrap_or_default());
}

/// Writes down the credentials refused since the last time.
///
/// # Errors
/// `Unavailable` when the database is away; what was not written is lost, but for the log.
pub async fn write_refusals(app: &App) -> Result<()> {
    for (address, cause, times) in app.refusals.take() {
        let caller = Caller { address, ..Caller::default() };
        let message = text!("a credential was refused {times} times: {cause}", "凭据被拒绝 {times} 次：{cause}");
        let entry = Entry { action: Some("authenticate".to_owned()), ..Entry::failed(message) };
        record(app, &caller, entry).await?;
    }
    Ok(())
}

/// Something wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The row was edited, moved here from elsewhere, or made by somebody without the master key.
    Forged {
        /// Its place.
        seq: i64,
        /// Its id.
        id: String,
    },
    /// Rows are missing: the first and the last place.
    Missing(i64, i64),
    /// Nobody says where the log ends, or what says so was edited: rows may have been cut off at the end.
    NoEnd,
    /// The row stands behind the end of the log.
    Beyond {
        /// Its place.
        seq: i64,
        /// Its id.
        id: String,
    },
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which log.
    pub log: Log,
    /// How many rows it has.
    pub rows: u64,
    /// Where it ends.
    pub head: Head,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

/// Checks both logs from end to end. Tells `progress` how many rows of which are checked so far.
///
/// # Errors
/// `Unavailable` when the database is away.
pub async fn verify(app: &App, mut progress: impl FnMut(Log, u64)) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    for log in Log::ALL {
        reports.push(check(app, log, &mut progress).await?);
    }
    Ok(reports)
}

async fn check(app: &App, log: Log, progress: &mut impl FnMut(Log, u64)) -> Result<Report> {
    let chain = app.vault.as_ref();
    // Read first: rows that are written meanwhile stand behind it.
    let said = app.store.audit_head(log).await?;
    let end = said.as_ref().filter(|(head, seal)| head.seal(log, chain) == *seal).map(|(head, _)| head.clone());
    let mut report = Report { log, rows: 0, head: Head::default(), faults: Vec::new() };
    loop {
        let links = app.store.links(log, report.head.seq + 1, STRIDE).await?;
        if links.is_empty() {
            break;
        }
        for (link, code) in links {
            if end.as_ref().is_some_and(|end| link.seq > end.seq) {
                // Written since, unless the end is still the same.
                if app.store.audit_head(log).await? == said {
                    let id = link.values.into_iter().flatten().next().unwrap_or_default();
                    report.faults.push(Fault::Beyond { seq: link.seq, id });
                }
                progress(log, report.rows);
                return Ok(report);
            }
            if link.seq > report.head.seq + 1 {
                report.faults.push(Fault::Missing(report.head.seq + 1, link.seq - 1));
            } else if link.code(log, &report.head.code, chain) != code {
                let id = link.values.first().cloned().flatten().unwrap_or_default();
                report.faults.push(Fault::Forged { seq: link.seq, id });
            }
            report.rows += 1;
            report.head = Head { seq: link.seq, code };
        }
        progress(log, report.rows);
    }
    match end {
        None => report.faults.push(Fault::NoEnd),
        Some(end) if end.seq > report.head.seq => report.faults.push(Fault::Missing(report.head.seq + 1, end.seq)),
        Some(end) if end != report.head => report.faults.push(Fault::NoEnd),
        Some(_) => {}
    }
    Ok(report)
}
