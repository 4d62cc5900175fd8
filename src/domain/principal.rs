//! Who asks: what one `authenticate` made of a credential.

use super::id::{ApiKeyId, SessionId, UserId};
use super::permission::{Action, Actions};
use super::rights::Rights;

/// An authenticated caller.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The user who acts, or whose key acts.
    pub user: UserId,
    /// That user's login name.
    pub username: String,
    /// That user's number, which stands for the id with SoftLayer.
    pub number: i64,
    /// What this credential may do now.
    pub rights: Rights,
    /// What they showed.
    pub credential: CredentialRef,
    /// What they have to do before they can do anything else.
    pub duty: Option<Duty>,
    /// Where they stand with their second factor.
    pub factor: FactorState,
    /// Whether they have proven their password lately in this session.
    pub password_is_fresh: bool,
}

/// What somebody has to do before their session can do anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Enrol a second factor: the policy demands it.
    EnrollMfa,
    /// Change the password, which has expired.
    ChangePassword,
}

impl Duty {
    /// The duty of somebody whose password has expired, or who lacks a second factor that is demanded: the password comes first.
    #[must_use]
    pub fn of(password_expired: bool, lacks_mfa: bool) -> Option<Self> {
        match (password_expired, lacks_mfa) {
            (true, _) => Some(Self::ChangePassword),
            (false, true) => Some(Self::EnrollMfa),
            (false, false) => None,
        }
    }
}

/// Where a caller stands with their second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactorState {
    /// They have none.
    None,
    /// They have one, and have not proven it lately in this session.
    Stale,
    /// They have proven it lately in this session.
    Fresh,
}

/// Names the credential behind a [`Principal`] without holding it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialRef {
    /// A token, by its session.
    Session(SessionId),
    /// An API key.
    ApiKey {
        /// Which one.
        id: ApiKeyId,
        /// What its owner calls it.
        name: String,
        /// Whether it is the one classic key of its owner, which SoftLayer's clients use.
        classic: bool,
    },
    /// The operator at the machine itself: a command of this program.
    Operator,
}

impl Principal {
    /// The operator of the machine, who holds the data directory and so everything.
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

    /// Tells whether a key was shown.
    #[must_use]
    pub fn is_key(&self) -> bool {
        matches!(self.credential, CredentialRef::ApiKey { .. })
    }

    /// Tells whether it is the operator of the machine.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        self.credential == CredentialRef::Operator
    }

    /// Tells whether a classic key was shown.
    #[must_use]
    pub fn is_classic_key(&self) -> bool {
        matches!(self.credential, CredentialRef::ApiKey { classic: true, .. })
    }

    /// The session of the token that was shown.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        match &self.credential {
            CredentialRef::Session(id) => Some(id),
            CredentialRef::ApiKey { .. } | CredentialRef::Operator => None,
        }
    }

    /// Tells whether the caller may delete a key that it sees. A key deletes itself only, unless it manages keys: a leaked key
    /// must not be able to take its owner's other automation down.
    #[must_use]
    pub fn may_delete(&self, key: &str) -> bool {
        match &self.credential {
            CredentialRef::ApiKey { id, .. } => id.as_str() == key || self.manages_keys(),
            _ => true,
        }
    }

    /// Tells whether the caller manages other people's keys.
    #[must_use]
    pub fn manages_keys(&self) -> bool {
        self.rights.allows(Action::MANAGE_API_KEY)
    }
}
