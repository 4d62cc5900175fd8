//! Users: who one is; making, changing and deleting them.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::api_keys::Wanted;
use super::attempts;
use super::people::{Change, PEOPLE, check_number, matching, rights};
use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::caller::Caller;
use crate::domain::entity::{API_KEY, USER};
use crate::domain::filter::{Query, Scalar};
use crate::domain::id::{RoleId, UserId};
use crate::domain::key_format;
use crate::domain::operation::Operation;
use crate::domain::password::check_is_no_name;
use crate::domain::permission::ROOT;
use crate::domain::permit::{Denial, Permit, authorize};
use crate::domain::policy::Complexity;
use crate::domain::principal::CredentialRef;
use crate::domain::random::Random;
use crate::domain::secret::Password;
use crate::domain::text::{Text, text};
use crate::domain::user::{Contact, NewUser, UserChange, check_source, check_texts};
use crate::error::{Error, Result};
use crate::store::{Budget, Node, Projection, Scope, Tx};

/// Login name of the first user.
const ROOT_NAME: &str = "root";

/// How a role is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleChoice {
    /// By its id.
    Id(RoleId),
    /// By the preset that it is.
    Preset(String),
}

impl From<RoleId> for RoleChoice {
    fn from(id: RoleId) -> Self {
        Self::Id(id)
    }
}

/// A user that somebody asks for.
#[derive(Debug)]
pub struct UserRequest {
    /// Login name.
    pub username: String,
    /// Name to show.
    pub name: String,
    /// Password; users of other sources have none here.
    pub password: Option<Password>,
    /// The user's one role.
    pub role: RoleChoice,
    /// Where the user comes from; `LOCAL` when absent.
    pub source: Option<String>,
    /// How the user is reached.
    pub contact: Contact,
    /// Whether it belongs to the system rather than to a person.
    pub internal: bool,
}

/// What somebody wants to change of users; `None` leaves as it is.
#[derive(Debug, Default)]
pub struct UpdateRequest {
    /// Everything but the two below.
    pub change: UserChange,
    /// Password, which every user selected gets.
    pub password: Option<Password>,
    /// The one role.
    pub role: Option<RoleId>,
}

impl UserRequest {
    /// A local user with what every user has.
    #[must_use]
    pub fn local(username: String, password: Password, role: impl Into<RoleChoice>) -> Self {
        let (name, contact, role) = (username.clone(), Contact::default(), role.into());
        Self { username, name, password: Some(password), role, source: None, contact, internal: false }
    }

    /// Checks all of it, and answers the password.
    pub(super) fn check(&self, complexity: Complexity) -> std::result::Result<Password, Text> {
        check_texts([
            ("username", Some(self.username.as_str())),
            ("name", Some(&self.name)),
            ("email_address", self.contact.email_address.as_deref()),
            ("mobile_phone", self.contact.mobile_phone.as_deref()),
        ])?;
        check_source(self.source.as_deref())?;
        let password = self.password.clone().ok_or_else(|| {
            text!("password is needed: a LOCAL user logs in with it", "需要 password：LOCAL 用户用它登录")
        })?;
        complexity.check(&password)?;
        check_is_no_name(&password, &self.username)?;
        Ok(password)
    }
}

/// Reads the caller's own user.
///
/// # Errors
/// `Unauthenticated` without a credential, `Unavailable` when the database is away.
pub async fn me(app: &App, caller: &Caller) -> Result<Arc<Node>> {
    let permit = authorize(caller, Operation::GetMyInfo)?;
    let id = permit.actor().map(|actor| actor.user.clone()).ok_or(Denial::NoCredential)?;
    read(app, &id).await?.ok_or_else(|| Error::refused("the user was deleted meanwhile"))
}

/// Tells whether there is a user at all.
///
/// # Errors
/// `Unavailable` when the database is away.
pub async fn exist(app: &App, caller: &Caller) -> Result<bool> {
    authorize(caller, Operation::UserCreated)?;
    app.store.has_users().await
}

