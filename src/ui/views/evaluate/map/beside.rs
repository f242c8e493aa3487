//! Beside the map: the picture under the pointer, or those that are encircled.

use super::super::tile;
use crate::data::{Dataset, Decided, Decision};
use crate::session::{AnalysedPicture, Analysis};
use crate::ui::state::{file_name, split_name};
use crate::ui::theme::{section_style, space};
use crate::ui::views::ViewContext;
use crate::ui::views::train::words::count;
use crate::ui::widgets::picture_grid::{self, Tile, staged_picture};
use crate::ui::widgets::{caption, drop_down, link_button, secondary_button};
use crate::ui::{Action, AppState};
use egui::{ComboBox, RichText, Ui, vec2};
use std::sync::Arc;

fn class_of(analysis: &Analysis, class: usize) -> &str {
    analysis.classes.get(class).map_or("?", String::as_str)
}

/// The picture under the pointer.
pub(super) fn one(ui: &mut Ui, analysis: &Analysis, picture: &AnalysedPicture, cx: &mut ViewContext) {
    let path = analysis.root.join(&picture.rel);
    let side = ui.available_width();
    let size = vec2(side, (side * 0.8).min((ui.available_height() - 80.0).max(96.0)));
    staged_picture(ui, &mut cx.thumbnails, &path, size, &format!("Picture {}", picture.rel));
    let class = class_of(analysis, picture.class);
    let words = match picture.predicted.filter(|_| picture.is_mistaken()) {
        None => class.to_owned(),
        Some(other) => format!("{class}, taken for {}", class_of(analysis, other)),
    };
    ui.label(RichText::new(words).strong());
    caption(ui, format!("{} · {} · click to open", file_name(&path), split_name(picture.split)));
}

/// The pictures that are encircled, and what can be decided about all of them; the mistakes where none are.
pub(super) fn encircled(
    ui: &mut Ui,
    state: &AppState,
    analysis: &Analysis,
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    let selected = Arc::clone(&cx.evaluate.map.selected);
    if selected.is_empty() {
        caption(
            ui,
            "Pictures that the network finds alike lie near each other. Point at one to see it, click to open it, draw a line \
             around some to look at them together",
        );
        let wrong = cx.evaluate.map.drawn.as_ref().map(|d| Arc::clone(&d.wrong)).unwrap_or_default();
        if !wrong.is_empty() {
            ui.add_space(space::S);
            let words = format!("{}, training pictures included", count(wrong.len(), "mistake", "mistakes"));
            ui.label(RichText::new(words).text_style(section_style()));
            ui.add_space(space::XS);
            grid(ui, analysis, &wrong, cx);
        }
        return;
    }
    ui.horizontal(|ui| {
        let words = count(selected.len(), "picture", "pictures");
        ui.label(RichText::new(words).text_style(section_style()));
        if link_button(ui, "Select none").clicked() {
            cx.evaluate.map.selected = Arc::default();
        }
    });
    if let Some(data) = state.judged_dataset() {
        decide_together(ui, analysis, data, &selected, actions);
    }
    ui.add_space(space::S);
    grid(ui, analysis, &selected, cx);
}

/// Pictures; a click opens one.
fn grid(ui: &mut Ui, analysis: &Analysis, pictures: &[usize], cx: &mut ViewContext) {
    let wanted = tile(ui.available_width());
    let clicked = picture_grid::show(ui, &mut cx.thumbnails, (pictures.len(), wanted), |i| {
        let picture = &analysis.pictures[pictures[i]];
        let class = class_of(analysis, picture.class);
        let predicted = picture.predicted.map(|predicted| class_of(analysis, predicted));
        Tile {
            path: analysis.root.join(&picture.rel),
            name: match predicted {
                None => format!("{}: {class}, not judged", picture.rel),
                Some(predicted) => format!("{}: {class}, predicted {predicted}", picture.rel),
            },
            title: class.to_owned(),
            detail: match predicted {
                None => split_name(picture.split).to_owned(),
                Some(predicted) if class == predicted => "right".to_owned(),
                Some(predicted) => format!("taken for {predicted}"),
            },
            selected: false,
        }
    });
    if let Some(i) = clicked {
        cx.evaluate.visiting = Some(analysis.pictures[pictures[i]].rel.clone());
    }
}

fn decide_together(
    ui: &mut Ui,
    analysis: &Analysis,
    data: &Dataset,
    selected: &[usize],
    actions: &mut Vec<Action>,
) {
    let mut decision = None;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        let combo = ComboBox::from_id_salt("class of all").selected_text("All of them are…").width(150.0);
        let combo = drop_down(ui, combo, |lines| {
            for name in &data.classes {
                if lines.line(false, name) {
                    decision = Some(Decision::Label(name.clone()));
                }
            }
        });
        combo.on_hover_text("Give all of them this class. The files stay in their folders");
        let out = secondary_button(ui, "Leave all out");
        if out.on_hover_text("Neither learn from them nor judge by them").clicked() {
            decision = Some(Decision::Exclude);
        }
    });
    let pictures = || -> Vec<String> {
        let rels = selected.iter().map(|&i| &analysis.pictures[i].rel);
        rels.filter(|rel| data.position(rel).is_some()).cloned().collect()
    };
    if let Some(decision) = decision {
        actions.push(Action::Decide(Decided { decision, pictures: pictures() }));
    }
}
