//! How much time is left, by what was measured.

use super::Trainer;
use crate::engine::train::plan::{Input, Phase};

/// A training step costs about as much as this many forward passes: used only to estimate the time of phases to come.
const STEP_COST: f64 = 3.0;

impl Trainer<'_> {
    /// Seconds that an epoch of this phase took before the job was interrupted, where two of them tell.
    pub(super) fn epoch_s_before(&self, phase: &Phase) -> Option<f64> {
        let mut of_phase = self.records.iter().rev().take_while(|r| r.epoch > phase.first_epoch);
        let (last, before) = (of_phase.next()?, of_phase.next()?);
        Some(last.elapsed_s - before.elapsed_s)
    }

    /// Estimated seconds after `done` epochs of the job, judged by the last epochs of this phase; none before there is one,
    /// unless this is the last.
    pub(super) fn eta_after(&self, phase: &Phase, done: usize) -> Option<f64> {
        let left = phase.end() - done;
        let of_phase = if left == 0 { 0.0 } else { left as f64 * self.epoch_s()? };
        Some(of_phase + self.eta_later(phase))
    }

    /// Seconds that an epoch of this phase takes, as far as known.
    fn epoch_s(&self) -> Option<f64> {
        self.pace.epoch_s().or(self.epoch_s_before)
    }

    /// Estimated seconds of the phases behind this one: where the same learns from the same, as it does now; a head on kept
    /// features takes next to nothing.
    fn eta_later(&self, phase: &Phase) -> f64 {
        let work = self.ctx.train.len() as f64 * STEP_COST + self.ctx.val.len() as f64;
        let epoch_s = |p: &Phase| match p.input {
            _ if p.first_stage == phase.first_stage => self.epoch_s().unwrap_or(0.0),
            Input::Features => 0.0,
            Input::Maps | Input::Pictures => work * self.forward_s.unwrap_or(0.0),
        };
        let later = self.phases.iter().filter(|p| p.first_epoch >= phase.end());
        later.map(|p| p.epochs as f64 * epoch_s(p)).sum()
    }
}
