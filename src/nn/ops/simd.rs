//! Runs a kernel compiled for the widest vector instructions that the processor has.
//!
//! The program is built for the oldest x86-64, where the compiler may only use SSE2. A [`Kernel`] is a loop written once
//! in plain Rust; [`dispatch`] holds copies of it compiled for AVX-512 and AVX2 and calls the best one that the processor
//! supports. On other architectures the baseline (NEON on aarch64) is already good.

use std::sync::OnceLock;

/// A register of f32 lanes. Every method is inlined into a dispatcher's copy of a kernel; none may be called elsewhere.
pub(crate) trait Vector: Copy {
    /// Number of lanes.
    const LANES: usize;

    /// All lanes equal `v`.
    ///
    /// # Safety
    /// Inside a [`Kernel`] run by [`dispatch`] with this vector type only, as for every method.
    unsafe fn splat(v: f32) -> Self;

    /// Reads `LANES` values.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load(from: *const f32) -> Self;

    /// Writes `LANES` values.
    ///
    /// # Safety
    /// They must be writable.
    unsafe fn store(self, to: *mut f32);

    /// `self * b + c`.
    ///
    /// # Safety
    /// As for `splat`.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;

    /// Between `low` and `high`; NaN stays NaN.
    ///
    /// # Safety
    /// As for `splat`.
    unsafe fn clamp(self, low: Self, high: Self) -> Self;
}

