//! Visibility of users, enforced by types: an API renders the type that it receives, and reads relations only of users that the caller
//! sees.
//!
//! | type | holds | made for |
//! |---|---|---|
//! | [`VisibleUser`] | all data of a user | users that the caller sees: the caller and users below, or all users for a user manager |
//! | [`UserOutline`] | number, login name, display name | users that the caller does not see: parents, the master, authors of events |
//!
//! The master is the one user without a parent. The logins of a user are shown to that user, to callers with `MANAGE_AUDIT_LOG`, and to an
//! ancestor who holds all rights of the user.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::OnceLock;

use serde_json::Map;

use crate::app::App;
use crate::domain::clock::Timestamp;
use crate::domain::customer::{Customer, Event, LoginAttempt, Permission, Which};
use crate::domain::entity::ORGANIZATION;
use crate::domain::id::UserId;
use crate::domain::operation::Operation;
use crate::domain::permission::Action;
use crate::domain::permit::Permit;
use crate::domain::principal::Principal;
use crate::domain::rights::Rights;
use crate::error::{Error, Result};
use crate::service::inventory::lists;
use crate::service::people::customers::no_such_user;
use crate::store::{Budget, FactorRow, Projection};

/// A user that the caller sees. Only [`Viewer`] creates one.
#[derive(Debug, Clone)]
pub struct VisibleUser(Customer);

impl Deref for VisibleUser {
    type Target = Customer;

    fn deref(&self) -> &Customer {
        &self.0
    }
}

/// The data that every caller may see of the parent of a visible user, of the master (the one user without a parent), and of the author of
/// a visible event.
#[derive(Debug, Clone)]
pub struct UserOutline {
    /// Number of the user, which the API uses as the id.
    pub number: i64,
    /// Login name.
    pub username: String,
    /// Display name.
    pub name: String,
}

/// A user that a visible object refers to.
#[derive(Debug, Clone)]
pub enum RelatedUser {
    /// The caller sees the user.
    Visible(Box<VisibleUser>),
    /// The caller does not see the user.
    Outline(UserOutline),
}

/// The one account: the organization and its contact, as SoftLayer shows an account. The contact is the master, the one user without a
/// parent.
#[derive(Debug, Clone)]
pub struct Account {
    /// Name of the organization.
    pub company_name: String,
    /// When the master, the user without a parent, was created.
    pub created_at: Option<Timestamp>,
    /// E-mail address of the master.
    pub email: Option<String>,
    /// First name of the master, if the master's profile contains a first name.
    pub first_name: Option<String>,
    /// Last name of the master, if the master's profile contains a last name.
    pub last_name: Option<String>,
}

/// A caller who reads users.
#[derive(Debug)]
pub struct Viewer {
    actor: Principal,
    below: OnceLock<BTreeSet<UserId>>,
}

impl Viewer {
    /// Returns the caller of a request as a viewer.
    ///
    /// # Errors
    /// - `Unauthenticated` if the caller shows no credential.
    /// - `Forbidden` if the session has a duty to fulfill first.
    pub fn of(permit: &Permit) -> Result<Self> {
        permit.check(Operation::ReadCustomers)?;
        let actor = permit.principal()?.clone();
        Ok(Self { actor, below: OnceLock::new() })
    }

    /// Returns the caller's principal.
    #[must_use]
    pub fn actor(&self) -> &Principal {
        &self.actor
    }

    fn sees_all(&self) -> bool {
        self.actor.rights.allows(Action::MANAGE_USER_AND_ROLE)
    }

    /// Returns the ids of the caller and of all users below the caller. Reads the database only at the first call.
    async fn below(&self, app: &App) -> Result<&BTreeSet<UserId>> {
        if let Some(below) = self.below.get() {
            return Ok(below);
        }
        let mut below: BTreeSet<UserId> = app.store.below(&self.actor.user).await?.into_iter().collect();
        below.insert(self.actor.user.clone());
        Ok(self.below.get_or_init(|| below))
    }

