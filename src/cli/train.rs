//! `train`: a folder of pictures becomes a classifier.

mod folds;

use super::output::{CliResult, Out};
use super::progress::{Reporter, Style, duration};
use super::tables::{percent, share};
use super::{download, find_rate, job};
use crate::backbones::find;
use crate::config::{DEFAULT_FOLDS, TrainConfig};
use crate::data::{Dataset, Preflight};
use crate::engine::{TrainOutcome, check_unfinished};
use crate::error::{Error, Result, thousands};
use crate::session::{Divide, JobOutput, JobRequest, RunState, Worker, check_readable, read_run, weights};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder of pictures.
    #[arg(long)]
    data: Option<PathBuf>,
    /// A table (CSV) with the labels of the pictures, where folders do not say them.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The network; `headstart-cli backbones` lists them.
    #[arg(long)]
    backbone: Option<String>,
    /// Pretrained weights: a .safetensors or .pth file, its bare name in $HEADSTART_WEIGHTS, or `hub` for the published ones,
    /// downloaded from the Hugging Face Hub unless they are here.
    #[arg(long)]
    weights: Option<PathBuf>,
    /// A configuration file, for example a project's project.toml; the flags here win over it.
    #[arg(long)]
    config: Option<PathBuf>,
    /// One setting, for example train.epochs=30; wins over everything else.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// The folder of the run; with --find-rate, a new file for the curve as JSON lines.
    #[arg(long, required_unless_present = "find_rate")]
    out: Option<PathBuf>,
    /// Seed of everything random in training.
    #[arg(long)]
    seed: Option<u64>,
    /// Hold out this fold for validation, from 1: of data.folds, or of 5.
    #[arg(long)]
    fold: Option<usize>,
    /// Train once for each fold of data.folds, or of 5, in folders fold-1, fold-2 and so on of --out, and write folds.json there: each
    /// one's accuracy and macro F1, their means and standard deviations.
    #[arg(long, conflicts_with_all = ["fold", "find_rate"])]
    all_folds: bool,
    /// How to show progress: a bar on a terminal and nothing elsewhere, if not said.
    #[arg(long, value_enum)]
    progress: Option<Style>,
    /// Go on with the run in --out from its last checkpoint.
    #[arg(long, conflicts_with = "find_rate")]
    resume: bool,
    /// Train nothing: try rising learning rates for at most a hundred steps, and say which one suits.
    #[arg(long)]
    find_rate: bool,
}

