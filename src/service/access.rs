//! Checks on the caller that several use cases share.

use crate::app::App;
use crate::domain::id::{SessionId, UserId};
use crate::domain::permit::{Denial, Permit};
use crate::domain::policy::Policy;
use crate::domain::principal::{CredentialRef, Principal};
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};
use crate::service::audit;
use crate::store::{Budget, Projection};

/// The part of a row that an answer shows, and the limit on the size of the answer.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Fields and relations to show.
    pub projection: &'a Projection,
    /// Limit on the number of values in the answer.
    pub budget: &'a Budget,
}

/// Rejects a projection with relations if the caller has no credential: relations could expose an inventory that was imported before the
/// first user was created.
pub(in crate::service) fn check_shown(permit: &Permit, projection: &Projection) -> Result<()> {
    match permit.actor() {
        None if !projection.relations.is_empty() => Err(Denial::NoCredential.into()),
        _ => Ok(()),
    }
}

/// Returns the policies. Rejects the login if the policies do not admit the caller's address.
pub(in crate::service) async fn admitted(app: &App, permit: &Permit) -> Result<Policy> {
    let caller = permit.caller();
    let policy = app.store.policy().await?;
    if policy.admits(caller.address).map_err(|why| Error::internal(why.en()))? {
        return Ok(policy);
    }
    audit::stranger(app, caller.address, permit.operation().name(), "its address is not let in");
    let text = text!("logins from your address are not let in", "不允许从您的地址登录");
    Err(Error::new(Kind::LoginFailed, text))
}

/// Returns the id of the session of the caller's token, and the id of the caller's user.
pub(in crate::service) fn own_session(permit: &Permit) -> Result<(SessionId, UserId)> {
    match permit.actor().map(|actor| (&actor.credential, &actor.user)) {
        Some((CredentialRef::Session(session), user)) => Ok((session.clone(), user.clone())),
        _ => Err(Error::new(Kind::Forbidden, text!("there is no session: log in", "没有会话：请登录"))),
    }
}

/// Rejects a caller with an API key if the settings do not let keys manage users.
pub(in crate::service) fn expect_user_management(app: &App, actor: &Principal) -> Result<()> {
    match actor.is_key() && !app.settings.softlayer_keys_manage_users {
        true => Err(Denial::KeyNotAllowed.into()),
        false => Ok(()),
    }
}
