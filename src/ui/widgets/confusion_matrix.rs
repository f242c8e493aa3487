//! The confusion matrix: a row for each true class, a column for each predicted one.
//!
//! Colour says how many; the outlined diagonal is what is right. Names thin out and numbers go where cells are small, and
//! come back with zooming. A click, the arrow keys or an assistive technology selects a cell.

mod labels;
mod layout;
mod ramp;

pub use layout::{CellValue, MAX_CELL, MatrixLayout, Shades};
pub use ramp::Ramp;

use crate::engine::metrics::ConfusionMatrix;
use crate::ui::theme::{Palette, space, type_size};
use egui::accesskit::Action as Access;
use egui::{
    Align2, EventFilter, FontId, Key, Rect, Response, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui,
    UiBuilder, Vec2, WidgetInfo, pos2, vec2,
};

/// Largest magnification.
const MAX_ZOOM: f32 = 16.0;
/// Up to this many classes every cell is a named part for assistive technologies; beyond it, those that hold pictures.
const ALL_NAMED: usize = 20;

/// A cell: `(true class, predicted class)`.
pub type Cell = (usize, usize);

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub struct MatrixView<'a> {
    /// The counts.
    pub matrix: &'a ConfusionMatrix,
    /// Class names.
    pub classes: &'a [String],
    /// Counts or shares.
    pub value: CellValue,
    /// The selected cell.
    pub selected: Option<Cell>,
}

/// Magnification of the matrix; 1 is everything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zoom(f32);

impl Default for Zoom {
    fn default() -> Self {
        Self(1.0)
    }
}

impl Zoom {
    /// Nearer (factor above 1) or farther.
    pub fn by(&mut self, factor: f32) {
        self.0 = (self.0 * factor).clamp(1.0, MAX_ZOOM);
    }

    /// Everything again.
    pub fn fit(&mut self) {
        self.0 = 1.0;
    }

    /// Whether everything is shown.
    pub fn is_fit(self) -> bool {
        self.0 <= 1.0
    }
}

/// The ramp in the colours of `p`.
pub fn ramp(p: &Palette) -> Ramp {
    Ramp::new(p.raised, p.accent)
}

impl MatrixView<'_> {
    /// Draws the matrix into the space left. Returns the cell that was chosen in this frame.
    pub fn show(&self, ui: &mut Ui, zoom: &mut Zoom) -> Option<Cell> {
        let n = self.matrix.classes();
        if n == 0 {
            return None;
        }
        let outer = ui.available_rect_before_wrap();
        let widest = labels::widest(ui, self.classes);
        let title = type_size::CAPTION + space::S;
        let room = (outer.width() - title, outer.height() - title);
        let layout = MatrixLayout::new(n, room, widest, zoom.0);
        let origin = outer.min + vec2(title + layout.left, title + layout.top);
        let side = layout.side(n);
        // Names may leave no room at all in a narrow window.
        let end = pos2((origin.x + side).min(outer.max.x), (origin.y + side).min(outer.max.y));
        let frame = Rect::from_min_max(origin, end.max(origin));
        ui.allocate_rect(Rect::from_min_max(outer.min, frame.max), Sense::hover());

        let area = ScrollArea::both().id_salt("matrix cells").auto_shrink([false, false]);
        let scrolled = ui.scope_builder(UiBuilder::new().max_rect(frame), |ui| {
            ui.spacing_mut().scroll.floating = true;
            area.show_viewport(ui, |ui, viewport| self.cells(ui, &layout, viewport, zoom))
        });
        let out = scrolled.inner;
        let corner = out.inner_rect.min - out.state.clamped_offset();
        labels::draw(ui, self, &layout, out.inner_rect, corner);
        out.inner
    }

    fn cells(&self, ui: &mut Ui, layout: &MatrixLayout, viewport: Rect, zoom: &mut Zoom) -> Option<Cell> {
        let n = self.matrix.classes();
        let (rect, response) = ui.allocate_exact_size(Vec2::splat(layout.side(n)), Sense::click());
        response.widget_info(|| {
            let text = format!("Confusion matrix of {n} classes. Arrow keys move the selected cell");
            WidgetInfo::labeled(Role::Grid, true, text)
        });
        let shades = Shades::new(self.matrix, self.value);
        let rows = layout.visible(n, viewport.min.y, viewport.max.y);
        let columns = layout.visible(n, viewport.min.x, viewport.max.x);
        let painter = CellPainter { layout, shades: &shades, corner: rect.min, colours: Colours::of(ui) };
        for truth in rows.clone() {
            for predicted in columns.clone() {
                painter.cell(ui, (truth, predicted));
            }
        }
        if let Some(cell) = self.selected.filter(|c| c.0 < n && c.1 < n) {
            painter.selection(ui, cell, response.has_focus());
        }
        if response.contains_pointer() {
            zoom.by(ui.input(egui::InputState::zoom_delta));
        }
        let at = |pos: egui::Pos2| layout.cell_at(n, pos.x - rect.min.x, pos.y - rect.min.y);
        let chosen = response.interact_pointer_pos().filter(|_| response.clicked()).and_then(at);
        if chosen.is_some() {
            response.request_focus();
        }
        if let Some(cell) = response.hover_pos().and_then(at) {
            let text = self.sentence(&shades, cell);
            response.clone().on_hover_ui_at_pointer(|ui| {
                ui.label(text);
            });
        }
        let named = self.named_cells(ui, &response, &painter, (rows, columns));
        chosen.or(named).or_else(|| self.keyboard(ui, &response, &painter))
    }

    /// A cell in one or two lines, with the share that its number is of.
    fn sentence(&self, shades: &Shades<'_>, (truth, predicted): Cell) -> String {
        let name = shades.name(self.classes, truth, predicted);
        let (count, row) = (self.matrix.count(truth, predicted), self.matrix.row_total(truth));
        let class = self.classes.get(truth).map_or("?", String::as_str);
        let share = if row == 0 { 0.0 } else { count as f64 / row as f64 };
        format!("{name}\n{share:.3} · {count} of {row} of {class}")
    }

    /// Makes cells findable for assistive technologies, where one listens.
    fn named_cells(
        &self,
        ui: &Ui,
        grid: &Response,
        painter: &CellPainter<'_>,
        (rows, columns): (std::ops::Range<usize>, std::ops::Range<usize>),
    ) -> Option<Cell> {
        if !ui.ctx().has_accesskit_node(grid.id) {
            return None;
        }
        let all = self.matrix.classes() <= ALL_NAMED;
        let mut chosen = None;
        for truth in rows {
            for predicted in columns.clone() {
                let cell = (truth, predicted);
                if !(all || self.matrix.count(truth, predicted) > 0 || self.selected == Some(cell)) {
                    continue;
                }
                let id = grid.id.with(cell);
                let part = ui.interact(painter.rect(cell), id, Sense::hover());
                part.widget_info(|| {
                    let name = painter.shades.name(self.classes, truth, predicted);
                    WidgetInfo::selected(Role::GridCell, true, self.selected == Some(cell), name)
                });
                ui.ctx().accesskit_node_builder(id, |node| node.add_action(Access::Click));
                if ui.input(|i| i.has_accesskit_action_request(id, Access::Click)) {
                    chosen = Some(cell);
                }
            }
        }
        chosen
    }

    fn keyboard(&self, ui: &Ui, response: &Response, painter: &CellPainter<'_>) -> Option<Cell> {
        if !response.has_focus() {
            return None;
        }
        let arrows = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(response.id, arrows));
        let last = self.matrix.classes() - 1;
        let (mut truth, mut predicted) = self.selected.map_or((0, 0), |(t, p)| (t.min(last), p.min(last)));
        let mut moved = false;
        ui.input(|i| {
            for (key, down, right) in [
                (Key::ArrowUp, -1, 0),
                (Key::ArrowDown, 1, 0),
                (Key::ArrowLeft, 0, -1),
                (Key::ArrowRight, 0, 1),
            ] {
                if i.key_pressed(key) {
                    let step = |v: usize, by: isize| v.saturating_add_signed(by).min(last);
                    // The first key press shows where the selection is rather than leaving it at once.
                    if self.selected.is_some() {
                        (truth, predicted) = (step(truth, down), step(predicted, right));
                    }
                    moved = true;
                }
            }
        });
        if moved {
            ui.scroll_to_rect(painter.rect((truth, predicted)).expand(painter.layout.cell), None);
        }
        moved.then_some((truth, predicted))
    }
}

