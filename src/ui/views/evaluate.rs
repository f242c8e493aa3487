//! The Evaluate screen: the confusion matrix and other views of the same predictions, one file a tab, and the pictures behind
//! each mark.

mod analysed;
mod behind;
mod class_rows;
mod class_table;
mod classes;
mod compare;
mod confidence;
mod curve_table;
pub mod curves;
mod enlarged;
mod judge;
mod looking;
pub mod map;
pub mod matrix;
mod pictures;
mod suspects;
mod worst;

use super::ViewContext;
use crate::engine::analysis::bootstrap::RESAMPLES;
use crate::engine::metrics::wilson_interval;
use crate::error::{Error, part_of, thousands};
use crate::session::{RunInfo, RunState};
use crate::ui::icons::Icon;
use crate::ui::state::{EvaluateTab, JobKind, Selection, ShownEvaluation};
use crate::ui::theme::{Palette, space};
use crate::ui::views::train::words::{count, sentence};
use crate::ui::widgets::PathField;
use crate::ui::widgets::confusion_matrix::{CellValue, Zoom};
use crate::ui::widgets::segmented::{self, Segment};
use crate::ui::widgets::{card, empty_state, link_button, primary_button, stat, stat_width};
use crate::ui::{Action, AppState, Screen};
use egui::{Align, Event, Label, Layout, Rect, RichText, Ui, UiBuilder, Vec2, pos2, vec2};
use std::collections::VecDeque;

/// What the view remembers between frames.
#[derive(Debug, Default)]
pub struct Memory {
    /// Counts or shares.
    pub value: CellValue,
    /// Of the matrix.
    pub zoom: Zoom,
    /// Order of the matrix.
    pub order: matrix::MatrixOrder,
    /// The class at each place, where somebody moved one.
    pub by_hand: Vec<usize>,
    /// Order of the table.
    pub sort: class_rows::SortBy,
    /// The picture on show alone: its place among those behind the selection.
    pub enlarged: Option<usize>,
    /// The picture to show alone once what was chosen with it is selected.
    enlarge_next: Option<(Selection, usize)>,
    /// Which curve stands out.
    pub curve: Option<curves::CurveOf>,
    /// The point of a curve under the pointer, or where the keyboard has led.
    pub point: Option<curves::At>,
    found: pictures::Found,
    analysed: analysed::Analysed,
    /// A picture that was opened from elsewhere, over it: its path relative to the data folder.
    pub visiting: Option<String>,
    /// Those that led there, the first one first.
    visited: Vec<String>,
    /// The doubtful picture that is selected: its place among those that are left.
    pub suspect: usize,
    /// Keys that are still to be taken, where several came in one frame.
    keys: VecDeque<Event>,
    /// The plane with all pictures.
    pub map: map::Memory,
    /// What the network looks at in it.
    pub looking: looking::Memory,
    path: PathField,
    model_path: PathField,
}

/// Narrower than this a button does not fit beside the tabs, in points.
const BESIDE_TABS: f32 = 740.0;
/// Size of a thumbnail in points, at least and at most.
const TILE: f32 = 112.0;
const LARGE_TILE: f32 = 320.0;
/// Lists of rows are no wider than this, in points.
const ROWS: f32 = 880.0;

/// Width of what can be judged where there is nothing yet, in points.
const JUDGE: f32 = 392.0;

/// Draws the screen's subject.
pub fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let Some(shown) = &state.evaluation else {
        return nothing(ui, state, cx, actions);
    };
    if let Some((_, place)) = cx.evaluate.enlarge_next.take_if(|(wanted, _)| state.selection == Some(*wanted))
    {
        cx.evaluate.enlarged = Some(place);
    }
    headline(ui, shown, &mut cx.evaluate);
    for caution in &shown.cautions {
        let warn = Palette::of(ui).warn;
        ui.add(Label::new(RichText::new(caution).small().color(warn)).wrap());
    }
    compare::show(ui, state, shown, actions);
    ui.add_space(space::S);
    tabs(ui, state, shown, actions);
    ui.add_space(space::S);
    if !state.evaluate_tab.has_inspector() {
        match state.evaluate_tab {
            EvaluateTab::Map => map::show(ui, state, cx, actions),
            _ => suspects::show(ui, state, cx, actions),
        }
        return enlarged::show(ui, state, shown, cx, actions);
    }
    let all = ui.available_rect_before_wrap();
    let middle = all.left() + subject_width(all.size(), state.evaluate_tab, shown);
    let left = Rect::from_min_max(all.min, pos2(middle, all.max.y));
    let right = Rect::from_min_max(pos2((middle + space::XL).min(all.max.x), all.min.y), all.max);
    ui.scope_builder(UiBuilder::new().id_salt(state.evaluate_tab).max_rect(left), |ui| {
        match state.evaluate_tab {
            EvaluateTab::Matrix => matrix::show(ui, state, shown, &mut cx.evaluate, actions),
            EvaluateTab::Classes => classes::show(ui, shown, state.selection, &mut cx.evaluate, actions),
            EvaluateTab::Curves => curves::show(ui, shown, state.selection, &mut cx.evaluate, actions),
            EvaluateTab::Confidence => {
                confidence::show(ui, shown, state.selection, &mut cx.evaluate, actions)
            }
            EvaluateTab::Worst => worst::show(ui, shown, state.selection, &mut cx.evaluate, actions),
            EvaluateTab::Suspects | EvaluateTab::Map => {}
        }
    });
    ui.scope_builder(UiBuilder::new().max_rect(right), |ui| behind::show(ui, state, shown, cx, actions));
    ui.advance_cursor_after_rect(all);
    enlarged::show(ui, state, shown, cx, actions);
}

