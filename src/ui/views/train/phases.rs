//! The plan of training: which part learns when, for how long, and at which rate.

use crate::backbones::find;
use crate::config::{CarryOver, Learns, PhaseConfig, PlannedPhase, ScheduleKind, Solver, TrainConfig};
use crate::error::count;
use crate::ui::icons::Icon;
use crate::ui::theme::{Palette, RADIUS, space, type_size};
use crate::ui::widgets::{caption, drop_down, icon_button, link_button, secondary_button};
use crate::ui::{Action, AppState};
use egui::{
    Align, Align2, ComboBox, DragValue, FontId, Label, Layout, Rect, Response, RichText, Role, ScrollArea,
    Sense, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

/// More phases than this say nothing more.
const MOST_PHASES: usize = 20;
/// Epochs of all phases together.
const MOST_EPOCHS: usize = 100_000;
/// Epochs that a new phase begins with.
const NEW_EPOCHS: usize = 3;
/// Height of the drawn plan, in points.
const STRIP: f32 = 32.0;
/// Height of a phase's row, in points.
const ROW: f32 = 36.0;
/// Columns: their heads, with their widths in points. Buttons come after them.
const COLUMNS: [(&str, f32); 5] = [
    ("", 24.0),
    ("What learns", 184.0),
    ("Epochs", 72.0),
    ("Learning rate", 116.0),
    ("Rate over time", 120.0),
];

const SCHEDULES: [(ScheduleKind, &str); 4] = [
    (ScheduleKind::Constant, "Constant"),
    (ScheduleKind::Step, "In steps"),
    (ScheduleKind::Cosine, "Cosine"),
    (ScheduleKind::OneCycle, "One cycle"),
];
const CARRY: [(CarryOver, &str); 2] =
    [(CarryOver::Last, "The weights it ended with"), (CarryOver::Best, "The best weights so far")];

/// What is to be done with the list.
enum Edit {
    Remove(usize),
    /// This phase changes places with the next.
    Swap(usize),
    Add,
}

/// Draws it in `height` points.
pub(super) fn show(ui: &mut Ui, state: &AppState, height: f32, actions: &mut Vec<Action>) {
    if state.config.train.solver == Solver::Logistic {
        caption(
            ui,
            "A head that is fitted at once has no phases. Choose \u{201c}Step by step\u{201d} for fitting it",
        );
        return;
    }
    let mut draft = state.config.clone();
    let has_weights = draft.backbone.weights.is_some();
    let (plan, stages) = (draft.train.plan(has_weights), stages(&draft));
    let mut phases = draft.train.own_phases(has_weights);
    let before = phases.clone();
    let forget = head(ui, !draft.train.phases.is_empty());
    strip(ui, &plan, &stages);
    ui.add_space(space::S);
    let room = (height - STRIP - 112.0).max(3.0 * ROW);
    let list = ScrollArea::vertical().max_height(room).auto_shrink([false, true]).show(ui, |ui| {
        heads(ui);
        let mut edit = None;
        for (i, planned) in plan.iter().enumerate() {
            let suits = suiting_rate(&draft, &phases, i);
            edit = ui.push_id(i, |ui| row(ui, &mut phases, (i, planned, suits), &stages)).inner.or(edit);
        }
        edit
    });
    ui.add_space(space::S);
    let edit = below(ui, &mut draft, plan.len()).or(list.inner);
    let more = matches!(edit, Some(Edit::Add)).then(|| another(&phases, stages.len())).flatten();
    apply(&mut phases, edit);
    if forget {
        draft.train.forget_phases(state.history.before_phases());
    } else if phases != before {
        draft.train.set_phases(phases);
    }
    if let Some(phase) = more {
        draft.train.add_phase(phase, has_weights);
    }
    if draft != state.config {
        actions.push(Action::SetConfig(Box::new(draft)));
    }
}

/// The settings with a phase more; nothing where there are enough.
pub(in crate::ui) fn with_one_more(config: &TrainConfig) -> Option<TrainConfig> {
    let has_weights = config.backbone.weights.is_some();
    let phases = config.train.own_phases(has_weights);
    let phase = another(&phases, stages(config).len()).filter(|_| phases.len() < MOST_PHASES)?;
    let mut more = config.clone();
    more.train.add_phase(phase, has_weights);
    Some(more)
}

/// "head 2, everything 3 epochs".
pub(in crate::ui::views) fn in_short(config: &TrainConfig) -> String {
    let stages = stages(config);
    let plan = config.train.plan(config.backbone.weights.is_some());
    let parts: Vec<String> =
        plan.iter().map(|p| format!("{} {}", learns_words(p, &stages).to_lowercase(), p.epochs)).collect();
    format!("{} epochs", parts.join(", "))
}

/// Whose plan it is; whether the user's own is to be given up.
fn head(ui: &mut Ui, own: bool) -> bool {
    let text = match own {
        true => "This plan is your own.",
        false => "This plan follows from what learns. Change something, and it is your own.",
    };
    let forget = ui.horizontal_wrapped(|ui| {
        caption(ui, text);
        own && link_button(ui, "Back to the automatic plan").clicked()
    });
    ui.add_space(space::XS);
    forget.inner
}

/// The stages that are used, from input to output.
fn stages(config: &TrainConfig) -> Vec<&'static str> {
    let Ok(spec) = find(&config.backbone.name) else { return Vec::new() };
    let cut = config.backbone.cut_stage.as_deref();
    let used = spec.stages.iter().position(|s| Some(*s) == cut).map_or(spec.stages.len(), |at| at + 1);
    spec.stages.iter().copied().take(used).collect()
}

