//! `keytower node`: makes a node active or passive, whether the node runs or not. Requires the settings of that node.

use super::print;
use crate::config::Settings;
use crate::error::Result;
use crate::node::{Node, word};

/// Makes a node active or passive, or shows whether the node is active or passive.
#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub(super) enum Command {
    /// Make the node passive: from the next request on, it answers API requests with 307. The change survives a restart.
    #[command(after_help = "Example:\n  KEYTOWER_DATA_DIR=/var/lib/keytower keytower node passive")]
    Passive,
    /// Make the node active: from the next request on, it serves API requests. The change survives a restart.
    #[command(after_help = "Example:\n  KEYTOWER_DATA_DIR=/var/lib/keytower keytower node active")]
    Active,
    /// Show whether the node is active or passive, and whether a command or the setting decided that.
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
