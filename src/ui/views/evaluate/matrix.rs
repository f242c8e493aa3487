//! The confusion matrix and what changes how it is shown.

use super::Memory;
use crate::engine::Evaluation;
use crate::ui::icons::Icon;
use crate::ui::state::{Selection, ShownEvaluation};
use crate::ui::theme::{Palette, space};
use crate::ui::widgets::confusion_matrix::{self, CellValue, MatrixEvent, MatrixView, ZOOM_STEP};
use crate::ui::widgets::segmented::{self, Segment};
use crate::ui::widgets::{caption, icon_button};
use crate::ui::{Action, AppState};
use egui::{Rect, Sense, Ui, Vec2, vec2};
use std::sync::Arc;

/// Width of the tab with the matrix of `classes` classes on a screen with this much room: few classes need no more than their cells
/// may have, and none more than the height lets them have; many get all that leaves room for pictures side by side.
pub(super) fn width(room: Vec2, classes: usize) -> f32 {
    let most = room.x.max(0.0) * if classes > 30 { 0.68 } else { 0.58 };
    let above = if classes > 2 { ABOVE_MANY } else { ABOVE };
    let cells = (classes as f32 * confusion_matrix::max_cell(room.y - above)).min(room.y - above);
    (cells + BESIDE).max(360.0).min(most)
}

/// Least room for names beside the cells, in points.
const BESIDE: f32 = 130.0;
/// What stands above the cells at least; of more than two classes their names, upright, and their order.
const ABOVE: f32 = 90.0;
const ABOVE_MANY: f32 = 170.0;

/// Order of the classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MatrixOrder {
    /// As the data set names them.
    #[default]
    Named,
    /// Those that are taken for each other side by side.
    Clustered,
    /// As they were dragged.
    ByHand,
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
    ui.spacing_mut().item_spacing.y = space::XS;
    values(ui, e, memory);
    arrangement(ui, e, memory);
    ui.add_space(space::XS);
    let selected = match state.selection {
        Some(Selection::Cell { truth, predicted }) => Some((truth, predicted)),
        _ => None,
    };
    let order = order(ui, shown, memory);
    let view = MatrixView {
        matrix: &e.confusion,
        classes: &e.classes,
        order: &order,
        value: memory.value,
        selected,
    };
    let Some(event) = view.show(ui, &mut memory.zoom) else { return };
    let wanted = match event {
        MatrixEvent::Cell((truth, predicted)) => Selection::Cell { truth, predicted },
        MatrixEvent::Row(class) => Selection::Class(class),
        MatrixEvent::Column(class) => Selection::PredictedAs(class),
        MatrixEvent::Open(_) => return memory.enlarged = Some(0),
        MatrixEvent::Move { class, to } => {
            memory.by_hand = moved(&order, class, to);
            memory.order = MatrixOrder::ByHand;
            return;
        }
    };
    memory.enlarged = None;
    actions.push(Action::Select(Some(wanted)));
}

/// The class at each place.
fn order(ui: &Ui, shown: &ShownEvaluation, memory: &mut Memory) -> Vec<usize> {
    let n = shown.evaluation.classes.len();
    let order = match memory.order {
        MatrixOrder::Named => Vec::new(),
        MatrixOrder::ByHand => memory.by_hand.clone(),
        MatrixOrder::Clustered => {
            memory.analysed.of(ui.ctx(), &shown.evaluation).map_or_else(Vec::new, |a| a.clustered.clone())
        }
    };
    // Another evaluation may have other classes than those that were dragged.
    if order.len() == n { order } else { (0..n).collect() }
}

/// `order` with a class taken out and put back at another place.
fn moved(order: &[usize], class: usize, to: usize) -> Vec<usize> {
    let mut order: Vec<usize> = order.iter().copied().filter(|&c| c != class).collect();
    order.insert(to.min(order.len()), class);
    order
}

/// Counts or shares, and the colour scale.
fn values(ui: &mut Ui, e: &Evaluation, memory: &mut Memory) {
    ui.horizontal_wrapped(|ui| {
        let segment = |value, word, why| Segment { value, word, why };
        let segments = [
            segment(CellValue::Counts, "Counts", "Show how many pictures are in each cell"),
            segment(
                CellValue::RowShares,
                "By row",
                "Show which share of the true class's pictures is in each cell: recall on the diagonal",
            ),
            segment(
                CellValue::ColumnShares,
                "By column",
                "Show which share of the pictures called so is in each cell: precision on the diagonal",
            ),
        ];
        if let Some(value) = segmented::choice(ui, "Numbers in the cells", memory.value, &segments) {
            memory.value = value;
        }
        ui.add_space(space::S);
        scale(ui, e, memory.value);
    });
}

/// Order of the classes, and zoom where cells are too small for numbers.
fn arrangement(ui: &mut Ui, e: &Arc<Evaluation>, memory: &mut Memory) {
    if e.classes.len() <= 2 {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        let segment = |value, word, why| Segment { value, word, why };
        let segments = [
            segment(MatrixOrder::Named, "As named", "Classes in the data set's order"),
            segment(
                MatrixOrder::Clustered,
                "Similar together",
                "Classes that are taken for each other side by side (average linkage)",
            ),
            segment(MatrixOrder::ByHand, "By hand", "Classes as you dragged them by their names"),
        ];
        if let Some(order) = segmented::choice(ui, "Order of the classes", memory.order, &segments) {
            memory.order = order;
        }
        let waits = memory.order == MatrixOrder::Clustered && memory.analysed.of(ui.ctx(), e).is_none();
        if waits {
            caption(ui, "Looking which are similar…");
        }
        if e.classes.len() > confusion_matrix::FEW {
            ui.spacing_mut().item_spacing.x = space::XS;
            if icon_button(ui, Icon::ZoomIn, "Zoom in").clicked() {
                memory.zoom.by(ZOOM_STEP);
            }
            ui.add_enabled_ui(!memory.zoom.is_fit(), |ui| {
                if icon_button(ui, Icon::ZoomOut, "Zoom out").clicked() {
                    memory.zoom.by(1.0 / ZOOM_STEP);
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
    let (end, what) = match value {
        CellValue::Counts => (e.confusion.most().to_string(), "pictures in the fullest cell"),
        CellValue::RowShares => ("1.00".to_owned(), "all pictures of the true class"),
        CellValue::ColumnShares => ("1.00".to_owned(), "all pictures called so"),
    };
    caption(ui, "0");
    let (rect, response) = ui.allocate_exact_size(vec2(72.0, 8.0), Sense::hover());
    let ramp = confusion_matrix::ramp(&p, e.classes.len());
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
    use super::{moved, width};
    use egui::vec2;

    #[test]
    fn a_class_that_is_moved_pushes_the_others_on() {
        assert_eq!(moved(&[0, 1, 2, 3], 3, 1), [0, 3, 1, 2]);
        assert_eq!(moved(&[0, 3, 1, 2], 0, 9), [3, 1, 2, 0]);
    }

    #[test]
    fn the_matrix_leaves_room_for_pictures_however_narrow_the_window_is() {
        for classes in [1, 2, 10, 100] {
            for room in [-20.0, 0.0, 100.0, 540.0, 900.0, 3000.0] {
                let matrix = width(vec2(room, 700.0), classes);
                assert!((0.0..=room.max(0.0) * 0.7).contains(&matrix), "{classes} {room} {matrix}");
            }
        }
        assert_eq!(width(vec2(900.0, 200.0), 1), 360.0);
        assert!(width(vec2(3000.0, 600.0), 10) < 640.0, "no wider than its height lets it be");
    }
}
