//! Training on a card whose memory is too small for the chosen steps, with a processor in place of the card.

use super::checkpoint::Checkpoint;
use super::context::Context;
use super::trainer::{Trained, Trainer};
use super::{TrainJob, finish};
use crate::config::{DeviceChoice, TrainConfig, TrainMode};
use crate::data::{Checks, Dataset, Layout, Sample, Split, Verdicts};
use crate::engine::{BatchChange, BatchReason, Control, TrainEvent};
use crate::error::{ErrorKind, Result};
use crate::nn::params::ParamStore;
use candle_core::Device;
use image::{Rgb, RgbImage};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many pictures steps have room for. A step that has too many fails behind its gradients, when all that it makes new is made and
/// nothing of it counts yet.
#[derive(Debug)]
pub(crate) struct RoomForSteps {
    pictures: usize,
    /// So many steps succeed before the memory is as small as that.
    after: usize,
    steps: AtomicUsize,
}

impl Default for RoomForSteps {
    fn default() -> Self {
        Self { pictures: usize::MAX, after: 0, steps: AtomicUsize::new(0) }
    }
}

impl RoomForSteps {
    pub(crate) fn check(&self, pictures: usize) -> Result<()> {
        if self.steps.fetch_add(1, Ordering::Relaxed) < self.after || pictures <= self.pictures {
            return Ok(());
        }
        let told = "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")";
        Err(candle_core::Error::Cuda(told.into()).into())
    }
}

const PER_CLASS: usize = 11;

pub(super) fn dataset(root: &Path) -> Dataset {
    let classes = ["dark", "light"];
    let mut samples = Vec::new();
    for (class, name) in classes.iter().enumerate() {
        std::fs::create_dir_all(root.join(name)).unwrap();
        for i in 0..PER_CLASS + 2 {
            let split = if i < PER_CLASS { Split::Train } else { Split::Val };
            let rel = format!("{name}/{i}.png");
            let level = (60 + 90 * class + 9 * i) as u8;
            RgbImage::from_fn(20, 20, |x, y| Rgb([level, (x * 9) as u8, (y * 7) as u8]))
                .save(root.join(&rel))
                .unwrap();
            samples.push(Sample { rel, class, split });
        }
    }
    Dataset {
        root: root.to_path_buf(),
        layout: Layout::ClassFolders,
        labels: None,
        classes: classes.map(str::to_owned).to_vec(),
        samples,
        skipped: Vec::new(),
        excluded: Vec::new(),
        verdicts: Verdicts::default(),
        checks: Checks::default(),
    }
}

/// Everything learns, with batch statistics, dropout and mixed pictures: all that a step draws and keeps.
pub(super) fn config(batch_size: usize) -> TrainConfig {
    let mut c = TrainConfig::default();
    c.backbone.cut_stage = Some("block1".to_owned());
    c.head.dropout = 0.3;
    c.augment.mixup = 0.4;
    c.train.mode = TrainMode::Scratch;
    c.train.epochs = Some(3);
    c.train.batch_size = Some(batch_size);
    c.train.device = DeviceChoice::Cpu;
    c
}

/// Trains in `dir`; what came of it, and what was told of the size of steps.
fn train(
    dir: &Path,
    run: &str,
    (config, resume): (TrainConfig, bool),
    room: RoomForSteps,
    cancel_after: usize,
) -> (Result<Trained>, Vec<BatchChange>) {
    let dataset = dataset(&dir.join("pictures"));
    let job = TrainJob { config, dataset, run_dir: dir.join(run), resume };
    let (control, told) = (Control::default(), Mutex::new(Vec::new()));
    let on_event = |event: TrainEvent| match event {
        TrainEvent::BatchSize(change) => told.lock().unwrap().push(change),
        TrainEvent::Epoch(e) if e.epoch == cancel_after => control.cancel(),
        _ => {}
    };
    let (mut ctx, network) = Context::prepare(&job, &control, &on_event).unwrap();
    ctx.room_for_steps = room;
    let trained = Trainer::new(&ctx, network, job.resume).and_then(Trainer::run);
    let told = told.lock().unwrap().clone();
    (trained, told)
}

fn bits(trained: &Trained) -> Vec<u32> {
    bits_of(&trained.network.store)
}

