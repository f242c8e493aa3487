//! The window. Views are functions of state that return actions; nothing here computes, reads files or blocks.
//!
//! [`state::AppState`] is what the window knows. Each module under [`views`] draws one screen from it, read-only, and
//! pushes [`actions::Action`]s, which [`App`] carries out after drawing. Worker events enter the state through
//! [`state::AppState::absorb`], which knows nothing of egui.

pub mod actions;
pub mod app;
mod apply;
pub mod commands;
mod dialogs;
mod disk;
pub mod fonts;
mod frames;
pub mod icons;
pub mod previews;
pub mod shell;
pub mod state;
pub mod theme;
pub mod thumbnails;
pub mod views;
pub mod widgets;

pub use actions::Action;
pub use app::App;
pub use state::{AppState, Screen};
pub use views::ViewContext;