/// Draws the settings and details beside it.
pub fn inspector(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let Some(shown) = &state.evaluation else { return };
    judge::show(ui, state, &mut cx.evaluate, actions);
    ui.add_space(space::L);
    match state.evaluate_tab {
        // The bars are the table.
        EvaluateTab::Classes | EvaluateTab::Suspects | EvaluateTab::Map => {}
        EvaluateTab::Curves => curve_table::show(ui, shown, &mut cx.evaluate),
        _ => class_table::show(ui, &shown.evaluation, (&mut cx.evaluate.sort, state.selection), actions),
    }
}

/// Width of a tab's subject on a screen with this much room; the rest is for the pictures behind it.
fn subject_width(room: Vec2, tab: EvaluateTab, shown: &ShownEvaluation) -> f32 {
    let share = room.x.max(0.0) * 0.6;
    match tab {
        EvaluateTab::Matrix => matrix::width(room, shown.evaluation.classes.len()),
        EvaluateTab::Suspects | EvaluateTab::Map => room.x.max(0.0),
        // Wider rows only set their names and numbers farther apart.
        EvaluateTab::Classes | EvaluateTab::Worst => share.min(ROWS),
        EvaluateTab::Curves | EvaluateTab::Confidence => share,
    }
}

/// Size of thumbnails in a column of this width, in points: larger ones where there is room.
fn tile(width: f32) -> f32 {
    (width / 5.0).clamp(TILE, LARGE_TILE)
}

/// Width of what stands beside a grid or a map on a screen `room` points wide.
fn beside(room: f32) -> f32 {
    (room * 0.3).clamp(380.0, 680.0).min(room * 0.5)
}

fn tabs(ui: &mut Ui, state: &AppState, shown: &ShownEvaluation, actions: &mut Vec<Action>) {
    let segments = |ui: &mut Ui, actions: &mut Vec<Action>| {
        let all = EvaluateTab::ALL.map(|tab| Segment { value: tab, word: tab.name(), why: tab.meaning() });
        if let Some(tab) = segmented::tabs(ui, "Parts of the evaluation", state.evaluate_tab, &all) {
            actions.push(Action::ShowEvaluateTab(tab));
        }
    };
    if ui.available_width() < BESIDE_TABS {
        segments(ui, actions);
        return compare::train_again(ui, state, shown, actions);
    }
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            compare::train_again(ui, state, shown, actions);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| segments(ui, actions));
        });
    });
}

/// In place of a run's evaluation that cannot be read.
fn unreadable(
    ui: &mut Ui,
    state: &AppState,
    (run, why): (&RunInfo, &Error),
    (cx, actions): (&mut ViewContext, &mut Vec<Action>),
) {
    let title = format!("What run {} got right and wrong cannot be read", run.id);
    let body = format!(
        "{}. Its model is there and can be judged anew on its validation pictures",
        sentence(&why.to_string())
    );
    empty_state(ui, Icon::TriangleAlert, &title, &body, |ui| {
        if state.job_of(&JobKind::Evaluate).is_some() {
            return;
        }
        if primary_button(ui, format!("Judge run {} anew", run.id)).clicked() {
            actions.push(Action::JudgeRun(run.dir.clone()));
        }
        let others = || state.runs.iter().filter(|r| r.state == RunState::Finished && r.dir != run.dir);
        if let Some(other) = others().next() {
            ui.add_space(space::XS);
            if link_button(ui, format!("Show run {}", other.id)).clicked() {
                actions.push(Action::ShowRun(other.dir.clone()));
            }
        }
        ui.add_space(space::L);
        judge_card(ui, state, cx, actions);
    });
}

