use super::*;
use crate::Result;
use crate::engine::{EpochRecord, StepProgress, TrainEvent};
use crate::session::jobs::ModelRef;
use std::sync::atomic::AtomicUsize;

const LONG: Duration = Duration::from_secs(20);

impl Worker {
    fn submit_closure(
        &self,
        f: impl FnOnce(&Events, &Control) -> Result<JobOutput> + Send + 'static,
    ) -> (JobId, Arc<Control>) {
        self.submit_to(Lane::Long, f)
    }

    fn submit_to(
        &self,
        lane: Lane,
        f: impl FnOnce(&Events, &Control) -> Result<JobOutput> + Send + 'static,
    ) -> (JobId, Arc<Control>) {
        self.enqueue(lane, Work::Closure(Box::new(f)))
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
        batch_size: None,
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
    assert!(matches!(&ends[..], [Outcome::Failed(e), Outcome::Cancelled] if e.what() == "no such folder"));
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

/// Runs until it is cancelled.
fn endless(_: &Events, control: &Control) -> Result<JobOutput> {
    loop {
        control.checkpoint()?;
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_is_waited_for_does_not_wait_for_what_takes_long() {
    let worker = Worker::spawn(|| {});
    let (long, control) = worker.submit_to(Lane::Long, endless);
    let (many, of_many) = worker.submit_to(Lane::Compare, endless);
    let (few, _) = worker.submit_to(Lane::Beside, |_, _| Ok(JobOutput::Predicted));
    let (look, _) = worker.submit_to(Lane::Look, |_, _| Ok(JobOutput::Predicted));
    let (fault, _) = worker.submit_to(Lane::Look, |_, _| panic!("a fault beside"));
    let mut ended = Vec::new();
    while ended.len() < 3 {
        if let JobEvent::Finished(id, _) = worker.wait_event(LONG).expect("it does not wait") {
            ended.push(id);
        }
    }
    ended.sort();
    assert_eq!(ended, [few, look, fault]);
    of_many.cancel();
    control.cancel();
    let mut rest: Vec<JobId> = worker
        .until_finished(2)
        .into_iter()
        .filter_map(|e| match e {
            JobEvent::Finished(id, Outcome::Cancelled) => Some(id),
            _ => None,
        })
        .collect();
    rest.sort();
    assert_eq!(rest, [long, many], "each ends once, by itself");
}

#[test]
fn classifying_does_not_wait_for_comparing() {
    let model = ModelRef::Saved("/runs/0001".into());
    let predict = JobRequest::Predict { model, paths: Vec::new() };
    let compare = JobRequest::Analyse { run_dir: "/runs/0001".into(), dataset: None };
    assert_eq!([&predict, &compare].map(Lane::of), [Lane::Beside, Lane::Compare]);
}

#[test]
fn beside_long_work_a_job_gets_a_quarter_of_the_cores() {
    let long = LongWork::default();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(Lane::ALL.map(|lane| long.threads_left(lane)), [0, 0, 0, 0]);
    long.set(true);
    let share = cores.div_ceil(4);
    assert_eq!(Lane::ALL.map(|lane| long.threads_left(lane)), [0, share, share, share]);
    long.set(false);
    assert_eq!(long.threads_left(Lane::Look), 0);
}

#[test]
fn cancelling_ends_a_running_job_and_one_that_waits() {
    let worker = Worker::spawn(|| {});
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
    for lane in [Lane::Long, Lane::Long, Lane::Beside, Lane::Compare, Lane::Look] {
        let stopped = stopped.clone();
        worker.submit_to(lane, move |_, control| {
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
    let mut begun = 0;
    while begun < 4 {
        begun += usize::from(matches!(worker.wait_event(LONG), Some(JobEvent::Started(_))));
    }
    let begin = Instant::now();
    drop(worker);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!(
        stopped.load(Ordering::SeqCst),
        4,
        "each thread's job has ended, and one that waits does not start"
    );
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
