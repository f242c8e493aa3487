//! What worker events make of the state.

use super::*;
use crate::config::DataConfig;
use crate::config::TrainConfig;
use crate::data::{Checks, Dataset, Layout, Preflight, Sample, Split, Verdicts};
use crate::engine::features::map::Plane;
use crate::engine::train::SplitScore;
use crate::engine::{
    BatchChange, BatchReason, ConfusionMatrix, EpochRecord, Evaluation, Prediction, Summary, Unlike,
};
use crate::session::{Analysis, Looked, Project, Redivided, SavedDivision};
use crate::ui::state::{LiveTraining, TakenBack};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn preflight() -> Arc<Preflight> {
    let sample = |n: usize| Sample { rel: format!("c{}/{n}.png", n % 2), class: n % 2, split: Split::Val };
    let dataset = Dataset {
        root: "/pictures".into(),
        layout: Layout::ClassFolders,
        labels: None,
        classes: vec!["c0".into(), "c1".into()],
        samples: (0..4).map(sample).collect(),
        skipped: Vec::new(),
        excluded: Vec::new(),
        verdicts: Verdicts::default(),
        checks: Checks::default(),
    };
    Arc::new(Preflight::unseen(dataset))
}

fn outcome() -> TrainOutcome {
    let mut confusion = ConfusionMatrix::new(2);
    confusion.add(0, 0);
    confusion.add(1, 0);
    let prediction = |truth| Prediction {
        rel: format!("c{truth}/0.png"),
        truth,
        predicted: 0,
        probabilities: vec![0.9, 0.1],
    };
    TrainOutcome {
        summary: Summary {
            version: 1,
            backbone: "small_cnn".into(),
            mode: "scratch".into(),
            device: "cpu".into(),
            precision: "f32".to_owned(),
            epochs_run: 1,
            best_epoch: 1,
            val: SplitScore {
                accuracy: 0.5,
                macro_f1: 1.0 / 3.0,
                loss: 1.0,
                pictures: 2,
                copies_in_training: 0,
            },
            wall_s: 1.0,
            images_per_s: 1.0,
            peak_rss_mib: 1,
            batch_changes: Vec::new(),
        },
        epochs: Vec::new(),
        evaluation: Evaluation {
            classes: vec!["c0".into(), "c1".into()],
            predictions: vec![prediction(0), prediction(1)],
            confusion,
            loss: 1.0,
        },
        run_dir: "/project/runs/0001".into(),
    }
}

fn with_job(kind: JobKind) -> AppState {
    let job = RunningJob::new(JobId(1), kind);
    AppState { jobs: vec![job], ..AppState::default() }
}

fn done(output: JobOutput) -> JobEvent {
    JobEvent::Finished(JobId(1), Outcome::Done(output))
}

#[test]
fn opened_pictures_lead_to_data_and_the_sample_straight_to_train() {
    for (sample, screen) in [(false, Screen::Data), (true, Screen::Train)] {
        let mut state = with_job(JobKind::OpenData);
        state.sample_wanted = sample;
        let follow = [FollowUp::RefreshRuns, FollowUp::RefreshDecisions];
        assert_eq!(state.absorb(done(JobOutput::Data(preflight(), Looked::default()))), follow);
        assert!(state.screen == screen && state.jobs.is_empty() && !state.sample_wanted);
    }
}

#[test]
fn a_finished_training_ends_on_the_matrix_unless_the_user_is_elsewhere() {
    for (at, ends) in [(Screen::Train, Screen::Evaluate), (Screen::Data, Screen::Data)] {
        let mut state = with_job(JobKind::Train { run_dir: "/project/runs/0001".into() });
        state.preflight = Some(preflight());
        state.screen = at;
        state.absorb(done(JobOutput::Trained(Box::new(outcome()))));
        assert_eq!(state.screen, ends);
        let shown = state.evaluation.as_ref().unwrap();
        assert_eq!(
            (shown.title.as_str(), shown.data_root.to_str()),
            ("run 0001 · validation", Some("/pictures"))
        );
        assert!(state.notices.all()[0].text.contains("0.500 accuracy · 1 of 2 · validation"));
    }
}

