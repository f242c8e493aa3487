//! The plan of training: its phases as they follow from the mode, or as the user has made them.

use super::mode_defaults::SCRATCH_SGD_RATE;
use super::{ModeDefaults, OptimConfig, OptimizerKind, ScheduleKind, TrainMode};
use serde::{Deserialize, Serialize};

/// Which part of the network learns in a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Learns {
    /// Only the head.
    Head,
    /// The head and the stages nearest to it ([`PhaseConfig::last_stages`]).
    LastStages,
    /// All of it.
    Everything,
}

/// Which weights a phase begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CarryOver {
    /// Those that the phase before ended with.
    Last,
    /// Those of the best epoch so far.
    Best,
}

/// A phase of the user's own plan: a table `[[train.phases]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseConfig {
    /// Which part learns.
    pub learns: Learns,
    /// How many stages before the head learn, for `learns = "last-stages"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_stages: Option<usize>,
    /// Passes over the training pictures.
    pub epochs: usize,
    /// Step size of the head, or of the last stage where stages learn; left open, what suits that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// How the rate moves over the phase; left open, what suits the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleKind>,
}

/// A phase with nothing left open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedPhase {
    /// Which part learns.
    pub learns: Learns,
    /// How many stages before the head learn, for [`Learns::LastStages`].
    pub last_stages: usize,
    /// Passes over the training pictures.
    pub epochs: usize,
    /// Step size at the top.
    pub learning_rate: f64,
    /// How it moves.
    pub schedule: ScheduleKind,
}

impl PlannedPhase {
    /// The first of so many stages that learns; as many as there are where only the head does.
    pub fn first_stage(&self, stages: usize) -> usize {
        match self.learns {
            Learns::Head => stages,
            Learns::LastStages => stages.saturating_sub(self.last_stages),
            Learns::Everything => 0,
        }
    }
}

impl OptimConfig {
    /// The phases in their order. Without phases of the user's own they follow from the mode: the head, then what the mode is about.
    /// `has_weights` says whether the backbone starts from pretrained weights.
    pub fn plan(&self, has_weights: bool) -> Vec<PlannedPhase> {
        let r = self.resolve(has_weights);
        if !self.phases.is_empty() {
            let d = ModeDefaults::of(r.mode);
            let rate = |learns| match (r.mode, r.optimizer, learns) {
                (TrainMode::Scratch, OptimizerKind::Sgd, _) => SCRATCH_SGD_RATE,
                (_, _, Learns::Head) => d.head_learning_rate,
                _ => d.learning_rate,
            };
            let filled = |p: &PhaseConfig| PlannedPhase {
                learns: p.learns,
                last_stages: p.last_stages.unwrap_or(self.last_stages),
                epochs: p.epochs,
                learning_rate: p.learning_rate.unwrap_or_else(|| rate(p.learns)),
                schedule: p.schedule.unwrap_or(r.schedule),
            };
            return self.phases.iter().map(filled).collect();
        }
        let phase = |learns, epochs, learning_rate| PlannedPhase {
            learns,
            last_stages: self.last_stages,
            epochs,
            learning_rate,
            schedule: r.schedule,
        };
        let learns = match r.mode {
            TrainMode::Auto | TrainMode::Frozen => Learns::Head,
            TrainMode::LastStages => Learns::LastStages,
            TrainMode::Full | TrainMode::Scratch => Learns::Everything,
        };
        let head = phase(Learns::Head, r.head_epochs.min(r.epochs), r.head_learning_rate);
        let rest = phase(learns, r.epochs - head.epochs, r.learning_rate);
        [head, rest].into_iter().filter(|p| p.epochs > 0).collect()
    }

    /// Takes these phases in place of those that follow from the mode. What they say is no longer said elsewhere.
    pub fn set_phases(&mut self, phases: Vec<PhaseConfig>) {
        self.phases = phases;
        if self.mode != TrainMode::Scratch {
            self.mode = TrainMode::Auto;
        }
        (self.epochs, self.head_epochs, self.schedule) = (None, None, None);
        (self.learning_rate, self.head_learning_rate) = (None, None);
    }

