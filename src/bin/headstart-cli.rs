//! The same jobs without a window.

use headstart::nn::ops::memory::RecyclingAllocator;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: RecyclingAllocator = RecyclingAllocator;

fn main() -> ExitCode {
    headstart::cli::main()
}
