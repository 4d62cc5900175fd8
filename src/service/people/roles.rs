//! Creates, changes and deletes roles. The preset roles can't be changed or deleted.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::entity::USER_ROLE_NEXT;
use crate::domain::id::RoleId;
use crate::domain::operation::Operation;
use crate::domain::permission::Actions;
use crate::domain::permit::Permit;
use crate::domain::role::{NewRole, Role, check_role_name, read_actions};
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::service::people::change::{Change, check_number, matching};
use crate::store::{Node, Users};

/// A role to create.
#[derive(Debug)]
pub struct RoleRequest {
    /// Name of the role.
    pub name: String,
    /// Names of the actions that the role allows.
    pub actions: Vec<String>,
}

/// Changes to apply to roles. A field that is `None` stays as it is.
#[derive(Debug, Default)]
pub struct UpdateRequest {
    /// Name of the role.
    pub name: Option<String>,
    /// Names of all actions that the role allows after the change.
    pub actions: Option<Vec<String>>,
}

/// Creates roles: all of them, or none.
///
/// # Errors
/// - `Invalid` if a name is not allowed or taken, or an action is unknown; the message names the element.
/// - `Forbidden` if an action goes beyond the caller's rights.
/// - `Unavailable` if the database is unreachable.
pub async fn create(app: &App, permit: &Permit, requests: Vec<RoleRequest>) -> Result<Vec<Arc<Node>>> {
    let permit = permit.require(Operation::CreateRole)?;
    check_number(&permit, requests.len())?;
    let at = |index: usize| format!("[{index}]");
    let now = app.now();
    let mut roles = Vec::new();
    for (index, RoleRequest { name, actions }) in requests.into_iter().enumerate() {
        let invalid = |why| Error::invalid(why).at(&at(index));
        check_role_name(&name).map_err(invalid)?;
        let actions = read_actions(&actions).map_err(invalid)?;
        roles.push(NewRole { id: RoleId::generate(now, app.random.as_ref())?, name, actions });
    }
    let ids: Vec<String> = roles.iter().map(|role| role.id.to_string()).collect();
    let change = Change::begin(app, &permit, Users::default()).await?;
    for (index, role) in roles.into_iter().enumerate() {
        change.covers(&role.actions.into(), || format!("{}.actions", at(index)))?;
        let (id, name, holds) = (&role.id, &role.name, role.actions.names().join(", "));
        let text = text!("role {name} made: {holds}", "已创建角色 {name}：{holds}");
        change.tx.note(Entry::done(text).of(USER_ROLE_NEXT.name, id));
        change.tx.insert_role(role).await.map_err(|error| error.at(&at(index)))?;
    }
    let by = change.actor.username.clone();
    let roles = change.finish(&USER_ROLE_NEXT, &ids).await?;
    tracing::info!(role.ids = ?ids, by, "roles made");
    Ok(roles)
}

/// Changes all roles that `conditions` match, or none. The change applies at once to every user with the role; an API key gains no rights
/// that its owner did not hold when the key was minted.
///
/// # Errors
/// - `Invalid` if a value is not allowed, a role is a preset, or the actions of the caller's own role would change.
/// - `NotFound` if no role matches.
/// - `Forbidden` if a role holds, or would get, rights that the caller does not hold, or the caller uses an API key to add actions.
/// - `StepUp` if actions are added and the second factor was not proven recently.
/// - `Unavailable` if the database is unreachable.
pub async fn update(
    app: &App,
    permit: &Permit,
    conditions: Map<String, Value>,
    request: UpdateRequest,
) -> Result<Vec<Arc<Node>>> {
    let permit = permit.require(Operation::UpdateRole)?;
    let query = matching(app, &USER_ROLE_NEXT, conditions)?;
    let invalid = |why| Error::invalid(why).at("data");
    let UpdateRequest { name, actions } = request;
    name.as_deref().map_or(Ok(()), check_role_name).map_err(invalid)?;
    let actions = actions.map(|actions| read_actions(&actions)).transpose().map_err(invalid)?;
    let change = Change::begin(app, &permit, Users::default()).await?;
    let roles = change.roles(&query).await?;
    expect_own_making(&roles)?;
    let mut ids = Vec::new();
    for role in &roles {
        if let Some(actions) = &actions {
            check_edit(&change, role, actions).await?;
        }
        let id = &role.id;
        change.tx.update_role(id, name.as_deref(), actions.as_ref()).await.map_err(|error| error.at("data"))?;
        let what = told(role, name.as_deref(), actions.as_ref());
        let text = text!("role {} changed: {what}", "已修改角色 {}：{what}", role.name);
        change.tx.note(Entry::done(text).of(USER_ROLE_NEXT.name, id));
        ids.push(id.to_string());
    }
    let by = change.actor.username.clone();
    let roles = change.finish(&USER_ROLE_NEXT, &ids).await?;
    tracing::info!(role.ids = ?ids, by, "roles changed");
    Ok(roles)
}

