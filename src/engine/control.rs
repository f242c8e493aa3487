//! Pause, stop and cancel, from any thread.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Shared switches of one job.
#[derive(Debug, Default)]
pub struct Control {
    state: AtomicU8,
}

const RUN: u8 = 0;
const PAUSE: u8 = 1;
const END_OF_EPOCH: u8 = 2;
const FINISH: u8 = 3;
const CANCEL: u8 = 4;

impl Control {
    /// Holds the job at its next step.
    pub fn pause(&self) {
        let _ = self.state.compare_exchange(RUN, PAUSE, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Lets a paused job go on.
    pub fn resume(&self) {
        let _ = self.state.compare_exchange(PAUSE, RUN, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Ends the job with the present epoch as if it had been asked for no more: the best epoch is kept. Goes on where it was held.
    pub fn stop_after_epoch(&self) {
        let _ = self.state.fetch_max(END_OF_EPOCH, Ordering::SeqCst);
    }

    /// Ends the job at its next step as if it had been asked for no more epochs: the best epoch is kept.
    pub fn stop_and_keep_best(&self) {
        let _ = self.state.fetch_max(FINISH, Ordering::SeqCst);
    }

    /// Ends the job at its next step; what was saved stays.
    pub fn cancel(&self) {
        self.state.store(CANCEL, Ordering::SeqCst);
    }

    /// Whether the job is being held.
    pub fn is_paused(&self) -> bool {
        self.state.load(Ordering::SeqCst) == PAUSE
    }

    /// Whether the present epoch is to be the last.
    pub fn ends_with_epoch(&self) -> bool {
        self.state.load(Ordering::SeqCst) == END_OF_EPOCH
    }

    /// Whether it was asked to stop and keep the best.
    pub fn should_finish(&self) -> bool {
        self.state.load(Ordering::SeqCst) == FINISH
    }

    /// Called by the job at every step: waits while paused.
    ///
    /// # Errors
    /// [`Error::cancelled`] once cancelled.
    pub fn checkpoint(&self) -> Result<()> {
        loop {
            match self.state.load(Ordering::SeqCst) {
                CANCEL => return Err(Error::cancelled()),
                PAUSE => std::thread::sleep(Duration::from_millis(20)),
                _ => return Ok(()),
            }
        }
    }
}
