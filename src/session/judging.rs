//! Judging a model on labelled pictures, and how often a run was judged on its test pictures: `test_judged.json`.

use super::jobs::Judged;
use super::runner::Job;
use super::versioned::FileKind;
use super::{evaluations, places, run_pictures, splits};
use crate::config::{DataConfig, GroupBy, SplitKind, TrainConfig};
use crate::data::{Checks, Dataset, SkipReason, Skipped, Split, copies_in_training};
use crate::engine::{self, Classifier, Evaluation, TrainEvent};
use crate::error::{Error, Result, part_of, thousands, times};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
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

/// How often other runs of the same project were judged on test pictures that are this run's too. What cannot be read of another run
/// does not count.
pub fn test_judged_by_others(run_dir: &Path) -> usize {
    let runs = run_dir.parent().filter(|dir| dir.file_name().is_some_and(|name| name == "runs"));
    let Some(entries) = runs.and_then(|runs| std::fs::read_dir(runs).ok()) else { return 0 };
    let times = |dir: &Path| -> Vec<u64> {
        let file = KIND.read(dir, |f: &TestJudged| f.version).ok().flatten();
        file.map_or_else(Vec::new, |f| f.at_unix_s)
    };
    let others = entries.flatten().filter(|e| Some(e.file_name().as_os_str()) != run_dir.file_name());
    let judged: Vec<(PathBuf, Vec<u64>)> =
        others.map(|e| (e.path(), times(&e.path()))).filter(|(_, times)| !times.is_empty()).collect();
    if judged.is_empty() {
        return 0;
    }
    let (own, pictures) = (times(run_dir), splits::pictures(run_dir, Split::Test));
    let shared = judged.iter().filter(|(dir, _)| !splits::pictures(dir, Split::Test).is_disjoint(&pictures));
    // A run that went on from another has that one's judgings among its own.
    let at: BTreeSet<u64> =
        shared.flat_map(|(_, times)| times).copied().filter(|t| !own.contains(t)).collect();
    at.len()
}

/// "judged twice by this run, once by others", of test pictures; `own` times by the run, and `others` by other runs.
pub fn times_judged(own: usize, others: usize) -> String {
    match (own, others) {
        (0, 0) => "never judged yet".to_owned(),
        (own, 0) => format!("judged {}", times(own)),
        (0, others) => format!("never judged by this run, {} by others", times(others)),
        (own, others) => format!("judged {} by this run, {} by others", times(own), times(others)),
    }
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
    let as_it_was = of_run.filter(|_| labels.is_none());
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
    let own = of_run.zip(split).map(|(run, part)| splits::pictures(run, part));
    if let (Some(run), Some(Split::Val), Some(own)) = (as_it_was, split, &own) {
        evaluations::mend(run, own, &evaluation);
    }
    // Counted before anybody has seen the result.
    let test_judged = match run {
        Some(run) if test => count_test(run)?,
        Some(run) => test_judged(run)?,
        None => 0,
    };
    let test_judged_by_others = run.map_or(0, test_judged_by_others);
    let copies = match (of_run, split) {
        (Some(_), Some(part)) => copies_in_training(dataset, &found.contents, part),
        _ => 0,
    };
    let left_out = match &own {
        Some(own) => gone_words(own, &evaluation),
        None => left_out_words(dataset),
    };
    let cautions = copies_words(copies).into_iter().chain(left_out).collect();
    Ok(Judged { evaluation, model, data: root, split, test_judged, test_judged_by_others, cautions })
}

/// What to know of judged pictures of which some are exact copies of pictures that were learned from.
pub fn copies_words(copies: usize) -> Option<String> {
    (copies > 0).then(|| {
        let (is, copy) = if copies == 1 { ("is", "an exact copy") } else { ("are", "exact copies") };
        format!(
            "{} of these pictures {is} {copy} of pictures that were learned from: the numbers are better than on other pictures",
            thousands(copies)
        )
    })
}

