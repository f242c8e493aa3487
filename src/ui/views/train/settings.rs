//! The settings of training: what most people change first, the rest under Advanced, and a search over all of it.

mod augment;
mod form;
mod optimizer;

use super::search::Search;
use super::{Memory, Tab};
use crate::ui::theme::{Palette, space};
use crate::ui::widgets::caption;
use crate::ui::{Action, AppState};
use egui::{RichText, TextEdit, Ui, WidgetInfo};
use form::Form;

/// Draws the settings; a change becomes one action that carries the whole new configuration. `mirrored` is the finding about mirror
/// images, where there is one; whether its pictures are asked for.
pub(super) fn show(
    ui: &mut Ui,
    state: &AppState,
    memory: &mut Memory,
    mirrored: Option<usize>,
    actions: &mut Vec<Action>,
) -> bool {
    let Memory { search, tab, on_show, .. } = memory;
    let seen = *on_show == Some(Tab::Varied);
    field(ui, search);
    let mut draft = state.config.clone();
    if state.training_job().is_some() {
        caption(ui, "Changes apply to the next run, not to the one that is running");
    }
    let mut form = Form::new(&mut draft, Search(search.as_str()));
    optimizer::main(ui, &mut form, tab, state.history.before_phases());
    let classes = state.dataset().map_or(&[][..], |d| &d.classes);
    let finding = mirrored.and_then(|at| state.preflight.as_ref()?.findings.get(at));
    let mirrored = finding.map_or(0, |f| f.files.len());
    let asked = augment::main(ui, &mut form, (classes, mirrored), (tab, seen));
    form.advanced(ui, |ui, form| {
        optimizer::advanced(ui, form);
        augment::advanced(ui, form);
    });
    if form.found_nothing() {
        ui.add_space(space::S);
        caption(ui, format!("No setting matches \u{201c}{}\u{201d}", search.trim()));
    }
    if draft != state.config {
        actions.push(Action::SetConfig(Box::new(draft)));
    }
    asked
}

fn field(ui: &mut Ui, search: &mut String) {
    let muted = Palette::of(ui).muted;
    let field = ui.add(
        TextEdit::singleline(search)
            .hint_text(RichText::new("Find a setting").color(muted))
            .desired_width(f32::INFINITY)
            .margin(egui::vec2(space::S, 6.0)),
    );
    field.widget_info(|| WidgetInfo::labeled(egui::Role::TextInput, true, "Find a setting"));
    ui.add_space(space::XS);
}
