//! The confusion matrix and what changes how it is shown.

use super::Memory;
use crate::engine::Evaluation;
use crate::ui::icons::Icon;
use crate::ui::state::{Selection, ShownEvaluation};
use crate::ui::theme::{Palette, space};
use crate::ui::widgets::confusion_matrix::{self, CellValue, MatrixView};
use crate::ui::widgets::{caption, icon_button};
use crate::ui::{Action, AppState};
use egui::{Button, Rect, Sense, Ui, vec2};

/// Width of the tab with the matrix of `classes` classes on a screen `width` points wide: few classes need no more than their cells may
/// have; many get all that leaves room for pictures side by side.
pub(super) fn width(width: f32, classes: usize) -> f32 {
    let most = width.max(0.0) * if classes > 30 { 0.68 } else { 0.58 };
    (classes as f32 * confusion_matrix::MAX_CELL + 130.0).max(360.0).min(most)
}

/// Draws it into the space left.
pub(super) fn show(
    ui: &mut Ui,
    state: &AppState,
    shown: &ShownEvaluation,
    memory: &mut Memory,
    actions: &mut Vec<Action>,
) {
    let e = &shown.evaluation;
    toolbar(ui, e, memory);
    ui.add_space(space::S);
    let selected = match state.selection {
        Some(Selection::Cell { truth, predicted }) => Some((truth, predicted)),
        _ => None,
    };
    let view = MatrixView { matrix: &e.confusion, classes: &e.classes, value: memory.value, selected };
    if let Some((truth, predicted)) = view.show(ui, &mut memory.zoom) {
        memory.enlarged = None;
        actions.push(Action::Select(Some(Selection::Cell { truth, predicted })));
    }
}

/// Counts or shares, the colour scale, and zoom where cells are too small for numbers.
fn toolbar(ui: &mut Ui, e: &Evaluation, memory: &mut Memory) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        for (value, word, why) in [
            (CellValue::Counts, "Counts", "Show how many pictures are in each cell"),
            (
                CellValue::RowShares,
                "Row shares",
                "Show which share of the true class's pictures is in each cell",
            ),
        ] {
            if ui.add(Button::selectable(memory.value == value, word)).on_hover_text(why).clicked() {
                memory.value = value;
            }
        }
        ui.add_space(space::M);
        scale(ui, e, memory.value);
        if e.classes.len() > 10 {
            ui.add_space(space::S);
            if icon_button(ui, Icon::ZoomIn, "Zoom in").clicked() {
                memory.zoom.by(1.5);
            }
            ui.add_enabled_ui(!memory.zoom.is_fit(), |ui| {
                if icon_button(ui, Icon::ZoomOut, "Zoom out").clicked() {
                    memory.zoom.by(1.0 / 1.5);
                }
                if icon_button(ui, Icon::Maximize, "Show the whole matrix").clicked() {
                    memory.zoom.fit();
                }
            });
        }
    });
}

/// What the colours mean: from nothing to the fullest.
fn scale(ui: &mut Ui, e: &Evaluation, value: CellValue) {
    let p = Palette::of(ui);
    let n = e.classes.len();
    let most = (0..n).flat_map(|t| (0..n).map(move |q| (t, q))).map(|(t, q)| e.confusion.count(t, q)).max();
    let (end, what) = match value {
        CellValue::Counts => (most.unwrap_or(0).to_string(), "pictures in the fullest cell"),
        CellValue::RowShares => ("1.00".to_owned(), "all pictures of the true class"),
    };
    caption(ui, "0");
    let (rect, response) = ui.allocate_exact_size(vec2(72.0, 8.0), Sense::hover());
    let ramp = confusion_matrix::ramp(&p);
    const STEPS: usize = 24;
    let step = rect.width() / STEPS as f32;
    for i in 0..STEPS {
        let min = rect.min + vec2(i as f32 * step, 0.0);
        let part = Rect::from_min_size(min, vec2(step + 0.5, rect.height()));
        ui.painter().rect_filled(part, 0, ramp.at(i as f32 / (STEPS - 1) as f32));
    }
    caption(ui, end.as_str());
    response.on_hover_text(format!(
        "Colour scale: from 0 to {end}, {what}. The outlined diagonal is what is right"
    ));
}

#[cfg(test)]
mod tests {
    use super::width;

    #[test]
    fn the_matrix_leaves_room_for_pictures_however_narrow_the_window_is() {
        for classes in [1, 2, 10, 100] {
            for room in [-20.0, 0.0, 100.0, 540.0, 900.0, 3000.0] {
                let matrix = width(room, classes);
                assert!((0.0..=room.max(0.0) * 0.7).contains(&matrix), "{classes} {room} {matrix}");
            }
        }
        assert_eq!(width(900.0, 1), 360.0);
    }
}
