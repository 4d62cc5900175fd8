//! The single entry point of every API, command and job: [`enter`] takes a caller, an operation and the work, which is a function. It
//! authorizes the caller, runs the work, and records a refusal or failure in the audit log, once. The work records its success in its own
//! transaction.
//!
//! If the work turns out to be another operation, the use case [requires](Permit::require) that operation, and the audit log names that
//! operation.

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

/// Authorizes a caller as [`enter`] does, for a request that is forwarded to the upstream. The audit log names the route instead of the
/// operation.
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
        // Errors of the work need no entry here: `forward` records the request before sending it.
        Ok(permit) => work(permit).await,
        Err(error) => {
            if !crate::service::inventory::forward::is_common_read(route, operation) {
                audit::refused(app, caller, route, &error).await;
            }
            Err(error)
        }
    }
}

/// Records and returns the error for a caller without a credential. An API may require a credential for an operation that needs none while
/// no user exists. Such an API calls this function before it reads the request.
pub async fn turn_away(app: &App, caller: &Caller, operation: Operation) -> Error {
    let error = Error::from(Denial::NoCredential);
    refuse(app, caller, operation, &error).await;
    error
}

/// Records that an API rejected a request before running the operation, if the operation is a change.
pub async fn refuse(app: &App, caller: &Caller, operation: Operation, error: &Error) {
    if operation.spec().is_change() {
        audit::refused(app, caller, operation.name(), error).await;
    }
}

/// Returns a permit for work that no caller requested: work of the service itself, or of the operator of its machine.
///
/// # Errors
/// `Internal` if the operator may not perform the operation, which never happens.
pub fn operator(operation: Operation) -> Result<Permit> {
    authorize(&Caller::operator(), operation).map_err(|denial| Error::internal(format!("{operation:?}: {denial:?}")))
}

/// The error type of an API, made from the errors of the use cases.
pub trait Failure: From<Error> {
    /// Returns the error to record in the audit log; `None` if the API itself rejected the request and ran no use case.
    fn error(&self) -> Option<&Error>;
}

impl Failure for Error {
    fn error(&self) -> Option<&Error> {
        Some(self)
    }
}

/// Returns a permit if the caller may perform the operation. While no user exists, [`Operation::needs_while_fresh`] decides for a caller
/// without a credential.
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
