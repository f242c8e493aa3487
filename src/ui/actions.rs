//! What a person can ask for. Views push these; [`super::app::App`] carries them out after drawing.

use super::state::{EvaluateTab, MapLayout, NoticeId, Screen, Selection};
use crate::config::{DataConfig, TrainConfig};
use crate::data::Decided;
use crate::session::jobs::{JobId, ModelRef};
use std::path::PathBuf;

/// A native dialog to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// A folder of pictures.
    DataFolder,
    /// A file with the labels of the pictures.
    LabelFile,
    /// A project folder.
    Project,
    /// A weight file.
    Weights,
    /// Pictures to classify.
    Pictures,
    /// Where to save the predictions as CSV.
    PredictionsCsv,
    /// Where to save a run's model as a bundle.
    ExportTo {
        /// The run's folder.
        run_dir: PathBuf,
    },
    /// A run or bundle to classify with.
    Model,
    /// A run or bundle to judge.
    JudgedModel,
    /// A folder of labelled pictures to judge it on.
    JudgedFolder,
    /// A folder of pictures to classify.
    PictureFolder,
    /// Where to copy classified pictures.
    CopyTo,
}

/// What a person asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Show a screen.
    Go(Screen),
    /// Be told why a command cannot be done now.
    Refused(String),
    /// Do what the header's main action says.
    NextStep,
    /// Open a native dialog; its answer arrives as another action.
    Pick(Pick),
    /// Open a path that was dropped or typed: data folder, project, weights or pictures, whichever it is.
    OpenPaths(Vec<PathBuf>),
    /// Open a folder of pictures, in a project of its own.
    OpenData(PathBuf),
    /// Scan the open folder again, going on although many pictures cannot be read.
    AllowUnreadable,
    /// Scan the open folder again.
    Rescan,
    /// Take the labels of the open pictures from a file, or with none from where the folder says them.
    UseLabels(Option<PathBuf>),
    /// Show or leave the choice of how the open pictures are divided.
    AskDivision(bool),
    /// Divide the open pictures anew, with these settings.
    DivideAnew(Box<DataConfig>),
    /// Open a project folder.
    OpenProject(PathBuf),
    /// Write the sample pictures and open them.
    TrySample,
    /// Replace the draft settings.
    SetConfig(Box<TrainConfig>),
    /// Choose a backbone by its registered name; weights of another one are let go.
    ChooseBackbone(&'static str),
    /// Use a weight file with the chosen backbone.
    UseWeights(PathBuf),
    /// Use a weight file with the network that it is of, by its registered name.
    UseWeightsOf(&'static str, PathBuf),
    /// Start from random weights.
    ForgetWeights,
    /// Download the published weights of a backbone.
    DownloadWeights(&'static str),
    /// End that download; what has arrived is kept.
    CancelDownload(&'static str),
    /// Measure how fast a backbone is on this machine.
    MeasureSpeed(&'static str),
    /// Start training with the draft settings.
    Train,
    /// Train once for each fold with the draft settings.
    TrainFolds,
    /// Start training with a run's settings, but from random weights.
    TrainFromScratch(PathBuf),
    /// Try learning rates with the draft settings.
    FindRate,
    /// Go on where a finished run ended, for so many epochs, as a new run.
    ExtendRun(PathBuf, usize),
    /// Move a run to the project's trash folder.
    DeleteRun(PathBuf),
    /// Bring a run back from there.
    RestoreRun(PathBuf),
    /// Keep what was written about a run.
    SaveNotes(PathBuf, String),
    /// Go on with an interrupted run.
    ContinueRun(PathBuf),
    /// Hold the job.
    Pause,
    /// Let the job go on.
    Resume,
    /// End training with the present epoch and keep the best.
    StopAfterEpoch,
    /// End training and keep the best epoch so far.
    StopAndKeepBest,
    /// End the job; what was saved stays. Training asks first.
    CancelJob,
    /// End one of the jobs that run beside the one of [`Action::CancelJob`]; what was saved stays.
    CancelBeside(JobId),
    /// End training although epochs may be lost.
    CancelTraining,
    /// Let training go on after all.
    KeepTraining,
    /// Train once more with a run's settings, then show what changed since that run.
    TrainAgain(PathBuf),
    /// Show beside a run's evaluation what changed since another run, or nothing.
    CompareWith(Option<PathBuf>),
    /// Show a finished run's evaluation.
    ShowRun(PathBuf),
    /// Decide something about pictures.
    Decide(Decided),
    /// Take back what was changed last: settings, or a decision.
    Undo,
    /// Bring back what was taken back last.
    Redo,
    /// Lead the keyboard to the next part of the window (true), or the previous one.
    MovePane(bool),
    /// Open or close the list of all commands.
    TogglePalette,
    /// Judge the run on show on its test pictures; each time is counted.
    JudgeTest,
    /// Judge a run anew on its own validation pictures.
    JudgeRun(PathBuf),
    /// Choose what is judged on other pictures.
    SetJudgedModel(PathBuf),
    /// Judge it on a folder of labelled pictures.
    JudgeFolder(PathBuf),
    /// Show a part of the Evaluate screen.
    ShowEvaluateTab(EvaluateTab),
    /// Show the pictures behind a number, or none.
    Select(Option<Selection>),
    /// Say what the judged model looks at in a picture.
    Explain {
        /// The file.
        picture: PathBuf,
        /// The class in question; without one, the most probable.
        class: Option<usize>,
    },
    /// Say what the model that classifies new pictures looks at in one of them when it names the most probable class.
    LookInto(PathBuf),
    /// Compare all pictures by the judged model's features.
    Analyse,
    /// Show all pictures on the map in this arrangement, which is worked out where it is not known.
    ArrangeMap(MapLayout),
    /// Choose what classifies new pictures.
    SetPredictModel(ModelRef),
    /// Classify pictures (files or folders) with the model of [`Action::SetPredictModel`].
    Predict(Vec<PathBuf>),
    /// Hold classified pictures that were not against those in training.
    CheckPictures,
    /// Paste what is on the clipboard, as its keys do.
    AskPaste,
    /// Paste the files on the clipboard, which holds nothing else.
    PasteFiles,
    /// Classify a picture from the clipboard: its size in pixels, and red, green, blue and opacity of each.
    PastePicture([usize; 2], Vec<u8>),
    /// Leave pictures undecided whose most probable class is less probable than this.
    DecideFrom(f32),
    /// Copy the classified pictures into folders named after their classes, in this folder.
    CopyByClass(PathBuf),
    /// Empty the list of classified pictures.
    ClearPredictions,
    /// Save the classified pictures as a CSV file.
    SavePredictions(PathBuf),
    /// Save a run's model as a bundle.
    Export {
        /// The run's folder.
        run_dir: PathBuf,
        /// A new folder.
        out: PathBuf,
    },
    /// Show a file or folder in the system's file manager.
    Reveal(PathBuf),
    /// Copy text to the clipboard.
    Copy(String),
    /// Take a notice away.
    Dismiss(NoticeId),
    /// Take all notices away.
    DismissAll,
    /// Open or close the list of notices.
    ToggleNotices,
    /// System, light, dark, system.
    CycleTheme,
    /// Keep the width of the gallery's pictures, in points.
    RememberThumbnailSize(u16),
    /// Close the window although a job is running.
    CloseAnyway,
    /// Keep the window open.
    KeepOpen,
}
