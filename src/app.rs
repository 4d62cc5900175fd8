//! What a running service holds; every room above takes it as its first argument.

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
    /// Like [`App::begin_for`].
    pub async fn begin(&self, permit: &Permit) -> Result<Tx> {
        self.begin_for(permit, Users::default()).await
    }

    /// Starts a write that `permit` allows and that is about some users. Once it has its locks, it judges the caller's credential anew, as
    /// [`App::authenticate`] does: nothing is changed with one that was ended since.
    ///
    /// # Errors
    /// `Unauthenticated` and what else [`authorize`](crate::domain::permit::authorize) says when the credential allows it no more, `TooMany` when the caller has too many
    /// changes under way, `Unavailable` when the database is away.
    pub async fn begin_for(&self, permit: &Permit, users: Users) -> Result<Tx> {
        let scribe = Scribe {
            chain: Arc::clone(&self.vault) as Arc<dyn Chain>,
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
        };
        let tx = self.store.begin(permit.clone(), users, scribe).await?;
        self.judged(tx).await
    }

    /// The same write after its caller's credential was judged anew: for a write that has waited for one more lock.
    ///
    /// # Errors
    /// Like [`App::begin_for`].
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

    /// Judges the caller's credential anew outside of a write: before something goes out that can't be taken back, and between the parts
    /// of a long answer.
    ///
    /// # Errors
    /// Like [`App::begin_for`].
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
        let by = Authenticator { store: &self.store, vault: &self.vault, tokens: &self.tokens, rules: self.rules() };
        authenticate(credential.into(), address, self.now(), &by).await
    }

    /// Refuses a text that can't be a credential that works, without asking the database.
    ///
    /// # Errors
    /// `Unauthenticated`.
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
