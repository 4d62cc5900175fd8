//! `keytower inventory`.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use super::{open, print};
use crate::config::Settings;
use crate::domain::caller::Caller;
use crate::error::{Error, Result};
use crate::service::inventory::{Progress, import};

/// Loads the inventory.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Import data centers, clusters, hosts and VMs from a JSON file; records replace those with the same id.
    ///
    /// The file is one JSON object whose members datacenters, clusters, hosts and vms are lists in the shape that the get-… routes
    /// answer. A wrong record is named by line, path and reason, and nothing is imported. keytower keeps this record and shows it;
    /// no machine is touched.
    #[command(after_help = "Example:\n  keytower inventory import examples/inventory.json")]
    Import {
        /// The JSON file.
        file: PathBuf,
    },
}

pub(super) async fn run(settings: Settings, Command::Import { file }: Command) -> Result<()> {
    let shown = file.display();
    let text =
        std::fs::read_to_string(&file).map_err(|error| Error::invalid(format!("{shown} can't be read: {error}")))?;
    let app = open(settings).await?;
    let watched = std::io::stderr().is_terminal();
    let progress = |Progress { list, done, of }| {
        if watched {
            // What can't be shown must not stop the work.
            let _ = write!(std::io::stderr(), "\r{list}: {done} of {of}\x1b[K");
        }
    };
    let totals = import(&app, &Caller::operator(), &text, progress).await;
    if watched {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    app.store.close().await;
    let totals = totals.map_err(|error| match error.cause() {
        None => Error::invalid(format!("{shown}:\n{}", error.public())),
        Some(_) => error,
    })?;
    let totals: Vec<String> = totals.iter().map(|total| format!("{} {}", total.of, total.list)).collect();
    print(&format!("imported {}\n", totals.join(", ")))
}
