//! How worker events change the state.

use super::training::RatePart;
use super::{
    AppState, FollowUp, JobKind, MapLayout, RunningJob, Screen, Tone, TrainingEnd, WeightsState, file_name,
    training,
};
use crate::engine::{BatchReason, Speed, TrainEvent, TrainOutcome};
use crate::error::{Error, count, part_of};
use crate::session::jobs::{JobEvent, JobId, JobOutput, ModelRef, Outcome};
use crate::session::{Copied, READ_ONLY, copies_words};
use crate::ui::Action;

impl AppState {
    /// Takes in what the worker tells. Returns what must follow.
    pub fn absorb(&mut self, event: JobEvent) -> Vec<FollowUp> {
        match event {
            JobEvent::Started(id) => {
                let now = self.now_s;
                self.with_job(id, |j| j.started_s = Some(now));
                if self.jobs.iter().any(|j| j.id == id && j.kind == JobKind::Analyse) {
                    self.insight.second_part = false;
                }
            }
            JobEvent::SecondPart(id) => {
                let now = self.now_s;
                self.with_job(id, |j| (j.started_s, j.progress) = (Some(now), None));
                self.insight.second_part = true;
            }
            JobEvent::Progress(id, done, total) => {
                if self.jobs.iter().any(|j| j.id == id && j.kind == JobKind::FindRate) {
                    self.rate_part = RatePart::Steps;
                }
                self.with_job(id, |j| j.progress = Some((done, total)));
            }
            JobEvent::Train(id, event) => {
                if let Some(p) = training::preparation(&event) {
                    self.with_job(id, |j| j.progress = Some(p));
                }
                if self.jobs.iter().any(|j| j.id == id && j.kind == JobKind::FindRate) {
                    self.rate_part = RatePart::of(&event);
                } else if let Some(t) = &mut self.training {
                    if let TrainEvent::BatchSize(change) = &event {
                        let tone = match change.reason {
                            BatchReason::OutOfMemory => Tone::Warn,
                            BatchReason::Measured => Tone::Info,
                        };
                        self.notices.push(tone, change.words());
                    }
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
            JobOutput::Data(preflight, looked) => {
                // What was looked through for a project that gave way to another is not for this one.
                let of = self.opening.as_deref().or(self.project.as_ref());
                let root = of.and_then(|p| p.config.data.path.as_ref());
                if root.is_some_and(|root| *root != preflight.dataset.root) {
                    return Vec::new();
                }
                let mut follow = vec![FollowUp::RefreshRuns, FollowUp::RefreshDecisions];
                let labels_before = self.config.data.labels.clone();
                let opened = self.opening.take();
                let is_new = opened.is_some();
                if let Some(project) = opened {
                    self.adopt(*project);
                    follow.insert(0, FollowUp::Opened);
                } else if self.trying.is_some() {
                    self.keep_tried(looked.redivided);
                    follow.insert(0, FollowUp::SaveProject);
                } else if let Some(redivided) = looked.redivided {
                    self.divided(redivided);
                }
                if looked.moved {
                    self.insight.read_again();
                }
                if is_new || self.config.data.labels != labels_before {
                    self.tell_few_labelled(&preflight.dataset);
                }
                self.tell_read_only(preflight.findings.iter().any(|f| f.title == READ_ONLY));
                self.preflight = Some(preflight);
                self.read_with = Some(looked.with);
                if self.job_of(&JobKind::OpenData).is_none() {
                    self.before_look = None;
                }
                self.data_error = None;
                self.insight.look_again();
                if std::mem::take(&mut self.sample_wanted) {
                    self.screen = Screen::Train;
                } else if self.screen == Screen::Start {
                    self.screen = Screen::Data;
                }
                follow
            }
            JobOutput::Sample(dir) => vec![FollowUp::OpenSample(dir)],
            JobOutput::Weights(report) => {
                self.keep_weights(report);
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
                self.due_check().into_iter().collect()
            }
            JobOutput::Explained(explained) => {
                self.insight.put(*explained);
                Vec::new()
            }
            JobOutput::Analysed(analysis) => {
                let check = self.training_compared(ModelRef::Saved(analysis.run_dir.clone()));
                self.insight.compared(*analysis);
                let arrange = (self.insight.layout == MapLayout::Neighbourhood).then_some(FollowUp::Arrange);
                arrange.into_iter().chain(check).collect()
            }
            JobOutput::Arranged(analysis, found) => {
                self.insight.arranged = Some((analysis, found));
                Vec::new()
            }
            JobOutput::Copied(copied) => {
                self.copied(&copied);
                Vec::new()
            }
            JobOutput::Speed { backbone, threads, measured } => {
                let Speed { device, images_per_s } = measured;
                self.settings.remember_speed(&backbone, device, threads, images_per_s);
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
        let judged = evaluation.predictions.len();
        let cautions = copies_words(summary.val.copies_in_training).into_iter().collect();
        let score =
            format!("{:.3} accuracy · {} · validation", m.accuracy(), part_of(m.correct(), m.total()));
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
        self.show_evaluation(evaluation, data_root, Some(run_dir), &title, cautions);
        if self.screen == Screen::Train && next_fold.is_none() && !of_folds {
            self.screen = Screen::Evaluate;
        }
        // Pictures that are gone by now, or can be read again, are found before anything is said of them.
        let begun_with = self.training.as_ref().and_then(|t| t.validation);
        let gone = begun_with.is_some_and(|n| n != judged) && next_fold.is_none();
        let look = gone.then_some(FollowUp::LookAgain);
        [FollowUp::RefreshRuns, FollowUp::Compare].into_iter().chain(next_fold).chain(look).collect()
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
            JobKind::CheckWeights if self.tried_weights.take().is_some() => {}
            JobKind::CheckWeights => self.weights = WeightsState::None,
            JobKind::OpenData | JobKind::WriteSample => {
                self.sample_wanted = false;
                let (opening, trying) = (self.opening.take(), self.trying.take());
                if opening.is_none() && trying.is_none() && self.as_before_look() {
                    return vec![FollowUp::SaveProject];
                }
            }
            JobKind::Predict => {
                self.predictions.drop_waiting();
                self.drop_check();
            }
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
                self.refuse_weights(error);
                return follow;
            }
            JobKind::OpenData | JobKind::WriteSample => {
                self.sample_wanted = false;
                if self.refuse_tried(&error) {
                    return follow;
                }
                if self.opening.is_none() && self.as_before_look() {
                    follow.push(FollowUp::SaveProject);
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
            JobKind::Predict => {
                self.predictions.fail_waiting(&error);
                self.drop_check();
            }
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
            // The screen on show says it itself.
            _ if matches!(kind, JobKind::Train { .. } | JobKind::Export) => {
                self.notices.keep(Tone::Bad, text);
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
mod tests;
