//! One module a screen. `show` draws the screen's subject, `inspector` the settings and details to its right; both only
//! read the state and push [`Action`]s.

pub mod data;
mod decide;
pub mod evaluate;
pub mod export;
pub mod model;
pub mod predict;
pub mod start;
pub mod train;

use super::previews::Previews;
use super::thumbnails::Thumbnails;
use super::widgets::point_cloud::Surface;
use super::{Action, AppState, Screen};

/// What views may change: textures of thumbnails, and what each view remembers between frames.
#[derive(Debug, Default)]
pub struct ViewContext {
    /// How the window's surface stores colours, for what is drawn without egui.
    pub surface: Surface,
    /// Small pictures, decoded in the background.
    pub thumbnails: Thumbnails,
    /// Varied training pictures, made in the background.
    pub previews: Previews,
    /// The list of commands.
    pub palette: super::shell::palette::Memory,
    /// The parts of the window that the keyboard goes through.
    pub panes: super::shell::panes::Memory,
    /// The Start screen's.
    pub start: start::Memory,
    /// The Data screen's.
    pub data: data::Memory,
    /// The Model screen's.
    pub model: model::Memory,
    /// The Train screen's.
    pub train: train::Memory,
    /// The Evaluate screen's.
    pub evaluate: evaluate::Memory,
    /// The Predict screen's.
    pub predict: predict::Memory,
    /// The Export screen's.
    pub export: export::Memory,
}

/// Draws the subject of the screen on show.
pub fn show(ui: &mut egui::Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    match state.screen {
        Screen::Start => start::show(ui, state, cx, actions),
        Screen::Data => data::show(ui, state, cx, actions),
        Screen::Model => model::show(ui, state, cx, actions),
        Screen::Train => train::show(ui, state, cx, actions),
        Screen::Evaluate => evaluate::show(ui, state, cx, actions),
        Screen::Predict => predict::show(ui, state, cx, actions),
        Screen::Export => export::show(ui, state, cx, actions),
    }
}

/// Whether the screen on show has an inspector now.
pub fn has_inspector(state: &AppState) -> bool {
    match state.screen {
        Screen::Start => false,
        Screen::Data => state.preflight.is_some(),
        Screen::Model | Screen::Train | Screen::Predict | Screen::Export => true,
        Screen::Evaluate => state.evaluation.is_some() && state.evaluate_tab.has_inspector(),
    }
}

/// Draws the inspector of the screen on show.
pub fn inspector(ui: &mut egui::Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    match state.screen {
        Screen::Start => {}
        Screen::Data => data::inspector(ui, state, cx, actions),
        Screen::Model => model::inspector(ui, state, cx, actions),
        Screen::Train => train::inspector(ui, state, cx, actions),
        Screen::Evaluate => evaluate::inspector(ui, state, cx, actions),
        Screen::Predict => predict::inspector(ui, state, cx, actions),
        Screen::Export => export::inspector(ui, state, cx, actions),
    }
}
