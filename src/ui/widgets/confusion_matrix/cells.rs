//! How cells look: ground, colour, number, the outlined diagonal, the selection.

use super::{Cell, MatrixLayout, Ramp, Shades, ramp};
use crate::ui::theme::{Palette, type_size};
use egui::{Align2, FontId, Pos2, Rect, Stroke, StrokeKind, Ui, Vec2, vec2};
use std::ops::Range;

/// Cells of this side, in points, have rounded corners and a clear gap.
const LARGE: f32 = 24.0;
/// In larger cells numbers grow with them.
const ROOMY: f32 = 320.0;

#[derive(Debug, Clone, Copy)]
pub(super) struct Colours {
    palette: Palette,
    ramp: Ramp,
}

impl Colours {
    pub(super) fn of(ui: &Ui, classes: usize) -> Self {
        let palette = Palette::of(ui);
        Self { palette, ramp: ramp(&palette, classes) }
    }
}

pub(super) struct CellPainter<'a> {
    pub(super) layout: &'a MatrixLayout,
    pub(super) shades: &'a Shades<'a>,
    pub(super) corner: Pos2,
    pub(super) colours: Colours,
}

impl CellPainter<'_> {
    pub(super) fn rect(&self, (row, column): (usize, usize)) -> Rect {
        let cell = self.layout.cell;
        let min = self.corner + vec2(column as f32 * cell, row as f32 * cell);
        Rect::from_min_size(min, Vec2::splat(cell))
    }

    /// What stands between a cell and its neighbours on each side: a hairline, and nothing where that would eat a good part of it.
    fn gap(&self) -> f32 {
        match self.layout.cell {
            LARGE.. => 1.0,
            8.0.. => 0.5,
            _ => 0.0,
        }
    }

    /// Whether empty cells are drawn by [`Self::ground`].
    pub(super) fn has_ground(&self) -> bool {
        self.layout.cell < LARGE
    }

    /// All empty cells at once, where there may be very many of them.
    pub(super) fn ground(&self, ui: &Ui, (rows, columns): (Range<usize>, Range<usize>)) {
        if !self.has_ground() || rows.is_empty() || columns.is_empty() {
            return;
        }
        let (first, last) =
            (self.rect((rows.start, columns.start)), self.rect((rows.end - 1, columns.end - 1)));
        let all = first.union(last);
        ui.painter().rect_filled(all, 0, self.colours.ramp.at(0.0));
        let gap = self.gap();
        if gap == 0.0 {
            return;
        }
        let stroke = Stroke::new(2.0 * gap, self.colours.palette.background);
        for row in rows {
            ui.painter().hline(all.x_range(), self.rect((row, columns.start)).top(), stroke);
        }
        for column in columns {
            ui.painter().vline(self.rect((0, column)).left(), all.y_range(), stroke);
        }
    }

    pub(super) fn cell(&self, ui: &Ui, place: (usize, usize), cell: Cell) {
        let (p, layout) = (&self.colours.palette, self.layout);
        let strength = self.shades.strength(cell.0, cell.1);
        let rect = self.rect(place).shrink(self.gap());
        let radius = if layout.cell >= LARGE { 3 } else { 0 };
        let fill = self.colours.ramp.at(strength);
        ui.painter().rect_filled(rect, radius, fill);
        if cell.0 == cell.1 {
            let width = if layout.cell >= LARGE { 1.5 } else { 0.75 };
            let stroke = Stroke::new(width, p.muted);
            ui.painter().rect_stroke(rect, radius, stroke, StrokeKind::Inside);
        }
        if layout.numbers {
            let text = self.shades.text(cell.0, cell.1);
            let size = match layout.cell {
                96.0.. => type_size::TITLE * (layout.cell / ROOMY).clamp(1.0, 1.8),
                56.0.. => type_size::BODY,
                _ => type_size::CAPTION,
            };
            ui.painter().text(
                rect.center(),
                Align2::CENTER_CENTER,
                text,
                FontId::proportional(size),
                Palette::text_on(fill),
            );
        }
    }

    pub(super) fn selection(&self, ui: &Ui, place: (usize, usize), focused: bool) {
        let p = &self.colours.palette;
        let radius = if self.layout.cell >= LARGE { 3 } else { 0 };
        let rect = self.rect(place);
        ui.painter().rect_stroke(rect, radius, Stroke::new(2.0, p.text), StrokeKind::Middle);
        if focused {
            let stroke = Stroke::new(1.5, p.accent);
            ui.painter().rect_stroke(rect.expand(2.0), radius, stroke, StrokeKind::Outside);
        }
    }
}