/// In a card, so that its lines begin at an edge of their own under what is centred.
fn judge_card(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    ui.allocate_ui(vec2(JUDGE, 0.0), |ui| {
        card(ui, |ui| {
            ui.with_layout(Layout::top_down(Align::Min), |ui| {
                ui.set_width(ui.available_width());
                judge::show(ui, state, &mut cx.evaluate, actions);
            });
        });
    });
}

fn nothing(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    if let Some((dir, why)) = &state.unreadable_evaluation
        && let Some(run) = state.runs.iter().find(|r| r.dir == *dir)
    {
        return unreadable(ui, state, (run, why), (cx, actions));
    }
    let body = "Train a model, or open a finished run on the Train screen. What it gets right and wrong then appears here, with \
                the pictures behind every number";
    empty_state(ui, Icon::Grid3x3, "Nothing to judge yet", body, |ui| {
        if primary_button(ui, "Go to Train").clicked() {
            actions.push(Action::Go(Screen::Train));
        }
        ui.add_space(space::L);
        judge_card(ui, state, cx, actions);
    });
}

/// The evaluation in numbers, with as many words of what they are of as the width lets stand.
fn headline(ui: &mut Ui, shown: &ShownEvaluation, memory: &mut Memory) {
    let e = &shown.evaluation;
    let (right, all) = (e.confusion.correct(), e.confusion.total());
    let interval = memory.analysed.of(ui.ctx(), e).map(|analysis| analysis.macro_f1_interval);
    let between = interval.map_or_else(String::new, |(low, high)| format!(" ({low:.3} to {high:.3})"));
    let numbers = [
        format!("{:.3}", e.confusion.accuracy()),
        format!("{:.3}", e.confusion.macro_f1()),
        thousands(all - right),
        format!("{:.3}", e.loss),
    ];
    let room = ui.available_width();
    let width = |words: &[String; 4], gap: f32| {
        let each = numbers.iter().zip(words).map(|(number, of)| stat_width(ui, number, of));
        each.sum::<f32>() + 3.0 * gap
    };
    let fits = |(words, gap): &([String; 4], f32)| width(words, *gap) <= room;
    let [long, shorter, shortest] = head_words(shown, &between);
    let (words, gap) =
        [(long, space::XXL), (shorter, space::XL)].into_iter().find(fits).unwrap_or((shortest, space::L));
    // A name that is longer still is cut.
    let others = width(&words, gap) - stat_width(ui, &numbers[0], &words[0]);
    let (low, high) = wilson_interval(right, all);
    let why = [
        format!(
            "{}. On other pictures like these {}, the accuracy is between {low:.3} and {high:.3} with 95 % confidence (Wilson's \
             interval). More pictures make it narrower",
            shown.title,
            thousands(all)
        ),
        format!(
            "F1 is high only where precision and recall both are; every class counts the same, however many pictures it has, and \
             one without any that is never named does not count. The 95 % interval{between} is that of {RESAMPLES} draws of as \
             many of these pictures (bootstrap)"
        ),
    ];
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        for (i, (number, of)) in numbers.iter().zip(&words).enumerate() {
            let most = if i == 0 { (room - others).max(0.0) } else { f32::INFINITY };
            let stat = stat(ui, number, of, most);
            if let Some(why) = why.get(i) {
                stat.on_hover_text(why);
            }
        }
    });
}

/// What the numbers of the headline are of: all of it, with less, with next to nothing.
fn head_words(shown: &ShownEvaluation, between: &str) -> [[String; 4]; 3] {
    let e = &shown.evaluation;
    let (right, all) = (e.confusion.correct(), e.confusion.total());
    let (low, high) = wilson_interval(right, all);
    let (of, title) = (part_of(right, all), &shown.title);
    let (judged, classes) = (e.confusion.occurring(), e.classes.len());
    let over = match judged == classes {
        true => count(classes, "class", "classes"),
        false => format!("{} classes", part_of(judged, classes)),
    };
    let mistakes = if all - right == 1 { "mistake" } else { "mistakes" };
    let accuracy = format!("accuracy ({low:.3} to {high:.3}) · {of} · {title}");
    let words = |accuracy: &str, f1: &str, loss: &str| [accuracy, f1, mistakes, loss].map(str::to_owned);
    [
        words(&accuracy, &format!("macro F1{between} · mean over {over}"), "loss · lower is better"),
        words(&accuracy, &format!("macro F1 · mean over {over}"), "loss"),
        words(&format!("accuracy · {of} · {title}"), "macro F1", "loss"),
    ]
}
