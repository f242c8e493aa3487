//! Copies of what has learned: for a checkpoint, and to go back to the best epoch.

use super::Trainer;
use crate::backbones::Network;
use crate::engine::train::checkpoint::{Checkpoint, Named};
use crate::engine::train::updates::{Updates, learns};
use crate::error::{Error, Result};
use std::time::Instant;

impl Trainer<'_> {
    /// Writes a checkpoint.
    pub(super) fn save(&mut self, updates: &Updates) -> Result<()> {
        let started = Instant::now();
        self.metrics.sync()?;
        self.progress.lines = self.metrics.lines().to_vec();
        self.progress.elapsed_s = self.elapsed_s();
        let checkpoint = Checkpoint {
            progress: self.progress.clone(),
            weights: self.learned()?,
            best: self.best.clone(),
            optimizer: updates.state()?,
        };
        checkpoint.save(&self.ctx.run_dir)?;
        self.throttle.written(started);
        Ok(())
    }

    /// Copies of what this phase and those before it change.
    pub(super) fn learned(&self) -> Result<Named> {
        let statistics = self.ctx.resolved.train_batch_norm;
        named(&self.network, |id, p| learns(&self.network, self.lowest, statistics, id, p))
    }
}

/// Copies of the chosen parameters.
pub(super) fn named(
    network: &Network,
    choose: impl Fn(crate::nn::params::ParamId, &crate::nn::params::Param) -> bool,
) -> Result<Named> {
    let chosen = network.store.iter().filter(|(id, p)| choose(*id, p));
    chosen.map(|(_, p)| Ok((p.name.clone(), p.var.as_tensor().copy()?.detach()))).collect()
}

/// Puts copies back.
///
/// # Errors
/// If the network has no parameter of that name.
pub(super) fn restore(network: &Network, values: &Named) -> Result<()> {
    for (name, tensor) in values {
        let id = network.store.find(name).ok_or_else(|| {
            Error::input(format!("the checkpoint has `{name}`, and this network does not"))
                .with_hint("Start a new run")
        })?;
        network.store.set(id, tensor)?;
    }
    Ok(())
}
