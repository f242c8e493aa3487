//! The same jobs without a window.

use std::process::ExitCode;

fn main() -> ExitCode {
    headstart::cli::main()
}
