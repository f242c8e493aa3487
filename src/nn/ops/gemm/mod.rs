//! Matrix products of f32, the core of convolution and of the fully connected layer.
//!
//! One matrix is packed into panels of a few columns ([`Packed`]), once for all threads; the other is read where it lies.
//! After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008), without blocking over the
//! length of the sum: a panel of the longest sums met here still fits the second-level cache.

mod kernel;
mod lent;
mod operands;
mod pack;
mod packed;

pub(crate) use lent::{
    LentPanels, add_transposed_panels, fill_transposed, padded_columns, product_of_panels,
};
pub(crate) use operands::{Epilogue, Lines, Mat, Out};
pub(crate) use packed::{Packed, PackedSet, Panels, SetPart};

use super::parallel::with_scratch;
use super::simd::dispatch;
use kernel::{Block, Order, micro};
use pack::{PackLeft, PackRight};

/// A `B` up to this many values stays in the second-level cache while rows of `A` pass by.
const B_RESIDENT: usize = 96 * 1024;

/// Rows of a block; a task's rows should be a multiple of it.
pub(crate) fn row_unit() -> usize {
    micro().mr()
}
/// Splits `rows` into as few blocks as there must be, of nearly equal size: a block of few rows would wait for its own sums.
fn row_blocks(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let blocks = rows.div_ceil(most).max(1);
    (0..blocks).map(move |i| (i * rows / blocks, (i + 1) * rows / blocks)).filter(|(begin, end)| begin < end)
}

/// `out = act(clamp(a · b + bias + addend))` on this thread.
pub(crate) fn product<'a>(
    a: impl Into<Lines<'a>>,
    b: impl Into<Panels<'a>>,
    epilogue: &Epilogue,
    out: Out<'_>,
) {
    let (a, b) = (a.into(), b.into());
    let micro = b.micro;
    assert!(a.segments.len() * a.k == b.k, "product of {} * {} and {} columns", a.segments.len(), a.k, b.k);
    assert!(a.extent() <= a.data.len(), "rows exceed their data");
    assert!(epilogue.bias.is_empty() || epilogue.bias.len() >= b.n, "bias too short");
    out.check(a.lines, a.rows, b.n);
    let nr = micro.nr();
    let panels = b.n.div_ceil(nr);
    let whole_rows = b.k * b.n <= B_RESIDENT;
    let tile = |line: usize, (begin, end): (usize, usize), panel: usize| {
        let cols = nr.min(b.n - panel * nr);
        let c = line * out.line + begin * out.row + panel * nr;
        let block = Block {
            k: a.k,
            a: a.data[line * a.line + begin * a.row..].as_ptr(),
            a_order: Order::Rows(a.row),
            segments: a.segments,
            b: b.data[panel * b.k * nr..].as_ptr(),
            b_step: micro.width(cols),
            c: out.at(c),
            c_row: out.row,
            cols,
            accumulate: false,
            bias: epilogue
                .bias
                .get(panel * nr..)
                .filter(|b| !b.is_empty())
                .map_or(std::ptr::null(), <[f32]>::as_ptr),
            addend: out.addend.map_or(std::ptr::null(), |addend| addend[c..].as_ptr()),
            clamp: epilogue.clamp,
        };
        // SAFETY: `extent` and `check` made sure that both matrices lie in their data; panels and bias are padded to whole
        // vectors; `out` is this product's alone.
        unsafe { micro.run(end - begin, &block) };
        if !whole_rows {
            // SAFETY: just written.
            unsafe { out.activate(epilogue.act, c, end - begin, cols) };
        }
    };
    let blocks = || row_blocks(a.rows, micro.mr());
    if whole_rows {
        for line in 0..a.lines {
            for (begin, end) in blocks() {
                (0..panels).for_each(|panel| tile(line, (begin, end), panel));
                let first = line * out.line + begin * out.row;
                // SAFETY: just written.
                unsafe { out.activate(epilogue.act, first, end - begin, b.n) };
            }
        }
    } else {
        for panel in 0..panels {
            (0..a.lines).for_each(|line| blocks().for_each(|rows| tile(line, rows, panel)));
        }
    }
}

/// The left side of a weight gradient. Row `i` of segment `s` of `a` is the `cols` values from
/// `segments[s] + i * step` on; there are as many rows in all segments together as in `b`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transposed<'a> {
    /// All values.
    pub(crate) data: &'a [f32],
    /// Where segments of rows start.
    pub(crate) segments: &'a [usize],
    /// Rows in a segment.
    pub(crate) rows: usize,
    /// Distance between rows of a segment.
    pub(crate) step: usize,
    /// Columns, that is rows of the result.
    pub(crate) cols: usize,
}

/// Columns of `b` that are packed at a time, and rows: what both sides of a block need then stays in the first-level cache, and
/// all blocks of some columns in the second.
const GROUP_COLUMNS: usize = 256;
const GROUP_ROWS: usize = 192;

/// `out += aᵀ · b` on this thread, or `out = aᵀ · b` if it is the `first` of a sum.
pub(crate) fn add_product_of_transposed(a: Transposed<'_>, b: Mat<'_>, first: bool, out: Out<'_>) {
    let (micro, k) = (micro(), a.segments.len() * a.rows);
    assert!(k == b.rows, "product over {k} and {} rows", b.rows);
    let last = a.segments.iter().max().map_or(0, |last| last + a.rows.saturating_sub(1) * a.step + a.cols);
    assert!(k == 0 || last <= a.data.len(), "rows exceed their data");
    out.check(1, a.cols, b.cols);
    let (mr, nr) = (micro.mr(), micro.nr());
    let group = GROUP_COLUMNS.next_multiple_of(nr);
    with_scratch(GROUP_ROWS * (group + mr), |scratch| {
        let (panels, left) = scratch.split_at_mut(GROUP_ROWS * group);
        for first_row in (0..k).step_by(GROUP_ROWS) {
            let rows = first_row..k.min(first_row + GROUP_ROWS);
            for first_col in (0..b.cols).step_by(group) {
                let cols = first_col..b.cols.min(first_col + group);
                dispatch(PackRight { b, rows: rows.clone(), cols: cols.clone(), nr, panels });
                for (begin, end) in row_blocks(a.cols, mr) {
                    dispatch(PackLeft { a, rows: rows.clone(), cols: begin..end, panel: left });
                    for at in cols.clone().step_by(nr) {
                        let cols = nr.min(b.cols - at);
                        let block = Block {
                            k: rows.len(),
                            a: left.as_ptr(),
                            a_order: Order::Steps(end - begin),
                            segments: &[0],
                            b: panels[(at - first_col) * rows.len()..].as_ptr(),
                            b_step: micro.width(cols),
                            c: out.at(begin * out.row + at),
                            c_row: out.row,
                            cols,
                            accumulate: !first || first_row > 0,
                            bias: std::ptr::null(),
                            addend: std::ptr::null(),
                            clamp: (f32::NEG_INFINITY, f32::INFINITY),
                        };
                        // SAFETY: both operands were packed with as many rows and columns; `check` made sure that the block
                        // lies in `out`, which is this product's alone.
                        unsafe { micro.run(end - begin, &block) };
                    }
                }
            }
        }
    });
}

#[cfg(test)]
mod tests;
