//! `splits.json` of a project or run: which picture is where, and with which settings that was decided.

use super::versioned::FileKind;
use crate::config::{DataConfig, GroupBy, SplitKind};
use crate::data::{Dataset, Finding, Sample, SavedSplits, Severity, Split};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

const KIND: FileKind = FileKind {
    name: "splits.json",
    what: "the saved splits",
    newest: 1,
    if_damaged: "Delete this file to divide the pictures anew",
};

/// How the pictures of a project are divided when they are looked through.
#[derive(Debug, Clone, PartialEq)]
pub enum Divide {
    /// As the project has saved it, and by the settings where it has not.
    AsSaved,
    /// By the settings, whatever the project has saved.
    Anew,
    /// As it once was.
    As(SavedDivision),
}

/// A division as it stood in a project's file, pictures included that were away then.
#[derive(Clone, PartialEq)]
pub struct SavedDivision(pub(crate) Arc<[u8]>);

impl std::fmt::Debug for SavedDivision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SavedDivision({} bytes)", self.0.len())
    }
}

/// A project's pictures were divided otherwise: each of the two can be had again with [`Divide::As`].
#[derive(Debug, Clone, PartialEq)]
pub struct Redivided {
    /// How they were divided.
    pub before: SavedDivision,
    /// How they are divided now.
    pub after: SavedDivision,
}

/// What damaged splits of a project are called once the pictures are divided anew.
const SET_ASIDE: &str = "splits.damaged.json";

#[derive(Serialize, Deserialize)]
struct SplitsFile {
    #[serde(flatten)]
    settings: Settings,
    #[serde(flatten)]
    saved: SavedSplits,
}

/// The settings that decide where a picture goes. Files of earlier versions lack those that there were not yet.
#[derive(PartialEq, Serialize, Deserialize)]
struct Settings {
    val_fraction: f64,
    split_seed: u64,
    #[serde(default = "stratified")]
    split: SplitKind,
    /// Of a grouped split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group_by: Option<GroupBy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group_pattern: Option<String>,
    #[serde(default)]
    test_fraction: f64,
    /// Which fold of how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fold: Option<(usize, usize)>,
}

fn stratified() -> SplitKind {
    SplitKind::Stratified
}

impl Settings {
    fn of(config: &DataConfig) -> Self {
        let group_by = (config.split == SplitKind::Grouped).then_some(config.group_by);
        let pattern = || config.group_pattern.clone();
        Self {
            val_fraction: config.val_fraction,
            split_seed: config.split_seed,
            split: config.split,
            group_by,
            group_pattern: group_by.filter(|by| *by == GroupBy::Pattern).and_then(|_| pattern()),
            test_fraction: config.test_fraction,
            fold: (config.folds > 0).then_some((config.fold, config.folds)),
        }
    }
}

/// The splits saved in `dir`, if there are any and they were decided with the same settings as `config`'s.
pub(super) fn load(dir: &Path, config: &DataConfig) -> Result<Option<SavedSplits>> {
    let file = KIND.read(dir, |f: &SplitsFile| f.saved.version)?;
    Ok(file.filter(|f| f.settings == Settings::of(config)).map(|f| f.saved))
}

/// The places that are saved for the pictures of a project. Damaged ones are renamed, so that the pictures can be divided anew, and
/// told in a finding.
pub(super) fn load_or_set_aside(
    project: &Path,
    config: &DataConfig,
    divide: &Divide,
) -> Result<(Option<SavedSplits>, Option<Finding>)> {
    match saved(project, config, divide) {
        Ok(saved) => Ok((saved, None)),
        Err(e) if e.hint() == Some(KIND.if_damaged) => {
            // Where nothing can be written nothing is saved over it either.
            let kept = match std::fs::rename(project.join(KIND.name), project.join(SET_ASIDE)) {
                Ok(()) => format!("; the damaged file is kept as {SET_ASIDE}"),
                Err(_) => String::new(),
            };
            let title = format!(
                "{}: the pictures are divided anew by the settings{kept}. Runs from before may have been judged on other pictures",
                e.what()
            );
            Ok((None, Some(Finding::about_all(Severity::Warning, title))))
        }
        Err(e) => Err(e),
    }
}

/// Saves where each picture of `dataset` is, as a run keeps it. Pictures that are away for now keep the place they had.
pub(super) fn save(dir: &Path, config: &DataConfig, dataset: &Dataset) -> Result<()> {
    let saved = load(dir, config)?.unwrap_or_default();
    write(dir, config, saved, dataset.samples.iter())
}

