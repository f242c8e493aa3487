//! The window's frame: header, rail, inspector, status bar, and the screen in the middle.

pub mod overlays;
pub mod palette;
pub mod panes;
mod rail;
mod status;
mod toasts;

pub use status::{clock, comparison_words};

use super::actions::Action;
use super::commands::PALETTE_KEYS;
use super::icons::{self, Icon};
use super::state::{AppState, Screen, Undoable, decision_words, file_name};
use super::theme::{self, Palette, space};
use super::views::{self, ViewContext};
use super::widgets::{icon_button, primary_button, secondary_button};
use crate::session::ThemeChoice;
use egui::{Align, CentralPanel, Frame, Layout, Margin, Panel, RichText, ScrollArea, Stroke, Ui, UiBuilder};
use panes::Pane;

/// Draws everything. Places at the edges are taken first, and filled in the order in which the Tab key leads through the window.
pub fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    let bar = |margin: Margin| Frame::new().fill(p.surface).inner_margin(margin);
    let line = Stroke::new(1.0, p.stroke);
    cx.panes.begin(ui.ctx());
    let mut status_bar = place(
        ui,
        Panel::bottom("status")
            .exact_size(theme::frame::STATUS)
            .show_separator_line(false)
            .frame(bar(Margin::symmetric(space::M as i8, 0))),
    );
    let toasts = toasts::place(ui, state);
    Panel::left("rail")
        .exact_size(theme::frame::RAIL)
        .resizable(false)
        .show_separator_line(false)
        .frame(bar(Margin::ZERO))
        .show(ui, |ui| {
            ui.painter().vline(ui.max_rect().right(), ui.max_rect().y_range(), line);
            cx.panes.enter(ui, Pane::Rail);
            rail::show(ui, state, actions);
        });
    Panel::top("header")
        .exact_size(theme::frame::HEADER)
        .show_separator_line(false)
        .frame(bar(Margin::symmetric(space::L as i8, 0)))
        .show(ui, |ui| {
            ui.painter().hline(ui.max_rect().expand(space::L).x_range(), ui.max_rect().bottom(), line);
            header(ui, state, actions);
        });
    let side = views::has_inspector(state).then(|| {
        let panel = Panel::right("inspector")
            .default_size(theme::frame::INSPECTOR)
            .size_range(280.0..=340.0)
            .resizable(true)
            .frame(bar(Margin::ZERO));
        place(ui, panel)
    });
    CentralPanel::default()
        .frame(Frame::new().fill(p.background).inner_margin(Margin::same(space::XL as i8)))
        .show(ui, |ui| {
            cx.panes.enter(ui, Pane::Main);
            // Each screen scrolls by itself.
            ui.push_id(state.screen, |ui| views::show(ui, state, cx, actions));
        });
    if let Some(mut ui) = side {
        cx.panes.enter(&ui, Pane::Side);
        inspector(&mut ui, state, cx, actions);
    }
    if let Some(mut ui) = toasts {
        toasts::show(&mut ui, state, actions);
    }
    let top = status_bar.max_rect().expand(space::M);
    status_bar.painter().hline(top.x_range(), status_bar.max_rect().top(), line);
    status::show(&mut status_bar, state, actions);
    overlays::show(ui, state, actions);
    palette::show(ui, state, &mut cx.palette, actions);
}

/// Takes a panel's place, to be filled later.
fn place(ui: &mut Ui, panel: Panel) -> Ui {
    let reserve = |ui: &mut Ui| {
        ui.set_min_size(ui.available_size());
        ui.new_child(UiBuilder::new().max_rect(ui.max_rect()))
    };
    panel.show(ui, reserve).inner
}

fn inspector(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    // What scrolls begins a little inside: it would take the pointer from the edge that is dragged.
    let (edge, margin) = (space::S, Margin::same(space::L as i8));
    let mut inside = ui.max_rect();
    inside.min.x += edge;
    ui.scope_builder(UiBuilder::new().max_rect(inside), |ui| {
        ScrollArea::vertical().id_salt(state.screen).auto_shrink(false).show(ui, |ui| {
            Frame::new().inner_margin(Margin { left: margin.left - edge as i8, ..margin }).show(ui, |ui| {
                views::inspector(ui, state, cx, actions);
            });
        });
    });
}

