//! Class names beside and above the cells; they stay in place while the cells scroll.

use super::{MatrixEvent, MatrixLayout, MatrixView};
use crate::ui::theme::{Palette, class_colour, space, type_size};
use egui::epaint::TextShape;
use egui::text::{LayoutJob, TextFormat};
use egui::{
    Align2, Color32, CursorIcon, FontId, Galley, Painter, Pos2, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2,
};
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

/// Draws titles and names around `cells`, the visible part; `corner` is where the first cell would begin. A name can be
/// pressed, and dragged to another place.
pub(super) fn show(
    ui: &mut Ui,
    view: &MatrixView<'_>,
    layout: &MatrixLayout,
    cells: Rect,
    corner: Pos2,
) -> Option<MatrixEvent> {
    let p = Palette::of(ui);
    let above = Rect::from_min_max(cells.min - vec2(0.0, layout.top), pos2(cells.max.x, cells.min.y));
    let beside = Rect::from_min_max(cells.min - vec2(layout.left, 0.0), pos2(cells.min.x, cells.max.y));
    titles(ui, &p, above, beside);
    // Upright names may begin a little left of their cell.
    let painters = [
        ui.painter_at(beside.expand2(vec2(0.0, space::XS))),
        ui.painter_at(above.expand2(vec2(space::XS, 0.0))),
    ];
    let n = view.matrix.classes();
    let mut event = None;
    for place in (0..n).step_by(layout.label_every) {
        let class = view.class_at(place);
        let name = view.classes.get(class).map_or("?", String::as_str);
        let [from, to] = [place, place + layout.label_every].map(|at| at as f32 * layout.cell);
        let rows = Rect::from_x_y_ranges(beside.x_range(), corner.y + from..=corner.y + to).intersect(beside);
        let columns =
            Rect::from_x_y_ranges(corner.x + from..=corner.x + to, above.y_range()).intersect(above);
        let header = Header { view, class, place };
        let lit = [rows, columns].map(|area| ui.rect_contains_pointer(area));
        event = event.or(header.show(ui, rows, Role::RowHeader, |at| (at.y - corner.y) / layout.cell));
        event = event.or(header.show(ui, columns, Role::ColumnHeader, |at| (at.x - corner.x) / layout.cell));
        let middle = (place as f32 + 0.5) * layout.cell;
        let chosen = view.selected;
        let ink = |on: bool| if on { p.text } else { p.muted };
        let dot = (layout.label_every == 1).then(|| class_colour(class));
        let drawn = Place { layout, cells, dot };
        let [by_row, by_column] = &painters;
        drawn.row(by_row, name, ink(lit[0] || chosen.is_some_and(|c| c.0 == class)), corner.y + middle);
        drawn.column(by_column, name, ink(lit[1] || chosen.is_some_and(|c| c.1 == class)), corner.x + middle);
    }
    event
}

/// The name of a class as something to press and drag.
struct Header<'a> {
    view: &'a MatrixView<'a>,
    class: usize,
    place: usize,
}

impl Header<'_> {
    /// `cells`: how far along the matrix a position is, in cells.
    fn show(&self, ui: &Ui, area: Rect, role: Role, cells: impl Fn(Pos2) -> f32) -> Option<MatrixEvent> {
        if !area.is_positive() {
            return None;
        }
        let name = self.view.classes.get(self.class).map_or("?", String::as_str);
        // The grid's keys move classes too: a hundred names are no stops on the way through the window.
        let sense = Sense::CLICK | Sense::DRAG;
        let response = ui.interact(area, ui.scope_id().with(("name", role, self.class)), sense);
        let text = match role {
            Role::RowHeader => format!("{name}, true class. Select to see its pictures, drag to move it"),
            _ => format!("{name}, predicted class. Select to see the pictures called so, drag to move it"),
        };
        response.widget_info(|| WidgetInfo::labeled(role, true, text.as_str()));
        let response = response.on_hover_cursor(CursorIcon::Grab);
        if response.dragged()
            && let Some(at) = response.interact_pointer_pos()
        {
            let to = cells(at).clamp(0.0, self.view.matrix.classes() as f32 - 1.0) as usize;
            return (to != self.place).then_some(MatrixEvent::Move { class: self.class, to });
        }
        let clicked = response.clicked().then_some(match role {
            Role::RowHeader => MatrixEvent::Row(self.class),
            _ => MatrixEvent::Column(self.class),
        });
        response.on_hover_text(text);
        clicked
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