#[test]
fn a_smaller_batch_size_is_told_once_and_stays_with_the_training() {
    let mut state = with_job(JobKind::Train { run_dir: "/project/runs/0001".into() });
    state.training = Some(LiveTraining::new("/project/runs/0001".into(), TrainConfig::default(), Vec::new()));
    let change = BatchChange { epoch: 3, from: 64, to: 32, reason: BatchReason::OutOfMemory };
    state.absorb(JobEvent::Train(JobId(1), TrainEvent::BatchSize(change)));
    let notice = &state.notices.all()[0];
    assert_eq!(
        (notice.tone, notice.text.as_str()),
        (Tone::Warn, "32 pictures a step instead of 64 from epoch 3 on: the card's memory was full")
    );
    assert_eq!(state.training.unwrap().batch_changes, [change]);
}

#[test]
fn a_training_that_was_stopped_says_after_which_epoch_and_which_is_kept() {
    let epochs = |planned: usize| -> Vec<EpochRecord> {
        let line = |epoch: usize| {
            format!(
                r#"{{"epoch": {epoch}, "epochs": {planned}, "phase": "head", "train_loss": 1, "train_accuracy": 0.5,
                "val_loss": 1, "val_accuracy": 0.5, "val_macro_f1": 0.5, "learning_rate": 0.1, "images_per_s": 1,
                "elapsed_s": 1, "eta_s": 1, "best": true}}"#
            )
        };
        (1..=14).map(|epoch| serde_json::from_str(&line(epoch)).unwrap()).collect()
    };
    for (stopping, planned, words) in [
        (true, 80, "stopped after epoch 14 of 80. Epoch 12 is kept: 0.500 accuracy · 1 of 2"),
        (true, 14, "Training is finished"),
        (false, 80, "Training is finished"),
    ] {
        let mut state = with_job(JobKind::Train { run_dir: "/project/runs/0001".into() });
        state.jobs[0].stopping = stopping;
        let mut result = outcome();
        (result.summary.epochs_run, result.summary.best_epoch) = (14, 12);
        result.epochs = epochs(planned);
        state.absorb(done(JobOutput::Trained(Box::new(result))));
        assert!(state.notices.all()[0].text.contains(words), "{}", state.notices.all()[0].text);
    }
}

#[test]
fn each_step_leads_to_the_next() {
    let mut state = AppState::default();
    assert_eq!(state.next_step().label, "Open a folder…");
    state.preflight = Some(preflight());
    state.screen = Screen::Data;
    assert_eq!(state.next_step().action, Action::Go(Screen::Model));
    // Where a network is chosen already, as for the sample, nobody is sent to choose one.
    state.config = crate::config::TrainConfig::for_sample();
    assert_eq!(state.next_step().action, Action::Go(Screen::Train));
    state.config = crate::config::TrainConfig::default();
    state.config.backbone.name = "resnet18".to_owned();
    assert_eq!(state.next_step().action, Action::Go(Screen::Train));
    state.screen = Screen::Model;
    assert_eq!(state.next_step().action, Action::Go(Screen::Train));
    state.screen = Screen::Train;
    assert_eq!(state.next_step().action, Action::Train);
    state.weights = WeightsState::Checking;
    assert!(state.next_step().blocked.unwrap().contains("being read"));
}

#[test]
fn a_folder_that_cannot_be_used_leaves_what_is_open_as_it_is() {
    let project = |dir: &str| Project { dir: dir.into(), config: crate::config::TrainConfig::default() };
    let opening = || {
        let mut state = with_job(JobKind::OpenData);
        state.project = Some(project("/old"));
        state.preflight = Some(preflight());
        state.opening = Some(Box::new(project("/new")));
        state
    };
    let dir = |state: &AppState| state.project.as_ref().map(|p| p.dir.clone());
    for end in [Outcome::Failed(Error::input("no classes")), Outcome::Cancelled] {
        let mut state = opening();
        state.absorb(JobEvent::Finished(JobId(1), end));
        assert!(state.preflight.is_some() && state.opening.is_none() && state.data_error.is_none());
        assert_eq!((dir(&state), state.settings.recent_projects.len()), (Some("/old".into()), 0));
    }
    let mut state = opening();
    let follow = state.absorb(done(JobOutput::Data(preflight(), Looked::default())));
    assert_eq!(follow, [FollowUp::Opened, FollowUp::RefreshRuns, FollowUp::RefreshDecisions]);
    assert_eq!(dir(&state), Some("/new".into()));
    assert_eq!(state.settings.recent_projects, [PathBuf::from("/new")]);
    assert!(state.preflight.is_some() && state.opening.is_none());
}

