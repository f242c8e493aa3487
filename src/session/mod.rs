//! Projects and runs on disk, and the worker that runs one job at a time.

mod checks;
mod copies;
pub mod decisions;
mod evaluations;
mod events;
pub mod fonts;
pub mod home;
mod insight;
pub mod jobs;
mod journal;
pub mod pasted;
mod pictures;
mod places;
mod predictions;
pub mod project;
mod readable;
mod run_lock;
mod runner;
mod runs;
pub mod settings;
mod splits;
mod versioned;
pub mod weights;
pub mod worker;

pub use copies::Copied;
pub use evaluations::{load_evaluation, save_evaluation};
pub use insight::{AlikePicture, AnalysedPicture, Analysis, Explained};
pub use jobs::{JobEvent, JobId, JobOutput, JobRequest, ModelRef, Outcome};
pub use places::check_outside;
pub use predictions::{TableRow, UNDECIDED, predictions_csv};
pub use project::{EXPORTS, Project};
pub use readable::check_readable;
pub use runs::{RunInfo, RunState, read_run};
pub use settings::{Settings, ThemeChoice};
pub use worker::Worker;
