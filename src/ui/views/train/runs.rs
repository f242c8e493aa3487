//! The project's runs.

use super::words::{self, backbone_title};
use super::{Memory, Tab};
use crate::session::{RunInfo, RunState};
use crate::ui::state::LiveTraining;
use crate::ui::theme::{Palette, space};
use crate::ui::widgets::{badge, link_button};
use crate::ui::{Action, AppState};
use egui::{Align, Button, Color32, Label, Layout, RichText, Ui};
use egui_extras::{Column, TableBuilder, TableRow};

const ROW: f32 = 28.0;
/// Narrower than this, what learns is left to hovering over the backbone, in points.
const NARROW: f32 = 640.0;

/// Draws the list, newest first.
pub(super) fn show(ui: &mut Ui, state: &AppState, memory: &mut Memory, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    ui.label(RichText::new("Runs").strong());
    ui.spacing_mut().item_spacing = egui::vec2(space::M, 2.0);
    let live = state.training.as_ref().filter(|_| state.training_job().is_some());
    let wide = ui.available_width() > NARROW;
    let mut titles = vec!["Run", "State", "Backbone", "What learns", "Validation accuracy", ""];
    if !wide {
        titles.remove(3);
    }
    let table = TableBuilder::new(ui)
        .id_salt("runs")
        .striped(false)
        .auto_shrink([false, false])
        .cell_layout(Layout::left_to_right(Align::Center))
        .column(Column::exact(68.0))
        .column(Column::exact(82.0))
        .column(Column::remainder().at_least(90.0).clip(true));
    let table = if wide { table.column(Column::remainder().at_least(120.0).clip(true)) } else { table };
    table
        .column(Column::exact(if wide { 190.0 } else { 168.0 }))
        .column(Column::exact(68.0))
        .header(20.0, |mut header| {
            for title in titles {
                header.col(|ui| {
                    ui.label(RichText::new(title).small().color(p.muted));
                });
            }
        })
        .body(|body| {
            body.rows(ROW, state.runs.len(), |mut row| {
                let Some(run) = state.runs.get(row.index()) else { return };
                let live = live.filter(|t| t.run_dir == run.dir);
                cells(&mut row, state, (run, live), (memory, wide), actions);
            });
        });
}

fn cells(
    row: &mut TableRow<'_, '_>,
    state: &AppState,
    (run, live): (&RunInfo, Option<&LiveTraining>),
    (memory, wide): (&mut Memory, bool),
    actions: &mut Vec<Action>,
) {
    let running = live.is_some();
    row.col(|ui| {
        let selected = memory.shown_run.as_ref() == Some(&run.dir);
        ui.spacing_mut().button_padding.x = space::XS;
        let label = RichText::new(format!("Run {}", run.id));
        let button = Button::selectable(selected, label).truncate();
        if ui.add(button).on_hover_text("Show the curves of this run").clicked() {
            memory.shown_run = if selected { None } else { Some(run.dir.clone()) };
            memory.tab = Some(Tab::Curves);
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
        let title = backbone_title(&run.config.backbone.name);
        let learns = words::what_learns(&run.config);
        ui.add(Label::new(title.as_str()).truncate()).on_hover_text(format!("{title}: {learns}"));
    });
    if wide {
        row.col(|ui| {
            ui.add(Label::new(words::learns_in_short(&run.config)).truncate())
                .on_hover_text(words::what_learns(&run.config));
        });
    }
    row.col(|ui| {
        let text = accuracy(run, live, words::val_pictures(state));
        ui.add(Label::new(&text).truncate()).on_hover_text(text);
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
        RunState::Empty => ("nothing kept", p.muted),
        RunState::Training => ("training", p.accent),
    }
}

/// The kept model's accuracy; of a run that has none yet, its best epoch's; of the one that runs, the best so far.
fn accuracy(run: &RunInfo, live: Option<&LiveTraining>, val_pictures: usize) -> String {
    let epochs = live.map_or(run.epochs.as_slice(), |t| &t.epochs);
    let best = epochs.iter().rev().find(|e| e.best);
    match (&run.summary, best) {
        (Some(s), _) if live.is_none() => words::share(s.val.accuracy, val_pictures),
        (_, Some(e)) => format!("{} · epoch {}", words::share(e.val_accuracy, val_pictures), e.epoch),
        (_, None) => "none yet".to_owned(),
    }
}
