//! Finding the pictures and classes in a folder, without decoding anything.

use super::Progress;
use super::checks::Checks;
use super::decisions::Verdicts;
use super::division;
use super::labels::{self, LabelFile};
use super::split::{self, SavedSplits, Split};
use super::walk::{Found, Plan, Walk};
use crate::config::DataConfig;
use crate::error::{Error, Result, count};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// How a folder is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `train/` and `val/` (also `valid`, `validation`), maybe `test/`, each with one folder a class.
    SplitFolders,
    /// One folder a class.
    ClassFolders,
    /// A file names the label of each picture.
    LabelFile,
    /// A file names the label of each picture and the part it belongs to.
    SplitLabelFile,
}

impl Layout {
    /// Whether the folder itself says which part a picture belongs to.
    pub fn has_parts(self) -> bool {
        matches!(self, Self::SplitFolders | Self::SplitLabelFile)
    }
}

/// One picture and its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Path relative to [`Dataset::root`], with `/`.
    pub rel: String,
    /// Index into [`Dataset::classes`].
    pub class: usize,
    /// Which part it belongs to.
    pub split: Split,
}

/// Why a file was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipReason {
    /// Its name begins with a dot, or it is a system's own file (`Thumbs.db`, `desktop.ini`).
    Hidden,
    /// Neither its name nor its content is a picture's.
    NotAnImage,
    /// It, or the folder it is in, could not be opened; the text says why.
    Unreadable(String),
    /// It is the folder of this class, and could not be opened; the text says why.
    ClassUnreadable(String, String),
    /// It could not be decoded; the text says why.
    Undecodable(String),
    /// A link that points nowhere or back to a folder above it.
    BrokenLink,
    /// It lies where no class folder is.
    Misplaced,
    /// The label file gives it no label.
    Unlabelled,
    /// It is a test picture of this class, of which there is nothing to learn from.
    NotLearned(String),
}

/// A file that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Path relative to [`Dataset::root`].
    pub rel: String,
    /// Why.
    pub reason: SkipReason,
}

/// The labelled pictures of a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The folder.
    pub root: PathBuf,
    /// How it is laid out.
    pub layout: Layout,
    /// The file that the labels come from; none where they come from folders.
    pub labels: Option<LabelFile>,
    /// Class names in natural order.
    pub classes: Vec<String>,
    /// Pictures, sorted by path in natural order.
    pub samples: Vec<Sample>,
    /// Files left out.
    pub skipped: Vec<Skipped>,
    /// Pictures that a person left out, as their folder says.
    pub excluded: Vec<Sample>,
    /// What a person decided about pictures; `samples` and `excluded` follow it.
    pub verdicts: Verdicts,
    /// What earlier looks at the files showed, so that [`preflight`](super::preflight()) need not decode them again.
    pub checks: Checks,
}

impl Dataset {
    /// Full path of sample `index`.
    pub fn path(&self, index: usize) -> PathBuf {
        self.root.join(&self.samples[index].rel)
    }

    /// Index of the sample that lies at `rel`, if there is one.
    pub fn position(&self, rel: &str) -> Option<usize> {
        self.samples.binary_search_by(|s| natural(&s.rel, rel)).ok()
    }

    /// Indices of the samples of one split, in order.
    pub fn indices(&self, split: Split) -> Vec<usize> {
        (0..self.samples.len()).filter(|&i| self.samples[i].split == split).collect()
    }

