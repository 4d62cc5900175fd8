//! The audit log beside the writes that fill it: what was refused, what other systems report, and the check of the chain.

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

/// Writes down that a change was refused, or went wrong. The request is answered as it would be anyway: a log that can't be written
/// is told to the operator.
pub(super) async fn refused(app: &App, caller: &Caller, action: &str, error: &Error) {
    let Some(why) = told(error) else { return };
    if caller.principal.is_none() {
        // A login that failed has left its row.
        if error.kind() != Kind::LoginFailed {
            stranger(app, caller.address, action, why.en());
        }
        return;
    }
    if let Err(error) = record(app, caller, action, Entry::failed(why)).await {
        tracing::error!(?error, action, "the audit log could not be written");
    }
}

/// What the audit log tells of an error; nothing where the database is away, or another node's to write to.
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
        // The error may quote what was sent, and a secret may have been sent in the wrong place.
        Kind::Invalid | Kind::MethodNotAllowed | Kind::Timeout | Kind::TooLarge | Kind::UnsupportedMediaType => {
            Some(text!("the request was not valid", "请求无效"))
        }
    }
}

/// Writes one row that belongs to no write.
///
/// # Errors
/// `Unavailable` when the database is away.
pub async fn record(app: &App, caller: &Caller, action: &str, entry: Entry) -> Result<()> {
    let tx = app.begin(&authorize(caller, Operation::Record)?).await?;
    tx.note(entry.called(action));
    tx.commit().await
}

/// Notes that a credential was refused.
pub fn credential_refused(app: &App, address: Option<IpAddr>, error: &Error) {
    stranger(app, address, "authenticate", error.cause().unwrap_or_default());
}

/// Notes what was refused to somebody who is not known. It is written down with others like it by [`write_refusals`], so that
/// whoever tries much fills no disk and waits no longer than anybody else.
pub(super) fn stranger(app: &App, address: Option<IpAddr>, action: &str, cause: &str) {
    app.refusals.note(Refusal { address, action: action.to_owned(), cause: cause.to_owned() }, 1);
}

/// Writes down what was refused to strangers since the last time.
///
/// # Errors
/// `Unavailable` when the database is away; it is written the next time then.
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
