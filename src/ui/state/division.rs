//! How the open pictures are divided, in words, and what a change of that means for the runs so far.

use super::AppState;
use crate::config::{DataConfig, GroupBy, SplitKind};
use crate::data::{Dataset, Groups, Layout, Split};

/// What stands where the folder divides its pictures itself.
const DIVIDED_BY_FOLDER: &str = "Divided by the folder itself";
/// What stands where the label table does.
const DIVIDED_BY_TABLE: &str = "Divided by the label table";

impl AppState {
    /// Why the pictures cannot be divided in another way, if they cannot.
    pub fn division_block(&self) -> Option<&'static str> {
        let Some(data) = self.dataset() else { return Some("Open a folder of pictures first") };
        if let Some(words) = OwnParts::of(data).divided_by() {
            Some(words)
        } else if self.training_job().is_some() {
            Some("Training is running")
        } else {
            None
        }
    }

    /// What dividing the pictures means for the runs so far, if there are any and it changes something (`otherwise`).
    pub fn division_warning(&self, otherwise: bool) -> Option<&'static str> {
        let judged = self.runs.iter().any(|run| run.summary.is_some());
        (judged && otherwise).then_some(
            "Runs so far were judged on other validation pictures: their numbers cannot be compared with those of later runs",
        )
    }
}

/// Whether two settings divide pictures differently.
pub fn divides_otherwise(a: &DataConfig, b: &DataConfig) -> bool {
    let by = |c: &DataConfig| {
        let group = (c.split == SplitKind::Grouped).then_some(c.group_by);
        let pattern = group.filter(|by| *by == GroupBy::Pattern).and(c.group_pattern.clone());
        let fold = (c.folds > 0).then_some((c.fold, c.folds));
        let share = fold.is_none().then_some(c.val_fraction);
        (group, pattern, c.test_fraction, fold, share, c.split_seed)
    };
    by(a) != by(b)
}

/// In what the pictures that a run is judged on differ from those of other settings: such numbers cannot be compared.
pub fn judged_otherwise(a: &DataConfig, b: &DataConfig) -> Option<&'static str> {
    if a.labels != b.labels {
        Some("other labels")
    } else {
        divides_otherwise(a, b).then_some("divided otherwise")
    }
}

/// What belongs together, in a word or two.
pub fn group_words(by: GroupBy) -> &'static str {
    match by {
        GroupBy::Sequence => "number in the name",
        GroupBy::Folder => "folder",
        GroupBy::Pattern => "pattern",
        GroupBy::Csv => "column of the table",
    }
}

/// A share in percent, as people write it: `20 %`, `12.5 %`.
pub fn percent(share: f64) -> String {
    let rounded = (share * 1000.0).round() / 10.0;
    // Never on two lines.
    format!("{rounded}\u{a0}%")
}

/// Which parts the folder, or the label table, says itself. Looked up once for a data set: it reads all paths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnParts {
    /// For validation.
    pub val: bool,
    /// For testing.
    pub test: bool,
    /// The label table says them.
    pub by_table: bool,
}

impl OwnParts {
    /// Those of a data set.
    pub fn of(data: &Dataset) -> Self {
        Self {
            val: data.has_own(Split::Val),
            test: data.has_own(Split::Test),
            by_table: data.layout == Layout::SplitLabelFile,
        }
    }

    /// What divides the pictures, where that is not the settings.
    fn divided_by(self) -> Option<&'static str> {
        self.val.then_some(if self.by_table { DIVIDED_BY_TABLE } else { DIVIDED_BY_FOLDER })
    }
}

/// How the pictures are divided, in one line.
pub fn division_words(own: OwnParts, config: &DataConfig) -> String {
    if let Some(words) = own.divided_by() {
        return words.to_owned();
    }
    let how = match config.split {
        SplitKind::Stratified => "Divided picture by picture".to_owned(),
        SplitKind::Grouped => format!("Divided in groups by {}", group_words(config.group_by)),
    };
    let held = match config.folds {
        0 => format!("{} for validation", percent(config.val_fraction)),
        folds => format!("fold {} of {folds} for validation", config.fold),
    };
    let test = match config.test_fraction {
        share if share > 0.0 && !own.test => format!(", {} for testing", percent(share)),
        _ => String::new(),
    };
    format!("{how}: {held}{test}")
}

