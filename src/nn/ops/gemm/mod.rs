//! Matrix products of f32, the core of convolution and of the fully connected layer.
//!
//! One matrix is packed into panels of a few columns ([`Packed`]), once for all threads; the other is read where it lies.
//! After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008), without blocking over the
//! length of the sum: a panel of the longest sums met here still fits the second-level cache.

mod kernel;
mod panels;

pub(crate) use panels::{Panels, add_transposed_panels, fill_transposed, padded_columns, product_of_panels};

use kernel::{Block, Micro, Start, micro};
use rayon::prelude::*;

/// Most values in one block of `C`.
const MAX_BLOCK: usize = 12 * 32;
/// A `B` up to this many values stays in the second-level cache while rows of `A` pass by.
const B_RESIDENT: usize = 96 * 1024;

/// Rows of a block; a task's rows should be a multiple of it.
pub(crate) fn row_unit() -> usize {
    micro().mr()
}

/// A read-only matrix of which each row lies in one piece.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row: usize,
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

    /// `count` rows from `first` on.
    pub(crate) fn row_range(self, first: usize, count: usize) -> Self {
        assert!(first + count <= self.rows, "rows {first}+{count} of {}", self.rows);
        Self { data: &self.data[(first * self.row).min(self.data.len())..], rows: count, ..self }
    }

    /// The columns in `range`.
    pub(crate) fn col_range(self, range: std::ops::Range<usize>) -> Self {
        assert!(range.end <= self.cols, "columns {range:?} of {}", self.cols);
        Self { data: &self.data[range.start..], cols: range.len(), ..self }
    }
}

/// A matrix `[k, n]` in panels of the block's width, the last padded with zeros.
#[derive(Debug)]
pub(crate) struct Packed {
    data: Vec<f32>,
    k: usize,
    n: usize,
    nr: usize,
}

impl Packed {
    /// Packs `b`.
    pub(crate) fn new(b: Mat<'_>) -> Self {
        Self::from_fn(b.rows, b.cols, |first_col, cols, panel, nr| {
            for (p, out) in panel.chunks_exact_mut(nr).enumerate() {
                let from = p * b.row + first_col;
                out[..cols].copy_from_slice(&b.data[from..from + cols]);
            }
        })
    }

    /// Packs by calling `fill(first column, columns, panel, width)` for each panel, in parallel; the panel is `k` rows of
    /// `width` zeros.
    pub(crate) fn from_fn(k: usize, n: usize, fill: impl Fn(usize, usize, &mut [f32], usize) + Sync) -> Self {
        let nr = micro().nr;
        let panels = n.div_ceil(nr);
        let mut data = vec![0.0; panels * k * nr];
        if k > 0 {
            data.par_chunks_mut(k * nr).enumerate().for_each(|(i, panel)| {
                let first = i * nr;
                fill(first, nr.min(n - first), panel, nr);
            });
        }
        Self { data, k, n, nr }
    }

    /// Length of the sum.
    pub(crate) fn k(&self) -> usize {
        self.k
    }

    /// Columns of the product.
    pub(crate) fn n(&self) -> usize {
        self.n
    }
}

/// What is added to a product and the range to which the sum is clamped.
#[derive(Debug, Clone)]
pub(crate) struct Epilogue {
    /// As long as the product's columns padded to whole panels; empty for none.
    bias: Vec<f32>,
    clamp: (f32, f32),
}

impl Epilogue {
    /// Adds `bias` (one value per column) and clamps to `clamp`.
    pub(crate) fn new(bias: Option<&[f32]>, clamp: (f32, f32)) -> Self {
        let mut bias = bias.map(<[f32]>::to_vec).unwrap_or_default();
        bias.resize(bias.len().next_multiple_of(micro().nr), 0.0);
        Self { bias, clamp }
    }

    /// The bare product.
    pub(crate) fn none() -> Self {
        Self::new(None, (f32::NEG_INFINITY, f32::INFINITY))
    }
}

/// Rows of a result, each `n` values long and `row` apart.
#[derive(Debug)]
pub(crate) struct Out<'a> {
    /// From the first value of the first row.
    pub(crate) data: &'a mut [f32],
    /// Distance between rows.
    pub(crate) row: usize,
}

/// `out = epilogue(a · b)` on this thread.
pub(crate) fn product(a: Mat<'_>, b: &Packed, epilogue: &Epilogue, out: Out<'_>) {
    product_with(micro(), a, b, epilogue, out);
}

