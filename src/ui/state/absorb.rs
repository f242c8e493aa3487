//! How worker events change the state.

use super::training::RatePart;
use super::{
    AppState, FollowUp, JobKind, MapLayout, RunningJob, Screen, Tone, TrainingEnd, WeightsState, file_name,
    training,
};
use crate::engine::TrainOutcome;
use crate::error::{Error, count};
use crate::session::Copied;
use crate::session::jobs::{JobEvent, JobId, JobOutput, ModelRef, Outcome};
use crate::ui::Action;

impl AppState {
    /// Takes in what the worker tells. Returns what must follow.
    pub fn absorb(&mut self, event: JobEvent) -> Vec<FollowUp> {
        match event {
            JobEvent::Started(id) => {
                let now = self.now_s;
                self.with_job(id, |j| j.started_s = Some(now));
            }
            JobEvent::Progress(id, done, total) => {
                if self.jobs.iter().any(|j| j.id == id && j.kind == JobKind::FindRate) {
                    self.rate_part = RatePart::Steps;
                }
                self.with_job(id, |j| j.progress = Some((done, total)));
            }
            JobEvent::Train(id, event) => {
                if let Some(p) = training::overall_progress(&event) {
                    self.with_job(id, |j| j.progress = Some(p));
                }
                if self.jobs.iter().any(|j| j.id == id && j.kind == JobKind::FindRate) {
                    self.rate_part = RatePart::of(&event);
                } else if let Some(t) = &mut self.training {
                    t.absorb(event);
                }
            }
            JobEvent::Compared(_, path, unlike) => self.predictions.compare(path, unlike),
            JobEvent::Predicted(_, path, result) => self.predictions.put(path, result),
            JobEvent::Finished(id, outcome) => return self.finish(id, outcome),
        }
        Vec::new()
    }

    fn with_job(&mut self, id: JobId, change: impl FnOnce(&mut RunningJob)) {
        if let Some(job) = self.jobs.iter_mut().find(|j| j.id == id) {
            change(job);
        }
    }

    fn finish(&mut self, id: JobId, outcome: Outcome) -> Vec<FollowUp> {
        let Some(at) = self.jobs.iter().position(|j| j.id == id) else { return Vec::new() };
        let job = self.jobs.remove(at);
        match outcome {
            Outcome::Done(output) => self.done_with(output, job.stopping),
            Outcome::Cancelled => self.cancelled(&job.kind),
            Outcome::Failed(error) => self.failed(&job.kind, error),
        }
    }

    fn done_with(&mut self, output: JobOutput, stopping: bool) -> Vec<FollowUp> {
        match output {
            JobOutput::Data(preflight) => {
                let mut follow = vec![FollowUp::RefreshRuns, FollowUp::RefreshDecisions];
                if let Some(project) = self.opening.take() {
                    self.adopt(*project);
                    follow.insert(0, FollowUp::Opened);
                } else if self.keep_tried() {
                    follow.insert(0, FollowUp::SaveProject);
                }
                self.preflight = Some(preflight);
                self.data_error = None;
                if std::mem::take(&mut self.sample_wanted) {
                    self.screen = Screen::Train;
                } else if self.screen == Screen::Start {
                    self.screen = Screen::Data;
                }
                follow
            }
            JobOutput::Sample(dir) => vec![FollowUp::OpenSample(dir)],
            JobOutput::Weights(report) => {
                self.weights = WeightsState::Ready(report);
                vec![FollowUp::SaveProject]
            }
            JobOutput::Trained(outcome) => {
                let stopping = stopping || self.training.as_ref().is_some_and(|t| t.last_epoch);
                self.trained(*outcome, stopping)
            }
            JobOutput::Rates(search) => {
                self.rate_search = Some(search);
                Vec::new()
            }
            JobOutput::Evaluated(judged) => {
                self.judged(*judged);
                Vec::new()
            }
            JobOutput::Predicted => {
                self.predictions.drop_waiting();
                Vec::new()
            }
            JobOutput::Explained(explained) => {
                self.insight.put(*explained);
                Vec::new()
            }
            JobOutput::Analysed(analysis) => {
                self.insight.compared(*analysis);
                match self.insight.layout {
                    MapLayout::Directions => Vec::new(),
                    MapLayout::Neighbourhood => vec![FollowUp::Arrange],
                }
            }
            JobOutput::Arranged(analysis, found) => {
                self.insight.arranged = Some((analysis, found));
                Vec::new()
            }
            JobOutput::Copied(copied) => {
                self.copied(&copied);
                Vec::new()
            }
            JobOutput::Speed { backbone, threads, images_per_s } => {
                self.settings.remember_speed(&backbone, threads, images_per_s);
                vec![FollowUp::SaveSettings]
            }
            JobOutput::Exported(dir) => {
                self.notices.push(Tone::Good, format!("The model is saved: {}", dir.display()));
                self.exported = Some(dir);
                self.export_error = None;
                vec![FollowUp::RefreshExports]
            }
        }
    }

