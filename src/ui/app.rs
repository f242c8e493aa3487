//! The window's program: drains events into the state, draws, carries out what was asked for.

mod arrivals;
pub(super) mod pasting;

use super::actions::Action;
use super::commands::PALETTE_KEYS;
use super::dialogs::{Dialogs, Picked};
use super::disk::{Disk, DiskRequest};
use super::frames::FrameTimes;
use super::state::{AppState, JobKind, RunningJob, Tone, drop_hint};
use super::views::ViewContext;
use super::widgets::point_cloud::Surface;
use super::{fonts, shell, theme};
use crate::engine::Control;
use crate::error::Error;
use crate::session::hub::Downloads;
use crate::session::jobs::JobRequest;
use crate::session::{JobId, Worker};
use egui::{Context, Event, KeyboardShortcut};
use pasting::Pasting;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Settings are saved this long after the last change, in seconds.
const SAVE_AFTER_S: f64 = 0.6;
/// Saving that failed is tried again after this long, in seconds.
const SAVE_AGAIN_AFTER_S: f64 = 10.0;
/// Free memory is looked at this often where it is shown, in seconds.
const MEMORY_EVERY_S: f64 = 2.0;

/// The window's program.
#[derive(Debug)]
pub struct App {
    pub(super) state: AppState,
    pub(super) cx: ViewContext,
    pub(super) worker: Worker,
    pub(super) downloads: Downloads,
    pub(super) controls: HashMap<JobId, Arc<Control>>,
    pub(super) disk: Disk,
    pub(super) dialogs: Dialogs,
    /// Window time at which changed settings are to be saved.
    pub(super) save_due_s: Option<f64>,
    /// The user has said to close although a job is running.
    pub(super) closing: bool,
    pasting: Pasting,
    /// When free memory was last asked for, in window time.
    memory_asked_s: Option<f64>,
    /// Of the training job that runs.
    frames: FrameTimes,
    /// Since the program was started.
    all_frames: FrameTimes,
}

impl App {
    /// Prepares the window: fonts, theme, the worker. `paths` are opened as if they were dropped on it.
    pub fn new(cc: &eframe::CreationContext<'_>, paths: Vec<PathBuf>) -> Self {
        let ctx = &cc.egui_ctx;
        fonts::install(ctx);
        theme::install(ctx);
        let wake = |ctx: &Context| {
            let ctx = ctx.clone();
            move || ctx.request_repaint()
        };
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let disk = Disk::start(wake(ctx));
        disk.ask(DiskRequest::LoadSettings);
        disk.ask(DiskRequest::KnownWeights);
        disk.ask(DiskRequest::Fonts);
        if !paths.is_empty() {
            disk.ask(DiskRequest::Look(paths));
        }
        Self {
            state: AppState { cores, ..AppState::default() },
            cx: match &cc.wgpu_render_state {
                Some(wgpu) => ViewContext { surface: Surface(wgpu.target_format), ..ViewContext::default() },
                None => ViewContext::default(),
            },
            worker: Worker::spawn(wake(ctx)),
            downloads: Downloads::new(wake(ctx)),
            controls: HashMap::new(),
            disk,
            dialogs: Dialogs::default(),
            save_due_s: None,
            closing: false,
            pasting: Pasting::default(),
            memory_asked_s: None,
            frames: FrameTimes::default(),
            all_frames: FrameTimes::default(),
        }
    }

    /// What the window knows, for tests.
    pub fn state(&self) -> &AppState {
        &self.state
    }

    pub(super) fn submit(&mut self, kind: JobKind, request: JobRequest) {
        let (id, control) = self.worker.submit(request);
        self.controls.insert(id, control);
        self.state.jobs.push(RunningJob::new(id, kind));
    }

    /// A job, and its switches.
    pub(super) fn switches(&mut self, id: JobId) -> Option<(&mut RunningJob, &Control)> {
        let control = self.controls.get(&id)?;
        let job = self.state.jobs.iter_mut().find(|j| j.id == id)?;
        Some((job, control))
    }

    pub(super) fn fail(&mut self, error: &Error) {
        self.state.notices.push(Tone::Bad, error.to_string());
    }

    /// Asks how much memory is free, now and then, where that is shown.
    fn look_at_memory(&mut self) {
        let due = self.memory_asked_s.is_none_or(|at| self.state.now_s - at >= MEMORY_EVERY_S);
        if self.state.screen == crate::ui::Screen::Model && due {
            self.memory_asked_s = Some(self.state.now_s);
            self.disk.ask(DiskRequest::FreeMemory);
        }
    }

    /// Counts the last frame, and apart if a network was trained meanwhile; once it is trained, the log gets the histogram.
    fn count_frame(&mut self, frame: &eframe::Frame) {
        let trains = self.state.training_job().is_some_and(|job| job.started_s.is_some());
        if let Some(seconds) = frame.info().cpu_usage {
            self.all_frames.add(seconds);
            if trains {
                self.frames.add(seconds);
            }
        }
        if !trains && let Some(summary) = std::mem::take(&mut self.frames).summary("while training") {
            tracing::info!("{summary}");
        }
    }

    fn dropped(&mut self, ctx: &Context) {
        let (hovering, dropped): (bool, Vec<PathBuf>) = ctx.input(|i| {
            let dropped = i.raw.dropped_files.iter().map(|f| f.path().to_path_buf()).collect();
            (!i.raw.hovered_files.is_empty(), dropped)
        });
        self.state.hovering = hovering;
        if !dropped.is_empty() {
            self.disk.ask(DiskRequest::Look(dropped));
        }
    }

    fn closing_asked(&mut self, ctx: &Context) {
        if !ctx.input(|i| i.viewport().close_requested()) || self.closing {
            return;
        }
        if self.state.lost_by_closing().is_some() {
            ctx.send_viewport_cmd(egui::ViewportCommand::CancelClose);
            self.state.close_asked = true;
        }
    }

