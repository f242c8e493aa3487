//! Models for other tools: the bundle (`model.safetensors`, `config.json` in timm's form, `README.md`).

pub mod atomic;
pub mod bundle;
pub mod card;
mod timm;

pub use bundle::{Bundle, export_bundle, find_bundle, read_bundle, write_bundle};
pub use card::Card;
