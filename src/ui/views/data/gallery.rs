//! The pictures in rows under their class's name; only what is on the screen is laid out.

use super::{Filter, ViewContext};
use crate::data::{Dataset, Preflight, Split};
use crate::ui::icons::Icon;
use crate::ui::state::split_name;
use crate::ui::theme::{self, Palette, space, type_size};
use crate::ui::widgets::{empty_state, picture_button};
use egui::{Align2, FontId, Rect, ScrollArea, Stroke, StrokeKind, Ui, UiBuilder, pos2, vec2};
use std::collections::HashSet;
use std::sync::Arc;

const SMALLEST: f32 = 108.0;
const GAP: f32 = space::S;
const HEAD: f32 = 34.0;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Row {
    /// A class's name, and how many of its pictures are on show.
    Head(usize, usize),
    /// Pictures, by index.
    Pictures(Vec<usize>),
}

/// The rows, laid out once for a data set, a filter and a number of columns.
#[derive(Debug, Default)]
pub(super) struct Rows {
    of: Option<Arc<Preflight>>,
    filter: Filter,
    columns: usize,
    rows: Vec<Row>,
    shown: usize,
}

impl Rows {
    fn update(&mut self, preflight: &Arc<Preflight>, filter: Filter, columns: usize) {
        let same = self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, preflight));
        if !same || (filter, columns) != (self.filter, self.columns) {
            let by_class = chosen(preflight, filter);
            let shown = by_class.iter().map(Vec::len).sum();
            *self = Self {
                of: Some(Arc::clone(preflight)),
                filter,
                columns,
                rows: rows(&by_class, columns),
                shown,
            };
        }
    }
}

/// The pictures that pass the filter, by class.
fn chosen(preflight: &Preflight, filter: Filter) -> Vec<Vec<usize>> {
    let data = &preflight.dataset;
    let files: Option<HashSet<&str>> = filter
        .finding
        .and_then(|f| preflight.findings.get(f))
        .map(|f| f.files.iter().map(String::as_str).collect());
    let mut by_class = vec![Vec::new(); data.classes.len()];
    for (i, s) in data.samples.iter().enumerate() {
        let passes = filter.class.is_none_or(|c| c == s.class)
            && filter.split.is_none_or(|x| x == s.split)
            && files.as_ref().is_none_or(|f| f.contains(s.rel.as_str()));
        if passes && let Some(list) = by_class.get_mut(s.class) {
            list.push(i);
        }
    }
    by_class
}

fn rows(by_class: &[Vec<usize>], columns: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for (class, pictures) in by_class.iter().enumerate().filter(|(_, p)| !p.is_empty()) {
        rows.push(Row::Head(class, pictures.len()));
        rows.extend(pictures.chunks(columns.max(1)).map(|c| Row::Pictures(c.to_vec())));
    }
    rows
}

/// Draws the gallery into what is left of the screen.
pub(super) fn show(ui: &mut Ui, preflight: &Arc<Preflight>, cx: &mut ViewContext) {
    let width = ui.available_width() - 10.0;
    let columns = (((width + GAP) / (SMALLEST + GAP)).floor() as usize).max(1);
    let side = (width + GAP) / columns as f32 - GAP;
    let filter = cx.data.filter;
    cx.data.rows.update(preflight, filter, columns);
    if cx.data.rows.shown == 0 {
        let body = "Choose other classes or splits above.";
        return empty_state(ui, Icon::Images, "No pictures match", body, |_| {});
    }
    let rows = std::mem::take(&mut cx.data.rows);
    let height = |row: &Row| if matches!(row, Row::Head(..)) { HEAD } else { side + GAP };
    let total: f32 = rows.rows.iter().map(height).sum();
    ScrollArea::vertical()
        .auto_shrink(false)
        .id_salt(("gallery", filter.class, filter.finding))
        .show_viewport(ui, |ui, view| {
            ui.set_height(total);
            ui.set_width(width);
            let origin = ui.min_rect().min;
            let mut y = 0.0;
            for row in &rows.rows {
                let h = height(row);
                if y + h >= view.top() && y <= view.bottom() {
                    let rect = Rect::from_min_size(origin + vec2(0.0, y), vec2(width, h));
                    draw_row(ui, &preflight.dataset, cx, row, rect, side);
                }
                y += h;
                if y > view.bottom() {
                    break;
                }
            }
        });
    cx.data.rows = rows;
}

fn draw_row(ui: &mut Ui, data: &Dataset, cx: &mut ViewContext, row: &Row, rect: Rect, side: f32) {
    match row {
        Row::Head(class, count) => head(ui, data, *class, *count, rect),
        Row::Pictures(indices) => {
            for (column, &index) in indices.iter().enumerate() {
                let min = rect.min + vec2(column as f32 * (side + GAP), 0.0);
                let cell = Rect::from_min_size(min, vec2(side, side));
                let mut ui = ui.new_child(UiBuilder::new().max_rect(cell).id_salt(index));
                tile(&mut ui, data, cx, index, side);
            }
        }
    }
}

fn head(ui: &Ui, data: &Dataset, class: usize, count: usize, rect: Rect) {
    let p = Palette::of(ui);
    let y = rect.center().y;
    ui.painter().circle_filled(pos2(rect.left() + 5.0, y), 4.5, theme::class_colour(class));
    let name = data.classes.get(class).map_or("", String::as_str);
    let font = FontId::proportional(type_size::BODY);
    let drawn = ui.painter().text(pos2(rect.left() + 18.0, y), Align2::LEFT_CENTER, name, font, p.text);
    let at = pos2(drawn.right() + space::S, y);
    ui.painter().text(at, Align2::LEFT_CENTER, count, FontId::proportional(type_size::CAPTION), p.muted);
}

fn tile(ui: &mut Ui, data: &Dataset, cx: &mut ViewContext, index: usize, side: f32) {
    let Some(sample) = data.samples.get(index) else { return };
    let name = format!("{} · {}", sample.rel, split_name(sample.split));
    let path = data.path(index);
    let response = picture_button(ui, &mut cx.thumbnails, &path, side, &name);
    let p = Palette::of(ui);
    if sample.split != Split::Train {
        let word = split_name(sample.split).to_owned();
        let galley = ui.painter().layout_no_wrap(word, FontId::proportional(10.5), p.text);
        let size = galley.size() + vec2(10.0, 3.0);
        let rect = Rect::from_min_size(response.rect.left_bottom() + vec2(6.0, -6.0 - size.y), size);
        ui.painter().rect_filled(rect, 4.0, p.background.gamma_multiply(0.85));
        ui.painter().galley(rect.center() - galley.size() / 2.0, galley, p.text);
    }
    if cx.data.selected == Some(index) {
        let edge = Stroke::new(2.0, p.accent);
        ui.painter().rect_stroke(response.rect, theme::RADIUS, edge, StrokeKind::Inside);
    }
    if response.clicked() {
        cx.data.selected = if cx.data.selected == Some(index) { None } else { Some(index) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_every_picture_once_under_its_class() {
        let by_class = vec![vec![0, 2, 4, 6, 8], vec![], vec![1]];
        let want = vec![
            Row::Head(0, 5),
            Row::Pictures(vec![0, 2, 4]),
            Row::Pictures(vec![6, 8]),
            Row::Head(2, 1),
            Row::Pictures(vec![1]),
        ];
        assert_eq!(rows(&by_class, 3), want);
    }
}
