//! Creates and changes users.

use std::collections::BTreeSet;

use crate::app::App;
use crate::auth::password::Verdict;
use crate::domain::audit::Entry;
use crate::domain::customer::{Customer, CustomerChange, Status, Which};
use crate::domain::entity::{API_KEY, USER};
use crate::domain::id::UserId;
use crate::domain::operation::Operation;
use crate::domain::password::check_is_no_name;
use crate::domain::permission::{Action, READ_ONLY, ROOT};
use crate::domain::permit::{Denial, Permit};
use crate::domain::reason::Reason;
use crate::domain::secret::Password;
use crate::domain::text::{Text, text};
use crate::domain::throttle::Known;
use crate::domain::user::{Contact, NewUser, check_texts};
use crate::error::{Error, Result};
use crate::service::access::expect_user_management;
use crate::service::audit;
use crate::service::keys::classic_keys::{check_restriction, loosens};
use crate::service::login::attempts::{self, Account, Guess};
use crate::service::login::directory;
use crate::service::outbox::letters;
use crate::service::people::change::{Change, check_number};
use crate::service::people::customers::no_such_user;
use crate::store::Users;

/// A user to create.
#[derive(Debug)]
pub struct NewCustomer {
    /// Login name.
    pub username: String,
    /// All other values of the user. The `username` in this change is ignored.
    pub change: CustomerChange,
    /// Password; without one, the user can't log in.
    pub password: Option<Password>,
}

/// Creates a user below the caller. The user gets a role without actions, and no permissions. Returns the user's number.
///
/// # Errors
/// - `Invalid` if the name is taken, or a name, password or other member is not allowed.
/// - `Forbidden` if the caller does not manage users or uses a key that is not classic.
/// - `StepUp` if the second factor was not proven recently.
/// - `Unavailable` if the database is unreachable.
pub async fn create(app: &App, permit: &Permit, wanted: NewCustomer) -> Result<i64> {
    let permit = permit.require(Operation::CreateCustomer)?;
    expect_user_management(app, permit.principal()?)?;
    let NewCustomer { username, change, password } = wanted;
    check(&CustomerChange { username: Some(username.clone()), ..change.clone() })?;
    let password_hash = match password {
        Some(password) => {
            app.store.policy().await?.complexity().check(&password).map_err(Error::invalid)?;
            check_is_no_name(&password, &username).map_err(Error::invalid)?;
            Some(app.passwords.hash(password, app.random.as_ref()).await?)
        }
        None => None,
    };
    let now = app.now();
    let id = UserId::generate(now, app.random.as_ref())?;
    let at_work = Change::begin(app, &permit, Users::default()).await?;
    let tx = &at_work.tx;
    let email_address = change.email.clone().flatten();
    let new = NewUser {
        id: id.clone(),
        username: username.clone(),
        name: change.name.clone().unwrap_or_else(|| username.clone()),
        password_hash,
        role: tx.preset_role(READ_ONLY).await?,
        contact: Contact { email_address, mobile_phone: None },
        internal: false,
        parent: Some(at_work.actor.user.clone()),
    };
    tx.insert_user(new, now).await?;
    let made = reload(&at_work, &id).await?;
    tx.change_customer(&made, &CustomerChange { email: None, name: None, username: None, ..change.clone() }, now)
        .await?;
    if let Some(status) = change.status.filter(|status| *status != Status::Active) {
        tx.set_status(&id, status, now).await?;
    }
    let text = text!("user {username} made", "已创建用户 {username}");
    tx.note(Entry::done(text).of(USER.name, &id));
    let by = at_work.actor.username.clone();
    at_work.tx.commit().await?;
    tracing::info!(user.id = %id, by, "user made");
    Ok(made.number)
}

/// Changes the user with this number.
///
/// # Errors
/// Like [`edit_all`].
pub async fn edit(app: &App, permit: &Permit, number: i64, change: CustomerChange) -> Result<()> {
    edit_all(app, permit, vec![(number, change)]).await
}

