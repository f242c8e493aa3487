//! Memory for activations and gradients.
//!
//! Every pass over a batch asks for the same large blocks again. The C library gives each back to the system when it is freed, and
//! the next pass pays for a page fault every 4 KiB; on virtual machines that takes longer than the convolution which fills
//! the block. [`RecyclingAllocator`] keeps freed blocks for the next request of their size, and asks Linux for huge pages.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Smallest block that is kept.
const SMALLEST: usize = 1 << 15;
/// Blocks from this size on are whole huge pages.
#[cfg(target_os = "linux")]
const HUGE_PAGE: usize = 1 << 21;
/// Sizes of blocks between one power of two and the next.
const STEPS: usize = 8;
/// Classes of sizes: up to a terabyte.
const CLASSES: usize = 25 * STEPS;

/// An allocator that keeps large blocks which were freed, and gives them out again. Small ones are left to the system's.
///
/// [`release_unused`] gives what is kept back to the system.
#[derive(Debug)]
pub struct RecyclingAllocator;

/// A block that waits for its next use; lies at the block's beginning.
struct Free {
    next: Option<NonNull<Free>>,
}

/// Blocks that wait, by class of size.
struct Kept([Option<NonNull<Free>>; CLASSES]);

// SAFETY: the blocks belong to nobody else, and are reached under the lock only.
unsafe impl Send for Kept {}

static KEPT: Mutex<Kept> = Mutex::new(Kept([None; CLASSES]));

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Class of the smallest block that holds `size` bytes, and the size of that block.
fn class_of(size: usize) -> (usize, usize) {
    let power = (usize::BITS - 1 - size.leading_zeros()) as usize;
    let step = (1usize << power) / STEPS;
    // From `steps` eighths of the power of two on, 0 to 8; 8 is the next power.
    let steps = (size - (1 << power)).div_ceil(step);
    let class = (power - SMALLEST.trailing_zeros() as usize) * STEPS + steps;
    (class, (1 << power) + steps * step)
}

/// Whether a request is for a large block.
fn is_large(layout: &Layout) -> bool {
    (SMALLEST..1 << 39).contains(&layout.size()) && layout.align() <= 4096
}

/// Takes a block of the class that was kept.
fn take(class: usize) -> Option<NonNull<u8>> {
    let mut kept = kept();
    let block = kept.0[class]?;
    // SAFETY: a kept block begins with a `Free`, and belongs to the list.
    kept.0[class] = unsafe { block.as_ref().next };
    Some(block.cast())
}

/// Gives all blocks that wait for their next use back to the system: after a job, when the next may be long in coming.
pub fn release_unused() {
    for class in 0..CLASSES {
        let size = size_of_class(class);
        while let Some(block) = take(class) {
            // SAFETY: the block came from `system::map` with this size, and nobody uses it.
            unsafe { system::unmap(block.as_ptr(), size) };
        }
    }
}

fn size_of_class(class: usize) -> usize {
    let power = SMALLEST << (class / STEPS);
    power + class % STEPS * (power / STEPS)
}

