//! What the window knows, and how worker events change it. Nothing here draws, reads files or knows egui.

mod absorb;
pub mod division;
mod downloads;
mod drops;
mod evaluate;
mod folds;
pub mod gallery;
mod history;
mod insight;
mod jobs;
mod labels;
mod next;
mod notices;
mod predictions;
mod saving;
mod setting_names;
mod share;
mod speeds;
mod training;
mod tried_weights;
mod trying;

pub use downloads::{Download, DownloadEnd, megabytes};
pub use drops::{PathKind, drop_hint, plan_drop};
pub use evaluate::{Compared, EvaluateTab, Selection, ShownEvaluation};
pub use folds::FoldsLeft;
pub use history::{History, TakenBack, Undoable, decision_words};
pub use insight::{Insight, MapLayout};
pub use jobs::{JobKind, RunningJob};
pub use next::{NOTHING_TO_KEEP, NextStep};
pub use notices::{Notice, NoticeId, Notices, Tone};
pub use predictions::{CLASSES, Edition, PredictedPicture, Predictions, predictions_csv};
pub use setting_names::{setting_name, setting_value, with_setting_names};
pub use share::Share;
pub use training::{LiveTraining, MORE_EPOCHS, RatePart, TrainingEnd, loaded_words};
pub use tried_weights::TriedWeights;

use crate::backbones::LoadReport;
use crate::config::{DataConfig, TrainConfig};
use crate::data::{Dataset, Decisions, Preflight, Severity, Split};
use crate::engine::train::RateSearch;
use crate::error::Error;
use crate::session::jobs::ModelRef;
use crate::session::{Project, RunInfo, RunState, Settings};
use crate::ui::Action;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A place in the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Screen {
    /// Before anything is open.
    #[default]
    Start,
    /// The pictures.
    Data,
    /// The network.
    Model,
    /// Learning.
    Train,
    /// What it gets right and wrong.
    Evaluate,
    /// New pictures.
    Predict,
    /// Taking the model away.
    Export,
}

impl Screen {
    /// The six places of the rail, in order.
    pub const RAIL: [Self; 6] =
        [Self::Data, Self::Model, Self::Train, Self::Evaluate, Self::Predict, Self::Export];

    /// The word under the icon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Data => "Data",
            Self::Model => "Model",
            Self::Train => "Train",
            Self::Evaluate => "Evaluate",
            Self::Predict => "Predict",
            Self::Export => "Export",
        }
    }
}

/// What is known of the chosen weight file.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum WeightsState {
    /// No file is chosen: random weights.
    #[default]
    None,
    /// It is being read.
    Checking,
    /// It fits.
    Ready(LoadReport),
    /// It does not.
    Failed(Error),
}

