//! The pictures behind what is selected, beside every tab.

use super::{pictures, tile};
use crate::ui::state::{Selection, ShownEvaluation};
use crate::ui::theme::{space, type_size};
use crate::ui::views::ViewContext;
use crate::ui::widgets::picture_grid::{self, Tile};
use crate::ui::widgets::{caption, link_button};
use crate::ui::{Action, AppState};
use egui::{RichText, Ui};

/// Draws them into the space left.
pub(super) fn show(
    ui: &mut Ui,
    state: &AppState,
    shown: &ShownEvaluation,
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    let e = &shown.evaluation;
    let selection = state.selection.unwrap_or(Selection::Mistakes);
    let found = cx.evaluate.found.of(shown, selection);
    ui.spacing_mut().item_spacing.y = 2.0;
    ui.horizontal_wrapped(|ui| {
        ui.set_min_height(28.0);
        ui.label(RichText::new(pictures::title(e, selection, found.len())).size(type_size::SECTION));
        if selection != Selection::Mistakes && link_button(ui, "Show all mistakes").clicked() {
            cx.evaluate.enlarged = None;
            actions.push(Action::Select(None));
        }
        if let Selection::Scored { class, low, high } = selection
            && high.is_finite()
            && link_button(ui, format!("All from {low:.3} on")).clicked()
        {
            cx.evaluate.enlarged = None;
            actions.push(Action::Select(Some(Selection::Scored { class, low, high: f32::INFINITY })));
        }
    });
    caption(ui, pictures::order(selection, found.len()));
    ui.add_space(space::S);
    if found.is_empty() {
        return;
    }
    let root = &shown.data_root;
    let enlarged = cx.evaluate.enlarged;
    let wanted = tile(ui.available_width());
    let clicked = picture_grid::show(ui, &mut cx.thumbnails, (found.len(), wanted), |i| {
        let prediction = &e.predictions[found[i]];
        let class = |c: usize| e.classes.get(c).map_or("?", String::as_str);
        let (truth, predicted) = (class(prediction.truth), class(prediction.predicted));
        let sure = prediction.confidence();
        let right = prediction.truth == prediction.predicted;
        Tile {
            path: root.join(&prediction.rel),
            name: format!("{}: true {truth}, predicted {predicted}, {sure:.3} sure", prediction.rel),
            title: match selection {
                Selection::Scored { class: Some(of), .. } => {
                    format!("{} {:.3}", class(of), pictures::probability(prediction, of))
                }
                _ => format!("{predicted} {sure:.3}"),
            },
            detail: match decided(state, shown, &prediction.rel) {
                Some(words) => words,
                None if selection == Selection::Losses => format!("loss {:.2} · {truth}", prediction.loss()),
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
