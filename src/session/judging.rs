//! Judging a model on labelled pictures, and how often a run was judged on its test pictures: `test_judged.json`.

use super::jobs::Judged;
use super::runner::Job;
use super::versioned::FileKind;
use super::{places, run_pictures};
use crate::config::{DataConfig, GroupBy, SplitKind, TrainConfig};
use crate::data::{Checks, Dataset, Split};
use crate::engine::{self, Classifier, TrainEvent};
use crate::error::{Error, Result, thousands};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const KIND: FileKind = FileKind {
    name: "test_judged.json",
    what: "the notes of how often the test pictures were judged",
    newest: 1,
    if_damaged: "Bring this file back from a copy",
};

#[derive(Default, Serialize, Deserialize)]
struct TestJudged {
    version: u32,
    /// When, in seconds since 1970.
    at_unix_s: Vec<u64>,
}

/// The file of a run's folder that says when it was judged on test pictures.
pub(super) fn test_judged_file() -> &'static str {
    KIND.name
}

/// How often a run was judged on test pictures, with the judgings of the run that it went on from by then.
///
/// # Errors
/// If the file that says so is damaged.
pub fn test_judged(run_dir: &Path) -> Result<usize> {
    Ok(KIND.read(run_dir, |f: &TestJudged| f.version)?.map_or(0, |f| f.at_unix_s.len()))
}

/// Once more; the number after it.
fn count_test(run_dir: &Path) -> Result<usize> {
    let mut file = KIND.read(run_dir, |f: &TestJudged| f.version)?.unwrap_or_default();
    file.version = KIND.newest;
    file.at_unix_s.push(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()));
    KIND.write(run_dir, &file)?;
    Ok(file.at_unix_s.len())
}

/// The run that a model belongs to: its folder, or the one that holds it.
fn run_of(model: &Path) -> Option<&Path> {
    let is_run = |dir: &&Path| dir.join("config.toml").is_file();
    let inside = model.file_name().is_some_and(|name| name == "model");
    Some(model).filter(is_run).or_else(|| model.parent().filter(|_| inside).filter(is_run))
}

/// The folder of pictures that a model was trained on, where its run is there to tell.
pub fn pictures_of(model: &Path) -> Option<PathBuf> {
    trained_on(run_of(model)?)?.path
}

fn trained_on(run: &Path) -> Option<DataConfig> {
    TrainConfig::load(&run.join("config.toml")).ok().map(|c| c.data)
}

/// Judges a model on the pictures in a folder, with the labels in a file where one is given; with `test` on its test pictures, which is counted in the run's folder.
pub(super) fn judge(
    classifier: &Classifier,
    (model, root, labels): (PathBuf, PathBuf, Option<PathBuf>),
    test: bool,
    job: &Job<'_>,
) -> Result<Judged> {
    let run = run_of(&model);
    if test && run.is_none() {
        return Err(Error::input("only a run can be judged on test pictures: its folder keeps count of it")
            .with_path(&model)
            .with_hint("Name the run's folder"));
    }
    let trained_on = run.and_then(trained_on);
    let of_run = run.filter(|_| {
        let trained = trained_on.as_ref().and_then(|d| d.path.as_deref());
        trained.is_some_and(|p| places::resolved(p) == places::resolved(&root))
    });
    let mut config = trained_on.unwrap_or_default();
    if of_run.is_none() {
        // Other pictures have labels of their own.
        config.labels = None;
        if config.group_by == GroupBy::Csv {
            config.split = SplitKind::Stratified;
        }
    }
    config.labels = labels.or(config.labels);
    let found = run_pictures::of_run(of_run, (&root, &config), Checks::default(), job)?;
    let dataset = &found.dataset;
    let split = if test { Some(Split::Test) } else { judged_split(dataset, of_run.is_some()) };
    let pictures = split.map_or(dataset.samples.len(), |s| dataset.indices(s).len());
    if test && pictures == 0 {
        return Err(Error::input("these pictures have no test part")
            .with_path(&root)
            .with_hint("Put pictures into a folder named test beside train, or move some there on the Data screen before training"));
    }
    let count = thousands(pictures);
    let note = match split {
        Some(Split::Test) => format!("Judging the model on {count} test pictures"),
        Some(_) => format!("Judging the model on {count} validation pictures"),
        None => format!(
            "Judging the model on all {count} pictures. If it has learned from some of them, the result is too good"
        ),
    };
    job.events.train(TrainEvent::Note(note));
    let progress = |done, total| job.progress(done, total);
    let evaluation = engine::evaluate(classifier, dataset, split, job.control, &progress)?;
    // Counted before anybody has seen the result.
    let test_judged = match run {
        Some(run) if test => count_test(run)?,
        Some(run) => test_judged(run)?,
        None => 0,
    };
    Ok(Judged { evaluation, model, data: root, split, test_judged })
}

/// Which pictures a judgement is about: the folder's own validation pictures, those that the model was not trained on, or,
/// for a folder that the model has never seen, all.
fn judged_split(dataset: &Dataset, trained_on: bool) -> Option<Split> {
    let has_val = dataset.samples.iter().any(|s| s.split == Split::Val);
    ((trained_on || dataset.layout.has_parts()) && has_val).then_some(Split::Val)
}