// SAFETY: blocks are as large as asked for, aligned to pages, and given to one user at a time.
unsafe impl GlobalAlloc for RecyclingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !is_large(&layout) {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        }
        let (class, size) = class_of(layout.size());
        take(class).map_or_else(|| system::map(size), NonNull::as_ptr)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !is_large(&layout) {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc_zeroed(layout) };
        }
        let (class, size) = class_of(layout.size());
        match take(class) {
            Some(block) => {
                // SAFETY: the block is at least that large.
                unsafe { block.as_ptr().write_bytes(0, layout.size()) };
                block.as_ptr()
            }
            None => system::map(size),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !is_large(&layout) {
            // SAFETY: the caller's promise.
            return unsafe { System.dealloc(block, layout) };
        }
        let (class, _) = class_of(layout.size());
        let Some(block) = NonNull::new(block.cast::<Free>()) else { return };
        let mut kept = kept();
        // SAFETY: the block is free now, large enough and aligned to pages.
        unsafe { block.write(Free { next: kept.0[class] }) };
        kept.0[class] = Some(block);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promised a size that is not zero and does not overflow.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        match (is_large(&layout), is_large(&new)) {
            // SAFETY: the caller's promise.
            (false, false) => unsafe { System.realloc(block, layout, new_size) },
            (true, true) if class_of(layout.size()) == class_of(new_size) => block,
            _ => {
                // SAFETY: both blocks hold the values that are copied; the old one is the caller's.
                unsafe {
                    let moved = self.alloc(new);
                    if !moved.is_null() {
                        moved.copy_from_nonoverlapping(block, layout.size().min(new_size));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}

/// Blocks of zeros from the system, aligned to pages.
#[cfg(target_os = "linux")]
mod system {
    use super::HUGE_PAGE;
    use std::ptr::null_mut;

    pub(super) fn map(size: usize) -> *mut u8 {
        let huge = size >= HUGE_PAGE;
        let room = if huge { size + HUGE_PAGE } else { size };
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping touches nothing that exists.
        let start = unsafe { libc::mmap(null_mut(), room, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return null_mut();
        }
        let start = start.cast::<u8>();
        if !huge {
            return start;
        }
        // Begins at a huge page; the rest of the room is given back.
        let before = start.align_offset(HUGE_PAGE);
        // SAFETY: all inside of the new mapping, whose pages are not in use yet. Advice may be refused without harm.
        unsafe {
            let block = start.add(before);
            if before > 0 {
                libc::munmap(start.cast(), before);
            }
            libc::munmap(block.add(size).cast(), HUGE_PAGE - before);
            libc::madvise(block.cast(), size, libc::MADV_HUGEPAGE);
            block
        }
    }

    /// # Safety
    /// A block that `map` gave for this size, used by nobody.
    pub(super) unsafe fn unmap(block: *mut u8, size: usize) {
        // SAFETY: the caller's promise.
        unsafe { libc::munmap(block.cast(), size) };
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::ptr::null_mut;

    const PAGE: usize = 4096;

    pub(super) fn map(size: usize) -> *mut u8 {
        // SAFETY: the size is not zero.
        Layout::from_size_align(size, PAGE)
            .map_or(null_mut(), |layout| unsafe { System.alloc_zeroed(layout) })
    }

    /// # Safety
    /// A block that `map` gave for this size, used by nobody.
    pub(super) unsafe fn unmap(block: *mut u8, size: usize) {
        if let Ok(layout) = Layout::from_size_align(size, PAGE) {
            // SAFETY: the caller's promise.
            unsafe { System.dealloc(block, layout) };
        }
    }
}

/// `len` values that `fill` writes.
///
/// # Safety
/// `fill` must write every value, and read none before.
pub(crate) unsafe fn filled(len: usize, fill: impl FnOnce(&mut [f32])) -> Vec<f32> {
    let mut values: Vec<f32> = Vec::with_capacity(len);
    // So that a test finds a value which was not written.
    #[cfg(debug_assertions)]
    values.resize(len, f32::NAN);
    // SAFETY: the capacity is `len`; any bits are an f32, and the caller promised that none is read before it is written.
    fill(unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr(), len) });
    // SAFETY: all of them are written by now.
    unsafe { values.set_len(len) };
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_their_sizes_tightly() {
        let mut last = 0;
        for size in (SMALLEST..4 << 20).step_by(4099).chain([1 << 30, (1 << 30) + 1, (1 << 38) - 7]) {
            let (class, block) = class_of(size);
            assert!(block >= size && block as f64 <= size as f64 * 1.126, "{size} in {block}");
            assert_eq!(size_of_class(class), block);
            assert!(class >= last && class < CLASSES);
            last = class;
        }
    }

    #[test]
    fn blocks_are_given_out_again() {
        let layout = |size| Layout::from_size_align(size, 4).unwrap();
        // A size that nothing else in the tests asks for.
        let (size, a) = ((7 << 20) + 12, RecyclingAllocator);
        // SAFETY: blocks are used within their size, and freed once with the layout that they were made for.
        unsafe {
            let first = a.alloc_zeroed(layout(size));
            assert!((0..size).all(|i| *first.add(i) == 0));
            first.write_bytes(7, size);
            a.dealloc(first, layout(size));
            let second = a.alloc_zeroed(layout(size - 8));
            assert_eq!(first, second);
            assert!((0..size - 8).all(|i| *second.add(i) == 0));
            second.write_bytes(9, size - 8);
            let third = a.alloc(layout(size));
            assert_ne!(second, third);
            let grown = a.realloc(second, layout(size - 8), 3 * size);
            assert!((0..size - 8).all(|i| *grown.add(i) == 9));
            let small = a.realloc(grown, layout(3 * size), 100);
            assert!((0..100).all(|i| *small.add(i) == 9));
            a.dealloc(small, layout(100));
            a.dealloc(third, layout(size));
            release_unused();
        }
    }

    #[test]
    fn threads_do_not_share_blocks() {
        let size = (5 << 20) + 4;
        let layout = Layout::from_size_align(size, 4).unwrap();
        std::thread::scope(|scope| {
            for id in 1..=4u8 {
                scope.spawn(move || {
                    for _ in 0..20 {
                        // SAFETY: as above.
                        unsafe {
                            let block = RecyclingAllocator.alloc(layout);
                            block.write_bytes(id, size);
                            assert!((0..size).step_by(509).all(|i| *block.add(i) == id));
                            RecyclingAllocator.dealloc(block, layout);
                        }
                    }
                });
            }
        });
    }
}
