//! The phases of a training job: what learns, for how long, and from where its inputs come.

use crate::backbones::BackboneSpec;
use crate::config::{AugmentConfig, PlannedPhase, ScheduleKind, TrainConfig};
use crate::error::{Error, Result, count};
use std::ops::Range;

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
    /// How it moves.
    pub(crate) schedule: ScheduleKind,
    /// Where its inputs come from.
    pub(crate) input: Input,
}

impl Phase {
    /// One past the last epoch.
    pub(crate) fn end(&self) -> usize {
        self.first_epoch + self.epochs
    }
}

/// Refuses phases of the user's own that let more stages learn than the network has.
///
/// # Errors
/// Names the phase, what it asks for and how many stages there are.
pub(crate) fn check_stages(config: &TrainConfig, spec: &BackboneSpec) -> Result<()> {
    let cut = config.backbone.cut_stage.as_deref();
    let there = spec.stages.iter().position(|s| Some(*s) == cut).map_or(spec.stages.len(), |at| at + 1);
    for (i, asked) in config.train.phases.iter().enumerate().filter_map(|(i, p)| Some((i, p.last_stages?))) {
        if asked > there {
            return Err(Error::input(format!(
                "last_stages of phase {} in train.phases = {asked}, and {} has {}",
                i + 1,
                spec.title,
                count(there, "stage", "stages")
            ))
            .with_hint(format!(
                "It must be at most {there}; learns = \"everything\" lets all of them learn"
            )));
        }
    }
    Ok(())
}

/// The planned phases for a backbone with these stages.
pub(crate) fn plan(planned: &[PlannedPhase], stages: &[&str]) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::with_capacity(planned.len());
    for (i, p) in planned.iter().enumerate() {
        let first_stage = p.first_stage(stages.len());
        let mut name = phase_name(first_stage, stages);
        let before = phases.last();
        if before.is_some_and(|b| b.first_stage == first_stage) {
            // Two epochs are of the same phase where its name is the same.
            name = format!("{name} (phase {})", i + 1);
        }
        phases.push(Phase {
            name,
            first_epoch: before.map_or(0, Phase::end),
            epochs: p.epochs,
            first_stage,
            learning_rate: p.learning_rate,
            schedule: p.schedule,
            input: match first_stage {
                0 => Input::Pictures,
                f if f == stages.len() => Input::Features,
                _ => Input::Maps,
            },
        });
    }
    phases
}

/// The phases from `index` on that can draw on the same frozen part, computed when the first of them begins: nothing that it
/// depends on learns in between, and maps are of one boundary.
pub(crate) fn sharing(phases: &[Phase], index: usize) -> Range<usize> {
    let (mut lowest, mut boundary) = (usize::MAX, None);
    let mut end = index;
    for phase in phases.get(index..).unwrap_or_default() {
        let stale = phase.input != Input::Pictures && lowest < phase.first_stage;
        let other = phase.input == Input::Maps && boundary.is_some_and(|b| b != phase.first_stage);
        if stale || other {
            break;
        }
        if phase.input == Input::Maps {
            boundary = Some(phase.first_stage);
        }
        lowest = lowest.min(phase.first_stage);
        end += 1;
    }
    index..end
}

/// The lowest boundary of the phases: what lies below it never learns in them.
pub(crate) fn lowest_boundary(phases: &[Phase]) -> usize {
    phases.iter().map(|p| p.first_stage).min().unwrap_or(usize::MAX)
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
    use crate::config::{Learns, OptimConfig, PhaseConfig, TrainMode};

    const STAGES: [&str; 4] = ["stem", "a", "b", "c"];

    #[test]
    fn more_stages_than_there_are_are_refused() {
        let spec = crate::backbones::find("mobilenet_v2").unwrap();
        let mut c = TrainConfig::default();
        let last = |n| {
            vec![PhaseConfig {
                learns: Learns::LastStages,
                last_stages: Some(n),
                epochs: 1,
                learning_rate: None,
                schedule: None,
            }]
        };
        c.train.set_phases(last(spec.stages.len()));
        check_stages(&c, spec).unwrap();
        c.backbone.cut_stage = Some(spec.stages[3].to_owned());
        let e = check_stages(&c, spec).unwrap_err().to_string();
        assert!(e.contains("phase 1") && e.contains("4 stages"), "{e}");
        c.train.set_phases(last(4));
        check_stages(&c, spec).unwrap();
    }

    fn planned(mode: TrainMode, last_stages: usize) -> Vec<Phase> {
        let c = OptimConfig { mode, epochs: Some(5), head_epochs: Some(2), ..OptimConfig::default() };
        let c = OptimConfig { last_stages, ..c };
        plan(&c.plan(true), &STAGES)
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

    /// Phases in which so many last stages learn.
    fn own(last_stages: &[usize]) -> Vec<Phase> {
        let one = |&n: &usize| PhaseConfig {
            learns: match n {
                0 => Learns::Head,
                4 => Learns::Everything,
                _ => Learns::LastStages,
            },
            last_stages: (1..4).contains(&n).then_some(n),
            epochs: 2,
            learning_rate: None,
            schedule: None,
        };
        let c = OptimConfig { phases: last_stages.iter().map(one).collect(), ..OptimConfig::default() };
        plan(&c.plan(true), &STAGES)
    }

    #[test]
    fn phases_of_the_users_own_follow_each_other_and_have_names_that_differ() {
        let phases = own(&[0, 2, 2, 4, 0]);
        let told: Vec<_> = phases.iter().map(|p| (p.name.as_str(), p.first_epoch, p.end())).collect();
        let want = [
            ("head", 0, 2),
            ("stages b to c and head", 2, 4),
            ("stages b to c and head (phase 3)", 4, 6),
            ("everything", 6, 8),
            ("head", 8, 10),
        ];
        assert_eq!(told, want);
    }

    #[test]
    fn the_frozen_part_is_shared_until_something_below_it_learned() {
        let groups = |last_stages: &[usize]| {
            let phases = own(last_stages);
            let mut groups = Vec::new();
            let mut at = 0;
            while at < phases.len() {
                let group = sharing(&phases, at);
                at = group.end;
                groups.push(group);
            }
            groups
        };
        assert_eq!(groups(&[0, 2, 4]).len(), 1, "features and maps in one pass");
        assert_eq!(groups(&[0, 1, 2]), [0..2, 2..3], "maps of another boundary");
        assert_eq!(groups(&[2, 1]), [0..1, 1..2], "what was below the boundary has learned");
        assert_eq!(groups(&[0, 4, 0, 0]), [0..2, 2..4], "features of what has learned");
        assert_eq!(lowest_boundary(&own(&[0, 1, 3])), 1);
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
