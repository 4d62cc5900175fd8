//! `keytower policy`: resets policies that lock users out.

use super::{open, print, work};
use crate::config::Settings;
use crate::domain::operation::Operation;
use crate::error::Result;
use crate::service::policy;

/// Changes policies when no user can log in anymore to change them.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Allow all addresses and all session ages again: sets access_mode to NONE and session_max_age to 0. Keeps the access list.
    #[command(after_help = "Example:\n  keytower policy unlock")]
    Unlock,
}

pub(super) async fn run(settings: Settings, Command::Unlock: Command) -> Result<()> {
    let app = &open(settings).await?;
    work(app, Operation::UnlockPolicies, |permit| async move { policy::unlock(app, &permit).await }).await?;
    print("everybody is let in: access_mode is NONE, session_max_age is 0\n")
}