impl Args {
    /// The run's folder; none where no run is made.
    fn run_dir(&self) -> Option<&Path> {
        self.out.as_deref().filter(|_| !self.find_rate)
    }
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> CliResult {
    if let Some(run_dir) = args.run_dir().filter(|_| !args.all_folds) {
        check_out(run_dir, args.resume)?;
    }
    let config = configuration(args)?;
    let Some(data) = config.data.path.clone() else {
        return Err(Error::input("no pictures are named").with_hint("Give the folder with --data").into());
    };
    let worker = Worker::spawn(|| {});
    let style = Style::or_by_terminal(args.progress);
    let mut reporter = Reporter::new(style, "Looking at the pictures");
    let request = JobRequest::OpenData {
        root: data,
        config: Box::new(config.data.clone()),
        project: place_of_splits(args).map(Path::to_path_buf),
        divide: Divide::AsSaved,
    };
    let JobOutput::Data(found, _) = job::run_quietly(&worker, request, &mut reporter, out)? else {
        return Err(job::wrong_output());
    };
    check_readable(&found, &config.data)?;
    report_data(&found, style, out)?;
    let Some(run_dir) = args.run_dir() else {
        let dataset = found.dataset.clone();
        return find_rate::run(&worker, config, dataset, style, (args.out.as_deref(), out));
    };
    if args.all_folds {
        return folds::train(&worker, (run_dir, args.resume, style), (&config, &found), out);
    }
    let outcome = train(&worker, style, (config, found.dataset.clone()), (run_dir, args.resume), out)?;
    report(&outcome, style, out)
}

/// Trains into one run's folder.
fn train(
    worker: &Worker,
    style: Style,
    (config, dataset): (TrainConfig, Dataset),
    (run_dir, resume): (&Path, bool),
    out: &mut Out<'_>,
) -> CliResult<TrainOutcome> {
    let mut reporter = Reporter::new(style, "Training");
    let request = JobRequest::Train {
        config: Box::new(config),
        dataset: Box::new(dataset),
        run_dir: run_dir.to_path_buf(),
        resume,
    };
    match job::run_quietly(worker, request, &mut reporter, out)? {
        JobOutput::Trained(outcome) => Ok(*outcome),
        _ => Err(job::wrong_output()),
    }
}

/// Refuses to write over a run, before any work is done.
fn check_out(run_dir: &Path, resume: bool) -> Result<()> {
    check_unfinished(run_dir)?;
    if resume {
        return Ok(());
    }
    match read_run(run_dir, &TrainConfig::default()) {
        Ok(run) if run.state == RunState::Empty => Ok(()),
        Ok(run) => {
            let (what, hint) = match run.state {
                RunState::Training => ("a run that is being trained", "Choose another folder"),
                _ => ("an interrupted run", "Go on with it with --resume, or choose another folder"),
            };
            Err(Error::input(format!("this folder already holds {what}")).with_path(run_dir).with_hint(hint))
        }
        Err(e) => Err(e.with_hint("Choose another folder for the run")),
    }
}

/// Defaults, then the run's or the given file, then the flags, then single settings.
fn configuration(args: &Args) -> Result<TrainConfig> {
    let run_dir = args.run_dir().map(|dir| match args.all_folds {
        true => folds::run_dir(dir, 1),
        false => dir.to_path_buf(),
    });
    let mut config = match (&args.config, run_dir) {
        (Some(file), _) => TrainConfig::load(file)?,
        (None, Some(run_dir)) if args.resume => TrainConfig::load(&run_dir.join("config.toml"))?,
        _ => TrainConfig::default(),
    };
    if let Some(name) = &args.backbone {
        config.backbone.name.clone_from(name);
    }
    if let Some(seed) = args.seed {
        config.train.seed = seed;
    }
    if let Some(data) = &args.data {
        config.data.path = Some(data.clone());
    }
    if let Some(file) = &args.weights {
        config.backbone.weights = Some(file.clone());
    }
    if let Some(fold) = args.fold {
        config.data.fold = fold;
        if config.data.folds == 0 {
            config.data.folds = DEFAULT_FOLDS;
        }
    }
    if args.all_folds {
        config.data.fold = 1;
        if config.data.folds == 0 {
            config.data.folds = DEFAULT_FOLDS;
        }
    }
    let pair = |setting: &String| match setting.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => Err(Error::input(format!("the setting `{setting}` has no value"))
            .with_hint("Write it as --set key=value, for example --set train.epochs=30")),
    };
    let settings = args.settings.iter().map(pair).collect::<Result<Vec<_>>>()?;
    config.set_all(settings.iter().map(|(key, value)| (key.as_str(), value.as_str())))?;
    if let Some(file) = &args.labels {
        config.data.labels = Some(job::label_file(file));
    }
    config.data.path = config.data.path.as_deref().map(absolute);
    config.validate()?;
    if let Some(file) = &config.backbone.weights {
        let file = match download::is_wanted(file) {
            true => download::weights(find(&config.backbone.name)?, Style::or_by_terminal(args.progress))?,
            false => weights::resolve(file)?,
        };
        config.backbone.weights = Some(absolute(&file));
    }
    Ok(config)
}

/// The run must open from any folder.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The folder whose saved splits apply: of the run that is resumed, or of the project that the settings come from.
fn place_of_splits(args: &Args) -> Option<&Path> {
    if args.resume && !args.all_folds {
        return args.run_dir();
    }
    let file = args.config.as_deref()?;
    let dir = file.parent().map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    dir.filter(|_| file.file_name().is_some_and(|n| n == "project.toml"))
}

fn report_data(found: &Preflight, style: Style, out: &mut Out<'_>) -> CliResult {
    let d = &found.dataset;
    if style == Style::Json {
        let findings: Vec<&str> = found.findings.iter().map(|f| f.title.as_str()).collect();
        return out.json_line(&json!({
            "event": "data",
            "pictures": d.samples.len(),
            "classes": d.classes,
            "skipped": d.skipped.len(),
            "findings": findings,
        }));
    }
    out.line(format!(
        "{} pictures in {} classes, {} files left out",
        thousands(d.samples.len()),
        thousands(d.classes.len()),
        thousands(d.skipped.len())
    ))?;
    if let Some(file) = &d.labels {
        out.line(format!("labels from {}, column \"{}\"", file.path.display(), file.label_column))?;
    }
    for f in &found.findings {
        out.line(format!("  {}", f.title))?;
    }
    out.flush()
}

