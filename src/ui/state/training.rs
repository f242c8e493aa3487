//! What is known of the training that runs, or ran last.

use super::Share;
use crate::backbones::LoadReport;
use crate::config::TrainConfig;
use crate::engine::memory::MemoryUse;
use crate::engine::{
    BatchChange, CacheProgress, EpochRecord, HardPicture, StepProgress, Summary, TrainEvent,
};
use crate::error::{Error, part_of};
use std::path::PathBuf;

/// How many more epochs a finished run is offered to go on for.
pub const MORE_EPOCHS: [usize; 2] = [5, 20];

/// How a training ended.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainingEnd {
    /// With a model.
    Finished(Summary),
    /// With a model, on request and before all planned epochs were done.
    Stopped(Summary),
    /// On request; its checkpoint is kept.
    Cancelled,
    /// With an error.
    Failed(Error),
}

/// What trying learning rates is at: the steps come last, and what comes before has numbers of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RatePart {
    /// The pictures are looked through.
    #[default]
    Pictures,
    /// The frozen part is computed.
    Features,
    /// Steps with rising rates.
    Steps,
}

impl RatePart {
    /// What an event before the steps is about.
    pub fn of(event: &TrainEvent) -> Self {
        match event {
            TrainEvent::Cache(_) => Self::Features,
            _ => Self::Pictures,
        }
    }

    /// "Step 12 of 100".
    pub fn words(self, done: usize, total: usize) -> String {
        match self {
            Self::Pictures => format!("Looking through the pictures: {}", part_of(done, total)),
            Self::Features => format!("Preparing the pictures: {} looks", part_of(done, total)),
            Self::Steps => format!("Step {done} of at most {total}"),
        }
    }
}

/// A training, live.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveTraining {
    /// The run's folder.
    pub run_dir: PathBuf,
    /// Its settings.
    pub config: TrainConfig,
    /// Epochs so far.
    pub epochs: Vec<EpochRecord>,
    /// The hardest validation pictures of the last of them, the hardest first.
    pub hardest: Vec<HardPicture>,
    /// Inside the present epoch.
    pub step: Option<StepProgress>,
    /// How much of it is done.
    pub share: Share,
    /// While the frozen part is computed.
    pub cache: Option<CacheProgress>,
    /// While the pictures are looked through: `(done, total)`.
    pub preflight: Option<(usize, usize)>,
    /// Plain sentences about what happens, oldest first.
    pub notes: Vec<String>,
    /// When steps got another number of pictures than was chosen.
    pub batch_changes: Vec<BatchChange>,
    /// Memory in use, where that is known.
    pub memory: Option<MemoryUse>,
    /// Validation pictures that it began with; none where it goes on from before.
    pub validation: Option<usize>,
    /// It was asked to end with the present epoch.
    pub last_epoch: bool,
    /// How it ended, once it has.
    pub end: Option<TrainingEnd>,
}

impl LiveTraining {
    /// A training about to begin; `epochs` are those before the checkpoint it goes on from.
    pub fn new(run_dir: PathBuf, config: TrainConfig, epochs: Vec<EpochRecord>) -> Self {
        Self {
            run_dir,
            config,
            epochs,
            hardest: Vec::new(),
            step: None,
            share: Share::default(),
            cache: None,
            preflight: None,
            notes: Vec::new(),
            batch_changes: Vec::new(),
            memory: None,
            validation: None,
            last_epoch: false,
            end: None,
        }
    }

    /// Takes in an event.
    pub fn absorb(&mut self, event: TrainEvent) {
        match event {
            TrainEvent::Preflight(done, total) => self.preflight = Some((done, total)),
            TrainEvent::Note(text) | TrainEvent::Warning(text) => self.notes.push(text),
            TrainEvent::BatchSize(change) => self.batch_changes.push(change),
            TrainEvent::Loaded(report) => self.notes.push(loaded_words(&report)),
            TrainEvent::Cache(progress) => {
                self.preflight = None;
                self.cache = Some(progress);
            }
            TrainEvent::Step(progress) => {
                self.preflight = None;
                self.cache = None;
                self.share.step(&progress);
                self.step = Some(progress);
            }
            TrainEvent::Epoch(record) => {
                self.epochs.retain(|e| e.epoch < record.epoch);
                self.epochs.push(record);
            }
            TrainEvent::Hardest(pictures) => self.hardest = pictures,
            TrainEvent::Memory(now) => self.memory = Some(now),
        }
    }

    /// Epochs that are planned, as far as the finished ones tell.
    pub fn planned(&self) -> usize {
        self.epochs.last().map_or(0, |e| e.epochs)
    }

    /// The best epoch so far.
    pub fn best(&self) -> Option<&EpochRecord> {
        self.epochs.iter().rev().find(|e| e.best)
    }
}

/// What became of a weight file, for people; the names behind the numbers are on the Model screen.
pub fn loaded_words(report: &LoadReport) -> String {
    let mut text = match (report.missing.len(), report.unexpected.len()) {
        (0, 0) => "All weights of the file are in place.".to_owned(),
        (0, extra) => format!("The network has all its weights; {extra} more in the file are not used."),
        (missing, _) => format!(
            "{} of {} parts have weights from the file; the others start from random values.",
            report.loaded,
            report.loaded + missing
        ),
    };
    if !report.dropped_head.is_empty() {
        text.push_str(" Its own classes were left out on purpose: yours take their place.");
    }
    text
}

/// `(done, total)` of what is done before the epochs.
pub(super) fn preparation(event: &TrainEvent) -> Option<(usize, usize)> {
    match event {
        TrainEvent::Preflight(done, total) => Some((*done, *total)),
        TrainEvent::Cache(c) => Some((c.done, c.total)),
        TrainEvent::Step(_)
        | TrainEvent::Epoch(_)
        | TrainEvent::Note(_)
        | TrainEvent::Warning(_)
        | TrainEvent::BatchSize(_)
        | TrainEvent::Loaded(_)
        | TrainEvent::Hardest(_)
        | TrainEvent::Memory(_) => None,
    }
}
