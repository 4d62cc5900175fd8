//! The principal of a request: the user, the credential and the rights of the credential, as authentication found them.

use super::id::{ApiKeyId, SessionId, UserId};
use super::permission::{Action, Actions};
use super::rights::Rights;

/// The user and the credential behind a request, after authentication.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Id of the user who logged in, or of the owner of the key.
    pub user: UserId,
    /// Login name of the user.
    pub username: String,
    /// Number that the SoftLayer API uses as the id of the user.
    pub number: i64,
    /// Rights of the credential at the time of the request.
    pub rights: Rights,
    /// Credential of the request.
    pub credential: CredentialRef,
    /// Step that the user must complete before the session can do anything else.
    pub duty: Option<Duty>,
    /// State of the user's second factor in this session.
    pub factor: FactorState,
    /// Whether the user has proven the password recently in this session.
    pub password_is_fresh: bool,
}

/// A step that the user must complete before the session can do anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Enroll a second factor, which the policy requires.
    EnrollMfa,
    /// Change the password, which has expired.
    ChangePassword,
}

impl Duty {
    /// Returns the duty of a user. An expired password comes before a missing second factor that the policy requires.
    #[must_use]
    pub fn of(password_expired: bool, lacks_mfa: bool) -> Option<Self> {
        match (password_expired, lacks_mfa) {
            (true, _) => Some(Self::ChangePassword),
            (false, true) => Some(Self::EnrollMfa),
            (false, false) => None,
        }
    }
}

/// State of the user's second factor in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactorState {
    /// The user has no second factor.
    None,
    /// The user has a second factor, but has not proven that factor recently in this session.
    Stale,
    /// The user has proven the second factor recently in this session.
    Fresh,
}

/// Identifies the credential of a [`Principal`] without holding the text of the credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialRef {
    /// A token, identified by its session.
    Session(SessionId),
    /// An API key.
    ApiKey {
        /// Id of the key.
        id: ApiKeyId,
        /// Name that the owner gave to the key.
        name: String,
        /// Whether the key is the owner's one classic key, which SoftLayer clients use.
        classic: bool,
    },
    /// The operator at the machine, who runs a command of this program.
    Operator,
}

impl Principal {
    /// Returns the operator at the machine, who has all rights because the operator holds the data directory.
    #[must_use]
    pub fn operator() -> Self {
        Self {
            user: UserId::from(String::new()),
            username: "operator".to_owned(),
            number: 0,
            rights: Rights::from(Actions::from_names(["*"])),
            credential: CredentialRef::Operator,
            duty: None,
            factor: FactorState::None,
            password_is_fresh: false,
        }
    }

    /// Returns whether the credential is an API key.
    #[must_use]
    pub fn is_key(&self) -> bool {
        matches!(self.credential, CredentialRef::ApiKey { .. })
    }

    /// Returns whether the principal is the operator at the machine.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        self.credential == CredentialRef::Operator
    }

    /// Returns whether the credential is a classic key.
    #[must_use]
    pub fn is_classic_key(&self) -> bool {
        matches!(self.credential, CredentialRef::ApiKey { classic: true, .. })
    }

    /// Returns the id of the token's session; `None` for a key or the operator.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        match &self.credential {
            CredentialRef::Session(id) => Some(id),
            CredentialRef::ApiKey { .. } | CredentialRef::Operator => None,
        }
    }

    /// Returns whether the principal may delete the key with the id `key`, provided that the principal can see that key. A principal with a
    /// key can delete only that key, unless the principal manages keys: a leaked key must not be able to stop the owner's other automation.
    #[must_use]
    pub fn may_delete(&self, key: &str) -> bool {
        match &self.credential {
            CredentialRef::ApiKey { id, .. } => id.as_str() == key || self.manages_keys(),
            _ => true,
        }
    }

    /// Returns whether the principal may manage the keys of other users.
    #[must_use]
    pub fn manages_keys(&self) -> bool {
        self.rights.allows(Action::MANAGE_API_KEY)
    }
}
