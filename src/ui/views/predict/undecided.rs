//! From which probability on a picture counts as decided, and what that costs and brings by the validation pictures.

use crate::engine::Evaluation;
use crate::engine::analysis::{Coverage, CoveragePoint};
use crate::error::thousands;
use crate::session::jobs::ModelRef;
use crate::ui::theme::{Palette, space};
use crate::ui::views::train::words::count;
use crate::ui::widgets::axes::Axes;
use crate::ui::widgets::{caption, link_button, section};
use crate::ui::{Action, AppState};
use egui::{DragValue, Role, Sense, Slider, Stroke, Ui, WidgetInfo};
use std::sync::Arc;

const HEIGHT: f32 = 170.0;
/// Room for "0.80" beside the slider.
const NUMBER: f32 = 60.0;
const NAME: &str = "Undecided below this probability";
/// Shares that are right, offered as goals.
const GOALS: [f64; 3] = [0.95, 0.98, 0.99];

/// The curve of the evaluation that was asked for last.
#[derive(Debug, Default)]
pub struct Memory(Option<(Arc<Evaluation>, Arc<Coverage>)>);

impl Memory {
    fn of(&mut self, evaluation: &Arc<Evaluation>) -> Arc<Coverage> {
        if let Some((of, coverage)) = &self.0
            && Arc::ptr_eq(of, evaluation)
        {
            return Arc::clone(coverage);
        }
        let coverage = Arc::new(Coverage::of(evaluation));
        self.0 = Some((Arc::clone(evaluation), Arc::clone(&coverage)));
        coverage
    }
}

/// Draws the slider, and under it the curve where the model's evaluation is on show.
pub(super) fn show(ui: &mut Ui, state: &AppState, memory: &mut Memory, actions: &mut Vec<Action>) {
    section(ui, "When it is not sure");
    let before = state.predictions.decide_from;
    let mut from = before;
    ui.horizontal(|ui| {
        let why = "A picture whose most probable class is less probable than this stays undecided, for somebody to look at";
        // Two parts, so that each is told by its own name when it has the focus.
        ui.spacing_mut().slider_width = (ui.available_width() - NUMBER).max(40.0);
        let slider = ui.add(Slider::new(&mut from, 0.0..=1.0).step_by(0.01).show_value(false));
        slider.widget_info(|| WidgetInfo::slider(true, f64::from(from), NAME));
        let number = DragValue::new(&mut from).range(0.0..=1.0).speed(0.005).fixed_decimals(2);
        let number = ui.add(number).on_hover_text(why);
        number.accessible_name(NAME);
        slider.on_hover_text(why);
    });
    if from != before {
        actions.push(Action::DecideFrom(from));
    }
    let Some(evaluation) = judged(state) else {
        caption(ui, "What a threshold brings is read from the validation pictures of the run");
        if let Some(ModelRef::Saved(run)) = state.predict_model()
            && state.runs.iter().any(|r| r.dir == run)
            && link_button(ui, "Show this run on Evaluate").clicked()
        {
            actions.push(Action::ShowRun(run));
        }
        return;
    };
    let coverage = memory.of(evaluation);
    if coverage.total == 0 {
        return;
    }
    caption(ui, words(&coverage, coverage.at(from)));
    ui.horizontal_wrapped(|ui| {
        caption(ui, "For at least");
        for goal in GOALS {
            let threshold = coverage.threshold_for(goal);
            let why = match threshold {
                Some(t) => format!("From {t:.3} on, {}", words(&coverage, coverage.at(t)).to_lowercase()),
                None => "No threshold reaches this on the validation pictures".to_owned(),
            };
            let button =
                ui.add_enabled_ui(threshold.is_some(), |ui| link_button(ui, format!("{goal:.2} right")));
            let button = button.inner.on_hover_text(&why).on_disabled_hover_text(&why);
            if let Some(threshold) = threshold.filter(|_| button.clicked()) {
                actions.push(Action::DecideFrom(threshold));
            }
        }
    });
    ui.add_space(space::XS);
    curve(ui, &coverage, from, actions);
}

/// The evaluation of the model that classifies, if it is the one on show.
fn judged(state: &AppState) -> Option<&Arc<Evaluation>> {
    let shown = state.evaluation.as_ref()?;
    match state.predict_model()? {
        ModelRef::Saved(dir) if Some(&dir) == shown.run_dir.as_ref() => Some(&shown.evaluation),
        _ => None,
    }
}

/// "140 of 153 validation pictures decided · 0.986 of those right (138)".
fn words(coverage: &Coverage, point: CoveragePoint) -> String {
    let all = count(coverage.total, "validation picture", "validation pictures");
    if point.decided == 0 {
        return format!("None of {all} decided");
    }
    format!(
        "{} of {all} decided · {:.3} of those right ({})",
        thousands(point.decided),
        point.accuracy(),
        thousands(point.right)
    )
}

fn curve(ui: &mut Ui, coverage: &Coverage, from: f32, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    let axes = Axes::new(ui, HEIGHT, 1.0, "Share decided · share right upwards");
    let share = |point: &CoveragePoint| point.decided as f64 / coverage.total as f64;
    let line = coverage.points.iter().map(|point| axes.at(share(point), point.accuracy())).collect();
    ui.painter().line(line, Stroke::new(1.5, p.accent));
    let now = coverage.at(from);
    axes.dot(ui, share(&now), now.accuracy());
    let response = ui.interact(axes.inner, ui.scope_id().with("coverage"), Sense::click_and_drag());
    response
        .widget_info(|| WidgetInfo::labeled(Role::GraphicsObject, true, "Share decided against share right"));
    let Some(at) = response.hover_pos().or_else(|| response.interact_pointer_pos()) else { return };
    let wanted = f64::from((at.x - axes.inner.left()) / axes.inner.width().max(1.0));
    let reached = coverage.points.partition_point(|point| share(point) < wanted);
    let Some(point) = coverage.points.get(reached.min(coverage.points.len().saturating_sub(1))) else {
        return;
    };
    if response.clicked() || response.dragged() {
        actions.push(Action::DecideFrom(point.threshold));
    }
    response.on_hover_text(format!("From {:.3} on: {}", point.threshold, words(coverage, *point)));
}
