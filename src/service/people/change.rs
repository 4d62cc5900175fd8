//! Common parts of changes to users and roles. Such changes run one at a time. A caller can neither grant rights that the caller does not
//! hold, nor change users or roles with such rights. One invalid row undoes the whole change.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::app::App;
use crate::domain::entity::{Entity, USER, USER_ROLE_NEXT};
use crate::domain::filter::Query;
use crate::domain::id::{RoleId, UserId};
use crate::domain::operation::Operation;
use crate::domain::permission::ROOT;
use crate::domain::permit::{Denial, Permit};
use crate::domain::principal::Principal;
use crate::domain::rights::Rights;
use crate::domain::role::Role;
use crate::domain::text::text;
use crate::domain::user::User;
use crate::error::{Error, Kind, Result};
use crate::service::access::Wanted;
use crate::service::inventory::lists::{by_ids, digested};
use crate::store::{Budget, Node, Projection, Scope, Tx, Users};

/// Name of the lock that is held while users or roles change, so that such changes run one at a time. Locks are named after tables.
pub(in crate::service) const PEOPLE: &str = "user_roles";
/// Maximum number of times that a change looks up the users that its `where` matches. The change looks again if more users came to match
/// while it waited for locks.
const LOOKS: usize = 3;

/// A change to users or roles in progress. The caller's credential and rights were verified after the change had taken its locks.
#[derive(Debug)]
pub(in crate::service) struct Change {
    pub(in crate::service) tx: Tx,
    pub(in crate::service) actor: Principal,
}

impl Change {
    /// Begins a change, as soon as no other change to users or roles is running.
    pub(in crate::service) async fn begin(app: &App, permit: &Permit, users: Users) -> Result<Self> {
        let tx = app.begin_for(permit, users).await?;
        tx.alone_with(PEOPLE).await?;
        let tx = app.judged(tx).await?;
        let actor = tx.permit().principal()?.clone();
        Ok(Self { tx, actor })
    }

    /// Begins a change to the users that `query` matches. Rejects the change if one of these users holds rights that the caller does not
    /// hold: a caller who could change such a user, for example set the user's password, could gain those rights.
    pub(in crate::service) async fn of_users(app: &App, permit: &Permit, query: &Query) -> Result<(Self, Vec<User>)> {
        for _ in 0..LOOKS {
            let most = permit.operation().spec().most;
            let ids = app.store.ids(permit.user(), query, &Scope::All, most).await?;
            check_matched(&ids, most)?;
            // Find the users without a lock, lock them, and find them again. If the second search finds a user that is not locked, start
            // over.
            let change = Self::begin(app, permit, Users::changed(ids.into_iter().map(UserId::from))).await?;
            let ids: Vec<UserId> =
                change.tx.ids(query, &Scope::All, most).await?.into_iter().map(UserId::from).collect();
            if !ids.iter().all(|id| change.tx.is_alone_with_user(id)) {
                continue;
            }
            let users = change.tx.users(&ids).await?;
            if users.is_empty() {
                return Err(nothing_matches(&USER));
            }
            for user in &users {
                change.covers_user(user)?;
            }
            return Ok((change, users));
        }
        Err(Error::unavailable("the users that match kept changing while the change waited"))
    }

    /// Returns the roles that `query` matches. Rejects a role with rights that the caller does not hold.
    pub(in crate::service) async fn roles(&self, query: &Query) -> Result<Vec<Role>> {
        let ids = matched(&self.tx, query).await?;
        let roles = self.tx.roles(&ids.into_iter().map(RoleId::from).collect::<Vec<_>>()).await?;
        for role in &roles {
            self.covers(&role.rights(), || format!("{} {:?}", USER_ROLE_NEXT.name, role.name))?;
        }
        Ok(roles)
    }

    /// Tells whether a user is the caller.
    pub(in crate::service) fn is_caller(&self, user: &User) -> bool {
        user.id == self.actor.user
    }

    /// Rejects a user with rights that the caller does not hold.
    pub(in crate::service) fn covers_user(&self, user: &User) -> Result<()> {
        self.covers(&user.rights(), || format!("{} {:?}", USER.name, user.username))
    }

    /// Rejects rights that the caller does not hold; `what` names the user, role or field with these rights, for the error message.
    pub(in crate::service) fn covers(&self, rights: &Rights, what: impl FnOnce() -> String) -> Result<()> {
        let Some(action) = self.actor.rights.missing_action(rights) else { return Ok(()) };
        let (what, action) = (what(), action.name());
        let text = text!(
            "{what} goes beyond your own rights: you lack the action {action}",
            "{what} 超出您自己的权限：您缺少权限 {action}"
        );
        Err(Error::new(Kind::Forbidden, text))
    }

