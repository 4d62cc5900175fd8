//! Permits: proof that a caller may do something. Every use case takes a permit, and the store accepts no write without a permit.

use std::sync::{Arc, Mutex, PoisonError};

use super::caller::Caller;
use super::id::UserId;
use super::operation::{Needs, Operation, StepUp};
use super::permission::Action;
use super::principal::{Duty, FactorState, Principal};

/// Proof that a caller may do `operation`. [`authorize`] makes the first permit of a request. If a use case finds that the request is in
/// fact another operation, the use case calls [`Permit::require`]. If the request includes further operations, the use case calls
/// [`Permit::check`] for each operation.
#[derive(Debug, Clone)]
pub struct Permit {
    operation: Operation,
    caller: Arc<Caller>,
    /// Whether there is no user yet, so that the operations that set up the service need no credential.
    fresh: bool,
    /// The operation that the request turned out to be.
    found: Arc<Mutex<Operation>>,
}

impl Permit {
    /// Returns the operation that the caller may do.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Returns the operation that the request turned out to be. All permits of a request share this value.
    #[must_use]
    pub fn found(&self) -> Operation {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the caller.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Returns the caller's principal; `None` if the operation is open to everybody and the caller has no credential.
    #[must_use]
    pub fn actor(&self) -> Option<&Principal> {
        self.caller.principal.as_ref()
    }

    /// Returns the id of the caller's user; `None` if the caller has no credential.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        self.actor().map(|actor| &actor.user)
    }

    /// Returns the caller's principal, for code that requires a principal.
    ///
    /// # Errors
    /// `NoCredential` if the operation is open to everybody and the caller has no credential.
    pub fn principal(&self) -> Result<&Principal, Denial> {
        self.actor().ok_or(Denial::NoCredential)
    }

    /// Makes the permit for the operation that the request turned out to be. From then on the audit log names the request after this
    /// operation, even if the operation is denied.
    ///
    /// # Errors
    /// [`Denial`] if the caller may not do that operation.
    pub fn require(&self, operation: Operation) -> Result<Self, Denial> {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = operation;
        self.check(operation)?;
        Ok(Self { operation, ..self.clone() })
    }

    /// Checks that the caller may also do another operation, as a part of the same request.
    ///
    /// # Errors
    /// [`Denial`] if the caller may not do that operation.
    pub fn check(&self, operation: Operation) -> Result<(), Denial> {
        decide(&self.caller, operation, needs(operation, self.fresh))
    }

    /// Returns a permit for the same operation and for `principal`, the present state of the caller's principal.
    ///
    /// # Errors
    /// [`Denial`] if the credential no longer allows the operation.
    pub fn renewed(&self, principal: Principal) -> Result<Self, Denial> {
        let caller = Arc::new(Caller { principal: Some(principal), ..(*self.caller).clone() });
        decide(&caller, self.operation, needs(self.operation, self.fresh))?;
        Ok(Self { caller, ..self.clone() })
    }
}

/// Reason why an operation is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The caller has no credential, and the operation needs a credential.
    NoCredential,
    /// The operation does not accept this key: the operation needs a user's token, or a classic key.
    KeyNotAllowed,
    /// The caller's rights do not include this action.
    MissingAction(&'static str),
    /// The caller's rights include this action only on the caller's own objects, and the owner of the object is unknown.
    OwnOnly(&'static str),
    /// The user must complete another step first.
    Duty(Duty),
    /// The second factor was not proven recently.
    StaleFactor,
    /// The caller has no second factor, and the password was not proven recently.
    StalePassword,
}

/// Authorizes a caller for an operation.
///
/// # Errors
/// [`Denial`] if the caller may not do the operation.
pub fn authorize(caller: &Caller, operation: Operation) -> Result<Permit, Denial> {
    first(caller, operation, false)
}

/// Like [`authorize`], for a service that has no user yet. The code that calls this function must have checked that there is no user.
///
/// # Errors
/// [`Denial`] if the caller may not do the operation.
pub fn authorize_while_fresh(caller: &Caller, operation: Operation) -> Result<Permit, Denial> {
    first(caller, operation, true)
}

fn first(caller: &Caller, operation: Operation, fresh: bool) -> Result<Permit, Denial> {
    decide(caller, operation, needs(operation, fresh))?;
    Ok(Permit { operation, caller: Arc::new(caller.clone()), fresh, found: Arc::new(Mutex::new(operation)) })
}

fn needs(operation: Operation, fresh: bool) -> Needs {
    if fresh { operation.needs_while_fresh() } else { operation.needs() }
}

fn decide(caller: &Caller, operation: Operation, needs: Needs) -> Result<(), Denial> {
    let Some(principal) = &caller.principal else {
        return if needs == Needs::Nothing { Ok(()) } else { Err(Denial::NoCredential) };
    };
    let key_allowed = match needs {
        Needs::Token | Needs::TokenWith(_) => !principal.is_key(),
        Needs::TokenOrClassic | Needs::TokenOrClassicWith(_) => !principal.is_key() || principal.is_classic_key(),
        Needs::Nothing | Needs::Credential | Needs::Action(_) => true,
    };
    if !key_allowed {
        return Err(Denial::KeyNotAllowed);
    }
    match needs {
        Needs::Action(action) | Needs::TokenWith(action) | Needs::TokenOrClassicWith(action)
            if !principal.rights.allows(action) =>
        {
            match principal.rights.allows_on_own(action) {
                // A VM that does not exist yet belongs to nobody else. The owner of any other object is unknown here.
                true if action == Action::CREATE_VM => {}
                true => return Err(Denial::OwnOnly(action.name())),
                false => return Err(Denial::MissingAction(action.name())),
            }
        }
        _ => {}
    }
    if let Some(duty) = principal.duty.filter(|duty| !operation.is_open_to(*duty)) {
        return Err(Denial::Duty(duty));
    }
    step_up(principal, operation.spec().step_up)
}

/// Checks that the session has proven the second factor or the password recently, if the operation needs this. Keys and the operator have
/// no session and are exempt.
fn step_up(principal: &Principal, needed: StepUp) -> Result<(), Denial> {
    if principal.session().is_none() {
        return Ok(());
    }
    match (needed, principal.factor) {
        (StepUp::Factor | StepUp::FactorOrPassword, FactorState::Stale) => Err(Denial::StaleFactor),
        (StepUp::FactorOrPassword, FactorState::None) if !principal.password_is_fresh => Err(Denial::StalePassword),
        _ => Ok(()),
    }
}
