//! The audit log: entries for actions that were done or tried, and the chain that links the rows.
//!
//! There are two logs: one for actions of users and their keys, one for actions of the service and its operator. Each row carries a
//! position in the log and an authentication code. The code covers the row and the code of the previous row. The key for the codes is not
//! in the database. A row that is edited, removed or moved breaks the chain at that place.

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

/// An audit log entry to be written. If the action, author, address, times or id is `None`, the write fills in the value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Message for people. Never holds a secret.
    pub message: Text,
    /// How the action ended.
    pub outcome: Outcome,
    /// Name of the action; `None` means the name of the operation.
    pub action: Option<String>,
    /// Type of the object that the action concerns.
    pub resource_type: Option<String>,
    /// Id of the object that the action concerns.
    pub resource_id: Option<String>,
    /// Id of the cluster that the object belongs to.
    pub cluster: Option<String>,
    /// Author of the action; `None` means the caller.
    pub by: Option<Author>,
    /// Client address; `None` means the address of the caller.
    pub address: Option<String>,
    /// Start and end of the action; `None` means that both are now.
    pub times: Option<(Option<Timestamp>, Option<Timestamp>)>,
    /// Id of the row; `None` means that the write generates an id.
    pub id: Option<AuditLogId>,
}

/// The author of an action.
#[derive(Debug, Clone)]
pub struct Author {
    /// Id of the user.
    pub id: UserId,
    /// Login name of the user, which the log keeps after the user is deleted.
    pub username: String,
    /// Description of the credential, for example the name of an API key.
    pub credential: Option<String>,
}

/// Makes an author from the principal of a request.
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

    /// Sets the author, if that is not the caller.
    #[must_use]
    pub fn by(self, author: Author) -> Self {
        Self { by: Some(author), ..self }
    }

    /// Sets the name of the action, if that is not the name of the operation that writes the entry.
    #[must_use]
    pub fn called(self, action: &str) -> Self {
        Self { action: Some(action.to_owned()), ..self }
    }
}

/// One of the two audit logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// Actions of users and their keys.
    User,
    /// Actions of the service and its operator.
    System,
}

impl Log {
    /// Both audit logs.
    pub const ALL: [Self; 2] = [Self::User, Self::System];

    /// Returns the name of the log's table.
    #[must_use]
    pub fn table(self) -> &'static str {
        match self {
            Self::User => "user_audit_logs",
            Self::System => "system_audit_logs",
        }
    }

    /// Returns the names of the columns that the code of a row covers: all except the columns of the chain itself. The code depends on the
    /// order of the columns, so that a new column must go at the end.
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

/// Maximum number of kinds of refusals that wait to be written. The maximum limits how many rows unauthenticated callers can add to the log
/// at a time.
const REFUSALS_MAX: usize = 100;

/// A kind of refusal of a request. Equal refusals are counted and written as one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// Client address.
    pub address: Option<IpAddr>,
    /// Name of the action that was tried.
    pub action: String,
    /// Reason of the refusal.
    pub cause: String,
}

/// Numbers of refused requests, by kind of refusal. The callers were not authenticated, and the refusals are not in the audit log yet. Only
/// the numbers are kept, so that many attempts need little memory.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<BTreeMap<Refusal, u64>>);

impl Refusals {
    /// Adds `times` to the count of this kind of refusal. When the maximum number of kinds is reached, refusals of new kinds are counted
    /// together, with one count for each action.
    pub fn note(&self, refusal: Refusal, times: u64) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = waiting.len() < REFUSALS_MAX || waiting.contains_key(&refusal);
        let kind = match fits {
            true => refusal,
            false => Refusal { address: None, cause: "at many addresses or for many reasons".to_owned(), ..refusal },
        };
        *waiting.entry(kind).or_default() += times;
    }

    /// Removes and returns all kinds of refusals, each with the number of refusals.
    pub fn take(&self) -> BTreeMap<Refusal, u64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
