//! The Model screen: which network, with which weights, what is frozen, and the head on top.

mod backbone_list;
mod panel;
mod stages;
mod weights;

use super::ViewContext;
use crate::ui::theme::{Palette, space};
use crate::ui::widgets::PathField;
use crate::ui::{Action, AppState};
use egui::{RichText, ScrollArea, Ui};

/// What the view remembers between frames.
#[derive(Debug, Default)]
pub struct Memory {
    path: PathField,
    /// Widths of hidden layers while they are typed.
    hidden: Option<String>,
}

/// Draws the backbones.
pub fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    ui.horizontal(|ui| {
        ui.label(RichText::new("Backbone").text_style(egui::TextStyle::Heading));
        ui.add_space(space::S);
        let text = "A network that has learned to see on other pictures. Its knowledge is the head start.";
        ui.add(egui::Label::new(RichText::new(text).color(p.muted)).truncate());
    });
    ui.add_space(space::XS);
    backbone_list::columns(ui);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| backbone_list::show(ui, state, cx, actions));
}

/// Draws what learns, and the head.
pub fn inspector(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    panel::show(ui, state, cx, actions);
}
