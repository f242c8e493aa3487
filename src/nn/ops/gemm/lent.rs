//! Products of small matrices on one thread, packed into memory that the caller lends: the core of attention, where each
//! head of each picture is a task of its own.

use super::kernel::{Block, Order, micro};
use super::{Mat, Out};
use std::ops::Range;

/// `columns` rounded up to whole panels: how long rows of a product with [`LentPanels`] are.
pub(crate) fn padded_columns(columns: usize) -> usize {
    columns.next_multiple_of(micro().nr())
}

/// A matrix `[k, n]` in panels of the block's width, the last padded with zeros, in borrowed memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LentPanels<'a> {
    data: &'a [f32],
    k: usize,
    n: usize,
}

impl<'a> LentPanels<'a> {
    /// How many values the panels of a matrix `[k, n]` take.
    pub(crate) fn len(k: usize, n: usize) -> usize {
        k * padded_columns(n)
    }

    /// Packs `b` into `space`, of [`Self::len`] values.
    pub(crate) fn pack(b: Mat<'_>, space: &'a mut [f32]) -> Self {
        let (k, n, nr) = (b.rows, b.cols, micro().nr());
        assert!(space.len() == Self::len(k, n), "{} values for panels of {k} x {n}", space.len());
        for (i, panel) in space.chunks_exact_mut(k * nr).enumerate() {
            let (first, cols) = (i * nr, nr.min(n - i * nr));
            for (p, out) in panel.chunks_exact_mut(nr).enumerate() {
                let from = p * b.row + first;
                out[..cols].copy_from_slice(&b.data[from..from + cols]);
                out[cols..].fill(0.0);
            }
        }
        Self { data: space, k, n }
    }

    /// Packs the transpose of `b` into `space`.
    pub(crate) fn pack_transposed(b: Mat<'_>, space: &'a mut [f32]) -> Self {
        let (k, n, nr) = (b.cols, b.rows, micro().nr());
        assert!(space.len() == Self::len(k, n), "{} values for panels of {k} x {n}", space.len());
        for (i, panel) in space.chunks_exact_mut(k * nr).enumerate() {
            fill_transposed(b, i * nr, nr.min(n - i * nr), panel, nr);
        }
        Self { data: space, k, n }
    }
}

/// Fills a panel of `width` columns with rows `first..first + cols` of `b` as its columns, and zeros in the others.
pub(crate) fn fill_transposed(b: Mat<'_>, first: usize, cols: usize, panel: &mut [f32], width: usize) {
    // Some steps of the sum at a time, so that the lines of the panel stay in the cache until all of their columns are there.
    const STEPS: usize = 16;
    for (block, panel) in panel.chunks_mut(STEPS * width).enumerate() {
        let at = block * STEPS;
        let steps = STEPS.min(b.cols - at);
        for j in 0..cols {
            let from = (first + j) * b.row + at;
            let row = &b.data[from..from + steps];
            row.iter().zip(panel[j..].iter_mut().step_by(width)).for_each(|(&v, p)| *p = v);
        }
        if cols < width {
            panel.chunks_exact_mut(width).for_each(|row| row[cols..].fill(0.0));
        }
    }
}

/// `out = a · b` in whole panels: rows of `out` are at least [`padded_columns`] apart, and the padding is written too.
pub(crate) fn product_of_panels(a: Mat<'_>, b: LentPanels<'_>, out: Out<'_>) {
    assert!(a.cols == b.k, "product of {} and {} columns", a.cols, b.k);
    let left = Left { data: a.data, order: Order::Rows(a.row), rows: a.rows };
    blocks(left, b, 0..b.k, false, out);
}

/// `out += aᵀ · b` in whole panels, where `a: [k, m]` meets the rows `steps` of `b`.
pub(crate) fn add_transposed_panels(a: Mat<'_>, b: LentPanels<'_>, steps: Range<usize>, out: Out<'_>) {
    assert!(a.rows == steps.len() && steps.end <= b.k, "product over {} rows and {steps:?}", a.rows);
    let left = Left { data: a.data, order: Order::Steps(a.row), rows: a.cols };
    blocks(left, b, steps, true, out);
}

/// The left matrix of a product, or its transpose.
struct Left<'a> {
    data: &'a [f32],
    order: Order,
    rows: usize,
}

