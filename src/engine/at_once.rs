//! How many rows a pass without gradients takes at once: as many as there are, and fewer from when the card's memory was full.

use crate::error::{ErrorKind, Result};
use crate::nn::ops::card::free_unused;
use candle_core::Device;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What was learned about it; shared by all that runs the network. Each row is a picture of its own, so the answers are the same.
#[derive(Debug)]
pub(crate) struct AtOnce {
    most: AtomicUsize,
}

impl Default for AtOnce {
    fn default() -> Self {
        Self { most: AtomicUsize::new(usize::MAX) }
    }
}

impl AtOnce {
    /// Lets `work` answer rows `0..count` part by part; where the memory of `device` is full, in parts of half the size from then on,
    /// which `fewer` is told.
    ///
    /// # Errors
    /// The first of `work`, a full memory only with a single row.
    pub(crate) fn rows<T>(
        &self,
        count: usize,
        device: &Device,
        fewer: impl Fn(usize),
        mut work: impl FnMut(Range<usize>) -> Result<Vec<T>>,
    ) -> Result<Vec<T>> {
        let mut answers = Vec::with_capacity(count);
        let mut at = 0;
        while at < count {
            let rows = self.most.load(Ordering::Relaxed).min(count - at);
            match work(at..at + rows) {
                Ok(part) => {
                    answers.extend(part);
                    at += rows;
                }
                Err(e) if e.kind() == ErrorKind::OutOfMemory && rows > 1 => {
                    // What the failed pass held is free only once the card is done with it.
                    free_unused(device)?;
                    self.most.store(rows / 2, Ordering::Relaxed);
                    fewer(rows / 2);
                }
                Err(e) => return Err(e),
            }
        }
        Ok(answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::cell::RefCell;

    /// Work that has room for so many rows; notes the first and the end of each part.
    fn work(
        room: usize,
        calls: &RefCell<Vec<(usize, usize)>>,
    ) -> impl Fn(Range<usize>) -> Result<Vec<usize>> {
        move |rows| {
            calls.borrow_mut().push((rows.start, rows.end));
            if rows.len() > room {
                Err(Error::new(ErrorKind::OutOfMemory, "full"))
            } else {
                Ok(rows.collect())
            }
        }
    }

    #[test]
    fn every_row_is_answered_once_and_in_order_however_little_fits() {
        let (at_once, calls, told) = (AtOnce::default(), RefCell::default(), RefCell::new(Vec::new()));
        let answer = |count, room| {
            at_once.rows(count, &Device::Cpu, |n| told.borrow_mut().push(n), work(room, &calls)).unwrap()
        };
        assert_eq!(answer(7, 16), (0..7).collect::<Vec<_>>());
        assert_eq!(calls.take(), [(0, 7)]);
        assert_eq!(answer(16, 5), (0..16).collect::<Vec<_>>());
        assert_eq!(calls.take(), [(0, 16), (0, 8), (0, 4), (4, 8), (8, 12), (12, 16)]);
        // What was learned holds for what follows.
        assert_eq!(answer(6, 5), (0..6).collect::<Vec<_>>());
        assert_eq!((calls.take(), told.take()), (vec![(0, 4), (4, 6)], vec![8, 4]));
    }

    #[test]
    fn a_row_that_does_not_fit_by_itself_and_other_failures_are_errors() {
        let at_once = AtOnce::default();
        let calls = RefCell::default();
        let e = at_once.rows(4, &Device::Cpu, |_| {}, work(0, &calls)).unwrap_err();
        assert_eq!((e.kind(), calls.take()), (ErrorKind::OutOfMemory, vec![(0, 4), (0, 2), (0, 1)]));
        let other = |_: Range<usize>| -> Result<Vec<()>> { Err(Error::internal("other")) };
        assert_eq!(at_once.rows(4, &Device::Cpu, |_| {}, other).unwrap_err().kind(), ErrorKind::Internal);
    }
}