/// Makes the first user, `root`, while there is no user at all.
///
/// # Errors
/// `Invalid` when there is a user already or the password is not allowed, `Unavailable` when the database is away.
pub async fn create_root(app: &App, caller: &Caller, password: Password) -> Result<Arc<Node>> {
    let permit = authorize(caller, Operation::CreateRootUser)?;
    app.store.policy().await?.complexity().check(&password).map_err(Error::invalid)?;
    let exists = || {
        Error::invalid(text!(
            "a user exists already: log in, or ask who manages users",
            "已存在用户：请登录，或联系用户管理员"
        ))
    };
    if app.store.has_users().await? {
        return Err(exists());
    }
    let hash = app.passwords.hash(password, app.random.as_ref()).await?;
    let tx = app.begin(permit).await?;
    tx.alone_with(PEOPLE).await?;
    if tx.has_users().await? {
        return Err(exists());
    }
    let id = insert_root(app, &tx, hash).await?;
    tx.commit().await?;
    read(app, &id).await?.ok_or_else(|| Error::internal("the new user is gone"))
}

/// Makes users: all of them, or none.
///
/// # Errors
/// `Invalid` for names, passwords or roles that are not allowed, with the place in the list; `Forbidden` for a key, and for a role
/// that goes beyond the caller's rights; `Unavailable` when the database is away.
pub async fn create(app: &App, caller: &Caller, requests: Vec<UserRequest>) -> Result<Vec<Arc<Node>>> {
    let permit = authorize(caller, Operation::CreateUser)?;
    create_as(app, permit, requests, |index| format!("[{index}]"), None).await
}

/// The same, with a name for the place of each in the request, and as much in the answer as is wanted; `None` is all that REST shows.
pub(super) async fn create_as(
    app: &App,
    permit: Permit,
    requests: Vec<UserRequest>,
    at: fn(usize) -> String,
    wanted: Option<Wanted<'_>>,
) -> Result<Vec<Arc<Node>>> {
    check_number(requests.len())?;
    let complexity = app.store.policy().await?.complexity();
    let passwords = requests.iter().enumerate();
    let passwords =
        passwords.map(|(index, request)| request.check(complexity).map_err(|why| Error::invalid(why).at(&at(index))));
    let passwords = passwords.collect::<Result<Vec<_>>>()?;
    // Before the write, which others wait for.
    let mut hashes = Vec::new();
    for password in passwords {
        hashes.push(app.passwords.hash(password, app.random.as_ref()).await?);
    }
    let change = Change::begin(app, permit).await?;
    let mut ids = Vec::new();
    for (index, (request, hash)) in requests.into_iter().zip(hashes).enumerate() {
        let role = match request.role.clone() {
            RoleChoice::Id(id) => id,
            RoleChoice::Preset(preset) => change.tx.preset_role(&preset).await?,
        };
        let named = change.role(&role).await.map_err(|error| error.at(&at(index)))?;
        let role = (role, name_of(&named));
        let id = insert(app, &change.tx, request, role, hash).await.map_err(|error| error.at(&at(index)))?;
        ids.push(id.to_string());
    }
    let by = change.actor.username.clone();
    let users = match wanted {
        Some(wanted) => change.finish_as(&USER, &ids, wanted).await?,
        None => change.finish(&USER, &ids).await?,
    };
    tracing::info!(user.ids = ?ids, by, "users made");
    Ok(users)
}

