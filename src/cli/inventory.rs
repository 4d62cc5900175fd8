//! `keytower inventory`: loads the inventory.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::{open, print, work};
use crate::config::Settings;
use crate::domain::operation::Operation;
use crate::error::{Error, Result};
use crate::service::inventory::{Mirrored, Progress, import, sync};

/// Loads the inventory.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Import data centers, clusters, hosts and VMs from a JSON file; records replace local records with the same id.
    ///
    /// The file is one JSON object. Its members datacenters, clusters, hosts and vms are lists in the form that the get-… routes return. If
    /// a record is wrong, the error names line, path and reason, and nothing is imported. keytower only stores and shows the records; it
    /// touches no machine.
    #[command(after_help = "Example:\n  keytower inventory import examples/inventory.json")]
    Import {
        /// The JSON file.
        file: PathBuf,
    },
    /// Mirror the inventory of a CloudTower: afterwards the local inventory contains what the upstream contains, and nothing else.
    ///
    /// Reads data centers, clusters, hosts and VMs page by page and checks them, then writes all or none. Removes local records that the
    /// upstream does not have, including imported records. Touches no machine. Without arguments, reads from the upstream in the settings.
    /// A password or an API key is never an argument, since other users of the machine could read it there: it comes from
    /// KEYTOWER_UPSTREAM_PASSWORD or KEYTOWER_UPSTREAM_API_KEY, from the settings file, or from a separate file.
    #[command(
        after_help = "Examples:\n  keytower inventory sync\n  keytower inventory sync --from https://tower.example \
                      --username mirror --password-file /run/secrets/tower\n  KEYTOWER_UPSTREAM_API_KEY=$KEY keytower \
                      inventory sync --from https://tower.example"
    )]
    Sync(Upstream),
}

/// The upstream and the credential for the upstream, in place of the settings.
#[derive(Debug, clap::Args)]
pub(super) struct Upstream {
    /// Address of the CloudTower, in place of the setting upstream_url.
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// Local user at the CloudTower, in place of upstream_username.
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// File with that user's password, in place of upstream_password; - reads standard input.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// File with an API key of the CloudTower, in place of upstream_api_key; - reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["username", "password_file"])]
    api_key_file: Option<PathBuf>,
}

impl Command {
    /// Returns the settings that the command-line arguments set, each as the name of the argument, the name of the setting, and the value.
    pub(super) fn settings(&self) -> Result<Vec<(&'static str, &'static str, String)>> {
        let Self::Sync(upstream) = self else { return Ok(Vec::new()) };
        let mut given = Vec::new();
        given.extend(upstream.from.clone().map(|url| ("--from", "upstream_url", url)));
        if let Some(name) = &upstream.username {
            given.push(("--username", "upstream_username", name.clone()));
            given.push(("--username", "upstream_api_key", String::new()));
        }
        if let Some(file) = &upstream.password_file {
            given.push(("--password-file", "upstream_password", secret(file)?));
        }
        if let Some(file) = &upstream.api_key_file {
            given.push(("--api-key-file", "upstream_api_key", secret(file)?));
            given.push(("--api-key-file", "upstream_username", String::new()));
            given.push(("--api-key-file", "upstream_password", String::new()));
        }
        Ok(given)
    }
}

/// Reads a secret from a file; drops the line end that editors append.
fn secret(file: &Path) -> Result<String> {
    let read =
        if file == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    let mut text = read.map_err(|error| Error::invalid(format!("{} can't be read: {error}", file.display())))?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    if text.is_empty() { Err(Error::invalid(format!("{} is empty", file.display()))) } else { Ok(text) }
}

pub(super) async fn run(settings: Settings, command: Command) -> Result<()> {
    match command {
        Command::Import { file } => import_file(settings, &file).await,
        Command::Sync(_) => mirror(settings).await,
    }
}

async fn import_file(settings: Settings, file: &Path) -> Result<()> {
    let shown = file.display();
    let text =
        std::fs::read_to_string(file).map_err(|error| Error::invalid(format!("{shown} can't be read: {error}")))?;
    let (app, text) = (&open(settings).await?, &text);
    let totals = work(app, Operation::ImportInventory, |permit| async move {
        import(app, &permit, text, |progress| show("", progress)).await
    });
    let totals = totals.await;
    wipe();
    let totals = totals.map_err(|error| match error.cause() {
        None => Error::invalid(format!("{shown}:\n{}", error.public())),
        Some(_) => error,
    })?;
    let totals: Vec<String> = totals.iter().map(|total| format!("{} {}", total.of, total.list)).collect();
    print(&format!("imported {}\n", totals.join(", ")))
}

async fn mirror(settings: Settings) -> Result<()> {
    let app = &open(settings).await?;
    let reading = |progress: Progress| {
        show("reading ", progress);
        // Without a terminal, print progress as one line for each list that was read completely.
        if progress.done == progress.of && !std::io::stderr().is_terminal() {
            tell(&format!("read {}: {}\n", progress.list, progress.of));
        }
    };
    let mirrored = work(app, Operation::ImportInventory, |permit| async move {
        sync(app, &permit, reading, |progress| show("writing ", progress)).await
    });
    let mirrored = mirrored.await;
    wipe();
    let total = |Mirrored { list, rows, removed }: &Mirrored| match removed {
        0 => format!("{rows} {list}"),
        _ => format!("{rows} {list} ({removed} removed)"),
    };
    print(&format!("mirrored {}\n", mirrored?.iter().map(total).collect::<Vec<_>>().join(", ")))
}

/// Shows progress if standard error is a terminal. Each call overwrites the same line.
fn show(verb: &str, Progress { list, done, of }: Progress) {
    if std::io::stderr().is_terminal() {
        tell(&format!("\r{verb}{list}: {done} of {of}\x1b[K"));
    }
}

fn wipe() {
    if std::io::stderr().is_terminal() {
        tell("\r\x1b[K");
    }
}

/// Writes to standard error. Text that can't be printed must not stop the work.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
