//! Pictures that were in a folder at an earlier look and are there no more.

use super::findings::{finding, pictures};
use super::{Finding, Severity};
use crate::data::scan::natural;
use crate::data::walk::part_of;
use crate::data::{Checks, Dataset, Split};
use crate::error::thousands;
use std::collections::HashSet;

/// Pictures that are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone {
    /// Paths relative to the data folder, in natural order.
    files: Vec<String>,
    /// Folders for a part, such as `val`, with nothing left in them.
    parts: Vec<String>,
}

impl Gone {
    /// Those that `earlier` looks saw and that are not among the files of `dataset` any more. Asks the disk about each.
    pub fn since(earlier: &Checks, dataset: &Dataset) -> Self {
        let samples = dataset.samples.iter().chain(&dataset.excluded).map(|s| s.rel.as_str());
        let there: HashSet<&str> = samples.chain(dataset.skipped.iter().map(|s| s.rel.as_str())).collect();
        let away = |rel: &&String| !there.contains(rel.as_str()) && !dataset.root.join(rel).exists();
        let mut files: Vec<String> = earlier.files().filter(away).cloned().collect();
        files.sort_by(|a, b| natural(a, b));
        let folder = |rel: &str| rel.split_once('/').map(|(first, _)| first.to_owned());
        let left: HashSet<String> = there.iter().filter_map(|rel| folder(rel)).collect();
        let mut parts: Vec<String> = files.iter().filter_map(|rel| folder(rel)).collect();
        parts.dedup();
        parts.retain(|name| part_of(name).is_some() && !left.contains(name));
        Self { files, parts }
    }

    /// Whether a whole part is gone, so that the others may be divided in another way than before.
    pub fn whole_part(&self) -> bool {
        !self.parts.is_empty()
    }

    /// What to tell, if any are gone.
    pub fn finding(self, dataset: &Dataset) -> Option<Finding> {
        let n = self.files.len();
        if n == 0 {
            return None;
        }
        let were = if n == 1 { "was here before and is gone" } else { "were here before and are gone" };
        let mut title = format!("{} {were}", pictures(n));
        let lost_val = self.parts.iter().any(|name| part_of(name) == Some(Split::Val));
        if self.whole_part() {
            title.push_str(&format!(", all of {} among them", self.parts.join(", ")));
        }
        // A table of labels is divided as before.
        if lost_val && dataset.labels.is_none() && !dataset.has_own(Split::Val) {
            let val: usize = dataset.class_counts(Split::Val).iter().sum();
            title.push_str(&format!(
                ": {} of the others are held out for validation instead, which runs from before have learned from. Bring the folder back, \
                 or divide the pictures on purpose (Divide otherwise\u{2026})",
                thousands(val)
            ));
        }
        Some(finding(Severity::Warning, title, self.files))
    }
}