/// What stays together, in one line.
pub fn groups_words(groups: &Groups) -> String {
    use crate::error::{count, thousands};
    if groups.count == 0 {
        return "No two pictures belong together: each is divided by itself".to_owned();
    }
    let (least, most) = groups.sizes;
    let sizes =
        if least == most { thousands(most) } else { format!("{} to {}", thousands(least), thousands(most)) };
    let alone = match groups.alone {
        0 => String::new(),
        n => format!(" · {}", count(n, "picture stands alone", "pictures stand alone")),
    };
    format!("{} of {sizes} pictures{alone}", count(groups.count, "group", "groups"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Checks, LabelFile, Preflight, Sample, Verdicts};
    use std::sync::Arc;

    fn data(layout: Layout, rels: &[&str]) -> Dataset {
        let one = |rel: &&str| Sample { rel: (*rel).to_owned(), class: 0, split: Split::Train };
        Dataset {
            root: "pictures".into(),
            layout,
            labels: None,
            classes: vec!["ants".to_owned()],
            samples: rels.iter().map(one).collect(),
            skipped: Vec::new(),
            excluded: Vec::new(),
            verdicts: Verdicts::default(),
            checks: Checks::default(),
        }
    }

    #[test]
    fn a_division_is_told_in_one_line() {
        let plain = OwnParts::of(&data(Layout::ClassFolders, &["ants/1.png"]));
        let c = DataConfig::default();
        assert_eq!(division_words(plain, &c), "Divided picture by picture: 20\u{a0}% for validation");
        let c = DataConfig {
            split: SplitKind::Grouped,
            group_by: GroupBy::Folder,
            test_fraction: 0.125,
            folds: 4,
            fold: 2,
            ..c
        };
        let want = "Divided in groups by folder: fold 2 of 4 for validation, 12.5\u{a0}% for testing";
        assert_eq!(division_words(plain, &c), want);
        let tested = data(Layout::SplitFolders, &["train/ants/1.png", "test/ants/1.png"]);
        let tested = OwnParts::of(&tested);
        assert!(!division_words(tested, &c).contains("testing"), "the folder has its own");
        let own = data(Layout::SplitFolders, &["train/ants/1.png", "val/ants/1.png"]);
        assert_eq!(division_words(OwnParts::of(&own), &c), "Divided by the folder itself");
    }

    #[test]
    fn a_table_that_divides_is_named_in_place_of_the_folder() {
        let part = |rel: &str, part| (rel.to_owned(), part);
        let parts = [part("1.png", Split::Train), part("2.png", Split::Val)];
        let mut data = data(Layout::SplitLabelFile, &["1.png", "2.png"]);
        data.labels = Some(LabelFile {
            path: "labels.csv".into(),
            label_column: "label".to_owned(),
            group_column: None,
            groups: Arc::default(),
            parts: Arc::new(parts.into()),
            findings: Vec::new(),
        });
        let words = "Divided by the label table";
        assert_eq!(division_words(OwnParts::of(&data), &DataConfig::default()), words);
        let state = AppState { preflight: Some(Arc::new(Preflight::unseen(data))), ..AppState::default() };
        assert_eq!(state.division_block(), Some(words));
    }

    #[test]
    fn only_what_counts_divides_otherwise() {
        let c = DataConfig::default();
        let folds = DataConfig { folds: 5, ..c.clone() };
        assert!(divides_otherwise(&c, &folds));
        assert!(!divides_otherwise(&folds, &DataConfig { val_fraction: 0.4, ..folds.clone() }));
        assert!(!divides_otherwise(&c, &DataConfig { fold: 3, group_by: GroupBy::Folder, ..c.clone() }));
        let pattern = DataConfig { group_pattern: Some("a(b)".to_owned()), ..c.clone() };
        assert!(!divides_otherwise(&c, &pattern));
        assert!(divides_otherwise(&c, &DataConfig { split_seed: 1, ..c.clone() }));
        assert_eq!(judged_otherwise(&c, &pattern), None);
        assert_eq!(judged_otherwise(&c, &folds), Some("divided otherwise"));
        let table = DataConfig { labels: Some("labels.csv".into()), ..folds };
        assert_eq!(judged_otherwise(&c, &table), Some("other labels"));
    }

    #[test]
    fn groups_are_told_with_their_sizes() {
        let groups = Groups { count: 3, sizes: (2, 7), alone: 1, example: Vec::new() };
        assert_eq!(groups_words(&groups), "3 groups of 2 to 7 pictures · 1 picture stands alone");
        let same = Groups { count: 1, sizes: (4, 4), alone: 0, ..groups };
        assert_eq!(groups_words(&same), "1 group of 4 pictures");
        assert!(groups_words(&Groups::default()).starts_with("No two pictures"));
    }
}