fn header(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    ui.horizontal_centered(|ui| {
        ui.label(RichText::new(state.title()).text_style(theme::section_style()).strong());
        if let Some(data) = state.config.data.path.as_ref().filter(|_| state.project.is_some()) {
            let text = RichText::new(data.display().to_string()).small().color(p.muted);
            let room = (ui.available_width() - 360.0).max(40.0);
            ui.scope(|ui| {
                ui.set_max_width(room);
                ui.add(egui::Label::new(text).truncate())
                    .on_hover_text("The folder of pictures. It is never written to.");
            });
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            theme_button(ui, state, actions);
            let name = format!("All commands · {}", ui.ctx().format_shortcut(&PALETTE_KEYS));
            if icon_button(ui, Icon::Command, &name).clicked() {
                actions.push(Action::TogglePalette);
            }
            undo_buttons(ui, state, actions);
            ui.add_space(space::XS);
            main_action(ui, state, actions);
        });
    });
}

fn main_action(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    // The Start screen offers the same, larger; the Train screen beside its progress.
    if matches!(state.screen, Screen::Start | Screen::Train) {
        return;
    }
    let step = state.next_step();
    let pressed = match &step.blocked {
        None => primary_button(ui, step.label).on_hover_text("The next step · Ctrl+Enter"),
        Some(why) => {
            ui.add_enabled_ui(false, |ui| primary_button(ui, step.label)).inner.on_disabled_hover_text(why)
        }
    };
    if pressed.clicked() {
        actions.push(step.action);
    }
    if let Some(job) = state.training_job()
        && !job.stopping
    {
        let (word, action) = if job.paused { ("Resume", Action::Resume) } else { ("Pause", Action::Pause) };
        if secondary_button(ui, word).clicked() {
            actions.push(action);
        }
    }
}

/// Taking back what was changed, once something was.
fn undo_buttons(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let (undo, redo) = (state.to_undo(), state.to_redo());
    if undo.is_none() && redo.is_none() {
        return;
    }
    for (icon, word, keys, change, block, action) in [
        (Icon::Redo2, "Redo", "Ctrl+Shift+Z", redo, state.redo_block(), Action::Redo),
        (Icon::Undo2, "Undo", "Ctrl+Z", undo, state.undo_block(), Action::Undo),
    ] {
        let name = match change {
            Some(change) => format!("{word}: {} · {keys}", change_words(change)),
            None => format!("Nothing to {}", word.to_lowercase()),
        };
        ui.add_enabled_ui(block.is_none(), |ui| {
            let button = icon_button(ui, icon, &name);
            let button = match (change, block) {
                (Some(_), Some(why)) => button.on_disabled_hover_text(why),
                _ => button,
            };
            if button.clicked() {
                actions.push(action);
            }
        });
    }
}

/// A change in a few words.
pub(super) fn change_words(change: Undoable<'_>) -> String {
    match change {
        Undoable::Decision(decided) => decision_words(decided),
        Undoable::Deleted(run) => format!("run {} was deleted", file_name(run)),
        Undoable::Notes(run) => format!("the note about run {}", file_name(run)),
        Undoable::Settings(words) => words.to_owned(),
    }
}

fn theme_button(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let (icon, name) = match state.settings.theme {
        ThemeChoice::System => (Icon::SunMoon, "Theme: as the system"),
        ThemeChoice::Light => (Icon::Sun, "Theme: light"),
        ThemeChoice::Dark => (Icon::Moon, "Theme: dark"),
    };
    if icon_button(ui, icon, name).clicked() {
        actions.push(Action::CycleTheme);
    }
}

/// The program's mark.
pub(super) fn mark(ui: &Ui, centre: egui::Pos2, size: f32) {
    let p = Palette::of(ui);
    super::widgets::paint_icon(ui, centre, Icon::Sprout, size.max(icons::SIZE), p.accent);
}
