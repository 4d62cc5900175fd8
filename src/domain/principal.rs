//! Who asks: what one `authenticate` made of a credential.

use super::id::{ApiKeyId, SessionId, UserId};
use super::permission::{Action, Actions};

/// An authenticated caller.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The user who acts, or whose key acts.
    pub user: UserId,
    /// That user's login name.
    pub username: String,
    /// What this credential may do now.
    pub rights: Actions,
    /// What they showed.
    pub credential: CredentialRef,
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
            rights: Actions::from_names(["*"]),
            credential: CredentialRef::Operator,
        }
    }

    /// Tells whether a key was shown.
    #[must_use]
    pub fn is_key(&self) -> bool {
        matches!(self.credential, CredentialRef::ApiKey { .. })
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
