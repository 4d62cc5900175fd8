//! The parts of the audit log that other use cases do not write: refusals, and rows that other systems report. Also verifies the chain of
//! the rows.

mod reports;
mod verify;

use std::net::IpAddr;

use crate::app::App;
use crate::domain::audit::{Entry, Refusal};
use crate::domain::caller::Caller;
use crate::domain::operation::Operation;
use crate::domain::permit::authorize;
use crate::domain::text::{Text, text};
use crate::error::{Error, Kind, Result};

pub use reports::{ReportRequest, create};
pub use verify::{End, Fault, Findings, verify};

/// Records that a change was refused or failed. If the audit log can't be written, the answer to the request stays the same, and a line in
/// the service's log tells the operator.
pub(in crate::service) async fn refused(app: &App, caller: &Caller, action: &str, error: &Error) {
    let Some(why) = told(error) else { return };
    if caller.principal.is_none() {
        // A failed login has been recorded already.
        if error.kind() != Kind::LoginFailed {
            stranger(app, caller.address, action, why.en());
        }
        return;
    }
    if let Err(error) = record(app, caller, action, Entry::failed(why)).await {
        tracing::error!(?error, action, "the audit log could not be written");
    }
}

/// Returns the text that the audit log records for an error. Returns `None` if nothing can be written: the database is unreachable, or this
/// node is passive.
fn told(error: &Error) -> Option<Text> {
    match error.kind() {
        Kind::Unavailable | Kind::Passive => None,
        Kind::BadGateway | Kind::GatewayTimeout => Some(text!("the upstream did not do its part", "上游未能完成请求")),
        Kind::Forbidden
        | Kind::StepUp
        | Kind::MustEnrollMfa
        | Kind::MustChangePassword
        | Kind::NotFound
        | Kind::Locked
        | Kind::TooMany
        | Kind::LoginFailed
        | Kind::Unauthenticated
        | Kind::Internal => Some(error.text().clone()),
        // The error may quote the request, and a secret may stand in a wrong field of the request.
        Kind::Invalid | Kind::MethodNotAllowed | Kind::Timeout | Kind::TooLarge | Kind::UnsupportedMediaType => {
            Some(text!("the request was not valid", "请求无效"))
        }
    }
}

/// Records one entry in the audit log, in a transaction of its own.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub async fn record(app: &App, caller: &Caller, action: &str, entry: Entry) -> Result<()> {
    let tx = app.begin(&authorize(caller, Operation::Record)?).await?;
    tx.note(entry.called(action));
    tx.commit().await
}

/// Notes in memory that a credential was rejected, for [`write_refusals`].
pub fn credential_refused(app: &App, address: Option<IpAddr>, error: &Error) {
    stranger(app, address, "authenticate", error.cause().unwrap_or_default());
}

/// Notes in memory that the request of an unauthenticated caller was refused. [`write_refusals`] later writes one row for all equal
/// refusals, so that a caller with many attempts neither fills the disk nor waits longer than other callers.
pub(in crate::service) fn stranger(app: &App, address: Option<IpAddr>, action: &str, cause: &str) {
    app.refusals.note(Refusal { address, action: action.to_owned(), cause: cause.to_owned() }, 1);
}

/// Writes to the audit log the refusals of unauthenticated callers that were noted since the last call.
///
/// # Errors
/// `Unavailable` if the database is unreachable; the next call then writes the refusals.
pub async fn write_refusals(app: &App) -> Result<()> {
    let refusals = app.refusals.take();
    if refusals.is_empty() {
        return Ok(());
    }
    let written = async {
        let tx = app.begin(&authorize(&Caller::default(), Operation::Record)?).await?;
        for (Refusal { address, action, cause }, times) in &refusals {
            let message = text!("refused {times}×: {cause}", "被拒绝 {times} 次：{cause}");
            let address = address.map(|address| address.to_string());
            tx.note(Entry { address, ..Entry::failed(message).called(action) });
        }
        tx.commit().await
    };
    let written = written.await;
    if written.is_err() {
        refusals.into_iter().for_each(|(refusal, times)| app.refusals.note(refusal, times));
    }
    written
}