/// What learns, in a few words.
fn learns_words(p: &PlannedPhase, stages: &[&str]) -> String {
    match stages.get(p.first_stage(stages.len())) {
        _ if p.learns == Learns::Everything => "Everything".to_owned(),
        None => "Only the head".to_owned(),
        Some(_) if p.first_stage(stages.len()) == 0 => "Everything".to_owned(),
        Some(stage) => format!("From {stage} on"),
    }
}

/// The rate that a phase would have if nobody said one.
fn suiting_rate(config: &TrainConfig, phases: &[PhaseConfig], i: usize) -> f64 {
    let mut train = config.train.clone();
    train.set_phases(phases.to_vec());
    if let Some(phase) = train.phases.get_mut(i) {
        phase.learning_rate = None;
    }
    train.plan(config.backbone.weights.is_some()).get(i).map_or(0.0, |p| p.learning_rate)
}

/// The phases one behind the other, each as wide as its share of the epochs; the more learns, the stronger its colour.
fn strip(ui: &mut Ui, plan: &[PlannedPhase], stages: &[&str]) {
    let p = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), STRIP), Sense::hover());
    let total = plan.iter().map(|p| p.epochs).sum::<usize>().max(1);
    let told: Vec<String> = plan
        .iter()
        .map(|p| format!("{}, {}", learns_words(p, stages), count(p.epochs, "epoch", "epochs")))
        .collect();
    let whole = format!("{} in all: {}", count(total, "epoch", "epochs"), told.join("; then "));
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &whole));
    let least = 16.0f32.min(rect.width() / plan.len().max(1) as f32);
    let free = rect.width() - least * plan.len() as f32;
    let mut left = rect.left();
    for (phase, text) in plan.iter().zip(&told) {
        let width = least + free * phase.epochs as f32 / total as f32;
        let piece = Rect::from_min_size(pos2(left, rect.top()), vec2(width - 2.0, STRIP));
        let share = 1.0 - phase.first_stage(stages.len()) as f32 / stages.len().max(1) as f32;
        ui.painter().rect_filled(piece, RADIUS, Palette::mix(p.raised, p.accent, 0.14 + 0.30 * share));
        let galley =
            ui.painter().layout_no_wrap(text.clone(), FontId::proportional(type_size::CAPTION), p.text);
        if galley.size().x + space::S < piece.width() {
            let at = Align2::CENTER_CENTER.anchor_size(piece.center(), galley.size()).min;
            ui.painter().galley(at, galley, p.text);
        }
        left += width;
    }
    response.on_hover_text(whole);
}

fn heads(ui: &mut Ui) {
    let p = Palette::of(ui);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        for (name, width) in COLUMNS {
            cell(ui, width, 20.0, |ui| ui.label(RichText::new(name).small().color(p.muted)));
        }
    });
}

fn cell(ui: &mut Ui, width: f32, height: f32, add: impl FnOnce(&mut Ui) -> Response) -> Response {
    // As wide as its column whatever stands in it, so that columns stay below their heads.
    let (_, rect) = ui.allocate_space(vec2(width, height));
    let layout = Layout::left_to_right(Align::Center);
    add(&mut ui.new_child(UiBuilder::new().max_rect(rect).layout(layout)))
}