/// What the window does next because of an event: things that need the worker or the disk.
#[derive(Debug, Clone, PartialEq)]
pub enum FollowUp {
    /// The sample pictures are drawn: open them.
    OpenSample(PathBuf),
    /// Read the project's runs again.
    RefreshRuns,
    /// Save the project's settings.
    SaveProject,
    /// A project was opened that is not on disk yet.
    Opened,
    /// Look which exported models there are.
    RefreshExports,
    /// Read what was decided about the pictures.
    RefreshDecisions,
    /// Compare the evaluation on show with that of the run to compare with.
    Compare,
    /// Arrange the pictures that were compared.
    Arrange,
    /// Hold pictures that were classified before against those in training.
    CheckPictures,
    /// Weights of a backbone were downloaded to this place.
    Downloaded(&'static str, PathBuf),
    /// Save what is remembered between starts.
    SaveSettings,
    /// Train the next fold.
    NextFold,
    /// Look through the open pictures again.
    LookAgain,
}

/// Everything the window knows. Views read it; only [`super::app`] changes it.
#[derive(Debug, Clone, Default)]
pub struct AppState {
    /// What is shown.
    pub screen: Screen,
    /// What is remembered between starts: theme, recent projects.
    pub settings: Settings,
    /// Window time in seconds.
    pub now_s: f64,
    /// The open project.
    pub project: Option<Project>,
    /// Weight files found on this computer, by backbone.
    pub known_weights: BTreeMap<&'static str, Vec<PathBuf>>,
    /// Downloads of weights that run or ended without the file, by backbone.
    pub downloads: BTreeMap<&'static str, Download>,
    /// The open pictures and what was found in them.
    pub preflight: Option<Arc<Preflight>>,
    /// The settings that they were read with.
    pub read_with: Option<DataConfig>,
    /// What could be undone, and the settings, before steps that have them looked through again.
    pub before_look: Option<Box<(History, TrainConfig)>>,
    /// What was decided about them.
    pub decisions: Decisions,
    /// Pictures about which something was decided that is being written, decision by decision.
    pub deciding: VecDeque<Vec<String>>,
    /// Why the project's folder could not be opened.
    pub data_error: Option<Error>,
    /// The settings that the next run will use.
    pub config: TrainConfig,
    /// What can be taken back of them and of the runs.
    pub history: History,
    /// The chosen weight file.
    pub weights: WeightsState,
    /// Jobs that have not ended, in the order of their turn.
    pub jobs: Vec<RunningJob>,
    /// The training that runs, or the last one that ran.
    pub training: Option<LiveTraining>,
    /// What trying learning rates showed, if it was tried.
    pub rate_search: Option<RateSearch>,
    /// Folds that are still to be trained, with the settings for that.
    pub folds_left: Option<FoldsLeft>,
    /// Memory that programs could still take, in bytes, as of the last look.
    pub free_memory: Option<u64>,
    /// What trying rates is at, while it is.
    pub rate_part: RatePart,
    /// The project's runs, newest first.
    pub runs: Vec<RunInfo>,
    /// The evaluation on show.
    pub evaluation: Option<ShownEvaluation>,
    /// A run whose own evaluation cannot be read, and why.
    pub unreadable_evaluation: Option<(PathBuf, Error)>,
    /// The saved model that is judged on other pictures, where it is not the run on show.
    pub judged_model: Option<PathBuf>,
    /// The part of it on show.
    pub evaluate_tab: EvaluateTab,
    /// The run that evaluations are compared with.
    pub compare_with: Option<PathBuf>,
    /// The pictures on show beside it.
    pub selection: Option<Selection>,
    /// What is known beyond the model's answers.
    pub insight: Insight,
    /// New pictures.
    pub predictions: Predictions,
    /// The last bundle that was saved.
    pub exported: Option<PathBuf>,
    /// Why the last attempt to save one failed.
    pub export_error: Option<Error>,
    /// Whether the list of commands is open.
    pub palette_open: bool,
    /// Messages.
    pub notices: Notices,
    /// The sample was asked for: when its pictures are open, go straight to Train.
    pub sample_wanted: bool,
    /// Whether the question about closing the window is on show.
    pub close_asked: bool,
    /// Whether the question about cancelling training is on show.
    pub cancel_asked: bool,
    /// The project of the folder that is being looked through for the first time: it replaces the open one, and is put on
    /// disk, once the pictures have turned out usable.
    pub opening: Option<Box<Project>>,
    /// A project that nothing is kept of because its folder could not be used as it is; a label file may help.
    pub refused: Option<Box<Project>>,
    /// Settings of the open pictures that are kept once the pictures have turned out usable with them.
    pub trying: Option<Box<DataConfig>>,
    /// A weight file that is kept once it could be read.
    pub tried_weights: Option<TriedWeights>,
    /// The last attempt to save the settings failed, and it has been told.
    pub unsaved: bool,
    /// The open project lies where nothing can be written, and that has been told.
    pub read_only: bool,
    /// The new project that could not be put on disk, and why.
    pub unkept: Option<(PathBuf, String)>,
    /// Why the path that was typed or dropped last could not be opened.
    pub path_error: Option<String>,
    /// Whether the choice of how the pictures are divided is on show.
    pub division_asked: bool,
    /// Folders of models that were saved from the open project before.
    pub exports: Vec<PathBuf>,
    /// Runs of the open project that cannot be read, as they were told.
    pub unreadable_runs: Vec<String>,
    /// Something is dragged across the window.
    pub hovering: bool,
    /// Threads that the work uses where the settings leave it open.
    pub cores: usize,
}

impl AppState {
    /// The open pictures.
    pub fn dataset(&self) -> Option<&Dataset> {
        self.preflight.as_ref().map(|p| &p.dataset)
    }

    /// The project's name: its folder's.
    pub fn title(&self) -> String {
        self.project.as_ref().map_or_else(|| "Headstart".to_owned(), |p| file_name(&p.dir))
    }

