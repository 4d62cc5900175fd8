//! Changes the policies, and regularly applies the policies that depend on time.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::entity::{API_KEY, GLOBAL_SETTINGS, USER};
use crate::domain::mfa::{DEVICE_LIFE, MfaPolicy, MfaPolicyChange, Required};
use crate::domain::operation::Operation;
use crate::domain::permit::Permit;
use crate::domain::policy::{AccessMode, PasswordSecurity, Policy};
use crate::domain::principal::Principal;
use crate::domain::text::{Text, text};
use crate::error::{Error, Result};
use crate::service::access::Wanted;
use crate::service::door;
use crate::service::inventory::lists;
use crate::service::login::attempts;
use crate::service::people::change::{Change, PEOPLE};
use crate::service::sessions;
use crate::store::{Node, Scope, Users};

/// Maximum length of a list that the audit log repeats in full, in bytes of JSON.
const TOLD_MAX: usize = 500;

/// Changes the rules for passwords and the limit on wrong logins.
///
/// # Errors
/// - `Invalid` if a value is not allowed.
/// - `Forbidden` if the caller authenticated with an API key or does not hold the right.
/// - `StepUp` if the second factor was not proven recently.
/// - `Unavailable` if the database is unreachable.
pub async fn update_password_security(app: &App, permit: &Permit, wanted: PasswordSecurity) -> Result<Arc<Node>> {
    update(app, permit, Operation::UpdatePasswordSecurity, |policy| policy.secure_passwords(wanted)).await
}

/// Changes the addresses from which the service may be used. Rejects a change that shuts out the caller's own address, unless the caller is
/// the operator.
///
/// # Errors
/// Like [`update_password_security`].
pub async fn update_access_restriction(
    app: &App,
    permit: &Permit,
    mode: AccessMode,
    list: Vec<String>,
) -> Result<Arc<Node>> {
    let caller = permit.caller();
    update(app, permit, Operation::UpdateAccessRestriction, |policy| {
        policy.restrict_access(mode, list)?;
        if policy.admits(caller.address)? || caller.principal.as_ref().is_some_and(Principal::is_operator) {
            return Ok(());
        }
        let own = caller.address.map_or_else(|| "?".to_owned(), |address| address.to_string());
        Err(text!(
            "access_mode with this access_list would shut out your own address, {own}",
            "该 access_mode 与 access_list 会拒绝您自己的地址 {own}"
        ))
    })
    .await
}

/// Admits all addresses again, and lets sessions live as long as their tokens.
///
/// # Errors
/// - `Forbidden` if the caller does not hold all rights.
/// - `Unavailable` if the database is unreachable.
pub async fn unlock(app: &App, permit: &Permit) -> Result<()> {
    let unlock = |policy: &mut Policy| {
        policy.unlock();
        Ok(())
    };
    update(app, permit, Operation::UnlockPolicies, unlock).await.map(drop)
}

/// Changes the maximum age of sessions, in milliseconds; 0 means that a session lives as long as its token. Older sessions end at once.
///
/// # Errors
/// Like [`update_password_security`].
pub async fn update_session_timeout(app: &App, permit: &Permit, max_age: i64) -> Result<Arc<Node>> {
    update(app, permit, Operation::UpdateSessionTimeout, |policy| policy.limit_sessions(max_age)).await
}

/// Returns the policy of the second factor.
///
/// # Errors
/// - `Forbidden` if the caller does not hold the right.
/// - `Unavailable` if the database is unreachable.
pub async fn mfa(app: &App, permit: &Permit) -> Result<MfaPolicy> {
    permit.check(Operation::ReadMfaPolicy)?;
    Ok(app.store.policy().await?.mfa)
}

/// Changes the policy of the second factor.
///
/// # Errors
/// - Like [`update_password_security`].
/// - `Invalid` if a role does not exist.
pub async fn update_mfa(app: &App, permit: &Permit, wanted: MfaPolicyChange) -> Result<MfaPolicy> {
    permit.require(Operation::UpdateMfaPolicy)?;
    if let Some(roles) = &wanted.roles {
        let known = app.store.roles_among(roles).await?;
        if let Some(unknown) = roles.iter().find(|role| !known.contains(role)) {
            return Err(Error::invalid(text!(
                "role_ids: {unknown:?} is no role's id",
                "role_ids：{unknown:?} 不是任何角色的 id"
            )));
        }
    }
    update(app, permit, Operation::UpdateMfaPolicy, |policy| policy.mfa.change(wanted)).await?;
    Ok(app.store.policy().await?.mfa)
}

