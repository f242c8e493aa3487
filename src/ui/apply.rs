//! Carrying out actions: the one place where what a person asked for becomes jobs, disk requests and changes of state.

mod insight;

use super::actions::{Action, Pick};
use super::app::App;
use super::disk::DiskRequest;
use super::state::{Download, JobKind, RunningJob, Screen, Tone, WeightsState, predictions_csv};
use super::theme;
use crate::backbones::find;
use crate::config::{Pooling, TrainConfig};
use crate::data::Step;
use crate::session::jobs::{JobRequest, ModelRef};
use crate::session::{Project, RunInfo, ThemeChoice};
use egui::{Context, ViewportCommand};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

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
            | Action::UseLabels(_)
            | Action::DivideAnew(_)
            | Action::AllowUnreadable => self.open(action),
            Action::SetConfig(config) => self.set_config(*config),
            Action::ChooseBackbone(name) => self.choose_backbone(name),
            Action::UseWeights(path) => self.use_weights(Some(path)),
            Action::ForgetWeights => self.use_weights(None),
            Action::Train => self.train(self.state.config.clone()),
            Action::TrainWith(config) => self.train(*config),
            Action::DownloadWeights(_) | Action::CancelDownload(_) | Action::MeasureSpeed(_) => {
                self.about_backbone(action);
            }
            Action::ContinueRun(dir) => self.continue_run(&dir),
            Action::FindRate => self.find_rate(),
            Action::ExtendRun(..) | Action::DeleteRun(_) | Action::RestoreRun(_) | Action::SaveNotes(..) => {
                self.with_run(action);
            }
            Action::CancelJob if matches!(self.state.job(), Some(job) if job.is_training()) => {
                self.state.cancel_asked = true;
            }
            Action::KeepTraining => self.state.cancel_asked = false,
            Action::Pause
            | Action::Resume
            | Action::StopAfterEpoch
            | Action::StopAndKeepBest
            | Action::CancelJob
            | Action::CancelTraining => self.control(&action),
            Action::TrainAgain(dir) => self.train_again(dir),
            Action::CompareWith(dir) => {
                self.state.compare_with = dir;
                self.compare();
            }
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
            Action::JudgeTest => self.judge_test(),
            Action::SetJudgedModel(model) => self.state.judged_model = Some(model),
            Action::JudgeFolder(data) => self.judge_folder(data),
            Action::ShowEvaluateTab(tab) => {
                self.state.evaluate_tab = tab;
                self.state.screen = Screen::Evaluate;
            }
            Action::Select(selection) => self.state.selection = selection,
            Action::Explain { picture, class } => self.explain(picture, class),
            Action::Analyse => self.analyse(),
            Action::PastePicture(size, rgba) => {
                self.state.screen = Screen::Predict;
                self.disk.ask(DiskRequest::Paste(size, rgba));
            }
            Action::SetPredictModel(_)
            | Action::Predict(_)
            | Action::DecideFrom(_)
            | Action::CopyByClass(_)
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
            Action::RememberThumbnailSize(size) => {
                self.state.settings.thumbnail_size = size;
                self.disk.ask(DiskRequest::SaveSettings(self.state.settings.clone()));
            }
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
            Pick::LabelFile => Action::UseLabels(Some(path)),
            Pick::Project => Action::OpenProject(path),
            Pick::Weights => Action::UseWeights(path),
            Pick::CopyTo => Action::CopyByClass(path),
            Pick::PredictionsCsv => Action::SavePredictions(path),
            Pick::ExportTo { run_dir } => Action::Export { run_dir, out: path },
            Pick::JudgedModel => Action::SetJudgedModel(path),
            Pick::JudgedFolder => Action::JudgeFolder(path),
            Pick::Model => Action::SetPredictModel(ModelRef::Saved(path)),
            Pick::Pictures | Pick::PictureFolder => return,
        };
        self.apply(ctx, None, action);
    }

    /// The system has no dialog for this. What would be saved is saved in the project, under a name of its own.
    pub(super) fn without_dialog(&mut self, ctx: &Context, pick: &Pick) {
        if let (Pick::PredictionsCsv, Some(project)) = (pick, &self.state.project) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
            let place = project.dir.join(format!("predictions-{now}.csv"));
            return self.apply(ctx, None, Action::SavePredictions(place));
        }
        let text = "This system has no file dialog. Drop the folder or file on the window, or type its path.";
        self.state.notices.push(Tone::Warn, text);
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
            Action::DivideAnew(data) => {
                self.state.config.data = *data;
                self.settings_changed();
                self.scan();
            }
            Action::UseLabels(labels) => match self.state.with_labels(labels) {
                Some(project) => self.open_new(project),
                None => {
                    self.settings_changed();
                    self.scan();
                }
            },
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
                let divided = |c: &TrainConfig| (c.data.split, c.data.group_by, c.data.labels.clone());
                let before = self.state.project.as_ref().map(|p| chosen(&p.config));
                let division = self.state.project.as_ref().map(|p| divided(&p.config));
                self.keep_settings();
                if division.is_some_and(|before| before != divided(&self.state.config)) {
                    self.scan();
                }
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

    fn train_again(&mut self, run_dir: PathBuf) {
        let config = self.state.runs.iter().find(|r| r.dir == run_dir).map(|r| r.config.clone());
        if let Some(config) = config {
            self.state.compare_with = Some(run_dir);
            self.train(config);
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
            Action::StopAfterEpoch => {
                control.stop_after_epoch();
                job.paused = false;
                if let Some(t) = &mut self.state.training {
                    t.last_epoch = true;
                }
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
            Action::DecideFrom(probability) => {
                self.state.predictions.decide_from = probability.clamp(0.0, 1.0)
            }
            Action::CopyByClass(out) => {
                let pictures = self.state.predictions.decisions();
                let data = self.state.dataset().map(|d| d.root.clone());
                self.submit(JobKind::Copy, JobRequest::CopyByClass { pictures, out, data });
            }
            Action::ClearPredictions => self.state.predictions.clear(),
            Action::SavePredictions(path) => match predictions_csv(&self.state.predictions) {
                Ok(table) => self.disk.ask(DiskRequest::Write(path, table)),
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