/// One phase: what may be changed about it, and what is to be done with it.
fn row(
    ui: &mut Ui,
    phases: &mut [PhaseConfig],
    (i, planned, suits): (usize, &PlannedPhase, f64),
    stages: &[&str],
) -> Option<Edit> {
    let others: usize = phases.iter().enumerate().filter(|(at, _)| *at != i).map(|(_, p)| p.epochs).sum();
    let (count, n) = (phases.len(), i + 1);
    let phase = phases.get_mut(i)?;
    let mut edit = None;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        let [number, learns, epochs, rate, over_time] = COLUMNS.map(|c| c.1);
        let muted = Palette::of(ui).muted;
        cell(ui, number, ROW, |ui| ui.label(RichText::new(n.to_string()).color(muted)));
        cell(ui, learns, ROW, |ui| what_learns(ui, phase, (n, planned), stages));
        cell(ui, epochs, ROW, |ui| {
            let most = MOST_EPOCHS.saturating_sub(others).max(1);
            let field = ui.add(DragValue::new(&mut phase.epochs).range(1..=most).speed(0.2));
            named(field, Role::SpinButton, format!("Epochs of phase {n}"))
                .on_hover_text(format!("Passes over the training pictures, 1 to {most}"))
        });
        cell(ui, rate, ROW, |ui| learning_rate(ui, phase, (n, planned.learning_rate, suits)));
        cell(ui, over_time, ROW, |ui| schedule(ui, phase, (n, planned.schedule)));
        let mut button = |ui: &mut Ui, on: bool, icon: Icon, name: String, what: Edit| {
            if ui.add_enabled_ui(on, |ui| icon_button(ui, icon, &name)).inner.clicked() {
                edit = Some(what);
            }
        };
        button(ui, i > 0, Icon::ArrowUp, format!("Move phase {n} up"), Edit::Swap(i.saturating_sub(1)));
        button(ui, n < count, Icon::ArrowDown, format!("Move phase {n} down"), Edit::Swap(i));
        button(ui, count > 1, Icon::Trash2, format!("Remove phase {n}"), Edit::Remove(i));
    });
    edit
}

fn what_learns(
    ui: &mut Ui,
    phase: &mut PhaseConfig,
    (n, planned): (usize, &PlannedPhase),
    stages: &[&str],
) -> Response {
    let combo = ComboBox::from_id_salt("what learns")
        .width(172.0)
        .truncate()
        .selected_text(learns_words(planned, stages));
    let mut chosen = (phase.learns, phase.last_stages);
    let combo = drop_down(ui, combo, |lines| {
        lines.value(&mut chosen, (Learns::Head, None), "Only the head");
        for (last, stage) in stages.iter().skip(1).rev().enumerate() {
            lines.value(&mut chosen, (Learns::LastStages, Some(last + 1)), format!("From {stage} on"));
        }
        lines.value(&mut chosen, (Learns::Everything, None), "Everything");
    });
    (phase.learns, phase.last_stages) = chosen;
    let why = "The head always learns. Stages before it keep what they have until a phase lets them learn";
    named(combo, Role::ComboBox, format!("What learns in phase {n}")).on_hover_text(why)
}

fn learning_rate(ui: &mut Ui, phase: &mut PhaseConfig, (n, now, suits): (usize, f64, f64)) -> Response {
    let mut rate = now;
    let field = DragValue::new(&mut rate).range(1e-7..=10.0).speed(now * 0.01).max_decimals(6);
    let field = named(ui.add(field), Role::SpinButton, format!("Learning rate of phase {n}"));
    if field.changed() {
        phase.learning_rate = Some(rate);
    }
    if phase.learning_rate.is_some_and(|r| r != suits)
        && icon_button(ui, Icon::RotateCcw, &format!("Set the rate of phase {n} to {suits}, which suits it"))
            .clicked()
    {
        phase.learning_rate = None;
    }
    field.on_hover_text("How far each step moves the weights, 0.0000001 to 10. Earlier phases of stages want less than the head")
}