/// Returns the users who have no second factor and are required to have one, now or once the policy is enforced.
///
/// # Errors
/// Like [`lists::list`].
pub async fn users_without_mfa(
    app: &App,
    permit: &Permit,
    arguments: &Map<String, Value>,
    wanted: Wanted<'_>,
) -> Result<Vec<Arc<Node>>> {
    let scope = match mfa(app, permit).await? {
        MfaPolicy { required: Required::All, .. } => Scope::WithoutFactor(None),
        // An empty list of roles matches no user: no user needs a second factor.
        MfaPolicy { required: Required::None, .. } => Scope::WithoutFactor(Some(Vec::new())),
        MfaPolicy { roles, .. } => Scope::WithoutFactor(Some(roles)),
    };
    lists::list_in(app, permit, &USER, arguments, &scope, wanted).await
}

/// Returns the API keys that were minted without a second factor. Returns none if the policy does not require a second factor to mint keys.
///
/// # Errors
/// Like [`lists::list`].
pub async fn api_keys_without_mfa(
    app: &App,
    permit: &Permit,
    arguments: &Map<String, Value>,
    wanted: Wanted<'_>,
) -> Result<Vec<Arc<Node>>> {
    match mfa(app, permit).await?.keys_need_mfa {
        true => lists::list_in(app, permit, &API_KEY, arguments, &Scope::MintedWithoutMfa, wanted).await,
        false => Ok(Vec::new()),
    }
}

async fn update(
    app: &App,
    permit: &Permit,
    operation: Operation,
    edit: impl FnOnce(&mut Policy) -> std::result::Result<(), Text>,
) -> Result<Arc<Node>> {
    let permit = permit.require(operation)?;
    let change = Change::begin(app, &permit, Users::default()).await?;
    let (id, before) = change.tx.hold_policy().await?;
    let mut after = before.clone();
    edit(&mut after).map_err(Error::invalid)?;
    change.tx.set_policy(&id, &after).await?;
    // Sessions that the old policies have expired must stay ended under the new ones.
    if let Some(over) = before.sessions_over(app.now()) {
        change.tx.end_sessions_begun_by(over).await?;
    }
    change.tx.mark_expired_passwords(after.passwords_expired(app.now())).await?;
    let what = difference(&before, &after)?;
    let text = match what.is_empty() {
        true => text!("policies left as they were", "策略未变"),
        false => text!("policies changed: {what}", "已修改策略：{what}"),
    };
    change.tx.note(Entry::done(text).of(GLOBAL_SETTINGS.name, &id));
    let by = change.actor.username.clone();
    let rows = change.finish(&GLOBAL_SETTINGS, &[id.to_string()]).await?;
    tracing::info!(what, by, "policies changed");
    rows.into_iter().next().ok_or_else(|| Error::internal("the policies are gone"))
}

/// Applies the policies that depend on time. Marks users whose password has expired. Deletes outdated records of wrong logins, expired
/// challenges and mailed links, and unused sessions and devices.
///
/// # Errors
/// `Unavailable` if the database is unreachable.
pub async fn maintain(app: &App) -> Result<()> {
    let now = app.now();
    let tx = app.begin(&door::operator(Operation::Maintain)?).await?;
    tx.alone_with(PEOPLE).await?;
    let (_, policy) = tx.hold_policy().await?;
    tx.forget_attempts_until(attempts::over(&policy, now)).await?;
    tx.forget_challenges(now).await?;
    tx.forget_resets(now).await?;
    tx.forget_devices(now - DEVICE_LIFE).await?;
    sessions::forget_unused(app, &tx, now).await?;
    match tx.mark_expired_passwords(policy.passwords_expired(now)).await? {
        0 => tx.commit_untold().await,
        marked => {
            let text = text!("{marked} users marked whose password has expired", "已标记 {marked} 个密码过期的用户");
            tx.note(Entry::done(text));
            tx.commit().await
        }
    }
}

/// Returns the names and new values of the policy members that changed, as text.
fn difference(before: &Policy, after: &Policy) -> Result<String> {
    let members = |policy: &Policy| {
        let (auth, mfa) = (serde_json::to_value(policy), serde_json::to_value(&policy.mfa));
        match (auth.map_err(Error::internal)?, mfa.map_err(Error::internal)?) {
            (Value::Object(auth), Value::Object(mfa)) => Ok(Value::Object(auth.into_iter().chain(mfa).collect())),
            _ => Err(Error::internal("the policies are no objects")),
        }
    };
    let (before, after) = (members(before)?, members(after)?);
    let all = after.as_object().into_iter().flatten();
    let changed =
        all.filter(|(name, value)| before.get(name.as_str()) != Some(*value)).map(|(name, value)| match value {
            Value::Array(elements) if value.to_string().len() > TOLD_MAX => {
                format!("{name} ({} elements)", elements.len())
            }
            value => format!("{name} {value}"),
        });
    Ok(changed.collect::<Vec<_>>().join(", "))
}
