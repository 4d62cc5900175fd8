//! Users made and changed.

use super::super::attempts::{self, Guess};
use super::super::people::Change;
use super::no_such_user;
use crate::app::App;
use crate::auth::password::Verdict;
use crate::domain::audit::Entry;
use crate::domain::caller::Caller;
use crate::domain::customer::{Customer, CustomerChange, Status, Which};
use crate::domain::entity::{API_KEY, USER};
use crate::domain::id::UserId;
use crate::domain::operation::Operation;
use crate::domain::password::check_is_no_name;
use crate::domain::permission::{Action, READ_ONLY, ROOT};
use crate::domain::permit::{Denial, Permit, authorize};
use crate::domain::secret::Password;
use crate::domain::text::{Text, text};
use crate::domain::throttle::Known;
use crate::domain::user::{Contact, NewUser, check_texts};
use crate::error::{Error, Result};
use crate::service::classic_keys::check_restriction;
use crate::service::directory;

/// A user that somebody asks for.
#[derive(Debug)]
pub struct NewCustomer {
    /// Login name.
    pub username: String,
    /// Everything else; the username in it is not looked at.
    pub change: CustomerChange,
    /// Password; without one, the user can't log in.
    pub password: Option<Password>,
}

/// Makes a user below the caller, with a role that allows nothing and without permissions. Answers their number.
///
/// # Errors
/// `Invalid` for a name that is taken, and for names, passwords and other members that are not allowed; `Forbidden` for a caller who does
/// not manage users and for a key that is not classic, `StepUp` without a fresh second factor, `Unavailable` when the database is away.
pub async fn create(app: &App, caller: &Caller, wanted: NewCustomer) -> Result<i64> {
    let permit = authorize(caller, Operation::CreateCustomer)?;
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
    let at_work = Change::begin(app, permit).await?;
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

/// Changes a user.
///
/// # Errors
/// Like [`edit_all`].
pub async fn edit(app: &App, caller: &Caller, number: i64, change: CustomerChange) -> Result<()> {
    edit_all(app, caller, vec![(number, change)]).await
}

/// Changes users: all of them, or none. Oneself, or, for who manages users, whoever does not hold more than oneself.
///
/// # Errors
/// `NotFound` for a user whom the caller does not see, `Invalid` for members that are not allowed, for a state of the caller's own and for
/// the last ROOT who is active; `Forbidden` for a user who holds more than the caller, for a key that is not classic, and for a key that
/// changes an e-mail address; `Unavailable` when the database is away.
pub async fn edit_all(app: &App, caller: &Caller, changes: Vec<(i64, CustomerChange)>) -> Result<()> {
    let permit = authorize(caller, Operation::EditCustomer)?;
    for (_, change) in &changes {
        check(change)?;
    }
    let at_work = Change::begin(app, permit).await?;
    for (number, change) in &changes {
        let user = at_work.tx.customer(*number).await?.ok_or_else(no_such_user)?;
        expect_reach(&at_work, &user).await?;
        // Links go to the address that set a password: a key must not choose it.
        if at_work.actor.is_key() && change.email.as_ref().is_some_and(|email| *email != user.email) {
            return Err(Denial::KeyNotAllowed.into());
        }
        if at_work.actor.is_key() && change.answers_required.is_some_and(|required| required != user.answers_required) {
            return Err(Denial::KeyNotAllowed.into());
        }
        if change.answers_required == Some(true) && app.store.answers_of(&user.id).await?.is_empty() {
            let text = text!(
                "secondaryLoginRequiredFlag needs answers to security questions: set them with updateSecurityAnswers first",
                "secondaryLoginRequiredFlag 需要安全问题答案：请先使用 updateSecurityAnswers 设置"
            );
            return Err(Error::invalid(text));
        }
        apply(app, &at_work, &user, change).await?;
    }
    let by = at_work.actor.username.clone();
    at_work.tx.commit().await?;
    tracing::info!(users = changes.len(), by, "users changed");
    Ok(())
}

async fn apply(app: &App, at_work: &Change, user: &Customer, change: &CustomerChange) -> Result<()> {
    if change.is_empty() {
        return Ok(());
    }
    let (tx, now) = (&at_work.tx, app.now());
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

/// Refuses whoever is neither the user nor manages them; a user whom they don't even see is not there.
async fn expect_reach(at_work: &Change, user: &Customer) -> Result<()> {
    let actor = &at_work.actor;
    if user.id == actor.user {
        return Ok(());
    }
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

/// Tells whether a password is that of a user whom the caller sees. It counts like a login.
///
/// # Errors
/// `NotFound` for a user whom the caller does not see, `TooMany` after too many wrong ones, `Forbidden` for a key that is not classic,
/// `Unavailable` when the database is away.
pub async fn is_password(app: &App, caller: &Caller, number: i64, password: Password) -> Result<bool> {
    let permit = authorize(caller, Operation::CheckPassword)?;
    let viewer = super::Viewer::of(caller)?;
    let user = viewer.one(app, number).await?;
    let policy = app.store.policy().await?;
    let known = own_session(&permit, &user);
    let guess = Guess { username: &user.username, known: known.as_ref(), with_code: false };
    let attempt = attempts::password(app, &permit, &policy, guess).await?;
    let checked = directory::of(None)?.check(app, &user.username, password).await?;
    if checked.verdict == Verdict::Wrong {
        return Ok(false);
    }
    let tx = app.begin(permit).await?;
    attempt.right(&tx).await?;
    tx.commit_untold().await?;
    Ok(true)
}

fn own_session(permit: &Permit, user: &Customer) -> Option<Known> {
    let actor = permit.actor().filter(|actor| actor.user == user.id)?;
    actor.session().cloned().map(Known::Session)
}
