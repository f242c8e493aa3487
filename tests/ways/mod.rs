//! The paths on which a golden test runs: the processor's kernels and, on the processor too, the tensor operations by which other
//! devices compute. Included by `card.rs`, the same test runs on the graphics card instead, and by `emulated_card.rs` with the
//! kernels for cards on the processor.

#![allow(dead_code, unused_imports, unused_macros, reason = "not every test file needs all of it")]
#![allow(clippy::print_stdout, reason = "shown where a test fails")]

use candle_core::Device;
use headstart::nn::ops::tensors;
use std::io::Write;
use std::sync::OnceLock;

/// Tests of these names, each of which runs every way.
macro_rules! every_way {
    ($($name:ident),* $(,)?) => {
        mod every_way {
            $(
                #[test]
                fn $name() {
                    super::ways::run(stringify!($name), super::$name);
                }
            )*
        }
    };
}
pub(crate) use every_way;

/// Whether these are the tests of the graphics card.
const ON_CARD: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"card");

/// Whether these are the tests of the kernels for cards without a card.
const EMULATED: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"emulated_card");

/// The device on which operands are made.
pub(crate) fn device() -> Device {
    match card() {
        Ok(card) if ON_CARD => card.clone(),
        _ => Device::Cpu,
    }
}

/// The graphics card, opened once: tensors of two openings do not meet.
fn card() -> &'static Result<Device, String> {
    static CARD: OnceLock<Result<Device, String>> = OnceLock::new();
    CARD.get_or_init(|| {
        if !ON_CARD {
            return Err("not asked for".to_owned());
        }
        opened().map_err(|e| e.to_string().lines().next().unwrap_or_default().to_owned())
    })
}

#[cfg(feature = "cuda")]
fn opened() -> candle_core::Result<Device> {
    headstart::nn::ops::card::open(0)
}

#[cfg(not(feature = "cuda"))]
fn opened() -> candle_core::Result<Device> {
    Device::new_metal(0)
}

/// Runs a test every way.
pub(crate) fn run(name: &str, test: impl Fn()) {
    if EMULATED {
        return elsewhere(test);
    }
    if !ON_CARD {
        test();
        println!("by tensor operations:");
        return elsewhere(test);
    }
    if !card_is_missing(name) {
        test();
    }
}

/// Calls `body` with operations computed as by a device other than the processor.
pub(crate) fn elsewhere<R>(body: impl FnOnce() -> R) -> R {
    #[cfg(feature = "emulated-card")]
    if EMULATED {
        return headstart::nn::ops::card::emulated(body);
    }
    tensors::forced(body)
}

/// Whether a test of the card cannot run, which it then says.
pub(crate) fn card_is_missing(name: &str) -> bool {
    let Err(why) = card() else { return false };
    if ON_CARD {
        // Past the test harness, which would keep it to itself.
        drop(writeln!(std::io::stderr(), "NOT RUN, no card: {name} ({why})"));
    }
    ON_CARD
}