#[cfg(target_arch = "x86_64")]
macro_rules! x86_vector {
    ($ty:ident, $lanes:literal, $splat:ident, $load:ident, $store:ident, $fma:ident, $min:ident, $max:ident) => {
        impl Vector for core::arch::x86_64::$ty {
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn splat(v: f32) -> Self {
                // SAFETY: the caller runs on a processor with this vector type.
                unsafe { core::arch::x86_64::$splat(v) }
            }
            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: as above, and the values are readable.
                unsafe { core::arch::x86_64::$load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: as above, and the values are writable.
                unsafe { core::arch::x86_64::$store(to, self) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: the caller runs on a processor with this vector type.
                unsafe { core::arch::x86_64::$fma(self, b, c) }
            }
            #[inline(always)]
            unsafe fn clamp(self, low: Self, high: Self) -> Self {
                // The bound comes first: these instructions return their second operand where either is NaN.
                // SAFETY: the caller runs on a processor with this vector type.
                unsafe { core::arch::x86_64::$min(high, core::arch::x86_64::$max(low, self)) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
x86_vector!(
    __m512,
    16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps,
    _mm512_min_ps,
    _mm512_max_ps
);
#[cfg(target_arch = "x86_64")]
x86_vector!(
    __m256,
    8,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps,
    _mm256_min_ps,
    _mm256_max_ps
);

/// The vector of the baseline, which the compiler splits into what there is.
impl Vector for [f32; 8] {
    const LANES: usize = 8;
    #[inline(always)]
    unsafe fn splat(v: f32) -> Self {
        [v; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promised readable values; an array of f32 has the alignment of one.
        unsafe { from.cast::<Self>().read() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promised writable values.
        unsafe { to.cast::<Self>().write(self) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        std::array::from_fn(|i| Baseline.mul_add(self[i], b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn clamp(self, low: Self, high: Self) -> Self {
        std::array::from_fn(|i| if self[i].is_nan() { self[i] } else { self[i].max(low[i]).min(high[i]) })
    }
}

/// What differs between instruction sets in a kernel's arithmetic.
pub(crate) trait Isa: Copy {
    /// The widest vector.
    type V: Vector;

    /// `a * b + c`, fused to one rounding where that is one instruction (and never a slow library call).
    fn mul_add(self, a: f32, b: f32, c: f32) -> f32;
}

/// The oldest processors that the program runs on.
#[derive(Clone, Copy)]
pub(crate) struct Baseline;

impl Isa for Baseline {
    type V = [f32; 8];
    #[inline(always)]
    fn mul_add(self, a: f32, b: f32, c: f32) -> f32 {
        if cfg!(target_arch = "aarch64") { a.mul_add(b, c) } else { a * b + c }
    }
}

/// x86-64 with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Avx2;

#[cfg(target_arch = "x86_64")]
impl Isa for Avx2 {
    type V = core::arch::x86_64::__m256;
    #[inline(always)]
    fn mul_add(self, a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

/// x86-64 with AVX-512.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Avx512;

#[cfg(target_arch = "x86_64")]
impl Isa for Avx512 {
    type V = core::arch::x86_64::__m512;
    #[inline(always)]
    fn mul_add(self, a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

/// A computation that is to be compiled once per instruction set.
///
/// `run` and everything hot that it calls must be `#[inline(always)]` (closures and iterator adapters are inlined anyway in
/// optimised builds): only code inlined into the dispatcher's copies is compiled with their instructions.
pub(crate) trait Kernel {
    /// What the computation gives back.
    type Output;

    /// The computation.
    fn run<I: Isa>(self, isa: I) -> Self::Output;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "x86 levels"))]
enum Level {
    Baseline,
    Avx2,
    Avx512,
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq");
    match (avx2, avx512) {
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        _ => Level::Baseline,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Baseline
}

fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(detect)
}

/// Runs `kernel` with the best instructions that this processor has. Call it around whole loops, not per element.
#[inline]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    match level() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `level` found every feature that the function enables.
        Level::Avx512 => unsafe { run_avx512(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => unsafe { run_avx2(kernel) },
        _ => run_baseline(kernel),
    }
}

/// Runs `kernel` with the baseline instructions only: the reference that the others are tested against.
#[inline]
pub(crate) fn run_baseline<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Baseline)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2)
}

/// Calls a closure compiled for the best instructions: `simd::vectorised(#[inline(always)] || ...)`. For loops without
/// fused multiply-adds, where a [`Kernel`] would be ceremony.
#[inline]
pub(crate) fn vectorised<R>(body: impl FnOnce() -> R) -> R {
    struct Call<F>(F);
    impl<R, F: FnOnce() -> R> Kernel for Call<F> {
        type Output = R;
        #[inline(always)]
        fn run<I: Isa>(self, _: I) -> R {
            (self.0)()
        }
    }
    dispatch(Call(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Axpy<'a> {
        a: f32,
        x: &'a [f32],
        y: &'a mut [f32],
    }

    impl Kernel for Axpy<'_> {
        type Output = ();
        #[inline(always)]
        fn run<I: Isa>(self, isa: I) {
            for (y, &x) in self.y.iter_mut().zip(self.x) {
                *y = isa.mul_add(self.a, x, *y);
            }
        }
    }

    #[test]
    fn every_level_computes_the_same() {
        // Small whole numbers: no rounding, so fused and plain arithmetic agree exactly.
        let x: Vec<f32> = (0..103).map(|i| (i % 17) as f32).collect();
        let start: Vec<f32> = (0..103).map(|i| (i % 5) as f32).collect();
        let (mut fast, mut plain, mut closure) = (start.clone(), start.clone(), start.clone());
        dispatch(Axpy { a: 3.0, x: &x, y: &mut fast });
        run_baseline(Axpy { a: 3.0, x: &x, y: &mut plain });
        vectorised(
            #[inline(always)]
            || closure.iter_mut().zip(&x).for_each(|(y, x)| *y += 3.0 * x),
        );
        let expected: Vec<f32> = x.iter().zip(&start).map(|(x, y)| 3.0 * x + y).collect();
        assert_eq!(fast, expected);
        assert_eq!(plain, expected);
        assert_eq!(closure, expected);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn avx2_is_right_even_where_avx512_is_chosen() {
        if level() == Level::Baseline {
            return;
        }
        let x: Vec<f32> = (0..37).map(|i| i as f32).collect();
        let mut y = vec![1.0; 37];
        // SAFETY: a level above the baseline has AVX2 and FMA.
        unsafe { run_avx2(Axpy { a: 2.0, x: &x, y: &mut y }) };
        assert!(y.iter().enumerate().all(|(i, &y)| y == 2.0 * i as f32 + 1.0));
    }
}
