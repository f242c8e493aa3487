//! Copies of both sides of a product in the order in which its blocks read them.

use super::{Mat, Transposed};
use crate::nn::ops::simd::{Isa, Kernel, Vector};
use std::ops::Range;

/// Some rows and columns of a matrix in panels of `nr` columns, the last padded with zeros to whole vectors.
pub(super) struct PackRight<'a> {
    pub(super) b: Mat<'a>,
    pub(super) rows: Range<usize>,
    pub(super) cols: Range<usize>,
    pub(super) nr: usize,
    pub(super) panels: &'a mut [f32],
}

impl Kernel for PackRight<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _: I) {
        let (lanes, count) = (I::V::LANES, self.rows.len());
        assert!(self.nr == 2 * lanes && self.cols.end <= self.b.cols && self.rows.end <= self.b.rows);
        assert!(count * self.cols.len().next_multiple_of(lanes) <= self.panels.len());
        for (i, row) in self.rows.enumerate() {
            let mut first = self.cols.start;
            while first < self.cols.end {
                let exist = (self.cols.end - first).min(self.nr);
                let width = if exist > lanes { self.nr } else { lanes };
                // SAFETY: the row has `exist` values from `first` on, and the panels' room was checked above.
                unsafe {
                    let from = self.b.data.as_ptr().add(row * self.b.row + first);
                    let to = self.panels.as_mut_ptr().add((first - self.cols.start) * count + i * width);
                    copy::<I::V>(from, to, exist.min(lanes));
                    if exist > lanes {
                        copy::<I::V>(from.add(lanes), to.add(lanes), exist - lanes);
                    }
                }
                first += self.nr;
            }
        }
    }
}

/// Writes a vector of `count` values and zeros behind them.
///
/// # Safety
/// The values are readable and a whole vector writable, in a kernel with this vector type.
#[inline(always)]
unsafe fn copy<V: Vector>(from: *const f32, to: *mut f32, count: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let values = if count == V::LANES { V::load(from) } else { V::load_part(from, count) };
        values.store(to);
    }
}

/// Some rows of all segments and some columns, row after row; no more columns than a vector holds.
pub(super) struct PackLeft<'a> {
    pub(super) a: Transposed<'a>,
    pub(super) rows: Range<usize>,
    pub(super) cols: Range<usize>,
    pub(super) panel: &'a mut [f32],
}

impl Kernel for PackLeft<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _: I) {
        let (a, width) = (self.a, self.cols.len());
        assert!(width > 0 && width <= I::V::LANES && self.cols.end <= a.cols);
        assert!(self.rows.end <= a.segments.len() * a.rows && self.rows.len() * width <= self.panel.len());
        let mut to = self.panel.as_mut_ptr();
        let mut row = self.rows.start;
        while row < self.rows.end {
            let (segment, inside) = (row / a.rows, row % a.rows);
            let count = (a.rows - inside).min(self.rows.end - row);
            let start = a.segments[segment] + inside * a.step + self.cols.start;
            assert!(start + (count - 1) * a.step + width <= a.data.len());
            let mut from = a.data[start..].as_ptr();
            for _ in 0..count {
                // SAFETY: `count` rows of `width` values from `start` on are in the data, and the panel has room for them.
                unsafe {
                    I::V::load_part(from, width).store_part(to, width);
                    to = to.add(width);
                }
                from = from.wrapping_add(a.step);
            }
            row += count;
        }
    }
}
