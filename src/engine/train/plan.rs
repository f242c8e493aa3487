//! The phases of a training job: what learns, for how long, and from where its inputs come.

use crate::config::{AugmentConfig, ResolvedTrain, TrainMode};

/// Where a phase's inputs come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// Pooled features that were computed once: only the head runs.
    Features,
    /// Activation maps at the freeze boundary that were computed once.
    Maps,
    /// The pictures.
    Pictures,
}

/// Some epochs in which the same weights learn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Phase {
    /// For people: `head`, `stages layer3 to layer4 and head`, `everything`.
    pub(crate) name: String,
    /// First epoch, from 0.
    pub(crate) first_epoch: usize,
    /// How many.
    pub(crate) epochs: usize,
    /// The boundary below which everything is frozen; the number of stages where only the head learns.
    pub(crate) first_stage: usize,
    /// Step size at the top.
    pub(crate) learning_rate: f64,
    /// Where its inputs come from.
    pub(crate) input: Input,
}

impl Phase {
    /// One past the last epoch.
    pub(crate) fn end(&self) -> usize {
        self.first_epoch + self.epochs
    }
}

/// The phases of a mode for a backbone with these stages.
pub(crate) fn plan(r: &ResolvedTrain, last_stages: usize, stages: &[&str]) -> Vec<Phase> {
    let first_stage = match r.mode {
        TrainMode::Auto | TrainMode::Frozen => stages.len(),
        TrainMode::LastStages => stages.len().saturating_sub(last_stages),
        TrainMode::Full | TrainMode::Scratch => 0,
    };
    let head = Phase {
        name: "head".to_owned(),
        first_epoch: 0,
        epochs: r.head_epochs.min(r.epochs),
        first_stage: stages.len(),
        learning_rate: r.head_learning_rate,
        input: Input::Features,
    };
    let rest = Phase {
        name: phase_name(first_stage, stages),
        first_epoch: head.epochs,
        epochs: r.epochs - head.epochs,
        first_stage,
        learning_rate: r.learning_rate,
        input: match first_stage {
            0 => Input::Pictures,
            f if f == stages.len() => Input::Features,
            _ => Input::Maps,
        },
    };
    [head, rest].into_iter().filter(|p| p.epochs > 0).collect()
}

/// How many views of each training picture are kept for the phases that do not learn from pictures: no more than their longest
/// would draw.
pub(crate) fn cached_views(augment: &AugmentConfig, phases: &[Phase]) -> usize {
    let longest = phases.iter().filter(|p| p.input != Input::Pictures).map(|p| p.epochs).max();
    if augment.enabled { augment.views.min(longest.unwrap_or(1)) } else { 1 }
}

/// Takes the last `by` epochs off a phase; what comes after it moves forward.
pub(crate) fn shorten(phases: &mut [Phase], index: usize, by: usize) {
    if let Some((phase, later)) = phases.get_mut(index..).and_then(<[Phase]>::split_first_mut) {
        let by = by.min(phase.epochs);
        phase.epochs -= by;
        later.iter_mut().for_each(|p| p.first_epoch -= by);
    }
}

fn phase_name(first_stage: usize, stages: &[&str]) -> String {
    match &stages[first_stage.min(stages.len())..] {
        _ if first_stage == 0 => "everything".to_owned(),
        [] => "head".to_owned(),
        [only] => format!("stage {only} and head"),
        [first, .., last] => format!("stages {first} to {last} and head"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OptimConfig;

    const STAGES: [&str; 4] = ["stem", "a", "b", "c"];

    fn planned(mode: TrainMode, last_stages: usize) -> Vec<Phase> {
        let c = OptimConfig { mode, epochs: Some(5), head_epochs: Some(2), ..OptimConfig::default() };
        plan(&c.resolve(true), last_stages, &STAGES)
    }

    fn phases(mode: TrainMode, last_stages: usize) -> Vec<(String, usize, usize, Input)> {
        planned(mode, last_stages)
            .into_iter()
            .map(|p| (p.name.clone(), p.first_epoch, p.end(), p.input))
            .collect()
    }

    #[test]
    fn each_mode_has_its_phases() {
        let head = |end| ("head".to_owned(), 0, end, Input::Features);
        assert_eq!(phases(TrainMode::Frozen, 1), [head(5)]);
        let last = ("stages b to c and head".to_owned(), 2, 5, Input::Maps);
        assert_eq!(phases(TrainMode::LastStages, 2), [head(2), last]);
        let last = ("stage c and head".to_owned(), 2, 5, Input::Maps);
        assert_eq!(phases(TrainMode::LastStages, 1), [head(2), last]);
        let all = ("everything".to_owned(), 2, 5, Input::Pictures);
        assert_eq!(phases(TrainMode::Full, 1), [head(2), all.clone()]);
        assert_eq!(phases(TrainMode::LastStages, 9), [head(2), all]);
        assert_eq!(phases(TrainMode::Scratch, 1), [("everything".to_owned(), 0, 5, Input::Pictures)]);
    }

    #[test]
    fn a_phase_that_ends_early_leaves_no_gap() {
        let ends = |phases: &[Phase]| phases.iter().map(|p| (p.first_epoch, p.end())).collect::<Vec<_>>();
        let mut phases = planned(TrainMode::Full, 1);
        assert_eq!(ends(&phases), [(0, 2), (2, 5)]);
        shorten(&mut phases, 0, 1);
        assert_eq!(ends(&phases), [(0, 1), (1, 4)]);
        shorten(&mut phases, 1, 2);
        assert_eq!(ends(&phases), [(0, 1), (1, 2)]);
        shorten(&mut phases, 2, 1);
        assert_eq!(ends(&phases), [(0, 1), (1, 2)]);
    }
}
