//! Matrix products of f32, the core of convolution and of the fully connected layer.
//!
//! One matrix is packed into panels of a few columns ([`Packed`]), once for all threads; the other is read where it lies.
//! After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008), without blocking over the
//! length of the sum: a panel of the longest sums met here still fits the second-level cache.

mod kernel;
mod lent;
mod pack;

pub(crate) use lent::{
    LentPanels, add_transposed_panels, fill_transposed, padded_columns, product_of_panels,
};

use super::Activation;
use super::memory::filled;
use super::parallel::{Shared, with_scratch};
use super::simd::dispatch;
use kernel::{Block, Micro, Order, micro};
use pack::{PackLeft, PackRight};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

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
    fn extent(&self) -> usize {
        let last = self.segments.iter().max();
        match last {
            Some(last) if self.lines * self.rows * self.k > 0 => {
                (self.lines - 1) * self.line + (self.rows - 1) * self.row + last + self.k
            }
            _ => 0,
        }
    }
}

/// A matrix `[k, n]` in panels of the block's width, the last padded with zeros to whole vectors.
#[derive(Debug)]
pub(crate) struct Packed {
    data: Vec<f32>,
    k: usize,
    n: usize,
    micro: &'static Micro,
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
    data: Vec<f32>,
    /// Values of a matrix.
    plane: usize,
    k: usize,
    n: usize,
    micro: &'static Micro,
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
    data: &'a [f32],
    k: usize,
    n: usize,
    micro: &'static Micro,
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

/// What is added to a product, the range to which the sum is clamped, and the activation of the result.
#[derive(Debug, Clone)]
pub(crate) struct Epilogue {
    /// As long as the product's columns padded to whole vectors of any processor; empty for none.
    bias: Vec<f32>,
    clamp: (f32, f32),
    act: Activation,
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
    data: *mut f32,
    /// Values up to the end of what may be written.
    len: usize,
    /// Added to the product before it is clamped, laid out like the rows.
    addend: Option<&'a [f32]>,
    /// Distance between lines of rows.
    line: usize,
    /// Distance between rows.
    row: usize,
    borrow: PhantomData<&'a mut [f32]>,
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

    fn check(&self, lines: usize, rows: usize, cols: usize) {
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
    unsafe fn activate(&self, act: Activation, index: usize, rows: usize, cols: usize) {
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
    fn at(&self, index: usize) -> *mut f32 {
        self.data.wrapping_add(index)
    }
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
