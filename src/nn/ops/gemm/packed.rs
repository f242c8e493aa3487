//! Matrices packed for the blocks of the kernel.

use super::Mat;
use super::kernel::{Micro, micro};
use crate::nn::ops::memory::filled;
use crate::nn::ops::parallel::Shared;
use rayon::prelude::*;
use std::ops::Range;

/// A matrix `[k, n]` in panels of the block's width, the last padded with zeros to whole vectors.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(super) data: Vec<f32>,
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) micro: &'static Micro,
}

impl Packed {
    /// Packs `b`.
    pub(crate) fn new(b: Mat<'_>) -> Self {
        let copy = |first: usize, cols: usize, panel: &mut [f32], width: usize| {
            for (p, out) in panel.chunks_exact_mut(width).enumerate() {
                let from = p * b.row + first;
                out[..cols].copy_from_slice(&b.data[from..from + cols]);
            }
        };
        // SAFETY: every row's columns are copied.
        unsafe { Self::from_fn(b.rows, b.cols, copy) }
    }

    /// Packs by calling `fill(first column, columns, panel, width)` for each panel, in parallel; the panel is `k` rows of
    /// `width` values, of which those behind the columns are zeros.
    ///
    /// # Safety
    /// `fill` must write the columns of each row of the panel, and read none before.
    pub(crate) unsafe fn from_fn(
        k: usize,
        n: usize,
        fill: impl Fn(usize, usize, &mut [f32], usize) + Sync,
    ) -> Self {
        let micro = micro();
        let nr = micro.nr();
        let fill = |data: &mut [f32]| {
            data.par_chunks_mut((k * nr).max(1)).enumerate().for_each(|(i, panel)| {
                let cols = nr.min(n - i * nr);
                let width = micro.width(cols);
                if cols < width {
                    panel.chunks_exact_mut(width).for_each(|row| row[cols..].fill(0.0));
                }
                fill(i * nr, cols, panel, width);
            });
        };
        // SAFETY: the caller's promise for the columns; the others are zeros.
        let data = unsafe { filled(k * n.next_multiple_of(micro.lanes), fill) };
        Self { data, k, n, micro }
    }

    /// Columns of the product.
    pub(crate) fn n(&self) -> usize {
        self.n
    }
}

/// Several matrices of one shape, packed like [`Packed`].
#[derive(Debug)]
pub(crate) struct PackedSet {
    pub(super) data: Vec<f32>,
    /// Values of a matrix.
    pub(super) plane: usize,
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) micro: &'static Micro,
}

/// Some rows and columns of all matrices of a set, to be written.
pub(crate) struct SetPart<'a> {
    pub(crate) rows: Range<usize>,
    /// Those that exist.
    pub(crate) cols: Range<usize>,
    /// Values of a packed row: the columns, and any values behind them.
    pub(crate) width: usize,
    /// All values of the set.
    pub(crate) values: &'a Shared<'a>,
    /// Where the first row of the first matrix goes; the next row follows behind it.
    pub(crate) first: usize,
    /// Distance between matrices.
    pub(crate) plane: usize,
}

impl PackedSet {
    /// Packs `count` matrices `[k, n]` whose rows are made together, by calling `fill` for parts of at most `rows` rows, in
    /// parallel.
    ///
    /// # Safety
    /// `fill` must write each value of its part, and no others.
    pub(crate) unsafe fn new(
        count: usize,
        [k, n]: [usize; 2],
        rows: usize,
        fill: impl Fn(SetPart<'_>) + Sync,
    ) -> Self {
        let micro = micro();
        let (nr, plane, groups) = (micro.nr(), k * n.next_multiple_of(micro.lanes), k.div_ceil(rows));
        let fill = |values: &mut [f32]| {
            let values = &Shared::new(values);
            (0..groups * n.div_ceil(nr)).into_par_iter().for_each(|task| {
                let (panel, row) = (task / groups, task % groups * rows);
                let (rows, cols) = (row..k.min(row + rows), panel * nr..n.min(panel * nr + nr));
                let width = micro.width(cols.len());
                let first = panel * nr * k + row * width;
                fill(SetPart { rows, cols, width, values, first, plane });
            });
        };
        // SAFETY: the caller's promise; the parts are all rows of all panels.
        let data = unsafe { filled(count * plane, fill) };
        Self { data, plane, k, n, micro }
    }

    /// Matrix `i`.
    pub(crate) fn get(&self, i: usize) -> Panels<'_> {
        Panels {
            data: &self.data[i * self.plane..(i + 1) * self.plane],
            k: self.k,
            n: self.n,
            micro: self.micro,
        }
    }
}

/// A packed matrix, or some of its columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panels<'a> {
    pub(super) data: &'a [f32],
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) micro: &'static Micro,
}

impl Panels<'_> {
    /// Columns that can be taken apart: multiples of this, and the last.
    pub(crate) fn unit(&self) -> usize {
        self.micro.nr()
    }

    /// Columns in `range`, which begins at a multiple of [`Self::unit`] and ends at one or at the last column.
    pub(crate) fn columns(self, range: Range<usize>) -> Self {
        let unit = self.unit();
        assert!(range.start.is_multiple_of(unit) && (range.end.is_multiple_of(unit) || range.end == self.n));
        Self { data: &self.data[range.start * self.k..], n: range.len(), ..self }
    }
}

impl<'a> From<&'a Packed> for Panels<'a> {
    fn from(p: &'a Packed) -> Self {
        Self { data: &p.data, k: p.k, n: p.n, micro: p.micro }
    }
}
