//! The innermost loop: a small block of `C = clamp(A · B + bias + addend)` held in registers.
//!
//! A block is up to `mr` rows by one or two vectors of columns. `B` is read in rows of consecutive values; `A` one value at a
//! time, so any strides will do, and neither an image nor its transpose has to be copied first. The sum may be cut into
//! segments of equal length which start anywhere in `A`: with a segment for each row of a convolution's kernel, a picture is
//! multiplied as it lies.

use crate::nn::ops::simd::{Level, Vector, level};

/// One block's operands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    /// Length of a segment of the sum.
    pub(super) k: usize,
    /// First value of `A`.
    pub(super) a: *const f32,
    /// Distance between rows of `A`.
    pub(super) a_row: usize,
    /// Distance between steps of the sum in `A`.
    pub(super) a_step: usize,
    /// Where in `A` each segment of the sum starts.
    pub(super) segments: &'a [usize],
    /// First value of `B`.
    pub(super) b: *const f32,
    /// Distance between steps of the sum in `B`, through all segments.
    pub(super) b_step: usize,
    /// First value of `C`.
    pub(super) c: *mut f32,
    /// Distance between rows of `C`.
    pub(super) c_row: usize,
    /// Columns that exist in `C`.
    pub(super) cols: usize,
    /// The sum starts from what `C` holds.
    pub(super) accumulate: bool,
    /// The same for each row; null for none.
    pub(super) bias: *const f32,
    /// Laid out like `C`; null for none.
    pub(super) addend: *const f32,
    /// The result is clamped to this range; NaN stays NaN.
    pub(super) clamp: (f32, f32),
}

/// Computes one block of a fixed number of rows and vectors of columns.
type BlockFn = unsafe fn(&Block<'_>);

/// The block functions of an instruction set.
#[derive(Debug)]
pub(crate) struct Micro {
    /// Columns in a vector; a block has as many, or twice as many.
    pub(super) lanes: usize,
    /// `by_rows[r - 1]` computes `r` rows of one vector and of two.
    by_rows: &'static [[BlockFn; 2]],
}

impl Micro {
    /// The most rows in a block.
    pub(super) fn mr(&self) -> usize {
        self.by_rows.len()
    }

    /// The most columns in a block.
    pub(super) fn nr(&self) -> usize {
        2 * self.lanes
    }

    /// Columns computed for `cols` that exist.
    pub(super) fn width(&self, cols: usize) -> usize {
        if cols <= self.lanes { self.lanes } else { 2 * self.lanes }
    }

    /// Computes `rows` rows (1 to `mr`) of `block.cols` columns (1 to `nr`).
    ///
    /// # Safety
    /// With `r < rows`, `p < k`, `s < segments.len()`, `j < cols` and `w < width(cols)`: `a + segments[s] + r * a_row + p * a_step` and
    /// `b + (s * k + p) * b_step + w` are readable, `c + r * c_row + j` is writable and nobody else's, and `bias + w` and
    /// `addend + r * c_row + j` are readable where they are not null.
    pub(super) unsafe fn run(&self, rows: usize, block: &Block<'_>) {
        let vectors = usize::from(block.cols > self.lanes);
        // SAFETY: the caller's promise; `micro` chose functions that this processor can run.
        unsafe { self.by_rows[rows - 1][vectors](block) }
    }
}

/// The most rows of any instruction set's block.
const MOST_ROWS: usize = 14;

/// Repeats `$body` for rows `R` (a constant) below `$rows`. Not a loop: one of this length is unrolled too late for the sums to
/// stay in registers.
macro_rules! for_rows {
    ($rows:ident, $body:expr) => {
        for_rows!(@ $rows, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13)
    };
    (@ $rows:ident, $body:expr, $($row:literal)*) => {
        $({
            const R: usize = $row;
            if R < $rows {
                $body
            }
        })*
    };
}

/// # Safety
/// As for `Micro::run`, inlined where `V` may be used.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "closures and iterators are not certainly inlined")]
unsafe fn block<V: Vector, const ROWS: usize, const VECTORS: usize>(t: &Block<'_>) {
    let whole = t.cols == VECTORS * V::LANES;
    // SAFETY: every access is one of those promised to `Micro::run`.
    unsafe {
        let mut acc = [[V::splat(0.0); VECTORS]; MOST_ROWS];
        let mut b = t.b;
        for &segment in t.segments {
            // One pointer for three rows: the other two are reached by the strides that an address can hold.
            let mut a = [t.a; MOST_ROWS.div_ceil(3)];
            for (g, a) in a.iter_mut().enumerate() {
                *a = a.wrapping_add(segment + 3 * g * t.a_row);
            }
            for _ in 0..t.k {
                let mut row = [V::splat(0.0); VECTORS];
                for j in 0..VECTORS {
                    row[j] = V::load(b.add(j * V::LANES));
                }
                for_rows!(ROWS, {
                    let v = V::splat(*a[R / 3].add(R % 3 * t.a_row));
                    for j in 0..VECTORS {
                        acc[R][j] = v.mul_add(row[j], acc[R][j]);
                    }
                });
                for a in &mut a {
                    *a = a.wrapping_add(t.a_step);
                }
                b = b.wrapping_add(t.b_step);
            }
        }
        let (low, high) = (V::splat(t.clamp.0), V::splat(t.clamp.1));
        for_rows!(ROWS, {
            for j in 0..VECTORS {
                let (at, count) = (R * t.c_row + j * V::LANES, t.cols - j * V::LANES);
                let part = !whole && j + 1 == VECTORS;
                let mut sum = acc[R][j];
                if !t.bias.is_null() {
                    sum = sum.add(V::load(t.bias.add(j * V::LANES)));
                }
                if !t.addend.is_null() {
                    let from = t.addend.add(at);
                    sum = sum.add(if part { V::load_part(from, count) } else { V::load(from) });
                }
                if t.accumulate {
                    let from = t.c.add(at).cast_const();
                    sum = sum.add(if part { V::load_part(from, count) } else { V::load(from) });
                }
                let (result, to) = (sum.clamp(low, high), t.c.add(at));
                if part { result.store_part(to, count) } else { result.store(to) }
            }
        });
    }
}

/// Defines the `Micro` of an instruction set.
macro_rules! micro {
    ($module:ident, $vector:ty, [$($rows:literal)*] $(, $features:literal)?) => {
        mod $module {
            use super::{Block, Micro, Vector};

            pub(super) static MICRO: Micro = Micro {
                lanes: <$vector>::LANES,
                by_rows: &[$([run::<$rows, 1>, run::<$rows, 2>]),*],
            };

            $(#[target_feature(enable = $features)])?
            unsafe fn run<const ROWS: usize, const VECTORS: usize>(t: &Block<'_>) {
                // SAFETY: the caller's promise, in a function compiled for the vector.
                unsafe { super::block::<$vector, ROWS, VECTORS>(t) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
micro!(
    avx512,
    core::arch::x86_64::__m512,
    [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
    "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma"
);
#[cfg(target_arch = "x86_64")]
micro!(avx2, core::arch::x86_64::__m256, [1 2 3 4 5 6], "avx2,fma");
// On aarch64 the compiler makes NEON of it.
micro!(portable, [f32; 8], [1 2 3 4]);

/// The block functions for this processor.
pub(crate) fn micro() -> &'static Micro {
    match level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => &avx512::MICRO,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => &avx2::MICRO,
        _ => &portable::MICRO,
    }
}
