//! Users as SoftLayer's face serves them (contract, sections 5.2 to 5.5): who sees whom, what hangs on them, and their changes.
//!
//! Everybody sees themselves and whoever is below them; who manages users sees all. For anyone else a user does not exist.

mod answers;
mod edit;
mod permissions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

pub(super) use answers::is_right as is_right_answer;
pub use answers::{update as update_answers, which as answers_of};
pub use edit::{NewCustomer, create, edit, edit_all, is_password};
pub use permissions::{assign_parent, give, held, take};

use crate::app::App;
use crate::domain::customer::{Customer, Event, LoginAttempt, Which};
use crate::domain::id::UserId;
use crate::domain::operation::Operation;
use crate::domain::permission::{Action, Actions};
use crate::domain::permit::Permit;
use crate::domain::principal::Principal;
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};
use crate::store::FactorRow;

/// Somebody who looks at users.
#[derive(Debug)]
pub struct Viewer {
    actor: Principal,
    below: OnceLock<BTreeSet<UserId>>,
}

impl Viewer {
    /// The caller.
    ///
    /// # Errors
    /// `Unauthenticated` without a credential, and what else keeps them from reading.
    pub fn of(permit: &Permit) -> Result<Self> {
        permit.check(Operation::ReadCustomers)?;
        let actor = permit.principal()?.clone();
        Ok(Self { actor, below: OnceLock::new() })
    }

    /// Who they are.
    #[must_use]
    pub fn actor(&self) -> &Principal {
        &self.actor
    }

    /// Tells whether they see all users.
    #[must_use]
    pub fn sees_all(&self) -> bool {
        self.actor.rights.allows(Action::MANAGE_USER_AND_ROLE)
    }

    /// Tells whether a user is they themselves, or below them.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn is_self_or_below(&self, app: &App, user: &UserId) -> Result<bool> {
        if *user == self.actor.user {
            return Ok(true);
        }
        if let Some(below) = self.below.get() {
            return Ok(below.contains(user));
        }
        let below: BTreeSet<UserId> = app.store.below(&self.actor.user).await?.into_iter().collect();
        Ok(self.below.get_or_init(|| below).contains(user))
    }

    /// Tells whether they see a user.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn sees(&self, app: &App, user: &UserId) -> Result<bool> {
        Ok(self.sees_all() || self.is_self_or_below(app, user).await?)
    }

    /// The users whom they see, by number.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn all(&self, app: &App) -> Result<Vec<Customer>> {
        let which = if self.sees_all() { Which::All } else { Which::Below(self.actor.user.clone()) };
        app.store.customers(which).await
    }

    /// A user whom they see, by number.
    ///
    /// # Errors
    /// `NotFound` for a user who is none, or whom they don't see; `Unavailable` when the database is away.
    pub async fn one(&self, app: &App, number: i64) -> Result<Customer> {
        let user = app.store.customers(Which::Number(number)).await?.pop().ok_or_else(no_such_user)?;
        if self.sees(app, &user.id).await? { Ok(user) } else { Err(no_such_user()) }
    }

    /// Their own user.
    ///
    /// # Errors
    /// `Unauthenticated` when it was deleted meanwhile, `Unavailable` when the database is away.
    pub async fn own(&self, app: &App) -> Result<Customer> {
        let own = app.store.customers(Which::Number(self.actor.number)).await?.pop();
        own.ok_or_else(|| Error::refused("the user was deleted meanwhile"))
    }

    /// The user without a parent.
    ///
    /// # Errors
    /// `Internal` when there is none, `Unavailable` when the database is away.
    pub async fn master(&self, app: &App) -> Result<Customer> {
        let master = app.store.customers(Which::Master).await?.into_iter().next();
        master.ok_or_else(|| Error::internal("nobody is the master"))
    }

    /// The logins of users, newest first, as far as they may know of them: their own; those of users below who hold no more than they do;
    /// and all for who reads the audit log.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn logins_of(&self, app: &App, ids: &[UserId]) -> Result<Vec<LoginAttempt>> {
        if self.actor.rights.allows(Action::MANAGE_AUDIT_LOG) {
            return app.store.logins_of(ids).await;
        }
        let mut known = Vec::new();
        let rights = app.store.rights_of_all(ids).await?;
        for id in ids {
            let covers = || rights.get(id).is_some_and(|theirs| self.actor.rights.lacks(theirs).is_none());
            if *id == self.actor.user || (covers() && self.is_self_or_below(app, id).await?) {
                known.push(id.clone());
            }
        }
        app.store.logins_of(&known).await
    }

    /// The newest rows of the audit log that they may see: their own, or all.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn events(&self, app: &App) -> Result<Vec<Event>> {
        let of = (!self.actor.rights.allows(Action::MANAGE_AUDIT_LOG)).then_some(&self.actor.user);
        app.store.events(of).await
    }
}

/// Users with these ids, whoever sees them.
///
/// # Errors
/// `Unavailable` when the database is away.
pub async fn by_ids(app: &App, ids: Vec<UserId>) -> Result<Vec<Customer>> {
    app.store.customers(Which::Ids(ids)).await
}

/// Those whom users have made, whoever sees them.
///
/// # Errors
/// `Unavailable` when the database is away.
pub async fn children_of(app: &App, ids: Vec<UserId>) -> Result<Vec<Customer>> {
    app.store.customers(Which::ChildrenOf(ids)).await
}

/// What users may do now.
///
/// # Errors
/// `Unavailable` when the database is away.
pub async fn rights_of(app: &App, ids: &[UserId]) -> Result<BTreeMap<UserId, Actions>> {
    app.store.rights_of_all(ids).await
}

/// The second factors of users.
///
/// # Errors
/// `Unavailable` when the database is away.
pub async fn factors_of(app: &App, ids: &[UserId]) -> Result<Vec<FactorRow>> {
    app.store.factors_of(ids).await
}

/// Refuses the API keys of whoever has a second factor, where the settings ask for SoftLayer's rule.
///
/// # Errors
/// `Forbidden`, or `Unavailable` when the database is away.
pub async fn admit(app: &App, principal: &Principal) -> Result<()> {
    if app.settings.softlayer_keys_with_mfa || !principal.is_key() || !app.store.has_factor(principal.number).await? {
        return Ok(());
    }
    Err(Error::new(
        Kind::Forbidden,
        text!(
            "API keys of users with an active external binding are not served here: log in with performExternalAuthentication",
            "此处不接受启用了外部绑定的用户的 API 密钥：请使用 performExternalAuthentication 登录"
        ),
    ))
}

pub(in crate::service) fn no_such_user() -> Error {
    Error::new(Kind::NotFound, text!("there is no such user", "没有这样的用户"))
}