/// Changes all users that a `where` matches, or none. A new password ends their tokens; their keys stay.
///
/// # Errors
/// `Invalid` for what is not allowed, another role for the caller itself, and another role for the last ROOT; `NotFound` when
/// nobody matches; `Forbidden` for rights beyond the caller's, and for a key that sets a password or an e-mail address, or gives
/// rights; `Unavailable` when the database is away.
pub async fn update(
    app: &App,
    caller: &Caller,
    conditions: Map<String, Value>,
    request: UpdateRequest,
) -> Result<Vec<Arc<Node>>> {
    let operation = match (&request.password, &request.change.email_address) {
        (Some(_), _) => Operation::SetPassword,
        (None, Some(_)) => Operation::SetAddress,
        (None, None) => Operation::UpdateUser,
    };
    let permit = authorize(caller, operation)?;
    let query = matching(app, &USER, conditions)?;
    let UpdateRequest { change: mut wanted, password, role } = request;
    let of_data = |error: Error| error.at("data");
    wanted.check().map_err(|why| of_data(Error::invalid(why)))?;
    if let Some(password) = &password {
        let complexity = app.store.policy().await?.complexity();
        complexity.check(password).map_err(|why| of_data(Error::invalid(why)))?;
        wanted.password_hash = Some(app.passwords.hash(password.clone(), app.random.as_ref()).await?);
    }
    let change = Change::begin(app, permit).await?;
    let users = change.select(&query).await?;
    let role = match &role {
        Some(role) => Some(change.role(role).await.map_err(of_data)?),
        None => None,
    };
    if let Some(role) = &role {
        for user in &users {
            give(&change, user, role).await.map_err(of_data)?;
        }
        change.keeps_a_root(&users).await.map_err(of_data)?;
    }
    let ids: Vec<String> = users.iter().map(|user| user.id().to_owned()).collect();
    for user in &users {
        let name = username(user);
        if let Some(password) = &password {
            let name = wanted.username.as_deref().unwrap_or(name);
            check_is_no_name(password, name).map_err(|why| of_data(Error::invalid(why)))?;
        }
        change.tx.update_user(&UserId::from(user.id().to_owned()), &wanted, app.now()).await.map_err(of_data)?;
        if wanted.password_hash.is_some() {
            attempts::forget(app, &change.tx, name).await?;
        }
        let what = wanted.told(role.as_deref().map(name_of));
        let text = text!("user {name} changed: {what}", "已修改用户 {name}：{what}");
        change.tx.note(Entry::done(text).of(USER.name, user.id()));
    }
    let by = change.actor.username.clone();
    let users = change.finish(&USER, &ids).await?;
    tracing::info!(user.ids = ?ids, by, operation = operation.name(), "users changed");
    Ok(users)
}

/// Deletes all users that a `where` matches, or none; their sessions and keys die in the same transaction. Answers their ids.
///
/// # Errors
/// `Invalid` when the caller itself or the last ROOT is among them, `NotFound` when nobody matches, `Forbidden` when one of them
/// holds more than the caller, `Unavailable` when the database is away.
pub async fn delete(app: &App, caller: &Caller, conditions: Map<String, Value>) -> Result<Vec<UserId>> {
    let permit = authorize(caller, Operation::DeleteUser)?;
    let query = matching(app, &USER, conditions)?;
    let change = Change::begin(app, permit).await?;
    let users = change.select(&query).await?;
    if users.iter().any(|user| change.is_caller(user)) {
        return Err(Error::invalid(text!("you can't delete yourself", "不能删除自己")));
    }
    let ids: Vec<UserId> = users.iter().map(|user| UserId::from(user.id().to_owned())).collect();
    for (id, user) in ids.iter().zip(&users) {
        let (name, keys) = (username(user), change.tx.keys_of(id).await?);
        change.tx.delete_user(id).await?;
        change.tx.note(Entry::done(text!("user {name} deleted", "已删除用户 {name}")).of(USER.name, id));
        for (key, key_name) in keys {
            let text = text!("API key {key_name} deleted with user {name}", "API 密钥 {key_name} 已随用户 {name} 删除");
            change.tx.note(Entry::done(text).of(API_KEY.name, key));
        }
    }
    change.keeps_a_root(&users).await?;
    change.tx.commit().await?;
    tracing::info!(user.ids = ?ids, by = change.actor.username, "users deleted");
    Ok(ids)
}

