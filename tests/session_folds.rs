//! Runs of a cross-validation keep the division that they were begun with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::tiny_pictures;
use headstart::config::TrainConfig;
use headstart::data::Dataset;
use headstart::engine::TrainOutcome;
use headstart::session::{
    CrossValidation, Divide, JobEvent, JobOutput, JobRequest, Outcome, Worker, read_run,
};
use std::path::Path;
use std::time::Duration;

fn run(worker: &Worker, request: JobRequest) -> JobOutput {
    worker.submit(request);
    loop {
        match worker.wait_event(Duration::from_secs(120)).expect("the job ends") {
            JobEvent::Finished(_, Outcome::Done(output)) => return output,
            JobEvent::Finished(_, end) => panic!("{end:?}"),
            _ => {}
        }
    }
}

fn train(
    worker: &Worker,
    config: &TrainConfig,
    dataset: &Dataset,
    run_dir: &Path,
    resume: bool,
) -> TrainOutcome {
    let (config, dataset) = (Box::new(config.clone()), Box::new(dataset.clone()));
    match run(worker, JobRequest::Train { config, dataset, run_dir: run_dir.to_path_buf(), resume }) {
        JobOutput::Trained(outcome) => *outcome,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_goes_on_with_its_own_fold_whatever_is_chosen_meanwhile() {
    let t = tempfile::tempdir().unwrap();
    let (pictures, run_dir) = (t.path().join("pictures"), t.path().join("run"));
    tiny_pictures(&pictures);
    let mut config = TrainConfig::default();
    config.train.epochs = Some(1);
    (config.data.folds, config.data.fold, config.data.path) = (3, 1, Some(pictures.clone()));
    let worker = Worker::spawn(|| {});
    let open = JobRequest::OpenData {
        root: pictures,
        config: Box::new(config.data.clone()),
        project: None,
        divide: Divide::AsSaved,
    };
    let JobOutput::Data(found, _) = run(&worker, open) else { panic!("no pictures") };
    let first = found.divided(&config.data).unwrap();
    let trained = train(&worker, &config, &first, &run_dir, false);

    // It was cut off before its end, and another fold is held out by now.
    std::fs::remove_file(run_dir.join("summary.json")).unwrap();
    std::fs::remove_dir_all(run_dir.join("model")).unwrap();
    let mut others = config.data.clone();
    others.fold = 2;
    let second = found.divided(&others).unwrap();
    assert_ne!(first.samples, second.samples);
    let resumed = train(&worker, &config, &second, &run_dir, true);
    let judged = |o: &TrainOutcome| -> Vec<String> {
        o.evaluation.predictions.iter().map(|p| p.rel.clone()).collect()
    };
    assert_eq!(judged(&resumed), judged(&trained));

    // It is found again by settings that leave open what it wrote down.
    let run = read_run(&run_dir, &config).unwrap();
    assert!(config.train.batch_size.is_none() && run.config.train.batch_size.is_some());
    let found = CrossValidation::of(&[run], &others_settings(&config), &second);
    assert_eq!(found.scores.iter().map(|s| s.fold).collect::<Vec<_>>(), [1]);
}

/// The same settings with another fold held out.
fn others_settings(config: &TrainConfig) -> TrainConfig {
    let mut config = config.clone();
    config.data.fold = 2;
    config
}
