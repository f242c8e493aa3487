//! Whether the model is right as often as it says: the reliability diagram, and how many pictures stand behind each bar.

use super::Memory;
use crate::engine::analysis::{Bin, Calibration};
use crate::error::part_of;
use crate::ui::Action;
use crate::ui::state::{Selection, ShownEvaluation};
use crate::ui::theme::{Palette, space};
use crate::ui::views::train::words::count;
use crate::ui::widgets::axes::Axes;
use crate::ui::widgets::basic::focus_ring;
use crate::ui::widgets::{caption, section};
use egui::{Color32, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2};

/// Mean confidence and accuracy no further apart than this say nothing.
const ABOUT_RIGHT: f64 = 0.02;
/// The smallest part of a bar that can be seen and hit, in points.
const LEAST: f32 = 2.0;

/// Draws both diagrams, one above the other.
pub(super) fn show(
    ui: &mut Ui,
    shown: &ShownEvaluation,
    selection: Option<Selection>,
    memory: &mut Memory,
    actions: &mut Vec<Action>,
) {
    let Some(analysis) = memory.analysed.show_or_wait(ui, &shown.evaluation) else { return };
    let c = &analysis.calibration;
    let mut chosen = None;
    let whole = ui.available_height();
    section(ui, &format!("Reliability: expected calibration error {:.3}", c.error));
    caption(ui, reliability_words(c));
    let used = whole - ui.available_height();
    let each = ((whole - 2.0 * used - space::L) / 2.0).max(60.0);
    let axes = Axes::new(ui, each, 1.0, "Confidence · share that is right upwards");
    for (i, bin) in c.bins.iter().enumerate() {
        let Some(accuracy) = bin.accuracy() else { continue };
        let mark = Selection::Confidence { bin: i, right: None };
        let p = Palette::of(ui);
        let bar = Bar { bin, from: 0.0, to: accuracy, fill: p.accent, edge: false };
        if bar.show(ui, &axes, ("reliability", i), selection == Some(mark), &bin_words(bin)) {
            chosen = Some(mark);
        }
        axes.dot(ui, bin.confidence, accuracy);
    }
    axes.diagonal(ui);
    ui.add_space(space::L);
    section(ui, "Confidence");
    caption(
        ui,
        "How many pictures got which confidence: right below, wrong on top with an edge. Select a part to see its pictures",
    );
    let most = c.bins.iter().map(Bin::count).max().unwrap_or(0).max(1);
    let axes = Axes::new(ui, each, most as f64, "Confidence · pictures upwards");
    for (i, bin) in c.bins.iter().enumerate() {
        let (right, p) = (bin.right as f64, Palette::of(ui));
        let parts = [
            (true, bin.right, Bar { bin, from: 0.0, to: right, fill: p.accent, edge: false }),
            (
                false,
                bin.wrong,
                Bar { bin, from: right, to: right + bin.wrong as f64, fill: p.bad, edge: true },
            ),
        ];
        for (is_right, pictures, bar) in parts {
            if pictures == 0 {
                continue;
            }
            let mark = Selection::Confidence { bin: i, right: Some(is_right) };
            let word = if is_right { "right" } else { "wrong" };
            let text = format!(
                "{:.2} to {:.2} sure: {} {word}",
                bin.low,
                bin.high,
                count(pictures, "picture is", "pictures are")
            );
            if bar.show(ui, &axes, (word, i), selection == Some(mark), &text) {
                chosen = Some(mark);
            }
        }
    }
    if let Some(mark) = chosen {
        memory.enlarged = None;
        actions.push(Action::Select((selection != Some(mark)).then_some(mark)));
    }
}

fn reliability_words(c: &Calibration) -> String {
    let all: usize = c.bins.iter().map(Bin::count).sum();
    let (right, said) =
        c.bins.iter().fold((0, 0.0), |(n, s), b| (n + b.right, s + b.confidence * b.count() as f64));
    let apart = (said - right as f64) / all.max(1) as f64;
    let way = match apart {
        a if a.abs() < ABOUT_RIGHT => "about as sure as it is right",
        a if a > 0.0 => "surer than it is right",
        _ => "less sure than it is right",
    };
    format!(
        "{} in {} bins. On the dashed line confidence is what it says; the dot is the bin's mean confidence. On the whole the \
         model is {way}",
        count(all, "picture", "pictures"),
        c.bins.len()
    )
}

/// "0.87 to 0.93 sure: 0.900 right · 9 of 10 · mean confidence 0.905".
fn bin_words(bin: &Bin) -> String {
    let accuracy = bin.accuracy().unwrap_or(0.0);
    let (right, all) = (bin.right, bin.count());
    let (low, high) = crate::engine::metrics::wilson_interval(right, all);
    format!(
        "{:.2} to {:.2} sure: {accuracy:.3} right · {} · between {low:.3} and {high:.3} with 95 % confidence · mean \
         confidence {:.3}",
        bin.low,
        bin.high,
        part_of(right, all),
        bin.confidence
    )
}

struct Bar<'a> {
    bin: &'a Bin,
    from: f64,
    to: f64,
    fill: Color32,
    /// Told apart from what is below it by more than its hue.
    edge: bool,
}

impl Bar<'_> {
    /// Whether it was pressed.
    fn show(&self, ui: &mut Ui, axes: &Axes, salt: (&str, usize), on: bool, text: &str) -> bool {
        let p = Palette::of(ui);
        let (left, right) = (axes.x(self.bin.low) + 1.0, axes.x(self.bin.high) - 1.0);
        let mut rect =
            Rect::from_min_max(pos2(left, axes.y(self.to)), pos2(right.max(left), axes.y(self.from)));
        rect.min.y = rect.min.y.min(rect.max.y - LEAST);
        let response = ui.interact(rect, ui.scope_id().with(salt), Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, text));
        let fill = if on || response.hovered() { Palette::mix(self.fill, p.text, 0.25) } else { self.fill };
        ui.painter().rect_filled(rect, 2, fill);
        if self.edge || on {
            // A low bar keeps its colour.
            let width = (rect.height() / 5.0).clamp(0.5, 1.5);
            ui.painter().rect_stroke(rect, 2, Stroke::new(width, p.text), StrokeKind::Inside);
        }
        focus_ring(ui, &response);
        let pressed = response.clicked();
        response.on_hover_text(text);
        pressed
    }
}
