//! Helpers for splitting work over rayon's current pool. Work is always split by shape, never by the number of threads, so
//! that results do not depend on it.

use super::memory::filled;
use super::simd;
use rayon::prelude::*;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;

/// A slice of which parallel tasks write separate parts that do not lie in one piece each.
pub(crate) struct Shared<'a> {
    ptr: *mut f32,
    len: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: the slice is only reached through `part`, whose callers promise not to overlap.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    /// Borrows `data` until the value is gone.
    pub(crate) fn new(data: &'a mut [f32]) -> Self {
        Self { ptr: data.as_mut_ptr(), len: data.len(), borrow: PhantomData }
    }

    /// The first value; for tasks whose parts are too scattered for [`Self::part`].
    pub(crate) fn as_ptr(&self) -> *mut f32 {
        self.ptr
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// `len` values from `at` on; bounds are checked.
    ///
    /// # Safety
    /// No two parts that overlap may be alive at the same time.
    #[allow(clippy::mut_from_ref, reason = "the caller promises that parts do not overlap")]
    pub(crate) unsafe fn part(&self, at: usize, len: usize) -> &mut [f32] {
        assert!(at <= self.len && len <= self.len - at, "part {at}+{len} of {}", self.len);
        // SAFETY: inside the borrowed slice, and alone by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.add(at), len) }
    }
}

/// Values in a cache line.
const LINE: usize = 16;

/// Calls `body` with `len` values of scratch memory that the thread keeps for the next call; their contents are arbitrary,
/// and they start at a cache line.
pub(crate) fn with_scratch<R>(len: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local! {
        static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
    }
    // Taken out, not borrowed: a nested call takes another.
    let mut buffer = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < len + LINE {
        buffer = vec![0.0; len + LINE];
    }
    let start = buffer.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
    let result = body(&mut buffer[start..start + len]);
    FREE.with_borrow_mut(|free| free.push(buffer));
    result
}

/// Tells the processor that these values will be read soon.
#[inline]
pub(crate) fn prefetch(values: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks(LINE) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which every processor of the architecture knows; the values are readable besides.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body` with work split as little as may be ([`parts`]): for a task beside enough others to keep all processors busy.
pub(crate) fn alone<R>(body: impl FnOnce() -> R) -> R {
    let before = ALONE.replace(true);
    let result = body();
    ALONE.set(before);
    result
}

/// Tasks to split an operation into of which each result is one task's: `usual`, or one inside of [`alone`]. Not for sums that
/// tasks make parts of: their values would depend on it.
pub(crate) fn parts(usual: usize) -> usize {
    if ALONE.get() { 1 } else { usual }
}

/// Splits `total` items into about `parts` tasks of equal size, each a multiple of `unit` and at most `most` (if that is
/// positive): the size of one task.
pub(crate) fn task_size(total: usize, parts: usize, unit: usize, most: usize) -> usize {
    let even = total.div_ceil(parts.max(1)).next_multiple_of(unit);
    even.min(most.next_multiple_of(unit)).max(unit)
}

/// Adds the consecutive parts of `len` values each to one, in their order.
pub(crate) fn add_parts(parts: Vec<f32>, len: usize) -> Vec<f32> {
    if parts.len() <= len {
        return parts;
    }
    const CHUNK: usize = 4096;
    let (first, rest) = parts.split_at(len);
    let fill = |sum: &mut [f32]| {
        let chunks = sum.par_chunks_mut(CHUNK).zip(first.par_chunks(CHUNK)).enumerate();
        chunks.for_each(|(i, (sum, first))| {
            sum.copy_from_slice(first);
            for part in rest.chunks_exact(len) {
                let from = &part[i * CHUNK..i * CHUNK + sum.len()];
                simd::vectorised(
                    #[inline(always)]
                    || sum.iter_mut().zip(from).for_each(|(s, v)| *s += v),
                );
            }
        });
    };
    // SAFETY: every chunk is copied before anything else.
    unsafe { filled(len, fill) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_beside_others_is_not_split() {
        assert_eq!(parts(32), 32);
        alone(|| {
            assert_eq!(parts(32), 1);
            alone(|| assert_eq!(parts(32), 1));
            assert_eq!(parts(32), 1);
        });
        assert_eq!(parts(32), 32);
    }

    #[test]
    fn tasks_are_multiples_of_their_unit() {
        assert_eq!(task_size(100, 16, 12, 48), 12);
        assert_eq!(task_size(10_000, 16, 12, 48), 48);
        assert_eq!(task_size(1, 16, 12, 5), 12);
        assert_eq!(task_size(600, 16, 12, 1000), 48);
    }

    #[test]
    fn parts_are_added_in_their_order() {
        let part = |pace: f32| (0..9_001).map(move |i| (i as f32 * pace).sin() * 1e3);
        let parts: Vec<f32> = part(0.3).chain(part(0.7)).chain(part(1.1)).collect();
        let want: Vec<f32> = part(0.3).zip(part(0.7)).zip(part(1.1)).map(|((a, b), c)| a + b + c).collect();
        assert_eq!(add_parts(parts, 9_001), want);
        assert_eq!(add_parts(want.clone(), 9_001), want);
    }

    #[test]
    fn nested_scratch_does_not_alias() {
        with_scratch(4, |outer| {
            outer.fill(1.0);
            with_scratch(4, |inner| inner.fill(2.0));
            assert_eq!(outer, [1.0; 4]);
        });
    }
}
