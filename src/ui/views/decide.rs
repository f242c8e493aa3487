//! What a person can decide about pictures: their class, their part, and whether they count.

use crate::data::{Dataset, Decided, Decision, Sample, Split};
use crate::ui::Action;
use crate::ui::state::split_name;
use crate::ui::theme::space;
use crate::ui::widgets::{caption, drop_down, is_behind_question, link_button, secondary_button};
use egui::{ComboBox, Key, Modifiers, Ui};

/// Digit keys, for the first classes.
const DIGITS: [Key; 9] =
    [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9];

/// Keys for the parts.
const SPLIT_KEYS: [(Split, Key); 3] = [(Split::Train, Key::T), (Split::Val, Key::V), (Split::Test, Key::E)];

/// Draws the controls for the picture at `rel` of the open data set, and listens to their keys. Nothing where it is not in it.
pub(super) fn controls(ui: &mut Ui, data: &Dataset, rel: &str, actions: &mut Vec<Action>) {
    if let Some(index) = data.position(rel) {
        for_all(ui, data, || std::iter::once(index), actions);
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

/// Draws the controls for pictures of the data set, by index, and listens to their keys. What is decided is one step.
pub(super) fn for_all<I: Iterator<Item = usize>>(
    ui: &mut Ui,
    data: &Dataset,
    pictures: impl Fn() -> I,
    actions: &mut Vec<Action>,
) {
    let samples = || pictures().filter_map(|i| data.samples.get(i));
    let class = common(samples().map(|s| s.class));
    let split = common(samples().map(|s| s.split));
    if let Some(decision) = choose(ui, data, class, split).or_else(|| keys(ui, data)) {
        actions.extend(about_all(decision, data, pictures()));
    }
}

/// The action of deciding something about pictures, by index; nothing where it changes none of them.
pub(super) fn about_all(
    decision: Decision,
    data: &Dataset,
    pictures: impl Iterator<Item = usize>,
) -> Option<Action> {
    let class = |sample: &Sample| data.classes.get(sample.class);
    let changes = |sample: &&Sample| match &decision {
        Decision::Label(name) => class(sample) != Some(name),
        Decision::Split(split) => sample.split != *split,
        Decision::Exclude | Decision::Include => true,
    };
    let samples = pictures.filter_map(|i| data.samples.get(i));
    let pictures: Vec<String> = samples.filter(changes).map(|s| s.rel.clone()).collect();
    (!pictures.is_empty()).then_some(Action::Decide(Decided { decision, pictures }))
}

/// What all have in common, if they do.
fn common<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|v| v == first).then_some(first)
}

/// The action of deciding something about one picture.
pub(super) fn about(decision: Decision, rel: &str) -> Action {
    Action::Decide(Decided { decision, pictures: vec![rel.to_owned()] })
}

fn choose(ui: &mut Ui, data: &Dataset, class: Option<usize>, split: Option<Split>) -> Option<Decision> {
    let mut decision = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        let shown = class.map_or("Several classes", |c| data.classes.get(c).map_or("", String::as_str));
        let combo = ComboBox::from_id_salt("class of picture").selected_text(shown).width(150.0);
        let combo = drop_down(ui, combo, |lines| {
            for (i, name) in data.classes.iter().enumerate() {
                let chosen = Some(i) == class;
                if lines.line(chosen, name) && !chosen {
                    decision = Some(Decision::Label(name.clone()));
                }
            }
        });
        combo.on_hover_text("What it shows. The file stays in its folder · keys 1 to 9");
        let shown = split.map_or("Several", split_name);
        let combo = ComboBox::from_id_salt("part of picture").selected_text(shown).width(100.0);
        let combo = drop_down(ui, combo, |lines| {
            for (part, _) in SPLIT_KEYS {
                let chosen = Some(part) == split;
                if lines.line(chosen, split_name(part)) && !chosen {
                    decision = Some(Decision::Split(part));
                }
            }
        });
        combo.on_hover_text("What it is for · keys T (training), V (validation), E (test)");
        let leave_out = secondary_button(ui, "Leave out");
        if leave_out.on_hover_text("Neither learn from it nor judge by it · Delete").clicked() {
            decision = Some(Decision::Exclude);
        }
    });
    decision
}

fn keys(ui: &Ui, data: &Dataset) -> Option<Decision> {
    if ui.ctx().text_edit_focused() || is_behind_question(ui) {
        return None;
    }
    ui.input_mut(|i| {
        // What is pressed in the frame that closes the picture is not about it any more.
        if i.key_pressed(Key::Escape) {
            return None;
        }
        if i.consume_key(Modifiers::NONE, Key::Delete) {
            return Some(Decision::Exclude);
        }
        let split = SPLIT_KEYS.into_iter().find(|(_, key)| i.consume_key(Modifiers::NONE, *key));
        if let Some((split, _)) = split {
            return Some(Decision::Split(split));
        }
        let class = DIGITS.into_iter().position(|key| i.consume_key(Modifiers::NONE, key))?;
        data.classes.get(class).cloned().map(Decision::Label)
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
