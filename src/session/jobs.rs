//! What the worker can be asked, and what it answers.

use super::copies::Copied;
use super::insight::{Analysis, Explained};
use super::splits::{Divide, Redivided};
use crate::backbones::LoadReport;
use crate::config::{DataConfig, DeviceChoice, Precision, TrainConfig};
use crate::data::{Dataset, Preflight, Split};
use crate::engine::features::Neighbourhood;
use crate::engine::train::RateSearch;
use crate::engine::{Evaluation, Ranked, Speed, TrainEvent, TrainOutcome, Unlike};
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
        config: Box<DataConfig>,
        /// The project whose saved splits apply, if there is one.
        project: Option<PathBuf>,
        /// How the project's pictures are divided.
        divide: Divide,
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
    /// Try learning rates; nothing is kept.
    FindRate {
        /// All settings.
        config: Box<TrainConfig>,
        /// The scanned pictures.
        dataset: Box<Dataset>,
    },
    /// Judge a saved model on a labelled folder.
    Evaluate {
        /// Run or bundle.
        model: PathBuf,
        /// Labelled folder.
        data: PathBuf,
        /// The file with its labels, where neither folders nor the run say them.
        labels: Option<PathBuf>,
        /// On its test pictures, which is counted in the run's folder, and not on those that it is judged on by itself.
        test: bool,
    },
    /// Classify pictures.
    Predict {
        /// What classifies.
        model: ModelRef,
        /// Files and folders.
        paths: Vec<PathBuf>,
    },
    /// Say what a model looks at in one picture, and which training pictures are like it.
    Explain {
        /// The model.
        model: ModelRef,
        /// The file.
        picture: PathBuf,
        /// The class in question; without one, the most probable.
        class: Option<usize>,
    },
    /// Compare all pictures of a run's data set by their features, and keep these in the run's folder.
    Analyse {
        /// The run.
        run_dir: PathBuf,
        /// The scanned pictures; without them, those that the run was trained on.
        dataset: Option<Box<Dataset>>,
    },
    /// Arrange the pictures of a comparison by their neighbours, and keep where they lie in the run's folder.
    Arrange {
        /// The comparison.
        analysis: Arc<Analysis>,
    },
    /// Copy classified pictures into folders named after their classes.
    CopyByClass {
        /// Pictures, each with its class.
        pictures: Vec<(PathBuf, String)>,
        /// The folder that the classes' folders are made in.
        out: PathBuf,
        /// A folder that is never written to: that of the pictures that are learned from.
        data: Option<PathBuf>,
    },
    /// Measure how fast a backbone is here.
    MeasureSpeed {
        /// Registered name.
        backbone: String,
        /// Threads for the work; 0 is one for each core.
        threads: usize,
        /// What computes.
        device: DeviceChoice,
        /// And in which precision.
        precision: Precision,
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

/// A model was judged.
#[derive(Debug, Clone)]
pub struct Judged {
    /// What it said.
    pub evaluation: Evaluation,
    /// The run or bundle.
    pub model: PathBuf,
    /// The labelled folder.
    pub data: PathBuf,
    /// The part of it that was judged; all of it where there is none.
    pub split: Option<Split>,
    /// How often the run was judged on test pictures, this time included.
    pub test_judged: usize,
    /// How often other runs of its project were, on some of the same pictures.
    pub test_judged_by_others: usize,
    /// What to know before trusting the numbers, a sentence each.
    pub cautions: Vec<String>,
}

/// How pictures were looked through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Looked {
    /// With which settings.
    pub with: DataConfig,
    /// How they were divided before and are now, where the project's division gave way to another.
    pub redivided: Option<Redivided>,
    /// Whether pictures may be in another part than before.
    pub moved: bool,
}

/// What a job made.
#[derive(Debug, Clone)]
pub enum JobOutput {
    /// Of `OpenData`.
    Data(Arc<Preflight>, Looked),
    /// Of `WriteSample`: the folder.
    Sample(PathBuf),
    /// Of `CheckWeights`.
    Weights(LoadReport),
    /// Of `Train`.
    Trained(Box<TrainOutcome>),
    /// Of `FindRate`.
    Rates(RateSearch),
    /// Of `Evaluate`.
    Evaluated(Box<Judged>),
    /// Of `Predict`; the pictures came as [`JobEvent::Predicted`].
    Predicted,
    /// Of `Explain`.
    Explained(Box<Explained>),
    /// Of `Analyse`.
    Analysed(Box<Analysis>),
    /// Of `Arrange`: the comparison, and where its pictures lie.
    Arranged(Arc<Analysis>, Arc<Neighbourhood>),
    /// Of `CopyByClass`.
    Copied(Copied),
    /// Of `MeasureSpeed`.
    Speed {
        /// Registered name.
        backbone: String,
        /// Threads that did the work.
        threads: usize,
        /// Pictures a second, forward, and on what.
        measured: Speed,
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
    /// The first part of its work is done: what comes now takes its own time and counts anew.
    SecondPart(JobId),
    /// A training job told something. Step and cache progress are thinned to at most 30 a second.
    Train(JobId, TrainEvent),
    /// How a picture that is being classified compares with those in training; before its classes, where it is known.
    Compared(JobId, PathBuf, Unlike),
    /// A picture was classified.
    Predicted(JobId, PathBuf, Result<Ranked, Error>),
    /// It ended.
    Finished(JobId, Outcome),
}