/// Saves where each picture is that chance divides, as a project keeps it. What a folder or a label file says itself is not saved:
/// once the file is put aside, the pictures are where they were before it. What stood there is returned where it was not added to,
/// because of other settings or on purpose.
pub(super) fn keep(
    dir: &Path,
    config: &DataConfig,
    dataset: &Dataset,
    divide: &Divide,
) -> Result<Option<Redivided>> {
    let saved = saved(dir, config, divide)?;
    let added_to = *divide == Divide::AsSaved && saved.is_some();
    let before = if added_to { None } else { stored(dir)? };
    write(dir, config, saved.unwrap_or_default(), dataset.divided_by_chance())?;
    let Some(before) = before else { return Ok(None) };
    Ok(stored(dir)?.filter(|after| *after != before).map(|after| Redivided { before, after }))
}

/// What is saved of the places that the pictures get, if anything is, and was decided with the same settings as `config`'s.
fn saved(dir: &Path, config: &DataConfig, divide: &Divide) -> Result<Option<SavedSplits>> {
    match divide {
        Divide::AsSaved => load(dir, config),
        Divide::Anew => Ok(None),
        // One that was damaged says nothing.
        Divide::As(SavedDivision(bytes)) => {
            let file = serde_json::from_slice::<SplitsFile>(bytes).ok();
            Ok(file.filter(|f| f.settings == Settings::of(config)).map(|f| f.saved))
        }
    }
}

/// The division saved in `dir`, as it stands in its file.
fn stored(dir: &Path) -> Result<Option<SavedDivision>> {
    let path = dir.join(KIND.name);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(SavedDivision(bytes.into()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", &path, &e)),
    }
}

fn write<'a>(
    dir: &Path,
    config: &DataConfig,
    mut saved: SavedSplits,
    samples: impl Iterator<Item = &'a Sample>,
) -> Result<()> {
    saved.version = KIND.newest;
    saved.splits.extend(samples.map(|s| (s.rel.clone(), s.split)));
    KIND.write(dir, &SplitsFile { settings: Settings::of(config), saved })
}

/// The pictures of a part as the splits saved in `dir` have them, by path; none where there are no splits that can be read.
pub(super) fn pictures(dir: &Path, part: Split) -> BTreeSet<String> {
    let file = KIND.read(dir, |f: &SplitsFile| f.saved.version).ok().flatten();
    let all = file.map(|f| f.saved.splits).unwrap_or_default();
    all.into_iter().filter(|(_, split)| *split == part).map(|(rel, _)| rel).collect()
}