pub(super) fn bits_of(store: &ParamStore) -> Vec<u32> {
    let values = store.iter().flat_map(|(_, p)| p.var.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    values.map(f32::to_bits).collect()
}

pub(super) fn room(pictures: usize, after: usize) -> RoomForSteps {
    RoomForSteps { pictures, after, ..RoomForSteps::default() }
}

fn change(epoch: usize, from: usize, to: usize) -> BatchChange {
    BatchChange { epoch, from, to, reason: BatchReason::OutOfMemory }
}

/// Pictures that the steps of the run learned from, by its last checkpoint.
fn learned_from(dir: &Path, run: &str) -> u64 {
    Checkpoint::load(&dir.join(run), &Device::Cpu).unwrap().unwrap().progress.trained
}

#[test]
fn steps_that_never_fit_train_as_if_the_smaller_size_had_been_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let (halved, told) = train(dir.path(), "halved", (config(8), false), room(3, 0), 0);
    let (chosen, none) = train(dir.path(), "chosen", (config(2), false), RoomForSteps::default(), 0);
    let (halved, chosen) = (halved.unwrap(), chosen.unwrap());
    assert_eq!((&told, none.len()), (&vec![change(1, 8, 4), change(1, 4, 2)], 0));
    // Nothing of the failed steps counts: neither weights, nor running statistics, nor randomness.
    assert!(bits(&halved) == bits(&chosen));
    let losses = |t: &Trained| t.records.iter().map(|r| r.train_loss.to_bits()).collect::<Vec<_>>();
    assert_eq!(losses(&halved), losses(&chosen));
    assert_eq!(halved.records.iter().map(|r| r.batch_size).collect::<Vec<_>>(), [Some(2); 3]);
    assert_eq!(halved.batch_changes, told);
}

#[test]
fn what_is_left_of_an_epoch_is_learned_from_once_and_a_resumed_run_keeps_the_smaller_size() {
    let dir = tempfile::tempdir().unwrap();
    // The third epoch's second step is the first that fails: 22 pictures are 3 steps of 8.
    let full = || room(4, 7);
    let (whole, told) = train(dir.path(), "whole", (config(8), false), full(), 0);
    let whole = whole.unwrap();
    assert_eq!(told, [change(3, 8, 4)]);
    assert_eq!(learned_from(dir.path(), "whole"), 3 * 2 * PER_CLASS as u64);
    assert_eq!(whole.records.iter().map(|r| r.batch_size).collect::<Vec<_>>(), [Some(8), Some(8), Some(4)]);

    let mut longer = config(8);
    longer.train.epochs = Some(4);
    let (uninterrupted, told) = train(dir.path(), "long", (longer.clone(), false), room(4, 1), 0);
    assert_eq!(told, [change(1, 8, 4)]);
    let (cut, _) = train(dir.path(), "cut", (longer.clone(), false), room(4, 1), 1);
    assert!(cut.is_err_and(|e| e.is_cancelled()));
    // There would be room again: it goes on as it was.
    let (resumed, told) = train(dir.path(), "cut", (longer, true), RoomForSteps::default(), 0);
    let (uninterrupted, resumed) = (uninterrupted.unwrap(), resumed.unwrap());
    assert!(told.is_empty() && bits(&uninterrupted) == bits(&resumed));
    assert_eq!(resumed.batch_changes, uninterrupted.batch_changes);
}

#[test]
fn a_card_without_room_for_the_smallest_step_is_an_error_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let mut frozen = config(4);
    (frozen.train.mode, frozen.augment.mixup) = (TrainMode::Frozen, 0.0);
    for (config, smallest) in [(frozen, "1 picture"), (config(8), "2 pictures")] {
        let e = train(dir.path(), smallest, (config, false), room(0, 0), 0).0.err().unwrap();
        assert_eq!(e.kind(), ErrorKind::OutOfMemory);
        let told = e.to_string();
        assert!(told.contains(smallest) && told.contains("train.device"), "{told}");
    }
}

#[test]
fn the_summary_tells_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(8);
    config.train.epochs = Some(1);
    let job = TrainJob {
        config,
        dataset: dataset(&dir.path().join("pictures")),
        run_dir: dir.path().join("run"),
        resume: false,
    };
    let control = Control::default();
    let (mut ctx, network) = Context::prepare(&job, &control, &|_| {}).unwrap();
    ctx.room_for_steps = room(4, 0);
    let outcome = finish(&ctx, Trainer::new(&ctx, network, false).unwrap().run().unwrap()).unwrap();
    assert_eq!(outcome.summary.batch_changes, [change(1, 8, 4)]);
    let written = std::fs::read_to_string(dir.path().join("run/summary.json")).unwrap();
    let written: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!(
        written["batch_changes"],
        serde_json::json!([{"epoch": 1, "from": 8, "to": 4, "reason": "out_of_memory"}])
    );
    assert_eq!(outcome.epochs[0].batch_size, Some(4));
}