#[derive(Debug, Clone, Copy)]
struct Colours {
    palette: Palette,
    ramp: Ramp,
}

impl Colours {
    fn of(ui: &Ui) -> Self {
        let palette = Palette::of(ui);
        Self { palette, ramp: ramp(&palette) }
    }
}

struct CellPainter<'a> {
    layout: &'a MatrixLayout,
    shades: &'a Shades<'a>,
    corner: egui::Pos2,
    colours: Colours,
}

impl CellPainter<'_> {
    fn rect(&self, (truth, predicted): Cell) -> Rect {
        let cell = self.layout.cell;
        let min = self.corner + vec2(predicted as f32 * cell, truth as f32 * cell);
        Rect::from_min_size(min, Vec2::splat(cell))
    }

    fn cell(&self, ui: &Ui, cell: Cell) {
        let (p, layout) = (&self.colours.palette, self.layout);
        // A hairline of ground between cells; none where it would eat a good part of them.
        let gap = match layout.cell {
            24.0.. => 1.0,
            8.0.. => 0.5,
            _ => 0.0,
        };
        let rect = self.rect(cell).shrink(gap);
        let strength = self.shades.strength(cell.0, cell.1);
        let radius = if layout.cell >= 24.0 { 3 } else { 0 };
        let fill = self.colours.ramp.at(strength);
        ui.painter().rect_filled(rect, radius, fill);
        if cell.0 == cell.1 {
            let width = if layout.cell >= 24.0 { 1.5 } else { 0.75 };
            let stroke = Stroke::new(width, p.muted);
            ui.painter().rect_stroke(rect, radius, stroke, StrokeKind::Inside);
        }
        if layout.numbers {
            let text = self.shades.text(cell.0, cell.1);
            let size = if layout.cell >= 96.0 { type_size::TITLE } else { type_size::CAPTION };
            ui.painter().text(
                rect.center(),
                Align2::CENTER_CENTER,
                text,
                FontId::proportional(size),
                Palette::text_on(fill),
            );
        }
    }

    fn selection(&self, ui: &Ui, cell: Cell, focused: bool) {
        let p = &self.colours.palette;
        let radius = if self.layout.cell >= 24.0 { 3 } else { 0 };
        let rect = self.rect(cell);
        ui.painter().rect_stroke(rect, radius, Stroke::new(2.0, p.text), StrokeKind::Middle);
        if focused {
            let stroke = Stroke::new(1.5, p.accent);
            ui.painter().rect_stroke(rect.expand(2.0), radius, stroke, StrokeKind::Outside);
        }
    }
}
