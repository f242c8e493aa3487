//! Backbones: logits and training steps against torchvision, and everything about weight files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod cnn;
mod explain;
mod golden;
mod support;
mod threads;
mod transformer;
mod weights;
