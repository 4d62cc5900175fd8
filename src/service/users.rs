//! Users: who one is, making and deleting them.

use std::sync::Arc;

use crate::app::App;
use crate::domain::entity::USER;
use crate::domain::filter::{Query, Scalar};
use crate::domain::id::{RoleId, UserId};
use crate::domain::key_format;
use crate::domain::operation::Operation;
use crate::domain::permission::ROOT;
use crate::domain::permit::{Denial, authorize};
use crate::domain::principal::Principal;
use crate::domain::random::Random;
use crate::domain::secret::Password;
use crate::domain::user::{NewUser, USERNAME_MAX, check_name, check_password};
use crate::error::{Error, Kind, Result};
use crate::store::{Budget, Node, Projection, Scope, Tx};

/// Login name of the first user.
const ROOT_NAME: &str = "root";

/// A user that somebody asks for.
#[derive(Debug)]
pub struct UserRequest {
    /// Login name.
    pub username: String,
    /// Name to show.
    pub name: String,
    /// Password.
    pub password: Password,
    /// The user's one role.
    pub role: RoleId,
}

/// Reads the caller's own user.
///
/// # Errors
/// `Unauthenticated` without a credential, `Unavailable` when the database is away.
pub async fn me(app: &App, caller: Option<&Principal>) -> Result<Arc<Node>> {
    let permit = authorize(caller, Operation::GetMyInfo)?;
    let id = permit.actor().map(|actor| actor.user.clone()).ok_or(Denial::NoCredential)?;
    read(app, &id).await?.ok_or_else(|| Error::refused("the user was deleted meanwhile"))
}

/// Tells whether there is a user at all.
///
/// # Errors
/// `Unavailable` when the database is away.
pub async fn exist(app: &App) -> Result<bool> {
    authorize(None, Operation::UserCreated)?;
    app.store.has_users().await
}

/// Makes the first user, `root`, while there is no user at all.
///
/// # Errors
/// `Invalid` when there is a user already or the password is not allowed, `Unavailable` when the database is away.
pub async fn create_root(app: &App, password: Password) -> Result<Arc<Node>> {
    let permit = authorize(None, Operation::CreateRootUser)?;
    check_password(&password).map_err(Error::invalid)?;
    let exists = || Error::invalid("a user exists already: log in, or ask who manages users");
    if app.store.has_users().await? {
        return Err(exists());
    }
    let hash = app.passwords.hash(password, app.random.as_ref()).await?;
    let tx = app.store.begin(permit).await?;
    tx.alone_with(USER.table).await?;
    if tx.has_users().await? {
        return Err(exists());
    }
    let id = insert_root(app, &tx, hash).await?;
    tx.commit().await?;
    read(app, &id).await?.ok_or_else(|| Error::internal("the new user is gone"))
}

/// Makes a user.
///
/// # Errors
/// `Invalid` for names, passwords or roles that are not allowed, `Forbidden`, `Unavailable` when the database is away.
pub async fn create(app: &App, caller: Option<&Principal>, request: UserRequest) -> Result<Arc<Node>> {
    let permit = authorize(caller, Operation::CreateUser)?;
    check_name("username", &request.username, USERNAME_MAX).map_err(Error::invalid)?;
    check_name("name", &request.name, USERNAME_MAX).map_err(Error::invalid)?;
    check_password(&request.password).map_err(Error::invalid)?;
    let password_hash = app.passwords.hash(request.password.clone(), app.random.as_ref()).await?;
    let now = app.now();
    let id = UserId::generate(now, app.random.as_ref())?;
    let tx = app.store.begin(permit).await?;
    let UserRequest { username, name, role, .. } = request;
    tx.insert_user(NewUser { id: id.clone(), username, name, password_hash, role }, now).await?;
    tx.commit().await?;
    read(app, &id).await?.ok_or_else(|| Error::internal("the new user is gone"))
}

/// Deletes a user; its sessions and keys die in the same transaction.
///
/// # Errors
/// `Invalid` for the caller itself and the last ROOT, `NotFound`, `Forbidden`, `Unavailable` when the database is away.
pub async fn delete(app: &App, caller: Option<&Principal>, id: &UserId) -> Result<()> {
    let permit = authorize(caller, Operation::DeleteUser)?;
    if permit.actor().is_some_and(|actor| actor.user == *id) {
        return Err(Error::invalid("you can't delete yourself"));
    }
    let tx = app.store.begin(permit).await?;
    tx.alone_with("user_roles").await?;
    if tx.holders_of_preset(ROOT).await? == [id.clone()] {
        return Err(Error::invalid("the last user with the role ROOT can't be deleted"));
    }
    if !tx.delete_user(id).await? {
        return Err(Error::new(Kind::NotFound, "there is no such user"));
    }
    tx.commit().await?;
    tracing::info!(user.id = %id, "user deleted");
    Ok(())
}

/// Makes a user with the role of a preset and a password that is made up here and known nowhere else.
///
/// # Errors
/// Like [`create`].
pub async fn create_with_password(
    app: &App,
    caller: Option<&Principal>,
    username: String,
    preset: &str,
) -> Result<Password> {
    let tx = app.store.begin(authorize(caller, Operation::CreateUser)?).await?;
    let role = tx.preset_role(preset).await?;
    drop(tx);
    let password = make_up_password(app.random.as_ref())?;
    let request = UserRequest { name: username.clone(), username, password: password.clone(), role };
    create(app, caller, request).await?;
    Ok(password)
}

/// Deletes the local user with this login name; see [`delete`].
///
/// # Errors
/// Like [`delete`].
pub async fn delete_by_name(app: &App, caller: Option<&Principal>, username: &str) -> Result<()> {
    let user = app.store.find_login_user(username).await?;
    let user = user.ok_or_else(|| Error::new(Kind::NotFound, format!("there is no user {username:?}")))?;
    delete(app, caller, &user.id).await
}

/// Characters of a password made up here, of 36 kinds: over 100 bit.
const MADE_UP_LEN: usize = 20;

pub(super) fn make_up_password(random: &dyn Random) -> Result<Password> {
    let key = key_format::generate(random)?;
    let letters = key.expose().chars().skip(key_format::PREFIX.len()).take(MADE_UP_LEN);
    Ok(Password::from(letters.collect::<String>()))
}

/// Stores the first user.
pub(super) async fn insert_root(app: &App, tx: &Tx, password_hash: String) -> Result<UserId> {
    let now = app.now();
    let id = UserId::generate(now, app.random.as_ref())?;
    let role = tx.preset_role(ROOT).await?;
    let (username, name) = (ROOT_NAME.to_owned(), ROOT_NAME.to_owned());
    tx.insert_user(NewUser { id: id.clone(), username, name, password_hash, role }, now).await?;
    Ok(id)
}

async fn read(app: &App, id: &UserId) -> Result<Option<Arc<Node>>> {
    let field = USER.field("id").ok_or_else(|| Error::internal("User has lost a field"))?;
    let query = Query::having(&USER, field, vec![Scalar::Text(id.to_string())]);
    let nodes = app.store.list(&query, &Scope::All, &Projection::full(&USER), &Budget::unlimited()).await?;
    Ok(nodes.into_iter().next())
}
