//! Gives permissions to users below the caller, takes permissions from such users, and changes the parents of such users.

use std::collections::BTreeSet;

use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::customer::{Customer, Permission, Which};
use crate::domain::entity::USER;
use crate::domain::operation::Operation;
use crate::domain::permit::Permit;
use crate::domain::reason::{Reason, Step};
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::service::access::expect_user_management;
use crate::service::people::change::{Change, check_number};
use crate::service::people::customers::no_such_user;
use crate::store::Users;

/// Gives a user below the caller permissions that the caller has.
///
/// # Errors
/// - `NotFound` if the user does not exist.
/// - `Invalid` if the user is not below the caller, a permission does not exist, or the caller does not have one of the permissions.
/// - `Forbidden` if the caller does not manage users, uses a key that is not classic, or does not hold all rights of the user.
/// - `StepUp` if the second factor was not proven recently.
/// - `Unavailable` if the database is unreachable.
pub async fn give(app: &App, permit: &Permit, number: i64, names: &[String]) -> Result<()> {
    let permit = permit.require(Operation::GivePermissions)?;
    check_number(&permit, names.len())?;
    let at_work = begin(app, &permit, Which::Numbers(vec![number])).await?;
    let user = below(&at_work, number, Step::Give).await?;
    let wanted = known(names)?;
    let actor = own(&at_work).await?;
    let has: BTreeSet<&str> = actor
        .held(&at_work.actor.rights)
        .into_iter()
        .filter(|permission| permission.action().is_none_or(|action| at_work.actor.rights.allows(action)))
        .map(|permission| permission.key_name)
        .collect();
    if let Some(lacks) = wanted.iter().find(|permission| !has.contains(permission.key_name)) {
        return Err(Error::refused_change(Reason::PermissionNotHeld(lacks.key_name)));
    }
    let all = user.permissions.iter().cloned().chain(wanted.iter().map(|it| it.key_name.to_owned())).collect();
    store(&at_work, &user, &all).await?;
    at_work.tx.commit().await
}

/// Takes permissions from a user below the caller, and with `cascade` from all users below that user.
///
/// # Errors
/// Like [`give`], but the caller needs neither the permissions nor a fresh second factor. With `cascade`, also `Unavailable` if another
/// user came below that user meanwhile and would lose permissions.
pub async fn take(app: &App, permit: &Permit, number: i64, names: &[String], cascade: bool) -> Result<()> {
    let permit = permit.require(Operation::TakePermissions)?;
    check_number(&permit, names.len())?;
    let which = match (cascade, app.store.customer(number).await?) {
        (true, Some(user)) => Which::Below(user.id),
        _ => Which::Numbers(vec![number]),
    };
    let at_work = begin(app, &permit, which).await?;
    let user = below(&at_work, number, Step::Take).await?;
    let unwanted: BTreeSet<&str> = known(names)?.into_iter().map(|it| it.key_name).collect();
    let users = match cascade {
        true => at_work.tx.customers(Which::Below(user.id.clone())).await?,
        false => vec![user],
    };
    for user in users {
        let left: BTreeSet<String> =
            user.permissions.iter().filter(|name| !unwanted.contains(name.as_str())).cloned().collect();
        if left != user.permissions {
            expect_covered(&at_work, &user).await?;
            expect_locked(&at_work, &user)?;
            store(&at_work, &user, &left).await?;
        }
    }
    at_work.tx.commit().await
}

