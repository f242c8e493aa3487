//! One picture alone, with all its probabilities.

use super::pictures;
use crate::data::Dataset;
use crate::engine::Prediction;
use crate::ui::Action;
use crate::ui::state::{Selection, ShownEvaluation};
use crate::ui::theme::{class_colour, space};
use crate::ui::views::{ViewContext, decide};
use crate::ui::widgets::picture_grid::large_picture;
use crate::ui::widgets::probability_bars::{self, Bar};
use crate::ui::widgets::{caption, secondary_button};
use egui::{Id, Key, Modal, RichText, ScrollArea, Ui, vec2};

/// Room for what can be decided about the picture, in points.
const DECIDE: f32 = 90.0;

/// Draws it over the screen, where one is chosen.
pub(super) fn show(
    ui: &Ui,
    (shown, data): (&ShownEvaluation, Option<&Dataset>),
    selection: Selection,
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    let Some(place) = cx.evaluate.enlarged else { return };
    let found = cx.evaluate.found.of(&shown.evaluation, selection);
    let Some(prediction) = found.get(place).and_then(|&i| shown.evaluation.predictions.get(i)) else {
        cx.evaluate.enlarged = None;
        return;
    };
    let mut place = place;
    let mut close = false;
    let screen = ui.ctx().content_rect().size();
    let modal = Modal::new(Id::unique("enlarged picture")).show(ui.ctx(), |ui| {
        ui.set_width((screen.x - 160.0).clamp(0.0, 1040.0));
        ui.horizontal_top(|ui| {
            let side = (screen.y - 220.0).min(640.0).min(ui.available_width() - 340.0).max(0.0);
            let name = format!("Enlarged picture {}", prediction.rel);
            large_picture(
                ui,
                &mut cx.thumbnails,
                &shown.data_root.join(&prediction.rel),
                vec2(side, side),
                &name,
            );
            ui.add_space(space::M);
            ui.vertical(|ui| {
                details(ui, shown, prediction, side - DECIDE);
                if let Some(data) = data.filter(|d| d.root == shown.data_root) {
                    ui.add_space(space::S);
                    decide::controls(ui, data, &prediction.rel, actions);
                }
            });
        });
        ui.add_space(space::S);
        ui.horizontal(|ui| {
            ui.add_enabled_ui(place > 0, |ui| {
                if secondary_button(ui, "Previous").clicked() {
                    place -= 1;
                }
            });
            ui.add_enabled_ui(place + 1 < found.len(), |ui| {
                if secondary_button(ui, "Next").clicked() {
                    place += 1;
                }
            });
            caption(ui, format!("{} of {}", place + 1, found.len()));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                close = secondary_button(ui, "Close").clicked();
            });
        });
        ui.input(|i| {
            if i.key_pressed(Key::ArrowLeft) {
                place = place.saturating_sub(1);
            }
            if i.key_pressed(Key::ArrowRight) {
                place = (place + 1).min(found.len().saturating_sub(1));
            }
        });
    });
    cx.evaluate.enlarged = if close || modal.should_close() { None } else { Some(place) };
}

fn details(ui: &mut Ui, shown: &ShownEvaluation, prediction: &Prediction, height: f32) {
    let classes = &shown.evaluation.classes;
    let class = |c: usize| classes.get(c).map_or("?", String::as_str);
    let heading = if prediction.truth == prediction.predicted {
        format!("Rightly {}", class(prediction.truth))
    } else {
        format!("{} taken for {}", class(prediction.truth), class(prediction.predicted))
    };
    ui.label(RichText::new(heading).text_style(crate::ui::theme::section_style()));
    caption(ui, prediction.rel.as_str());
    ui.add_space(space::S);
    ScrollArea::vertical().max_height((height - 60.0).max(80.0)).auto_shrink([false, true]).show(ui, |ui| {
        let bars: Vec<Bar> = pictures::ranked(prediction)
            .into_iter()
            .map(|(c, probability)| Bar { name: class(c).to_owned(), probability, colour: class_colour(c) })
            .collect();
        let width = ui.available_width() - space::S;
        probability_bars::show(ui, &bars, width);
    });
}
