//! The program.

use std::process::ExitCode;

fn main() -> ExitCode {
    keytower::cli::main()
}
