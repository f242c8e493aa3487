//! Pause, stop and cancel, from any thread.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shared switches of one job.
#[derive(Debug, Default)]
pub struct Control {
    state: AtomicU8,
    held: Mutex<Held>,
}

/// How long the job was held.
#[derive(Debug, Default)]
struct Held {
    since: Option<Instant>,
    before: Duration,
}

const RUN: u8 = 0;
const PAUSE: u8 = 1;
const END_OF_EPOCH: u8 = 2;
const FINISH: u8 = 3;
const CANCEL: u8 = 4;

impl Control {
    /// Holds the job at its next step.
    pub fn pause(&self) {
        if self.state.compare_exchange(RUN, PAUSE, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            self.with_held(|held| held.since = Some(Instant::now()));
        }
    }

    /// Lets a paused job go on.
    pub fn resume(&self) {
        let _ = self.state.compare_exchange(PAUSE, RUN, Ordering::SeqCst, Ordering::SeqCst);
        self.no_longer_held();
    }

    /// Ends the job with the present epoch as if it had been asked for no more: the best epoch is kept. Goes on where it was held.
    pub fn stop_after_epoch(&self) {
        let _ = self.state.fetch_max(END_OF_EPOCH, Ordering::SeqCst);
        self.no_longer_held();
    }

    /// Ends the job at its next step as if it had been asked for no more epochs: the best epoch is kept.
    pub fn stop_and_keep_best(&self) {
        let _ = self.state.fetch_max(FINISH, Ordering::SeqCst);
        self.no_longer_held();
    }

    /// Ends the job at its next step; what was saved stays.
    pub fn cancel(&self) {
        self.state.store(CANCEL, Ordering::SeqCst);
    }

    /// How long the job was held in all: time that says nothing about how fast it is.
    pub fn held(&self) -> Duration {
        self.with_held(|held| held.before + held.since.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    fn no_longer_held(&self) {
        self.with_held(|held| {
            held.before += held.since.take().map_or(Duration::ZERO, |since| since.elapsed())
        });
    }

    fn with_held<R>(&self, f: impl FnOnce(&mut Held) -> R) -> R {
        f(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_between_pause_and_going_on_counts_as_held() {
        let (control, a_while) = (Control::default(), Duration::from_millis(30));
        std::thread::sleep(a_while);
        control.resume();
        assert_eq!(control.held(), Duration::ZERO);
        control.pause();
        std::thread::sleep(a_while);
        let meanwhile = control.held();
        assert!(meanwhile >= a_while);
        control.pause();
        control.stop_after_epoch();
        let all = control.held();
        std::thread::sleep(a_while);
        assert!(all >= meanwhile && control.held() == all);
    }
}
