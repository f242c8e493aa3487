//! What the runs of all folds come to together: cross-validation.

use super::{RunInfo, RunState};
use crate::config::TrainConfig;
use crate::data::Dataset;
use crate::engine::train::written_out;
use crate::engine::{BatchReason, Summary};
use crate::error::{Error, Result};
use crate::export::atomic;
use serde_json::{Value, json};
use std::path::Path;

/// Mean over the folds, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// Their sample standard deviation, with n - 1 below the sum; 0 of a single one.
    pub deviation: f64,
}

impl Spread {
    /// Of at least one value; 0 of none.
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let n = values.clone().count();
        let mean = values.clone().sum::<f64>() / n.max(1) as f64;
        let squares: f64 = values.map(|v| (v - mean).powi(2)).sum();
        let deviation = if n > 1 { (squares / (n - 1) as f64).sqrt() } else { 0.0 };
        Self { mean, deviation }
    }
}

/// What holding out one fold showed.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldScore {
    /// Which fold, from 1.
    pub fold: usize,
    /// Name of its run.
    pub run: String,
    /// Share of its pictures that are right.
    pub accuracy: f64,
    /// Mean of the classes' F1.
    pub macro_f1: f64,
}

impl FoldScore {
    /// From the summary of its run.
    pub fn new(fold: usize, run: impl Into<String>, summary: &Summary) -> Self {
        let (accuracy, macro_f1) = (summary.val.accuracy, summary.val.macro_f1);
        Self { fold, run: run.into(), accuracy, macro_f1 }
    }
}

/// Runs with the same settings, each of which held out another fold.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossValidation {
    /// How many folds there are.
    pub folds: usize,
    /// Those that are done, in their order.
    pub scores: Vec<FoldScore>,
}

impl CrossValidation {
    /// Accuracy over the folds that are done.
    pub fn accuracy(&self) -> Spread {
        Spread::of(self.scores.iter().map(|s| s.accuracy))
    }

    /// Macro F1 over the folds that are done.
    pub fn macro_f1(&self) -> Spread {
        Spread::of(self.scores.iter().map(|s| s.macro_f1))
    }

    /// Whether every fold was held out once.
    pub fn is_complete(&self) -> bool {
        self.scores.len() == self.folds
    }

    /// The finished runs that were trained with `config` on `dataset`, whichever fold was held out; of each fold the first one in
    /// `runs`, which is the newest where the newest come first. What `config` leaves open counts as what a run makes of it.
    pub fn of(runs: &[RunInfo], config: &TrainConfig, dataset: &Dataset) -> Self {
        // Settings that cannot be trained with have no runs.
        let asked = written_out(config, dataset).unwrap_or_else(|_| config.clone());
        let same = |run: &&RunInfo| {
            let [mut own, mut asked] = [&run.config, &asked].map(whatever_fold);
            if was_measured(run) {
                [&mut own, &mut asked].into_iter().for_each(|c| leave_to_the_card(c, config));
            }
            run.state == RunState::Finished && own == asked
        };
        let mut scores: Vec<FoldScore> = Vec::new();
        for run in runs.iter().filter(same) {
            let fold = run.config.data.fold;
            if let Some(summary) = run.summary.as_ref().filter(|_| scores.iter().all(|s| s.fold != fold)) {
                scores.push(FoldScore::new(fold, run.id.clone(), summary));
            }
        }
        scores.sort_by_key(|s| s.fold);
        Self { folds: config.data.folds, scores }
    }

    /// Writes them as JSON: `folds`, `runs` (`fold`, `run`, `accuracy`, `macro_f1`), and of `accuracy` and `macro_f1` the `mean` and
    /// the `standard_deviation`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, file: &Path) -> Result<()> {
        let spread = |s: Spread| json!({"mean": s.mean, "standard_deviation": s.deviation});
        let run = |s: &FoldScore| json!({"fold": s.fold, "run": s.run, "accuracy": s.accuracy, "macro_f1": s.macro_f1});
        let all: Value = json!({
            "version": 1,
            "folds": self.folds,
            "runs": self.scores.iter().map(run).collect::<Vec<_>>(),
            "accuracy": spread(self.accuracy()),
            "macro_f1": spread(self.macro_f1()),
        });
        let text = serde_json::to_vec_pretty(&all)
            .map_err(|e| Error::internal(format!("could not write the folds as JSON ({e})")))?;
        atomic::write(file, &text)
    }
}

/// The settings without what may differ between the folds of one cross-validation.
fn whatever_fold(config: &TrainConfig) -> TrainConfig {
    let mut config = config.clone();
    (config.data.fold, config.data.path) = (1, None);
    // Where there are folds, no share is held out.
    config.data.val_fraction = TrainConfig::default().data.val_fraction;
    config
}

/// Whether the size of the run's steps is what was fastest on a card.
fn was_measured(run: &RunInfo) -> bool {
    run.summary.iter().flat_map(|s| &s.batch_changes).any(|c| c.reason == BatchReason::Measured)
}

