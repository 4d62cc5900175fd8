//! The audit log: entries for actions that were done or tried, and the chain that links the rows.
//!
//! There are two logs of the same form: one for actions of users and their keys, one for actions of the service and its operator. Each row
//! carries its position in its log and a code over itself and the code of the row before, made with a key that is not in the database.
//! Editing, removing or moving a row breaks the chain there.

mod chain;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

pub use chain::{Chain, Head, Link};

use super::clock::Timestamp;
use super::id::{AuditLogId, UserId};
use super::principal::{CredentialRef, Principal};
use super::text::Text;

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The action was done.
    Succeeded,
    /// The action was refused or failed.
    Failed,
}

impl Outcome {
    /// Returns the value of `UserAuditLogStatus`, in the contract's spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCESSED",
            Self::Failed => "FAILED",
        }
    }
}

/// An entry to be written. The write fills in action, author, address, times and id where the entry has `None`.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Message for people. Never holds a secret.
    pub message: Text,
    /// How it ended.
    pub outcome: Outcome,
    /// What was done; `None` means the name of the operation.
    pub action: Option<String>,
    /// Type of the object.
    pub resource_type: Option<String>,
    /// Id of the object.
    pub resource_id: Option<String>,
    /// Id of the cluster that the object belongs to.
    pub cluster: Option<String>,
    /// Author; `None` means the caller.
    pub by: Option<Author>,
    /// Client address; `None` means the caller's.
    pub address: Option<String>,
    /// Start and end; `None` means now.
    pub times: Option<(Option<Timestamp>, Option<Timestamp>)>,
    /// Id of the row; `None` generates one.
    pub id: Option<AuditLogId>,
}

/// The author of an action.
#[derive(Debug, Clone)]
pub struct Author {
    /// The user.
    pub id: UserId,
    /// The login name, which the log keeps after the user is deleted.
    pub username: String,
    /// Description of the credential, for example the name of an API key.
    pub credential: Option<String>,
}

/// Describes a principal as the author of its actions.
impl From<&Principal> for Author {
    fn from(principal: &Principal) -> Self {
        let credential = match &principal.credential {
            CredentialRef::Session(id) => Some(format!("session {id}")),
            CredentialRef::ApiKey { id, name, .. } => Some(format!("API key {name} ({id})")),
            CredentialRef::Operator => None,
        };
        Self { id: principal.user.clone(), username: principal.username.clone(), credential }
    }
}

impl Entry {
    /// Returns an entry for an action that was done.
    #[must_use]
    pub fn done(message: Text) -> Self {
        Self {
            message,
            outcome: Outcome::Succeeded,
            action: None,
            resource_type: None,
            resource_id: None,
            cluster: None,
            by: None,
            address: None,
            times: None,
            id: None,
        }
    }

    /// Returns an entry for an action that was refused or failed.
    #[must_use]
    pub fn failed(message: Text) -> Self {
        Self { outcome: Outcome::Failed, ..Self::done(message) }
    }

    /// Sets the type and the id of the object.
    #[must_use]
    pub fn of(self, kind: &str, id: impl ToString) -> Self {
        Self { resource_type: Some(kind.to_owned()), resource_id: Some(id.to_string()), ..self }
    }

    /// Sets an author other than the caller.
    #[must_use]
    pub fn by(self, author: Author) -> Self {
        Self { by: Some(author), ..self }
    }

    /// Sets an action other than the name of the operation that writes the entry.
    #[must_use]
    pub fn called(self, action: &str) -> Self {
        Self { action: Some(action.to_owned()), ..self }
    }
}

/// One of the two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// Actions of users and their keys.
    User,
    /// Actions of the service and its operator.
    System,
}

impl Log {
    /// Both logs.
    pub const ALL: [Self; 2] = [Self::User, Self::System];

    /// Returns the name of its table.
    #[must_use]
    pub fn table(self) -> &'static str {
        match self {
            Self::User => "user_audit_logs",
            Self::System => "system_audit_logs",
        }
    }

    /// Returns the columns that the code covers: all except those of the chain itself. Their order is part of the code, so that a new
    /// column goes to the end.
    #[must_use]
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::User => &[
                "id",
                "action",
                "auth_type",
                "cluster_id",
                "createdAt",
                "credential",
                "finished_at",
                "ip_address",
                "message",
                "message_zh",
                "resource_id",
                "resource_type",
                "started_at",
                "status",
                "user_id",
                "username",
            ],
            Self::System => &[
                "id",
                "action",
                "cluster_id",
                "finished_at",
                "local_created_at",
                "local_id",
                "message",
                "message_zh",
                "resource_id",
                "status",
            ],
        }
    }
}

/// Maximum number of kinds of refusals that wait to be written: it bounds the rows that unauthenticated callers can add to the log at a
/// time.
const REFUSALS_MAX: usize = 100;

/// A kind of refusal: equal ones are counted and written as one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// Client address.
    pub address: Option<IpAddr>,
    /// Action that was tried.
    pub action: String,
    /// Reason of the refusal.
    pub cause: String,
}

/// Refusals of unauthenticated callers that are not in the audit log yet: counted by kind, so that many attempts need little memory.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<BTreeMap<Refusal, u64>>);

impl Refusals {
    /// Counts `times` refusals of one kind. Beyond the maximum number of kinds, new kinds are counted together, one sum for each action.
    pub fn note(&self, refusal: Refusal, times: u64) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = waiting.len() < REFUSALS_MAX || waiting.contains_key(&refusal);
        let kind = match fits {
            true => refusal,
            false => Refusal { address: None, cause: "at many addresses or for many reasons".to_owned(), ..refusal },
        };
        *waiting.entry(kind).or_default() += times;
    }

    /// Removes and returns all refusals, each with its count.
    pub fn take(&self) -> BTreeMap<Refusal, u64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
