//! Directories, which verify users' passwords: one file for each source of users, behind one interface.

mod local;

use async_trait::async_trait;

use crate::app::App;
use crate::auth::password::Verdict;
use crate::domain::secret::Password;
use crate::domain::text::text;
use crate::domain::user::LoginUser;
use crate::error::{Error, Result};

/// A source of users, which verifies the passwords of these users.
#[async_trait]
pub(in crate::service) trait Directory: Sync {
    /// Name of the directory on the wire (contract: `UserSource`).
    fn source(&self) -> &'static str;

    /// Looks up a username and verifies the password. An unknown username takes as long as a known one.
    async fn check(&self, app: &App, username: &str, password: Password) -> Result<Checked>;
}

/// Result of looking up a username and verifying a password.
#[derive(Debug)]
pub(in crate::service) struct Checked {
    /// The user with this name; `None` if the directory has no such user.
    pub(in crate::service) user: Option<LoginUser>,
    /// Whether the password is right.
    pub(in crate::service) verdict: Verdict,
}

/// All supported directories.
static DIRECTORIES: [&dyn Directory; 1] = [&local::Local];

/// Returns the directory with this source name; for `None`, the directory of local users.
///
/// # Errors
/// `Invalid` if the source is not supported; the message names the supported sources.
pub(in crate::service) fn of(source: Option<&str>) -> Result<&'static dyn Directory> {
    let Some(source) = source else { return Ok(&local::Local) };
    DIRECTORIES.into_iter().find(|directory| directory.source() == source).ok_or_else(|| {
        let served = DIRECTORIES.map(Directory::source).join(", ");
        Error::invalid(text!(
            "source {source} is not served here: allowed is {served}, or none",
            "此处不支持 source {source}：只允许 {served}，或不填"
        ))
    })
}