/// Leaves open again what a card decided because `asked` left it open.
fn leave_to_the_card(config: &mut TrainConfig, asked: &TrainConfig) {
    let (train, asked) = (&mut config.train, &asked.train);
    train.batch_size = train.batch_size.filter(|_| asked.batch_size.is_some());
    train.learning_rate = train.learning_rate.filter(|_| asked.learning_rate.is_some());
    train.head_learning_rate = train.head_learning_rate.filter(|_| asked.head_learning_rate.is_some());
    for (phase, asked) in train.phases.iter_mut().zip(&asked.phases) {
        phase.learning_rate = phase.learning_rate.filter(|_| asked.learning_rate.is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Layout;
    use crate::engine::BatchChange;

    /// Values of NumPy: `np.mean(x)`, `np.std(x, ddof=1)`.
    #[test]
    fn mean_and_deviation_are_numpy_s() {
        let spread = Spread::of([0.9, 0.95, 0.85, 0.92].into_iter());
        assert!((spread.mean - 0.905).abs() < 1e-12);
        assert!((spread.deviation - 0.042_031_734_043_061_64).abs() < 1e-12, "{}", spread.deviation);
        assert_eq!(Spread::of([0.7].into_iter()), Spread { mean: 0.7, deviation: 0.0 });
    }

    fn pictures() -> Dataset {
        Dataset {
            root: "pictures".into(),
            layout: Layout::ClassFolders,
            labels: None,
            classes: Vec::new(),
            samples: Vec::new(),
            skipped: Vec::new(),
            excluded: Vec::new(),
            verdicts: Default::default(),
            checks: Default::default(),
        }
    }

    fn run(id: &str, fold: usize, accuracy: f64, state: RunState) -> RunInfo {
        let mut config = TrainConfig::default();
        (config.data.folds, config.data.fold) = (3, fold);
        let config = written_out(&config, &pictures()).unwrap();
        let summary = json!({
            "version": 1, "backbone": "small_cnn", "mode": "scratch", "device": "cpu", "epochs_run": 1, "best_epoch": 1,
            "val": {"accuracy": accuracy, "macro_f1": accuracy / 2.0, "loss": 1.0}, "wall_s": 1.0, "images_per_s": 1.0,
            "peak_rss_mib": 1
        });
        RunInfo {
            id: id.to_owned(),
            dir: id.into(),
            state,
            config,
            epochs: Vec::new(),
            summary: Some(serde_json::from_value(summary).unwrap()),
            model_bytes: None,
            notes: String::new(),
            damage: None,
        }
    }

    #[test]
    fn runs_belong_together_that_differ_in_the_fold_alone_and_the_newest_counts() {
        let mut other = run("0009", 1, 0.1, RunState::Finished);
        other.config.train.seed = 7;
        let runs = [
            other,
            run("0005", 3, 0.9, RunState::Interrupted),
            run("0004", 2, 0.8, RunState::Finished),
            run("0003", 1, 0.6, RunState::Finished),
            run("0002", 2, 0.2, RunState::Finished),
        ];
        // All else is left open, as in a new project, and a run writes down what it made of that.
        let mut config = TrainConfig::default();
        (config.data.folds, config.data.val_fraction) = (3, 0.4);
        let found = CrossValidation::of(&runs, &config, &pictures());
        let names: Vec<(usize, &str)> = found.scores.iter().map(|s| (s.fold, s.run.as_str())).collect();
        assert_eq!((names, found.is_complete()), (vec![(1, "0003"), (2, "0004")], false));
        assert!((found.accuracy().mean - 0.7).abs() < 1e-12 && (found.macro_f1().mean - 0.35).abs() < 1e-12);

        config.train.epochs = Some(79);
        assert_eq!(CrossValidation::of(&runs, &config, &pictures()).scores, [], "other settings");

        let t = tempfile::tempdir().unwrap();
        found.save(&t.path().join("folds.json")).unwrap();
        let saved: Value =
            serde_json::from_slice(&std::fs::read(t.path().join("folds.json")).unwrap()).unwrap();
        assert_eq!((&saved["folds"], &saved["runs"][1]["run"]), (&json!(3), &json!("0004")));
        assert!((saved["accuracy"]["standard_deviation"].as_f64().unwrap() - 0.02f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn steps_that_a_card_was_measured_to_be_fastest_with_are_what_was_left_open() {
        let mut measured = run("0001", 1, 0.9, RunState::Finished);
        measured.config.train.batch_size = Some(128);
        measured.config.train.learning_rate = Some(0.006);
        let mut config = TrainConfig::default();
        config.data.folds = 3;
        let scores = |run: &RunInfo, config: &TrainConfig| {
            CrossValidation::of(std::slice::from_ref(run), config, &pictures()).scores.len()
        };
        assert_eq!(scores(&measured, &config), 0, "somebody chose them");
        let change = BatchChange { epoch: 1, from: 32, to: 128, reason: BatchReason::Measured };
        measured.summary.as_mut().unwrap().batch_changes.push(change);
        assert_eq!(scores(&measured, &config), 1);
        config.train.learning_rate = Some(0.001);
        assert_eq!(scores(&measured, &config), 0, "a rate that was chosen is no open one");
    }
}