fn report(outcome: &TrainOutcome, style: Style, out: &mut Out<'_>) -> CliResult {
    let s = &outcome.summary;
    if style == Style::Json {
        let mut line = json!({"event": "finished", "run": outcome.run_dir.to_string_lossy()});
        if let (Some(line), Ok(Value::Object(summary))) = (line.as_object_mut(), serde_json::to_value(s)) {
            line.extend(summary);
        }
        return out.json_line(&line);
    }
    let m = &outcome.evaluation.confusion;
    out.line(format!("{} ({}), {} epochs in {}", s.backbone, s.mode, s.epochs_run, duration(s.wall_s)))?;
    out.line(format!("validation accuracy {}", share(m.correct(), m.total())))?;
    out.line(format!(
        "macro F1 {}, loss {:.4}, best epoch {}",
        percent(s.val.macro_f1),
        s.val.loss,
        s.best_epoch
    ))?;
    out.line(format!("The run is in {}", outcome.run_dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(words: &[&str]) -> Args {
        Line::parse_from(std::iter::once("train").chain(words.iter().copied())).args
    }

    #[test]
    fn flags_win_over_the_file_and_settings_over_flags() {
        let t = tempfile::tempdir().unwrap();
        let file = t.path().join("c.toml");
        std::fs::write(&file, "[train]\nseed = 1\nepochs = 3\n[backbone]\nname = \"resnet18\"\n").unwrap();
        let file = file.to_str().unwrap();
        let c = configuration(&args(&["--out", "r", "--config", file])).unwrap();
        assert_eq!((c.train.seed, c.train.epochs, c.backbone.name.as_str()), (1, Some(3), "resnet18"));
        let c =
            configuration(&args(&["--out", "r", "--config", file, "--seed", "2", "--data", "d"])).unwrap();
        assert_eq!((c.train.seed, c.train.epochs), (2, Some(3)));
        assert!(c.data.path.unwrap().is_absolute());
        let words = ["--out", "r", "--config", file, "--seed", "2", "--set", "train.seed = 5"];
        assert_eq!(configuration(&args(&words)).unwrap().train.seed, 5);
    }

    #[test]
    fn a_fold_is_one_of_five_unless_their_number_is_set() {
        let of = |words: &[&str]| configuration(&args(words)).map(|c| (c.data.fold, c.data.folds));
        assert_eq!(of(&["--out", "r", "--fold", "2"]).unwrap(), (2, 5));
        assert_eq!(of(&["--out", "r", "--fold", "2", "--set", "data.folds=3"]).unwrap(), (2, 3));
        let e = of(&["--out", "r", "--fold", "6"]).unwrap_err().to_string();
        assert!(e.contains("data.fold = 6") && e.contains("from 1 to 5") && e.contains("data.folds"), "{e}");
    }

    #[test]
    fn a_setting_without_a_value_or_a_weight_file_that_is_missing_is_named() {
        let e = configuration(&args(&["--out", "r", "--set", "train.epochs"])).unwrap_err().to_string();
        assert!(e.contains("train.epochs") && e.contains("key=value"), "{e}");
        let e = configuration(&args(&["--out", "r", "--weights", "no/such.pth"])).unwrap_err().to_string();
        assert!(e.contains("no/such.pth"), "{e}");
    }

    #[test]
    fn a_project_s_own_splits_are_used_with_its_settings() {
        assert_eq!(
            place_of_splits(&args(&["--out", "r", "--config", "p/project.toml"])),
            Some(Path::new("p"))
        );
        assert_eq!(place_of_splits(&args(&["--out", "r", "--config", "project.toml"])), Some(Path::new(".")));
        assert_eq!(place_of_splits(&args(&["--out", "r", "--config", "p/other.toml"])), None);
        assert_eq!(place_of_splits(&args(&["--out", "r", "--resume"])), Some(Path::new("r")));
    }
}
