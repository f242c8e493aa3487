//! Precision, recall, F1 and number of pictures of each class.

use super::class_rows::{self, Column, SortBy};
use crate::engine::Evaluation;
use crate::engine::metrics::{ClassMetrics, wilson_interval};
use crate::error::{part_of, thousands};
use crate::ui::Action;
use crate::ui::state::Selection;
use crate::ui::theme::{Palette, space, type_size};
use crate::ui::widgets::basic::focus_ring_at;
use crate::ui::widgets::{caption, class_dot, section};
use egui::{Align, Button, Layout, Response, RichText, Role, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};
use egui_extras::{Column as Width, TableBuilder, TableRow};
use std::ops::Range;

const ROW: f32 = 26.0;
const NO_PICTURES: &str = "No picture of this class was judged";

/// Draws the table; a click on a heading orders it, a click on a class shows its pictures.
pub(super) fn show(
    ui: &mut Ui,
    evaluation: &Evaluation,
    (sort, selection): (&mut SortBy, Option<Selection>),
    actions: &mut Vec<Action>,
) {
    section(ui, "Classes");
    caption(ui, "Select a class to see its pictures, a heading to order the table");
    ui.add_space(space::XS);
    let rows = class_rows::rows(evaluation, *sort);
    ui.spacing_mut().item_spacing = vec2(space::XS, 0.0);
    TableBuilder::new(ui)
        .id_salt("classes")
        .auto_shrink([false, true])
        .vscroll(false)
        .cell_layout(Layout::left_to_right(Align::Center))
        .column(Width::remainder().at_least(64.0).clip(true))
        .column(Width::exact(48.0))
        .column(Width::exact(38.0))
        .column(Width::exact(36.0))
        .column(Width::exact(44.0))
        .header(22.0, |mut header| {
            for column in Column::ALL {
                header.col(|ui| {
                    let side = if column == Column::Class { Align::Min } else { Align::Max };
                    if heading(ui, column, *sort, side).clicked() {
                        *sort = sort.clicked(column);
                    }
                });
            }
        })
        .body(|mut body| {
            // The table scrolls with what is around it, so it cannot tell itself which of a thousand rows are on the screen.
            let seen = seen(body.ui_mut(), rows.len());
            let room = |mut row: TableRow<'_, '_>| {
                row.col(|_| {});
            };
            body.row(seen.start as f32 * ROW, room);
            for (class, metrics) in &rows[seen.clone()] {
                body.row(ROW, |mut row| {
                    let name = evaluation.classes.get(*class).map_or("?", String::as_str);
                    let selected = selection == Some(Selection::Class(*class));
                    let named = evaluation.confusion.column_total(*class) > 0;
                    if cells(&mut row, (*class, name), (metrics, named), selected) {
                        let wanted = (!selected).then_some(Selection::Class(*class));
                        actions.push(Action::Select(wanted));
                    }
                });
            }
            body.row((rows.len() - seen.end) as f32 * ROW, room);
        });
}

/// Those of `count` rows, from here on, that are on the screen.
fn seen(ui: &Ui, count: usize) -> Range<usize> {
    let (clip, top) = (ui.clip_rect(), ui.cursor().top());
    let first = (((clip.top() - top) / ROW).max(0.0) as usize).min(count);
    let last = (((clip.bottom() - top) / ROW).max(0.0).ceil() as usize).min(count);
    first..last.max(first)
}

/// The button over a column that orders by it.
pub(super) fn heading(ui: &mut Ui, column: Column, sort: SortBy, side: Align) -> Response {
    let p = Palette::of(ui);
    let sorted = sort.column == column;
    let text = RichText::new(column.title()).size(type_size::CAPTION - 1.0);
    let text = text.color(if sorted { p.text } else { p.muted });
    let layout = match side {
        Align::Min => Layout::left_to_right(Align::Center),
        _ => Layout::right_to_left(Align::Center),
    };
    ui.with_layout(layout, |ui| {
        ui.spacing_mut().button_padding.x = 0.0;
        let response = ui.add(Button::new(text).frame(false));
        response.widget_info(|| {
            WidgetInfo::labeled(Role::Button, true, format!("Sort by {}", column.title().to_lowercase()))
        });
        if sorted {
            arrow(ui, response.rect, sort.descending, p.accent);
        }
        focus_ring_at(ui, &response, response.rect.shrink(1.0));
        response.on_hover_text(column.meaning())
    })
    .inner
}

/// A line under the heading with a tip that points the way the numbers grow.
fn arrow(ui: &Ui, rect: egui::Rect, descending: bool, colour: egui::Color32) {
    let y = rect.bottom() + 1.0;
    ui.painter().hline(rect.x_range(), y, Stroke::new(1.0, colour));
    let (x, tip) = (rect.center().x, if descending { 4.0 } else { -4.0 });
    let points = vec![pos2(x - 4.0, y), pos2(x + 4.0, y), pos2(x, y + tip)];
    ui.painter().add(Shape::convex_polygon(points, colour, Stroke::NONE));
}

fn cells(
    row: &mut TableRow<'_, '_>,
    (class, name): (usize, &str),
    (metrics, named): (&ClassMetrics, bool),
    selected: bool,
) -> bool {
    let mut clicked = false;
    row.col(|ui| {
        class_dot(ui, class);
        ui.spacing_mut().button_padding.x = 2.0;
        let label = RichText::new(name).size(type_size::CAPTION);
        clicked = ui.add(Button::selectable(selected, label).truncate()).on_hover_text(name).clicked();
    });
    let found = (metrics.recall * metrics.support as f64).round() as usize;
    let (low, high) = wilson_interval(found, metrics.support);
    let there = metrics.support > 0;
    let recall = match there {
        true => {
            format!(
                "{}: between {low:.3} and {high:.3} with 95 % confidence",
                part_of(found, metrics.support)
            )
        }
        false => NO_PICTURES.to_owned(),
    };
    // Of nothing there is no share.
    let precision = if named { "" } else { "No picture was called this class" };
    let f1 = if there || named { "" } else { NO_PICTURES };
    for (number, is, more) in [
        (metrics.precision, named, precision),
        (metrics.recall, there, recall.as_str()),
        (metrics.f1, there || named, f1),
    ] {
        let text = if is { format!("{number:.3}") } else { "–".to_owned() };
        row.col(|ui| number_cell(ui, &text, more));
    }
    row.col(|ui| number_cell(ui, &thousands(metrics.support), ""));
    clicked
}

/// `more` shows while the pointer is over it, unless it is empty.
fn number_cell(ui: &mut Ui, text: &str, more: &str) {
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let number = ui.label(RichText::new(text).size(type_size::CAPTION));
        if !more.is_empty() {
            number.on_hover_text(more);
        }
    });
}
