//! One thread that runs one job at a time; a panic in a job becomes its failure.

use super::events::Events;
#[cfg(test)]
use super::jobs::JobOutput;
use super::jobs::{JobEvent, JobId, JobRequest, Outcome};
use super::runner::Runner;
use crate::engine::Control;
use crate::error::Error;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

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

/// Handle of the worker thread. Dropping it cancels what runs and what waits.
#[derive(Debug)]
pub struct Worker {
    queue: Option<Sender<Queued>>,
    events: Receiver<JobEvent>,
    own_events: Sender<JobEvent>,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
    next_id: AtomicU64,
    controls: Mutex<Vec<Weak<Control>>>,
}

impl std::fmt::Debug for Queued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queued").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts the thread. `wake` is called (from the worker) after every event, for example to repaint a window.
    pub fn spawn(wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (queue, jobs) = unbounded::<Queued>();
        let (own_events, events) = unbounded();
        let (end, ended) = unbounded::<()>();
        let out = own_events.clone();
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(wake);
        let thread = std::thread::Builder::new().name("headstart-worker".to_owned()).spawn(move || {
            let _ended_when_dropped = end;
            let mut runner = Runner::default();
            for job in jobs {
                run_one(&mut runner, job, &out, &wake);
            }
        });
        let thread = thread.inspect_err(|e| tracing::error!("could not start the worker thread: {e}")).ok();
        Self {
            queue: Some(queue),
            events,
            own_events,
            ended,
            thread,
            next_id: AtomicU64::new(1),
            controls: Mutex::new(Vec::new()),
        }
    }

    /// Queues a job; returns its number and its switches.
    pub fn submit(&self, request: JobRequest) -> (JobId, Arc<Control>) {
        self.enqueue(Work::Request(Box::new(request)))
    }

    /// Takes the next event, without waiting.
    pub fn try_event(&self) -> Option<JobEvent> {
        self.events.try_recv().ok()
    }

    /// Takes the next event, waiting for it at most `timeout`.
    pub fn wait_event(&self, timeout: Duration) -> Option<JobEvent> {
        self.events.recv_timeout(timeout).ok()
    }

    fn enqueue(&self, work: Work) -> (JobId, Arc<Control>) {
        let id = JobId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let control = Arc::new(Control::default());
        {
            let mut controls = self.controls.lock().unwrap_or_else(PoisonError::into_inner);
            controls.retain(|c| c.strong_count() > 0);
            controls.push(Arc::downgrade(&control));
        }
        let job = Queued { id, control: control.clone(), work };
        if self.queue.as_ref().is_none_or(|q| q.send(job).is_err()) {
            let why = Error::internal("the worker thread is not running").with_hint("Start Headstart again");
            let _ = self.own_events.send(JobEvent::Finished(id, Outcome::Failed(why)));
        }
        (id, control)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.queue = None;
        let controls = self.controls.get_mut().unwrap_or_else(PoisonError::into_inner);
        for control in controls.iter().filter_map(Weak::upgrade) {
            control.cancel();
        }
        let Some(thread) = self.thread.take() else { return };
        // The channel carries nothing: it disconnects when the thread ends. A job deep in one long step is left behind
        // rather than waited for; everything on disk is written atomically.
        if self.ended.recv_timeout(JOIN_TIMEOUT) == Err(crossbeam_channel::RecvTimeoutError::Disconnected) {
            let _ = thread.join();
        } else {
            tracing::warn!("the running job did not stop within {} s", JOIN_TIMEOUT.as_secs());
        }
    }
}