    /// Makes the present plan the user's own, to be changed. What was left open in it stays open.
    pub fn own_phases(&self, has_weights: bool) -> Vec<PhaseConfig> {
        if !self.phases.is_empty() {
            return self.phases.clone();
        }
        let mode = self.resolve(has_weights).mode;
        let rate = |learns| match learns {
            Learns::Head if mode != TrainMode::Frozen => self.head_learning_rate,
            _ => self.learning_rate,
        };
        let own = |p: PlannedPhase| PhaseConfig {
            learns: p.learns,
            last_stages: (p.learns == Learns::LastStages).then_some(p.last_stages),
            epochs: p.epochs,
            learning_rate: rate(p.learns),
            schedule: self.schedule,
        };
        self.plan(has_weights).into_iter().map(own).collect()
    }

    /// Adds a phase behind the others. What they leave open stays what it is now: with more that learns, something else would suit them.
    pub fn add_phase(&mut self, phase: PhaseConfig, has_weights: bool) {
        let before = self.plan(has_weights);
        let mut phases = self.own_phases(has_weights);
        phases.push(phase);
        self.set_phases(phases);
        let after = self.plan(has_weights);
        for ((own, was), is) in self.phases.iter_mut().zip(before).zip(after) {
            if own.learning_rate.is_none() && was.learning_rate != is.learning_rate {
                own.learning_rate = Some(was.learning_rate);
            }
            if own.schedule.is_none() && was.schedule != is.schedule {
                own.schedule = Some(was.schedule);
            }
        }
    }

    /// Goes back to the phases that follow from the mode: to the plan `before` the user's own, or else with nothing said about it.
    pub fn forget_phases(&mut self, before: Option<&OptimConfig>) {
        self.phases.clear();
        let Some(b) = before else { return };
        (self.mode, self.last_stages, self.carry_over) = (b.mode, b.last_stages, b.carry_over);
        (self.epochs, self.head_epochs, self.schedule) = (b.epochs, b.head_epochs, b.schedule);
        (self.learning_rate, self.head_learning_rate) = (b.learning_rate, b.head_learning_rate);
    }

    /// Lets no phase of the user's own ask for more stages than there are.
    pub fn fit_stages(&mut self, stages: usize) {
        for last in self.phases.iter_mut().filter_map(|p| p.last_stages.as_mut()) {
            *last = (*last).min(stages.max(1));
        }
    }

    /// Sets the step size of what learns last.
    pub fn set_last_rate(&mut self, rate: f64) {
        match self.phases.last_mut() {
            Some(phase) => phase.learning_rate = Some(rate),
            None => self.learning_rate = Some(rate),
        }
    }

    /// Makes the plan so many epochs long in all: the last phase gets what is missing, or loses what is too much, and phases that
    /// are left without an epoch go.
    pub fn set_total_epochs(&mut self, total: usize) {
        if self.phases.is_empty() {
            self.epochs = Some(total);
            return;
        }
        let mut before = 0;
        let last = self.phases.len() - 1;
        for (i, phase) in self.phases.iter_mut().enumerate() {
            let left = total.saturating_sub(before);
            phase.epochs = if i == last { left } else { phase.epochs.min(left) };
            before += phase.epochs;
        }
        self.phases.retain(|p| p.epochs > 0);
    }

