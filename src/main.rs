//! Entry point of the `keytower` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    keytower::cli::main()
}
