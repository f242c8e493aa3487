//! `train --all-folds`: cross-validation, a run for each fold.

use super::super::output::{CliResult, Out};
use super::super::progress::Style;
use super::super::tables::percent;
use super::check_out;
use crate::config::TrainConfig;
use crate::data::Preflight;
use crate::error::{Error, Result};
use crate::session::{CrossValidation, FoldScore, RunState, Spread, Worker, read_run};
use serde_json::json;
use std::path::{Path, PathBuf};

/// What all folds came to, beside their folders.
const FILE: &str = "folds.json";

/// The folder of the run that holds out `fold`, from 1.
pub(super) fn run_dir(out: &Path, fold: usize) -> PathBuf {
    out.join(format!("fold-{fold}"))
}

/// Trains once for each fold; with `--resume` what is finished stays, and what was interrupted goes on.
pub(super) fn train(
    worker: &Worker,
    (dir, resume, style): (&Path, bool, Style),
    (config, found): (&TrainConfig, &Preflight),
    out: &mut Out<'_>,
) -> CliResult {
    let folds = config.data.folds;
    let of_fold = |fold: usize| -> TrainConfig {
        let mut config = config.clone();
        config.data.fold = fold;
        config
    };
    // All are looked at before the first one is trained.
    let mut earlier = Vec::with_capacity(folds);
    for fold in 1..=folds {
        earlier.push(check(&run_dir(dir, fold), &of_fold(fold), resume)?);
    }
    let mut done = CrossValidation { folds, scores: Vec::with_capacity(folds) };
    for (fold, earlier) in (1..=folds).zip(earlier) {
        let (config, run_dir) = (of_fold(fold), run_dir(dir, fold));
        let score = match earlier {
            Earlier::Finished(score) => score,
            Earlier::Interrupted | Earlier::None => {
                let dataset = found.divided(&config.data)?;
                let resume = matches!(earlier, Earlier::Interrupted);
                let outcome = super::train(worker, style, (config, dataset), (&run_dir, resume), out)?;
                FoldScore::new(fold, format!("fold-{fold}"), &outcome.summary)
            }
        };
        report(&score, folds, style, out)?;
        done.scores.push(score);
    }
    done.save(&dir.join(FILE))?;
    report_all(&done, dir, style, out)
}

/// What is there of a fold's run.
enum Earlier {
    None,
    Interrupted,
    Finished(FoldScore),
}

fn check(dir: &Path, config: &TrainConfig, resume: bool) -> Result<Earlier> {
    if !resume {
        check_out(dir, false)?;
        return Ok(Earlier::None);
    }
    let run = read_run(dir, config)?;
    Ok(match (run.state, &run.summary) {
        (RunState::Finished, Some(summary)) => {
            Earlier::Finished(FoldScore::new(config.data.fold, run.id.clone(), summary))
        }
        (RunState::Training, _) => {
            return Err(Error::input("this run is being trained").with_path(dir));
        }
        (RunState::Interrupted, _) => Earlier::Interrupted,
        _ => Earlier::None,
    })
}

fn report(score: &FoldScore, folds: usize, style: Style, out: &mut Out<'_>) -> CliResult {
    if style == Style::Json {
        let line = json!({
            "event": "fold",
            "fold": score.fold,
            "folds": folds,
            "run": score.run,
            "accuracy": score.accuracy,
            "macro_f1": score.macro_f1,
        });
        return out.json_line(&line);
    }
    let (accuracy, macro_f1) = (percent(score.accuracy), percent(score.macro_f1));
    out.line(format!("fold {} of {folds}: validation accuracy {accuracy}, macro F1 {macro_f1}", score.fold))?;
    out.flush()
}

fn report_all(done: &CrossValidation, dir: &Path, style: Style, out: &mut Out<'_>) -> CliResult {
    if style == Style::Json {
        return Ok(());
    }
    let words = |s: Spread| format!("{} \u{b1} {}", percent(s.mean), percent(s.deviation));
    out.line(format!(
        "mean over {} folds \u{b1} standard deviation: validation accuracy {}, macro F1 {}",
        done.folds,
        words(done.accuracy()),
        words(done.macro_f1())
    ))?;
    out.line(format!("The runs and {FILE} are in {}", dir.display()))
}