    /// Whether a place has what it is for.
    pub fn done(&self, screen: Screen) -> bool {
        match screen {
            Screen::Start => self.project.is_some(),
            Screen::Data => self.preflight.is_some() && self.data_block().is_none(),
            Screen::Model => self.preflight.is_some() && self.weights_block().is_none(),
            Screen::Train => self.finished_run().is_some(),
            Screen::Evaluate => self.evaluation.is_some(),
            Screen::Predict => self.predictions.pictures().iter().any(|p| matches!(p.result, Some(Ok(_)))),
            Screen::Export => self.exported.is_some(),
        }
    }

    /// Shows `project` in place of what was open.
    pub fn adopt(&mut self, project: Project) {
        let mut kept = std::mem::take(self);
        // What could be taken back was of the project that goes.
        let of_project = |a: &Action| matches!(a, Action::Undo | Action::Redo | Action::RestoreRun(_));
        kept.notices.withdraw(of_project);
        *self = Self {
            screen: kept.screen,
            config: project.config.clone(),
            settings: kept.settings,
            project: Some(project),
            known_weights: kept.known_weights,
            downloads: kept.downloads,
            jobs: kept.jobs,
            notices: kept.notices,
            cores: kept.cores,
            now_s: kept.now_s,
            sample_wanted: kept.sample_wanted,
            close_asked: kept.close_asked,
            hovering: kept.hovering,
            ..Self::default()
        };
        if let Some(project) = &self.project {
            self.settings.remember_project(&project.dir);
        }
    }

    /// How many findings a place has that are worth a look.
    pub fn findings(&self, screen: Screen) -> usize {
        match (screen, &self.preflight) {
            (Screen::Data, Some(p)) => p.findings.iter().filter(|f| f.severity >= Severity::Warning).count(),
            (Screen::Model, _) => usize::from(matches!(self.weights, WeightsState::Failed(_))),
            _ => 0,
        }
    }

    /// Threads that the work uses.
    pub fn threads(&self) -> usize {
        match self.config.train.threads {
            0 => self.cores,
            n => n,
        }
    }

    /// The newest run that has a model.
    pub fn finished_run(&self) -> Option<&RunInfo> {
        self.runs.iter().find(|r| r.state == RunState::Finished)
    }

    /// The newest run, where it was cut off and nothing trains now.
    pub fn interrupted_run(&self) -> Option<&RunInfo> {
        let newest = self.runs.first()?;
        (newest.state == RunState::Interrupted && self.training_job().is_none()).then_some(newest)
    }

    /// Lets go of what is on show of a run that is no more.
    pub fn forget_run(&mut self, run: &Path) {
        if self.evaluation.as_ref().is_some_and(|e| e.run_dir.as_deref() == Some(run)) {
            (self.evaluation, self.selection) = (None, None);
        }
        if self.predictions.model.as_ref() == Some(&ModelRef::Saved(run.to_path_buf())) {
            self.predictions.model = None;
        }
        if self.training_job().is_none() {
            self.training = self.training.take().filter(|t| t.run_dir != run);
        }
        self.runs.retain(|r| r.dir != run);
    }

    /// What classifies new pictures: what was chosen, or the newest finished run.
    pub fn predict_model(&self) -> Option<ModelRef> {
        let newest = || self.finished_run().map(|r| ModelRef::Saved(r.dir.clone()));
        self.predictions.model.clone().or_else(newest)
    }

    /// Whether the chosen weights are complete with their published 1000-class head.
    pub fn imagenet_model(&self) -> Option<ModelRef> {
        let WeightsState::Ready(report) = &self.weights else { return None };
        let weights = self.config.backbone.weights.clone()?;
        let complete = !report.dropped_head.is_empty() && report.missing.is_empty();
        complete.then(|| ModelRef::Imagenet { backbone: self.config.backbone.name.clone(), weights })
    }

    /// Whether a question is on show that has to be answered first.
    pub fn question_asked(&self) -> bool {
        let about_closing = self.close_asked && self.lost_by_closing().is_some();
        about_closing || self.cancel_asked && self.training_job().is_some()
    }

    /// Too many pictures cannot be read, and nobody has said to go on.
    pub fn needs_unreadable_answer(&self) -> bool {
        !self.config.data.allow_many_unreadable
            && self.preflight.as_ref().is_some_and(|p| p.undecodable_frac > 0.2)
    }
}

/// The word for a split.
pub fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "training",
        Split::Val => "validation",
        Split::Test => "test",
    }
}

/// The last part of a path, for showing.
pub fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}
