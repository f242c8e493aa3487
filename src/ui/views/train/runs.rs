//! The project's runs.

use super::Memory;
use super::words::{self, backbone_title};
use crate::session::{RunInfo, RunState};
use crate::ui::theme::{Palette, space};
use crate::ui::widgets::{badge, link_button};
use crate::ui::{Action, AppState};
use egui::{Align, Button, Color32, Layout, RichText, Ui};
use egui_extras::{Column, TableBuilder, TableRow};

const ROW: f32 = 28.0;

/// Draws the list, newest first.
pub(super) fn show(ui: &mut Ui, state: &AppState, memory: &mut Memory, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    ui.label(RichText::new("Runs").strong());
    ui.spacing_mut().item_spacing = egui::vec2(space::M, 2.0);
    let present = state.training.as_ref().filter(|_| state.training_job().is_some()).map(|t| &t.run_dir);
    TableBuilder::new(ui)
        .id_salt("runs")
        .striped(false)
        .auto_shrink([false, false])
        .cell_layout(Layout::left_to_right(Align::Center))
        .column(Column::exact(84.0))
        .column(Column::exact(92.0))
        .column(Column::remainder().at_least(110.0).clip(true))
        .column(Column::remainder().at_least(90.0).clip(true))
        .column(Column::exact(210.0))
        .column(Column::exact(84.0))
        .header(20.0, |mut header| {
            for title in ["Run", "State", "Backbone", "What learns", "Validation accuracy", ""] {
                header.col(|ui| {
                    ui.label(RichText::new(title).small().color(p.muted));
                });
            }
        })
        .body(|body| {
            body.rows(ROW, state.runs.len(), |mut row| {
                let Some(run) = state.runs.get(row.index()) else { return };
                let running = present == Some(&run.dir);
                cells(&mut row, state, (run, running), memory, actions);
            });
        });
}

fn cells(
    row: &mut TableRow<'_, '_>,
    state: &AppState,
    (run, running): (&RunInfo, bool),
    memory: &mut Memory,
    actions: &mut Vec<Action>,
) {
    row.col(|ui| {
        let selected = memory.shown_run.as_ref() == Some(&run.dir);
        ui.spacing_mut().button_padding.x = space::XS;
        let label = RichText::new(format!("Run {}", run.id));
        let button = Button::selectable(selected, label).truncate();
        if ui.add(button).on_hover_text("Show the curves of this run").clicked() {
            memory.shown_run = if selected { None } else { Some(run.dir.clone()) };
        }
    });
    row.col(|ui| {
        let p = Palette::of(ui);
        let (word, colour) = state_word(&p, run.state, running);
        // Top down, so that the badge is as high as its word and not as the row.
        ui.with_layout(Layout::top_down(Align::Min), |ui| {
            ui.add_space(space::XS);
            badge(ui, word, colour);
        });
    });
    row.col(|ui| {
        ui.label(backbone_title(&run.config.backbone.name));
    });
    row.col(|ui| {
        ui.label(mode_word(run));
    });
    row.col(|ui| {
        ui.label(accuracy(run, words::val_pictures(state)));
    });
    row.col(|ui| match run.state {
        RunState::Finished => {
            let response =
                link_button(ui, "Evaluate").on_hover_text("Show what this run gets right and wrong");
            if response.clicked() {
                actions.push(Action::ShowRun(run.dir.clone()));
            }
        }
        RunState::Interrupted if !running && state.training_job().is_none() => {
            if link_button(ui, "Continue").on_hover_text("Go on from the last checkpoint").clicked() {
                actions.push(Action::ContinueRun(run.dir.clone()));
            }
        }
        RunState::Interrupted | RunState::Empty | RunState::Training => {}
    });
}

fn state_word(p: &Palette, state: RunState, running: bool) -> (&'static str, Color32) {
    match state {
        _ if running => ("running", p.accent),
        RunState::Finished => ("finished", p.good),
        RunState::Interrupted => ("interrupted", p.warn),
        RunState::Empty => ("not started", p.muted),
        RunState::Training => ("training", p.accent),
    }
}

fn mode_word(run: &RunInfo) -> String {
    words::what_learns(&run.config).replace(" learns", "").replace(" learn", "")
}

/// The kept model's accuracy; of a run that has none yet, its best epoch's.
fn accuracy(run: &RunInfo, val_pictures: usize) -> String {
    let best = run.epochs.iter().rev().find(|e| e.best);
    match (&run.summary, best) {
        (Some(s), _) => words::score(s.val.accuracy, val_pictures),
        (None, Some(e)) => format!("{} · epoch {}", words::score(e.val_accuracy, val_pictures), e.epoch),
        (None, None) => "none yet".to_owned(),
    }
}
