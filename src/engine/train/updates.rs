//! Turning losses into updates: parameter groups, the optimizer, the learning rate of each step.

use super::checkpoint::Named;
use super::plan::Phase;
use crate::backbones::Network;
use crate::config::{OptimConfig, OptimizerKind, ResolvedTrain, ScheduleKind};
use crate::error::Result;
use crate::nn::optim::{Optimizer, ParamGroup, Rule};
use crate::nn::params::{Param, ParamId, ParamKind, ParamStore};
use crate::nn::schedule::{Curve, Schedule};
use candle_core::Tensor;
use candle_core::backprop::GradStore;
use std::collections::BTreeMap;

/// The optimizer of one phase.
pub(crate) struct Updates {
    optimizer: Optimizer,
    schedule: Schedule,
    learning_rate: f64,
    epochs: usize,
    rising: Option<Rising>,
}

/// A rate that rises by the same factor with each step, in place of a schedule.
struct Rising {
    from: f64,
    factor: f64,
}

impl Updates {
    /// An optimizer for what is trainable now. The head learns at the phase's rate, each stage below at
    /// `stage_decay` times the rate of what is above it. Backbone weights in `source` are pulled towards it (L2-SP).
    ///
    /// # Errors
    /// If a source does not fit its parameter.
    pub(crate) fn new(
        (config, resolved): (&OptimConfig, &ResolvedTrain),
        network: &Network,
        phase: &Phase,
        source: &Named,
    ) -> Result<Self> {
        let store = &network.store;
        let mut of_stage: BTreeMap<Option<usize>, Vec<ParamId>> = BTreeMap::new();
        for (id, _) in store.iter().filter(|(_, p)| p.trainable) {
            of_stage.entry(network.stage_of(id)).or_default().push(id);
        }
        let stages = network.stage_count();
        let groups: Vec<ParamGroup> = of_stage
            .iter()
            .flat_map(|(stage, ids)| {
                let below_head = stage.map_or(0, |s| stages - s);
                let scale = config.stage_decay.powi(below_head as i32);
                ParamGroup::split(store, ids, scale, resolved.weight_decay)
            })
            .collect();
        let pulled: BTreeMap<ParamId, Tensor> =
            source.iter().filter_map(|(name, t)| Some((store.find(name)?, t.clone()))).collect();
        let optimizer = Optimizer::new(store, rule(config, resolved.optimizer), groups)?
            .with_clip_norm(config.clip_norm)
            .with_l2_sp(store, config.l2_sp, &pulled)?;
        let schedule = schedule(config, phase.schedule);
        Ok(Self {
            optimizer,
            schedule,
            learning_rate: phase.learning_rate,
            epochs: phase.epochs,
            rising: None,
        })
    }

    /// With a rate that rises evenly by its logarithm over so many steps, in place of the schedule.
    pub(crate) fn rising(self, (from, to): (f64, f64), steps: usize) -> Self {
        let factor = (to / from).powf(1.0 / (steps.max(2) - 1) as f64);
        Self { rising: Some(Rising { from, factor }), ..self }
    }

    /// The head's rate at step `at` of the phase, from 0.
    pub(crate) fn learning_rate(&self, at: usize, steps_per_epoch: usize) -> f64 {
        if let Some(Rising { from, factor }) = self.rising {
            return from * factor.powi(at as i32);
        }
        self.learning_rate * self.schedule.at(at, self.epochs * steps_per_epoch, steps_per_epoch)
    }

    /// One step down the gradient of the loss.
    ///
    /// # Errors
    /// If the gradient does not fit or is not finite where it is clipped; the latter [`Self::check`] tells of a card.
    pub(crate) fn step(&mut self, store: &ParamStore, grads: &GradStore, learning_rate: f64) -> Result<()> {
        self.optimizer.step(store, grads, learning_rate)
    }

    /// Waits for what a card knows of the gradients of all steps by now.
    ///
    /// # Errors
    /// If one was not finite where they are clipped.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.optimizer.norm().map(drop)
    }

    /// The optimizer's state.
    ///
    /// # Errors
    /// If a copy fails.
    pub(crate) fn state(&self) -> Result<Named> {
        Ok(self.optimizer.state_tensors()?.into_iter().collect())
    }

    /// Takes over a saved state.
    ///
    /// # Errors
    /// If it is of another optimizer.
    pub(crate) fn restore(&mut self, state: &Named, store: &ParamStore) -> Result<()> {
        self.optimizer.load_state(store, state)
    }
}

fn rule(config: &OptimConfig, kind: OptimizerKind) -> Rule {
    match kind {
        OptimizerKind::Sgd => Rule::Sgd { momentum: config.momentum, nesterov: config.nesterov },
        OptimizerKind::Adam => Rule::ADAM,
        OptimizerKind::AdamW => Rule::ADAM_W,
    }
}

fn schedule(config: &OptimConfig, kind: ScheduleKind) -> Schedule {
    let kind = match kind {
        ScheduleKind::Constant => Curve::Constant,
        ScheduleKind::Step => Curve::Step,
        ScheduleKind::Cosine => Curve::Cosine,
        ScheduleKind::OneCycle => Curve::OneCycle,
    };
    Schedule {
        kind,
        warmup_epochs: config.warmup_epochs,
        step_epochs: config.step_epochs,
        step_gamma: config.step_gamma,
    }
}

/// Whether a parameter changes where learning begins with `first_stage`: by gradient, or as a running statistic where those are
/// `updated`.
pub(crate) fn learns(network: &Network, first_stage: usize, updated: bool, id: ParamId, p: &Param) -> bool {
    let reached = network.stage_of(id).is_none_or(|stage| stage >= first_stage);
    reached && (p.kind != ParamKind::RunningStat || updated)
}
