//! The audit log: what it says of one thing that was done or tried, and the chain that holds its rows together.
//!
//! There are two logs of one form: what people and their keys do stands in one, what the service does of its own accord or on the
//! operator's word in the other. Each row carries its place in its log and a code over itself and the code of the row before, made
//! with a key that is not in the database. Whoever edits, removes or moves a row breaks the chain there.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::clock::Timestamp;
use super::id::UserId;
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
    /// What was done; the operation's name where absent.
    pub action: Option<String>,
    /// For people. Never holds a secret.
    pub message: Text,
    /// Type and id of what it was done to.
    pub resource: Option<(String, String)>,
    /// The cluster it belongs to.
    pub cluster: Option<String>,
    /// How it ended; open for what another system reports as still going on.
    pub outcome: Option<Outcome>,
    /// Who did it, where that is not the caller.
    pub by: Option<Author>,
    /// When it began and ended, where that is not now.
    pub times: Option<(Option<Timestamp>, Option<Timestamp>)>,
    /// From where, where that is not the caller's address.
    pub address: Option<String>,
    /// The row's id, where somebody else chose it.
    pub id: Option<String>,
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

impl From<&Principal> for Author {
    fn from(principal: &Principal) -> Self {
        let credential = match &principal.credential {
            CredentialRef::Session(id) => Some(format!("session {id}")),
            CredentialRef::ApiKey { id, name } => Some(format!("API key {name} ({id})")),
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
            action: None,
            message,
            resource: None,
            cluster: None,
            outcome: Some(Outcome::Succeeded),
            by: None,
            times: None,
            address: None,
            id: None,
        }
    }

    /// Something that was refused, or went wrong.
    #[must_use]
    pub fn failed(message: Text) -> Self {
        Self { outcome: Some(Outcome::Failed), ..Self::done(message) }
    }

    /// The same, of something.
    #[must_use]
    pub fn of(self, kind: &str, id: impl ToString) -> Self {
        Self { resource: Some((kind.to_owned(), id.to_string())), ..self }
    }

    /// The same, by somebody who is not the caller.
    #[must_use]
    pub fn by(self, author: Author) -> Self {
        Self { by: Some(author), ..self }
    }
}

/// Makes the codes of a chain.
pub trait Chain: Send + Sync {
    /// The code over bytes.
    fn code(&self, bytes: &[u8]) -> Vec<u8>;
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

    /// The columns that the code covers, in order: all but the code itself. Names begin with no digit and values are written with
    /// their length, so that no two rows are written alike.
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

/// A row of a log, as the chain sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its place: 1 for the first.
    pub seq: i64,
    /// The values of [`Log::columns`].
    pub values: Vec<Option<String>>,
}

impl Link {
    /// The code that the row must carry behind a row with the code `previous`.
    #[must_use]
    pub fn code(&self, log: Log, previous: &[u8], chain: &dyn Chain) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut put = |part: &[u8]| {
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part);
        };
        put(log.table().as_bytes());
        put(previous);
        put(&self.seq.to_be_bytes());
        for value in &self.values {
            put(&[u8::from(value.is_some())]);
            put(value.as_deref().unwrap_or_default().as_bytes());
        }
        chain.code(&bytes)
    }
}

/// Where a chain ends. Kept beside the log and coded itself, so that its last rows can't be cut off unnoticed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The place of the last row; 0 for none.
    pub seq: i64,
    /// That row's code.
    pub code: Vec<u8>,
}

impl Head {
    /// The code of the head itself.
    #[must_use]
    pub fn seal(&self, log: Log, chain: &dyn Chain) -> Vec<u8> {
        let link = Link { seq: self.seq, values: vec![Some("head".to_owned())] };
        link.code(log, &self.code, chain)
    }
}

/// Most kinds of refusals that wait to be written down.
const REFUSALS_MAX: usize = 1_000;

/// Credentials that were refused and not written down yet, counted by address and cause: bounded, whoever tries how many.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<BTreeMap<(Option<IpAddr>, String), u64>>);

impl Refusals {
    /// Counts one.
    pub fn note(&self, address: Option<IpAddr>, cause: &str) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = waiting.len() >= REFUSALS_MAX;
        let kind = (address, cause.to_owned());
        match waiting.get_mut(&kind) {
            Some(times) => *times += 1,
            None if full => *waiting.entry((None, "from many addresses".to_owned())).or_default() += 1,
            None => {
                waiting.insert(kind, 1);
            }
        }
    }

    /// Takes them out: address, cause, number.
    pub fn take(&self) -> Vec<(Option<IpAddr>, String, u64)> {
        let taken = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        taken.into_iter().map(|((address, cause), times)| (address, cause, times)).collect()
    }
}
