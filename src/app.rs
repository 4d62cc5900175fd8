//! What a running service holds; every room above takes it as its first argument.

use std::sync::Arc;

use crate::auth::authenticate::authenticate;
use crate::auth::password::Passwords;
use crate::auth::token::Tokens;
use crate::auth::vault::Vault;
use crate::config::Settings;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::principal::Principal;
use crate::domain::random::Random;
use crate::error::Result;
use crate::store::Store;

/// A running service.
pub struct App {
    /// Settings in force.
    pub settings: Settings,
    /// The database.
    pub store: Store,
    /// What hangs on the master key.
    pub vault: Vault,
    /// Signs and reads tokens.
    pub tokens: Tokens,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

impl App {
    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Finds out who shows a credential; see [`authenticate`].
    ///
    /// # Errors
    /// `Unauthenticated` when it does not work, `Unavailable` when the database can't tell.
    pub async fn authenticate(&self, credential: &str) -> Result<Principal> {
        authenticate(credential, self.now(), &self.store, &self.vault, &self.tokens).await
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("settings", &self.settings).finish_non_exhaustive()
    }
}
