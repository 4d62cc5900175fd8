//! `keytower node`: beside a running node, with its configuration.

use super::print;
use crate::config::Settings;
use crate::error::Result;
use crate::node::{Node, word};

/// Makes a node active or passive, or tells what it is.
#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub(super) enum Command {
    /// From the next request on the node answers API requests with 307; the change survives a restart.
    #[command(after_help = "Example:\n  KEYTOWER_DATA_DIR=/var/lib/keytower keytower node passive")]
    Passive,
    /// From the next request on the node serves; the change survives a restart.
    #[command(after_help = "Example:\n  KEYTOWER_DATA_DIR=/var/lib/keytower keytower node active")]
    Active,
    /// Tell whether the node is active or passive, and who says so.
    #[command(after_help = "Example:\n  KEYTOWER_DATA_DIR=/var/lib/keytower keytower node status")]
    Status,
}

pub(super) fn run(settings: &Settings, command: Command) -> Result<()> {
    let node = Node::new(&settings.data_dir, settings.passive);
    let set = |passive| {
        node.set(passive)?;
        print(&format!("the node is {} from its next request on\n", word(passive)))
    };
    match command {
        Command::Passive => set(true),
        Command::Active => set(false),
        Command::Status => print(&format!("{}\n", node.status()?)),
    }
}
