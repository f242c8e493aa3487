//! The innermost loop: a small block of `C = clamp(A · B + bias + addend)` held in registers.
//!
//! A block is up to `mr` rows by one or two vectors of columns. `B` is read in rows of consecutive values; `A` one value at a
//! time, so any strides will do, and neither an image nor its transpose has to be copied first. The sum may be cut into
//! segments of equal length which start anywhere in `A`: with a segment for each row of a convolution's kernel, a picture is
//! multiplied as it lies.

#[cfg(target_arch = "x86_64")]
use crate::nn::ops::simd::Level;
use crate::nn::ops::simd::{Vector, level};

/// How the values of a block's left side lie.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// Steps of the sum side by side, rows this far apart.
    Rows(usize),
    /// Rows side by side, steps of the sum this far apart.
    Steps(usize),
}

/// One block's operands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    /// Length of a segment of the sum.
    pub(super) k: usize,
    /// First value of `A`.
    pub(super) a: *const f32,
    /// How `A` lies.
    pub(super) a_order: Order,
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
    /// `by_rows[r - 1]` computes `r` rows of one vector and of two, from a left side in rows and in steps.
    by_rows: &'static [[[BlockFn; 2]; 2]],
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
    /// With `r < rows`, `p < k`, `s < segments.len()`, `j < cols` and `w < width(cols)`: row `r` and step `p` of `a + segments[s]` and
    /// `b + (s * k + p) * b_step + w` are readable, `c + r * c_row + j` is writable and nobody else's, and `bias + w` and
    /// `addend + r * c_row + j` are readable where they are not null.
    pub(super) unsafe fn run(&self, rows: usize, block: &Block<'_>) {
        let vectors = usize::from(block.cols > self.lanes);
        // SAFETY: the caller's promise; `micro` chose functions that this processor can run.
        unsafe {
            self.by_rows[rows - 1][vectors][usize::from(matches!(block.a_order, Order::Steps(_)))](block)
        }
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

/// Steps of the sum in one turn of the loop, where the left side lies in rows: fewer additions to addresses.
const UNROLLED: usize = 2;
/// Rows that one pointer reaches: its own, and two by the multiples that an address can hold.
const ROWS_OF_POINTER: usize = 3;

/// Hides from the compiler how an address was computed: it would compute all of them from the first again, in a chain of additions
/// that holds up the products.
#[inline(always)]
#[allow(clippy::pointers_in_nomem_asm_block, reason = "nothing is read or written there")]
fn keep(pointer: &mut *const f32) {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    // SAFETY: no instruction at all.
    unsafe {
        core::arch::asm!("/* {0} */", inout(reg) * pointer, options(pure, nomem, nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = pointer;
}

/// Adds `U` steps of the sum in each of `turns`, the left side lying in rows `row` apart from `a` on.
///
/// # Safety
/// As for `Micro::run`, inlined where `V` may be used.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "closures and iterators are not certainly inlined")]
unsafe fn add_rows<V: Vector, const ROWS: usize, const VECTORS: usize, const U: usize>(
    acc: &mut [[V; VECTORS]; MOST_ROWS],
    a: &mut [*const f32; MOST_ROWS.div_ceil(ROWS_OF_POINTER)],
    b: &mut *const f32,
    (row, b_step, turns): (usize, usize, usize),
) {
    for _ in 0..turns {
        for u in 0..U {
            // SAFETY: every access is one of those promised to `Micro::run`.
            unsafe {
                let mut values = [V::splat(0.0); VECTORS];
                for j in 0..VECTORS {
                    values[j] = V::load(b.add(u * b_step + j * V::LANES));
                }
                for_rows!(ROWS, {
                    let v = V::splat(*a[R / ROWS_OF_POINTER].add(R % ROWS_OF_POINTER * row + u));
                    for j in 0..VECTORS {
                        acc[R][j] = v.mul_add(values[j], acc[R][j]);
                    }
                });
            }
        }
        for_rows!(ROWS, {
            if R.is_multiple_of(ROWS_OF_POINTER) {
                a[R / ROWS_OF_POINTER] = a[R / ROWS_OF_POINTER].wrapping_add(U);
                keep(&mut a[R / ROWS_OF_POINTER]);
            }
        });
        *b = b.wrapping_add(U * b_step);
    }
}

/// # Safety
/// As for `Micro::run`, inlined where `V` may be used; `STEPS` tells the order of the left side.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "closures and iterators are not certainly inlined")]
unsafe fn block<V: Vector, const ROWS: usize, const VECTORS: usize, const STEPS: bool>(t: &Block<'_>) {
    let whole = t.cols == VECTORS * V::LANES;
    let (Order::Rows(distance) | Order::Steps(distance)) = t.a_order;
    // SAFETY: every access is one of those promised to `Micro::run`.
    unsafe {
        let mut acc = [[V::splat(0.0); VECTORS]; MOST_ROWS];
        let mut b = t.b;
        for &segment in t.segments {
            let mut a = t.a.wrapping_add(segment);
            if STEPS {
                for _ in 0..t.k {
                    let mut values = [V::splat(0.0); VECTORS];
                    for j in 0..VECTORS {
                        values[j] = V::load(b.add(j * V::LANES));
                    }
                    for_rows!(ROWS, {
                        let v = V::splat(*a.add(R));
                        for j in 0..VECTORS {
                            acc[R][j] = v.mul_add(values[j], acc[R][j]);
                        }
                    });
                    a = a.wrapping_add(distance);
                    b = b.wrapping_add(t.b_step);
                }
            } else {
                let mut rows = [a; MOST_ROWS.div_ceil(ROWS_OF_POINTER)];
                for (g, row) in rows.iter_mut().enumerate() {
                    *row = row.wrapping_add(ROWS_OF_POINTER * g * distance);
                }
                let (turns, rest) = (t.k / UNROLLED, t.k % UNROLLED);
                let (acc, rows, b) = (&mut acc, &mut rows, &mut b);
                add_rows::<V, ROWS, VECTORS, UNROLLED>(acc, rows, b, (distance, t.b_step, turns));
                add_rows::<V, ROWS, VECTORS, 1>(acc, rows, b, (distance, t.b_step, rest));
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
                by_rows: &[$([
                    [run::<$rows, 1, false>, run::<$rows, 1, true>],
                    [run::<$rows, 2, false>, run::<$rows, 2, true>],
                ]),*],
            };

            $(#[target_feature(enable = $features)])?
            unsafe fn run<const ROWS: usize, const VECTORS: usize, const STEPS: bool>(t: &Block<'_>) {
                // SAFETY: the caller's promise, in a function compiled for the vector.
                unsafe { super::block::<$vector, ROWS, VECTORS, STEPS>(t) }
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
