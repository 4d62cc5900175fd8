//! The one door: every face, command and job hands it the caller, the operation and the work. It authorizes, runs the work, and has what
//! was refused or went wrong written to the audit log, once; what was done the work's own write has told.
//!
//! What the work turns out to be decides the use case, which [requires](Permit::require) that operation: then the log names it so.

use super::audit;
use crate::app::App;
use crate::domain::caller::Caller;
use crate::domain::operation::{Needs, Operation};
use crate::domain::permit::{Denial, Permit, authorize, authorize_while_fresh};
use crate::error::{Error, Result};

/// Lets a caller in to do some work, or refuses.
///
/// # Errors
/// `Unauthenticated`, `Forbidden` and what else [`authorize`] says; the errors of the work.
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

/// The same for a request that is handed on to the upstream, which the audit log calls by its route.
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
        // What goes out leaves its trace before.
        Ok(permit) => work(permit).await,
        Err(error) => {
            if !super::forward::is_common_read(route, operation) {
                audit::refused(app, caller, route, &error).await;
            }
            Err(error)
        }
    }
}

/// Turns away a caller who shows no credential where a face needs one, whatever the operation itself needs: before anything of the
/// request is read.
pub async fn turn_away(app: &App, caller: &Caller, operation: Operation) -> Error {
    let error = Error::from(Denial::NoCredential);
    refuse(app, caller, operation, &error).await;
    error
}

/// Has it written that a request was refused which a face found at fault before it could be carried out.
pub async fn refuse(app: &App, caller: &Caller, operation: Operation, error: &Error) {
    if operation.spec().is_change() {
        audit::refused(app, caller, operation.name(), error).await;
    }
}

/// The permit of the service itself and of the operator of its machine, for work that nobody else asked for.
///
/// # Errors
/// `Internal` for an operation that the operator may not do; there is none.
pub fn operator(operation: Operation) -> Result<Permit> {
    authorize(&Caller::operator(), operation).map_err(|denial| Error::internal(format!("{operation:?}: {denial:?}")))
}

/// What a face makes of the errors of services.
pub trait Failure: From<Error> {
    /// The error that the audit log tells of; none where a face has found the fault and nothing was tried.
    fn error(&self) -> Option<&Error>;
}

impl Failure for Error {
    fn error(&self) -> Option<&Error> {
        Some(self)
    }
}

/// Decides whether a caller may do something; as long as there is no user, by what it needs then.
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
