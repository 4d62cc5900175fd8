//! The command line. `keytower` without a command runs the service.

mod audit;
mod healthcheck;
mod inventory;
mod mail;
mod node;
mod policy;
mod serve;
mod signing_key;
mod user;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::app::App;
use crate::auth::random::SystemRandom;
use crate::config::Settings;
use crate::domain::caller::Caller;
use crate::domain::clock::SystemClock;
use crate::domain::operation::Operation;
use crate::domain::permit::Permit;
use crate::domain::secret::Password;
use crate::error::{Error, Result};
use crate::service::door;
use crate::service::setup;
use crate::telemetry;
use crate::{graphql, rest};

/// Self-hosted API keys: people log in and mint revocable keys, automation uses them on GraphQL and REST.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Settings come from defaults, then a TOML file, then KEYTOWER_* in the environment.\n\n\
                  Example:\n  KEYTOWER_LISTEN=127.0.0.1:9000 keytower\n  keytower inventory import examples/inventory.json"
)]
struct Arguments {
    /// Settings file (TOML), in place of the file that KEYTOWER_CONFIG names.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service (the default without a command).
    #[command(after_help = "Example:\n  KEYTOWER_DATABASE_URL=postgres://keytower@127.0.0.1/keytower keytower serve")]
    Serve,
    /// Load the inventory that the lists show, from a file or from a CloudTower.
    #[command(subcommand, after_help = "Example:\n  keytower inventory import examples/inventory.json")]
    Inventory(inventory::Command),
    /// Make and delete users, set passwords, and reset second factors, as the operator of this machine.
    #[command(subcommand, after_help = "Example:\n  keytower user create ci-admin --role ADMIN")]
    User(user::Command),
    /// Check the audit logs.
    #[command(subcommand, after_help = "Example:\n  keytower audit verify")]
    Audit(audit::Command),
    /// Make this node active or passive, or show its state.
    #[command(subcommand, after_help = "Example:\n  keytower node passive")]
    Node(node::Command),
    /// Reset policies that lock users out, as the operator of this machine.
    #[command(subcommand, after_help = "Example:\n  keytower policy unlock")]
    Policy(policy::Command),
    /// Test the mail settings.
    #[command(subcommand, after_help = "Example:\n  keytower mail test --to operator@example.com")]
    Mail(mail::Command),
    /// Replace the key that signs tokens.
    #[command(subcommand, after_help = "Example:\n  keytower signing-key rotate")]
    SigningKey(signing_key::Command),
    /// Print a contract: the GraphQL schema or the OpenAPI document.
    #[command(after_help = "Example:\n  keytower schema graphql > schema.graphql")]
    Schema {
        /// Which contract to print.
        which: Contract,
    },
    /// Ask the service on this machine whether it is ready; exit code 0 if it is.
    #[command(after_help = "Example:\n  keytower healthcheck || echo not ready")]
    Healthcheck,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Contract {
    /// schema.graphql
    Graphql,
    /// openapi.json
    Openapi,
}

/// Runs the command line. Exit codes: 0 for success, 1 for failure, 2 for a wrong command line, 74 if the error can't be printed.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.map_err(Error::internal).and_then(|runtime| runtime.block_on(run(arguments)));
    match done {
        Ok(code) => code,
        Err(error) => {
            let text = error.public();
            let cause = error.cause().map(|cause| format!(": {cause}")).unwrap_or_default();
            // The operator may read the internal text, unlike a caller of an API.
            let written = writeln!(std::io::stderr(), "keytower: {text}{cause}");
            ExitCode::from(if written.is_ok() { 1 } else { 74 })
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    if let Some(Command::Schema { which }) = arguments.command {
        return schema(which).map(|()| ExitCode::SUCCESS);
    }
    let given = match &arguments.command {
        Some(Command::Inventory(command)) => command.settings()?,
        _ => Vec::new(),
    };
    let settings = Settings::load_with(arguments.config.as_deref(), environment()?, given)?;
    telemetry::start(&settings);
    match arguments.command {
        None | Some(Command::Serve) => serve::run(settings).await?,
        Some(Command::Inventory(command)) => inventory::run(settings, command).await?,
        Some(Command::User(command)) => user::run(settings, command).await?,
        Some(Command::Audit(command)) => audit::run(&settings, command).await?,
        Some(Command::Node(command)) => node::run(&settings, command)?,
        Some(Command::Policy(command)) => policy::run(settings, command).await?,
        Some(Command::Mail(command)) => mail::run(&settings, command).await?,
        Some(Command::SigningKey(command)) => signing_key::run(settings, command).await?,
        Some(Command::Healthcheck) => return healthcheck::run(&settings).await,
        Some(Command::Schema { .. }) => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn environment() -> Result<Vec<(String, String)>> {
    let own = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    own.filter(|(name, _)| name.starts_with(crate::config::ENV_PREFIX))
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(Error::invalid(format!("{name} must be UTF-8"))),
        })
        .collect()
}

fn schema(which: Contract) -> Result<()> {
    let text = match which {
        Contract::Graphql => graphql::schema::sdl().map_err(Error::internal)?,
        Contract::Openapi => serde_json::to_string_pretty(&rest::openapi::document()).map_err(Error::internal)? + "\n",
    };
    print(&text)
}

/// Opens the database as the service does, so that a command works whether the service runs or not. On a new database, this is the first
/// start: it creates the user `root` and prints the password.
async fn open(settings: Settings) -> Result<Arc<App>> {
    let (app, made_up) = setup::start(settings, Arc::new(SystemClock), Arc::new(SystemRandom)).await?;
    if let Some(password) = made_up {
        print(&root_was_made(&password))?;
    }
    Ok(app)
}

/// Runs an operation as the operator through [`door::enter`], then closes the database.
async fn work<T, F: Future<Output = Result<T>>>(
    app: &App,
    operation: Operation,
    work: impl FnOnce(Permit) -> F,
) -> Result<T> {
    let done = door::enter(app, &Caller::operator(), operation, work).await;
    app.store.close().await;
    done
}

fn root_was_made(password: &Password) -> String {
    format!("\nThe user root was made. Its password is shown this once:\n\n    {}\n\n", password.expose())
}

/// Writes to standard output; a closed pipe is an error, not a panic.
fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| Error::internal(format!("standard output: {error}")))
}
