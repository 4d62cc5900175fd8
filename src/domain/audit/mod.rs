//! The audit log: what it says of one thing that was done or tried, and the chain that holds its rows together.
//!
//! There are two logs of one form: what people and their keys do stands in one, what the service does of its own accord or on the
//! operator's word in the other. Each row carries its place in its log and a code over itself and the code of the row before, made
//! with a key that is not in the database. Whoever edits, removes or moves a row breaks the chain there.

mod chain;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

pub use chain::{Chain, Head, Link};

use super::clock::Timestamp;
use super::id::{AuditLogId, UserId};
use super::principal::{CredentialRef, Principal};
use super::text::Text;

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Succeeded,
    /// It was refused, or went wrong.
    Failed,
}

impl Outcome {
    /// `UserAuditLogStatus` (the contract's spelling).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCESSED",
            Self::Failed => "FAILED",
        }
    }
}

/// What a row says beside who, from where, and with what.
#[derive(Debug, Clone)]
pub struct Entry {
    /// For people. Never holds a secret.
    pub message: Text,
    /// How it ended.
    pub outcome: Outcome,
    /// What was done; the operation's name where absent.
    pub action: Option<String>,
    /// Type of what it was done to.
    pub resource_type: Option<String>,
    /// Id of what it was done to.
    pub resource_id: Option<String>,
    /// The cluster it belongs to.
    pub cluster: Option<String>,
    /// Who did it, where that is not the caller.
    pub by: Option<Author>,
    /// From where, where that is not the caller's address.
    pub address: Option<String>,
    /// When it began and ended, where that is not now.
    pub times: Option<(Option<Timestamp>, Option<Timestamp>)>,
    /// The row's id, where somebody else chose it.
    pub id: Option<AuditLogId>,
}

/// Who did something.
#[derive(Debug, Clone)]
pub struct Author {
    /// The user.
    pub id: UserId,
    /// The login name, which outlives the user.
    pub username: String,
    /// The credential, for example the name of an API key.
    pub credential: Option<String>,
}

/// A principal as the author of what it does.
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
    /// Something that was done.
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

    /// Something that was refused, or went wrong.
    #[must_use]
    pub fn failed(message: Text) -> Self {
        Self { outcome: Outcome::Failed, ..Self::done(message) }
    }

    /// The same, of something.
    #[must_use]
    pub fn of(self, kind: &str, id: impl ToString) -> Self {
        Self { resource_type: Some(kind.to_owned()), resource_id: Some(id.to_string()), ..self }
    }

    /// The same, by somebody who is not the caller.
    #[must_use]
    pub fn by(self, author: Author) -> Self {
        Self { by: Some(author), ..self }
    }

    /// The same, under another name than that of the operation that writes it down.
    #[must_use]
    pub fn called(self, action: &str) -> Self {
        Self { action: Some(action.to_owned()), ..self }
    }
}

/// One of the two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// What people and their keys do.
    User,
    /// What the service and its operator do.
    System,
}

impl Log {
    /// Both.
    pub const ALL: [Self; 2] = [Self::User, Self::System];

    /// The table.
    #[must_use]
    pub fn table(self) -> &'static str {
        match self {
            Self::User => "user_audit_logs",
            Self::System => "system_audit_logs",
        }
    }

    /// The columns that the code covers: all but those of the chain itself. Their order is part of it: a new one goes to the end.
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

/// Most kinds of refusals that wait to be written down: what strangers can fill the log with in the time between.
const REFUSALS_MAX: usize = 100;

/// What is alike in refusals that are written down as one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// From where.
    pub address: Option<IpAddr>,
    /// What was tried.
    pub action: String,
    /// Why it was refused.
    pub cause: String,
}

/// What was refused to strangers and is not written down yet: counted, and bounded, whoever tries how much.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<BTreeMap<Refusal, u64>>);

impl Refusals {
    /// Counts some that are alike. Those that are of one kind too many count as one more.
    pub fn note(&self, refusal: Refusal, times: u64) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = waiting.len() < REFUSALS_MAX || waiting.contains_key(&refusal);
        let kind = match fits {
            true => refusal,
            false => Refusal { address: None, cause: "at many addresses or for many reasons".to_owned(), ..refusal },
        };
        *waiting.entry(kind).or_default() += times;
    }

    /// Takes them out, each with its number.
    pub fn take(&self) -> BTreeMap<Refusal, u64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
