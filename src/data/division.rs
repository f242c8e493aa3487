//! What a division of the pictures would come to before anybody asks for it, and a scanned data set divided anew.

use super::walk::part_of;
use super::{Dataset, Layout, Preflight, Sample, Split, groups, split};
use crate::config::{DataConfig, SplitKind};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Pictures that are named as an example of a group.
const EXAMPLES: usize = 3;

/// How many pictures each part would get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// Pictures for training, validation and test.
    pub counts: [usize; 3],
    /// Pictures that would be in another part than now.
    pub moved: usize,
    /// What stays together; none where pictures are divided one by one.
    pub groups: Option<Groups>,
}

/// Which pictures stay together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    /// Groups of two pictures or more.
    pub count: usize,
    /// Pictures in the smallest and in the largest of them.
    pub sizes: (usize, usize),
    /// Pictures that belong to none.
    pub alone: usize,
    /// Some pictures of the largest group, relative to the data folder.
    pub example: Vec<String>,
}

impl Groups {
    fn of(samples: &[Sample], groups: &[Option<String>]) -> Self {
        let mut members: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (sample, group) in samples.iter().zip(groups) {
            if let Some(group) = group {
                members.entry(group).or_default().push(&sample.rel);
            }
        }
        members.retain(|_, pictures| pictures.len() > 1);
        let sizes = members.values().map(Vec::len);
        let Some(largest) = members.values().max_by_key(|pictures| pictures.len()) else {
            return Self { alone: samples.len(), ..Self::default() };
        };
        Self {
            count: members.len(),
            sizes: (sizes.clone().min().unwrap_or(0), largest.len()),
            alone: samples.len() - sizes.sum::<usize>(),
            example: largest.iter().take(EXAMPLES).map(|rel| (*rel).to_owned()).collect(),
        }
    }
}

impl Dataset {
    /// The part that its folder, or the label file, says a picture belongs to.
    fn own_part(&self, sample: &Sample) -> Option<Split> {
        match self.layout {
            Layout::ClassFolders | Layout::LabelFile => None,
            Layout::SplitFolders => sample.rel.split('/').next().and_then(part_of),
            Layout::SplitLabelFile => {
                self.labels.as_ref().and_then(|file| file.parts.get(&sample.rel)).copied()
            }
        }
    }

    /// Whether the folder, or the label file, says itself that pictures belong to `part`.
    pub fn has_own(&self, part: Split) -> bool {
        self.layout.has_parts() && self.samples.iter().any(|s| self.own_part(s) == Some(part))
    }

    /// Whether some class has pictures enough that one of them can be held out for validation.
    pub fn can_hold_out(&self) -> bool {
        self.class_counts(Split::Train).iter().any(|&n| n > 1)
    }

    /// The pictures that neither the folder nor the label file puts into a part itself.
    pub fn divided_by_chance(&self) -> impl Iterator<Item = &Sample> {
        let own_val = self.has_own(Split::Val);
        self.samples.iter().filter(move |s| !own_val && self.own_part(s) != Some(Split::Test))
    }

    /// The same pictures, divided as `config` says and no decision about them counted.
    ///
    /// # Errors
    /// If the folder has a validation part of its own, or as [`scan`](super::scan()) where the groups cannot be made.
    pub fn divided(&self, config: &DataConfig) -> Result<Self> {
        if self.has_own(Split::Val) {
            return Err(has_own_val(&self.root));
        }
        let mut data = self.clone();
        for i in 0..data.samples.len() {
            data.samples[i].split = self.own_part(&data.samples[i]).unwrap_or(Split::Train);
        }
        let from = (data.layout, data.labels.as_ref());
        split::divide(&mut data.samples, &data.classes, from, config, None)?;
        data.check_classes()?;
        Ok(data)
    }
}

/// Folds were asked of a folder that is divided already.
pub(super) fn has_own_val(root: &Path) -> Error {
    Error::input("the folder has pictures for validation of its own, so no folds can be made")
        .with_path(root)
        .with_hint(
            "Leave out --fold and --all-folds (data.folds = 0) to judge on the folder's own, or name a folder without them",
        )
}

impl Preflight {
    /// The pictures divided as `config` says, with what was decided about them.
    ///
    /// # Errors
    /// As [`Dataset::divided`].
    pub fn divided(&self, config: &DataConfig) -> Result<Dataset> {
        let mut data = self.undecided().divided(config)?;
        self.dataset.verdicts.apply(&mut data);
        Ok(data)
    }

