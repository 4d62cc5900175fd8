//! Users as SoftLayer's face serves them (contract, sections 5.2 to 5.5): who sees whom, what hangs on them, and their changes.
//!
//! A caller sees their own user and all users below; a caller with the right to manage users sees all. Any other user does not exist for
//! them (`visibility`).

mod answers;
mod edit;
mod permissions;
mod visibility;

pub(super) use answers::is_right as is_right_answer;
pub use answers::update as update_answers;
pub use edit::{NewCustomer, create, edit, edit_all, is_password};
pub use permissions::{assign_parent, give, take};
pub use visibility::{Account, RelatedUser, UserOutline, Viewer, VisibleUser};

use crate::app::App;
use crate::domain::principal::Principal;
use crate::domain::reason::Reason;
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};

/// Refuses the API keys of whoever has a second factor, where the settings ask for SoftLayer's rule.
///
/// # Errors
/// `Forbidden`, or `Unavailable` when the database is away.
pub async fn admit(app: &App, principal: &Principal) -> Result<()> {
    if app.settings.softlayer_keys_with_mfa || !principal.is_key() || !app.store.has_factor(principal.number).await? {
        return Ok(());
    }
    Err(Error::refused_change(Reason::KeyBesideFactor))
}

pub(in crate::service) fn no_such_user() -> Error {
    Error::new(Kind::NotFound, text!("there is no such user", "没有这样的用户"))
}