/// Changes users: all of them, or none. A caller may change the caller's own user. A caller with the right to manage users may also change
/// users who hold no rights beyond the caller's. To change some members, the caller must be allowed to perform a further operation.
///
/// # Errors
/// - `NotFound` if the caller does not see one of the users.
/// - `Invalid` if there are too many users, a user is named twice, a member is not allowed, the status of the caller would change, or no
///   active ROOT would be left.
/// - `Forbidden` if a user holds rights that the caller does not hold, the caller uses a key that is not classic, or the caller uses an API
///   key to change the names, the address or the login restrictions of the key's owner.
/// - `StepUp` if a changed member requires a fresh proof of the second factor or the password.
/// - `Unavailable` if the database is unreachable.
pub async fn edit_all(app: &App, permit: &Permit, changes: Vec<(i64, CustomerChange)>) -> Result<()> {
    let permit = permit.require(Operation::EditCustomer)?;
    check_number(&permit, changes.len())?;
    let numbers: BTreeSet<i64> = changes.iter().map(|(number, _)| *number).collect();
    if numbers.len() < changes.len() {
        return Err(Error::invalid(text!(
            "each user can be named once in a request, and one is named twice",
            "一个请求中每个用户只能出现一次，当前有重复"
        )));
    }
    for (_, change) in &changes {
        check(change)?;
    }
    // Find the users without a lock, lock them, and read them again: a number is never given to another user.
    let users = app.store.customers(Which::Numbers(numbers.into_iter().collect())).await?;
    let users = Users::changed(users.into_iter().map(|user| user.id));
    let at_work = Change::begin(app, &permit, users).await?;
    for (number, change) in &changes {
        let user = at_work.tx.customer(*number).await?.ok_or_else(no_such_user)?;
        expect_reach(app, &at_work, &user).await?;
        expect_allowed(&at_work, &user, change)?;
        if change.answers_required == Some(true) && app.store.answers_of(&user.id).await?.is_empty() {
            return Err(Error::refused_change(Reason::AnswersMissing));
        }
        apply(app, &at_work, &user, change).await?;
    }
    let by = at_work.actor.username.clone();
    at_work.tx.commit().await?;
    tracing::info!(users = changes.len(), by, "users changed");
    Ok(())
}

/// Checks that the caller may perform the operations that the changed members require.
fn expect_allowed(at_work: &Change, user: &Customer, change: &CustomerChange) -> Result<()> {
    let is_self = user.id == at_work.actor.user;
    let (mut needed, mut makes_owner) = (Vec::new(), false);
    if change.username.as_ref().is_some_and(|name| *name != user.username) {
        (makes_owner, _) = (true, needed.push(Operation::RenameCustomer));
    }
    if change.name.as_ref().is_some_and(|name| *name != user.name) {
        makes_owner = true;
    }
    if change.email.as_ref().is_some_and(|email| *email != user.email) {
        makes_owner = true;
        needed.push(if is_self { Operation::SetOwnAddress } else { Operation::SetAddress });
    }
    if let Some(addresses) = change.address_restriction.as_deref()
        && addresses != user.address_restriction.as_deref().unwrap_or_default()
    {
        makes_owner = true;
        if loosens(user.address_restriction.as_deref(), Some(addresses))? {
            needed.push(Operation::LoosenLogin);
        }
    }
    if let Some(required) = change.answers_required.filter(|required| *required != user.answers_required) {
        makes_owner = true;
        if !required {
            needed.push(Operation::LoosenLogin);
        }
    }
    match change.status.filter(|status| *status != user.status && !is_self) {
        Some(Status::Active) => needed.push(Operation::EnableCustomer),
        Some(_) => needed.push(Operation::DisableCustomer),
        None => {}
    }
    if makes_owner {
        at_work.expect_no_key_of(&user.id)?;
    }
    needed.into_iter().try_for_each(|operation| Ok(at_work.tx.permit().check(operation)?))
}