fn product_with(micro: &Micro, a: Mat<'_>, b: &Packed, epilogue: &Epilogue, out: Out<'_>) {
    assert!(a.cols == b.k && micro.nr == b.nr, "product of {} and {} columns", a.cols, b.k);
    assert!(epilogue.bias.is_empty() || epilogue.bias.len() >= b.n, "bias too short");
    check_out(&out, a.rows, b.n);
    let (mr, nr) = (micro.mr(), micro.nr);
    let panels = b.n.div_ceil(nr);
    let mut tile = |r: usize, panel: usize| {
        let (rows, cols) = (mr.min(a.rows - r), nr.min(b.n - panel * nr));
        let (bias, start) = if epilogue.bias.is_empty() {
            (std::ptr::null(), Start::Zero)
        } else {
            (epilogue.bias[panel * nr..].as_ptr(), Start::Bias)
        };
        let block = Block {
            k: b.k,
            a: a.data[r * a.row..].as_ptr(),
            a_row: a.row,
            a_step: 1,
            b: b.data[panel * b.k * nr..].as_ptr(),
            b_step: nr,
            c: out.data[r * out.row + panel * nr..].as_mut_ptr(),
            c_row: out.row,
            bias,
            start,
            clamp: epilogue.clamp,
        };
        // SAFETY: `Mat::rows` and `check_out` made sure that both matrices lie in their data; panels and bias are padded
        // to `nr`; `out.data` is borrowed mutably.
        unsafe { run_clipped(micro, rows, cols, block) };
    };
    if b.k * b.n <= B_RESIDENT {
        (0..a.rows).step_by(mr).for_each(|r| (0..panels).for_each(|p| tile(r, p)));
    } else {
        (0..panels).for_each(|p| (0..a.rows).step_by(mr).for_each(|r| tile(r, p)));
    }
}

/// `out += aᵀ · b` on this thread, with `a: [k, m]` and `b: [k, n]` read in place; for weight gradients.
pub(crate) fn add_product_of_transposed(a: Mat<'_>, b: Mat<'_>, out: Out<'_>) {
    add_transposed_with(micro(), a, b, out);
}

fn add_transposed_with(micro: &Micro, a: Mat<'_>, b: Mat<'_>, out: Out<'_>) {
    assert!(a.rows == b.rows, "product over {} and {} rows", a.rows, b.rows);
    check_out(&out, a.cols, b.cols);
    let (mr, nr) = (micro.mr(), micro.nr);
    let whole = b.cols / nr * nr;
    let mut tail = vec![0.0; if whole < b.cols { b.rows * nr } else { 0 }];
    for (p, row) in tail.chunks_exact_mut(nr).enumerate() {
        row[..b.cols - whole].copy_from_slice(&b.data[p * b.row + whole..p * b.row + b.cols]);
    }
    for first in (0..b.cols).step_by(nr) {
        let (b_data, b_step) = if first < whole { (&b.data[first..], b.row) } else { (&tail[..], nr) };
        for r in (0..a.cols).step_by(mr) {
            let block = Block {
                k: a.rows,
                a: a.data[r..].as_ptr(),
                a_row: 1,
                a_step: a.row,
                b: b_data.as_ptr(),
                b_step,
                c: out.data[r * out.row + first..].as_mut_ptr(),
                c_row: out.row,
                bias: std::ptr::null(),
                start: Start::Accumulate,
                clamp: (f32::NEG_INFINITY, f32::INFINITY),
            };
            // SAFETY: as in `product_with`; a panel that would reach over the end of `b` is read from `tail`.
            unsafe { run_clipped(micro, mr.min(a.cols - r), nr.min(b.cols - first), block) };
        }
    }
}

fn check_out(out: &Out<'_>, rows: usize, cols: usize) {
    assert!(
        rows == 0 || cols == 0 || (rows - 1) * out.row + cols <= out.data.len(),
        "product exceeds its place"
    );
}

