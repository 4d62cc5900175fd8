//! Entry point of the `keytower` program.

use std::process::ExitCode;

/// Returns memory to the system soon after a large answer. The C library's allocator keeps it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keytower::cli::main()
}
