//! Carrying out actions: the one place where what a person asked for becomes jobs, disk requests and changes of state.

mod deciding;
mod insight;
mod judging;
mod model;
mod opening;
mod predicting;
mod runs;

use super::actions::{Action, Pick};
use super::app::App;
use super::disk::DiskRequest;
use super::state::{JobKind, Screen, Tone};
use super::theme;
use crate::config::TrainConfig;
use crate::data::Step;
use crate::session::jobs::{JobId, JobRequest, ModelRef};
use crate::session::{Divide, ThemeChoice};
use egui::{Context, ViewportCommand};
use std::path::PathBuf;
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
            Action::Refused(why) => self.state.notices.push_refusal(why),
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
            Action::AskDivision(asked) => {
                self.state.division_asked = asked;
                if asked {
                    self.state.screen = Screen::Data;
                }
            }
            Action::SetConfig(config) => self.set_config(*config),
            Action::ChooseBackbone(name) => self.choose_backbone(name),
            Action::UseWeights(path) => {
                let backbone = self.state.config.backbone.name.clone();
                self.try_weights(&backbone, path);
            }
            Action::UseWeightsOf(backbone, path) => self.try_weights(backbone, path),
            Action::ForgetWeights => self.use_weights(None),
            Action::Train => self.train(self.state.config.clone()),
            Action::TrainFolds => self.train_folds(),
            Action::TrainFromScratch(run) => self.train_from_scratch(&run),
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
            Action::CancelBeside(id) => self.cancel(id),
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
            Action::Undo => self.undo(),
            Action::Redo => self.redo(),
            Action::MovePane(forward) => self.cx.panes.step(forward),
            Action::TogglePalette => self.state.palette_open = !self.state.palette_open,
            Action::JudgeTest => self.judge_test(),
            Action::JudgeRun(run) => self.judge_run(&run),
            Action::SetJudgedModel(model) => self.state.judged_model = Some(model),
            Action::JudgeFolder(data) => self.judge_folder(data),
            Action::ShowEvaluateTab(tab) => {
                self.state.evaluate_tab = tab;
                self.state.screen = Screen::Evaluate;
            }
            Action::Select(selection) => self.state.selection = selection,
            Action::Explain { picture, class } => self.explain(self.state.judged_model(), picture, class),
            Action::LookInto(picture) => self.explain(self.state.predict_model(), picture, None),
            Action::Analyse => self.analyse(),
            Action::ArrangeMap(layout) => self.lay_out(layout),
            Action::AskPaste => {
                // What is pasted is not for the text field that had the keyboard.
                ctx.memory_mut(|m| m.focused().into_iter().for_each(|id| m.surrender_focus(id)));
                self.disk.ask(DiskRequest::CopiedFiles { alone: false });
            }
            Action::PasteFiles => self.disk.ask(DiskRequest::CopiedFiles { alone: true }),
            Action::PastePicture(size, rgba) => {
                self.state.screen = Screen::Predict;
                self.disk.ask(DiskRequest::Paste(size, rgba));
            }
            Action::SetPredictModel(_)
            | Action::Predict(_)
            | Action::CheckPictures
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
        // What is written and has no field for its path goes into the project's folder, and says so.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let beside = |name: String| self.state.project.as_ref().map(|project| project.dir.join(name));
        let action = match pick {
            Pick::PredictionsCsv => beside(format!("predictions-{now}.csv")).map(Action::SavePredictions),
            Pick::CopyTo => beside(format!("by-class-{now}")).map(Action::CopyByClass),
            _ => None,
        };
        if let Some(action) = action {
            return self.apply(ctx, None, action);
        }
        let text = match pick {
            Pick::PredictionsCsv | Pick::CopyTo => {
                "This system has no file dialog, and without a project there is no place to write to. Open the folder of pictures that \
                 the model was trained on, or use `headstart-cli predict`."
            }
            _ => "This system has no file dialog. Drop the folder or file on the window, or type its path.",
        };
        self.state.notices.push(Tone::Warn, text);
    }

    fn set_config(&mut self, config: TrainConfig) {
        let otherwise = self.state.config.data.reads_otherwise(&config.data);
        if otherwise {
            self.state.remember_before_look();
        }
        self.state.config = config;
        self.settings_changed();
        if otherwise {
            self.scan(Divide::AsSaved);
        }
    }

    fn control(&mut self, action: &Action) {
        let of = match action {
            Action::CancelJob => self.state.job(),
            _ => self.state.training_job(),
        };
        let Some((job, control)) = of.map(|job| job.id).and_then(|id| self.switches(id)) else { return };
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

    fn cancel(&mut self, id: JobId) {
        if let Some((job, control)) = self.switches(id) {
            control.cancel();
            (job.paused, job.stopping) = (false, true);
        }
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
