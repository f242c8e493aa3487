//! What fits: cell size, labels, numbers, and how strong each cell is, without drawing anything.

use crate::engine::metrics::ConfusionMatrix;
use crate::error::thousands;
use std::ops::Range;

/// What a cell's colour and number show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CellValue {
    /// Pictures.
    #[default]
    Counts,
    /// The share of the true class's pictures.
    RowShares,
    /// The share of the pictures that were predicted so.
    ColumnShares,
}

/// Smallest cell that can be told from its neighbours and hit with a pointer, in points.
const MIN_CELL: f32 = 3.0;
/// Cells do not grow past this: two classes need no wall of colour.
const MAX_CELL: f32 = 320.0;
/// In a place higher than this, in points, they grow by half of what is more: it is a large screen, looked at from farther away.
const ROOMY: f32 = 1200.0;

/// Largest cell in a place `height` points high.
pub fn max_cell(height: f32) -> f32 {
    MAX_CELL + 0.5 * (height - ROOMY).max(0.0)
}
/// Room for a number such as "1 204" or "0.94".
const NUMBER_CELL: f32 = 30.0;
/// Room for one line of label text.
const LABEL_PITCH: f32 = 16.0;
/// Longest part of a label that is shown beside or above the cells.
const MAX_GUTTER: f32 = 132.0;
/// Between a label and its cells.
const GAP: f32 = 8.0;

/// Sizes of a matrix in points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatrixLayout {
    /// Side of a cell.
    pub cell: f32,
    /// Width kept for the names of the true classes at the left.
    pub left: f32,
    /// Height kept for the names of the predicted classes above.
    pub top: f32,
    /// Whether the names above stand upright, because they are wider than a cell.
    pub rotated: bool,
    /// Every how many classes a name is shown.
    pub label_every: usize,
    /// Whether numbers fit into the cells.
    pub numbers: bool,
}

impl MatrixLayout {
    /// Lays `classes` out in `available` (width, height). `widest` is the width of the longest class name, `zoom` at least 1
    /// and 1 where everything is to fit.
    pub fn new(classes: usize, available: (f32, f32), widest: f32, zoom: f32) -> Self {
        let n = classes.max(1) as f32;
        let left = widest.min(MAX_GUTTER) + GAP;
        let most = max_cell(available.1);
        let fit = |top: f32| ((available.0 - left) / n).min((available.1 - top) / n).clamp(MIN_CELL, most);
        let flat = LABEL_PITCH + 2.0 * GAP;
        let rotated = widest + GAP > fit(flat) * zoom;
        let top = if rotated { left } else { flat };
        let cell = fit(top) * zoom.max(1.0);
        // A whole number of points keeps the grid's lines equally sharp where cells are large enough to spare the rest.
        let cell = if cell >= 12.0 { cell.floor() } else { cell };
        Self {
            cell,
            left,
            top,
            rotated,
            label_every: (LABEL_PITCH / cell).ceil().max(1.0) as usize,
            numbers: cell >= NUMBER_CELL,
        }
    }

    /// Side of all cells together.
    pub fn side(&self, classes: usize) -> f32 {
        self.cell * classes as f32
    }

    /// The cell at a position relative to the first cell's corner.
    pub fn cell_at(&self, classes: usize, x: f32, y: f32) -> Option<(usize, usize)> {
        let index = |v: f32| (v >= 0.0).then(|| (v / self.cell) as usize).filter(|&i| i < classes);
        Some((index(y)?, index(x)?))
    }

    /// The rows or columns that are at least partly inside `from..to`, relative to the first cell's corner.
    pub fn visible(&self, classes: usize, from: f32, to: f32) -> Range<usize> {
        let first = (from.max(0.0) / self.cell) as usize;
        let last = ((to.max(0.0) / self.cell).ceil() as usize).min(classes);
        first.min(last)..last
    }
}

/// A matrix with what its colours are relative to.
#[derive(Debug, Clone, Copy)]
pub struct Shades<'a> {
    matrix: &'a ConfusionMatrix,
    value: CellValue,
}

/// A cell with anything in it is at least this strong, so that one picture among thousands still shows.
const FLOOR: f32 = 0.22;

impl<'a> Shades<'a> {
    /// Of a matrix.
    pub fn new(matrix: &'a ConfusionMatrix, value: CellValue) -> Self {
        Self { matrix, value }
    }

    /// Strength of a cell in `[0, 1]`: 0 only where it is empty.
    pub fn strength(&self, truth: usize, predicted: usize) -> f32 {
        let count = self.matrix.count(truth, predicted);
        let whole = match self.value {
            CellValue::Counts => self.matrix.most(),
            CellValue::RowShares => self.matrix.row_total(truth),
            CellValue::ColumnShares => self.matrix.column_total(predicted),
        };
        if count == 0 || whole == 0 { 0.0 } else { FLOOR + (1.0 - FLOOR) * count as f32 / whole as f32 }
    }

    /// The text in a cell; empty cells stay empty so that what is there stands out.
    pub fn text(&self, truth: usize, predicted: usize) -> String {
        let count = self.matrix.count(truth, predicted);
        match self.value {
            _ if count == 0 => String::new(),
            CellValue::Counts => thousands(count),
            CellValue::RowShares => format!("{:.2}", count as f64 / self.matrix.row_total(truth) as f64),
            CellValue::ColumnShares => {
                format!("{:.2}", count as f64 / self.matrix.column_total(predicted) as f64)
            }
        }
    }

