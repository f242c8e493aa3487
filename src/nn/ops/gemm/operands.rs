//! What a product reads and where it writes.

use crate::nn::ops::Activation;
use crate::nn::ops::parallel::Shared;
use std::marker::PhantomData;
use std::ops::Range;

/// A read-only matrix of which each row lies in one piece.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mat<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) row: usize,
}

impl<'a> Mat<'a> {
    /// `rows` by `cols` values, row `r` starting at `r * row` of `data`.
    pub(crate) fn rows(data: &'a [f32], rows: usize, cols: usize, row: usize) -> Self {
        assert!(rows == 0 || cols == 0 || (rows - 1) * row + cols <= data.len(), "matrix exceeds its data");
        Self { data, rows, cols, row }
    }

    /// How many rows it has.
    pub(crate) fn row_count(&self) -> usize {
        self.rows
    }

    /// Some of its columns.
    pub(crate) fn col_range(self, cols: Range<usize>) -> Self {
        assert!(cols.start <= cols.end && cols.end <= self.cols, "columns {cols:?} of {}", self.cols);
        Self { data: &self.data[cols.start.min(self.data.len())..], cols: cols.len(), ..self }
    }

    /// `count` rows from `first` on.
    pub(crate) fn row_range(self, first: usize, count: usize) -> Self {
        assert!(first + count <= self.rows, "rows {first}+{count} of {}", self.rows);
        Self { data: &self.data[(first * self.row).min(self.data.len())..], rows: count, ..self }
    }
}

/// Rows of a product's left side, read from `data` as they lie: row `i` of line `l` is the concatenation, over `segments`, of the
/// `k` values from `l * line + i * row + segment` on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines<'a> {
    /// All values.
    pub(crate) data: &'a [f32],
    /// Number of lines.
    pub(crate) lines: usize,
    /// Distance between lines.
    pub(crate) line: usize,
    /// Rows in a line.
    pub(crate) rows: usize,
    /// Distance between rows.
    pub(crate) row: usize,
    /// Where the pieces of a row start.
    pub(crate) segments: &'a [usize],
    /// Length of a piece.
    pub(crate) k: usize,
}

impl<'a> From<Mat<'a>> for Lines<'a> {
    fn from(m: Mat<'a>) -> Self {
        Self { data: m.data, lines: 1, line: 0, rows: m.rows, row: m.row, segments: &[0], k: m.cols }
    }
}

impl Lines<'_> {
    /// Values from the first to behind the last that is read.
    pub(super) fn extent(&self) -> usize {
        let last = self.segments.iter().max();
        match last {
            Some(last) if self.lines * self.rows * self.k > 0 => {
                (self.lines - 1) * self.line + (self.rows - 1) * self.row + last + self.k
            }
            _ => 0,
        }
    }
}

/// What is added to a product, the range to which the sum is clamped, and the activation of the result.
#[derive(Debug, Clone)]
pub(crate) struct Epilogue {
    /// As long as the product's columns padded to whole vectors of any processor; empty for none.
    pub(super) bias: Vec<f32>,
    pub(super) clamp: (f32, f32),
    pub(super) act: Activation,
}

impl Epilogue {
    /// Adds `bias` (one value per column) and clamps to `clamp`.
    pub(crate) fn new(bias: Option<&[f32]>, clamp: (f32, f32)) -> Self {
        let mut bias = bias.map(<[f32]>::to_vec).unwrap_or_default();
        bias.resize(bias.len().next_multiple_of(16), 0.0);
        Self { bias, clamp, act: Activation::Identity }
    }

    /// With an activation at the end, computed while the values are in the first-level cache.
    pub(crate) fn then(self, act: Activation) -> Self {
        Self { act, ..self }
    }

    /// The bare product.
    pub(crate) fn none() -> Self {
        Self::new(None, (f32::NEG_INFINITY, f32::INFINITY))
    }
}

/// Where a product's rows go, `n` values each.
#[derive(Debug)]
pub(crate) struct Out<'a> {
    /// First value of the first row.
    pub(super) data: *mut f32,
    /// Values up to the end of what may be written.
    pub(super) len: usize,
    /// Added to the product before it is clamped, laid out like the rows.
    pub(super) addend: Option<&'a [f32]>,
    /// Distance between lines of rows.
    pub(super) line: usize,
    /// Distance between rows.
    pub(super) row: usize,
    pub(super) borrow: PhantomData<&'a mut [f32]>,
}

impl<'a> Out<'a> {
    /// Rows `row` apart, and lines of them `line` apart.
    pub(crate) fn lines(data: &'a mut [f32], line: usize, row: usize) -> Self {
        Self { data: data.as_mut_ptr(), len: data.len(), addend: None, line, row, borrow: PhantomData }
    }

    /// Rows `row` apart.
    pub(crate) fn rows(data: &'a mut [f32], row: usize) -> Self {
        Self::lines(data, 0, row)
    }

    /// Rows `row` apart that begin at `at` of `data`.
    ///
    /// # Safety
    /// Nobody else may use the product's columns of these rows; what is between them may be another task's.
    pub(crate) unsafe fn shared(data: &'a Shared<'_>, at: usize, row: usize) -> Self {
        assert!(at <= data.len(), "value {at} of {}", data.len());
        // SAFETY: inside of the data, or just behind.
        let start = unsafe { data.as_ptr().add(at) };
        Self { data: start, len: data.len() - at, addend: None, line: 0, row, borrow: PhantomData }
    }

    /// With something added to the product before it is clamped, laid out like the rows.
    pub(crate) fn plus(self, addend: Option<&'a [f32]>) -> Self {
        Self { addend, ..self }
    }

    pub(super) fn check(&self, lines: usize, rows: usize, cols: usize) {
        let extent = match lines * rows * cols {
            0 => 0,
            _ => (lines - 1) * self.line + (rows - 1) * self.row + cols,
        };
        assert!(extent <= self.len, "product exceeds its place");
        assert!(self.addend.is_none_or(|a| extent <= a.len()), "addend too short");
    }

    /// Applies `act` to the values of `rows` rows from `index` on, `cols` each.
    ///
    /// # Safety
    /// `check` allowed them, and they are written.
    pub(super) unsafe fn activate(&self, act: Activation, index: usize, rows: usize, cols: usize) {
        if act == Activation::Identity {
            return;
        }
        if self.row == cols {
            // SAFETY: the caller's promise; the rows lie in one piece, and `data` is borrowed mutably.
            act.rewrite(unsafe { std::slice::from_raw_parts_mut(self.at(index), rows * cols) });
        } else {
            for row in 0..rows {
                // SAFETY: the caller's promise; `data` is borrowed mutably.
                let values = unsafe { std::slice::from_raw_parts_mut(self.at(index + row * self.row), cols) };
                act.rewrite(values);
            }
        }
    }

    /// The value at `index`, which `check` allowed.
    pub(super) fn at(&self, index: usize) -> *mut f32 {
        self.data.wrapping_add(index)
    }
}