    /// What a division as `config` says would come to, with what was decided about pictures.
    ///
    /// # Errors
    /// As [`Dataset::divided`].
    pub fn division(&self, config: &DataConfig) -> Result<Division> {
        let data = self.divided(config)?;
        let groups = match config.split {
            SplitKind::Stratified => None,
            SplitKind::Grouped => {
                let all = self.undecided();
                let found =
                    groups::of(&all.samples, &all.classes, (all.layout, all.labels.as_ref()), config)?;
                Some(Groups::of(&all.samples, &found))
            }
        };
        let count = |part| data.samples.iter().filter(|s| s.split == part).count();
        let moved = data.samples.iter().zip(&self.dataset.samples).filter(|(a, b)| a.split != b.split);
        Ok(Division {
            moved: moved.count(),
            counts: [Split::Train, Split::Val, Split::Test].map(count),
            groups,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GroupBy;
    use crate::data::{Checks, Decided, Decision, Decisions, Step, Verdicts};
    use std::sync::Arc;

    fn data(rels: &[String], layout: Layout) -> Dataset {
        let class = |rel: &str| usize::from(rel.contains("bees/"));
        let one = |rel: &String| Sample { rel: rel.clone(), class: class(rel), split: Split::Train };
        Dataset {
            root: "pictures".into(),
            layout,
            labels: None,
            classes: vec!["ants".to_owned(), "bees".to_owned()],
            samples: rels.iter().map(one).collect(),
            skipped: Vec::new(),
            excluded: Vec::new(),
            verdicts: Verdicts::default(),
            checks: Checks::default(),
        }
    }

    /// Eight nests with five pictures of each class.
    fn nests() -> Vec<String> {
        let rel = |i: usize| format!("{}/n{}/{}.jpg", ["ants", "bees"][i % 2], (i / 10), i);
        let mut rels: Vec<String> = (0..80).map(rel).collect();
        rels.sort_by(|a, b| crate::data::scan::natural(a, b));
        rels
    }

    #[test]
    fn folds_part_all_pictures_and_the_rest_is_as_announced() {
        let found = Preflight::unseen(data(&nests(), Layout::ClassFolders));
        let mut held = vec![0; 80];
        for fold in 1..=4 {
            let config = DataConfig { folds: 4, fold, ..DataConfig::default() };
            let data = found.divided(&config).unwrap();
            for i in data.indices(Split::Val) {
                held[i] += 1;
            }
            assert_eq!(found.division(&config).unwrap().counts, [60, 20, 0]);
        }
        assert_eq!(held, [1; 80]);
        // A division on top of another one begins anew: its test pictures are drawn from all.
        let config = DataConfig { test_fraction: 0.25, ..DataConfig::default() };
        let once = found.divided(&config).unwrap();
        let twice = Preflight::unseen(once.clone()).divided(&config).unwrap();
        assert_eq!(once.samples, twice.samples);
        assert!(!once.indices(Split::Test).is_empty());
    }

    #[test]
    fn groups_are_counted_with_an_example_and_those_of_one_stand_alone() {
        let mut rels = nests();
        rels.extend(["bees/n8/alone.jpg".to_owned(), "bees/loose.jpg".to_owned()]);
        let found = Preflight::unseen(data(&rels, Layout::ClassFolders));
        let config =
            DataConfig { split: SplitKind::Grouped, group_by: GroupBy::Folder, ..DataConfig::default() };
        let division = found.division(&config).unwrap();
        let groups = division.groups.unwrap();
        assert_eq!((groups.count, groups.sizes, groups.alone, groups.example.len()), (8, (10, 10), 2, 3));
        assert_eq!(division.counts.iter().sum::<usize>(), 82);
        let wrong =
            DataConfig { group_by: GroupBy::Pattern, group_pattern: Some("n(".to_owned()), ..config.clone() };
        assert!(found.division(&wrong).unwrap_err().to_string().contains("no regular expression"));
        let none = DataConfig { group_by: GroupBy::Sequence, ..config };
        let groups = found.division(&none).unwrap().groups.unwrap();
        assert_eq!((groups.count, groups.alone), (0, 82));
    }

    #[test]
    fn decisions_stay_over_a_new_division() {
        let found = Arc::new(Preflight::unseen(data(&nests(), Layout::ClassFolders)));
        let decide =
            |decision, rel: &str| Step::Decided(Decided { decision, pictures: vec![rel.to_owned()] });
        let steps = [
            decide(Decision::Exclude, "ants/n0/0.jpg"),
            decide(Decision::Split(Split::Test), "ants/n0/2.jpg"),
        ];
        let decisions: Decisions = steps.into_iter().collect();
        let decided = found.decided(&decisions.verdicts()).unwrap();
        let config = DataConfig { folds: 4, fold: 2, ..DataConfig::default() };
        let counts = decided.division(&config).unwrap().counts;
        assert_eq!((counts[2], counts.iter().sum::<usize>()), (1, 79));
    }

    #[test]
    fn parts_of_the_folder_stay_and_those_for_validation_leave_nothing_to_divide() {
        let mut rels: Vec<String> = nests().iter().map(|rel| format!("train/{rel}")).collect();
        rels.insert(0, "test/ants/1.jpg".to_owned());
        let found = Preflight::unseen(data(&rels, Layout::SplitFolders));
        assert!(found.dataset.has_own(Split::Test) && !found.dataset.has_own(Split::Val));
        let config = DataConfig { test_fraction: 0.3, folds: 4, ..DataConfig::default() };
        assert_eq!(
            found.division(&config).unwrap().counts,
            [60, 20, 1],
            "chance adds nothing to the test part"
        );
        rels.push("valid/ants/1.jpg".to_owned());
        let found = Preflight::unseen(data(&rels, Layout::SplitFolders));
        assert!(found.dataset.has_own(Split::Val));
        assert!(found.divided(&config).unwrap_err().to_string().contains("--fold"));
    }
}
