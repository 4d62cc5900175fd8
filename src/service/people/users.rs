//! Reads the caller's own user; creates, changes and deletes users.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::entity::{API_KEY, USER};
use crate::domain::filter::{Query, Scalar};
use crate::domain::id::{RoleId, UserId};
use crate::domain::key_format;
use crate::domain::operation::Operation;
use crate::domain::password::check_is_no_name;
use crate::domain::permission::ROOT;
use crate::domain::permit::Permit;
use crate::domain::policy::Complexity;
use crate::domain::random::Random;
use crate::domain::role::Role;
use crate::domain::secret::Password;
use crate::domain::text::{Text, text};
use crate::domain::user::{Contact, NewUser, User, UserChange, check_source, check_texts};
use crate::error::{Error, Result};
use crate::service::access::Wanted;
use crate::service::login::attempts;
use crate::service::outbox::letters;
use crate::service::people::change::{Change, PEOPLE, check_number, matching};
use crate::store::{Budget, Node, Projection, Scope, Tx, Users};

/// Login name of the first user.
const ROOT_NAME: &str = "root";

/// How a request names a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleChoice {
    /// Id of the role.
    Id(RoleId),
    /// Name of the preset role.
    Preset(String),
}

impl From<RoleId> for RoleChoice {
    fn from(id: RoleId) -> Self {
        Self::Id(id)
    }
}

/// A user to create.
#[derive(Debug)]
pub struct UserRequest {
    /// Login name.
    pub username: String,
    /// Display name.
    pub name: String,
    /// Password, required for a user of the source `LOCAL`.
    pub password: Option<Password>,
    /// The user's one role.
    pub role: RoleChoice,
    /// Source of the user; `LOCAL` by default.
    pub source: Option<String>,
    /// E-mail address and phone number.
    pub contact: Contact,
    /// Whether the user belongs to the system rather than to a person.
    pub internal: bool,
}

/// Changes to apply to users. A field that is `None` stays as it is.
#[derive(Debug, Default)]
pub struct UpdateRequest {
    /// Changes to all values except password and role.
    pub change: UserChange,
    /// New password of every matched user.
    pub password: Option<Password>,
    /// Id of the new role, which replaces all roles of a user.
    pub role: Option<RoleId>,
}

impl UserRequest {
    /// Returns a request for a local user with default values.
    #[must_use]
    pub fn local(username: String, password: Password, role: impl Into<RoleChoice>) -> Self {
        let (name, contact, role) = (username.clone(), Contact::default(), role.into());
        Self { username, name, password: Some(password), role, source: None, contact, internal: false }
    }