/// Runs a block of which only `cols` columns exist in `C`.
///
/// # Safety
/// As for `Micro::run`, but `C` needs to hold only `cols` columns.
unsafe fn run_clipped(micro: &Micro, rows: usize, cols: usize, mut block: Block) {
    if cols == micro.nr {
        // SAFETY: the caller's promise.
        unsafe { micro.run(rows, &block) };
        return;
    }
    let mut whole = [0.0f32; MAX_BLOCK];
    let (c, c_row) = (block.c, block.c_row);
    block.c = whole.as_mut_ptr();
    block.c_row = micro.nr;
    // SAFETY: `whole` holds any block; the caller promised `cols` columns of `C`, which do not overlap with `whole`.
    unsafe {
        if block.start == Start::Accumulate {
            for r in 0..rows {
                std::ptr::copy_nonoverlapping(c.add(r * c_row), block.c.add(r * micro.nr), cols);
            }
        }
        micro.run(rows, &block);
        for r in 0..rows {
            std::ptr::copy_nonoverlapping(whole.as_ptr().add(r * micro.nr), c.add(r * c_row), cols);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::kernel::supported;
    use super::*;

    fn values(len: usize, pace: f64) -> Vec<f32> {
        (0..len).map(|i| ((i as f64 + 0.5) * pace).sin() as f32).collect()
    }

    fn pack_for(micro: &Micro, b: Mat<'_>) -> Packed {
        let (nr, n) = (micro.nr, b.cols);
        let mut data = vec![0.0; n.div_ceil(nr) * nr * b.rows];
        for p in 0..b.rows {
            for j in 0..n {
                data[(j / nr * b.rows + p) * nr + j % nr] = b.data[p * b.row + j];
            }
        }
        Packed { data, k: b.rows, n, nr }
    }

    fn naive(k: usize, a: impl Fn(usize) -> f32, b: impl Fn(usize) -> f32) -> f64 {
        (0..k).map(|p| f64::from(a(p)) * f64::from(b(p))).sum()
    }

    #[test]
    fn every_instruction_set_multiplies_and_clamps() {
        for (m, n, k) in [(1, 1, 1), (12, 32, 7), (13, 33, 20), (25, 65, 300), (5, 31, 2), (37, 16, 64)] {
            let (a, b, bias) = (values(m * k, 0.7), values(k * n, 1.1), values(n, 0.3));
            let (a, b) = (Mat::rows(&a, m, k, k), Mat::rows(&b, k, n, n));
            for micro in supported() {
                let mut padded = bias.clone();
                padded.resize(n.next_multiple_of(micro.nr), 0.0);
                let epilogue = Epilogue { bias: padded, clamp: (-0.5, 2.0) };
                let row = n + 3;
                let mut out = vec![9.0f32; m * row];
                product_with(micro, a, &pack_for(micro, b), &epilogue, Out { data: &mut out, row });
                for i in 0..m {
                    for j in 0..n {
                        let sum = naive(k, |p| a.data[i * k + p], |p| b.data[p * n + j]);
                        let want = (sum + f64::from(bias[j])).clamp(-0.5, 2.0);
                        assert!(
                            (f64::from(out[i * row + j]) - want).abs() < 1e-4,
                            "{m} {n} {k} nr {}",
                            micro.nr
                        );
                    }
                    assert!(
                        out[i * row + n..(i + 1) * row].iter().all(|&v| v == 9.0),
                        "wrote beside the result"
                    );
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_adds_transposed_products() {
        for (m, n, k) in [(1, 1, 1), (13, 33, 20), (24, 64, 100), (7, 40, 3)] {
            let (a, b) = (values(m * k, 0.7), values(k * n, 1.1));
            let (a, b) = (Mat::rows(&a, k, m, m), Mat::rows(&b, k, n, n));
            for micro in supported() {
                let mut out = vec![1.0f32; m * n];
                add_transposed_with(micro, a, b, Out { data: &mut out, row: n });
                for (at, &got) in out.iter().enumerate() {
                    let want = 1.0 + naive(k, |p| a.data[p * m + at / n], |p| b.data[p * n + at % n]);
                    assert!((f64::from(got) - want).abs() < 1e-4, "{m} {n} {k} nr {}", micro.nr);
                }
            }
        }
    }

    #[test]
    fn packing_pads_the_last_panel() {
        let data = values(7 * 45, 0.9);
        let b = Mat::rows(&data, 7, 45, 45);
        assert_eq!(Packed::new(b).data, pack_for(micro(), b).data);
    }

    #[test]
    fn not_a_number_is_not_clamped_away() {
        for micro in supported() {
            let epilogue = Epilogue { bias: Vec::new(), clamp: (0.0, 6.0) };
            let mut out = [0.0f32];
            let packed = pack_for(micro, Mat::rows(&[1.0], 1, 1, 1));
            product_with(
                micro,
                Mat::rows(&[f32::NAN], 1, 1, 1),
                &packed,
                &epilogue,
                Out { data: &mut out, row: 1 },
            );
            assert!(out[0].is_nan(), "nr {}", micro.nr);
        }
    }
}
