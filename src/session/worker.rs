//! Threads that run jobs, each one at a time; a panic in a job becomes its failure.

use super::events::Events;
#[cfg(test)]
use super::jobs::JobOutput;
use super::jobs::{JobEvent, JobId, JobRequest, Outcome};
use super::lane::{Lane, LongWork};
use super::runner::Runner;
use crate::engine::Control;
use crate::error::Error;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long closing the program waits for a job to notice that it was cancelled.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What a queued job does.
enum Work {
    Request(Box<JobRequest>),
    #[cfg(test)]
    Closure(TestJob),
}

#[cfg(test)]
type TestJob = Box<dyn FnOnce(&Events, &Control) -> crate::Result<JobOutput> + Send>;

struct Queued {
    id: JobId,
    control: Arc<Control>,
    work: Work,
}

type Wake = Arc<dyn Fn() + Send + Sync>;

/// Handle of the threads. Dropping it cancels what runs and what waits.
#[derive(Debug)]
pub struct Worker {
    /// In the order of [`Lane::ALL`].
    threads: Vec<LaneThread>,
    events: Receiver<JobEvent>,
    own_events: Sender<JobEvent>,
    next_id: AtomicU64,
    controls: Mutex<Vec<Weak<Control>>>,
}

#[derive(Debug)]
struct LaneThread {
    queue: Option<Sender<Queued>>,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Queued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queued").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts the threads. `wake` is called (from one of them) after every event, for example to repaint a window.
    pub fn spawn(wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (own_events, events) = unbounded();
        let (wake, long): (Wake, LongWork) = (Arc::new(wake), LongWork::default());
        let runner = Runner::default();
        let start = |lane| LaneThread::start(lane, runner.beside(), &long, (&own_events, &wake));
        let threads = Lane::ALL.map(start).into_iter().collect();
        Self { threads, events, own_events, next_id: AtomicU64::new(1), controls: Mutex::new(Vec::new()) }
    }

    /// Queues a job; returns its number and its switches.
    pub fn submit(&self, request: JobRequest) -> (JobId, Arc<Control>) {
        self.enqueue(Lane::of(&request), Work::Request(Box::new(request)))
    }

    /// Takes the next event, without waiting.
    pub fn try_event(&self) -> Option<JobEvent> {
        self.events.try_recv().ok()
    }

    /// Takes the next event, waiting for it at most `timeout`.
    pub fn wait_event(&self, timeout: Duration) -> Option<JobEvent> {
        self.events.recv_timeout(timeout).ok()
    }

    /// Cancels what runs and what waits; does not wait for its end.
    pub fn cancel_all(&self) {
        let controls = self.controls.lock().unwrap_or_else(PoisonError::into_inner);
        // The newest first: else a job that waits could begin between the end of the one before it and its own.
        controls.iter().rev().filter_map(Weak::upgrade).for_each(|control| control.cancel());
    }

    fn enqueue(&self, lane: Lane, work: Work) -> (JobId, Arc<Control>) {
        let id = JobId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let control = Arc::new(Control::default());
        {
            let mut controls = self.controls.lock().unwrap_or_else(PoisonError::into_inner);
            controls.retain(|c| c.strong_count() > 0);
            controls.push(Arc::downgrade(&control));
        }
        let job = Queued { id, control: control.clone(), work };
        let queue = self.threads.get(lane as usize).and_then(|t| t.queue.as_ref());
        if queue.is_none_or(|q| q.send(job).is_err()) {
            let why = Error::internal("the worker thread is not running").with_hint("Start Headstart again");
            let _ = self.own_events.send(JobEvent::Finished(id, Outcome::Failed(why)));
        }
        (id, control)
    }
}

impl LaneThread {
    fn start(
        lane: Lane,
        mut runner: Runner,
        long: &LongWork,
        (out, wake): (&Sender<JobEvent>, &Wake),
    ) -> Self {
        let (queue, jobs) = unbounded::<Queued>();
        let (end, ended) = unbounded::<()>();
        let (long, out, wake) = (long.clone(), out.clone(), wake.clone());
        let thread = std::thread::Builder::new().name(lane.thread_name().to_owned()).spawn(move || {
            let _ended_when_dropped = end;
            for job in jobs {
                let threads = long.threads_left(lane);
                if lane == Lane::Long {
                    long.set(true);
                }
                run_one(&mut runner, job, threads, (&out, &wake));
                if lane == Lane::Long {
                    long.set(false);
                }
            }
        });
        let thread = thread.inspect_err(|e| tracing::error!("could not start a worker thread: {e}")).ok();
        Self { queue: Some(queue), ended, thread }
    }

    /// Waits for its end, until `deadline` at most.
    fn join(&mut self, deadline: Instant) {
        let Some(thread) = self.thread.take() else { return };
        // The channel carries nothing: it disconnects when the thread ends. A job deep in one long step is left behind
        // rather than waited for; everything on disk is written atomically.
        let left = deadline.saturating_duration_since(Instant::now());
        if self.ended.recv_timeout(left) == Err(crossbeam_channel::RecvTimeoutError::Disconnected) {
            let _ = thread.join();
        } else {
            tracing::warn!("a running job did not stop within {} s", JOIN_TIMEOUT.as_secs());
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.threads.iter_mut().for_each(|t| t.queue = None);
        self.cancel_all();
        let deadline = Instant::now() + JOIN_TIMEOUT;
        self.threads.iter_mut().for_each(|t| t.join(deadline));
    }
}

fn run_one(runner: &mut Runner, job: Queued, threads: usize, (out, wake): (&Sender<JobEvent>, &Wake)) {
    let Queued { id, control, work } = job;
    let events = Events::new(id, out.clone(), wake.clone());
    events.send(JobEvent::Started(id));
    let result = catch_unwind(AssertUnwindSafe(|| {
        control.checkpoint()?;
        match work {
            Work::Request(request) => runner.run(*request, threads, &events, &control),
            #[cfg(test)]
            Work::Closure(f) => f(&events, &control),
        }
    }));
    let outcome = match result {
        Ok(Ok(output)) => Outcome::Done(output),
        Ok(Err(e)) if e.is_cancelled() => Outcome::Cancelled,
        Ok(Err(e)) => Outcome::Failed(e),
        Err(payload) => {
            runner.let_go();
            let message = panic_message(payload.as_ref());
            tracing::error!("job {} panicked: {message}", id.0);
            Outcome::Failed(Error::internal(format!("a fault in the program ended this job ({message})")))
        }
    };
    events.send(JobEvent::Finished(id, outcome));
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests;
