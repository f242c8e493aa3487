//! The golden tests of operations and a few steps of training on the graphics card that is there: `cargo test --features cuda
//! --test card` (or `--features metal`). Where there is none each test says that it has not run.
#![cfg(any(feature = "cuda", feature = "metal"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(
    clippy::duplicate_mod,
    reason = "the files are tests of their own, too, with the helpers that they share"
)]

#[path = "card/convolution.rs"]
mod convolution;
#[path = "nn_golden.rs"]
mod nn_golden;
#[path = "ops_golden.rs"]
mod ops_golden;
#[path = "ops_transformer_golden.rs"]
mod ops_transformer_golden;
#[path = "short_training.rs"]
mod short_training;
#[path = "tensor_training.rs"]
mod tensor_training;
