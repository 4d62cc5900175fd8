//! A fresh service: as long as there is no user nobody can have a credential, and what sets the service up needs none (contract
//! section 2.4). The table in [`Operation::needs_while_fresh`] says what that is.

use std::sync::Arc;

use super::access::{Wanted, check_shown};
use super::lists::by_ids;
use super::people::PEOPLE;
use super::users::{self, RoleChoice, UserRequest, insert};
use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::entity::{ORGANIZATION, USER};
use crate::domain::name::check_name;
use crate::domain::operation::Operation;
use crate::domain::permission::ROOT;
use crate::domain::permit::{Denial, Permit};
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::store::{Node, Tx};

/// Most characters of an organization's name.
const NAME_MAX: usize = 255;
/// What an element of a request is called that has no list.
const PLACE: &str = "data";

/// Makes a user: the first one without a credential, with the role ROOT; each later one as [`users::create`] does.
///
/// # Errors
/// `Invalid` for names, passwords or roles that are not allowed, and for another role than ROOT for the first user; `Unauthenticated`
/// without a credential once there is a user; `Forbidden` like [`users::create`]; `Unavailable` when the database is away.
pub async fn create_user(app: &App, permit: &Permit, request: UserRequest, wanted: Wanted<'_>) -> Result<Arc<Node>> {
    let permit = permit.require(Operation::CreateUser)?;
    let gone = || Error::internal("the new user is gone");
    if permit.actor().is_some() {
        let users = users::create_as(app, &permit, vec![request], |_| PLACE.to_owned(), Some(wanted)).await?;
        return users.into_iter().next().ok_or_else(gone);
    }
    let complexity = app.store.policy().await?.complexity();
    let password = request.check(complexity).map_err(|why| Error::invalid(why).at(PLACE))?;
    if request.role != RoleChoice::Preset(ROOT.to_owned()) {
        let wrong = text!(
            "role must be {ROOT}: the first user makes all others",
            "role 必须为 {ROOT}：其他用户均由首个用户创建"
        );
        return Err(Error::invalid(wrong).at(PLACE));
    }
    let hash = app.passwords.hash(password, app.random.as_ref()).await?;
    let tx = app.begin(&permit).await?;
    stays_fresh(&tx).await?;
    let role = tx.preset_role(ROOT).await?;
    let id = insert(app, &tx, request, (role, ROOT), hash).await.map_err(|error| error.at(PLACE))?;
    let user = by_ids(&tx, &USER, &[id.to_string()], wanted).await?.into_iter().next().ok_or_else(gone)?;
    tx.commit().await?;
    tracing::info!(user.id = %id, "the first user was made");
    Ok(user)
}

/// Gives the organization, of which there is always exactly one, its name.
///
/// # Errors
/// `Invalid` for a name that is not allowed, `Unauthenticated` without a credential once there is a user, `Forbidden`, `Unavailable`
/// when the database is away.
pub async fn name_organization(app: &App, permit: &Permit, name: String, wanted: Wanted<'_>) -> Result<Arc<Node>> {
    let permit = permit.require(Operation::CreateOrganization)?;
    check_shown(&permit, wanted.projection)?;
    check_name("data.name", &name, NAME_MAX).map_err(Error::invalid)?;
    let by = permit.actor().map(|actor| actor.username.clone());
    let tx = app.begin(&permit).await?;
    if by.is_none() {
        stays_fresh(&tx).await?;
    }
    let id = tx.organization().await?;
    tx.note(Entry::done(text!("organization named {name}", "已将组织命名为 {name}")).of(ORGANIZATION.name, &id));
    tx.name_organization(&id, name).await?;
    let organization = by_ids(&tx, &ORGANIZATION, &[id], wanted).await?.into_iter().next();
    tx.commit().await?;
    tracing::info!(by, "the organization was named");
    organization.ok_or_else(|| Error::internal("there is no organization"))
}

/// Refuses to go on without a credential when somebody made the first user meanwhile, and lets nobody make it until this write ends.
async fn stays_fresh(tx: &Tx) -> Result<()> {
    tx.alone_with(PEOPLE).await?;
    if tx.has_users().await? { Err(Denial::NoCredential.into()) } else { Ok(()) }
}
