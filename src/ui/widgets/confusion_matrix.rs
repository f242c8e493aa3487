//! The confusion matrix: a row for each true class, a column for each predicted one.
//!
//! Colour says how many; the outlined diagonal is what is right. Names thin out and numbers go where cells are small, and
//! come back with zooming. A click, the arrow keys or an assistive technology selects a cell; the wheel zooms, dragging a cell
//! pans, and dragging a name moves its class.

mod cells;
mod labels;
mod layout;
mod ramp;

pub use layout::{CellValue, MatrixLayout, Shades, max_cell};
pub use ramp::Ramp;

use crate::engine::metrics::ConfusionMatrix;
use crate::error::part_of;
use crate::ui::theme::{Palette, space, type_size};
use cells::{CellPainter, Colours};
use egui::accesskit::Action as Access;
use egui::containers::scroll_area::ScrollSource;
use egui::{
    EventFilter, Key, Rect, Response, Role, ScrollArea, Sense, Ui, UiBuilder, Vec2, WidgetInfo, pos2, vec2,
};

/// Largest magnification.
const MAX_ZOOM: f32 = 16.0;
/// Up to this many classes everything is large enough to do without zooming.
pub const FEW: usize = 10;
/// Magnification of one press of plus or minus.
pub const ZOOM_STEP: f32 = 1.5;
/// Magnification of the wheel, as an exponent for each point that it would scroll.
const WHEEL: f32 = 1.0 / 240.0;
/// Up to this many classes every cell is a named part for assistive technologies; beyond it, those that hold pictures.
const ALL_NAMED: usize = 20;
/// Of more cells than this on the screen only the selected one is: the keys lead to the others.
const MOST_NAMED: usize = 20_000;

/// A cell: `(true class, predicted class)`.
pub type Cell = (usize, usize);

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub struct MatrixView<'a> {
    /// The counts.
    pub matrix: &'a ConfusionMatrix,
    /// Class names.
    pub classes: &'a [String],
    /// The class at each place, from the top and from the left; as they are named where it is empty.
    pub order: &'a [usize],
    /// Counts or shares.
    pub value: CellValue,
    /// The selected cell.
    pub selected: Option<Cell>,
}

/// What was done with the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatrixEvent {
    /// A cell was chosen.
    Cell(Cell),
    /// The pictures of the selected cell are wanted one by one.
    Open(Cell),
    /// The name of a true class was chosen.
    Row(usize),
    /// The name of a predicted class was chosen.
    Column(usize),
    /// A class was moved to a place.
    Move {
        /// The class.
        class: usize,
        /// Its new place.
        to: usize,
    },
}

/// Magnification of the matrix; 1 is everything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zoom {
    factor: f32,
    /// What is to stay where it is: a position in cells, and where on the screen, from the first cell's corner.
    keep: Option<(Vec2, Vec2)>,
}

impl Default for Zoom {
    fn default() -> Self {
        Self { factor: 1.0, keep: None }
    }
}

impl Zoom {
    /// Nearer (factor above 1) or farther.
    pub fn by(&mut self, factor: f32) {
        self.factor = (self.factor * factor).clamp(1.0, MAX_ZOOM);
    }

    /// Everything again.
    pub fn fit(&mut self) {
        *self = Self::default();
    }

    /// Whether everything is shown.
    pub fn is_fit(self) -> bool {
        self.factor <= 1.0
    }
}

/// On a light ground a little blue already looks like much: low values get less of it, where cells are not so small that they need it.
const LIGHT_BEND: f32 = 1.7;
const SMALL_FROM: usize = 30;

/// The ramp of a matrix of `classes` classes in the colours of `p`.
pub fn ramp(p: &Palette, classes: usize) -> Ramp {
    let ramp = Ramp::new(p.raised, p.accent);
    let light = p.background.intensity() > 0.5;
    if light && classes < SMALL_FROM { ramp.bent(LIGHT_BEND) } else { ramp }
}

