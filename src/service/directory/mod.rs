//! Who knows a user's password: one file for each source of users, behind one interface.

mod local;

use async_trait::async_trait;

use crate::app::App;
use crate::auth::password::Verdict;
use crate::domain::secret::Password;
use crate::domain::text::text;
use crate::domain::user::LoginUser;
use crate::error::{Error, Result};

/// A source of users.
#[async_trait]
pub(super) trait Directory: Sync {
    /// Its name on the wire (contract: `UserSource`).
    fn source(&self) -> &'static str;

    /// Looks a name up and compares the password. A name that nobody has takes as long.
    async fn check(&self, app: &App, username: &str, password: Password) -> Result<Checked>;
}

/// What a directory says of a name and a password.
#[derive(Debug)]
pub(super) struct Checked {
    /// Whose name it is.
    pub(super) user: Option<LoginUser>,
    /// Whether the password is theirs.
    pub(super) verdict: Verdict,
}

/// Every directory that is served.
static DIRECTORIES: [&dyn Directory; 1] = [&local::Local];

/// The directory of a source; without one, that of the users made here.
///
/// # Errors
/// `Invalid` for a source that is not served, with those that are.
pub(super) fn of(source: Option<&str>) -> Result<&'static dyn Directory> {
    let Some(source) = source else { return Ok(&local::Local) };
    DIRECTORIES.into_iter().find(|directory| directory.source() == source).ok_or_else(|| {
        let served = DIRECTORIES.map(Directory::source).join(", ");
        Error::invalid(text!(
            "source {source} is not served here: allowed is {served}, or none",
            "此处不支持 source {source}：只允许 {served}，或不填"
        ))
    })
}
