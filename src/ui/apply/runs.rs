//! Carrying out what a person asks for about runs: training them, going on with them, deleting them, writing about them.

use crate::config::TrainConfig;
use crate::data::{Dataset, Split};
use crate::engine::EpochRecord;
use crate::session::RunInfo;
use crate::session::jobs::JobRequest;
use crate::ui::actions::Action;
use crate::ui::app::App;
use crate::ui::disk::DiskRequest;
use crate::ui::state::division::divides_otherwise;
use crate::ui::state::{FoldsLeft, JobKind, LiveTraining, RatePart, Screen, Tone, file_name};
use crate::ui::views::train::words::from_scratch_words;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl App {
    /// Starts training with these settings, in a run's folder of its own.
    pub(in crate::ui) fn train(&mut self, config: TrainConfig) {
        match (self.state.train_block(), &self.state.project, &self.state.preflight) {
            (None, Some(project), Some(pictures)) => {
                let (project, same) =
                    (project.clone(), !divides_otherwise(&config.data, &self.state.config.data));
                self.disk.ask(if same {
                    DiskRequest::NewRun(project, Box::new(config))
                } else {
                    DiskRequest::NewRunDivided(project, Box::new(config), Arc::clone(pictures))
                });
            }
            (Some(why), ..) => self.state.notices.push(Tone::Warn, why),
            (None, ..) => {}
        }
        self.state.screen = Screen::Train;
    }

    /// Starts training once for each fold.
    pub(super) fn train_folds(&mut self) {
        match self.state.folds_block() {
            Some(why) => self.state.notices.push(Tone::Warn, why),
            None => {
                self.state.folds_left = Some(FoldsLeft { config: self.state.config.clone(), next: 1 });
                self.next_fold();
            }
        }
        self.state.screen = Screen::Train;
    }

    /// Begins the next fold, if one is left.
    pub(in crate::ui) fn next_fold(&mut self) {
        let Some(config) = self.state.next_fold() else { return };
        match (&self.state.project, &self.state.preflight) {
            (Some(project), Some(pictures)) => {
                let (project, pictures) = (project.clone(), Arc::clone(pictures));
                self.disk.ask(DiskRequest::NewRunDivided(project, Box::new(config), pictures));
            }
            _ => self.state.end_folds(),
        }
    }

    /// Trains with a run's settings from random weights, and says in which it differs all the same.
    pub(super) fn train_from_scratch(&mut self, run: &Path) {
        let Some(run) = self.state.runs.iter().find(|r| r.dir == run) else { return };
        let config = run.config.from_scratch();
        let text =
            format!("From scratch with the settings of run {}. {}", run.id, from_scratch_words(&run.config));
        if self.state.train_block().is_none() {
            self.state.notices.push(Tone::Info, text);
        }
        self.train(config);
    }

    /// `resume` holds the epochs before the checkpoint that training goes on from.
    pub(in crate::ui) fn start_training(
        &mut self,
        run_dir: PathBuf,
        mut config: TrainConfig,
        dataset: Option<Dataset>,
        resume: Option<Vec<EpochRecord>>,
    ) {
        let Some(dataset) = dataset else { return };
        config.data.path = Some(dataset.root.clone());
        let going_on = resume.is_some();
        let epochs = resume.unwrap_or_default();
        let mut live = LiveTraining::new(run_dir.clone(), config.clone(), epochs);
        live.validation = (!going_on).then(|| dataset.indices(Split::Val).len());
        self.state.training = Some(live);
        let request = JobRequest::Train {
            config: Box::new(config),
            dataset: Box::new(dataset),
            run_dir: run_dir.clone(),
            resume: going_on,
        };
        self.submit(JobKind::Train { run_dir }, request);
        self.state.screen = Screen::Train;
    }

    /// Goes on with an interrupted run.
    pub(in crate::ui) fn continue_run(&mut self, dir: &Path) {
        if self.state.training_job().is_some() {
            return;
        }
        if let Some(run) = self.state.runs.iter().find(|r| r.dir == dir) {
            let (dir, config, epochs) = (run.dir.clone(), run.config.clone(), run.epochs.clone());
            self.start_training(dir, config, self.state.dataset().cloned(), Some(epochs));
        }
    }

    /// Tries learning rates with the present settings.
    pub(in crate::ui) fn find_rate(&mut self) {
        let block = self.state.train_block();
        let (None, Some(dataset)) = (block, self.state.dataset().cloned()) else { return };
        (self.state.rate_search, self.state.rate_part) = (None, RatePart::default());
        let request =
            JobRequest::FindRate { config: Box::new(self.state.config.clone()), dataset: Box::new(dataset) };
        self.submit(JobKind::FindRate, request);
    }

    /// What is done with a run other than training and judging it.
    pub(in crate::ui) fn with_run(&mut self, action: Action) {
        let Some(project) = self.state.project.clone() else { return };
        match action {
            Action::ExtendRun(run, more) if self.state.training_job().is_none() => {
                self.disk.ask(DiskRequest::ExtendRun(project, run, more));
            }
            Action::DeleteRun(run) => self.disk.ask(DiskRequest::TrashRun(project, run)),
            Action::RestoreRun(trashed) => self.restore_run(trashed),
            Action::SaveNotes(run, notes) => {
                if let Some(before) = self.write_notes(run.clone(), notes.clone()) {
                    self.state.record_notes(run, before, notes);
                }
            }
            _ => {}
        }
    }

    /// Writes about a run; what stood there before, where there is such a run.
    pub(super) fn write_notes(&mut self, run: PathBuf, notes: String) -> Option<String> {
        let known = self.state.runs.iter_mut().find(|r| r.dir == run)?;
        let before = std::mem::replace(&mut known.notes, notes.clone());
        self.disk.ask(DiskRequest::SaveNotes(run, notes));
        Some(before)
    }

    pub(super) fn restore_run(&mut self, trashed: PathBuf) {
        self.state.forget_deletion(&trashed);
        if let Some(project) = &self.state.project {
            self.disk.ask(DiskRequest::RestoreRun(project.clone(), trashed));
        }
    }

    /// A run lies in the trash now: nothing that is on show may refer to it.
    pub(in crate::ui) fn run_trashed(&mut self, run: &Path, trashed: PathBuf) {
        self.state.forget_run(run);
        self.state.record_deletion(run.to_path_buf(), trashed.clone());
        let text = format!("Run {} is deleted", file_name(run));
        self.state.notices.push_with(Tone::Info, text, "Undo", Action::RestoreRun(trashed));
        self.refresh_runs();
    }

    /// A run's folder is ready to go on from where another one ended.
    pub(in crate::ui) fn run_extended(&mut self, from: &Path, run_dir: PathBuf, config: TrainConfig) {
        let epochs = self.state.runs.iter().find(|r| r.dir == from).map(|r| r.epochs.clone());
        let dataset = self.state.dataset().cloned();
        self.start_training(run_dir, config, dataset, Some(epochs.unwrap_or_default()));
        self.refresh_runs();
    }

    pub(super) fn train_again(&mut self, run_dir: PathBuf) {
        let config = self.state.runs.iter().find(|r| r.dir == run_dir).map(|r| r.config.clone());
        if let Some(config) = config {
            self.state.compare_with = Some(run_dir);
            self.train(config);
        }
    }

    pub(in crate::ui) fn refresh_runs(&mut self) {
        if let Some(project) = &self.state.project {
            self.disk.ask(DiskRequest::Runs(project.clone()));
        }
    }

    pub(in crate::ui) fn runs_read(&mut self, runs: Vec<RunInfo>, unreadable: &[String]) {
        if !unreadable.is_empty() && self.state.unreadable_runs != unreadable {
            self.state.unreadable_runs = unreadable.to_vec();
            let text = format!("Files of this project are damaged: {}", unreadable.join("; "));
            self.state.notices.push(Tone::Warn, text);
        }
        self.state.runs = runs;
        self.ask_test_judged();
        if self.state.evaluation.is_none()
            && let Some(run) = self.state.finished_run()
        {
            self.disk.ask(DiskRequest::Evaluation(Box::new(run.clone())));
        }
    }
}