impl MatrixView<'_> {
    /// Draws the matrix into the space left. Returns what was done with it in this frame.
    pub fn show(&self, ui: &mut Ui, zoom: &mut Zoom) -> Option<MatrixEvent> {
        let n = self.matrix.classes();
        if n == 0 {
            return None;
        }
        let outer = ui.available_rect_before_wrap();
        let widest = labels::widest(ui, self.classes);
        let title = type_size::CAPTION + space::S;
        let room = (outer.width() - title, outer.height() - title);
        let layout = MatrixLayout::new(n, room, widest, zoom.factor);
        let origin = outer.min + vec2(title + layout.left, title + layout.top);
        let side = layout.side(n);
        // Names may leave no room at all in a narrow window.
        let end = pos2((origin.x + side).min(outer.max.x), (origin.y + side).min(outer.max.y));
        let frame = Rect::from_min_max(origin, end.max(origin));
        ui.allocate_rect(Rect::from_min_max(outer.min, frame.max), Sense::hover());

        // The wheel zooms, dragging pans.
        let source = ScrollSource { mouse_wheel: false, ..ScrollSource::default() };
        let mut area =
            ScrollArea::both().id_salt("matrix cells").auto_shrink([false, false]).scroll_source(source);
        if let Some((cells, at)) = zoom.keep.take() {
            area = area.scroll_offset((cells * layout.cell - at).max(Vec2::ZERO));
        }
        let scrolled = ui.scope_builder(UiBuilder::new().max_rect(frame), |ui| {
            ui.spacing_mut().scroll.floating = true;
            area.show_viewport(ui, |ui, viewport| self.cells(ui, &layout, viewport, zoom))
        });
        let out = scrolled.inner;
        let corner = out.inner_rect.min - out.state.clamped_offset();
        let named = labels::show(ui, self, &layout, out.inner_rect, corner);
        out.inner.or(named)
    }

    /// The class at a place.
    fn class_at(&self, place: usize) -> usize {
        self.order.get(place).copied().unwrap_or(place)
    }

    /// The place of a class.
    fn place_of(&self, class: usize) -> usize {
        self.order.iter().position(|&c| c == class).unwrap_or(class)
    }

    /// The cell at a pair of places.
    fn cell_at(&self, (row, column): (usize, usize)) -> Cell {
        (self.class_at(row), self.class_at(column))
    }

    fn cells(
        &self,
        ui: &mut Ui,
        layout: &MatrixLayout,
        viewport: Rect,
        zoom: &mut Zoom,
    ) -> Option<MatrixEvent> {
        let n = self.matrix.classes();
        let (rect, response) = ui.allocate_exact_size(Vec2::splat(layout.side(n)), Sense::click_and_drag());
        response.widget_info(|| {
            let text = format!(
                "Confusion matrix of {n} classes. Arrow keys move the selected cell, Enter opens its pictures, Alt and an arrow \
                 key move its true class, plus and minus zoom"
            );
            WidgetInfo::labeled(Role::Grid, true, text)
        });
        let shades = Shades::new(self.matrix, self.value);
        let rows = layout.visible(n, viewport.min.y, viewport.max.y);
        let columns = layout.visible(n, viewport.min.x, viewport.max.x);
        let painter = CellPainter { layout, shades: &shades, corner: rect.min, colours: Colours::of(ui, n) };
        painter.ground(ui, (rows.clone(), columns.clone()));
        let predicted: Vec<usize> = columns.clone().map(|column| self.class_at(column)).collect();
        for row in rows.clone() {
            let truth = self.class_at(row);
            let counts = self.matrix.row(truth);
            for (column, &predicted) in columns.clone().zip(&predicted) {
                // A thousand classes have a hundred thousand cells on the screen, nearly all of them empty.
                if counts[predicted] > 0 || predicted == truth || !painter.has_ground() {
                    painter.cell(ui, (row, column), (truth, predicted));
                }
            }
        }
        if let Some(cell) = self.selected.filter(|c| c.0 < n && c.1 < n) {
            painter.selection(ui, (self.place_of(cell.0), self.place_of(cell.1)), response.has_focus());
        }
        let shown = viewport.translate(rect.min.to_vec2()).min;
        if n > FEW {
            wheel(ui, &response, layout, (rect.min, shown), zoom);
        }
        if response.dragged() {
            ui.scroll_with_delta(response.drag_delta());
        }
        let at = |pos: egui::Pos2| layout.cell_at(n, pos.x - rect.min.x, pos.y - rect.min.y);
        let chosen = response.interact_pointer_pos().filter(|_| response.clicked()).and_then(at);
        let chosen = chosen.map(|places| MatrixEvent::Cell(self.cell_at(places)));
        if chosen.is_some() {
            response.request_focus();
        }
        if let Some(cell) = response.hover_pos().and_then(at) {
            let text = self.sentence(&shades, self.cell_at(cell));
            response.clone().on_hover_ui_at_pointer(|ui| {
                ui.label(text);
            });
        }
        let named = self.named_cells(ui, &response, &painter, (rows, columns));
        chosen.or(named.map(MatrixEvent::Cell)).or_else(|| self.keyboard(ui, &response, &painter, zoom))
    }

    /// A cell in three lines, with the shares that its number is of.
    fn sentence(&self, shades: &Shades<'_>, (truth, predicted): Cell) -> String {
        let name = shades.name(self.classes, truth, predicted);
        let count = self.matrix.count(truth, predicted);
        let (row, column) = (self.matrix.row_total(truth), self.matrix.column_total(predicted));
        let class = |c: usize| self.classes.get(c).map_or("?", String::as_str);
        let share = |whole: usize| if whole == 0 { 0.0 } else { count as f64 / whole as f64 };
        format!(
            "{name}\n{:.3} · {} of {}\n{:.3} · {} called {}",
            share(row),
            part_of(count, row),
            class(truth),
            share(column),
            part_of(count, column),
            class(predicted)
        )
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
        let few = rows.len() * columns.len() <= MOST_NAMED;
        if !few {
            let place =
                self.selected.map(|(truth, predicted)| (self.place_of(truth), self.place_of(predicted)));
            let place = place.filter(|(row, column)| rows.contains(row) && columns.contains(column));
            let (row, column) = place?;
            return self.named_cells(ui, grid, painter, (row..row + 1, column..column + 1));
        }
        let mut chosen = None;
        for row in rows {
            for column in columns.clone() {
                let cell @ (truth, predicted) = self.cell_at((row, column));
                let held = self.matrix.count(truth, predicted) > 0;
                if !(all || held || self.selected == Some(cell)) {
                    continue;
                }
                let id = grid.id.with(cell);
                let part = ui.interact(painter.rect((row, column)), id, Sense::hover());
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

    fn keyboard(
        &self,
        ui: &Ui,
        response: &Response,
        painter: &CellPainter<'_>,
        zoom: &mut Zoom,
    ) -> Option<MatrixEvent> {
        if !response.has_focus() {
            return None;
        }
        let arrows = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(response.id, arrows));
        let last = self.matrix.classes() - 1;
        let (truth, predicted) = self.selected.map_or((0, 0), |(t, p)| (t.min(last), p.min(last)));
        let (mut row, mut column) = (self.place_of(truth), self.place_of(predicted));
        let begun = self.selected.is_some();
        let (mut moved, mut alt, mut enter) = (false, false, false);
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
                    if begun {
                        (row, column) = (step(row, down), step(column, right));
                    }
                    moved = true;
                }
            }
            (alt, enter) = (i.modifiers.alt, i.key_pressed(Key::Enter));
            if last >= FEW && (i.modifiers.is_none() || i.modifiers.shift_only()) {
                let presses = |keys: [Key; 2]| keys.iter().map(|k| i.num_presses(*k)).sum::<usize>() as i32;
                zoom.by(ZOOM_STEP.powi(presses([Key::Plus, Key::Equals]) - i.num_presses(Key::Minus) as i32));
            }
        });
        if enter && begun {
            return Some(MatrixEvent::Open((truth, predicted)));
        }
        if !moved {
            return None;
        }
        let place = if alt { (row, self.place_of(predicted)) } else { (row, column) };
        ui.scroll_to_rect(painter.rect(place).expand(painter.layout.cell), None);
        Some(match alt && begun {
            true => MatrixEvent::Move { class: truth, to: row },
            false => MatrixEvent::Cell(self.cell_at((row, column))),
        })
    }
}

/// Wheel and pinch zoom around the pointer. `corner` is where the first cell begins, `shown` where what can be seen does.
fn wheel(
    ui: &Ui,
    response: &Response,
    layout: &MatrixLayout,
    (corner, shown): (egui::Pos2, egui::Pos2),
    zoom: &mut Zoom,
) {
    let Some(pointer) = response.hover_pos() else { return };
    let factor = ui.input(|i| i.zoom_delta() * (i.smooth_scroll_delta.y * WHEEL).exp());
    if (factor - 1.0).abs() > f32::EPSILON {
        zoom.by(factor);
        zoom.keep = Some(((pointer - corner) / layout.cell, pointer - shown));
    }
}