/// Gives a user below the caller another parent: the caller, or another user below the caller.
///
/// # Errors
/// - `NotFound` if the user or the parent does not exist or is not below the caller.
/// - `Invalid` if the user is the caller; if the parent is the user, is below the user or is the user's parent already; or if the user, or
///   a user below that user, has permissions that the parent does not hold and `cascade` is not set.
/// - `Forbidden` if the caller does not manage users, uses a key that is not classic, or does not hold all rights of the user and of the
///   parent.
/// - `StepUp` if the second factor was not proven recently.
/// - `Unavailable` if the database is unreachable, or another user came below the user meanwhile and would lose permissions.
pub async fn assign_parent(app: &App, permit: &Permit, number: i64, parent: i64, cascade: bool) -> Result<()> {
    let permit = permit.require(Operation::AssignParent)?;
    let user = app.store.customer(number).await?.ok_or_else(no_such_user)?;
    let at_work = begin(app, &permit, Which::Below(user.id)).await?;
    let tx = &at_work.tx;
    let actor = at_work.actor.user.clone();
    let user = tx.customer(number).await?.ok_or_else(no_such_user)?;
    let parent = tx.customer(parent).await?.ok_or_else(no_such_user)?;
    if user.id == actor {
        return Err(Error::refused_change(Reason::OwnParent));
    }
    if !tx.is_above(&actor, &user.id).await? || (parent.id != actor && !tx.is_above(&actor, &parent.id).await?) {
        return Err(no_such_user());
    }
    if parent.id == user.id || tx.is_above(&user.id, &parent.id).await? || user.parent.as_ref() == Some(&parent.id) {
        return Err(Error::refused_change(Reason::ParentNotAbove));
    }
    expect_covered(&at_work, &user).await?;
    let rights = tx.rights_of(&parent.id).await?;
    at_work.covers(&rights, || format!("User {:?}", parent.username))?;
    let allowed: BTreeSet<&str> = parent.held(&rights).into_iter().map(|it| it.key_name).collect();
    for below in tx.customers(Which::Below(user.id.clone())).await? {
        let left: BTreeSet<String> =
            below.permissions.iter().filter(|name| allowed.contains(name.as_str())).cloned().collect();
        if left == below.permissions {
            continue;
        }
        if !cascade {
            return Err(Error::refused_change(Reason::ParentHoldsLess));
        }
        expect_covered(&at_work, &below).await?;
        expect_locked(&at_work, &below)?;
        store(&at_work, &below, &left).await?;
    }
    tx.set_parent(&user.id, &parent.id).await?;
    let (name, above) = (&user.username, &parent.username);
    let text = text!("user {name} belongs to {above}", "用户 {name} 的上级为 {above}");
    tx.note(Entry::done(text).of(USER.name, &user.id));
    at_work.tx.commit().await
}

/// Begins a change with locks on the users whose permissions may change.
async fn begin(app: &App, permit: &Permit, which: Which) -> Result<Change> {
    expect_user_management(app, permit.principal()?)?;
    let most = permit.operation().spec().most;
    let users = app.store.customers_at_most(which, u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1)).await?;
    if users.len() > most {
        return Err(Error::invalid(text!(
            "a request changes at most {most} users, and this one concerns more: change the users below in several requests",
            "一个请求最多更改 {most} 个用户，而此请求涉及更多：请分多次更改下级用户"
        )));
    }
    Change::begin(app, permit, Users::changed(users.into_iter().map(|user| user.id))).await
}

/// Rejects a user without a lock. Such a user came below only while the change waited for its locks.
fn expect_locked(at_work: &Change, user: &Customer) -> Result<()> {
    match at_work.tx.is_alone_with_user(&user.id) {
        true => Ok(()),
        false => Err(Error::unavailable("the users below changed while the change waited")),
    }
}

async fn store(at_work: &Change, user: &Customer, permissions: &BTreeSet<String>) -> Result<()> {
    at_work.tx.set_permissions(&user.id, permissions).await?;
    let name = &user.username;
    let all = permissions.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let text = text!("permissions of user {name}: {all}", "用户 {name} 的权限：{all}");
    at_work.tx.note(Entry::done(text).of(USER.name, &user.id));
    Ok(())
}

async fn own(at_work: &Change) -> Result<Customer> {
    let own = at_work.tx.customer(at_work.actor.number).await?;
    own.ok_or_else(|| Error::refused("the user was deleted meanwhile"))
}

/// Returns the user with this number, whose permissions are to change. Rejects a user who is not below the caller, or who holds rights that
/// the caller does not hold.
async fn below(at_work: &Change, number: i64, step: Step) -> Result<Customer> {
    let user = at_work.tx.customer(number).await?.ok_or_else(no_such_user)?;
    if user.id == at_work.actor.user {
        return Err(Error::refused_change(Reason::OwnPermissions(step)));
    }
    if !at_work.tx.is_above(&at_work.actor.user, &user.id).await? {
        return Err(Error::refused_change(Reason::PermissionsNotBelow(step)));
    }
    expect_covered(at_work, &user).await?;
    Ok(user)
}

/// Rejects a user who holds rights that the caller does not hold, whether the request names the user or a cascade reaches the user.
async fn expect_covered(at_work: &Change, user: &Customer) -> Result<()> {
    let theirs = at_work.tx.rights_of(&user.id).await?;
    at_work.covers(&theirs, || format!("User {:?}", user.username))
}

fn known(names: &[String]) -> Result<Vec<&'static Permission>> {
    let find = |name: &String| {
        if name.is_empty() {
            return Err(Error::refused_change(Reason::PermissionNotNamed));
        }
        Permission::find(name)
            .ok_or_else(|| Error::refused_change(Reason::UnknownPermission(name.chars().take(100).collect())))
    };
    names.iter().map(find).collect()
}