/// Deletes all roles that `conditions` match, or none. Returns the ids of the deleted roles.
///
/// # Errors
/// - `Invalid` if a role is a preset or a user has it.
/// - `NotFound` if no role matches.
/// - `Forbidden` if a role holds rights that the caller does not hold.
/// - `Unavailable` if the database is unreachable.
pub async fn delete(app: &App, permit: &Permit, conditions: Map<String, Value>) -> Result<Vec<RoleId>> {
    let permit = permit.require(Operation::DeleteRole)?;
    let query = matching(app, &USER_ROLE_NEXT, conditions)?;
    let change = Change::begin(app, &permit, Users::default()).await?;
    let roles = change.roles(&query).await?;
    expect_own_making(&roles)?;
    let mut ids = Vec::new();
    for role in &roles {
        match change.tx.holders_of(&role.id).await?.len() {
            0 => ids.push(role.id.clone()),
            users => {
                let (name, have) = (format!("{:?}", role.name), if users == 1 { "user has" } else { "users have" });
                let text = text!(
                    "the role {name} is in use: {users} {have} it, give them another one first",
                    "角色 {name} 正在使用：有 {users} 个用户属于它，请先为其更换角色"
                );
                return Err(Error::invalid(text));
            }
        }
    }
    for (id, role) in ids.iter().zip(&roles) {
        let text = text!("role {} deleted", "已删除角色 {}", role.name);
        change.tx.note(Entry::done(text).of(USER_ROLE_NEXT.name, id));
        change.tx.delete_role(id).await?;
    }
    let by = change.actor.username.clone();
    change.tx.commit().await?;
    tracing::info!(role.ids = ?ids, by, "roles deleted");
    Ok(ids)
}

/// Describes a change to a role: the new name, and the actions added (+) and removed (-).
fn told(role: &Role, name: Option<&str>, actions: Option<&Actions>) -> String {
    let had = role.actions;
    let only = |some: &Actions, other: &Actions, sign: &str| {
        let names = some.names().into_iter().filter(|name| !other.names().contains(name));
        names.map(|name| format!("{sign}{name}")).collect::<Vec<_>>()
    };
    let mut what: Vec<String> = name.map(|name| format!("name {name}")).into_iter().collect();
    if let Some(actions) = actions {
        what.extend(only(actions, &had, "+"));
        what.extend(only(&had, actions, "-"));
    }
    what.join(", ")
}

/// Checks that the caller may give an existing role these actions.
async fn check_edit(change: &Change, role: &Role, actions: &Actions) -> Result<()> {
    if role.actions == *actions {
        return Ok(());
    }
    if change.tx.holders_of(&role.id).await?.contains(&change.actor.user) {
        return Err(Error::invalid(text!(
            "data.actions of your own role can't be changed by yourself: ask somebody else",
            "不能自行修改自己角色的 data.actions：请由他人修改"
        )));
    }
    let then = Role { actions: *actions, ..role.clone() }.rights();
    change.covers(&then, || "data.actions".to_owned())?;
    change.gives(&role.rights(), &then, Operation::WidenRole)
}

/// Rejects presets before any other check, so that the error does not depend on the order of the rows.
fn expect_own_making(roles: &[Role]) -> Result<()> {
    match roles.iter().find_map(|role| Some((&role.name, role.preset.as_ref()?))) {
        None => Ok(()),
        Some((name, preset)) => Err(Error::invalid(text!(
            "the role {name:?} is the preset {preset:?}, which can't be changed or deleted",
            "角色 {name:?} 是预置角色 {preset:?}，不能修改或删除"
        ))),
    }
}