fn schedule(ui: &mut Ui, phase: &mut PhaseConfig, (n, now): (usize, ScheduleKind)) -> Response {
    let word = SCHEDULES.iter().find(|s| s.0 == now).map_or("", |s| s.1);
    let mut chosen = now;
    let combo = ComboBox::from_id_salt("rate over time").width(108.0).selected_text(word);
    let combo = drop_down(ui, combo, |lines| {
        for (kind, word) in SCHEDULES {
            lines.value(&mut chosen, kind, word);
        }
    });
    if chosen != now {
        phase.schedule = Some(chosen);
    }
    let why = "How the rate moves from the phase\u{2019}s first step to its last";
    named(combo, Role::ComboBox, format!("Rate over time in phase {n}")).on_hover_text(why)
}

fn named(response: Response, role: Role, name: String) -> Response {
    response.widget_info(|| WidgetInfo::labeled(role, true, &name));
    response
}

/// What stands under the list: a further phase, and what the phases begin with.
fn below(ui: &mut Ui, draft: &mut TrainConfig, phases: usize) -> Option<Edit> {
    let mut edit = None;
    ui.horizontal(|ui| {
        let more = ui.add_enabled_ui(phases < MOST_PHASES, |ui| secondary_button(ui, "Add a phase")).inner;
        if more.on_disabled_hover_text("Twenty phases are enough for anybody").clicked() {
            edit = Some(Edit::Add);
        }
        if phases > 1 {
            ui.add_space(space::M);
            let carry = &mut draft.train.carry_over;
            let word = CARRY.iter().find(|c| c.0 == *carry).map_or("", |c| c.1);
            let label = caption(ui, "From the phase before, each takes");
            let combo = ComboBox::from_id_salt("carry over").width(176.0).selected_text(word);
            let combo = drop_down(ui, combo, |lines| {
                for (value, word) in CARRY {
                    lines.value(carry, value, word);
                }
            });
            combo.labelled_by(label.id);
        }
    });
    if let Err(e) = draft.check_mixing() {
        ui.add_space(space::XS);
        ui.add(Label::new(RichText::new(e.to_string()).small().color(Palette::of(ui).warn)).wrap());
    }
    edit
}

/// A phase to come behind these, in which more learns; none where there are as many epochs as can be.
fn another(phases: &[PhaseConfig], stages: usize) -> Option<PhaseConfig> {
    let (learns, last_stages) = match phases.last().map(|p| p.learns) {
        Some(Learns::Head) if stages > 2 => (Learns::LastStages, Some(2)),
        _ => (Learns::Everything, None),
    };
    let left = MOST_EPOCHS.saturating_sub(phases.iter().map(|p| p.epochs).sum());
    let epochs = NEW_EPOCHS.min(left);
    (left > 0).then_some(PhaseConfig { learns, last_stages, epochs, learning_rate: None, schedule: None })
}

fn apply(phases: &mut Vec<PhaseConfig>, edit: Option<Edit>) {
    match edit {
        Some(Edit::Remove(i)) if phases.len() > 1 && i < phases.len() => {
            phases.remove(i);
        }
        Some(Edit::Swap(i)) if i + 1 < phases.len() => phases.swap(i, i + 1),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainMode;

    #[test]
    fn phases_are_added_moved_and_removed_and_one_always_stays() {
        let mut phases = TrainConfig::default().train.own_phases(true);
        let learns = |phases: &[PhaseConfig]| phases.iter().map(|p| p.learns).collect::<Vec<_>>();
        phases.extend(another(&phases, 5));
        phases.extend(another(&phases, 5));
        assert_eq!(learns(&phases), [Learns::Head, Learns::LastStages, Learns::Everything]);
        apply(&mut phases, Some(Edit::Swap(1)));
        apply(&mut phases, Some(Edit::Remove(0)));
        assert_eq!(learns(&phases), [Learns::Everything, Learns::LastStages]);
        for _ in 0..4 {
            apply(&mut phases, Some(Edit::Remove(0)));
        }
        assert_eq!(learns(&phases), [Learns::LastStages]);
    }

    #[test]
    fn a_plan_is_told_by_the_stages_of_its_network() {
        let mut c = TrainConfig::default();
        c.backbone.name = "resnet18".to_owned();
        c.backbone.weights = Some("w".into());
        c.train.mode = TrainMode::LastStages;
        assert_eq!(in_short(&c), "only the head 2, from layer3 on 3 epochs");
    }
}
