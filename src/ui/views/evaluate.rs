//! The Evaluate screen: the confusion matrix and the pictures behind it.

mod class_rows;
mod class_table;
mod enlarged;
mod pictures;

use super::ViewContext;
use crate::engine::Evaluation;
use crate::engine::metrics::wilson_interval;
use crate::ui::icons::Icon;
use crate::ui::state::{Selection, ShownEvaluation};
use crate::ui::theme::{Palette, space, type_size};
use crate::ui::views::train::words::count;
use crate::ui::widgets::confusion_matrix::{self, CellValue, MatrixView, Zoom};
use crate::ui::widgets::picture_grid::{self, Tile};
use crate::ui::widgets::{caption, empty_state, icon_button, link_button, primary_button, stat};
use crate::ui::{Action, AppState, Screen};
use egui::{Button, Rect, RichText, Sense, Ui, UiBuilder, pos2, vec2};

/// What the view remembers between frames.
#[derive(Debug, Default)]
pub struct Memory {
    /// Counts or shares.
    pub value: CellValue,
    /// Of the matrix.
    pub zoom: Zoom,
    /// Order of the table.
    pub sort: class_rows::SortBy,
    /// The picture on show alone: its place among those behind the selection.
    pub enlarged: Option<usize>,
}

/// Headlines narrower than this leave explanations out, in points.
const NARROW: f32 = 700.0;
/// Size of a thumbnail in points.
const TILE: f32 = 112.0;

/// Draws the screen's subject.
pub fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let Some(shown) = &state.evaluation else {
        return nothing(ui, actions);
    };
    headline(ui, shown);
    ui.add_space(space::M);
    let all = ui.available_rect_before_wrap();
    let middle = all.left() + matrix_width(all.width(), shown.evaluation.classes.len());
    let left = Rect::from_min_max(all.min, pos2(middle, all.max.y));
    let right = Rect::from_min_max(pos2((middle + space::XL).min(all.max.x), all.min.y), all.max);
    ui.scope_builder(UiBuilder::new().max_rect(left), |ui| {
        matrix(ui, state, shown, &mut cx.evaluate, actions)
    });
    ui.scope_builder(UiBuilder::new().max_rect(right), |ui| behind(ui, state, shown, cx, actions));
    ui.advance_cursor_after_rect(all);
    let selection = state.selection.unwrap_or(Selection::Mistakes);
    enlarged::show(ui, (shown, state.dataset()), selection, cx, actions);
}

/// Draws the settings and details beside it.
pub fn inspector(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    if let Some(shown) = &state.evaluation {
        class_table::show(ui, &shown.evaluation, (&mut cx.evaluate.sort, state.selection), actions);
    }
}

/// Width of the matrix of `classes` classes on a screen `width` points wide: few classes need no more than their cells may
/// have; many get all that leaves room for pictures side by side.
fn matrix_width(width: f32, classes: usize) -> f32 {
    let most = width.max(0.0) * if classes > 30 { 0.68 } else { 0.58 };
    (classes as f32 * confusion_matrix::MAX_CELL + 130.0).max(360.0).min(most)
}

fn nothing(ui: &mut Ui, actions: &mut Vec<Action>) {
    let body = "Train a model, or open a finished run on the Train screen. What it gets right and wrong then appears here, with \
                the pictures behind every number";
    empty_state(ui, Icon::Grid3x3, "Nothing to judge yet", body, |ui| {
        if primary_button(ui, "Go to Train").clicked() {
            actions.push(Action::Go(Screen::Train));
        }
    });
}