    fn save_when_due(&mut self, ctx: &Context) {
        let Some(due) = self.save_due_s else { return };
        if self.state.now_s >= due {
            self.save_due_s = None;
            self.save_project();
        } else {
            ctx.request_repaint_after(Duration::from_secs_f64((due - self.state.now_s).max(0.01)));
        }
    }

    /// Somebody changed settings.
    pub(super) fn settings_changed(&mut self) {
        if let Some(project) = &self.state.project {
            self.state.record_settings(project.config.clone());
        }
        self.keep_settings();
    }

    /// Saves the settings soon.
    pub(super) fn keep_settings(&mut self) {
        let Some(project) = &mut self.state.project else { return };
        project.config = self.state.config.clone();
        self.save_due_s = Some(self.state.now_s + SAVE_AFTER_S);
    }

    /// Saves now what would be saved soon.
    pub(super) fn save_if_due(&mut self) {
        if self.save_due_s.take().is_some() {
            self.save_project();
        }
    }

    /// Saving a project's settings ended. What could not be saved is tried again: after a while, and at the latest when the window
    /// is closed.
    fn saved(&mut self, project: &Path, failed: Option<&Error>) {
        match failed {
            Some(error) if self.state.project.as_ref().is_none_or(|p| p.dir != project) => self.fail(error),
            _ => self.state.save_ended(failed),
        }
        if self.state.unsaved {
            self.save_due_s.get_or_insert(self.state.now_s + SAVE_AGAIN_AFTER_S);
        }
    }

    pub(super) fn save_project(&mut self) {
        if self.state.not_kept().is_some() {
            return self.keep_project();
        }
        if let Some(project) = &self.state.project {
            self.disk.ask(DiskRequest::Save(project.clone()));
        }
    }
}

/// The keys of all commands; those that cannot be done now say why.
fn shortcuts(ctx: &Context, state: &AppState, actions: &mut Vec<Action>) {
    let pressed = |event: &Event| matches!(event, Event::Key { pressed: true, .. });
    if state.question_asked() || !ctx.input(|i| i.events.iter().any(pressed)) {
        return;
    }
    // A text field has its own undo.
    let typing = ctx.text_edit_focused();
    for command in state.commands() {
        let own = typing && matches!(command.action, Action::Undo | Action::Redo);
        if own || state.palette_open {
            continue;
        }
        let times = |keys: KeyboardShortcut| {
            ctx.input_mut(|i| i.count_and_consume_key(keys.modifiers, keys.logical_key))
        };
        let pressed: usize = command.all_keys().map(times).sum();
        // A slow frame may bring several presses: each takes one step back.
        let steps = matches!(command.action, Action::Undo | Action::Redo);
        for _ in 0..if steps { pressed } else { pressed.min(1) } {
            actions.extend(command.actions());
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &Context, frame: &mut eframe::Frame) {
        self.state.now_s = ctx.input(|i| i.time);
        self.count_frame(frame);
        self.drain(ctx);
        match self.dialogs.answer() {
            Some(Picked::Paths(pick, paths)) => self.picked(ctx, pick, paths),
            Some(Picked::Unavailable(pick)) => self.without_dialog(ctx, &pick),
            Some(Picked::Nothing) | None => {}
        }
        self.dropped(ctx);
        self.look_at_memory();
        self.closing_asked(ctx);
        // A question that has answered itself does not come back with the next job.
        self.state.close_asked &= self.state.lost_by_closing().is_some();
        self.save_when_due(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.cx.thumbnails.begin_frame(&ctx);
        let mut actions = Vec::new();
        // Before anything is drawn: words that were typed in the same frame are for the list.
        if !self.state.question_asked() && ctx.input_mut(|i| i.consume_shortcut(&PALETTE_KEYS)) {
            self.apply(&ctx, Some(frame), Action::TogglePalette);
            shell::palette::keep_keys(&ctx);
        }
        shortcuts(&ctx, &self.state, &mut actions);
        self.pasting.follow(&ctx, &mut actions);
        shell::show(ui, &self.state, &mut self.cx, &mut actions);
        if self.state.hovering {
            shell::overlays::drop_overlay(ui, drop_hint(&self.state));
        }
        self.state.notices.mark_shown(self.state.now_s);
        if let Some(left) = self.state.notices.next_change_s(self.state.now_s) {
            ctx.request_repaint_after(Duration::from_secs_f64(left));
        }
        for action in actions {
            self.apply(&ctx, Some(frame), action);
            ctx.request_repaint();
        }
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }

    fn on_exit(&mut self) {
        if let Some(summary) = self.all_frames.summary("in all") {
            tracing::info!("{summary}");
        }
        // Before what is saved last, so that they end meanwhile.
        self.worker.cancel_all();
        self.save_if_due();
        self.disk.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::{Key, Modifiers, RawInput};

    #[test]
    fn the_keys_of_a_command_that_cannot_be_done_say_why() {
        let press = |key, modifiers| {
            let event = Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers };
            let (ctx, mut actions) = (Context::default(), Vec::new());
            let input = RawInput { events: vec![event], ..RawInput::default() };
            let mut drawn = ctx.run_ui(input, |ui| shortcuts(ui.ctx(), &AppState::default(), &mut actions));
            drawn.textures_delta.clear();
            actions
        };
        let why = "Train is not possible now. Open a folder of pictures first";
        assert_eq!(press(Key::T, Modifiers::COMMAND), [Action::Refused(why.to_owned())]);
        assert_eq!(press(Key::Num2, Modifiers::COMMAND), [Action::Go(crate::ui::Screen::Model)]);
    }
}
