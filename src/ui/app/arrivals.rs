//! What arrives from the worker, the downloads and the disk, and what follows.

use super::App;
use crate::session::jobs::JobRequest;
use crate::session::{Divide, JobId};
use crate::ui::actions::{Action, Pick};
use crate::ui::disk::{DiskAnswer, DiskRequest};
use crate::ui::state::{FollowUp, JobKind, Tone, plan_drop};
use crate::ui::views::train::words::sentence;
use crate::ui::{fonts, theme};
use egui::Context;

impl App {
    /// Takes in everything that has arrived.
    pub(super) fn drain(&mut self, ctx: &Context) {
        while let Some(event) = self.worker.try_event() {
            for follow in self.state.absorb(event) {
                self.follow(follow);
            }
        }
        while let Some(event) = self.downloads.try_event() {
            if let Some(follow) = self.state.absorb_download(event) {
                self.follow(follow);
            }
        }
        let open: Vec<JobId> = self.state.jobs.iter().map(|j| j.id).collect();
        self.controls.retain(|id, _| open.contains(id));
        while let Some(answer) = self.disk.answer() {
            match answer {
                Ok(answer) => self.disk_says(ctx, answer),
                Err(error) => {
                    // Where the next fold could not be begun, none is being trained.
                    if self.state.training_job().is_none() {
                        self.state.end_folds();
                    }
                    self.fail(&error);
                }
            }
        }
    }

    fn follow(&mut self, follow: FollowUp) {
        match follow {
            FollowUp::OpenSample(drawn) => self.disk.ask(DiskRequest::SampleDrawn(drawn)),
            FollowUp::RefreshRuns => self.refresh_runs(),
            FollowUp::SaveProject => self.save_project(),
            FollowUp::Opened => self.keep_new(),
            FollowUp::RefreshExports => self.refresh_exports(),
            FollowUp::RefreshDecisions => self.refresh_decisions(),
            FollowUp::Compare => self.compare(),
            FollowUp::Arrange => self.arrange(),
            FollowUp::CheckPictures => self.check_pictures(),
            FollowUp::Downloaded(backbone, path) => self.downloaded(backbone, path),
            FollowUp::NextFold => self.next_fold(),
            FollowUp::LookAgain => self.scan(Divide::AsSaved),
            FollowUp::SaveSettings => self.disk.ask(DiskRequest::SaveSettings(self.state.settings.clone())),
        }
    }

    fn disk_says(&mut self, ctx: &Context, answer: DiskAnswer) {
        match answer {
            DiskAnswer::Opened(project, damages) => {
                self.opened(*project);
                for damage in damages {
                    self.state.notices.push(Tone::Warn, sentence(&damage));
                }
            }
            DiskAnswer::Kept(project, failed) => self.state.keeping_ended(project, failed.as_ref()),
            DiskAnswer::Damaged(error) => {
                let next = ("Start anew from the folder\u{2026}", Action::Pick(Pick::DataFolder));
                self.state.notices.push_with(Tone::Bad, error.to_string(), next.0, next.1);
            }
            DiskAnswer::NewProject(project) => self.open_new(*project),
            DiskAnswer::Exports(folders) => self.state.exports = folders,
            DiskAnswer::RunReady(run_dir, config, divided) => {
                let dataset = divided.map(|data| *data).or_else(|| self.state.dataset().cloned());
                self.start_training(run_dir, *config, dataset, None);
                self.refresh_runs();
            }
            DiskAnswer::RunExtended(from, run_dir, config) => self.run_extended(&from, run_dir, *config),
            DiskAnswer::RunTrashed(run, trashed) => self.run_trashed(&run, trashed),
            DiskAnswer::RunRestored => self.refresh_runs(),
            DiskAnswer::Runs(runs, unreadable) => self.runs_read(runs, &unreadable),
            DiskAnswer::Evaluation(read) => {
                let (run, evaluation, test_judged, compared) = *read;
                self.state.insight.found_on_disk(&run.dir, compared);
                self.evaluation_read(&run, evaluation, test_judged);
                self.ask_test_judged();
            }
            DiskAnswer::NoEvaluation(run, why) => self.state.evaluation_unreadable(run, why),
            DiskAnswer::TestJudged(run, own, others) => self.state.test_judged(&run, own, others),
            DiskAnswer::Compared(compared, after) => self.state.show_comparison(compared, &after),
            DiskAnswer::Looked(items) => match plan_drop(&self.state, &items) {
                Ok(actions) => {
                    for action in actions {
                        self.apply(ctx, None, action);
                    }
                }
                Err(why) => {
                    self.state.path_error = Some(why.clone());
                    self.state.notices.push(Tone::Warn, why);
                }
            },
            DiskAnswer::SampleAt(dir) => self.disk.ask(DiskRequest::ProjectFor(dir)),
            DiskAnswer::DrawSampleAt(dir) => {
                self.submit(JobKind::WriteSample, JobRequest::WriteSample { dir });
            }
            DiskAnswer::Decided(project, decisions, preflight, new) => {
                if self.state.project.as_ref().is_some_and(|p| p.dir == project) {
                    (self.state.decisions, self.state.preflight) = (*decisions, Some(preflight));
                    if let Some(new) = new {
                        self.state.deciding.pop_front();
                        self.state.decided(&new);
                    }
                }
            }
            DiskAnswer::NotDecided(error, new) => {
                if new {
                    self.state.deciding.pop_front();
                }
                self.refresh_decisions();
                self.fail(&error);
            }
            DiskAnswer::Settings(settings, lost) => {
                ctx.set_theme(theme::preference(settings.theme));
                self.state.settings = settings;
                if let Some(lost) = lost {
                    self.state.notices.push(Tone::Warn, lost);
                }
            }
            DiskAnswer::Saved(project, failed) => self.saved(&project, failed.as_ref()),
            DiskAnswer::KnownWeights(found) => self.state.known_weights = found,
            DiskAnswer::FreeMemory(bytes) => self.state.free_memory = bytes,
            DiskAnswer::Written(path) => {
                self.state.notices.push(Tone::Good, format!("Saved: {}", path.display()));
            }
            DiskAnswer::CopiedFiles(files, _) if !files.is_empty() => {
                self.apply(ctx, None, Action::OpenPaths(files));
            }
            DiskAnswer::CopiedFiles(_, true) => {
                let none = "There is no picture on the clipboard, and no file: copy pictures first, or drop them on the window";
                self.state.notices.push(Tone::Warn, none);
            }
            DiskAnswer::CopiedFiles(_, false) => {
                ctx.send_viewport_cmd(egui::ViewportCommand::RequestPaste);
            }
            DiskAnswer::Pasted(picture) => self.apply(ctx, None, Action::Predict(vec![picture])),
            DiskAnswer::Fonts(others) if !others.is_empty() => fonts::install_with(ctx, others),
            DiskAnswer::Fonts(_) | DiskAnswer::Nothing => {}
        }
    }
}