fn run_one(runner: &mut Runner, job: Queued, out: &Sender<JobEvent>, wake: &Arc<dyn Fn() + Send + Sync>) {
    let Queued { id, control, work } = job;
    let events = Events::new(id, out.clone(), wake.clone());
    events.send(JobEvent::Started(id));
    let result = catch_unwind(AssertUnwindSafe(|| {
        control.checkpoint()?;
        match work {
            Work::Request(request) => runner.run(*request, &events, &control),
            #[cfg(test)]
            Work::Closure(f) => f(&events, &control),
        }
    }));
    let outcome = match result {
        Ok(Ok(output)) => Outcome::Done(output),
        Ok(Err(e)) if e.is_cancelled() => Outcome::Cancelled,
        Ok(Err(e)) => Outcome::Failed(e),
        Err(payload) => {
            // What the runner kept may have been left half changed.
            *runner = Runner::default();
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
mod tests {
    use super::*;
    use crate::Result;
    use crate::engine::{EpochRecord, StepProgress, TrainEvent};
    use std::sync::atomic::AtomicUsize;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(20);

    impl Worker {
        fn submit_closure(
            &self,
            f: impl FnOnce(&Events, &Control) -> Result<JobOutput> + Send + 'static,
        ) -> (JobId, Arc<Control>) {
            self.enqueue(Work::Closure(Box::new(f)))
        }

        /// Events up to and including the `n`th `Finished`.
        fn until_finished(&self, n: usize) -> Vec<JobEvent> {
            let mut seen = Vec::new();
            let mut finished = 0;
            while finished < n {
                let e = self.wait_event(LONG).expect("an event within the time limit");
                finished += usize::from(matches!(e, JobEvent::Finished(..)));
                seen.push(e);
            }
            assert!(self.wait_event(Duration::from_millis(30)).is_none(), "an event after the last Finished");
            seen
        }
    }

    fn step(step: usize) -> TrainEvent {
        TrainEvent::Step(StepProgress {
            epoch: 1,
            epochs: 1,
            step,
            steps: 0,
            loss: 0.0,
            images_per_s: 0.0,
            eta_s: None,
        })
    }

    fn epoch(epoch: usize) -> TrainEvent {
        TrainEvent::Epoch(EpochRecord {
            epoch,
            epochs: 9,
            phase: "head".to_owned(),
            train_loss: 0.0,
            train_accuracy: 0.0,
            val_loss: 0.0,
            val_accuracy: 0.0,
            val_macro_f1: 0.0,
            learning_rate: 0.0,
            images_per_s: 0.0,
            elapsed_s: 0.0,
            eta_s: 0.0,
            best: false,
        })
    }

    #[test]
    fn a_panic_is_one_failure_and_the_thread_lives_on() {
        let worker = Worker::spawn(|| {});
        let (first, _) = worker.submit_closure(|_, _| panic!("weights ate {} cats", 3));
        let (second, _) = worker.submit_closure(|_, _| Ok(JobOutput::Predicted));
        let seen = worker.until_finished(2);
        match &seen[..] {
            [
                JobEvent::Started(a),
                JobEvent::Finished(b, Outcome::Failed(e)),
                JobEvent::Started(c),
                JobEvent::Finished(d, Outcome::Done(JobOutput::Predicted)),
            ] => {
                assert_eq!((*a, *b, *c, *d), (first, first, second, second));
                assert!(e.to_string().contains("weights ate 3 cats"), "{e}");
                assert_eq!(e.kind(), crate::ErrorKind::Internal);
            }
            other => panic!("unexpected events {other:?}"),
        }
    }

    #[test]
    fn a_failure_and_a_cancellation_are_told_apart() {
        let worker = Worker::spawn(|| {});
        worker.submit_closure(|_, _| Err(Error::input("no such folder")));
        worker.submit_closure(|_, _| Err(Error::cancelled()));
        let ends: Vec<_> = worker
            .until_finished(2)
            .into_iter()
            .filter_map(|e| match e {
                JobEvent::Finished(_, outcome) => Some(outcome),
                _ => None,
            })
            .collect();
        assert!(
            matches!(&ends[..], [Outcome::Failed(e), Outcome::Cancelled] if e.what() == "no such folder")
        );
    }

    #[test]
    fn jobs_run_one_after_another_in_order() {
        let worker = Worker::spawn(|| {});
        let running = Arc::new(AtomicUsize::new(0));
        let ids: Vec<JobId> = (0..4)
            .map(|_| {
                let running = running.clone();
                let job = move |_: &Events, _: &Control| {
                    assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::sleep(Duration::from_millis(5));
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok(JobOutput::Predicted)
                };
                worker.submit_closure(job).0
            })
            .collect();
        let ended: Vec<JobId> = worker
            .until_finished(4)
            .into_iter()
            .filter_map(|e| match e {
                JobEvent::Finished(id, Outcome::Done(_)) => Some(id),
                _ => None,
            })
            .collect();
        assert_eq!(ended, ids);
    }

    #[test]
    fn cancelling_ends_a_running_job_and_one_that_waits() {
        let worker = Worker::spawn(|| {});
        let endless = |_: &Events, control: &Control| loop {
            control.checkpoint()?;
            std::thread::sleep(Duration::from_millis(1));
        };
        let (_, running) = worker.submit_closure(endless);
        let (_, waiting) = worker.submit_closure(|_, _| panic!("a cancelled job must not start its work"));
        waiting.cancel();
        running.cancel();
        let cancelled = worker
            .until_finished(2)
            .into_iter()
            .filter(|e| matches!(e, JobEvent::Finished(_, Outcome::Cancelled)))
            .count();
        assert_eq!(cancelled, 2);
    }

    #[test]
    fn dropping_the_worker_cancels_and_joins() {
        let worker = Worker::spawn(|| {});
        let stopped = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            let stopped = stopped.clone();
            worker.submit_closure(move |_, control| {
                let end = loop {
                    if let Err(e) = control.checkpoint() {
                        break e;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                };
                stopped.fetch_add(1, Ordering::SeqCst);
                Err(end)
            });
        }
        while !matches!(worker.wait_event(LONG), Some(JobEvent::Started(_))) {}
        let begin = Instant::now();
        drop(worker);
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        assert!(stopped.load(Ordering::SeqCst) <= 1, "waiting jobs must not start");
    }

    #[test]
    fn every_event_wakes_the_window() {
        let woken = Arc::new(AtomicUsize::new(0));
        let counter = woken.clone();
        let worker = Worker::spawn(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        worker.submit_closure(|events, _| {
            events.train(epoch(1));
            Ok(JobOutput::Predicted)
        });
        let seen = worker.until_finished(1).len();
        assert_eq!((seen, woken.load(Ordering::SeqCst)), (3, 3));
    }

    #[test]
    fn steps_are_thinned_but_the_last_and_every_epoch_arrive() {
        let worker = Worker::spawn(|| {});
        let begin = Instant::now();
        worker.submit_closure(|events, _| {
            for i in 1..=5 {
                for j in 0..1000 {
                    events.train(step(i * 1000 + j));
                }
                events.train(epoch(i));
            }
            events.train(step(99_999));
            Ok(JobOutput::Predicted)
        });
        let seen = worker.until_finished(1);
        let steps: Vec<usize> = seen
            .iter()
            .filter_map(|e| match e {
                JobEvent::Train(_, TrainEvent::Step(s)) => Some(s.step),
                _ => None,
            })
            .collect();
        let epochs = seen.iter().filter(|e| matches!(e, JobEvent::Train(_, TrainEvent::Epoch(_)))).count();
        assert_eq!(epochs, 5);
        assert_eq!(steps.last(), Some(&99_999));
        assert!(steps.is_sorted(), "{steps:?}");
        let allowed = begin.elapsed().as_secs_f64() * 30.0 + 2.0;
        assert!(steps.len() as f64 <= allowed, "{} steps, {allowed} allowed", steps.len());
    }

    #[test]
    fn the_end_of_one_kind_of_progress_is_not_lost_to_the_next() {
        let worker = Worker::spawn(|| {});
        worker.submit_closure(|events, _| {
            for done in 0..=500 {
                events.progress(done, 500);
            }
            events.train(step(1));
            Ok(JobOutput::Predicted)
        });
        let seen = worker.until_finished(1);
        assert!(seen.iter().any(|e| matches!(e, JobEvent::Progress(_, 500, 500))), "{seen:?}");
    }
}
