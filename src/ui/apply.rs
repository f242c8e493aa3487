//! Carrying out actions: the one place where what a person asked for becomes jobs, disk requests and changes of state.

use super::actions::{Action, Pick};
use super::app::App;
use super::disk::DiskRequest;
use super::state::{
    Download, JobKind, LiveTraining, RunningJob, Screen, Tone, WeightsState, predictions_csv,
};
use super::theme;
use crate::backbones::find;
use crate::config::{Pooling, TrainConfig};
use crate::data::Step;
use crate::engine::{EpochRecord, Evaluation};
use crate::session::jobs::{JobRequest, ModelRef};
use crate::session::{Project, RunInfo, RunState, ThemeChoice};
use egui::{Context, ViewportCommand};
use std::path::PathBuf;
use std::sync::Arc;

impl App {
    /// Carries out one action. `frame` is there while the window is drawn; dialogs need it.
    pub(super) fn apply(&mut self, ctx: &Context, frame: Option<&eframe::Frame>, action: Action) {
        match action {
            Action::Go(screen) => {
                self.state.screen = screen;
                self.state.path_error = None;
                if screen == Screen::Model {
                    self.disk.ask(DiskRequest::KnownWeights);
                }
            }
            Action::NextStep => {
                let step = self.state.next_step();
                if step.blocked.is_none() {
                    self.apply(ctx, frame, step.action);
                }
            }
            Action::Pick(pick) => {
                if let Some(frame) = frame {
                    let ctx = ctx.clone();
                    self.dialogs.open(pick, frame, move || ctx.request_repaint());
                }
            }
            Action::OpenPaths(paths) => self.disk.ask(DiskRequest::Look(paths)),
            Action::OpenData(_)
            | Action::OpenProject(_)
            | Action::TrySample
            | Action::Rescan
            | Action::AllowUnreadable => self.open(action),
            Action::SetConfig(config) => self.set_config(*config),
            Action::ChooseBackbone(name) => self.choose_backbone(name),
            Action::UseWeights(path) => self.use_weights(Some(path)),
            Action::ForgetWeights => self.use_weights(None),
            Action::DownloadWeights(_) | Action::CancelDownload(_) | Action::MeasureSpeed(_) => {
                self.about_backbone(action);
            }
            Action::Train => self.train(),
            Action::ContinueRun(dir) => self.continue_run(&dir),
            Action::CancelJob if matches!(self.state.job(), Some(job) if job.is_training()) => {
                self.state.cancel_asked = true;
            }
            Action::KeepTraining => self.state.cancel_asked = false,
            Action::Pause
            | Action::Resume
            | Action::StopAndKeepBest
            | Action::CancelJob
            | Action::CancelTraining => self.control(&action),
            Action::ShowRun(dir) => self.show_run(&dir),
            Action::Decide(decided) => {
                self.state.end_redo();
                self.decide(Step::Decided(decided));
            }
            Action::Undo => {
                let decision = self.state.undo();
                self.taken_back(decision);
            }
            Action::Redo => {
                let decision = self.state.redo();
                self.taken_back(decision);
            }
            Action::TogglePalette => self.state.palette_open = !self.state.palette_open,
            Action::ShowEvaluateTab(tab) => self.state.evaluate_tab = tab,
            Action::Select(selection) => self.state.selection = selection,
            Action::SetPredictModel(_)
            | Action::Predict(_)
            | Action::ClearPredictions
            | Action::SavePredictions(_) => self.prediction(action),
            Action::Export { run_dir, out } => {
                self.state.export_error = None;
                self.submit(JobKind::Export, JobRequest::ExportBundle { run_dir, out });
            }
            Action::Reveal(path) => {
                let shown = std::path::absolute(&path).unwrap_or(path);
                ctx.open_url(egui::OpenUrl::same_tab(format!("file://{}", shown.display())));
            }
            Action::Copy(text) => ctx.copy_text(text),
            Action::Dismiss(id) => self.state.notices.dismiss(id),
            Action::DismissAll => self.state.notices.clear(),
            Action::ToggleNotices => self.state.notices.open = !self.state.notices.open,
            Action::CycleTheme => self.cycle_theme(ctx),
            Action::CloseAnyway => {
                self.closing = true;
                ctx.send_viewport_cmd(ViewportCommand::Close);
            }
            Action::KeepOpen => self.state.close_asked = false,
        }
    }

