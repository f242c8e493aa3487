//! The Model screen: which network, with which weights, what is frozen, and the head on top.

mod backbone_list;
mod columns;
mod download;
mod memory;
mod panel;
mod stages;
mod weights;

use super::ViewContext;
use crate::ui::theme::{Palette, space};
use crate::ui::widgets::PathField;
use crate::ui::{Action, AppState};
use egui::style::ScrollAnimation;
use egui::{RichText, ScrollArea, Ui};

/// What the view remembers between frames.
#[derive(Debug, Default)]
pub struct Memory {
    path: PathField,
    /// The backbone that it is typed for.
    path_of: &'static str,
    /// Widths of hidden layers while they are typed.
    hidden: Option<String>,
    /// By which column the list is sorted; without one, as recommended.
    sort: Option<columns::Sort>,
    /// How much memory training would take.
    estimated: Option<memory::Estimated>,
    /// The network that was chosen when the list was drawn last; one that was chosen elsewhere is brought into view.
    chosen: String,
    /// The frame in which the screen was drawn last.
    drawn_in: Option<u64>,
    /// The frame in which it came on show.
    opened_in: u64,
}

impl Memory {
    /// Whether the screen was not on show in the frame before this one. A frame may be drawn in more than one pass.
    fn opens(&mut self, frame: u64) -> bool {
        if self.drawn_in.replace(frame).is_none_or(|before| before + 1 < frame) {
            self.opened_in = frame;
        }
        self.opened_in == frame
    }
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
    backbone_list::heads(ui, &mut cx.model.sort);
    let opens = cx.model.opens(ui.ctx().cumulative_frame_nr());
    let elsewhere = cx.model.chosen != state.config.backbone.name;
    state.config.backbone.name.clone_into(&mut cx.model.chosen);
    let asked = actions.len();
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let chosen = backbone_list::show(ui, state, cx, actions);
        if let Some(rect) = chosen.filter(|_| opens || elsewhere) {
            ui.scroll_to_rect_animation(rect, None, ScrollAnimation::none());
        }
    });
    // A row that was pressed stays where it is.
    if let Some(Action::ChooseBackbone(name)) = actions.get(asked) {
        (*name).clone_into(&mut cx.model.chosen);
    }
}

/// Draws what learns, and the head.
pub fn inspector(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    panel::show(ui, state, cx, actions);
}

#[cfg(test)]
mod tests {
    use super::Memory;

    #[test]
    fn the_screen_opens_in_one_frame_however_many_passes_draw_it() {
        let mut memory = Memory::default();
        let opens: Vec<bool> = [3, 3, 4, 5, 9, 9, 10].map(|frame| memory.opens(frame)).to_vec();
        assert_eq!(opens, [true, true, false, false, true, true, false]);
    }
}