/// Removes what was saved in `dir`.
pub(super) fn remove(dir: &Path) -> std::io::Result<()> {
    KIND.remove(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Checks, Layout, Verdicts};

    fn dataset(pictures: &[(&str, Split)]) -> Dataset {
        let sample = |&(rel, split): &(&str, Split)| Sample { rel: rel.to_owned(), class: 0, split };
        Dataset {
            root: "pictures".into(),
            layout: Layout::ClassFolders,
            labels: None,
            classes: vec!["ant".to_owned()],
            samples: pictures.iter().map(sample).collect(),
            skipped: Vec::new(),
            excluded: Vec::new(),
            verdicts: Verdicts::default(),
            checks: Checks::default(),
        }
    }

    #[test]
    fn a_picture_that_was_away_comes_back_to_its_place() {
        let t = tempfile::tempdir().unwrap();
        let config = DataConfig::default();
        save(t.path(), &config, &dataset(&[("ant/1.png", Split::Val), ("ant/2.png", Split::Train)])).unwrap();
        save(t.path(), &config, &dataset(&[("ant/2.png", Split::Train), ("ant/3.png", Split::Val)])).unwrap();
        let saved = load(t.path(), &config).unwrap().unwrap();
        let found: Vec<_> = saved.splits.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        assert_eq!(
            found,
            [("ant/1.png", Split::Val), ("ant/2.png", Split::Train), ("ant/3.png", Split::Val)]
        );
    }

    #[test]
    fn a_division_that_another_took_the_place_of_can_be_had_again() {
        let t = tempfile::tempdir().unwrap();
        let config = DataConfig::default();
        let places = |config: &DataConfig| {
            let saved = load(t.path(), config).unwrap();
            saved.map(|saved| saved.splits.into_iter().collect::<Vec<_>>()).unwrap_or_default()
        };
        let divided = |config: &DataConfig, pictures: &[(&str, Split)], divide: &Divide| {
            keep(t.path(), config, &dataset(pictures), divide).unwrap()
        };
        let (as_saved, anew) = (Divide::AsSaved, Divide::Anew);
        let two = [("ant/1.png", Split::Val), ("ant/2.png", Split::Train)];
        assert_eq!(divided(&config, &two, &as_saved), None);
        let third = |split| [("ant/3.png", split)];
        assert_eq!(divided(&config, &third(Split::Train), &as_saved), None, "one came, two are away");
        let first = places(&config);
        assert_eq!(first.len(), 3);
        let redivided = divided(&config, &third(Split::Val), &anew).unwrap();
        assert_eq!(places(&config), [("ant/3.png".to_owned(), Split::Val)]);
        let other = DataConfig { val_fraction: 0.4, ..config.clone() };
        let changed = divided(&other, &third(Split::Train), &as_saved).unwrap();
        assert_eq!(changed.before, redivided.after);
        assert_eq!(divided(&other, &third(Split::Train), &anew), None, "it is the same one");
        // What is there of a division that is had again is in its place; what came later is beside it.
        for (division, there, places_then) in [
            (changed.before, third(Split::Val), vec![("ant/3.png".to_owned(), Split::Val)]),
            (redivided.before, third(Split::Train), first),
        ] {
            let divide = Divide::As(division);
            assert!(load_or_set_aside(t.path(), &config, &divide).unwrap().0.is_some());
            assert!(load_or_set_aside(t.path(), &other, &divide).unwrap().0.is_none(), "of other settings");
            divided(&config, &there, &divide);
            assert_eq!(places(&config), places_then);
            assert!(places(&other).is_empty());
        }
        divided(&other, &third(Split::Train), &Divide::As(changed.after));
        assert_eq!(places(&other), [("ant/3.png".to_owned(), Split::Train)]);
    }

    #[test]
    fn another_share_or_seed_asks_for_another_split() {
        let t = tempfile::tempdir().unwrap();
        let config = DataConfig::default();
        assert!(load(t.path(), &config).unwrap().is_none());
        save(t.path(), &config, &dataset(&[("ant/1.png", Split::Val)])).unwrap();
        assert!(load(t.path(), &config).unwrap().is_some());
        assert!(load(t.path(), &DataConfig { val_fraction: 0.3, ..config.clone() }).unwrap().is_none());
        assert!(load(t.path(), &DataConfig { split_seed: 1, ..config.clone() }).unwrap().is_none());
        assert!(
            load(t.path(), &DataConfig { split: SplitKind::Grouped, ..config.clone() }).unwrap().is_none()
        );
        let fold = DataConfig { folds: 3, fold: 2, ..config.clone() };
        assert!(load(t.path(), &fold).unwrap().is_none());
        // What groups would be does not matter where there are none.
        let unused = DataConfig { group_by: GroupBy::Folder, ..config };
        assert!(load(t.path(), &unused).unwrap().is_some());
        save(t.path(), &fold, &dataset(&[("ant/1.png", Split::Train)])).unwrap();
        assert!(load(t.path(), &fold).unwrap().is_some());
        assert!(load(t.path(), &DataConfig { fold: 3, ..fold }).unwrap().is_none());
    }

    #[test]
    fn damaged_splits_of_a_project_are_kept_and_told_and_newer_ones_stop() {
        let t = tempfile::tempdir().unwrap();
        let config = DataConfig::default();
        std::fs::write(t.path().join(KIND.name), "{\"version\": 1, \"spl").unwrap();
        let (saved, told) = load_or_set_aside(t.path(), &config, &Divide::AsSaved).unwrap();
        let title = told.unwrap().title;
        assert!(saved.is_none() && title.contains("divided anew") && title.contains(SET_ASIDE), "{title}");
        assert!(t.path().join(SET_ASIDE).is_file() && !t.path().join(KIND.name).exists());
        save(t.path(), &config, &dataset(&[("ant/1.png", Split::Val)])).unwrap();
        assert!(load_or_set_aside(t.path(), &config, &Divide::AsSaved).unwrap().1.is_none());
        let newer = "{\"version\": 7, \"val_fraction\": 0.2, \"split_seed\": 0, \"splits\": {}}";
        std::fs::write(t.path().join(KIND.name), newer).unwrap();
        assert!(load_or_set_aside(t.path(), &config, &Divide::AsSaved).is_err());
    }

    #[test]
    fn a_file_of_an_earlier_version_still_counts() {
        let t = tempfile::tempdir().unwrap();
        let text = r#"{"val_fraction": 0.2, "split_seed": 0, "version": 1, "splits": {"ant/1.png": "val"}}"#;
        std::fs::write(t.path().join(KIND.name), text).unwrap();
        let saved = load(t.path(), &DataConfig::default()).unwrap().unwrap();
        assert_eq!(saved.splits["ant/1.png"], Split::Val);
    }

    #[test]
    fn damage_and_newer_versions_are_named() {
        let t = tempfile::tempdir().unwrap();
        for (text, word) in [
            ("{\"version\": 1, \"spl", "damaged"),
            ("{\"version\": 7, \"val_fraction\": 0.2, \"split_seed\": 0, \"splits\": {}}", "version 7"),
        ] {
            std::fs::write(t.path().join(KIND.name), text).unwrap();
            let e = load(t.path(), &DataConfig::default()).unwrap_err().to_string();
            assert!(e.contains(word) && e.contains(KIND.name), "{e}");
        }
    }
}
