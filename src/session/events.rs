//! The way events leave a job: never slowing it, and fast ones thinned.

use super::jobs::{JobEvent, JobId};
use crate::engine::TrainEvent;
use crossbeam_channel::Sender;
use std::mem::{Discriminant, discriminant};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Thinned events come at most this often: 30 a second.
const INTERVAL: Duration = Duration::from_nanos(33_333_334);

/// Where one job's events go.
///
/// Step, cache and file progress is thinned to at most 30 a second: the newest waits until its time has come or something
/// of another kind follows it. All other events go out at once, and none is lost.
pub(super) struct Events {
    id: JobId,
    out: Sender<JobEvent>,
    wake: Arc<dyn Fn() + Send + Sync>,
    thinned: Mutex<Thinned>,
}

#[derive(Default)]
struct Thinned {
    last_sent: Option<Instant>,
    waiting: Option<JobEvent>,
}

/// Which stream of progress a thinned event belongs to.
fn kind(event: &JobEvent) -> (Discriminant<JobEvent>, Option<Discriminant<TrainEvent>>) {
    let inner = match event {
        JobEvent::Train(_, e) => Some(discriminant(e)),
        _ => None,
    };
    (discriminant(event), inner)
}

/// How far counted progress is, as `(total, done)`. Threads report out of order.
fn position(event: &JobEvent) -> Option<(usize, usize)> {
    match event {
        JobEvent::Progress(_, done, total) | JobEvent::Train(_, TrainEvent::Preflight(done, total)) => {
            Some((*total, *done))
        }
        JobEvent::Train(_, TrainEvent::Cache(c)) => Some((c.total, c.done)),
        _ => None,
    }
}

impl Events {
    pub(super) fn new(id: JobId, out: Sender<JobEvent>, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self { id, out, wake, thinned: Mutex::default() }
    }

    /// The job these events belong to.
    pub(super) fn id(&self) -> JobId {
        self.id
    }

    /// What a training job tells.
    pub(super) fn train(&self, event: TrainEvent) {
        let thin = matches!(event, TrainEvent::Step(_) | TrainEvent::Cache(_) | TrainEvent::Preflight(..));
        let event = JobEvent::Train(self.id, event);
        if thin { self.send_thinned(event) } else { self.send(event) }
    }

    /// `done` of `total` files.
    pub(super) fn progress(&self, done: usize, total: usize) {
        self.send_thinned(JobEvent::Progress(self.id, done, total));
    }

    /// Sends at once, after the progress that came before it. An epoch's record replaces the progress of its last step, and
    /// a classified picture says nothing about the progress that waits.
    pub(super) fn send(&self, event: JobEvent) {
        let mut thinned = self.thinned.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            JobEvent::Predicted(..) | JobEvent::Compared(..) => {}
            JobEvent::Train(_, TrainEvent::Epoch(_)) => thinned.waiting = None,
            _ => self.flush(&mut thinned),
        }
        self.emit(event);
    }

    fn send_thinned(&self, event: JobEvent) {
        let mut thinned = self.thinned.lock().unwrap_or_else(PoisonError::into_inner);
        if thinned.waiting.as_ref().is_some_and(|w| kind(w) != kind(&event)) {
            self.flush(&mut thinned);
        }
        let overtaken = match (thinned.waiting.as_ref().and_then(position), position(&event)) {
            (Some((total, waiting)), Some((same, done))) => total == same && waiting > done,
            _ => false,
        };
        if !overtaken {
            thinned.waiting = Some(event);
        }
        if thinned.last_sent.is_none_or(|t| t.elapsed() >= INTERVAL) {
            self.flush(&mut thinned);
        }
    }

    fn flush(&self, thinned: &mut Thinned) {
        if let Some(event) = thinned.waiting.take() {
            thinned.last_sent = Some(Instant::now());
            self.emit(event);
        }
    }

    fn emit(&self, event: JobEvent) {
        // Nobody listening is no reason to stop the work.
        let _ = self.out.send(event);
        (self.wake)();
    }
}