    /// A dialog's answer.
    pub(super) fn picked(&mut self, ctx: &Context, pick: Pick, mut paths: Vec<PathBuf>) {
        if matches!(pick, Pick::Pictures | Pick::PictureFolder) {
            return self.apply(ctx, None, Action::Predict(paths));
        }
        if paths.is_empty() {
            return;
        }
        let path = paths.swap_remove(0);
        let action = match pick {
            Pick::DataFolder => Action::OpenData(path),
            Pick::Project => Action::OpenProject(path),
            Pick::Weights => Action::UseWeights(path),
            Pick::PredictionsCsv => Action::SavePredictions(path),
            Pick::ExportTo { run_dir } => Action::Export { run_dir, out: path },
            Pick::Model => Action::SetPredictModel(ModelRef::Saved(path)),
            Pick::Pictures | Pick::PictureFolder => return,
        };
        self.apply(ctx, None, action);
    }

    fn open(&mut self, action: Action) {
        if self.state.training_job().is_some() {
            let text = "Training is running. Stop it, or wait until it is finished, to open something else.";
            return self.state.notices.push(Tone::Warn, text);
        }
        let looking = |job: &RunningJob| matches!(job.kind, JobKind::OpenData | JobKind::WriteSample);
        if self.state.jobs.iter().any(looking) {
            let text = "A folder is being looked through. Cancel that, or wait until it is done, to open something else.";
            return self.state.notices.push(Tone::Warn, text);
        }
        self.state.path_error = None;
        match action {
            Action::OpenData(path) => self.disk.ask(DiskRequest::ProjectFor(path)),
            Action::OpenProject(path) => self.disk.ask(DiskRequest::OpenProject(path)),
            Action::TrySample => {
                self.state.sample_wanted = true;
                self.disk.ask(DiskRequest::Sample);
            }
            Action::AllowUnreadable => {
                self.state.config.data.allow_many_unreadable = true;
                self.settings_changed();
            }
            _ => self.scan(),
        }
    }

    /// A project was opened: its settings, its pictures, its runs.
    pub(super) fn opened(&mut self, project: Project) {
        self.state.adopt(project);
        self.show_opened();
        self.scan();
        self.refresh_runs();
    }

    /// A folder has no project yet: its pictures are looked through first.
    pub(super) fn open_new(&mut self, project: Project) {
        let Some(root) = project.config.data.path.clone() else { return };
        let config = project.config.data.clone();
        self.state.data_error = None;
        self.state.opening = Some(Box::new(project));
        self.submit(JobKind::OpenData, JobRequest::OpenData { root, config, project: None });
    }

    /// The pictures of a new project turned out usable.
    pub(super) fn keep_new(&mut self) {
        if let (Some(project), Some(data)) = (&self.state.project, self.state.dataset()) {
            self.disk.ask(DiskRequest::Keep(Box::new(project.clone()), Box::new(data.clone())));
        }
        self.show_opened();
    }

    /// Forgets what was shown of another project.
    fn show_opened(&mut self) {
        self.disk.ask(DiskRequest::SaveSettings(self.state.settings.clone()));
        self.save_due_s = None;
        self.cx.thumbnails.clear();
        self.cx.data = Default::default();
        self.cx.train = Default::default();
        self.cx.export = Default::default();
        self.check_weights();
        self.refresh_exports();
    }

    pub(super) fn refresh_exports(&self) {
        if let Some(project) = &self.state.project {
            self.disk.ask(DiskRequest::Exports(project.clone()));
        }
    }

    pub(super) fn refresh_decisions(&self) {
        if let (Some(project), Some(shown)) = (&self.state.project, &self.state.preflight) {
            self.disk.ask(DiskRequest::Decisions(project.dir.clone(), Arc::clone(shown)));
        }
    }

    fn decide(&mut self, step: Step) {
        if let (Some(project), Some(shown)) = (&self.state.project, &self.state.preflight) {
            self.disk.ask(DiskRequest::Decide(project.dir.clone(), shown.before_decisions(), step));
        }
    }

