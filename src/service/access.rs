//! What several use cases ask of their caller first.

use super::audit;
use crate::app::App;
use crate::domain::id::{SessionId, UserId};
use crate::domain::permit::{Denial, Permit};
use crate::domain::policy::Policy;
use crate::domain::principal::{CredentialRef, Principal};
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};
use crate::store::{Budget, Projection};

/// How much of a row the answer shows, and how much it may hold in all.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Which fields.
    pub projection: &'a Projection,
    /// How many values.
    pub budget: &'a Budget,
}

/// Without a credential an object shows its own fields only: what belongs to it may be an inventory that was imported already.
pub(super) fn check_shown(permit: &Permit, projection: &Projection) -> Result<()> {
    match permit.actor() {
        None if !projection.relations.is_empty() => Err(Denial::NoCredential.into()),
        _ => Ok(()),
    }
}

/// The policies, which let a caller's address in.
pub(super) async fn admitted(app: &App, permit: &Permit) -> Result<Policy> {
    let caller = permit.caller();
    let policy = app.store.policy().await?;
    if policy.admits(caller.address).map_err(|why| Error::internal(why.en()))? {
        return Ok(policy);
    }
    audit::stranger(app, caller.address, permit.operation().name(), "its address is not let in");
    let text = text!("logins from your address are not let in", "不允许从您的地址登录");
    Err(Error::new(Kind::LoginFailed, text))
}

/// The session of the token that the caller has shown, and its user.
pub(super) fn own_session(permit: &Permit) -> Result<(SessionId, UserId)> {
    match permit.actor().map(|actor| (&actor.credential, &actor.user)) {
        Some((CredentialRef::Session(session), user)) => Ok((session.clone(), user.clone())),
        _ => Err(Error::new(Kind::Forbidden, text!("there is no session: log in", "没有会话：请登录"))),
    }
}

/// Refuses a key that manages users where the settings leave that to people.
pub(super) fn expect_user_management(app: &App, actor: &Principal) -> Result<()> {
    match actor.is_key() && !app.settings.softlayer_keys_manage_users {
        true => Err(Denial::KeyNotAllowed.into()),
        false => Ok(()),
    }
}
