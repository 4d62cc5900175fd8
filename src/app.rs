//! What a running service holds; every room above takes it as its first argument.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use crate::auth::authenticate::{Authenticator, Credential, authenticate};
use crate::auth::password::Passwords;
use crate::auth::token::Tokens;
use crate::auth::turns::Turns;
use crate::auth::vault::Vault;
use crate::config::Settings;
use crate::domain::audit::{Chain, Refusals};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::permit::Permit;
use crate::domain::principal::Principal;
use crate::domain::random::Random;
use crate::domain::session::Seen;
use crate::error::Result;
use crate::mail::Mailer;
use crate::node::Node;
use crate::store::{Scribe, Store, Tx};
use crate::upstream::Upstream;

/// A running service.
pub struct App {
    /// Settings in force.
    pub settings: Settings,
    /// Whether this node is active or passive.
    pub node: Node,
    /// The database.
    pub store: Store,
    /// What hangs on the master key.
    pub vault: Arc<Vault>,
    /// Signs and reads tokens.
    pub tokens: Tokens,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// What was refused to strangers and is not written down yet.
    pub refusals: Refusals,
    /// Whose password is being judged.
    pub turns: Turns,
    /// When sessions were used and that is not written down yet.
    pub seen: Seen,
    /// The CloudTower that this service stands in front of, if there is one.
    pub upstream: Option<Upstream>,
    /// Sends letters, if there is a mail server.
    pub mailer: Option<Mailer>,
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

    /// Starts a write that `permit` allows.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn begin(&self, permit: Permit) -> Result<Tx> {
        let scribe = Scribe {
            chain: Arc::clone(&self.vault) as Arc<dyn Chain>,
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
        };
        self.store.begin(permit, scribe).await
    }

    /// For how long a session works that nobody uses; nothing as long as its token.
    #[must_use]
    pub fn idle(&self) -> Option<TimeDelta> {
        Some(self.settings.session_idle).filter(|idle| !idle.is_zero()).map(delta)
    }

    /// Finds out who shows a credential, from where; see [`authenticate`].
    ///
    /// # Errors
    /// `Unauthenticated` when it does not work, `Unavailable` when the database can't tell.
    pub async fn authenticate(
        &self,
        credential: impl Into<Credential<'_>>,
        address: Option<IpAddr>,
    ) -> Result<Principal> {
        let by = Authenticator {
            store: &self.store,
            vault: &self.vault,
            tokens: &self.tokens,
            seen: &self.seen,
            idle: self.idle(),
            step_up: delta(self.settings.step_up_time),
        };
        authenticate(credential.into(), address, self.now(), &by).await
    }
}

fn delta(time: Duration) -> TimeDelta {
    TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX)
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("settings", &self.settings).finish_non_exhaustive()
    }
}
