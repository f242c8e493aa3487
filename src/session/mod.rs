//! Projects and runs on disk, and the worker that runs one job at a time.

mod checks;
pub mod decisions;
mod evaluations;
mod events;
pub mod fonts;
pub mod home;
pub mod hub;
pub mod jobs;
mod journal;
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

pub use evaluations::{load_evaluation, save_evaluation};
pub use jobs::{JobEvent, JobId, JobOutput, JobRequest, ModelRef, Outcome};
pub use places::check_outside;
pub use predictions::predictions_csv;
pub use project::{EXPORTS, Project};
pub use readable::check_readable;
pub use runs::{RunInfo, RunState, read_run};
pub use settings::{Settings, ThemeChoice};
pub use worker::Worker;
