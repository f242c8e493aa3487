//! What classifies: a run, a saved model, or a backbone with ImageNet's classes.

use crate::session::RunState;
use crate::session::jobs::ModelRef;
use crate::ui::actions::Pick;
use crate::ui::state::file_name;
use crate::ui::views::train::words::{backbone_title, judged_pictures, score};
use crate::ui::widgets::setting::{PathChoice, PathField};
use crate::ui::widgets::{caption, drop_down, secondary_button};
use crate::ui::{Action, AppState};
use egui::{ComboBox, Ui};

/// Draws the choice and what is chosen.
pub(super) fn show(ui: &mut Ui, state: &AppState, path: &mut PathField, actions: &mut Vec<Action>) {
    let chosen = state.predict_model();
    let mut options: Vec<ModelRef> = state
        .runs
        .iter()
        .filter(|r| r.state == RunState::Finished)
        .map(|r| ModelRef::Saved(r.dir.clone()))
        .chain(state.imagenet_model())
        .collect();
    if let Some(model) = chosen.iter().find(|m| !options.contains(m)) {
        options.push(model.clone());
    }
    if !options.is_empty() {
        let combo = ComboBox::new("what classifies", "")
            .width(ui.available_width() - 16.0)
            .selected_text(words(state, chosen.as_ref()))
            .truncate();
        let list = drop_down(ui, combo, |lines| {
            for option in options {
                let text = words(state, Some(&option));
                if lines.line(chosen.as_ref() == Some(&option), text) {
                    actions.push(Action::SetPredictModel(option));
                }
            }
        });
        list.accessible_name("What classifies");
    }
    if let Some(model) = &chosen {
        caption(ui, explanation(state, model));
    }
    if secondary_button(ui, "Open a saved model…")
        .on_hover_text("A run's folder, or a model that was exported")
        .clicked()
    {
        actions.push(Action::Pick(Pick::Model));
    }
    if let Some(PathChoice::Typed(model)) = path.show_plain(ui, "Path of a saved model", "Or type its path") {
        path.text.clear();
        actions.push(Action::SetPredictModel(ModelRef::Saved(model)));
    }
}

/// Name of a model, for people.
pub(super) fn words(state: &AppState, model: Option<&ModelRef>) -> String {
    match model {
        None => "Nothing yet".to_owned(),
        Some(ModelRef::Imagenet { backbone, .. }) => format!("{} as published", backbone_title(backbone)),
        Some(ModelRef::Saved(dir)) => match state.runs.iter().find(|r| r.dir == *dir) {
            Some(run) => format!("Run {}, {}", run.id, backbone_title(&run.config.backbone.name)),
            None => format!("Saved model {}", file_name(dir)),
        },
    }
}

fn explanation(state: &AppState, model: &ModelRef) -> String {
    match model {
        ModelRef::Imagenet { .. } => {
            "It answers with ImageNet's 1000 classes, without any training of yours".to_owned()
        }
        ModelRef::Saved(dir) => {
            let run = state.runs.iter().find(|r| r.dir == *dir);
            match run.and_then(|r| r.summary.as_ref()) {
                Some(s) => format!("Accuracy {}", score(s.val.accuracy, judged_pictures(state, s))),
                None => dir.display().to_string(),
            }
        }
    }
}
