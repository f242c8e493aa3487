//! The golden tests of operations and a few steps of training with the kernels for NVIDIA cards, which the processor runs as a card
//! would: `cargo test --features emulated-card --test emulated_card`. What a card computes in other ways (convolutions, products) comes from
//! tensor operations here as there.
#![cfg(feature = "emulated-card")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(
    clippy::duplicate_mod,
    reason = "the files are tests of their own, too, with the helpers that they share"
)]

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
