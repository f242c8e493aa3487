//! What a person decided about pictures, over what their folders say.

use super::{Dataset, Sample, Split};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", content = "as", rename_all = "kebab-case")]
pub enum Decision {
    /// It shows this class, whatever folder it is in.
    Label(String),
    /// It belongs to this part.
    Split(Split),
    /// It is neither learned from nor judged by.
    Exclude,
    /// It counts again.
    Include,
}

/// A decision about some pictures, by path relative to the data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// What was decided.
    #[serde(flatten)]
    pub decision: Decision,
    /// About which.
    pub pictures: Vec<String>,
}

/// What all decisions about a picture come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Its class, if not its folder's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its part, if not what the folder or chance said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// Whether it is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub excluded: bool,
}

/// Verdicts by path relative to the data folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Verdicts(BTreeMap<String, Verdict>);

impl Verdicts {
    /// What was decided about a picture, if anything.
    pub fn of(&self, rel: &str) -> Option<&Verdict> {
        self.0.get(rel)
    }

    /// Whether nothing was decided.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has changed since an earlier state.
    pub fn changes_since(&self, earlier: &Self) -> DecisionChanges {
        let mut changes = DecisionChanges::default();
        let none = Verdict::default();
        let later = self.0.keys().chain(earlier.0.keys().filter(|rel| !self.0.contains_key(*rel)));
        for rel in later {
            let (then, now) = (earlier.of(rel).unwrap_or(&none), self.of(rel).unwrap_or(&none));
            changes.left_out += usize::from(now.excluded && !then.excluded);
            changes.taken_back += usize::from(then.excluded && !now.excluded);
            changes.labelled += usize::from(now.label != then.label);
            changes.moved += usize::from(now.split != then.split);
        }
        changes
    }

    fn add(&mut self, decided: &Decided) {
        for rel in &decided.pictures {
            let verdict = self.0.entry(rel.clone()).or_default();
            match &decided.decision {
                Decision::Label(class) => verdict.label = Some(class.clone()),
                Decision::Split(split) => verdict.split = Some(*split),
                Decision::Exclude => verdict.excluded = true,
                Decision::Include => verdict.excluded = false,
            }
            if *verdict == Verdict::default() {
                self.0.remove(rel);
            }
        }
    }

    /// Changes `dataset`, which is as its folder says. A label that is no class of the data set (any more) does not count.
    pub(super) fn apply(&self, dataset: &mut Dataset) {
        let Dataset { samples, classes, excluded, verdicts, .. } = dataset;
        let decided = |sample: &Sample| self.0.get(&sample.rel);
        *excluded = samples.iter().filter(|s| decided(s).is_some_and(|v| v.excluded)).cloned().collect();
        samples.retain(|s| decided(s).is_none_or(|v| !v.excluded));
        for sample in samples {
            let Some(verdict) = decided(sample) else { continue };
            let class = verdict.label.as_ref().and_then(|label| classes.iter().position(|c| c == label));
            sample.class = class.unwrap_or(sample.class);
            sample.split = verdict.split.unwrap_or(sample.split);
        }
        *verdicts = self.clone();
    }
}

/// In how many pictures two states of deciding differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DecisionChanges {
    /// Left out now, and not then.
    pub left_out: usize,
    /// Left out then, and not now.
    pub taken_back: usize,
    /// Their label was decided, or decided otherwise.
    pub labelled: usize,
    /// Their part was.
    pub moved: usize,
}

/// A step of deciding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Step {
    /// Something is decided.
    Decided(Decided),
    /// The last decision that holds no longer does.
    Undone,
    /// What was undone last holds again.
    Redone,
}

/// Decisions in their order, with those that were undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    holding: Vec<Decided>,
    undone: Vec<Decided>,
}

impl Decisions {
    /// Takes a step. Undoing or redoing where there is nothing to undo or redo changes nothing.
    pub fn take(&mut self, step: Step) {
        match step {
            Step::Decided(decided) => {
                self.holding.push(decided);
                self.undone.clear();
            }
            Step::Undone => self.undone.extend(self.holding.pop()),
            Step::Redone => self.holding.extend(self.undone.pop()),
        }
    }

    /// Those that hold, in the order in which they were made. Undoing takes back the last.
    pub fn holding(&self) -> &[Decided] {
        &self.holding
    }

    /// Those that were undone, in the order in which that was done. Redoing brings back the last.
    pub fn undone(&self) -> &[Decided] {
        &self.undone
    }

    /// What the decisions that hold come to.
    pub fn verdicts(&self) -> Verdicts {
        let mut verdicts = Verdicts::default();
        self.holding.iter().for_each(|decided| verdicts.add(decided));
        verdicts
    }
}

