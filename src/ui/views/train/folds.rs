//! Cross-validation on the Train screen: training all folds, and what they come to.

use crate::session::{CrossValidation, Spread};
use crate::ui::widgets::{caption, link_button};
use crate::ui::{Action, AppState};
use egui::Ui;

/// Draws a line where the pictures are dealt out to folds.
pub(super) fn show(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let folds = state.config.data.folds;
    if folds == 0 {
        return;
    }
    let of_runs = |data| CrossValidation::of(&state.runs, &state.config, data);
    let done = state.dataset().map(of_runs);
    ui.horizontal_wrapped(|ui| {
        if let Some(left) = &state.folds_left {
            let words = format!("Fold {} of {} is held out", left.present(), left.config.data.folds);
            caption(ui, words).on_hover_text("All folds are trained one after the other");
        } else {
            let button = link_button(ui, format!("Train all {folds} folds"));
            let why =
                "One run for each fold: every picture is judged once by a model that has not learned from it";
            let blocked = state.folds_block();
            if button.on_hover_text(blocked.as_deref().unwrap_or(why)).clicked() && blocked.is_none() {
                actions.push(Action::TrainFolds);
            }
        }
        if let Some(done) = done.filter(|d| !d.scores.is_empty()) {
            caption(ui, words(&done)).on_hover_text(each(&done));
        }
    });
}

/// What the folds that are done come to, in one line.
fn words(done: &CrossValidation) -> String {
    let spread = |s: Spread| format!("{:.3} \u{b1} {:.3}", s.mean, s.deviation);
    let of = if done.is_complete() {
        format!("all {} folds", done.folds)
    } else {
        format!("{} of {} folds", done.scores.len(), done.folds)
    };
    format!(
        "Accuracy {} \u{b7} macro F1 {} \u{b7} mean \u{b1} standard deviation over {of} with these settings",
        spread(done.accuracy()),
        spread(done.macro_f1())
    )
}

fn each(done: &CrossValidation) -> String {
    let one = |s: &crate::session::FoldScore| {
        format!("Fold {}: accuracy {:.3}, macro F1 {:.3} (run {})", s.fold, s.accuracy, s.macro_f1, s.run)
    };
    done.scores.iter().map(one).collect::<Vec<_>>().join("\n")
}
