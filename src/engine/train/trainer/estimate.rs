//! How much time is left, by what was measured.

use super::Trainer;
use crate::engine::train::plan::{Input, Phase};
use std::time::Instant;

/// A training step costs about as much as this many forward passes: used only to estimate the time of phases to come.
const STEP_COST: f64 = 3.0;

impl Trainer<'_> {
    /// Seconds that an epoch of this phase took before the job was interrupted, where two of them tell.
    pub(super) fn epoch_s_before(&self, phase: &Phase) -> Option<f64> {
        let mut of_phase = self.records.iter().rev().take_while(|r| r.epoch > phase.first_epoch);
        let (last, before) = (of_phase.next()?, of_phase.next()?);
        Some(last.elapsed_s - before.elapsed_s)
    }

    /// Estimated seconds after `done` epochs of the job, judged by the last epochs of this phase. Before there is one, a later
    /// phase goes by the passes that were timed; the first has nothing to go by, unless its only epoch runs.
    pub(super) fn eta_after(&self, phase: &Phase, done: usize) -> Option<f64> {
        let left = phase.end() - done;
        let by_passes = || self.epoch_s_by_passes(phase).filter(|_| phase.first_epoch > 0);
        let of_phase = if left == 0 { 0.0 } else { left as f64 * self.epoch_s().or_else(by_passes)? };
        Some(of_phase + self.eta_later(phase))
    }

    /// The present, as if the job had never been held: what is measured by it is the work alone.
    pub(super) fn now(&self) -> Instant {
        let now = Instant::now();
        now.checked_sub(self.ctx.control.held()).unwrap_or(now)
    }

    /// Seconds that an epoch of this phase takes, as far as known.
    fn epoch_s(&self) -> Option<f64> {
        self.pace.epoch_s().or(self.epoch_s_before)
    }

    /// Seconds that an epoch through the network takes, by the passes that computed its frozen part; none where none were timed, or
    /// where no epoch goes through the network.
    fn epoch_s_by_passes(&self, phase: &Phase) -> Option<f64> {
        let work = self.ctx.train.len() as f64 * STEP_COST + self.ctx.val.len() as f64;
        self.forward_s.filter(|_| phase.input != Input::Features).map(|pass| work * pass)
    }

    /// Estimated seconds of the phases behind this one: where the same learns from the same, as it does now; a head on kept
    /// features takes next to nothing.
    fn eta_later(&self, phase: &Phase) -> f64 {
        let epoch_s = |p: &Phase| match p.first_stage {
            same if same == phase.first_stage => self.epoch_s(),
            _ => self.epoch_s_by_passes(p),
        };
        let later = self.phases.iter().filter(|p| p.first_epoch >= phase.end());
        later.map(|p| p.epochs as f64 * epoch_s(p).unwrap_or(0.0)).sum()
    }
}