    /// Checks the request and returns the password.
    pub(in crate::service) fn check(&self, complexity: Complexity) -> std::result::Result<Password, Text> {
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

/// Returns the caller's own user.
///
/// # Errors
/// - `Unauthenticated` if the caller shows no credential.
/// - `Unavailable` if the database is unreachable.
pub async fn me(app: &App, permit: &Permit) -> Result<Arc<Node>> {
    let permit = permit.require(Operation::GetMyInfo)?;
    read(app, &permit.principal()?.user).await?.ok_or_else(|| Error::refused("the user was deleted meanwhile"))
}

/// Tells whether any user exists.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub async fn exist(app: &App, permit: &Permit) -> Result<bool> {
    permit.require(Operation::UserCreated)?;
    app.store.has_users().await
}

/// Creates the first user, `root`, if no user exists.
///
/// # Errors
/// - `Invalid` if a user exists or the password is not allowed.
/// - `Unavailable` if the database is unreachable.
pub async fn create_root(app: &App, permit: &Permit, password: Password) -> Result<Arc<Node>> {
    let permit = permit.require(Operation::CreateRootUser)?;
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
    let tx = app.begin(&permit).await?;
    tx.alone_with(PEOPLE).await?;
    if tx.has_users().await? {
        return Err(exists());
    }
    let id = insert_root(app, &tx, hash).await?;
    tx.commit().await?;
    read(app, &id).await?.ok_or_else(|| Error::internal("the new user is gone"))
}

/// Creates users: all of them, or none.
///
/// # Errors
/// - `Invalid` if a name, password or role is not allowed; the message names the element.
/// - `Forbidden` if the caller uses an API key or may not create users, or a role holds rights that the caller does not hold.
/// - `StepUp` if the second factor was not proven recently.
/// - `Unavailable` if the database is unreachable.
pub async fn create(app: &App, permit: &Permit, requests: Vec<UserRequest>) -> Result<Vec<Arc<Node>>> {
    let permit = permit.require(Operation::CreateUser)?;
    create_as(app, &permit, requests, |index| format!("[{index}]"), None).await
}

/// Creates users as [`create`] does. `at` returns the place of an element, for error messages. `wanted` is the part of the users to return;
/// `None` means all fields that REST shows.
pub(in crate::service) async fn create_as(
    app: &App,
    permit: &Permit,
    requests: Vec<UserRequest>,
    at: fn(usize) -> String,
    wanted: Option<Wanted<'_>>,
) -> Result<Vec<Arc<Node>>> {
    check_number(permit, requests.len())?;
    let complexity = app.store.policy().await?.complexity();
    let passwords = requests.iter().enumerate();
    let passwords =
        passwords.map(|(index, request)| request.check(complexity).map_err(|why| Error::invalid(why).at(&at(index))));
    let passwords = passwords.collect::<Result<Vec<_>>>()?;
    // Hash before the transaction begins: other changes wait while the transaction runs.
    let mut hashes = Vec::new();
    for password in passwords {
        hashes.push(app.passwords.hash(password, app.random.as_ref()).await?);
    }
    let change = Change::begin(app, permit, Users::default()).await?;
    let mut ids = Vec::new();
    for (index, (request, hash)) in requests.into_iter().zip(hashes).enumerate() {
        let role = match request.role.clone() {
            RoleChoice::Id(id) => id,
            RoleChoice::Preset(preset) => change.tx.preset_role(&preset).await?,
        };
        let role = change.role(&role).await.map_err(|error| error.at(&at(index)))?;
        let role = (role.id, role.name.as_str());
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

/// Changes all users that `conditions` match, or none. A new password ends the sessions of the changed users; their API keys stay.
///
/// Some members require more than the right to manage users. To set a password, an e-mail address or a role with more actions, the caller
/// needs a person's token (not an API key) and must have proven the second factor recently, if the caller has one.
///
/// # Errors
/// - `Invalid` if a value is not allowed, or the role of the caller or of the last user with the role ROOT would change.
/// - `NotFound` if no user matches.
/// - `Forbidden` if a user or the new role holds rights that the caller does not hold, or the caller uses an API key to set a password or
///   an e-mail address, to give rights or to change the user who owns the key.
/// - `StepUp` if a changed member requires a fresh proof of the second factor or the password.
/// - `Unavailable` if the database is unreachable.
pub async fn update(
    app: &App,
    permit: &Permit,
    conditions: Map<String, Value>,
    request: UpdateRequest,
) -> Result<Vec<Arc<Node>>> {
    let permit = permit.require(match (&request.password, &request.change.email_address) {
        (Some(_), _) => Operation::SetPassword,
        (None, Some(_)) => Operation::SetAddress,
        (None, None) => Operation::UpdateUser,
    })?;
    if request.change.email_address.is_some() {
        permit.check(Operation::SetAddress)?;
    }
    let query = matching(app, &USER, conditions)?;
    let UpdateRequest { change: mut wanted, password, role } = request;
    let of_data = |error: Error| error.at("data");
    wanted.check().map_err(|why| of_data(Error::invalid(why)))?;
    if let Some(password) = &password {
        let complexity = app.store.policy().await?.complexity();
        complexity.check(password).map_err(|why| of_data(Error::invalid(why)))?;
        wanted.password_hash = Some(app.passwords.hash(password.clone(), app.random.as_ref()).await?);
    }
    let (change, users) = Change::of_users(app, &permit, &query).await?;
    let role = match &role {
        Some(role) => Some(change.role(role).await.map_err(of_data)?),
        None => None,
    };
    for user in &users {
        change.expect_no_key_of(&user.id)?;
        if let Some(role) = &role {
            give(&change, user, role).await.map_err(of_data)?;
        }
    }
    if role.is_some() {
        change.keeps_a_root(&users).await.map_err(of_data)?;
    }
    for user in &users {
        if let Some(password) = &password {
            let name = wanted.username.as_deref().unwrap_or(&user.username);
            check_is_no_name(password, name).map_err(|why| of_data(Error::invalid(why)))?;
        }
        let (tx, now) = (&change.tx, app.now());
        if let Some(address) = wanted.email_address.as_ref().filter(|address| **address != user.email_address) {
            if change.is_caller(user) {
                tx.permit().check(Operation::SetOwnAddress)?;
            }
            let user = (user.username.as_str(), user.email_address.as_deref());
            letters::address_changed(app, tx, user, address.as_deref()).await?;
        }
        tx.update_user(&user.id, &wanted, now).await.map_err(of_data)?;
        if wanted.password_hash.is_some() {
            attempts::forget(app, tx, &user.id).await?;
        }
        let (name, what) = (&user.username, wanted.told(role.as_ref().map(|role| role.name.as_str())));
        let text = text!("user {name} changed: {what}", "已修改用户 {name}：{what}");
        tx.note(Entry::done(text).of(USER.name, &user.id));
    }
    let ids: Vec<String> = users.iter().map(|user| user.id.to_string()).collect();
    let by = change.actor.username.clone();
    let users = change.finish(&USER, &ids).await?;
    tracing::info!(user.ids = ?ids, by, operation = permit.operation().name(), "users changed");
    Ok(users)
}

/// Deletes all users that `conditions` match, or none. Also deletes the sessions and API keys of these users. Returns the ids of the
/// deleted users.
///
/// # Errors
/// - `Invalid` if the caller, or the last user with the role ROOT, is among the users.
/// - `NotFound` if no user matches.
/// - `Forbidden` if a user holds rights that the caller does not hold.
/// - `Unavailable` if the database is unreachable.
pub async fn delete(app: &App, permit: &Permit, conditions: Map<String, Value>) -> Result<Vec<UserId>> {
    let permit = permit.require(Operation::DeleteUser)?;
    let query = matching(app, &USER, conditions)?;
    let (change, users) = Change::of_users(app, &permit, &query).await?;
    if users.iter().any(|user| change.is_caller(user)) {
        return Err(Error::invalid(text!("you can't delete yourself", "不能删除自己")));
    }
    let ids: Vec<UserId> = users.iter().map(|user| user.id.clone()).collect();
    for User { id, username: name, .. } in &users {
        let keys = change.tx.keys_of(id).await?;
        change.tx.delete_user(id).await?;
        change.tx.note(Entry::done(text!("user {name} deleted", "已删除用户 {name}")).of(USER.name, id));
        for (key, key_name) in keys {
            let text = text!("API key {key_name} deleted with user {name}", "API 密钥 {key_name} 已随用户 {name} 删除");
            change.tx.note(Entry::done(text).of(API_KEY.name, key));
        }
    }
    change.keeps_a_root(&users).await?;
    let by = change.actor.username.clone();
    change.tx.commit().await?;
    tracing::info!(user.ids = ?ids, by, "users deleted");
    Ok(ids)
}

/// Replaces all roles of a user by `role`.
async fn give(change: &Change, user: &User, role: &Role) -> Result<()> {
    if let [only] = user.roles.as_slice()
        && only.id == role.id
    {
        return Ok(());
    }
    if change.is_caller(user) {
        return Err(Error::invalid(text!(
            "role_id can't be changed by yourself: ask somebody else who manages users",
            "不能自行修改 role_id：请由其他用户管理员修改"
        )));
    }
    change.gives(&user.rights(), &role.rights().union(&user.own.into()), Operation::GiveRole)?;
    change.tx.set_role(&user.id, &role.id).await
}

/// Creates a user with the role of a preset and a generated password. Returns the password, which is stored only as a hash.
///
/// # Errors
/// Like [`create`].
pub async fn create_with_password(app: &App, permit: &Permit, username: String, preset: &str) -> Result<Password> {
    let (password, role) = (make_up_password(app.random.as_ref())?, RoleChoice::Preset(preset.to_owned()));
    create(app, permit, vec![UserRequest::local(username, password.clone(), role)]).await?;
    Ok(password)
}

/// Sets one generated password for all users that `conditions` match. Returns the password, which is stored only as a hash.
///
/// # Errors
/// Like [`update`].
pub async fn set_made_up_password(app: &App, permit: &Permit, conditions: Map<String, Value>) -> Result<Password> {
    let password = make_up_password(app.random.as_ref())?;
    let request = UpdateRequest { password: Some(password.clone()), ..UpdateRequest::default() };
    update(app, permit, conditions, request).await?;
    Ok(password)
}

/// Number of random characters in a generated password. There are 36 different characters, which gives over 100 bits.
const MADE_UP_LEN: usize = 20;
/// Prefix of a generated password, so that it satisfies every policy.
const MADE_UP_PREFIX: &str = "Kt1_";

pub(in crate::service) fn make_up_password(random: &dyn Random) -> Result<Password> {
    let key = key_format::generate(random)?;
    let letters = key.expose().chars().skip(key_format::PREFIX.len()).take(MADE_UP_LEN);
    Ok(Password::from(MADE_UP_PREFIX.chars().chain(letters).collect::<String>()))
}

/// Stores the first user.
pub(in crate::service) async fn insert_root(app: &App, tx: &Tx, password_hash: String) -> Result<UserId> {
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

/// Stores a user with a password hash. The name of the role is for the audit log.
pub(in crate::service) async fn insert(
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
    let parent = match tx.actor().filter(|actor| !actor.is_operator()) {
        Some(actor) => Some(actor.user.clone()),
        None => tx.master().await?,
    };
    let password_hash = Some(password_hash);
    let new = NewUser { id: id.clone(), username, name, password_hash, role, contact, internal, parent };
    tx.insert_user(new, now).await?;
    Ok(id)
}

async fn read(app: &App, id: &UserId) -> Result<Option<Arc<Node>>> {
    let field = USER.field("id").ok_or_else(|| Error::internal("User has lost a field"))?;
    let query = Query::having(&USER, field, vec![Scalar::Text(id.to_string())]);
    let nodes = app.store.named(&query, &Scope::All, &Projection::full(&USER), &Budget::unlimited()).await?;
    Ok(nodes.into_iter().next())
}
