//! What changes of users and roles share: they exclude each other, nobody hands out or touches rights beyond their own, and what is
//! wrong with one row undoes all.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::api_keys::Wanted;
use super::lists::{by_ids, digested};
use crate::app::App;
use crate::domain::caller::Caller;
use crate::domain::entity::{Entity, USER, USER_ROLE_NEXT};
use crate::domain::filter::Query;
use crate::domain::id::{RoleId, UserId};
use crate::domain::permission::{Actions, ROOT};
use crate::domain::permit::{Denial, Permit, authorize};
use crate::domain::principal::{CredentialRef, Principal};
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};
use crate::store::{Budget, Node, Projection, Scope, Tx};

/// The table that who changes users or roles is alone with.
pub(super) const PEOPLE: &str = "user_roles";
/// Most elements of a request that makes users or roles: each user costs a password hash.
const AT_ONCE: usize = 100;

/// A change in progress, by a caller whose rights are read anew.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) tx: Tx,
    pub(super) actor: Principal,
}

impl Change {
    /// Begins, when all others are done. Who was demoted or deleted since the request began changes nothing any more.
    pub(super) async fn begin(app: &App, permit: Permit) -> Result<Self> {
        let operation = permit.operation();
        let mut actor = permit.actor().cloned().ok_or(Denial::NoCredential)?;
        let caller = permit.caller().clone();
        let tx = app.begin(permit).await?;
        tx.alone_with(PEOPLE).await?;
        if actor.credential != CredentialRef::Operator {
            if tx.login_user(&actor.user).await?.is_none() {
                return Err(Error::refused("the user was deleted meanwhile"));
            }
            actor.rights = actor.rights.intersection(&tx.rights_of(&actor.user).await?);
            authorize(&Caller { principal: Some(actor.clone()), ..caller }, operation)?;
        }
        Ok(Self { tx, actor })
    }

    /// The rows to change. The caller must hold whatever they hold: who could rename, demote or lock out somebody mightier, or give
    /// them another password, would be as mighty.
    pub(super) async fn select(&self, query: &Query) -> Result<Vec<Arc<Node>>> {
        let entity = query.entity;
        let found = self.tx.list(query, &Scope::All, &projection(entity), &Budget::unlimited()).await?;
        if found.is_empty() {
            return Err(Error::new(Kind::NotFound, text!("no {} matches", "没有匹配的 {}", entity.name)));
        }
        for node in &found {
            self.covers(&self.rights_of(node, entity).await?, || format!("{} {}", entity.name, node.value("name")))?;
        }
        Ok(found)
    }

    /// What a user may do, or what a role allows.
    async fn rights_of(&self, node: &Node, entity: &'static Entity) -> Result<Actions> {
        match entity.name == USER.name {
            true => self.tx.rights_of(&UserId::from(node.id().to_owned())).await,
            false => Ok(rights(node)),
        }
    }

    /// Tells whether a row is the caller's own user.
    pub(super) fn is_caller(&self, user: &Node) -> bool {
        user.id() == self.actor.user.as_str()
    }

    /// Refuses rights that the caller does not hold; `what` says whose they are.
    pub(super) fn covers(&self, rights: &Actions, what: impl FnOnce() -> String) -> Result<()> {
        let Some(action) = self.actor.rights.lacks(rights) else { return Ok(()) };
        let (what, action) = (what(), action.name());
        let text = text!(
            "{what} goes beyond your own rights: you lack the action {action}",
            "{what} 超出您自己的权限：您缺少权限 {action}"
        );
        Err(Error::new(Kind::Forbidden, text))
    }

    /// Refuses to let a key give anybody more than they have now: that would outlive the key.
    pub(super) fn gives_no_more(&self, now: &Actions, then: &Actions) -> Result<()> {
        match self.actor.is_key() && now.lacks(then).is_some() {
            true => Err(Denial::KeyNotAllowed.into()),
            false => Ok(()),
        }
    }

    /// A role that the caller may hand out.
    pub(super) async fn role(&self, id: &RoleId) -> Result<Arc<Node>> {
        let (wanted, budget) = (projection(&USER_ROLE_NEXT), Budget::unlimited());
        let found = by_ids(&self.tx, &USER_ROLE_NEXT, &[id.to_string()], all(&wanted, &budget)).await?;
        let role = found.into_iter().next().ok_or_else(|| {
            Error::invalid(text!("role_id {:?} is no role's", "role_id {:?} 不是任何角色的 id", id.as_str()))
        })?;
        self.covers(&rights(&role), || "role_id".to_owned())?;
        Ok(role)
    }

    /// Refuses to go on when the last ROOT was among those who were changed.
    pub(super) async fn keeps_a_root(&self, changed: &[Arc<Node>]) -> Result<()> {
        let was_root = changed.iter().any(|user| roles(user).any(|role| role.value("preset") == ROOT));
        if was_root && self.tx.holders_of_preset(ROOT).await?.is_empty() {
            return Err(Error::invalid(text!(
                "the last user with the role ROOT can't be deleted or get another role",
                "最后一个 ROOT 角色的用户不能被删除或更换角色"
            )));
        }
        Ok(())
    }

    /// Ends the change, and answers the rows as they are then, in the order of their ids here.
    pub(super) async fn finish(self, entity: &'static Entity, ids: &[String]) -> Result<Vec<Arc<Node>>> {
        self.finish_as(entity, ids, all(&Projection::full(entity), &Budget::unlimited())).await
    }

    /// The same, with as much of the rows as is wanted. They are read before they are kept: an answer that is too large leaves nothing.
    pub(super) async fn finish_as(
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

/// Reads a `where` of rows to change.
pub(super) fn matching(app: &App, entity: &'static Entity, conditions: Map<String, Value>) -> Result<Query> {
    let mut query = Query::matching(entity, conditions).map_err(Error::invalid)?;
    query.filter = digested(app, query.filter);
    Ok(query)
}

/// Refuses to make too many at once.
pub(super) fn check_number(elements: usize) -> Result<()> {
    match elements {
        0..=AT_ONCE => Ok(()),
        _ => Err(Error::invalid(text!(
            "at most {AT_ONCE} can be made at once, these are {elements}",
            "一次最多创建 {AT_ONCE} 个，当前为 {elements} 个"
        ))),
    }
}

/// What a user's roles allow, or what a role allows, as [`projection`] reads them.
pub(super) fn rights(node: &Node) -> Actions {
    let own = |node: &Node| {
        Actions::from_names(node.value("actions").as_array().into_iter().flatten().filter_map(Value::as_str))
    };
    roles(node).fold(own(node), |sum, role| sum.union(&own(role)))
}

fn roles(user: &Node) -> impl Iterator<Item = &Node> {
    user.many("roles").iter().map(AsRef::as_ref)
}

/// Everything that REST shows of a row, and what its roles allow.
fn projection(entity: &'static Entity) -> Projection {
    let mut wanted = Projection::full(entity);
    if let Some((field, relation)) = entity.field("roles").and_then(|field| Some((field, field.relation()?))) {
        let mut inner = Projection::default();
        ["actions", "preset"].iter().filter_map(|name| relation.target.field(name)).for_each(|field| inner.want(field));
        wanted.relate(field.name, relation, inner);
    }
    wanted
}

fn all<'a>(projection: &'a Projection, budget: &'a Budget) -> Wanted<'a> {
    Wanted { projection, budget }
}