    /// Settings were taken or brought back, or a decision is to be.
    fn taken_back(&mut self, decision: Option<Step>) {
        match decision {
            Some(step) => self.decide(step),
            None => {
                let chosen = |c: &TrainConfig| (c.backbone.name.clone(), c.backbone.weights.clone());
                let before = self.state.project.as_ref().map(|p| chosen(&p.config));
                self.keep_settings();
                if before.is_some_and(|before| before != chosen(&self.state.config)) {
                    self.check_weights();
                }
            }
        }
    }

    fn scan(&mut self) {
        let Some(project) = &self.state.project else { return };
        let Some(root) = project.config.data.path.clone() else {
            let text = "The project names no folder of pictures. Open the folder itself.";
            return self.state.notices.push(Tone::Warn, text);
        };
        self.state.opening = None;
        let request = JobRequest::OpenData {
            root,
            config: self.state.config.data.clone(),
            project: Some(project.dir.clone()),
        };
        self.submit(JobKind::OpenData, request);
    }

    fn set_config(&mut self, config: TrainConfig) {
        self.state.config = config;
        self.settings_changed();
    }

    fn choose_backbone(&mut self, name: &str) {
        let backbone = &mut self.state.config.backbone;
        if backbone.name != name {
            name.clone_into(&mut backbone.name);
            backbone.cut_stage = None;
            // Not every network has a class token; those that have one read it as published.
            let pooling = &mut self.state.config.head.pooling;
            *pooling = pooling.filter(|p| *p != Pooling::Token);
            let found = self.state.known_weights.get(name).and_then(|files| files.first().cloned());
            self.use_weights(found);
        }
    }

    fn about_backbone(&mut self, action: Action) {
        match action {
            Action::DownloadWeights(name) => {
                if let Ok(spec) = find(name) {
                    self.state.downloads.insert(name, Download::default());
                    self.downloads.start(spec);
                }
            }
            Action::CancelDownload(name) => {
                self.downloads.cancel(name);
                if let Some(download) = self.state.downloads.get_mut(name) {
                    download.stopping = true;
                }
            }
            Action::MeasureSpeed(name) => {
                let (backbone, threads) = (name.to_owned(), self.state.threads());
                self.submit(JobKind::MeasureSpeed, JobRequest::MeasureSpeed { backbone, threads });
            }
            _ => {}
        }
    }

    /// Weights have come: they are used where their backbone is chosen and waits for some.
    pub(super) fn downloaded(&mut self, backbone: &str, path: PathBuf) {
        self.disk.ask(DiskRequest::KnownWeights);
        let chosen = &self.state.config.backbone;
        if chosen.name == backbone && chosen.weights.is_none() {
            self.use_weights(Some(path));
        }
    }

    fn use_weights(&mut self, path: Option<PathBuf>) {
        self.state.config.backbone.weights = path;
        self.settings_changed();
        self.check_weights();
    }

    fn check_weights(&mut self) {
        let backbone = self.state.config.backbone.clone();
        let Some(weights) = backbone.weights else {
            self.state.weights = WeightsState::None;
            return;
        };
        self.state.weights = WeightsState::Checking;
        self.submit(JobKind::CheckWeights, JobRequest::CheckWeights { backbone: backbone.name, weights });
    }

    pub(super) fn refresh_runs(&mut self) {
        if let Some(project) = &self.state.project {
            self.disk.ask(DiskRequest::Runs(project.clone()));
        }
    }

    pub(super) fn runs_read(&mut self, runs: Vec<RunInfo>, unreadable: &[String]) {
        if !unreadable.is_empty() && self.state.unreadable_runs != unreadable {
            self.state.unreadable_runs = unreadable.to_vec();
            let text = format!("Some runs cannot be read and are left out: {}", unreadable.join(", "));
            self.state.notices.push(Tone::Warn, text);
        }
        self.state.runs = runs;
        if self.state.evaluation.is_none()
            && let Some(run) = self.state.finished_run()
        {
            self.disk.ask(DiskRequest::Evaluation(Box::new(run.clone())));
        }
    }

