//! Label files: tables (CSV) that name pictures and their classes, where folders do not.

mod join;
mod table;

pub(super) use join::join;
pub(super) use table::Table;

use super::preflight::{Finding, Offer, Severity};
use super::{Dataset, Split};
use crate::config::DataConfig;
use crate::error::{Result, count};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file that the labels of a data set come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelFile {
    /// Where it is.
    pub path: PathBuf,
    /// Name of the column with the classes.
    pub label_column: String,
    /// Name of the column with the groups, if there is one.
    pub group_column: Option<String>,
    /// Group of each picture that has one, by path relative to the data folder.
    pub groups: Arc<HashMap<String, String>>,
    /// The part that it names for a picture, by path relative to the data folder.
    pub parts: Arc<HashMap<String, Split>>,
    /// What was found in the file itself.
    pub findings: Vec<Finding>,
}

impl LabelFile {
    /// Its name without the folders.
    pub fn name(&self) -> String {
        name(&self.path)
    }
}

/// A file's name without the folders.
fn name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

/// The one table at the top of a folder whose header names files and labels, if there is exactly one. What cannot be read is
/// none.
pub(super) fn only_one(root: &Path, config: &DataConfig) -> Option<PathBuf> {
    let is_table = |p: &PathBuf| {
        let ending = p.extension().map(|e| e.to_string_lossy().to_lowercase());
        ending.is_some_and(|e| e == "csv" || e == "tsv") && p.is_file()
    };
    let mut tables = std::fs::read_dir(root).ok()?.filter_map(|e| Some(e.ok()?.path())).filter(is_table);
    let usable = |p: &PathBuf| table::has_labels(p, config);
    let first = tables.by_ref().find(usable)?;
    tables.find(usable).is_none().then_some(first)
}

/// Reads the table in a file.
///
/// # Errors
/// As [`Table::parse`], or if the file cannot be read.
pub(super) fn read(path: &Path, config: &DataConfig) -> Result<Table> {
    let bytes = std::fs::read(path).map_err(|e| crate::Error::io("read the label file", path, &e))?;
    Table::parse(&bytes, config).map_err(|e| e.with_path(path))
}

/// Groups that the label file names, with pictures in more than one part.
pub(super) fn divided_groups(dataset: &Dataset) -> Option<Finding> {
    let file = dataset.labels.as_ref()?;
    let column = file.group_column.as_ref()?;
    let mut members: BTreeMap<&str, Vec<(&str, Split)>> = BTreeMap::new();
    for s in &dataset.samples {
        if let Some(group) = file.groups.get(&s.rel) {
            members.entry(group).or_default().push((&s.rel, s.split));
        }
    }
    members.retain(|_, pictures| pictures.iter().any(|(_, split)| *split != pictures[0].1));
    let example = members.keys().next()?;
    let title = format!(
        "{} of the column \"{column}\" ({example}…) divided between training and validation or test: the score may look better \
         than it is",
        count(members.len(), "group is", "groups are")
    );
    let files = members.values().flatten().map(|(rel, _)| (*rel).to_owned()).collect();
    let offer = (!dataset.layout.has_parts()).then_some(Offer::KeepLabelGroups);
    Some(Finding { severity: Severity::Warning, title, files, groups: Vec::new(), offer })
}
