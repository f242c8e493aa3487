//! Going on with a finished run for more epochs, as a run of its own: the finished one stays as it is.

use super::checkpoint::Checkpoint;
use super::files::names;
use crate::config::{Solver, TrainConfig};
use crate::error::{Error, Result};
use crate::export::atomic;
use candle_core::Device;
use std::path::Path;

/// Prepares the folder `to` so that training there, resumed, goes on where the run in `from` ended, for `more` epochs; returns the
/// settings to do that with. The rate goes on along its schedule as if so many epochs had been planned from the start, so it may
/// rise again; an end by patience counts no more. The best epoch so far stays the best until there is a better one.
///
/// # Errors
/// If the run has no checkpoint or was fitted at once, or `to` cannot be written.
pub fn extend(from: &Path, to: &Path, more: usize) -> Result<TrainConfig> {
    let mut config = TrainConfig::load(&from.join(names::CONFIG))?;
    if config.train.solver == Solver::Logistic {
        return Err(Error::input("this run was fitted at once, without epochs").with_path(from));
    }
    let mut checkpoint = Checkpoint::load(from, &Device::Cpu)?.ok_or_else(|| {
        Error::input("this run has no checkpoint to go on from").with_path(from).with_hint("Train a new run")
    })?;
    let progress = &mut checkpoint.progress;
    let has_weights = config.backbone.weights.is_some();
    let phases = config.train.plan(has_weights).len();
    progress.shortened.truncate(phases.saturating_sub(1));
    let lost: usize = progress.shortened.iter().sum();
    config.train.set_total_epochs(progress.epoch + lost + more);
    config.train.patience = 0;
    if config.train.phases.is_empty() {
        config.train.head_epochs = Some(config.train.resolve(has_weights).head_epochs);
    }
    config.validate()?;
    progress.config = config.to_toml()?;
    std::fs::create_dir_all(to).map_err(|e| Error::io("create the folder", to, &e))?;
    checkpoint.save(to)?;
    atomic::write(&to.join(names::CONFIG), checkpoint.progress.config.as_bytes())?;
    Ok(config)
}