async fn apply(app: &App, at_work: &Change, user: &Customer, change: &CustomerChange) -> Result<()> {
    if change.is_empty() {
        return Ok(());
    }
    let (tx, now) = (&at_work.tx, app.now());
    if let Some(email) = change.email.as_ref().filter(|email| **email != user.email) {
        letters::address_changed(app, tx, (&user.username, user.email.as_deref()), email.as_deref()).await?;
    }
    tx.change_customer(user, change, now).await?;
    if let Some(status) = change.status.filter(|status| *status != user.status) {
        if user.id == at_work.actor.user {
            return Err(Error::invalid(text!("you can't change your own status", "不能修改自己的状态")));
        }
        tx.set_status(&user.id, status, now).await?;
        if status == Status::CancelPending {
            for (key, name) in tx.keys_of(&user.id).await? {
                tx.delete_api_key(&key).await?;
                let text = text!("API key {name} deleted with its user", "API 密钥 {name} 已随用户删除");
                tx.note(Entry::done(text).of(API_KEY.name, key));
            }
        }
        if tx.holders_of_preset(ROOT).await?.is_empty() {
            let text = text!("the last user with the role ROOT stays active", "最后一个 ROOT 角色的用户必须保持启用");
            return Err(Error::invalid(text));
        }
    }
    let (name, what) = (&user.username, change.told());
    let text = text!("user {name} changed: {what}", "已修改用户 {name}：{what}");
    tx.note(Entry::done(text).of(USER.name, &user.id));
    Ok(())
}

/// Rejects a change to another user if the caller does not manage users, or the user holds rights that the caller does not hold. Fails with
/// `NotFound` if the caller does not see the user.
async fn expect_reach(app: &App, at_work: &Change, user: &Customer) -> Result<()> {
    let actor = &at_work.actor;
    if user.id == actor.user {
        return Ok(());
    }
    expect_user_management(app, actor)?;
    if !actor.rights.allows(Action::MANAGE_USER_AND_ROLE) {
        return Err(match at_work.tx.is_above(&actor.user, &user.id).await? {
            true => Denial::MissingAction(Action::MANAGE_USER_AND_ROLE.name()).into(),
            false => no_such_user(),
        });
    }
    let theirs = at_work.tx.rights_of(&user.id).await?;
    at_work.covers(&theirs, || format!("User {:?}", user.username))
}

async fn reload(at_work: &Change, id: &UserId) -> Result<Customer> {
    let which = Which::Ids(vec![id.clone()]);
    let found = at_work.tx.customers(which).await?.pop();
    found.ok_or_else(|| Error::internal("the new user is gone"))
}

fn check(change: &CustomerChange) -> Result<()> {
    let texts = [
        ("username", change.username.as_deref()),
        ("displayName", change.name.as_deref()),
        ("email", change.email.as_ref().and_then(Option::as_deref)),
    ];
    let checked: std::result::Result<(), Text> = check_texts(texts).and_then(|()| change.check());
    checked.map_err(Error::invalid)?;
    change.address_restriction.as_deref().map_or(Ok(()), |addresses| check_restriction(addresses).map(drop))
}

/// Tells whether `password` is the password of the user with this number. A wrong password counts like a failed login.
///
/// # Errors
/// - `NotFound` if the caller does not see the user.
/// - `TooMany` after too many wrong passwords.
/// - `Forbidden` if the caller uses a key that is not classic.
/// - `Unavailable` if the database is unreachable.
pub async fn is_password(app: &App, permit: &Permit, number: i64, password: Password) -> Result<bool> {
    let permit = permit.require(Operation::CheckPassword)?;
    let user = crate::service::people::customers::Viewer::of(&permit)?.one(app, number).await?;
    let policy = app.store.policy().await?;
    let (known, account) = (own_session(&permit, &user), Account::of_user(&user.id));
    let guess = Guess { account: &account, known: known.as_ref(), with_code: false };
    let attempt = attempts::password(app, &permit, &policy, guess).await?;
    let checked = directory::of(None)?.check(app, &user.username, password).await?;
    if checked.verdict == Verdict::Wrong || checked.user.is_none_or(|found| found.id != user.id) {
        let name = &user.username;
        let entry = Entry::failed(text!("wrong password of user {name} tried", "尝试了用户 {name} 的错误密码"));
        audit::record(app, permit.caller(), permit.operation().name(), entry.of(USER.name, &user.id)).await?;
        return Ok(false);
    }
    let tx = app.begin(&permit).await?;
    attempt.right(&tx).await?;
    tx.commit_untold().await?;
    Ok(true)
}

fn own_session(permit: &Permit, user: &Customer) -> Option<Known> {
    let actor = permit.actor().filter(|actor| actor.user == user.id)?;
    actor.session().cloned().map(Known::Session)
}