    /// The mode that lets as much learn as the widest of the user's own phases; none without such.
    pub(super) fn mode_of_phases(&self) -> Option<TrainMode> {
        let any = |learns| self.phases.iter().any(|p| p.learns == learns);
        match self.phases.is_empty() {
            true => None,
            false if any(Learns::Everything) => Some(TrainMode::Full),
            false if any(Learns::LastStages) => Some(TrainMode::LastStages),
            false => Some(TrainMode::Frozen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;

    fn phase(learns: Learns, epochs: usize) -> PhaseConfig {
        PhaseConfig { learns, last_stages: None, epochs, learning_rate: None, schedule: None }
    }

    fn epochs(c: &OptimConfig) -> Vec<(Learns, usize)> {
        c.plan(true).iter().map(|p| (p.learns, p.epochs)).collect()
    }

    #[test]
    fn a_plan_made_the_users_own_is_the_same_plan() {
        for mode in
            [TrainMode::Auto, TrainMode::Frozen, TrainMode::LastStages, TrainMode::Full, TrainMode::Scratch]
        {
            for has_weights in [true, false] {
                let c = OptimConfig { mode, last_stages: 3, ..OptimConfig::default() };
                let mut own = c.clone();
                own.set_phases(c.own_phases(has_weights));
                if has_weights || matches!(mode, TrainMode::Auto | TrainMode::Scratch) {
                    assert_eq!(own.plan(has_weights), c.plan(has_weights), "{mode:?}");
                    assert_eq!(own.resolve(has_weights).mode, c.resolve(has_weights).mode);
                }
                let whole = TrainConfig { train: own.clone(), ..TrainConfig::default() };
                assert_eq!(TrainConfig::from_toml(&whole.to_toml().unwrap()).unwrap(), whole);
                own.forget_phases(Some(&c));
                assert_eq!(own, c);
            }
        }
    }

    #[test]
    fn a_phase_that_is_edited_leaves_open_what_nobody_chose() {
        let mut c = OptimConfig { mode: TrainMode::LastStages, ..OptimConfig::default() };
        let mut phases = c.own_phases(true);
        assert!(phases.iter().all(|p| p.learning_rate.is_none() && p.schedule.is_none()));
        (phases[1].learns, phases[1].last_stages) = (Learns::Head, None);
        c.set_phases(phases);
        let head = ModeDefaults::of(TrainMode::Frozen).head_learning_rate;
        assert_eq!(c.plan(true)[1].learning_rate, head, "what suits a head, not what suited the stages");
        let chosen = OptimConfig {
            mode: TrainMode::Full,
            learning_rate: Some(0.01),
            head_learning_rate: Some(0.02),
            ..OptimConfig::default()
        };
        let rates: Vec<_> = chosen.own_phases(true).iter().map(|p| p.learning_rate).collect();
        assert_eq!(rates, [Some(0.02), Some(0.01)]);
    }

    #[test]
    fn a_further_phase_changes_no_rate_of_those_before_it() {
        let mut c = OptimConfig::default();
        let alone = c.plan(true);
        c.add_phase(phase(Learns::LastStages, 3), true);
        let with = c.plan(true);
        assert_eq!((with.len(), with[0]), (2, alone[0]));
        // With the stages something else would suit the head, so that it is said now what it was.
        assert_ne!(ModeDefaults::of(TrainMode::LastStages).head_learning_rate, alone[0].learning_rate);
        assert_eq!(c.phases[0].learning_rate, Some(alone[0].learning_rate));
        c.add_phase(phase(Learns::LastStages, 1), true);
        assert_eq!((c.plan(true)[1], c.phases[1].learning_rate), (with[1], None));
        c.forget_phases(None);
        assert_eq!(c, OptimConfig::default(), "automatic again");
    }

    #[test]
    fn phases_are_fitted_to_a_network_of_fewer_stages() {
        let mut c = OptimConfig::default();
        let stages = PhaseConfig { last_stages: Some(9), ..phase(Learns::LastStages, 2) };
        c.set_phases(vec![phase(Learns::Head, 1), stages]);
        c.fit_stages(4);
        assert_eq!((c.phases[0].last_stages, c.phases[1].last_stages), (None, Some(4)));
    }

    #[test]
    fn what_a_phase_leaves_open_is_what_suits_it() {
        let mut c = OptimConfig::default();
        c.set_phases(vec![phase(Learns::Head, 2), phase(Learns::Everything, 3)]);
        let usual = OptimConfig { mode: TrainMode::Full, ..OptimConfig::default() }.plan(true);
        assert_eq!(c.plan(true), usual);
        assert_eq!(c.resolve(true).epochs, 5);
        c.set_last_rate(0.5);
        assert_eq!(c.plan(true)[1].learning_rate, 0.5);
    }

    #[test]
    fn a_plan_is_lengthened_and_shortened_at_its_end() {
        let mut c = OptimConfig::default();
        c.set_phases(vec![phase(Learns::Head, 2), phase(Learns::Everything, 3)]);
        c.set_total_epochs(9);
        assert_eq!(epochs(&c), [(Learns::Head, 2), (Learns::Everything, 7)]);
        c.set_total_epochs(2);
        assert_eq!(epochs(&c), [(Learns::Head, 2)]);
        c.set_phases(Vec::new());
        c.set_total_epochs(4);
        assert_eq!(c.epochs, Some(4));
    }
}
