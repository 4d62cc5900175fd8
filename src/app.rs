//! The state of a running service, as [`App`]. Most functions in `service` and in the API modules take it as the first argument.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use crate::auth::authenticate::{Authenticator, Credential, Rules, authenticate, inspect, judge};
use crate::auth::password::Passwords;
use crate::auth::token::Tokens;
use crate::auth::turns::Turns;
use crate::auth::vault::Vault;
use crate::config::Settings;
use crate::domain::audit::{Chain, Refusals};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::operation::Effect;
use crate::domain::permit::Permit;
use crate::domain::principal::Principal;
use crate::domain::random::Random;
use crate::domain::session::Seen;
use crate::error::{Error, Result};
use crate::mail::Mailer;
use crate::node::Node;
use crate::store::{Grant, Scribe, Store, Tx, Users};
use crate::upstream::Upstream;

/// The state of a running service.
pub struct App {
    /// The settings of this service.
    pub settings: Settings,
    /// Whether this node is active or passive.
    pub node: Node,
    /// Access to the database.
    pub store: Store,
    /// Keys derived from the master key.
    pub vault: Arc<Vault>,
    /// Signs and verifies tokens.
    pub tokens: Tokens,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Numbers of refused requests of unauthenticated clients, by kind of refusal, until a job writes these numbers to the audit log.
    pub refusals: Refusals,
    /// Queues for password checks: for the same account and client, only one check runs at a time.
    pub turns: Turns,
    /// Times when sessions were last used, until a job writes these times to the database.
    pub seen: Seen,
    /// The CloudTower behind this service, if one is configured.
    pub upstream: Option<Upstream>,
    /// Sends letters, if a mail server is configured.
    pub mailer: Option<Mailer>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub random: Arc<dyn Random>,
}

impl App {
    /// Returns the current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Starts a write that `permit` allows and that locks no users.
    ///
    /// # Errors
    /// The errors of [`App::begin_for`].
    pub async fn begin(&self, permit: &Permit) -> Result<Tx> {
        self.begin_for(permit, Users::default()).await
    }

    /// Starts a write that `permit` allows and that locks `users`. After taking the locks, checks the caller's credential again, as
    /// [`App::authenticate`] does, so that a credential revoked in the meantime changes nothing.
    ///
    /// # Errors
    /// - `Unauthenticated` if the credential is no longer valid.
    /// - Another error of [`authorize`](crate::domain::permit::authorize) if the credential no longer allows the operation.
    /// - `TooMany` if the caller has too many changes in progress.
    /// - `Unavailable` if the database is unreachable or a lock is held for too long.
    pub async fn begin_for(&self, permit: &Permit, users: Users) -> Result<Tx> {
        let scribe = Scribe {
            chain: Arc::clone(&self.vault) as Arc<dyn Chain>,
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
        };
        let tx = self.store.begin(permit.clone(), users, scribe).await?;
        self.judged(tx).await
    }

    /// Checks the caller's credential again inside a write, for a write that has waited for another lock. The operator and the service's
    /// own work have no credential to check.
    ///
    /// # Errors
    /// The errors of [`App::begin_for`].
    pub async fn judged(&self, tx: Tx) -> Result<Tx> {
        let permit = tx.permit();
        if permit.operation().spec().effect == Effect::Work {
            return Ok(tx);
        }
        let Some(actor) = permit.actor().filter(|actor| !actor.is_operator()) else { return Ok(tx) };
        let grant = tx.grant(&actor.credential).await?;
        let renewed = self.renew(permit, grant)?;
        Ok(tx.under(renewed))
    }

    /// Checks the caller's credential again outside of a write: before sending something that can't be taken back, and between the parts of
    /// a long answer. Returns the permit with the caller's current rights.
    ///
    /// # Errors
    /// The errors of [`App::begin_for`].
    pub async fn confirm(&self, permit: &Permit) -> Result<Permit> {
        match permit.actor().filter(|actor| !actor.is_operator()) {
            Some(actor) => self.renew(permit, self.store.grant(&actor.credential).await?),
            None => Ok(permit.clone()),
        }
    }

    fn renew(&self, permit: &Permit, grant: Option<Grant>) -> Result<Permit> {
        let grant = grant.ok_or_else(|| Error::refused("the credential was ended meanwhile"))?;
        let principal = judge(grant, permit.caller().address, self.now(), &self.rules())?;
        Ok(permit.renewed(principal)?)
    }

    /// Returns how long an unused session stays valid; `None` means as long as the token of the session.
    #[must_use]
    pub fn idle(&self) -> Option<TimeDelta> {
        Some(self.settings.session_idle).filter(|idle| !idle.is_zero()).map(delta)
    }

    /// Returns the principal of a credential that is used from an address; see [`authenticate`].
    ///
    /// # Errors
    /// - `Unauthenticated` if the credential is not valid.
    /// - `Unavailable` if the database is unreachable.
    pub async fn authenticate(
        &self,
        credential: impl Into<Credential<'_>>,
        address: Option<IpAddr>,
    ) -> Result<Principal> {
        let by = Authenticator { store: &self.store, vault: &self.vault, tokens: &self.tokens, rules: self.rules() };
        authenticate(credential.into(), address, self.now(), &by).await
    }

    /// Rejects a text that can't be a valid credential, without a database query.
    ///
    /// # Errors
    /// `Unauthenticated` if the text can't be a valid credential.
    pub fn inspect(&self, credential: &str) -> Result<()> {
        inspect(credential, &self.tokens, self.now())
    }

    fn rules(&self) -> Rules<'_> {
        Rules { seen: &self.seen, idle: self.idle(), step_up: delta(self.settings.step_up_time) }
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
