//! Runs a kernel compiled for the widest vector instructions that the processor has.
//!
//! The program is built for the oldest x86-64, where the compiler may only use SSE2. A [`Kernel`] is a loop written once
//! in plain Rust; [`dispatch`] holds copies of it compiled for AVX-512 and AVX2 and calls the best one that the processor
//! supports. On other architectures the baseline (NEON on aarch64) is already good.

mod vector;

pub(crate) use vector::{Vector, WHOLE};

use std::sync::OnceLock;

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

/// An instruction set that kernels are compiled for, from the plainest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "x86 levels"))]
pub(crate) enum Level {
    /// What every processor of the architecture has.
    Baseline,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512.
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

/// The best level of this processor.
pub(crate) fn level() -> Level {
    #[cfg(test)]
    if let Some(level) = testing::FORCED.get() {
        return level;
    }
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(detect)
}

/// The instruction set that kernels run with on this processor, as people know it.
pub(crate) fn instruction_set() -> &'static str {
    match level() {
        Level::Avx512 => "AVX-512",
        Level::Avx2 => "AVX2",
        Level::Baseline if cfg!(target_arch = "aarch64") => "NEON",
        Level::Baseline if cfg!(target_arch = "x86_64") => "SSE2",
        Level::Baseline => "that of every processor of its kind",
    }
}

/// Running a test at every level that the machine has.
#[cfg(test)]
pub(crate) mod testing {
    use super::{Level, detect};
    use std::cell::Cell;

    thread_local! {
        pub(super) static FORCED: Cell<Option<Level>> = const { Cell::new(None) };
    }

    /// Calls `body` at each level that this processor can run, on threads of its own where no other level is chosen.
    pub(crate) fn at_each_level(body: impl Fn(Level) + Sync) {
        for level in [Level::Baseline, Level::Avx2, Level::Avx512] {
            if level <= detect() {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(2);
                let pool = pool.start_handler(move |_| FORCED.set(Some(level))).build().unwrap();
                pool.install(|| body(level));
            }
        }
    }
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
        testing::at_each_level(|_| compare());
    }

    fn compare() {
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

    struct Parts<'a> {
        from: &'a [f32],
        to: &'a mut [f32],
        count: usize,
    }

    impl Kernel for Parts<'_> {
        type Output = ();
        #[inline(always)]
        fn run<I: Isa>(self, _: I) {
            let count = self.count.min(I::V::LANES);
            // SAFETY: both slices have `count` values; the vector is the dispatcher's.
            unsafe { I::V::load_part(self.from.as_ptr(), count).store_part(self.to.as_mut_ptr(), count) };
        }
    }

    #[test]
    fn parts_of_a_vector_leave_the_rest_alone() {
        testing::at_each_level(|level| {
            for count in 1..=8 {
                let from: Vec<f32> = (1..=count).map(|i| i as f32).collect();
                let mut to = vec![-1.0; 16];
                dispatch(Parts { from: &from, to: &mut to, count });
                assert_eq!(to[..count], from[..], "{level:?}");
                assert!(to[count..].iter().all(|&v| v == -1.0), "{level:?}");
            }
        });
    }
}