#[test]
fn pictures_and_what_can_be_undone_stay_as_they_were_where_another_look_comes_to_nothing() {
    let division = |text: &str| SavedDivision(text.as_bytes().into());
    let redivided = || Redivided { before: division("first"), after: division("second") };
    for share in [0.2, 0.4] {
        let mut state = with_job(JobKind::OpenData);
        state.project = Some(Project { dir: "/p".into(), config: state.config.clone() });
        state.preflight = Some(preflight());
        let wanted = DataConfig { val_fraction: share, ..state.config.data.clone() };
        state.trying = Some(Box::new(wanted.clone()));
        let looked = Looked { with: wanted, redivided: Some(redivided()), moved: true };
        state.absorb(done(JobOutput::Data(preflight(), looked)));
        let (history, divided) = (state.history.clone(), state.config.clone());
        for end in [Outcome::Cancelled, Outcome::Failed(Error::input("the disk is gone"))] {
            assert_eq!(state.undo(), Some(TakenBack::Settings(Some(division("first")))));
            assert_eq!(state.config.data.val_fraction, 0.2);
            state.jobs = with_job(JobKind::OpenData).jobs;
            assert!(state.train_block().unwrap().contains("being looked through"));
            let follow = state.absorb(JobEvent::Finished(JobId(1), end));
            assert!(follow.contains(&FollowUp::SaveProject), "{follow:?}");
            assert_eq!((&state.history, &state.config), (&history, &divided));
            assert_eq!(state.project.as_ref().unwrap().config, divided);
        }
        // Once it has come to something, nothing leads behind it.
        state.undo();
        state.jobs = with_job(JobKind::OpenData).jobs;
        let looked = Looked { with: state.config.data.clone(), redivided: None, moved: true };
        state.absorb(done(JobOutput::Data(preflight(), looked)));
        state.jobs = with_job(JobKind::OpenData).jobs;
        assert_eq!(state.absorb(JobEvent::Finished(JobId(1), Outcome::Cancelled)), []);
        assert_eq!(state.redo(), Some(TakenBack::Settings(Some(division("second")))));
    }
}

#[test]
fn settings_that_read_the_pictures_otherwise_keep_both_divisions_and_training_waits_for_them() {
    let mut state = with_job(JobKind::OpenData);
    state.absorb(done(JobOutput::Data(preflight(), Looked::default())));
    let (before, other) =
        (state.config.clone(), DataConfig { val_fraction: 0.4, ..state.config.data.clone() });
    state.config.data = other.clone();
    state.record_settings(before);
    assert!(state.train_block().unwrap().contains("(F5)"));
    let [first, second] = ["first", "second"].map(|text| SavedDivision(text.as_bytes().into()));
    let redivided = Redivided { before: first.clone(), after: second };
    state.jobs = with_job(JobKind::OpenData).jobs;
    let looked = Looked { with: other, redivided: Some(redivided), moved: true };
    state.absorb(done(JobOutput::Data(preflight(), looked)));
    assert_eq!(state.train_block(), None);
    assert_eq!(state.undo(), Some(TakenBack::Settings(Some(first))));
    assert_eq!(state.undo(), None, "it is one change");
}

#[test]
fn pictures_of_a_project_that_gave_way_to_another_are_not_shown_in_it() {
    let mut state = with_job(JobKind::OpenData);
    let mut config = crate::config::TrainConfig::default();
    config.data.path = Some("/elsewhere".into());
    state.project = Some(Project { dir: "/q".into(), config });
    assert_eq!(state.absorb(done(JobOutput::Data(preflight(), Looked::default()))), []);
    assert!(state.preflight.is_none());
}

