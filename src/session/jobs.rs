//! What the worker can be asked, and what it answers.

use crate::backbones::LoadReport;
use crate::config::{DataConfig, TrainConfig};
use crate::data::{Dataset, Preflight};
use crate::engine::{Evaluation, Ranked, TrainEvent, TrainOutcome};
use crate::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// Number of a job, in the order of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// One job.
#[derive(Debug, Clone)]
pub enum JobRequest {
    /// Scan a folder and look at every picture.
    OpenData {
        /// The folder.
        root: PathBuf,
        /// How to read it.
        config: DataConfig,
        /// The project whose saved splits apply, if there is one.
        project: Option<PathBuf>,
    },
    /// Write the sample data set.
    WriteSample {
        /// An empty or new folder.
        dir: PathBuf,
    },
    /// Read a weight file against a backbone, for the load report.
    CheckWeights {
        /// Registered name.
        backbone: String,
        /// The file.
        weights: PathBuf,
    },
    /// Train.
    Train {
        /// All settings.
        config: Box<TrainConfig>,
        /// The scanned pictures.
        dataset: Box<Dataset>,
        /// The run's folder.
        run_dir: PathBuf,
        /// Go on from the run's checkpoint.
        resume: bool,
    },
    /// Judge a saved model on a labelled folder.
    Evaluate {
        /// Run or bundle.
        model: PathBuf,
        /// Labelled folder.
        data: PathBuf,
    },
    /// Classify pictures.
    Predict {
        /// What classifies.
        model: ModelRef,
        /// Files and folders.
        paths: Vec<PathBuf>,
    },
    /// Measure how fast a backbone is here.
    MeasureSpeed {
        /// Registered name.
        backbone: String,
        /// Threads for the work; 0 is one for each core.
        threads: usize,
    },
    /// Save a run's model as a bundle.
    ExportBundle {
        /// The run.
        run_dir: PathBuf,
        /// A new folder.
        out: PathBuf,
    },
}

/// What classifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelRef {
    /// A run or bundle folder.
    Saved(PathBuf),
    /// A backbone with its published 1000-class head.
    Imagenet {
        /// Registered name.
        backbone: String,
        /// Complete weights.
        weights: PathBuf,
    },
}

/// What a job made.
#[derive(Debug, Clone)]
pub enum JobOutput {
    /// Of `OpenData`.
    Data(Arc<Preflight>),
    /// Of `WriteSample`: the folder.
    Sample(PathBuf),
    /// Of `CheckWeights`.
    Weights(LoadReport),
    /// Of `Train`.
    Trained(Box<TrainOutcome>),
    /// Of `Evaluate`.
    Evaluated(Box<Evaluation>),
    /// Of `Predict`; the pictures came as [`JobEvent::Predicted`].
    Predicted,
    /// Of `MeasureSpeed`.
    Speed {
        /// Registered name.
        backbone: String,
        /// Threads that did the work.
        threads: usize,
        /// Pictures a second, forward.
        images_per_s: f64,
    },
    /// Of `ExportBundle`: the folder.
    Exported(PathBuf),
}

/// How a job ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It did what was asked.
    Done(JobOutput),
    /// It was stopped on request.
    Cancelled,
    /// It failed, or panicked.
    Failed(Error),
}

/// What the worker tells. Exactly one `Finished` for each job.
#[derive(Debug, Clone)]
pub enum JobEvent {
    /// The job began.
    Started(JobId),
    /// It advanced: `(done, total)`.
    Progress(JobId, usize, usize),
    /// A training job told something. Step and cache progress are thinned to at most 30 a second.
    Train(JobId, TrainEvent),
    /// A picture was classified.
    Predicted(JobId, PathBuf, Result<Ranked, Error>),
    /// It ended.
    Finished(JobId, Outcome),
}
