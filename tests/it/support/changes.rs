//! Every operation that changes something, on every face that offers it, and which credentials may do it: read from the tables of the
//! program, so that none is left out.

use keytower::domain::operation::{Needs, Operation, StepUp};
use keytower::graphql::schema;
use keytower::rest;
use keytower::softlayer::table::METHODS;

use super::call::{DIALECTS, Face, method_name};

/// A credential, by its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The token of a login.
    Token,
    /// The token of a login in SoftLayer's portal.
    Portal,
    /// A minted API key.
    Key,
    /// A classic API key.
    Classic,
}

impl Shown {
    pub fn is_key(self) -> bool {
        matches!(self, Self::Key | Self::Classic)
    }
}

/// A way in which a credential ends, or loses what an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It ends its own session.
    Logout,
    /// Another session of its user ends it.
    EndSession,
    /// Its user deletes the key.
    DeleteKey,
    /// Its user changes the password, and deletes all keys where it is one.
    ChangePassword,
    /// An administrator sets another password.
    SetPassword,
    /// An administrator disables its user.
    Disable,
    /// An administrator takes the rights of its user.
    Demote,
    /// An administrator resets the second factors of its user.
    ResetFactors,
    /// An administrator deletes its user.
    DeleteUser,
}

use Ending::{ChangePassword, DeleteKey, DeleteUser, Demote, Disable, EndSession, Logout, ResetFactors, SetPassword};

/// What a face offers.
#[derive(Debug, Clone)]
pub struct Change {
    pub face: Face,
    /// A route, a field, or `Service::method`.
    pub name: String,
    pub operation: Operation,
}

/// Every change that needs a credential, on every face. SoftLayer's methods are there in each of its dialects.
pub fn changes() -> Vec<Change> {
    let rest = rest::table().into_iter().map(|route| (Face::Rest, route.path, route.call.operation()));
    let fields = schema::table().iter().map(|field| (Face::Graphql, field.name.clone(), field.operation));
    let methods = METHODS
        .iter()
        .flat_map(|method| DIALECTS.into_iter().map(move |dialect| (dialect, method_name(method), method.operation)));
    let all = rest.chain(fields).chain(methods).map(|(face, name, operation)| Change { face, name, operation });
    all.filter(|change| is_change(change.operation) && needs(change.operation) != Needs::Nothing).collect()
}

fn is_change(operation: Operation) -> bool {
    operation.spec().is_change()
}

fn needs(operation: Operation) -> Needs {
    operation.needs()
}

/// Tells whether an operation needs a fresh second factor of whoever has one.
pub fn steps_up(operation: Operation) -> bool {
    operation.spec().step_up != StepUp::Never
}

impl Change {
    /// The credentials that may do it.
    pub fn shown(&self) -> &'static [Shown] {
        match needs(self.operation) {
            Needs::Nothing => &[],
            Needs::Token | Needs::TokenWith(_) => &[Shown::Token, Shown::Portal],
            Needs::TokenOrClassic | Needs::TokenOrClassicWith(_) => &[Shown::Token, Shown::Portal, Shown::Classic],
            Needs::Credential | Needs::Action(_) => &[Shown::Token, Shown::Portal, Shown::Key, Shown::Classic],
        }
    }

    /// Whether it is about a second factor that its user must have.
    pub fn has_factor(&self) -> bool {
        matches!(
            self.operation,
            Operation::RenewRecoveryCodes | Operation::RemoveMfa | Operation::Reauthenticate | Operation::ConfirmApiKey
        )
    }

    /// Whether it adds a factor, which is simple for whoever has none.
    fn adds_factor(&self) -> bool {
        matches!(self.operation, Operation::EnrollMfa | Operation::ConfirmMfa)
    }

    /// The endings that keep a credential from it.
    pub fn endings(&self, shown: Shown) -> Vec<Ending> {
        let mut endings = match shown.is_key() {
            true => vec![DeleteKey, Disable, DeleteUser],
            false => vec![Logout, EndSession, Disable, SetPassword, DeleteUser],
        };
        if !self.has_factor() {
            endings.push(ChangePassword);
        }
        if !self.adds_factor() {
            endings.push(ResetFactors);
        }
        if matches!(needs(self.operation), Needs::Action(_) | Needs::TokenWith(_) | Needs::TokenOrClassicWith(_)) {
            endings.push(Demote);
        }
        endings
    }
}