    fn copied(&mut self, copied: &Copied) {
        let Copied { out, copied, present, failed } = copied;
        let mut text =
            format!("{} copied to {}", count(*copied, "picture is", "pictures are"), out.display());
        if *present > 0 {
            text.push_str(&format!("; {present} were there already"));
        }
        let show = Action::Reveal(out.clone());
        match failed.first() {
            Some(first) => {
                text.push_str(&format!("; {} could not be read (the first: {first})", failed.len()));
                self.notices.push_with(Tone::Warn, text, "Show the folder", show);
            }
            None => self.notices.push_with(Tone::Good, text, "Show the folder", show),
        }
    }

    /// `stopping`: somebody asked for an early end. Where that came too late to change anything, training is finished.
    fn trained(&mut self, outcome: TrainOutcome, stopping: bool) -> Vec<FollowUp> {
        let TrainOutcome { summary, epochs, evaluation, run_dir } = outcome;
        let m = &evaluation.confusion;
        let score = format!("{:.3} accuracy · {} of {} · validation", m.accuracy(), m.correct(), m.total());
        let cut = epochs.last().map(|e| e.epochs).filter(|planned| stopping && summary.epochs_run < *planned);
        let text = match cut {
            Some(planned) => format!(
                "Training was stopped after epoch {} of {planned}. Epoch {} is kept: {score}",
                summary.epochs_run, summary.best_epoch
            ),
            None => format!("Training is finished: {score}"),
        };
        self.notices.push(Tone::Good, text);
        if let Some(t) = &mut self.training {
            t.epochs = epochs;
            t.end = Some(if cut.is_some() {
                TrainingEnd::Stopped(summary)
            } else {
                TrainingEnd::Finished(summary)
            });
        }
        if self.predictions.pictures().is_empty() {
            self.predictions.model = Some(ModelRef::Saved(run_dir.clone()));
        }
        // Where all folds were trained, what they come to is on the Train screen.
        let of_folds = self.folds_left.is_some();
        let next_fold = self.fold_trained(cut.is_some());
        let data_root = self.dataset().map(|d| d.root.clone()).unwrap_or_default();
        let title = format!("run {} · validation", file_name(&run_dir));
        self.show_evaluation(evaluation, data_root, Some(run_dir), &title);
        if self.screen == Screen::Train && next_fold.is_none() && !of_folds {
            self.screen = Screen::Evaluate;
        }
        [FollowUp::RefreshRuns, FollowUp::Compare].into_iter().chain(next_fold).collect()
    }

    fn cancelled(&mut self, kind: &JobKind) -> Vec<FollowUp> {
        match kind {
            JobKind::Train { .. } => {
                if let Some(t) = &mut self.training {
                    t.end = Some(TrainingEnd::Cancelled);
                }
                self.end_folds();
                // What is left of the run shows on the Train screen once its folder has been read again.
                self.notices.push(Tone::Info, "Training was cancelled");
                return vec![FollowUp::RefreshRuns];
            }
            JobKind::CheckWeights => self.weights = WeightsState::None,
            JobKind::OpenData | JobKind::WriteSample => {
                self.sample_wanted = false;
                (self.opening, self.trying) = (None, None);
            }
            JobKind::Predict => self.predictions.drop_waiting(),
            JobKind::Explain => {
                self.insight.fail(None);
                return Vec::new();
            }
            JobKind::Analyse => self.insight.stopped = true,
            JobKind::Arrange => self.insight.layout = MapLayout::Directions,
            JobKind::Evaluate
            | JobKind::Copy
            | JobKind::Export
            | JobKind::FindRate
            | JobKind::MeasureSpeed => {}
        }
        self.notices.push(Tone::Info, format!("{}: stopped", kind.words()));
        Vec::new()
    }