    /// How many pictures of each class a split has.
    pub fn class_counts(&self, split: Split) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for s in self.samples.iter().filter(|s| s.split == split) {
            counts[s.class] += 1;
        }
        counts
    }

    /// Refuses classes that have nothing to learn from.
    pub(super) fn check_classes(&self) -> Result<()> {
        let train = self.class_counts(Split::Train);
        let val = self.class_counts(Split::Val);
        let Some(class) = (0..train.len()).find(|&c| train[c] == 0 && val[c] > 0) else { return Ok(()) };
        let name = &self.classes[class];
        let pictures = count(val[class], "picture", "pictures");
        let what = format!("the class \"{name}\" is present only in validation ({pictures})");
        let hint = match &self.labels {
            Some(file) => format!("Name pictures of it for training in {}, or remove its rows", file.name()),
            None => {
                format!(
                    "Give train/ a folder named \"{name}\" with pictures (capital letters count), or remove it"
                )
            }
        };
        Err(Error::input(what).with_path(&self.root).with_hint(hint))
    }
}

/// Reads the folder's structure: layout, classes, pictures by name, splits. Decodes nothing.
///
/// The labels come from the file [`DataConfig::labels`] where it is given, and from the one label file in the folder where the
/// folder has no two class folders.
///
/// `saved` keeps earlier splits; pictures that it does not name are divided as `config` says. A folder with `train/` but no `val/` has its training pictures split so.
///
/// `progress` gets the number of files seen so far for both numbers: the total is not known before the end.
///
/// # Errors
/// If the folder cannot be read, holds no class with pictures, a class is present only in validation, or the label file
/// cannot be used.
pub fn scan(
    root: &Path,
    config: &DataConfig,
    saved: Option<&SavedSplits>,
    progress: Progress<'_>,
) -> Result<Dataset> {
    let meta = std::fs::metadata(root).map_err(|e| Error::io("read the data folder", root, &e))?;
    if !meta.is_dir() {
        return Err(Error::input("the data folder is a file, not a folder")
            .with_path(root)
            .with_hint(EXPECTED));
    }
    if let Some(file) = &config.labels {
        return by_labels(root, &root.join(file), config, saved, progress);
    }
    let by_folders = by_folders(root, progress);
    let stopped = by_folders.as_ref().is_err_and(Error::is_cancelled);
    let usable = by_folders.as_ref().is_ok_and(|(walk, ..)| {
        let first = walk.found.first().map(|f| &f.class);
        walk.found.iter().any(|f| Some(&f.class) != first)
    });
    if !usable
        && !stopped
        && let Some(file) = labels::only_one(root, config)
    {
        return by_labels(root, &file, config, saved, progress);
    }
    let (walk, layout, has_val) = by_folders?;
    finish(walk, (layout, None), has_val, config, saved)
}

/// What class folders hold, how they are laid out, and whether there is a validation part.
fn by_folders<'a>(root: &Path, progress: Progress<'a>) -> Result<(Walk<'a>, Layout, bool)> {
    let mut walk = Walk::new(root, progress);
    let top = walk.list_root()?;
    let plan = Plan::of(&mut walk, top)?;
    for (dir, part) in plan.class_dirs {
        walk.class_dir(dir, part)?;
    }
    walk.follow_links()?;
    Ok((walk, plan.layout, plan.has_val))
}

/// All pictures of the folder, with the labels that a file gives them.
fn by_labels(
    root: &Path,
    file: &Path,
    config: &DataConfig,
    saved: Option<&SavedSplits>,
    progress: Progress<'_>,
) -> Result<Dataset> {
    let table = labels::read(file, config)?;
    let mut walk = Walk::new(root, progress);
    let top = walk.list_root()?;
    walk.everything(top)?;
    let joined = labels::join(root, file, table, std::mem::take(&mut walk.found))?;
    walk.found = joined.found;
    walk.skipped.retain(|s| root.join(&s.rel) != file);
    walk.skipped.extend(joined.skipped);
    let layout = if joined.has_parts { Layout::SplitLabelFile } else { Layout::LabelFile };
    let has_val = walk.found.iter().any(|f| f.split == Split::Val);
    finish(walk, (layout, Some(joined.file)), has_val, config, saved)
}

