//! `keytower signing-key`: replaces the key that signs tokens.

use super::{open, print, work};
use crate::config::Settings;
use crate::domain::clock::iso;
use crate::domain::operation::Operation;
use crate::error::Result;
use crate::service::sessions::signing;

/// Replaces the key that signs tokens.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Publish a new signing key. One minute later, the service begins to sign tokens with it. Tokens signed with an older key stay valid
    /// until they expire.
    #[command(after_help = "Example:\n  keytower signing-key rotate")]
    Rotate,
}

pub(super) async fn run(settings: Settings, Command::Rotate: Command) -> Result<()> {
    let app = &open(settings).await?;
    let key = work(app, Operation::RotateSigningKey, |permit| async move { signing::rotate(app, &permit).await });
    let key = key.await?;
    print(&format!("signing key {} takes over at {}\n", key.id, iso(key.active_from)))
}
