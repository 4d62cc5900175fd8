//! `keytower audit`: checks the audit logs.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

use super::print;
use crate::config::Settings;
use crate::domain::audit::Log;
use crate::error::{Error, Result};
use crate::service::audit::{End, verify};
use crate::service::setup;

/// Checks the audit logs.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check that no row of the audit logs was edited, removed, moved or added by anybody but keytower.
    ///
    /// Reads all rows, whether the service runs or not, and writes nothing. Requires the master key, from which the key of the codes that
    /// chain the rows is derived. Prints the number of rows in each log, and the end of each log, which is the position and the code of its
    /// last row. Lists each fault with the affected rows; if there is a fault, the exit code is 1.
    ///
    /// Keep the printed ends outside of the database. A database that was restored to an older state has no fault in itself. Only the
    /// comparison with an end that was printed later than that state reveals the restore.
    #[command(after_help = "Examples:\n  keytower audit verify\n  \
                            keytower audit verify --noted user_audit_logs:120:k3xT0cDHxvlzAvMn_rq9Wk1WkOpm5uLr3EBjh0xSyNY")]
    Verify {
        /// The end of a log, as an earlier check printed it: the log must still contain that row. Can be given several times.
        #[arg(long, value_name = "END")]
        noted: Vec<End>,
    },
}

pub(super) async fn run(settings: &Settings, Command::Verify { noted }: Command) -> Result<()> {
    let (store, vault) = setup::look(settings).await?;
    let watched = std::io::stderr().is_terminal();
    let progress = |log: Log, rows| {
        if watched {
            // Progress that can't be printed must not stop the work.
            let _ = write!(std::io::stderr(), "\r{}: {rows} rows\x1b[K", log.table());
        }
    };
    let findings = verify(&store, &vault, &noted, progress).await;
    if watched {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    store.close().await;
    let findings = findings?;
    let mut told = String::new();
    for log in &findings {
        let (table, rows, end) = (log.end.log.table(), log.rows, &log.end);
        let _ = writeln!(told, "{table}: {rows} rows, the last is {end}");
        for fault in &log.faults {
            let _ = writeln!(told, "{table}: {fault}");
        }
    }
    print(&told)?;
    match findings.iter().map(|log| log.faults.len()).sum() {
        0 => print("the audit logs are as they were written\n"),
        faults => {
            let faults = if faults == 1 { "1 fault was".to_owned() } else { format!("{faults} faults were") };
            Err(Error::invalid(format!("the audit logs are not as they were written: {faults} found")))
        }
    }
}
