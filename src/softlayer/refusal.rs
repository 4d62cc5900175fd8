//! Errors of a call: a SoftLayer fault, or an error from the service code, which is converted to the matching fault.

use super::fault::{Fault, PLAIN, PUBLIC};
use super::sentences::sentence;
use crate::error::{Barred, Error, Kind};
use crate::http::log;
use crate::service::door::Failure;

/// Result of one step in the processing of a call.
pub(super) type Outcome<T> = Result<T, Refusal>;

/// Error of a call.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The call is malformed, or is not allowed in the SoftLayer API.
    Fault(Fault),
    /// The service code returned an error.
    Error(Error),
    /// The service code returned an error; an error of the kind `Invalid` becomes a fault with the code [`PUBLIC`].
    Public(Error),
    /// A login failed.
    Login(Error),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Failure for Refusal {
    fn error(&self) -> Option<&Error> {
        match self {
            Self::Fault(_) => None,
            Self::Error(error) | Self::Public(error) | Self::Login(error) => Some(error),
        }
    }
}

impl Refusal {
    /// Converts the error to a fault; `id` is the id of the object that the call names.
    pub(super) fn into_fault(self, id: &str) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Public(error) if error.kind() == Kind::Invalid => Fault::public(said(&error)),
            Self::Login(error) => login(&error).unwrap_or_else(|| general(&error, id)),
            Self::Error(error) | Self::Public(error) => general(&error, id),
        }
    }
}

/// Returns the fault of a failed login (contract, section 5.1); `None` if the error is not specific to logins.
fn login(error: &Error) -> Option<Fault> {
    let fault = |name: &str, text: String| Fault::new(&format!("SoftLayer_Exception_User_Customer_{name}"), text, 500);
    Some(match (error.bar(), error.kind()) {
        (Some(Barred::Address), _) => Fault::public("Unauthorized IP Address!"),
        (Some(Barred::Status(status)), _) => {
            let text = format!("User account is currently {}.", status.key_name().to_lowercase());
            fault("InvalidUserStatus", text)
        }
        (Some(Barred::Answer), _) => {
            fault("InvalidSecurityQuestionAnswer", "Invalid answer provided for security question.".to_owned())
        }
        (None, Kind::LoginFailed) => fault("LoginFailed", "Invalid login credentials provided.".to_owned()),
        (None, Kind::TooMany) => fault("AccountLocked", "Account has been locked for 30 minutes.".to_owned()),
        _ => return None,
    })
}

/// Returns the text for a fault: SoftLayer's own sentence if there is one for the reason of the error, else the error's public text.
fn said(error: &Error) -> String {
    error.reason().map_or_else(|| error.public().to_owned(), sentence)
}

fn general(error: &Error, id: &str) -> Fault {
    log(error);
    let text = said(error);
    match error.kind() {
        Kind::Invalid => Fault::invalid(text),
        Kind::NotFound => Fault::no_object(id),
        Kind::Forbidden => Fault::new("SoftLayer_Exception_PermissionDenied", text, 500),
        Kind::Unauthenticated => Fault::new(PLAIN, "No valid authentication headers found.", 401),
        Kind::TooMany => Fault::new("SoftLayer_Exception_WebService_RateLimitExceeded", text, 429),
        Kind::LoginFailed | Kind::StepUp | Kind::MustEnrollMfa | Kind::MustChangePassword => Fault::public(text),
        Kind::Timeout => Fault::new(PLAIN, text, 408),
        Kind::TooLarge => Fault::new(PLAIN, text, 413),
        Kind::Unavailable => Fault::new(PLAIN, text, 503),
        _ => Fault::new(PUBLIC, "An internal error occurred.", 500),
    }
}