/// Gives a user another role.
async fn give(change: &Change, user: &Node, role: &Node) -> Result<()> {
    if let [only] = user.many("roles")
        && only.id() == role.id()
    {
        return Ok(());
    }
    if change.is_caller(user) {
        return Err(Error::invalid(text!(
            "role_id can't be changed by yourself: ask somebody else who manages users",
            "不能自行修改 role_id：请由其他用户管理员修改"
        )));
    }
    change.gives_no_more(&rights(user), &rights(role))?;
    change.tx.set_role(&UserId::from(user.id().to_owned()), &RoleId::from(role.id().to_owned())).await
}

/// Makes a user with the role of a preset and a password that is made up here and known nowhere else.
///
/// # Errors
/// Like [`create`].
pub async fn create_with_password(app: &App, caller: &Caller, username: String, preset: &str) -> Result<Password> {
    let (password, role) = (make_up_password(app.random.as_ref())?, RoleChoice::Preset(preset.to_owned()));
    create(app, caller, vec![UserRequest::local(username, password.clone(), role)]).await?;
    Ok(password)
}

/// Gives all users that a `where` matches a password that is made up here and known nowhere else.
///
/// # Errors
/// Like [`update`].
pub async fn set_made_up_password(app: &App, caller: &Caller, conditions: Map<String, Value>) -> Result<Password> {
    let password = make_up_password(app.random.as_ref())?;
    let request = UpdateRequest { password: Some(password.clone()), ..UpdateRequest::default() };
    update(app, caller, conditions, request).await?;
    Ok(password)
}

/// Random characters of a password made up here, of 36 kinds: over 100 bit.
const MADE_UP_LEN: usize = 20;
/// What stands before them, so that the password satisfies every policy.
const MADE_UP_PREFIX: &str = "Kt1_";

pub(super) fn make_up_password(random: &dyn Random) -> Result<Password> {
    let key = key_format::generate(random)?;
    let letters = key.expose().chars().skip(key_format::PREFIX.len()).take(MADE_UP_LEN);
    Ok(Password::from(MADE_UP_PREFIX.chars().chain(letters).collect::<String>()))
}

/// Stores the first user.
pub(super) async fn insert_root(app: &App, tx: &Tx, password_hash: String) -> Result<UserId> {
    let role = tx.preset_role(ROOT).await?;
    let root = UserRequest {
        username: ROOT_NAME.to_owned(),
        name: ROOT_NAME.to_owned(),
        password: None,
        role: role.clone().into(),
        source: None,
        contact: Contact::default(),
        internal: false,
    };
    insert(app, tx, root, (role, ROOT), password_hash).await
}

/// Stores a user, whose password is hashed already; the role with its name for the audit log.
pub(super) async fn insert(
    app: &App,
    tx: &Tx,
    request: UserRequest,
    (role, role_name): (RoleId, &str),
    password_hash: String,
) -> Result<UserId> {
    let now = app.now();
    let id = UserId::generate(now, app.random.as_ref())?;
    let UserRequest { username, name, contact, internal, .. } = request;
    let text = text!("user {username} made with the role {role_name}", "已创建用户 {username}，角色为 {role_name}");
    tx.note(Entry::done(text).of(USER.name, &id));
    let parent = match tx.actor().filter(|actor| actor.credential != CredentialRef::Operator) {
        Some(actor) => Some(actor.user.clone()),
        None => tx.master().await?,
    };
    let password_hash = Some(password_hash);
    let new = NewUser { id: id.clone(), username, name, password_hash, role, contact, internal, parent };
    tx.insert_user(new, now).await?;
    Ok(id)
}

/// The name of a role that was read.
pub(super) fn name_of(role: &Node) -> &str {
    role.value("name").as_str().unwrap_or_default()
}

/// The login name of a user that was read.
fn username(user: &Node) -> &str {
    user.value("username").as_str().unwrap_or_default()
}

async fn read(app: &App, id: &UserId) -> Result<Option<Arc<Node>>> {
    let field = USER.field("id").ok_or_else(|| Error::internal("User has lost a field"))?;
    let query = Query::having(&USER, field, vec![Scalar::Text(id.to_string())]);
    let nodes = app.store.list(&query, &Scope::All, &Projection::full(&USER), &Budget::unlimited()).await?;
    Ok(nodes.into_iter().next())
}
