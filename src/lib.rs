//! Headstart: transfer learning on your own pictures.
//!
//! Imports point one way: `ui, cli → session → {engine, export} → {backbones, data} → {nn, config} → error`.
//! `tests/architecture.rs` fails on any other direction. Tensors are channels-last, `[N, H, W, C]` f32, everywhere inside;
//! file formats convert at the border.

pub mod backbones;
pub mod cli;
pub mod config;
pub mod data;
pub mod engine;
pub mod error;
pub mod export;
pub mod nn;
pub mod session;
#[cfg(feature = "gui")]
pub mod ui;

pub use error::{Error, ErrorKind, Result};