#[test]
fn a_failure_is_told_once_and_stays_where_it_matters() {
    let failed = || JobEvent::Finished(JobId(1), Outcome::Failed(Error::input("no classes")));
    let mut state = with_job(JobKind::OpenData);
    state.absorb(failed());
    assert!(state.data_error.is_some() && state.notices.all().len() == 1);
    let mut state = with_job(JobKind::CheckWeights);
    state.absorb(failed());
    assert!(matches!(state.weights, WeightsState::Failed(_)) && state.notices.all().is_empty());
    state.absorb(failed());
    assert!(state.notices.all().is_empty(), "a second end of the same job changes nothing");
}

#[test]
fn a_project_whose_pictures_cannot_be_used_is_open_and_leads_to_the_way_out() {
    let mut state = with_job(JobKind::OpenData);
    let mut config = crate::config::TrainConfig::default();
    config.data.labels = Some("/bad.csv".into());
    (state.screen, state.config) = (Screen::Start, config.clone());
    state.project = Some(Project { dir: "/p".into(), config });
    state.absorb(JobEvent::Finished(JobId(1), Outcome::Failed(Error::input("no row names a picture"))));
    assert_eq!(state.screen, Screen::Data);
    assert!(state.project.is_some() && state.data_error.is_some() && state.chosen_labels().is_some());
}

#[test]
fn a_table_is_kept_with_the_pictures_that_it_labels_and_otherwise_leaves_those_on_show() {
    let project = Project { dir: "/p".into(), config: crate::config::TrainConfig::default() };
    let mut state = with_job(JobKind::OpenData);
    (state.project, state.preflight) = (Some(project), Some(preflight()));
    state.with_labels(Some("/bad.csv".into()));
    state.absorb(JobEvent::Finished(JobId(1), Outcome::Failed(Error::input("no row names a picture"))));
    assert!(state.data_error.is_none() && state.preflight.is_some() && state.trying.is_none());
    assert_eq!((state.config.data.labels.as_ref(), state.notices.all().len()), (None, 1));

    state.jobs = with_job(JobKind::OpenData).jobs;
    state.with_labels(Some("/good.csv".into()));
    let follow = state.absorb(done(JobOutput::Data(preflight(), Looked::default())));
    assert_eq!(follow[0], FollowUp::SaveProject);
    assert_eq!(state.config.data.labels, Some("/good.csv".into()));

    state.jobs = with_job(JobKind::OpenData).jobs;
    state.with_labels(None);
    state.absorb(JobEvent::Finished(JobId(1), Outcome::Cancelled));
    assert!(state.trying.is_none() && state.config.data.labels.is_some());
}

#[test]
fn what_hindered_a_comparison_is_forgotten_once_the_pictures_were_looked_through_anew() {
    let mut state = with_job(JobKind::OpenData);
    let (classes, confusion) = (Vec::new(), ConfusionMatrix::new(2));
    let evaluation = Evaluation { classes, predictions: Vec::new(), confusion, loss: 0.0 };
    state.show_evaluation(evaluation, "/pictures".into(), Some("/runs/0001".into()), "run 0001", Vec::new());
    state.insight.found_on_disk(Path::new("/runs/0001"), true);
    assert!(state.comparison_is_kept());
    state.insight.analysis_error = Some(Error::input("could not read a picture"));
    assert!(!state.comparison_is_kept(), "it does not begin again by itself");
    state.absorb(done(JobOutput::Data(preflight(), Looked::default())));
    assert!(state.comparison_is_kept() && state.insight.analysis_error.is_none());
}

#[test]
fn answers_find_the_picture_that_waits() {
    let mut state = with_job(JobKind::Predict);
    state.predictions.wait_for("a.png".into());
    state.predictions.wait_for("b.png".into());
    let ranked = vec![("ants".to_owned(), 0.9)];
    state.absorb(JobEvent::Predicted(JobId(1), "b.png".into(), Ok(ranked)));
    state.absorb(done(JobOutput::Predicted));
    let left: Vec<_> = state.predictions.pictures().iter().map(|p| p.path.to_str().unwrap()).collect();
    assert_eq!(left, ["b.png"], "what was never answered does not wait for ever");
}

