//! The proof that a caller may do something: every use case takes one, and the store takes no write without one.

use std::sync::{Arc, Mutex, PoisonError};

use super::caller::Caller;
use super::id::UserId;
use super::operation::{Needs, Operation, StepUp};
use super::permission::Action;
use super::principal::{Duty, FactorState, Principal};

/// Proof that `operation` was allowed to a caller. [`authorize`] makes the first one of a request; a use case that finds that the request
/// is another operation, or several, [requires](Permit::require) or [checks](Permit::check) those.
#[derive(Debug, Clone)]
pub struct Permit {
    operation: Operation,
    caller: Arc<Caller>,
    /// Whether there is no user yet, so that what sets the service up needs no credential.
    fresh: bool,
    /// The operation that the request turned out to be.
    found: Arc<Mutex<Operation>>,
}

impl Permit {
    /// What was allowed.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The operation that the request turned out to be, with all permits that were made from the same first one.
    #[must_use]
    pub fn found(&self) -> Operation {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The caller.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whom the caller's credential names; `None` where the operation is open to anybody and no credential was shown.
    #[must_use]
    pub fn actor(&self) -> Option<&Principal> {
        self.caller.principal.as_ref()
    }

    /// The user whom the caller's credential names, where one was shown.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        self.actor().map(|actor| &actor.user)
    }

    /// Whom the caller's credential names, where there has to be one.
    ///
    /// # Errors
    /// `NoCredential` where the operation is open to anybody and no credential was shown.
    pub fn principal(&self) -> Result<&Principal, Denial> {
        self.actor().ok_or(Denial::NoCredential)
    }

    /// Makes the permit of the operation that the request turned out to be: the audit log calls it so from here on, refused or done.
    ///
    /// # Errors
    /// The [`Denial`] of that operation.
    pub fn require(&self, operation: Operation) -> Result<Self, Denial> {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = operation;
        self.check(operation)?;
        Ok(Self { operation, ..self.clone() })
    }

    /// Decides whether the caller may do something else beside, as a part of the same request.
    ///
    /// # Errors
    /// The [`Denial`] of that operation.
    pub fn check(&self, operation: Operation) -> Result<(), Denial> {
        decide(&self.caller, operation, needs(operation, self.fresh))
    }

    /// The permit of the same operation for the caller's credential as it is now.
    ///
    /// # Errors
    /// The [`Denial`] where the credential allows it no more.
    pub fn renewed(&self, principal: Principal) -> Result<Self, Denial> {
        let caller = Arc::new(Caller { principal: Some(principal), ..(*self.caller).clone() });
        decide(&caller, self.operation, needs(self.operation, self.fresh))?;
        Ok(Self { caller, ..self.clone() })
    }
}

/// Why something was not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// No credential was shown, and the operation needs one.
    NoCredential,
    /// A key was shown where only a person's token will do.
    KeyNotAllowed,
    /// The rights lack an action.
    MissingAction(&'static str),
    /// The rights hold an action, but only on what belongs to the caller, and nothing says whose this is.
    OwnOnly(&'static str),
    /// Something else has to be done first.
    Duty(Duty),
    /// The second factor was not proven lately.
    StaleFactor,
    /// The caller has no second factor, and the password was not proven lately.
    StalePassword,
}

/// Decides whether a caller may do something.
///
/// # Errors
/// The [`Denial`].
pub fn authorize(caller: &Caller, operation: Operation) -> Result<Permit, Denial> {
    first(caller, operation, false)
}

/// Decides the same for a service without any user. The caller of this function has to know that it is one.
///
/// # Errors
/// The [`Denial`].
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
                // What is yet to be made belongs to nobody else. Of everything else there is no telling whose it is.
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

/// Decides whether a token was proven lately enough. A key proves nothing anew, and neither does the operator.
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
