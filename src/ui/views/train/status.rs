//! Where training stands, how far it is, and what can be done about it.

use super::Memory;
use super::words::{self, Running, Standing};
use crate::engine::BatchReason;
use crate::ui::actions::Pick;
use crate::ui::icons::{self, Icon};
use crate::ui::state::NOTHING_TO_KEEP;
use crate::ui::theme::{Palette, space};
use crate::ui::widgets::{icon_beside, link_button, primary_button, progress_bar, secondary_button};
use crate::ui::{Action, AppState, Screen};
use egui::{Align, Label, Layout, Response, RichText, Role, Ui, WidgetInfo};

/// Draws title, sentence, buttons and progress.
pub(super) fn show(ui: &mut Ui, state: &AppState, memory: &mut Memory, actions: &mut Vec<Action>) {
    let standing = words::standing(state);
    let p = Palette::of(ui);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        // The buttons take what they need, the title the rest.
        let room = egui::vec2(ui.available_width(), 0.0);
        ui.allocate_ui_with_layout(room, Layout::right_to_left(Align::Min), |ui| {
            buttons_of(ui, state, &standing, memory, actions);
            ui.with_layout(Layout::top_down(Align::Min), |ui| {
                let ink = if matches!(standing, Standing::Failed(_)) { p.bad } else { p.text };
                ui.add(Label::new(RichText::new(standing.title()).heading().color(ink)).truncate());
            });
        });
        let detail = Label::new(RichText::new(standing.detail(state)).color(p.muted));
        // While it runs its numbers change with each step: what is below must not move with them.
        let runs = matches!(standing, Standing::Running(_));
        ui.add(if runs { detail.truncate() } else { detail.wrap() });
    });
    if matches!(standing, Standing::Ready) && words::misses_weights(&state.config) {
        random_start(ui, state, actions);
    }
    if let Some(progress) = standing.progress() {
        ui.add_space(space::S);
        let response = progress_bar(ui, progress, egui::vec2(ui.available_width(), 6.0));
        response.widget_info(|| {
            let mut info = WidgetInfo::labeled(Role::ProgressIndicator, true, "Progress of training");
            info.value = Some(f64::from(progress * 100.0));
            info
        });
    }
    for change in words::batch_changes(state, &standing) {
        ui.add_space(space::XS);
        ui.horizontal_wrapped(|ui| {
            let (icon, ink) = match change.reason {
                BatchReason::OutOfMemory => (Icon::TriangleAlert, p.warn),
                BatchReason::Measured => (Icon::Info, p.muted),
            };
            icon_beside(ui, icon, icons::SIZE, ink);
            ui.label(change.words());
        });
    }
    if let (Standing::Running(_), Some(note)) =
        (&standing, state.training.as_ref().and_then(|t| t.notes.last()))
    {
        ui.add_space(space::XS);
        ui.label(RichText::new(note).small().color(p.muted));
    }
}

fn buttons_of(
    ui: &mut Ui,
    state: &AppState,
    standing: &Standing<'_>,
    memory: &mut Memory,
    actions: &mut Vec<Action>,
) {
    let mut push = |response: Response, action: Action| {
        if response.clicked() {
            actions.push(action);
        }
    };
    match standing {
        Standing::NoPictures => push(primary_button(ui, "Open a folder…"), Action::Pick(Pick::DataFolder)),
        Standing::Running(r) => running(ui, state, r, actions),
        Standing::Interrupted(run) => {
            push(primary_button(ui, "Continue"), Action::ContinueRun(run.dir.clone()));
            train(ui, state, "Train anew", memory, actions);
        }
        Standing::Finished(_) | Standing::Stopped(_) => {
            push(primary_button(ui, "Evaluate"), Action::Go(Screen::Evaluate));
            train(ui, state, "Train again", memory, actions);
        }
        Standing::Cancelled => {
            if let Some(run) = state.interrupted_run() {
                push(primary_button(ui, "Continue"), Action::ContinueRun(run.dir.clone()));
            }
            train(ui, state, "Train again", memory, actions);
        }
        Standing::Failed(_) => train(ui, state, "Try again", memory, actions),
        Standing::Ready | Standing::Blocked(_) => train(ui, state, "Train", memory, actions),
    }
}

fn train(ui: &mut Ui, state: &AppState, label: &str, memory: &mut Memory, actions: &mut Vec<Action>) {
    let block = state.train_block();
    let main = matches!(label, "Train" | "Try again");
    let button = ui.add_enabled_ui(block.is_none(), |ui| {
        if main { primary_button(ui, label) } else { secondary_button(ui, label) }
    });
    let response = button.inner;
    if response.clicked() {
        (memory.shown_run, memory.tab) = (None, None);
        actions.push(Action::Train);
    }
    if let Some(why) = block {
        response.on_disabled_hover_text(why);
    }
}

/// The published accuracy is that of the published weights, and they are not there.
fn random_start(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    let name = words::backbone_title(&state.config.backbone.name);
    ui.horizontal_wrapped(|ui| {
        icon_beside(ui, Icon::TriangleAlert, icons::SIZE, p.warn);
        ui.label(format!(
            "{name} has no weight file, so it starts from random weights and knows nothing yet."
        ));
        if link_button(ui, "Choose a weight file").clicked() {
            actions.push(Action::Go(Screen::Model));
        }
    });
}

/// Where Train was stands what cannot be pressed before an epoch is finished: a second click changes nothing.
fn running(ui: &mut Ui, state: &AppState, r: &Running, actions: &mut Vec<Action>) {
    ui.add_enabled_ui(!r.stopping, |ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let keep = ui.add_enabled_ui(state.has_finished_epoch(), |ui| {
                secondary_button(ui, "Stop and keep the best")
            });
            let stop = keep
                .inner
                .on_hover_text(
                    "Ends training after the present step and saves the best epoch so far as the model",
                )
                .on_disabled_hover_text(NOTHING_TO_KEEP);
            let (hold, why, action) = if r.paused {
                ("Resume", "Goes on where it was held", Action::Resume)
            } else {
                (
                    "Pause",
                    "Holds training at its next step and leaves the processor to other programs",
                    Action::Pause,
                )
            };
            let (label, why_end) = match r.last_epoch {
                true => {
                    ("Stops after this epoch", "The present epoch is the last; then the best one is saved")
                }
                false => (
                    "Stop after this epoch",
                    "Finishes the present epoch, then saves the best one as the model",
                ),
            };
            let end = ui.add_enabled_ui(!r.last_epoch, |ui| secondary_button(ui, label)).inner;
            let end = end.on_hover_text(why_end).on_disabled_hover_text(why_end);
            for (response, action) in [
                (stop, Action::StopAndKeepBest),
                (end, Action::StopAfterEpoch),
                (secondary_button(ui, hold).on_hover_text(why), action),
                (
                    secondary_button(ui, "Cancel").on_hover_text("Ends training without a model"),
                    Action::CancelJob,
                ),
            ] {
                if response.clicked() {
                    actions.push(action);
                }
            }
        });
    });
}