fn blocks(left: Left<'_>, b: LentPanels<'_>, steps: Range<usize>, accumulate: bool, out: Out<'_>) {
    let micro = micro();
    let (mr, nr, k) = (micro.mr(), micro.nr(), steps.len());
    out.check(1, left.rows, padded_columns(b.n));
    if k == 0 {
        return;
    }
    let row = match left.order {
        Order::Rows(row) => row,
        Order::Steps(_) => 1,
    };
    for r in (0..left.rows).step_by(mr) {
        for panel in 0..b.n.div_ceil(nr) {
            let first = (panel * b.k + steps.start) * nr;
            let block = Block {
                k,
                a: left.data[r * row..].as_ptr(),
                a_order: left.order,
                segments: &[0],
                b: b.data[first..first + k * nr].as_ptr(),
                b_step: nr,
                c: out.at(r * out.row + panel * nr),
                c_row: out.row,
                cols: nr,
                accumulate,
                bias: std::ptr::null(),
                addend: std::ptr::null(),
                clamp: (f32::NEG_INFINITY, f32::INFINITY),
            };
            // SAFETY: `Mat::rows` made sure that the left matrix lies in its data, and `check` that whole panels of the
            // result do; the panel's rows were sliced above; `out.data` is borrowed mutably.
            unsafe { micro.run(mr.min(left.rows - r), &block) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(len: usize, pace: f64) -> Vec<f32> {
        (0..len).map(|i| ((i as f64 + 0.5) * pace).sin() as f32).collect()
    }

    #[test]
    fn products_are_those_of_the_definition() {
        for (m, n, k) in [(1, 1, 1), (13, 33, 20), (30, 5, 64), (25, 197, 17)] {
            // Rows of both matrices lie in longer ones.
            let (a_row, b_row) = (k + 3, n + 5);
            let (a, b) = (values(m * a_row, 0.7), values(k * b_row, 1.1));
            let exact = |i: usize, j: usize| {
                (0..k).map(|p| f64::from(a[i * a_row + p]) * f64::from(b[p * b_row + j])).sum::<f64>()
            };
            let transposed: Vec<f32> = (0..n * k).map(|i| b[i % k * b_row + i / k]).collect();
            let row = padded_columns(n) + 1;
            let mut spaces = [vec![7.0; LentPanels::len(k, n)], vec![7.0; LentPanels::len(k, n)]];
            let [first, second] = &mut spaces;
            let packed = [
                LentPanels::pack(Mat::rows(&b, k, n, b_row), first),
                LentPanels::pack_transposed(Mat::rows(&transposed, n, k, k), second),
            ];
            for panels in packed {
                let mut out = vec![7.0; m * row];
                product_of_panels(Mat::rows(&a, m, k, a_row), panels, Out::rows(&mut out, row));
                for (i, out) in out.chunks_exact(row).enumerate() {
                    for (j, &v) in out[..n].iter().enumerate() {
                        assert!((f64::from(v) - exact(i, j)).abs() < 1e-4, "{m} {n} {k}");
                    }
                    assert!(out[n..row - 1].iter().all(|&v| v == 0.0), "padding is zero");
                    assert!(out[row - 1] == 7.0, "wrote beside the result");
                }
            }
        }
    }

    #[test]
    fn transposed_products_add_up_over_ranges_of_steps() {
        let (m, n, k) = (14, 35, 21);
        let (a, b) = (values(k * m, 0.7), values(k * n, 1.1));
        let mut space = vec![0.0; LentPanels::len(k, n)];
        let panels = LentPanels::pack(Mat::rows(&b, k, n, n), &mut space);
        let row = padded_columns(n);
        let mut out = vec![1.0; m * row];
        for steps in [0..8, 8..8, 8..21] {
            let part = Mat::rows(&a, k, m, m).row_range(steps.start, steps.len());
            add_transposed_panels(part, panels, steps, Out::rows(&mut out, row));
        }
        for (i, out) in out.chunks_exact(row).enumerate() {
            for (j, &v) in out[..n].iter().enumerate() {
                let sum: f64 = (0..k).map(|p| f64::from(a[p * m + i]) * f64::from(b[p * n + j])).sum();
                assert!((f64::from(v) - 1.0 - sum).abs() < 1e-4);
            }
        }
    }
}
