//! The proof that a caller may do something: the store takes no write without one.

use super::caller::Caller;
use super::operation::{Needs, Operation};
use super::principal::{Duty, FactorState, Principal};

/// Proof that `operation` was allowed to a caller. Only [`authorize`] makes one.
#[derive(Debug, Clone)]
pub struct Permit {
    operation: Operation,
    caller: Caller,
}

impl Permit {
    /// What was allowed.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// To whom.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whom their credential names; `None` where the operation is open to anybody and none was shown.
    #[must_use]
    pub fn actor(&self) -> Option<&Principal> {
        self.caller.principal.as_ref()
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
    /// Something else has to be done first.
    Duty(Duty),
    /// The second factor was not proven lately.
    StaleFactor,
}

/// Decides whether a caller may do something.
///
/// # Errors
/// The [`Denial`].
pub fn authorize(caller: &Caller, operation: Operation) -> Result<Permit, Denial> {
    decide(caller, operation, operation.needs())
}

/// Decides the same for a service without any user; whoever asks has to know that it is one.
///
/// # Errors
/// The [`Denial`].
pub fn authorize_while_fresh(caller: &Caller, operation: Operation) -> Result<Permit, Denial> {
    decide(caller, operation, operation.needs_while_fresh())
}

fn decide(caller: &Caller, operation: Operation, needs: Needs) -> Result<Permit, Denial> {
    match (&caller.principal, needs) {
        (None, Needs::Nothing) => {}
        (None, _) => return Err(Denial::NoCredential),
        (Some(principal), Needs::Token | Needs::TokenWith(_)) if principal.is_key() => {
            return Err(Denial::KeyNotAllowed);
        }
        (Some(principal), Needs::TokenOrClassic | Needs::TokenOrClassicWith(_))
            if principal.is_key() && !principal.is_classic_key() =>
        {
            return Err(Denial::KeyNotAllowed);
        }
        (Some(principal), Needs::Action(action) | Needs::TokenWith(action) | Needs::TokenOrClassicWith(action))
            if !principal.rights.allows(action) =>
        {
            return Err(Denial::MissingAction(action.name()));
        }
        (Some(Principal { duty: Some(duty), .. }), _) if !operation.is_open_to(*duty) => {
            return Err(Denial::Duty(*duty));
        }
        (Some(Principal { factor: FactorState::Stale, .. }), _) if operation.steps_up() => {
            return Err(Denial::StaleFactor);
        }
        _ => {}
    }
    Ok(Permit { operation, caller: caller.clone() })
}
