//! Class names beside and above the cells; they stay in place while the cells scroll.

use super::{MatrixLayout, MatrixView};
use crate::ui::theme::{Palette, class_colour, space, type_size};
use egui::epaint::TextShape;
use egui::text::{LayoutJob, TextFormat};
use egui::{Align2, Color32, FontId, Galley, Painter, Pos2, Rect, Ui, pos2, vec2};
use std::f32::consts::FRAC_PI_2;
use std::sync::Arc;

/// Side of the dot in a class's colour.
const DOT: f32 = 6.0;
/// Dot and the room on both sides of it.
const DOT_ROOM: f32 = DOT + 2.0 * space::XS;

fn font() -> FontId {
    FontId::proportional(type_size::CAPTION)
}

/// Width that the longest class name and its dot want.
pub(super) fn widest(ui: &Ui, classes: &[String]) -> f32 {
    let width = |name: &String| ui.painter().layout_no_wrap(name.clone(), font(), Color32::WHITE).size().x;
    classes.iter().map(width).fold(0.0, f32::max) + DOT_ROOM
}

fn elided(painter: &Painter, text: &str, colour: Color32, width: f32) -> Arc<Galley> {
    let mut job = LayoutJob::single_section(text.to_owned(), TextFormat::simple(font(), colour));
    job.wrap.max_width = width;
    job.wrap.max_rows = 1;
    job.wrap.break_anywhere = true;
    painter.layout_job(job)
}

/// Draws titles and names around `cells`, the visible part; `corner` is where the first cell would begin.
pub(super) fn draw(ui: &Ui, view: &MatrixView<'_>, layout: &MatrixLayout, cells: Rect, corner: Pos2) {
    let p = Palette::of(ui);
    let above = Rect::from_min_max(cells.min - vec2(0.0, layout.top), pos2(cells.max.x, cells.min.y));
    let beside = Rect::from_min_max(cells.min - vec2(layout.left, 0.0), pos2(cells.min.x, cells.max.y));
    titles(ui, &p, above, beside);
    // Upright names may begin a little left of their cell.
    let above = ui.painter_at(above.expand2(vec2(space::XS, 0.0)));
    let beside = ui.painter_at(beside.expand2(vec2(0.0, space::XS)));
    let n = view.matrix.classes();
    for class in (0..n).step_by(layout.label_every) {
        let name = view.classes.get(class).map_or("?", String::as_str);
        let middle = (class as f32 + 0.5) * layout.cell;
        let chosen = view.selected;
        let ink = |on: bool| if on { p.text } else { p.muted };
        let dot = (layout.label_every == 1).then(|| class_colour(class));
        let place = Place { layout, cells, dot };
        place.row(&beside, name, ink(chosen.is_some_and(|c| c.0 == class)), corner.y + middle);
        place.column(&above, name, ink(chosen.is_some_and(|c| c.1 == class)), corner.x + middle);
    }
}

fn titles(ui: &Ui, p: &Palette, above: Rect, beside: Rect) {
    let painter = ui.painter();
    let gap = space::XS;
    painter.text(above.left_top() - vec2(0.0, gap), Align2::LEFT_BOTTOM, "Predicted class", font(), p.text);
    let galley = painter.layout_no_wrap("True class".to_owned(), font(), p.text);
    let at = pos2(beside.left() - gap - galley.size().y, beside.top() + galley.size().x);
    painter.add(TextShape::new(at, galley, p.text).with_angle(-FRAC_PI_2));
}

struct Place<'a> {
    layout: &'a MatrixLayout,
    cells: Rect,
    dot: Option<Color32>,
}

impl Place<'_> {
    fn row(&self, painter: &Painter, name: &str, ink: Color32, y: f32) {
        let end = self.cells.left() - DOT_ROOM;
        let galley = elided(painter, name, ink, self.layout.left - DOT_ROOM - space::XS);
        painter.galley(pos2(end - galley.size().x, y - galley.size().y / 2.0), galley, ink);
        if let Some(colour) = self.dot {
            painter.circle_filled(pos2(self.cells.left() - DOT_ROOM / 2.0, y), DOT / 2.0, colour);
        }
    }

    fn column(&self, painter: &Painter, name: &str, ink: Color32, x: f32) {
        let end = self.cells.top() - DOT_ROOM;
        if let Some(colour) = self.dot {
            painter.circle_filled(pos2(x, self.cells.top() - DOT_ROOM / 2.0), DOT / 2.0, colour);
        }
        if self.layout.rotated {
            let galley = elided(painter, name, ink, self.layout.top - DOT_ROOM - space::XS);
            let at = pos2(x - galley.size().y / 2.0, end);
            painter.add(TextShape::new(at, galley, ink).with_angle(-FRAC_PI_2));
        } else {
            let galley = elided(painter, name, ink, self.layout.cell);
            painter.galley(pos2(x - galley.size().x / 2.0, end - galley.size().y), galley, ink);
        }
    }
}