/// That some of a run's `own` pictures were not judged, if they were not.
fn gone_words(own: &BTreeSet<String>, evaluation: &Evaluation) -> Option<String> {
    let judged: BTreeSet<&str> = evaluation.predictions.iter().map(|p| p.rel.as_str()).collect();
    let gone = own.iter().filter(|rel| !judged.contains(rel.as_str())).count();
    (gone > 0).then(|| {
        let are = if gone == 1 { "is" } else { "are" };
        format!(
            "{} pictures that the run was judged on {are} not there or cannot be read: the numbers are of the others, and are not kept",
            part_of(gone, own.len())
        )
    })
}

/// Which pictures of a folder that is judged cannot be read, if there are any.
fn left_out_words(dataset: &Dataset) -> Option<String> {
    let unread = |s: &&Skipped| {
        !matches!(
            s.reason,
            SkipReason::Hidden | SkipReason::NotAnImage | SkipReason::Unlabelled | SkipReason::NotLearned(_)
        )
    };
    let mut files = dataset.skipped.iter().filter(unread);
    let (first, more) = (files.next()?, files.count());
    let (files, are) = if more == 0 { ("file", "is") } else { ("files", "are") };
    let others = if more == 0 { String::new() } else { format!(" and {} more", thousands(more)) };
    Some(format!("{} {files} cannot be used and {are} left out: {}{others}", thousands(more + 1), first.rel))
}

/// Which pictures a judgement is about: the folder's own validation pictures, those that the model was not trained on, or,
/// for a folder that the model has never seen, all.
fn judged_split(dataset: &Dataset, trained_on: bool) -> Option<Split> {
    let has_val = dataset.samples.iter().any(|s| s.split == Split::Val);
    ((trained_on || dataset.layout.has_parts()) && has_val).then_some(Split::Val)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run's folder with its test pictures, judged at these times.
    fn run(project: &Path, id: &str, test: &[&str], at: &[u64]) -> PathBuf {
        let dir = project.join("runs").join(id);
        std::fs::create_dir_all(&dir).unwrap();
        let splits: Vec<String> = test.iter().map(|rel| format!("\"{rel}\": \"test\"")).collect();
        let text = format!(
            "{{\"val_fraction\": 0.2, \"split_seed\": 0, \"version\": 1, \"splits\": {{\"c.png\": \"val\", {}}}}}",
            splits.join(", ")
        );
        std::fs::write(dir.join("splits.json"), text).unwrap();
        KIND.write(&dir, &TestJudged { version: 1, at_unix_s: at.to_vec() }).unwrap();
        dir
    }

    #[test]
    fn a_look_at_the_same_test_pictures_counts_whichever_run_had_it() {
        let t = tempfile::tempdir().unwrap();
        let first = run(t.path(), "0001", &["a.png", "b.png"], &[10, 20]);
        let continued = run(t.path(), "0002", &["a.png", "b.png"], &[10, 20, 30]);
        let again = run(t.path(), "0003", &["b.png"], &[]);
        let elsewhere = run(t.path(), "0004", &["d.png"], &[40]);
        let counts = |dir: &Path| (test_judged(dir).unwrap(), test_judged_by_others(dir));
        assert_eq!(counts(&again), (0, 3), "twice by the first, once more by the one that went on from it");
        assert_eq!((counts(&first), counts(&continued)), ((2, 1), (3, 0)));
        assert_eq!(counts(&elsewhere), (1, 0), "on other pictures");
        std::fs::write(first.join("test_judged.json"), "{").unwrap();
        assert_eq!(counts(&again), (0, 3), "the other one knows");
        assert_eq!(test_judged_by_others(t.path()), 0, "a run of no project");
    }

    #[test]
    fn whose_looks_they_were_is_told() {
        assert_eq!(times_judged(0, 0), "never judged yet");
        assert_eq!(times_judged(2, 0), "judged twice");
        assert_eq!(times_judged(0, 1), "never judged by this run, once by others");
        assert_eq!(times_judged(1, 3), "judged once by this run, 3 times by others");
    }
}
