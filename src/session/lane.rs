//! Which thread does a job: what takes long has one, and what somebody waits for while looking is done beside it.

use super::jobs::JobRequest;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One of the worker's threads. Each runs one job at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Training, and what must not be disturbed or changes what training reads.
    Long,
    /// What works with finished models and files.
    Beside,
    /// Comparing and arranging all pictures of a run, which may take minutes and is not to keep anybody from classifying a few.
    Compare,
    /// A look at one picture, which does not even wait for many that are being classified.
    Look,
}

impl Lane {
    pub(super) const ALL: [Self; 4] = [Self::Long, Self::Beside, Self::Compare, Self::Look];

    pub(super) fn of(request: &JobRequest) -> Self {
        match request {
            JobRequest::OpenData { .. }
            | JobRequest::WriteSample { .. }
            | JobRequest::Train { .. }
            | JobRequest::FindRate { .. }
            | JobRequest::MeasureSpeed { .. } => Self::Long,
            JobRequest::CheckWeights { .. }
            | JobRequest::Evaluate { .. }
            | JobRequest::Predict { .. }
            | JobRequest::CopyByClass { .. }
            | JobRequest::ExportBundle { .. } => Self::Beside,
            JobRequest::Analyse { .. } | JobRequest::Arrange { .. } => Self::Compare,
            JobRequest::Explain { .. } => Self::Look,
        }
    }

    pub(super) fn thread_name(self) -> &'static str {
        match self {
            Self::Long => "headstart-worker",
            Self::Beside => "headstart-beside",
            Self::Compare => "headstart-compare",
            Self::Look => "headstart-look",
        }
    }
}

/// Tells the threads whether the long work is going on, so that the others leave it most of the processor.
#[derive(Debug, Clone, Default)]
pub(super) struct LongWork(Arc<AtomicBool>);

impl LongWork {
    pub(super) fn set(&self, going_on: bool) {
        self.0.store(going_on, Ordering::Relaxed);
    }

    /// Threads for a job of `lane` that does not say itself how many: all cores (0), or beside the long work a quarter of them.
    pub(super) fn threads_left(&self, lane: Lane) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        match lane != Lane::Long && self.0.load(Ordering::Relaxed) {
            true => cores().div_ceil(4),
            false => 0,
        }
    }
}