/// Groups what was found into classes, splits it, and puts all in order.
fn finish(
    walk: Walk<'_>,
    (layout, labels): (Layout, Option<LabelFile>),
    has_val: bool,
    config: &DataConfig,
    saved: Option<&SavedSplits>,
) -> Result<Dataset> {
    let Walk { root, found, mut skipped, class_dirs, .. } = walk;
    if found.is_empty() {
        return Err(nothing_found(&root, &skipped, class_dirs.len()));
    }
    let filled: HashSet<(&str, Split)> = found.iter().map(|f| (f.class.as_str(), f.split)).collect();
    for (rel, class, split) in class_dirs {
        if !filled.contains(&(class.as_str(), split)) && !skipped.iter().any(|s| s.rel == rel) {
            skipped.push(Skipped { rel, reason: SkipReason::Unreadable("it holds no pictures".into()) });
        }
    }
    // A test folder often holds pictures without labels: a class that is nowhere else says nothing.
    let (mut found, not_learned): (Vec<&Found>, Vec<&Found>) = found.iter().partition(|f| {
        let class = f.class.as_str();
        filled.contains(&(class, Split::Train)) || filled.contains(&(class, Split::Val))
    });
    skipped.extend(
        not_learned
            .iter()
            .map(|f| Skipped { rel: f.rel.clone(), reason: SkipReason::NotLearned(f.class.clone()) }),
    );
    skipped.sort_by(|a, b| natural(&a.rel, &b.rel));
    found.sort_by(|a, b| natural(&a.rel, &b.rel));

    let labelled = filled.iter().filter(|(_, split)| *split != Split::Test);
    let mut classes: Vec<String> = labelled.map(|(class, _)| (*class).to_owned()).collect();
    classes.sort_by(|a, b| natural(a, b));
    classes.dedup();
    let number: HashMap<&str, usize> = classes.iter().enumerate().map(|(i, c)| (c.as_str(), i)).collect();
    let sample = |f: &&Found| {
        let class = *number.get(f.class.as_str())?;
        Some(Sample { rel: f.rel.clone(), class, split: f.split })
    };
    let mut samples: Vec<Sample> = found.iter().filter_map(sample).collect();
    if !has_val {
        split::divide(&mut samples, &classes, (layout, labels.as_ref()), config, saved)?;
    } else if config.folds > 0 {
        return Err(division::has_own_val(&root));
    }
    let dataset = Dataset {
        root,
        layout,
        labels,
        classes,
        samples,
        skipped,
        excluded: Vec::new(),
        verdicts: Verdicts::default(),
        checks: Checks::default(),
    };
    dataset.check_classes()?;
    Ok(dataset)
}

/// Natural order (`a2` before `a10`); names that it calls equal are put in order by their bytes.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    natord::compare(a, b).then_with(|| a.cmp(b))
}

/// What a data folder has to look like.
pub(super) const EXPECTED: &str = "Give a folder with one sub-folder of pictures for each class, with train/ and val/ that each hold such \
                        class folders, or with one table (CSV) of files and labels";

fn nothing_found(root: &Path, skipped: &[Skipped], class_folders: usize) -> Error {
    let unreadable = skipped.iter().find_map(|s| match &s.reason {
        SkipReason::Unreadable(why) | SkipReason::ClassUnreadable(_, why) => Some((&s.rel, why)),
        _ => None,
    });
    let loose = skipped.iter().filter(|s| s.reason == SkipReason::Misplaced).count();
    let what = if let Some((rel, why)) = unreadable {
        format!("no class folder with pictures was found, and {rel} could not be read ({why})")
    } else if loose > 0 {
        let lie = count(loose, "picture lies", "pictures lie");
        format!("no class folder with pictures was found; {lie} outside of class folders")
    } else if skipped.is_empty() && class_folders == 0 {
        "the data folder is empty".to_owned()
    } else {
        format!(
            "no pictures were found in {}; {} left out",
            count(class_folders, "folder", "folders"),
            count(skipped.len(), "other file was", "other files were")
        )
    };
    Error::input(what).with_path(root).with_hint(EXPECTED)
}