    fn show_run(&mut self, dir: &std::path::Path) {
        if let Some(run) = self.state.runs.iter().find(|r| r.dir == dir && r.state == RunState::Finished) {
            self.disk.ask(DiskRequest::Evaluation(Box::new(run.clone())));
            self.state.screen = Screen::Evaluate;
        }
    }

    pub(super) fn evaluation_read(&mut self, run: &RunInfo, evaluation: Evaluation) {
        let root = run.config.data.path.clone().unwrap_or_default();
        let title = format!("run {} · validation", run.id);
        self.state.show_evaluation(evaluation, root, Some(run.dir.clone()), &title);
    }

    fn train(&mut self) {
        match (self.state.train_block(), &self.state.project) {
            (None, Some(project)) => self.disk.ask(DiskRequest::NewRun(project.clone())),
            (Some(why), _) => self.state.notices.push(Tone::Warn, why),
            (None, None) => {}
        }
        self.state.screen = Screen::Train;
    }

    pub(super) fn start_training(&mut self, run_dir: PathBuf, epochs: Vec<EpochRecord>, resume: bool) {
        let Some(dataset) = self.state.dataset().cloned() else { return };
        let mut config = match self.state.runs.iter().find(|r| resume && r.dir == run_dir) {
            Some(run) => run.config.clone(),
            None => self.state.config.clone(),
        };
        config.data.path = Some(dataset.root.clone());
        self.state.training = Some(LiveTraining::new(run_dir.clone(), config.clone(), epochs));
        let request = JobRequest::Train {
            config: Box::new(config),
            dataset: Box::new(dataset),
            run_dir: run_dir.clone(),
            resume,
        };
        self.submit(JobKind::Train { run_dir }, request);
        self.state.screen = Screen::Train;
    }

    fn continue_run(&mut self, dir: &std::path::Path) {
        if self.state.training_job().is_some() {
            return;
        }
        if let Some(run) = self.state.runs.iter().find(|r| r.dir == dir) {
            self.start_training(run.dir.clone(), run.epochs.clone(), true);
        }
    }

    fn control(&mut self, action: &Action) {
        let Some((job, control)) = self.current() else { return };
        match action {
            Action::Pause => {
                control.pause();
                job.paused = true;
            }
            Action::Resume => {
                control.resume();
                job.paused = false;
            }
            Action::StopAndKeepBest => {
                control.stop_and_keep_best();
                (job.paused, job.stopping) = (false, true);
            }
            _ => {
                control.cancel();
                (job.paused, job.stopping) = (false, true);
            }
        }
        self.state.cancel_asked = false;
    }

    fn prediction(&mut self, action: Action) {
        match action {
            Action::SetPredictModel(model) => {
                self.state.predictions.model = Some(model);
                let paths: Vec<PathBuf> =
                    self.state.predictions.pictures.iter().map(|p| p.path.clone()).collect();
                self.predict(paths);
            }
            Action::Predict(paths) => self.predict(paths),
            Action::ClearPredictions => self.state.predictions.pictures.clear(),
            Action::SavePredictions(path) => match predictions_csv(&self.state.predictions) {
                Ok(text) => self.disk.ask(DiskRequest::WriteText(path, text)),
                Err(error) => self.fail(&error),
            },
            _ => {}
        }
    }

    fn predict(&mut self, paths: Vec<PathBuf>) {
        if paths.is_empty() {
            return;
        }
        let Some(model) = self.state.predict_model() else {
            let text = "There is no model yet. Train one, or choose complete weights under Model.";
            return self.state.notices.push(Tone::Warn, text);
        };
        for path in paths.iter().filter(|p| p.extension().is_some()) {
            self.state.predictions.wait_for(path.clone());
        }
        self.submit(JobKind::Predict, JobRequest::Predict { model, paths });
    }

    fn cycle_theme(&mut self, ctx: &Context) {
        let theme = &mut self.state.settings.theme;
        *theme = match *theme {
            ThemeChoice::System => ThemeChoice::Light,
            ThemeChoice::Light => ThemeChoice::Dark,
            ThemeChoice::Dark => ThemeChoice::System,
        };
        ctx.set_theme(theme::preference(*theme));
        self.disk.ask(DiskRequest::SaveSettings(self.state.settings.clone()));
    }
}
