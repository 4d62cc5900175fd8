//! The single entry point of every API, command and job: it takes the caller, the operation and the work. It authorizes the caller, runs
//! the work, and records refusals and failures in the audit log, once. The work's own transaction records what was done.
//!
//! If the work turns out to be another operation, the use case [requires](Permit::require) that one, and the audit log names it.

use crate::app::App;
use crate::domain::caller::Caller;
use crate::domain::operation::{Needs, Operation};
use crate::domain::permit::{Denial, Permit, authorize, authorize_while_fresh};
use crate::error::{Error, Result};
use crate::service::audit;

/// Authorizes a caller for an operation and runs the work.
///
/// # Errors
/// - `Unauthenticated`, `Forbidden` or another denial of [`authorize`].
/// - The errors of the work.
pub async fn enter<T, E: Failure, F: Future<Output = std::result::Result<T, E>>>(
    app: &App,
    caller: &Caller,
    operation: Operation,
    work: impl FnOnce(Permit) -> F,
) -> std::result::Result<T, E> {
    let (done, found) = match permit(app, caller, operation).await {
        Ok(permit) => (work(permit.clone()).await, permit.found()),
        Err(error) => (Err(error.into()), operation),
    };
    if let Some(error) = done.as_ref().err().and_then(E::error).filter(|_| found.spec().is_change()) {
        audit::refused(app, caller, found.name(), error).await;
    }
    done
}

/// Authorizes a caller as [`enter`] does, for a request that is forwarded to the upstream; the audit log names the request by its route.
///
/// # Errors
/// Like [`enter`].
pub async fn enter_route<T, F: Future<Output = Result<T>>>(
    app: &App,
    caller: &Caller,
    operation: Operation,
    route: &str,
    work: impl FnOnce(Permit) -> F,
) -> Result<T> {
    match permit(app, caller, operation).await {
        // Errors of the work need no entry here: `forward` records the request before it sends it.
        Ok(permit) => work(permit).await,
        Err(error) => {
            if !crate::service::inventory::forward::is_common_read(route, operation) {
                audit::refused(app, caller, route, &error).await;
            }
            Err(error)
        }
    }
}

/// Records and returns the error for a caller without a credential where an API requires one, even if the operation itself does not. The
/// API calls it before it reads the request.
pub async fn turn_away(app: &App, caller: &Caller, operation: Operation) -> Error {
    let error = Error::from(Denial::NoCredential);
    refuse(app, caller, operation, &error).await;
    error
}

/// Records that an API rejected a request before running it, if the operation is a change.
pub async fn refuse(app: &App, caller: &Caller, operation: Operation, error: &Error) {
    if operation.spec().is_change() {
        audit::refused(app, caller, operation.name(), error).await;
    }
}

/// Returns a permit of the service itself and of the operator of its machine, for work that no caller requested.
///
/// # Errors
/// `Internal` if the operator may not perform the operation; no such operation exists.
pub fn operator(operation: Operation) -> Result<Permit> {
    authorize(&Caller::operator(), operation).map_err(|denial| Error::internal(format!("{operation:?}: {denial:?}")))
}

/// The error type of an API, made from the errors of the use cases.
pub trait Failure: From<Error> {
    /// Returns the error to record in the audit log; `None` if the API found the fault itself and ran nothing.
    fn error(&self) -> Option<&Error>;
}

impl Failure for Error {
    fn error(&self) -> Option<&Error> {
        Some(self)
    }
}

/// Decides whether a caller may perform an operation; while no user exists, by [`Operation::needs_while_fresh`].
async fn permit(app: &App, caller: &Caller, operation: Operation) -> Result<Permit> {
    match authorize(caller, operation) {
        Err(Denial::NoCredential)
            if operation.needs_while_fresh() == Needs::Nothing && !app.store.has_users().await? =>
        {
            Ok(authorize_while_fresh(caller, operation)?)
        }
        decided => Ok(decided?),
    }
}