    /// If the new rights `then` include rights that the old rights `now` do not include, checks that the caller may perform `operation`.
    pub(in crate::service) fn gives(&self, now: &Rights, then: &Rights, operation: Operation) -> Result<()> {
        match now.missing_action(then) {
            Some(_) => Ok(self.tx.permit().check(operation)?),
            None => Ok(()),
        }
    }

    /// Rejects a caller who uses an API key to change the user who owns that key: the change would outlive the key.
    pub(in crate::service) fn expect_no_key_of(&self, user: &UserId) -> Result<()> {
        match self.actor.is_key() && *user == self.actor.user {
            true => Err(Denial::KeyNotAllowed.into()),
            false => Ok(()),
        }
    }

    /// Returns the role with this id. Rejects a role with rights that the caller does not hold.
    pub(in crate::service) async fn role(&self, id: &RoleId) -> Result<Role> {
        let found = self.tx.roles(std::slice::from_ref(id)).await?;
        let role = found.into_iter().next().ok_or_else(|| {
            Error::invalid(text!("role_id {:?} is no role's", "role_id {:?} 不是任何角色的 id", id.as_str()))
        })?;
        self.covers(&role.rights(), || "role_id".to_owned())?;
        Ok(role)
    }

    /// Rejects a change that takes the role ROOT from the last user who has it.
    pub(in crate::service) async fn keeps_a_root(&self, changed: &[User]) -> Result<()> {
        let was_root = changed.iter().any(|user| user.has_preset(ROOT));
        if was_root && self.tx.holders_of_preset(ROOT).await?.is_empty() {
            return Err(Error::invalid(text!(
                "the last user with the role ROOT can't be deleted or get another role",
                "最后一个 ROOT 角色的用户不能被删除或更换角色"
            )));
        }
        Ok(())
    }

    /// Commits the change and returns the changed rows in the order of `ids`.
    pub(in crate::service) async fn finish(self, entity: &'static Entity, ids: &[String]) -> Result<Vec<Arc<Node>>> {
        let (projection, budget) = (Projection::full(entity), Budget::unlimited());
        self.finish_as(entity, ids, Wanted { projection: &projection, budget: &budget }).await
    }

    /// Commits the change as [`Self::finish`] does, and returns only the part of the rows that `wanted` selects. The rows are read before
    /// the commit, so that an answer that is too large rolls the change back.
    pub(in crate::service) async fn finish_as(
        self,
        entity: &'static Entity,
        ids: &[String],
        wanted: Wanted<'_>,
    ) -> Result<Vec<Arc<Node>>> {
        let rows = by_ids(&self.tx, entity, ids, wanted).await?;
        let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id().to_owned(), row)).collect();
        self.tx.commit().await?;
        let row = |id: &String| rows.remove(id).ok_or_else(|| Error::internal("a row that was changed is gone"));
        ids.iter().map(row).collect()
    }
}

/// Parses a `where` that selects rows to change.
pub(in crate::service) fn matching(
    app: &App,
    entity: &'static Entity,
    conditions: Map<String, Value>,
) -> Result<Query> {
    let mut query = Query::matching(entity, conditions).map_err(Error::invalid)?;
    query.filter = digested(app, query.filter);
    Ok(query)
}

/// Rejects a request with more elements than the operation allows.
pub(in crate::service) fn check_number(permit: &Permit, elements: usize) -> Result<()> {
    let most = permit.operation().spec().most;
    match elements <= most {
        true => Ok(()),
        false => Err(Error::invalid(text!(
            "a request holds at most {most} elements, this one holds {elements}: send several requests",
            "一个请求最多包含 {most} 个元素，当前为 {elements} 个：请分多次发送"
        ))),
    }
}

/// Returns the ids of the rows that `query` matches, which a change applies to.
///
/// # Errors
/// - `NotFound` if no row matches.
/// - `Invalid` if more rows match than the operation may change.
/// - `Unavailable` if the database is unreachable.
pub(in crate::service) async fn matched(tx: &Tx, query: &Query) -> Result<Vec<String>> {
    let most = tx.permit().operation().spec().most;
    let ids = tx.ids(query, &Scope::All, most).await?;
    check_matched(&ids, most)?;
    if ids.is_empty() { Err(nothing_matches(query.entity)) } else { Ok(ids) }
}

/// Rejects a `where` that matches more rows than a request may change.
fn check_matched<T>(ids: &[T], most: usize) -> Result<()> {
    match ids.len() <= most {
        true => Ok(()),
        false => Err(Error::invalid(text!(
            "where matches more than {most}, and a request changes at most {most}: narrow it, and send several requests",
            "where 匹配的数量超过 {most}，而一个请求最多更改 {most} 个：请缩小范围并分多次发送"
        ))),
    }
}

fn nothing_matches(entity: &Entity) -> Error {
    Error::new(Kind::NotFound, text!("no {} matches", "没有匹配的 {}", entity.name))
}
