//! `keytower user`: manages users as the operator of the machine, whether the service runs or not.

use serde_json::{Map, Value};

use super::{open, print, work};
use crate::config::Settings;
use crate::domain::operation::Operation;
use crate::domain::permission::PRESETS;
use crate::domain::user::LOCAL;
use crate::error::{Error, Kind, Result};
use crate::service::login::mfa;
use crate::service::people::users;

/// Makes and deletes users, sets passwords, and resets second factors.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a user with a random password, and print the password once.
    #[command(after_help = "Example:\n  keytower user create ci-admin --role ADMIN")]
    Create {
        /// Login name.
        username: String,
        /// Preset of the role: ROOT, ADMIN, USER_ADMIN, AUDITOR, READ_ONLY, VM_USER or WORKLOAD_CLUSTER_USER.
        #[arg(long, default_value = "READ_ONLY")]
        role: String,
    },
    /// Set a new random password for a user, and print it once. The user's tokens stop working at once; the user's API keys keep working.
    #[command(after_help = "Example:\n  keytower user set-password root")]
    SetPassword {
        /// Login name.
        username: String,
    },
    /// Remove all second factors of a user who lost them. The user's tokens stop working. API keys minted under these factors are suspended
    /// until the user confirms the keys.
    #[command(after_help = "Example:\n  keytower user reset-mfa root")]
    ResetMfa {
        /// Login name.
        username: String,
    },
    /// Delete a user. The user's tokens and API keys stop working at once.
    #[command(after_help = "Example:\n  keytower user delete ci-admin")]
    Delete {
        /// Login name.
        username: String,
    },
}

pub(super) async fn run(settings: Settings, command: Command) -> Result<()> {
    let done = match command {
        Command::Create { username, role } => {
            if !PRESETS.iter().any(|preset| preset.name == role) {
                let known: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
                return Err(Error::invalid(format!("there is no role {role}: known are {}", known.join(", "))));
            }
            let (app, username, role) = (&open(settings).await?, &username, &role);
            let password = work(app, Operation::CreateUser, |permit| async move {
                users::create_with_password(app, &permit, username.clone(), role).await
            });
            let password = password.await?;
            format!(
                "made {username} with the role {role}; the password, shown this once:\n\n    {}\n\n",
                password.expose()
            )
        }
        Command::SetPassword { username } => {
            let (app, user) = (&open(settings).await?, local(&username));
            let done = work(app, Operation::SetPassword, |permit| async move {
                users::set_made_up_password(app, &permit, user).await
            });
            let password = done.await.map_err(|error| named(error, &username))?;
            format!("{username} has another password, shown this once:\n\n    {}\n\n", password.expose())
        }
        Command::ResetMfa { username } => {
            let (app, user) = (&open(settings).await?, local(&username));
            let done = work(app, Operation::ResetMfa, |permit| async move { mfa::reset(app, &permit, user).await });
            done.await.map_err(|error| named(error, &username))?;
            format!(
                "{username} has no second factor any more: its tokens are dead, its keys minted under one are suspended\n"
            )
        }
        Command::Delete { username } => {
            let (app, user) = (&open(settings).await?, local(&username));
            let done =
                work(app, Operation::DeleteUser, |permit| async move { users::delete(app, &permit, user).await });
            done.await.map_err(|error| named(error, &username))?;
            format!("deleted {username}: its tokens and API keys are dead\n")
        }
    };
    print(&done)
}

/// Adds the username to a `NotFound` error.
fn named(error: Error, username: &str) -> Error {
    match error.kind() {
        Kind::NotFound => Error::new(Kind::NotFound, format!("there is no user {username:?}")),
        _ => error,
    }
}

/// Returns the `where` conditions that select the local user with a login name.
fn local(username: &str) -> Map<String, Value> {
    [("username", username), ("source", LOCAL)]
        .map(|(name, value)| (name.to_owned(), value.into()))
        .into_iter()
        .collect()
}
