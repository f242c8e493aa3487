//! The innermost loop: a small block of `C = clamp(A · B + bias)` held in registers.
//!
//! A block is up to `mr` rows by `nr` columns. `B` is read in rows of `nr` consecutive values; `A` one value at a time, so
//! any strides will do and neither an image nor its transpose has to be copied first.

use std::sync::OnceLock;

/// How a block's sum starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// From zero.
    Zero,
    /// From `nr` values at `bias`, the same for each row.
    Bias,
    /// From what `C` holds.
    Accumulate,
}

/// One block's operands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// Length of the sum.
    pub(super) k: usize,
    /// First value of `A`.
    pub(super) a: *const f32,
    /// Distance between rows of `A`.
    pub(super) a_row: usize,
    /// Distance between steps of the sum in `A`.
    pub(super) a_step: usize,
    /// First value of `B`.
    pub(super) b: *const f32,
    /// Distance between steps of the sum in `B`.
    pub(super) b_step: usize,
    /// First value of `C`.
    pub(super) c: *mut f32,
    /// Distance between rows of `C`.
    pub(super) c_row: usize,
    /// Read for [`Start::Bias`] only.
    pub(super) bias: *const f32,
    /// How the sum starts.
    pub(super) start: Start,
    /// The result is clamped to this range; NaN stays NaN.
    pub(super) clamp: (f32, f32),
}

/// Computes one block of a fixed number of rows.
type BlockFn = unsafe fn(&Block);

/// The block function of an instruction set, for each number of rows.
#[derive(Debug)]
pub(super) struct Micro {
    /// Columns of a block.
    pub(super) nr: usize,
    /// `by_rows[r - 1]` computes `r` rows.
    by_rows: &'static [BlockFn],
}

impl Micro {
    /// The most rows in a block.
    pub(super) fn mr(&self) -> usize {
        self.by_rows.len()
    }

    /// Computes `rows` rows (1 to `mr`) of `nr` columns.
    ///
    /// # Safety
    /// With `r < rows`, `p < k` and `j < nr`: `a + r * a_row + p * a_step` and `b + p * b_step + j` are readable,
    /// `c + r * c_row + j` is writable and nobody else's, and `bias + j` is readable for `Start::Bias`.
    pub(super) unsafe fn run(&self, rows: usize, block: &Block) {
        // SAFETY: the caller's promise; `micro` chose functions that this processor can run.
        unsafe { self.by_rows[rows - 1](block) }
    }
}

/// Defines `block::<ROWS>` for an instruction set, with two vectors of columns, and its `Micro`.
macro_rules! vector_micro {
    ($module:ident, $features:literal, $lanes:literal, [$($rows:literal)*],
     $zero:ident, $splat:ident, $load:ident, $store:ident, $fma:ident, $min:ident, $max:ident) => {
        mod $module {
            use super::{Block, Micro, Start};
            use core::arch::x86_64::*;

            pub(super) static MICRO: Micro = Micro { nr: 2 * $lanes, by_rows: &[$(block::<$rows>),*] };

            #[target_feature(enable = $features)]
            unsafe fn block<const ROWS: usize>(t: &Block) {
                let mut acc = [[$zero(); 2]; ROWS];
                // SAFETY: every access is one of those promised to `Micro::run`.
                unsafe {
                    match t.start {
                        Start::Zero => {}
                        Start::Bias => {
                            let bias = [$load(t.bias), $load(t.bias.add($lanes))];
                            acc = [bias; ROWS];
                        }
                        Start::Accumulate => {
                            for (r, acc) in acc.iter_mut().enumerate() {
                                let c = t.c.add(r * t.c_row);
                                *acc = [$load(c), $load(c.add($lanes))];
                            }
                        }
                    }
                    let (mut a, mut b) = (t.a, t.b);
                    for _ in 0..t.k {
                        let (b0, b1) = ($load(b), $load(b.add($lanes)));
                        for (r, acc) in acc.iter_mut().enumerate() {
                            let v = $splat(*a.add(r * t.a_row));
                            acc[0] = $fma(v, b0, acc[0]);
                            acc[1] = $fma(v, b1, acc[1]);
                        }
                        a = a.wrapping_add(t.a_step);
                        b = b.wrapping_add(t.b_step);
                    }
                    // The bound comes first: these instructions return their second operand where either is NaN.
                    let (low, high) = ($splat(t.clamp.0), $splat(t.clamp.1));
                    for (r, acc) in acc.iter().enumerate() {
                        let c = t.c.add(r * t.c_row);
                        $store(c, $min(high, $max(low, acc[0])));
                        $store(c.add($lanes), $min(high, $max(low, acc[1])));
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
vector_micro!(
    avx512, "avx512f", 16, [1 2 3 4 5 6 7 8 9 10 11 12],
    _mm512_setzero_ps, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps, _mm512_min_ps, _mm512_max_ps
);

#[cfg(target_arch = "x86_64")]
vector_micro!(
    avx2, "avx2,fma", 8, [1 2 3 4 5 6],
    _mm256_setzero_ps, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps, _mm256_min_ps, _mm256_max_ps
);

/// For processors without the above; on aarch64 the compiler makes NEON of it.
mod portable {
    use super::{Block, Micro, Start};

    const NR: usize = 8;

    pub(super) static MICRO: Micro =
        Micro { nr: NR, by_rows: &[block::<1>, block::<2>, block::<3>, block::<4>] };

    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        if cfg!(target_arch = "aarch64") { a.mul_add(b, c) } else { a * b + c }
    }

    unsafe fn block<const ROWS: usize>(t: &Block) {
        let mut acc = [[0.0f32; NR]; ROWS];
        // SAFETY: every access is one of those promised to `Micro::run`.
        unsafe {
            for (r, acc) in acc.iter_mut().enumerate() {
                match t.start {
                    Start::Zero => {}
                    Start::Bias => acc.copy_from_slice(std::slice::from_raw_parts(t.bias, NR)),
                    Start::Accumulate => {
                        acc.copy_from_slice(std::slice::from_raw_parts(t.c.add(r * t.c_row), NR))
                    }
                }
            }
            let (mut a, mut b) = (t.a, t.b);
            for _ in 0..t.k {
                let b_row = std::slice::from_raw_parts(b, NR);
                for (r, acc) in acc.iter_mut().enumerate() {
                    let v = *a.add(r * t.a_row);
                    acc.iter_mut().zip(b_row).for_each(|(acc, &b)| *acc = mul_add(v, b, *acc));
                }
                a = a.wrapping_add(t.a_step);
                b = b.wrapping_add(t.b_step);
            }
            for (r, acc) in acc.iter().enumerate() {
                for (j, &v) in acc.iter().enumerate() {
                    *t.c.add(r * t.c_row + j) = if v.is_nan() { v } else { v.max(t.clamp.0).min(t.clamp.1) };
                }
            }
        }
    }
}

/// The block functions for this processor.
pub(super) fn micro() -> &'static Micro {
    static BEST: OnceLock<&'static Micro> = OnceLock::new();
    BEST.get_or_init(|| supported()[0])
}

/// All that this processor can run, best first.
pub(super) fn supported() -> Vec<&'static Micro> {
    let mut all = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            all.push(&avx512::MICRO);
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            all.push(&avx2::MICRO);
        }
    }
    all.push(&portable::MICRO);
    all
}
