//! Judging a model on other pictures: a run on its test pictures, or a saved model on another labelled folder.

use super::Memory;
use crate::error::{count, part_of};
use crate::session::times_judged;
use crate::ui::actions::Pick;
use crate::ui::state::{JobKind, file_name};
use crate::ui::theme::space;
use crate::ui::widgets::setting::{PathChoice, fold};
use crate::ui::widgets::{caption, link_button, progress_bar, secondary_button, section};
use crate::ui::{Action, AppState};
use egui::{Ui, vec2};

/// What leads back to a run's own validation pictures.
pub(super) const BACK: &str = "Back to the validation pictures";

/// Draws what can be asked for, and how far it is.
pub(super) fn show(ui: &mut Ui, state: &AppState, memory: &mut Memory, actions: &mut Vec<Action>) {
    section(ui, "Judge on other pictures");
    if let Some(job) = state.job_of(&JobKind::Evaluate) {
        let (done, total) = job.progress.unwrap_or((0, 0));
        let waits = job.started_s.is_none();
        caption(
            ui,
            if waits { "It begins when the work before it is done".to_owned() } else { part_of(done, total) },
        );
        progress_bar(ui, done as f32 / total.max(1) as f32, vec2(ui.available_width(), 6.0));
        return;
    }
    ui.spacing_mut().item_spacing.y = space::XS;
    test(ui, state, actions);
    fold(ui, "Another labelled folder", |ui| folder(ui, state, memory, actions));
}

fn test(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let Some(shown) = &state.evaluation else { return };
    if let Some((_, pictures)) = state.test_pictures() {
        let label = format!("Judge on {}", count(pictures, "test picture", "test pictures"));
        if secondary_button(ui, label).clicked() {
            actions.push(Action::JudgeTest);
        }
        let (own, others) = (shown.test_judged, shown.test_judged_by_others);
        let advice = match own + others {
            0 => {
                "Keep them for the end: the more often it is looked at, the less this number says about new pictures"
            }
            _ => "The more often, the less this number says about new pictures",
        };
        caption(ui, format!("Test pictures, {}. {advice}", times_judged(own, others)));
    }
    if let Some(run) = state.run_behind()
        && link_button(ui, BACK).clicked()
    {
        actions.push(Action::ShowRun(run.to_path_buf()));
    }
}

fn folder(ui: &mut Ui, state: &AppState, memory: &mut Memory, actions: &mut Vec<Action>) {
    let model = state.model_to_judge();
    let name = match &model {
        None => "No model is chosen".to_owned(),
        Some(dir) => match state.runs.iter().find(|r| r.dir == *dir) {
            Some(run) => format!("Judges run {}", run.id),
            None => format!("Judges the saved model {}", file_name(dir)),
        },
    };
    ui.horizontal(|ui| {
        caption(ui, name);
        if link_button(ui, "Another model…").clicked() {
            actions.push(Action::Pick(Pick::JudgedModel));
        }
    });
    if let Some(PathChoice::Typed(path)) =
        memory.model_path.show_plain(ui, "Path of a model to judge", "Or type a model's path")
    {
        memory.model_path.text.clear();
        actions.push(Action::SetJudgedModel(path));
    }
    ui.add_enabled_ui(model.is_some(), |ui| {
        let why = "A folder with one folder of pictures for each class, named as the model knows them";
        if secondary_button(ui, "Choose the folder…").on_hover_text(why).clicked() {
            actions.push(Action::Pick(Pick::JudgedFolder));
        }
        if let Some(PathChoice::Typed(path)) =
            memory.path.show_plain(ui, "Path of a labelled folder", "Or type the folder's path")
        {
            memory.path.text.clear();
            actions.push(Action::JudgeFolder(path));
        }
    });
}
