//! Users as the SoftLayer API shows them (contract, sections 5.2 to 5.5): visibility, related objects and changes.
//!
//! A caller sees the caller's own user and all users below. A caller with the right to manage users sees all users. The API treats a user
//! that the caller does not see as not existing, except that some are shown in outline (see `visibility`).

mod answers;
mod edit;
mod permissions;
mod visibility;

pub(in crate::service) use answers::is_right as is_right_answer;
pub use answers::update as update_answers;
pub use edit::{NewCustomer, create, edit, edit_all, is_password};
pub use permissions::{assign_parent, give, take};
pub use visibility::{Account, RelatedUser, UserOutline, Viewer, VisibleUser};

use crate::app::App;
use crate::domain::permit::Permit;
use crate::domain::principal::Principal;
use crate::domain::reason::Reason;
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};

/// Runs `work`, which reads users for the caller, on the database connections for lists. The deadline of lists applies to `work`, and at
/// most two such reads of one caller run at a time.
///
/// # Errors
/// - `TooMany` if the caller reads too much at the same time.
/// - `Invalid` if `work` takes too long.
/// - `Unavailable` if the database is unreachable.
pub async fn reading<T>(app: &App, permit: &Permit, work: impl AsyncFnOnce() -> T) -> Result<T> {
    app.store.on_lane(permit.user(), work).await
}

/// Rejects an API key whose owner has a second factor, unless the setting `softlayer_keys_with_mfa` allows such keys.
///
/// # Errors
/// - `Forbidden` if the key is rejected.
/// - `Unavailable` if the database is unreachable.
pub async fn admit(app: &App, principal: &Principal) -> Result<()> {
    if app.settings.softlayer_keys_with_mfa || !principal.is_key() || !app.store.has_factor(principal.number).await? {
        return Ok(());
    }
    Err(Error::refused_change(Reason::KeyBesideFactor))
}

pub(in crate::service) fn no_such_user() -> Error {
    Error::new(Kind::NotFound, text!("there is no such user", "没有这样的用户"))
}
