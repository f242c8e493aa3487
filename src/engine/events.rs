//! What a training job tells while it runs.

use super::memory::MemoryUse;
use crate::backbones::LoadReport;
use crate::error::count;
use serde::{Deserialize, Serialize};

/// One line of `metrics.jsonl`: an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Epochs planned.
    pub epochs: usize,
    /// What is learning: `head`, `stages 17-18 and head`, `everything`.
    pub phase: String,
    /// Mean loss over the training pictures of this epoch.
    pub train_loss: f64,
    /// Share classified correctly while training.
    pub train_accuracy: f64,
    /// Loss on the validation pictures.
    pub val_loss: f64,
    /// Share of validation pictures classified correctly.
    pub val_accuracy: f64,
    /// Unweighted mean of the classes' F1 on the validation pictures.
    pub val_macro_f1: f64,
    /// At the epoch's last step.
    pub learning_rate: f64,
    /// Training pictures per second.
    pub images_per_s: f64,
    /// Since the job began.
    pub elapsed_s: f64,
    /// Estimated time left.
    pub eta_s: f64,
    /// Whether this is the best so far.
    pub best: bool,
    /// Pictures in a step at its end; none in older runs, and where there are no steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
}

/// A step has another number of pictures than was chosen, from some epoch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchChange {
    /// The epoch in which that began, from 1.
    pub epoch: usize,
    /// Pictures in a step before.
    pub from: usize,
    /// Pictures in a step from then on.
    pub to: usize,
    /// Why.
    pub reason: BatchReason,
}

/// Why the number of pictures in a step is another than was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchReason {
    /// The card's memory was full.
    OutOfMemory,
    /// It was left open, and this was measured to be faster.
    Measured,
}

impl BatchChange {
    /// "32 pictures a step instead of 64 from epoch 3 on: the card's memory was full".
    pub fn words(&self) -> String {
        let why = match self.reason {
            BatchReason::OutOfMemory => "the card's memory was full",
            BatchReason::Measured => "measured to be faster on this card",
        };
        let pictures = count(self.to, "picture", "pictures");
        format!("{pictures} a step instead of {} from epoch {} on: {why}", self.from, self.epoch)
    }
}

/// Progress of computing the frozen part once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CacheProgress {
    /// Views done.
    pub done: usize,
    /// Views in all.
    pub total: usize,
    /// Views per second.
    pub views_per_s: f64,
}

/// Progress inside an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepProgress {
    /// From 1.
    pub epoch: usize,
    /// Epochs planned.
    pub epochs: usize,
    /// Steps done in this epoch.
    pub step: usize,
    /// Steps in an epoch.
    pub steps: usize,
    /// Loss of the last step.
    pub loss: f64,
    /// Training pictures per second.
    pub images_per_s: f64,
    /// Estimated time left for the whole job; none before an epoch of this phase has shown how long one takes.
    pub eta_s: Option<f64>,
}

/// A validation picture that the network finds hard.
#[derive(Debug, Clone, PartialEq)]
pub struct HardPicture {
    /// Path relative to the data folder.
    pub rel: String,
    /// Its class.
    pub truth: usize,
    /// What it is taken for.
    pub predicted: usize,
    /// Probability that the network gives its class, in `[0, 1]`.
    pub truth_probability: f32,
}

/// What a training job tells while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainEvent {
    /// Looking at the pictures: `(done, total)`.
    Preflight(usize, usize),
    /// A plain sentence about what happens now, for example that the frozen part is computed once for so many views.
    Note(String),
    /// A plain sentence about something that the person did not ask for and should know, however quiet progress is.
    Warning(String),
    /// Steps have another number of pictures from here on.
    BatchSize(BatchChange),
    /// The pretrained weights were read.
    Loaded(LoadReport),
    /// The frozen part is being computed.
    Cache(CacheProgress),
    /// A step was made.
    Step(StepProgress),
    /// An epoch ended.
    Epoch(EpochRecord),
    /// The validation pictures with the largest loss after that epoch, the largest first.
    Hardest(Vec<HardPicture>),
    /// Memory in use; at most once a second.
    Memory(MemoryUse),
}