fn headline(ui: &mut Ui, shown: &ShownEvaluation) {
    let e = &shown.evaluation;
    let (right, all) = (e.confusion.correct(), e.confusion.total());
    let wrong = all - right;
    ui.horizontal_top(|ui| {
        let wide = ui.available_width() > NARROW;
        ui.spacing_mut().item_spacing.x = if wide { space::XXL } else { space::L };
        let (low, high) = wilson_interval(right, all);
        let of = format!("accuracy ({low:.3} to {high:.3}) · {right} of {all} · {}", shown.title);
        stat(ui, &format!("{:.3}", e.confusion.accuracy()), &of).on_hover_text(format!(
            "On other pictures like these {all}, the accuracy is between {low:.3} and {high:.3} with 95 % confidence (Wilson's \
             interval). More validation pictures make it narrower"
        ));
        let classes = e.classes.len();
        let mean = format!("macro F1 · mean over {}", count(classes, "class", "classes"));
        stat(ui, &format!("{:.3}", e.confusion.macro_f1()), if wide { &mean } else { "macro F1" });
        stat(ui, &wrong.to_string(), if wrong == 1 { "mistake" } else { "mistakes" });
        stat(ui, &format!("{:.3}", e.loss), if wide { "loss · lower is better" } else { "loss" });
    });
}

fn matrix(
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

/// The pictures behind what is selected.
fn behind(
    ui: &mut Ui,
    state: &AppState,
    shown: &ShownEvaluation,
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    let e = &shown.evaluation;
    let selection = state.selection.unwrap_or(Selection::Mistakes);
    let found = pictures::behind(e, selection);
    ui.spacing_mut().item_spacing.y = 2.0;
    ui.horizontal(|ui| {
        ui.set_min_height(28.0);
        ui.label(RichText::new(pictures::title(e, selection, found.len())).size(type_size::SECTION));
        if selection != Selection::Mistakes && link_button(ui, "Show all mistakes").clicked() {
            cx.evaluate.enlarged = None;
            actions.push(Action::Select(None));
        }
    });
    caption(ui, pictures::order(selection, found.len()));
    ui.add_space(space::S);
    if found.is_empty() {
        return;
    }
    let root = &shown.data_root;
    let enlarged = cx.evaluate.enlarged;
    let clicked = picture_grid::show(ui, &mut cx.thumbnails, (found.len(), TILE), |i| {
        let prediction = &e.predictions[found[i]];
        let class = |c: usize| e.classes.get(c).map_or("?", String::as_str);
        let (truth, predicted) = (class(prediction.truth), class(prediction.predicted));
        let sure = pictures::probability(prediction, prediction.predicted);
        let right = prediction.truth == prediction.predicted;
        Tile {
            path: root.join(&prediction.rel),
            name: format!("{}: true {truth}, predicted {predicted}, {sure:.3} sure", prediction.rel),
            title: format!("{predicted} {sure:.3}"),
            detail: match decided(state, shown, &prediction.rel) {
                Some(words) => words,
                None if right => "right".to_owned(),
                None => format!("really {truth}"),
            },
            selected: enlarged == Some(i),
        }
    });
    if clicked.is_some() {
        cx.evaluate.enlarged = clicked;
    }
}

/// What was decided about a picture since the model was judged.
fn decided(state: &AppState, shown: &ShownEvaluation, rel: &str) -> Option<String> {
    let data = state.dataset().filter(|d| d.root == shown.data_root)?;
    let verdict = data.verdicts.of(rel)?;
    match (verdict.excluded, &verdict.label) {
        (true, _) => Some("left out by you".to_owned()),
        (false, Some(class)) => Some(format!("{class}, you say")),
        (false, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::matrix_width;

    #[test]
    fn the_matrix_leaves_room_for_pictures_however_narrow_the_window_is() {
        for classes in [1, 2, 10, 100] {
            for width in [-20.0, 0.0, 100.0, 540.0, 900.0, 3000.0] {
                let matrix = matrix_width(width, classes);
                assert!((0.0..=width.max(0.0) * 0.7).contains(&matrix), "{classes} {width} {matrix}");
            }
        }
        assert_eq!(matrix_width(900.0, 1), 360.0);
    }
}