    /// Tells whether a user is the caller or below the caller.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn is_self_or_below(&self, app: &App, user: &UserId) -> Result<bool> {
        Ok(*user == self.actor.user || self.below(app).await?.contains(user))
    }

    async fn sees(&self, app: &App, user: &UserId) -> Result<bool> {
        Ok(self.sees_all() || self.is_self_or_below(app, user).await?)
    }

    async fn related(&self, app: &App, user: Customer) -> Result<RelatedUser> {
        Ok(match self.sees(app, &user.id).await? {
            true => RelatedUser::Visible(Box::new(VisibleUser(user))),
            false => {
                RelatedUser::Outline(UserOutline { number: user.number, username: user.username, name: user.name })
            }
        })
    }

    /// Returns the users that the caller sees, at most `most`, ordered by number.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn all(&self, app: &App, most: u64) -> Result<Vec<VisibleUser>> {
        let which = if self.sees_all() { Which::All } else { Which::Below(self.actor.user.clone()) };
        Ok(app.store.customers_at_most(which, most).await?.into_iter().map(VisibleUser).collect())
    }

    /// Returns the user with this number, if the caller sees the user.
    ///
    /// # Errors
    /// - `NotFound` if the user does not exist or the caller does not see the user.
    /// - `Unavailable` if the database is unreachable.
    pub async fn one(&self, app: &App, number: i64) -> Result<VisibleUser> {
        let user = app.store.customers(Which::Number(number)).await?.pop().ok_or_else(no_such_user)?;
        if self.sees(app, &user.id).await? { Ok(VisibleUser(user)) } else { Err(no_such_user()) }
    }

    /// Returns the caller's own user.
    ///
    /// # Errors
    /// - `Unauthenticated` if the user was deleted meanwhile.
    /// - `Unavailable` if the database is unreachable.
    pub async fn own(&self, app: &App) -> Result<VisibleUser> {
        let own = app.store.customers(Which::Number(self.actor.number)).await?.pop();
        own.map(VisibleUser).ok_or_else(|| Error::refused("the user was deleted meanwhile"))
    }

    /// Returns the master: the user without a parent.
    ///
    /// # Errors
    /// - `Internal` if there is no master.
    /// - `Unavailable` if the database is unreachable.
    pub async fn master(&self, app: &App) -> Result<RelatedUser> {
        self.related(app, master(app).await?).await
    }

    /// Returns the account.
    ///
    /// # Errors
    /// - `Internal` if there is no master.
    /// - `Unavailable` if the database is unreachable.
    pub async fn account(&self, app: &App, permit: &Permit) -> Result<Account> {
        let master = master(app).await?;
        let (projection, budget) = (Projection::of(&ORGANIZATION, &["name"]), Budget::unlimited());
        let found = lists::list(app, permit, &ORGANIZATION, &Map::new(), &projection, &budget).await?;
        let name = found.first().and_then(|organization| organization.value("name").as_str().map(str::to_owned));
        Ok(Account {
            company_name: name.unwrap_or_default(),
            created_at: master.created_at,
            email: master.email.clone(),
            first_name: master.profile.get("firstName").cloned(),
            last_name: master.profile.get("lastName").cloned(),
        })
    }

    /// Returns the users with these ids, to which visible objects refer, as a map by id. A user that the caller does not see is returned in
    /// outline.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn by_ids(&self, app: &App, ids: BTreeSet<UserId>) -> Result<BTreeMap<UserId, RelatedUser>> {
        let mut found = BTreeMap::new();
        for user in app.store.customers(Which::Ids(ids.into_iter().collect())).await? {
            found.insert(user.id.clone(), self.related(app, user).await?);
        }
        Ok(found)
    }

    /// Returns the users whose parent is one of `users`, as a map by the id of the parent: at most `most` users. A caller who sees a user
    /// also sees the users below.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn children_of(
        &self,
        app: &App,
        users: &[VisibleUser],
        most: u64,
    ) -> Result<BTreeMap<UserId, Vec<VisibleUser>>> {
        let mut found: BTreeMap<UserId, Vec<VisibleUser>> = BTreeMap::new();
        for child in app.store.customers_at_most(Which::ChildrenOf(ids(users)), most).await? {
            if let Some(parent) = child.parent.clone() {
                found.entry(parent).or_default().push(VisibleUser(child));
            }
        }
        Ok(found)
    }

    /// Returns the parents of `users`, as a map by the id of the child.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn parents_of(&self, app: &App, users: &[VisibleUser]) -> Result<BTreeMap<UserId, RelatedUser>> {
        let parents = self.by_ids(app, users.iter().filter_map(|user| user.parent.clone()).collect()).await?;
        let pair = |user: &VisibleUser| Some((user.id.clone(), parents.get(user.parent.as_ref()?)?.clone()));
        Ok(users.iter().filter_map(pair).collect())
    }

    /// Returns the permissions that `users` hold now, as a map by the id of the user. Leaves out the master (the user without a parent),
    /// who holds no permissions by name.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn permissions_of(
        &self,
        app: &App,
        users: &[VisibleUser],
    ) -> Result<BTreeMap<UserId, Vec<&'static Permission>>> {
        let rights = app.store.rights_of_all(&ids(users)).await?;
        let of = |user: &VisibleUser| {
            let rights = rights.get(&user.id).copied().unwrap_or_default();
            (user.id.clone(), user.held(&rights))
        };
        Ok(users.iter().filter(|user| !user.is_master()).map(of).collect())
    }

    /// Returns the second factors of users.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn factors_of(&self, app: &App, users: &[VisibleUser]) -> Result<Vec<FactorRow>> {
        app.store.factors_of(&ids(users)).await
    }

    /// Returns the numbers of the security questions that users have answered. Users other than the caller are left out.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn answers_of(&self, app: &App, users: &[VisibleUser]) -> Result<BTreeMap<UserId, Vec<i64>>> {
        let mut found = BTreeMap::new();
        for user in users.iter().filter(|user| user.id == self.actor.user) {
            found.insert(user.id.clone(), crate::service::people::customers::answers::which(app, &user.id).await?);
        }
        Ok(found)
    }

    /// Returns the logins of users, newest first, at most `most`. Users whose logins the caller may not see are left out (see the module's
    /// documentation).
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn logins_of(&self, app: &App, users: &[VisibleUser], most: u64) -> Result<Vec<LoginAttempt>> {
        app.store.logins_of(&self.with_visible_logins(app, ids(users)).await?, most).await
    }

    async fn with_visible_logins(&self, app: &App, users: Vec<UserId>) -> Result<Vec<UserId>> {
        let is_own = |user: &UserId| *user == self.actor.user;
        if self.actor.rights.allows(Action::MANAGE_AUDIT_LOG) || users.iter().all(is_own) {
            return Ok(users);
        }
        let below = self.below(app).await?;
        let reached: Vec<UserId> = users.into_iter().filter(|user| below.contains(user)).collect();
        let rights = app.store.rights_of_all(&reached).await?;
        // A user who was deleted meanwhile has no rights to compare, so the user is left out.
        let covers = |theirs: &Rights| self.actor.rights.missing_action(theirs).is_none();
        Ok(reached.into_iter().filter(|user| is_own(user) || rights.get(user).is_some_and(covers)).collect())
    }

    /// Returns the newest rows of the audit log that the caller may see: the caller's own rows, or all rows if the caller holds
    /// `MANAGE_AUDIT_LOG`.
    ///
    /// # Errors
    /// `Unavailable` if the database is unreachable.
    pub async fn events(&self, app: &App) -> Result<Vec<Event>> {
        let of = (!self.actor.rights.allows(Action::MANAGE_AUDIT_LOG)).then_some(&self.actor.user);
        app.store.events(of).await
    }
}

fn ids(users: &[VisibleUser]) -> Vec<UserId> {
    users.iter().map(|user| user.id.clone()).collect()
}

async fn master(app: &App) -> Result<Customer> {
    let master = app.store.customers(Which::Master).await?.into_iter().next();
    master.ok_or_else(|| Error::internal("there is no user without a parent"))
}
