//! Pictures: what is in a folder, what is wrong with it, decoding, preparing and augmenting.

pub mod augment;
mod checks;
pub mod color;
pub mod decisions;
pub mod decode;
mod division;
mod groups;
mod labels;
pub mod orientation;
pub mod preflight;
pub mod sample;
pub mod scan;
pub mod similar;
pub mod split;
pub mod transform;
mod walk;

pub use checks::Checks;
pub use decisions::{Decided, Decision, DecisionChanges, Decisions, Step, Verdict, Verdicts};
pub use division::{Division, Groups};
pub use labels::LabelFile;
pub use preflight::{Finding, Gone, Offer, PictureSize, Preflight, Severity, copies_in_training, preflight};
pub use scan::{Dataset, Layout, Sample, SkipReason, Skipped, scan};
pub use split::{SavedSplits, Split};
pub use walk::is_hidden;

use crate::error::Result;

/// Told `(done, total)` as work advances; an error from it (usually [`Error::cancelled`](crate::Error::cancelled)) stops
/// the work. Called from several threads.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) -> Result<()> + Sync);
