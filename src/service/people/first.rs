//! Setup of a fresh service. While no user exists, nobody can have a credential, so the operations that set the service up require no
//! credential (contract section 2.4). [`Operation::needs_while_fresh`] lists these operations.

use std::sync::Arc;

use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::entity::{ORGANIZATION, USER};
use crate::domain::name::check_name;
use crate::domain::operation::Operation;
use crate::domain::permission::ROOT;
use crate::domain::permit::{Denial, Permit};
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::service::access::{Wanted, check_shown};
use crate::service::inventory::lists::by_ids;
use crate::service::people::change::PEOPLE;
use crate::service::people::users::{self, RoleChoice, UserRequest, insert};
use crate::store::{Node, Tx};

/// Maximum length of the name of an organization, in characters.
const NAME_MAX: usize = 255;
/// The place that error messages name if a request contains one object, not a list.
const PLACE: &str = "data";

/// Creates a user. The first user is created without a credential and has the role ROOT. Later users are created as by [`users::create`].
///
/// # Errors
/// - `Invalid` if a name, password or role is not allowed, or the first user's role is not ROOT.
/// - `Unauthenticated` if a user exists and the caller shows no credential.
/// - `Forbidden` as for [`users::create`].
/// - `Unavailable` if the database is unreachable.
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

/// Sets the name of the organization. Exactly one organization exists.
///
/// # Errors
/// - `Invalid` if the name is not allowed.
/// - `Unauthenticated` if a user exists and the caller shows no credential.
/// - `Forbidden` if the caller may not name the organization.
/// - `Unavailable` if the database is unreachable.
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

/// Fails with `Unauthenticated` if a user exists by now; otherwise, no other transaction can create a user until this transaction ends.
async fn stays_fresh(tx: &Tx) -> Result<()> {
    tx.alone_with(PEOPLE).await?;
    if tx.has_users().await? { Err(Denial::NoCredential.into()) } else { Ok(()) }
}