impl FromIterator<Step> for Decisions {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        let mut decisions = Self::default();
        steps.into_iter().for_each(|step| decisions.take(step));
        decisions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Checks, Layout};

    fn dataset() -> Dataset {
        let sample = |rel: &str, class, split| Sample { rel: rel.to_owned(), class, split };
        Dataset {
            root: "pictures".into(),
            layout: Layout::ClassFolders,
            labels: None,
            classes: vec!["ants".to_owned(), "bees".to_owned()],
            samples: vec![
                sample("ants/1.png", 0, Split::Train),
                sample("ants/2.png", 0, Split::Val),
                sample("bees/3.png", 1, Split::Train),
            ],
            skipped: Vec::new(),
            excluded: Vec::new(),
            verdicts: Verdicts::default(),
            checks: Checks::default(),
        }
    }

    fn step(decision: Decision, pictures: &[&str]) -> Step {
        Step::Decided(Decided { decision, pictures: pictures.iter().map(|p| (*p).to_owned()).collect() })
    }

    fn after(steps: &[Step]) -> Dataset {
        let mut data = dataset();
        steps.iter().cloned().collect::<Decisions>().verdicts().apply(&mut data);
        data
    }

    #[test]
    fn decisions_change_what_is_learned_and_undoing_brings_back_what_the_folder_says() {
        let mut steps = vec![
            step(Decision::Label("bees".to_owned()), &["ants/1.png"]),
            step(Decision::Split(Split::Train), &["ants/2.png"]),
            step(Decision::Exclude, &["bees/3.png", "ants/2.png"]),
        ];
        let data = after(&steps);
        assert_eq!(data.samples, [Sample { rel: "ants/1.png".to_owned(), class: 1, split: Split::Train }]);
        let excluded: Vec<_> = data.excluded.iter().map(|s| (s.rel.as_str(), s.split)).collect();
        assert_eq!(
            excluded,
            [("ants/2.png", Split::Val), ("bees/3.png", Split::Train)],
            "as the folder says"
        );
        steps.push(step(Decision::Include, &["ants/2.png"]));
        assert_eq!(after(&steps).samples[1].split, Split::Train, "what was decided before still holds");
        steps.extend([Step::Undone, Step::Undone]);
        assert_eq!((after(&steps).samples.len(), after(&steps).excluded.len()), (3, 0));
        steps.push(Step::Redone);
        assert_eq!(after(&steps).samples.len(), 1);
        steps.extend([Step::Undone, Step::Undone, Step::Undone, Step::Undone]);
        assert_eq!(after(&steps).samples, dataset().samples);
        assert!(after(&steps).verdicts.is_empty());
    }

    #[test]
    fn a_new_decision_ends_what_could_be_redone() {
        let first = step(Decision::Exclude, &["ants/1.png"]);
        let second = step(Decision::Exclude, &["ants/2.png"]);
        let decisions: Decisions = [first, Step::Undone, second.clone(), Step::Redone].into_iter().collect();
        assert!(decisions.undone().is_empty());
        assert_eq!(decisions.holding().last().cloned().map(Step::Decided), Some(second));
    }

    #[test]
    fn two_states_differ_by_the_pictures_that_were_decided_on_otherwise() {
        let verdicts = |steps: Vec<Step>| steps.into_iter().collect::<Decisions>().verdicts();
        let earlier = verdicts(vec![
            step(Decision::Exclude, &["a", "b"]),
            step(Decision::Label("bees".to_owned()), &["c", "d"]),
        ]);
        let later = verdicts(vec![
            step(Decision::Exclude, &["b", "e", "f"]),
            step(Decision::Label("bees".to_owned()), &["c"]),
            step(Decision::Label("ants".to_owned()), &["d", "g"]),
            step(Decision::Split(Split::Test), &["b"]),
        ]);
        let changes = DecisionChanges { left_out: 2, taken_back: 1, labelled: 2, moved: 1 };
        assert_eq!(later.changes_since(&earlier), changes);
        assert_eq!(later.changes_since(&later), DecisionChanges::default());
    }

    #[test]
    fn a_label_that_is_no_class_and_a_picture_that_is_gone_change_nothing() {
        let steps = [
            step(Decision::Label("wasps".to_owned()), &["ants/1.png"]),
            step(Decision::Exclude, &["ants/gone.png"]),
            Step::Redone,
        ];
        assert_eq!(after(&steps).samples, dataset().samples);
    }

    #[test]
    fn steps_are_one_line_of_json_each() {
        let steps = [
            step(Decision::Label("bees".to_owned()), &["ants/1.png"]),
            step(Decision::Split(Split::Val), &["ants/1.png"]),
            step(Decision::Exclude, &["a", "b"]),
            Step::Undone,
        ];
        let lines = steps.map(|s| serde_json::to_string(&s).unwrap());
        assert_eq!(
            lines[0],
            r#"{"event":"decided","decision":"label","as":"bees","pictures":["ants/1.png"]}"#
        );
        assert_eq!(lines[2], r#"{"event":"decided","decision":"exclude","pictures":["a","b"]}"#);
        for line in lines {
            assert_eq!(serde_json::to_string(&serde_json::from_str::<Step>(&line).unwrap()).unwrap(), line);
        }
    }
}
