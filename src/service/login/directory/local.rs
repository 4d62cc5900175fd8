//! The directory of local users, which were created in keytower.

use async_trait::async_trait;

use crate::app::App;
use crate::domain::secret::Password;
use crate::domain::user::LOCAL;
use crate::error::Result;
use crate::service::login::directory::{Checked, Directory};

/// The directory of the users whose password hash is in the store.
pub(in crate::service) struct Local;

#[async_trait]
impl Directory for Local {
    fn source(&self) -> &'static str {
        LOCAL
    }

    async fn check(&self, app: &App, username: &str, password: Password) -> Result<Checked> {
        // No username contains NUL, and PostgreSQL rejects NUL in a comparison.
        let user = match username.contains('\0') {
            true => None,
            false => app.store.find_login_user(username).await?,
        };
        let stored = user.as_ref().and_then(|user| user.password_hash.clone());
        let verdict = app.passwords.verify(password, stored).await?;
        Ok(Checked { user, verdict })
    }
}
