//! What a person can decide about one picture: its class, its part, and whether it counts.

use crate::data::{Dataset, Decided, Decision, Sample, Split};
use crate::ui::Action;
use crate::ui::state::split_name;
use crate::ui::theme::space;
use crate::ui::widgets::{caption, link_button, secondary_button};
use egui::{ComboBox, Key, Modifiers, Ui};

/// Digit keys, for the first classes.
const DIGITS: [Key; 9] =
    [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9];

/// Draws the controls for the picture at `rel` of the open data set, and listens to their keys. Nothing where it is not in it.
pub(super) fn controls(ui: &mut Ui, data: &Dataset, rel: &str, actions: &mut Vec<Action>) {
    if let Some(sample) = data.position(rel).and_then(|i| data.samples.get(i)) {
        if let Some(decision) = choose(ui, data, sample).or_else(|| keys(ui, data, sample)) {
            actions.push(about(decision, rel));
        }
        if let Some(words) = changed(data, rel) {
            caption(ui, words);
        }
    } else if data.excluded.iter().any(|s| s.rel == rel) {
        caption(ui, "You left this picture out: it is neither learned from nor judged by");
        if link_button(ui, "Put it back").clicked() {
            actions.push(about(Decision::Include, rel));
        }
    }
}

/// The action of deciding something about one picture.
pub(super) fn about(decision: Decision, rel: &str) -> Action {
    Action::Decide(Decided { decision, pictures: vec![rel.to_owned()] })
}

fn choose(ui: &mut Ui, data: &Dataset, sample: &Sample) -> Option<Decision> {
    let mut decision = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        let class = data.classes.get(sample.class).map_or("", String::as_str);
        let combo = ComboBox::from_id_salt("class of picture").selected_text(class).width(150.0);
        let combo = combo.show_ui(ui, |ui| {
            for (i, name) in data.classes.iter().enumerate() {
                if ui.selectable_label(i == sample.class, name).clicked() && i != sample.class {
                    decision = Some(Decision::Label(name.clone()));
                }
            }
        });
        combo.response.on_hover_text("What the picture shows. The file stays in its folder · keys 1 to 9");
        let combo =
            ComboBox::from_id_salt("part of picture").selected_text(split_name(sample.split)).width(100.0);
        let combo = combo.show_ui(ui, |ui| {
            for split in [Split::Train, Split::Val, Split::Test] {
                let chosen = split == sample.split;
                if ui.selectable_label(chosen, split_name(split)).clicked() && !chosen {
                    decision = Some(Decision::Split(split));
                }
            }
        });
        combo.response.on_hover_text("What the picture is for");
        let leave_out = secondary_button(ui, "Leave out");
        if leave_out.on_hover_text("Neither learn from it nor judge by it · Delete").clicked() {
            decision = Some(Decision::Exclude);
        }
    });
    decision
}

fn keys(ui: &Ui, data: &Dataset, sample: &Sample) -> Option<Decision> {
    if ui.ctx().text_edit_focused() {
        return None;
    }
    ui.input_mut(|i| {
        if i.consume_key(Modifiers::NONE, Key::Delete) {
            return Some(Decision::Exclude);
        }
        let class = DIGITS.into_iter().position(|key| i.consume_key(Modifiers::NONE, key))?;
        let name = data.classes.get(class)?;
        (class != sample.class).then(|| Decision::Label(name.clone()))
    })
}

/// What was decided about a picture, in words.
fn changed(data: &Dataset, rel: &str) -> Option<String> {
    let verdict = data.verdicts.of(rel)?;
    let label = verdict.label.as_ref().map(|class| format!("that it is {class}"));
    let split = verdict.split.map(|split| format!("that it is for {}", split_name(split)));
    let parts: Vec<String> = label.into_iter().chain(split).collect();
    (!parts.is_empty()).then(|| format!("You decided {}", parts.join(", and ")))
}

/// A decision in a few words, for the tooltips of undo and redo.
pub fn words(decided: &Decided) -> String {
    let pictures = match decided.pictures.as_slice() {
        [one] => one.rsplit('/').next().unwrap_or(one).to_owned(),
        all => format!("{} pictures", all.len()),
    };
    match &decided.decision {
        Decision::Label(class) => format!("{pictures} is {class}"),
        Decision::Split(split) => format!("{pictures} is for {}", split_name(*split)),
        Decision::Exclude => format!("leave out {pictures}"),
        Decision::Include => format!("put back {pictures}"),
    }
}
