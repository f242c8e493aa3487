//! The pictures of a run, as they were divided and decided on when it was begun.

use super::readable::check_readable;
use super::runner::{Job, look_through};
use super::{decisions, splits};
use crate::config::DataConfig;
use crate::data::{Checks, Preflight};
use crate::error::Result;
use std::path::Path;
use std::sync::Arc;

/// Looks through the pictures in `root`. With a run, those that it knows are in the parts that it has them in, and what was decided
/// about pictures when it was begun is decided; without one they are as `config` and their folder say. `known` spares looking at
/// files again.
///
/// # Errors
/// If the folder cannot be used, more than a fifth of the pictures cannot be decoded and the settings do not allow that, or the
/// run's files are damaged.
pub(super) fn of_run(
    run_dir: Option<&Path>,
    (root, config): (&Path, &DataConfig),
    known: Checks,
    job: &Job<'_>,
) -> Result<Arc<Preflight>> {
    let saved = run_dir.map(|run| splits::load(run, config)).transpose()?.flatten();
    let found = look_through(root, config, saved.as_ref(), known, job)?;
    check_readable(&found, config)?;
    match run_dir {
        Some(run) => found.decided(&decisions::load(run)?),
        None => Ok(found),
    }
}
