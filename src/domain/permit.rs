//! The proof that a caller may do something: the store takes no write without one.

use super::operation::{Needs, Operation};
use super::principal::Principal;

/// Proof that `operation` was allowed to a caller. Only [`authorize`] makes one.
#[derive(Debug, Clone)]
pub struct Permit {
    operation: Operation,
    actor: Option<Principal>,
}

impl Permit {
    /// What was allowed.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// To whom; `None` for an operation that is open to anybody.
    #[must_use]
    pub fn actor(&self) -> Option<&Principal> {
        self.actor.as_ref()
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
}

/// Decides whether a caller may do something.
///
/// # Errors
/// The [`Denial`].
pub fn authorize(caller: Option<&Principal>, operation: Operation) -> Result<Permit, Denial> {
    let allowed = |actor: Option<&Principal>| Ok(Permit { operation, actor: actor.cloned() });
    let Some(principal) = caller else {
        return match operation.needs() {
            Needs::Nothing => allowed(None),
            _ => Err(Denial::NoCredential),
        };
    };
    match operation.needs() {
        Needs::Token | Needs::TokenWith(_) if principal.is_key() => Err(Denial::KeyNotAllowed),
        Needs::Action(action) | Needs::TokenWith(action) if !principal.rights.allows(action) => {
            Err(Denial::MissingAction(action.name()))
        }
        _ => allowed(Some(principal)),
    }
}