#[test]
fn pictures_stay_with_the_reason_where_the_model_cannot_be_read() {
    let mut state = with_job(JobKind::Predict);
    state.predictions.put("before.png".into(), Ok(vec![("ants".to_owned(), 0.9)]));
    state.predictions.wait_for("a.png".into());
    state.predictions.wait_for("folder".into());
    let why = Error::input("the model is damaged");
    state.absorb(JobEvent::Finished(JobId(1), Outcome::Failed(why.clone())));
    let listed = |state: &AppState| -> Vec<_> {
        let list = state.predictions.pictures().iter();
        list.map(|p| (p.path.display().to_string(), p.result.clone())).collect()
    };
    let failed = |path: &str| (path.to_owned(), Some(Err(why.clone())));
    assert_eq!(listed(&state)[1..], [failed("a.png"), failed("folder")]);
    assert!(matches!(&listed(&state)[0].1, Some(Ok(_))), "what was classified before stays as it is");

    // Another model: the folder's pictures take its place.
    state.jobs = with_job(JobKind::Predict).jobs;
    for path in ["a.png", "folder"] {
        state.predictions.wait_for(path.into());
    }
    for path in ["a.png", "folder/b.png"] {
        state.absorb(JobEvent::Predicted(JobId(1), path.into(), Ok(vec![("bees".to_owned(), 0.8)])));
    }
    state.absorb(done(JobOutput::Predicted));
    let paths: Vec<String> = listed(&state).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["before.png", "a.png", "folder/b.png"]);
}

fn compared(run_dir: &str) -> JobOutput {
    JobOutput::Analysed(Box::new(Analysis {
        run_dir: run_dir.into(),
        root: "/pictures".into(),
        classes: vec!["ants".into(), "bees".into()],
        pictures: Vec::new(),
        verdicts: Verdicts::default(),
        suspects: Vec::new(),
        looked_at: 0,
        right: 0,
        plane: Plane { points: Vec::new(), shares: [0.0; 2] },
    }))
}

#[test]
fn pictures_classified_before_a_comparison_are_held_against_training_once_after_it() {
    let classified = |kind| {
        let mut state = with_job(kind);
        state.predictions.model = Some(ModelRef::Saved("/project/runs/0001".into()));
        state.predictions.put("a.png".into(), Ok(vec![("ants".into(), 1.0)]));
        state.predictions.put("broken.png".into(), Err(Error::input("no picture")));
        state
    };
    let mut state = classified(JobKind::Analyse);
    assert!(state.checkable().is_empty(), "nothing was compared yet");
    assert_eq!(state.absorb(done(compared("/project/runs/0001"))), [FollowUp::CheckPictures]);
    assert_eq!(state.checkable(), [PathBuf::from("a.png")]);
    assert_eq!(state.due_check(), None, "it is done once");

    // What is being classified meanwhile comes first.
    let mut state = classified(JobKind::Predict);
    let mut other = state.jobs[0].clone();
    (other.id, other.kind) = (JobId(2), JobKind::Analyse);
    state.jobs.push(other);
    let analysed = JobEvent::Finished(JobId(2), Outcome::Done(compared("/project/runs/0001")));
    assert_eq!(state.absorb(analysed), []);
    assert_eq!(state.absorb(done(JobOutput::Predicted)), [FollowUp::CheckPictures]);

    let mut state = classified(JobKind::Analyse);
    assert_eq!(state.absorb(done(compared("/project/runs/0002"))), [], "another run classified them");
    assert!(state.checkable().is_empty());
    let unlike = Unlike { similarity: 0.2, familiar: 0.5 };
    let mut state = classified(JobKind::Analyse);
    state.absorb(JobEvent::Compared(JobId(3), "a.png".into(), unlike));
    assert_eq!(state.absorb(done(compared("/project/runs/0001"))), [], "all are checked");
}