    fn failed(&mut self, kind: &JobKind, error: Error) -> Vec<FollowUp> {
        let mut follow = Vec::new();
        match kind {
            JobKind::Train { .. } => {
                if let Some(t) = &mut self.training {
                    t.end = Some(TrainingEnd::Failed(error.clone()));
                }
                self.end_folds();
                follow.push(FollowUp::RefreshRuns);
            }
            JobKind::CheckWeights => {
                // The Model screen shows it where the file was chosen.
                self.weights = WeightsState::Failed(error);
                return follow;
            }
            JobKind::OpenData | JobKind::WriteSample => {
                self.sample_wanted = false;
                if self.refuse_tried(&error) {
                    return follow;
                }
                // A folder that is opened for the first time and cannot be used leaves what is open as it is.
                let opening = self.opening.take();
                if opening.is_some() && self.project.is_some() {
                    self.path_error = Some(error.to_string());
                } else {
                    self.refused = opening;
                    self.data_error = Some(error.clone());
                    // What can be done about an open project's pictures is there.
                    if self.project.is_some() && self.screen == Screen::Start {
                        self.screen = Screen::Data;
                    }
                }
            }
            JobKind::Predict => self.predictions.drop_waiting(),
            JobKind::Export => {
                self.export_error = Some(error.clone());
                follow.push(FollowUp::RefreshExports);
            }
            JobKind::Explain => {
                // The picture's own panel says why.
                self.insight.fail(Some(error));
                return follow;
            }
            JobKind::Analyse => self.insight.analysis_error = Some(error.clone()),
            JobKind::Arrange => self.insight.layout = MapLayout::Directions,
            JobKind::Evaluate | JobKind::Copy | JobKind::FindRate | JobKind::MeasureSpeed => {}
        }
        let text = format!("{} failed: {error}", kind.words());
        match see(kind) {
            Some((word, screen)) if screen != self.screen => {
                self.notices.push_with(Tone::Bad, text, word, Action::Go(screen));
            }
            _ => self.notices.push(Tone::Bad, text),
        }
        follow
    }
}

/// Where a person can do something about a failure.
fn see(kind: &JobKind) -> Option<(&'static str, Screen)> {
    match kind {
        JobKind::Train { .. } | JobKind::FindRate => Some(("See Train", Screen::Train)),
        JobKind::Predict | JobKind::Copy => Some(("See Predict", Screen::Predict)),
        JobKind::Export => Some(("See Export", Screen::Export)),
        JobKind::CheckWeights | JobKind::MeasureSpeed => Some(("See Model", Screen::Model)),
        JobKind::Evaluate | JobKind::Analyse | JobKind::Arrange => Some(("See Evaluate", Screen::Evaluate)),
        JobKind::OpenData | JobKind::WriteSample | JobKind::Explain => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Checks, Dataset, Layout, Preflight, Sample, Split, Verdicts};
    use crate::engine::train::SplitScore;
    use crate::engine::{ConfusionMatrix, EpochRecord, Evaluation, Prediction, Summary};
    use crate::session::Project;
    use std::path::PathBuf;
    use std::sync::Arc;

    fn preflight() -> Arc<Preflight> {
        let sample =
            |n: usize| Sample { rel: format!("c{}/{n}.png", n % 2), class: n % 2, split: Split::Val };
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
                epochs_run: 1,
                best_epoch: 1,
                val: SplitScore { accuracy: 0.5, macro_f1: 1.0 / 3.0, loss: 1.0 },
                wall_s: 1.0,
                images_per_s: 1.0,
                peak_rss_mib: 1,
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
        let job = RunningJob {
            id: JobId(1),
            kind,
            started_s: None,
            progress: None,
            paused: false,
            stopping: false,
        };
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
            assert_eq!(state.absorb(done(JobOutput::Data(preflight()))), follow);
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
        let follow = state.absorb(done(JobOutput::Data(preflight())));
        assert_eq!(follow, [FollowUp::Opened, FollowUp::RefreshRuns, FollowUp::RefreshDecisions]);
        assert_eq!(dir(&state), Some("/new".into()));
        assert_eq!(state.settings.recent_projects, [PathBuf::from("/new")]);
        assert!(state.preflight.is_some() && state.opening.is_none());
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
        let follow = state.absorb(done(JobOutput::Data(preflight())));
        assert_eq!(follow[0], FollowUp::SaveProject);
        assert_eq!(state.config.data.labels, Some("/good.csv".into()));

        state.jobs = with_job(JobKind::OpenData).jobs;
        state.with_labels(None);
        state.absorb(JobEvent::Finished(JobId(1), Outcome::Cancelled));
        assert!(state.trying.is_none() && state.config.data.labels.is_some());
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
}