    /// One sentence about a cell: "true ants, predicted bees: 5 pictures".
    pub fn name(&self, classes: &[String], truth: usize, predicted: usize) -> String {
        let class = |i: usize| classes.get(i).map_or("?", String::as_str);
        let count = self.matrix.count(truth, predicted);
        let noun = if count == 1 { "picture" } else { "pictures" };
        format!("true {}, predicted {}: {count} {noun}", class(truth), class(predicted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> ConfusionMatrix {
        let mut m = ConfusionMatrix::new(3);
        for (t, p, times) in [(0, 0, 8), (0, 1, 2), (1, 1, 1), (1, 0, 1)] {
            for _ in 0..times {
                m.add(t, p);
            }
        }
        m
    }

    #[test]
    fn counts_are_relative_to_the_fullest_cell_and_shares_to_their_row() {
        let m = matrix();
        let counts = Shades::new(&m, CellValue::Counts);
        let shares = Shades::new(&m, CellValue::RowShares);
        assert!((counts.strength(0, 0) - 1.0).abs() < 1e-6);
        assert!((counts.strength(1, 1) - (0.22 + 0.78 / 8.0)).abs() < 1e-6);
        assert!((shares.strength(1, 1) - (0.22 + 0.78 / 2.0)).abs() < 1e-6);
        assert_eq!(shares.text(0, 1), "0.20");
        let columns = Shades::new(&m, CellValue::ColumnShares);
        assert_eq!((columns.text(0, 1), columns.text(1, 0)), ("0.67".to_owned(), "0.11".to_owned()));
        assert!((columns.strength(1, 1) - (0.22 + 0.78 / 3.0)).abs() < 1e-6);
        assert_eq!((counts.text(0, 1), counts.text(2, 2)), ("2".to_owned(), String::new()));
    }

    #[test]
    fn empty_cells_and_empty_rows_have_no_strength() {
        let m = matrix();
        for value in [CellValue::Counts, CellValue::RowShares, CellValue::ColumnShares] {
            let s = Shades::new(&m, value);
            assert!(s.strength(2, 2) == 0.0 && s.strength(0, 2) == 0.0);
            assert_eq!(s.text(2, 0), "");
        }
    }

    #[test]
    fn a_cell_names_itself_with_its_number() {
        let m = matrix();
        let names: Vec<String> = ["ants", "bees", "wasps"].map(str::to_owned).to_vec();
        let s = Shades::new(&m, CellValue::RowShares);
        assert_eq!(s.name(&names, 0, 1), "true ants, predicted bees: 2 pictures");
        assert_eq!(s.name(&names, 1, 0), "true bees, predicted ants: 1 picture");
    }

    #[test]
    fn two_classes_are_large_with_flat_labels_and_a_hundred_still_fit() {
        let two = MatrixLayout::new(2, (600.0, 500.0), 40.0, 1.0);
        assert!(!two.rotated && two.numbers && two.label_every == 1 && two.cell == 234.0, "{two:?}");
        assert_eq!(MatrixLayout::new(2, (2000.0, 1200.0), 40.0, 1.0).cell, MAX_CELL, "no wall of colour");
        let large = MatrixLayout::new(2, (3400.0, 1900.0), 40.0, 1.0);
        assert!(large.side(2) > 0.6 * 1900.0 && large.side(2) < 0.8 * 1900.0, "{large:?}");
        let hundred = MatrixLayout::new(100, (700.0, 700.0), 90.0, 1.0);
        assert!(hundred.rotated && !hundred.numbers && hundred.label_every > 1, "{hundred:?}");
        assert!(hundred.top + hundred.side(100) <= 700.0 && hundred.left + hundred.side(100) <= 700.0);
    }

    #[test]
    fn zooming_brings_labels_and_numbers_back() {
        let near = MatrixLayout::new(100, (700.0, 700.0), 90.0, 8.0);
        assert!(near.numbers && near.label_every == 1, "{near:?}");
    }

    #[test]
    fn labels_never_come_closer_than_a_line() {
        for n in 2..=100 {
            let l = MatrixLayout::new(n, (560.0, 620.0), 120.0, 1.0);
            assert!(l.label_every as f32 * l.cell >= LABEL_PITCH, "{n} {l:?}");
        }
    }

    #[test]
    fn positions_and_cells_agree() {
        let l = MatrixLayout::new(10, (500.0, 500.0), 60.0, 1.0);
        let (x, y) = (l.cell * 3.5, l.cell * 7.5);
        assert_eq!(l.cell_at(10, x, y), Some((7, 3)));
        assert_eq!(l.cell_at(10, -1.0, y), None);
        assert_eq!(l.cell_at(10, l.side(10) + 0.1, y), None);
        assert_eq!(l.visible(10, l.cell * 2.5, l.cell * 4.5), 2..5);
        assert_eq!(l.visible(10, -50.0, 1e6), 0..10);
        assert_eq!(l.visible(10, 1e6, 2e6), 10..10);
    }
}
