//! Entry point of the `keytower` program.

use std::process::ExitCode;

/// Memory allocator. It returns memory to the system soon after a large answer; the C library's allocator would keep the memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keytower::cli::main()
}
