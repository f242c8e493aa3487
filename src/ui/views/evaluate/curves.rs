//! Precision-recall and ROC curves of each class against the rest, with the pictures behind each point.

use super::Memory;
use crate::engine::analysis::{Curve, Point};
use crate::engine::{Analysis, Evaluation};
use crate::error::part_of;
use crate::ui::Action;
use crate::ui::state::{Selection, ShownEvaluation};
use crate::ui::theme::{Palette, class_colour, space};
use crate::ui::widgets::axes::Axes;
use crate::ui::widgets::basic::focus_ring_at;
use crate::ui::widgets::{caption, section};
use egui::{Color32, EventFilter, Key, Pos2, Response, Role, Sense, Shape, Stroke, Ui, WidgetInfo};

/// Up to this many classes all curves stand out while none is chosen.
const FEW: usize = 10;
/// Points of all curves together that do not stand out.
const FAINT_POINTS: usize = 4000;
/// Points of a curve that does not stand out, at least.
const LEAST_POINTS: usize = 40;
/// Farther than this from every curve the pointer is at none, in points.
const REACH: f32 = 24.0;

/// A curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurveOf {
    /// Of one class against the rest.
    Class(usize),
    /// Of all pairs of a picture and a class.
    Micro,
    /// The mean of the classes' curves; its points belong to no threshold.
    Macro,
}

/// A point of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    of: CurveOf,
    point: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    PrecisionRecall,
    Roc,
}

/// The evaluation and what was computed from it.
struct Drawn<'a> {
    e: &'a Evaluation,
    analysis: &'a Analysis,
    stands_out: Option<CurveOf>,
}

/// Draws both diagrams, one above the other.
pub(super) fn show(
    ui: &mut Ui,
    shown: &ShownEvaluation,
    selection: Option<Selection>,
    memory: &mut Memory,
    actions: &mut Vec<Action>,
) {
    let e = &shown.evaluation;
    let Some(analysis) = memory.analysed.show_or_wait(ui, e) else { return };
    let drawn = Drawn { e, analysis: &analysis, stands_out: memory.curve };
    let point = memory.point.filter(|at| drawn.point(*at).is_some());
    let whole = ui.available_height();
    let mut pointed = None;
    let mut pressed = false;
    let mut held = false;
    let mut each = 0.0;
    for kind in [Kind::PrecisionRecall, Kind::Roc] {
        let before = ui.available_height();
        section(ui, &drawn.heading(kind));
        caption(ui, kind.meaning());
        if kind == Kind::PrecisionRecall {
            each = ((whole - 2.0 * (before - ui.available_height()) - space::L) / 2.0).max(60.0);
        }
        let (axes, response) = drawn.diagram(ui, kind, each);
        if let Some(at) = point {
            drawn.mark(ui, kind, &axes, at);
        }
        held |= response.has_focus();
        pressed |= response.clicked();
        let under = response.hover_pos().and_then(|pos| drawn.nearest(kind, &axes, pos));
        if let Some(at) = under {
            let text = drawn.words(at);
            response.clone().on_hover_ui_at_pointer(|ui| {
                ui.label(text);
            });
        }
        pointed = pointed.or(under).or_else(|| drawn.keyboard(ui, &response, point));
        ui.add_space(if kind == Kind::PrecisionRecall { space::L } else { 0.0 });
    }
    memory.point = pointed.or(point.filter(|_| held));
    if let Some(mark) = memory.point.and_then(|at| drawn.selection(at)).filter(|_| pressed) {
        memory.enlarged = None;
        actions.push(Action::Select((selection != Some(mark)).then_some(mark)));
    }
}

impl Kind {
    fn meaning(self) -> &'static str {
        match self {
            Self::PrecisionRecall => {
                "Along a curve the threshold falls: more of the class is found (recall), and fewer of the pictures that are called \
                 so really are (precision)"
            }
            Self::Roc => "How much of a class is found, against how much of the rest is called so too",
        }
    }

    fn axes(self) -> &'static str {
        match self {
            Self::PrecisionRecall => "Recall · precision upwards",
            Self::Roc => "False positive rate · true positive rate upwards",
        }
    }

    /// The coordinates of a point.
    fn of(self, curve: &Curve, point: &Point) -> (f64, f64) {
        match self {
            Self::PrecisionRecall => (curve.recall(point), curve.precision(point)),
            Self::Roc => (curve.false_positive_rate(point), curve.recall(point)),
        }
    }
}

impl Drawn<'_> {
    fn curve(&self, of: CurveOf) -> Option<&Curve> {
        match of {
            CurveOf::Class(class) => self.analysis.classes.get(class),
            CurveOf::Micro => Some(&self.analysis.micro),
            CurveOf::Macro => None,
        }
    }

    fn point(&self, at: At) -> Option<(&Curve, &Point)> {
        let curve = self.curve(at.of)?;
        curve.points.get(at.point).map(|point| (curve, point))
    }

    fn heading(&self, kind: Kind) -> String {
        let mean = &self.analysis.macro_mean;
        let (title, what, number) = match kind {
            Kind::PrecisionRecall => {
                ("Precision and recall", "mean average precision (AP)", mean.average_precision)
            }
            Kind::Roc => ("ROC", "mean area under the curve (AUC)", mean.auc),
        };
        match number {
            Some(number) => format!("{title}: {what} {number:.3}"),
            None => title.to_owned(),
        }
    }

    fn diagram(&self, ui: &mut Ui, kind: Kind, height: f32) -> (Axes, Response) {
        let p = Palette::of(ui);
        let axes = Axes::new(ui, height, 1.0, kind.axes());
        if kind == Kind::Roc {
            axes.diagonal(ui);
        }
        let n = self.analysis.classes.len();
        let all = self.stands_out.is_none() && n <= FEW;
        let stride = |points: usize, strong: bool| match strong {
            true => 1,
            false => (points / (FAINT_POINTS / n.max(1)).max(LEAST_POINTS)).max(1),
        };
        let style = |strong: bool, colour: Color32| match strong {
            true => Stroke::new(2.0, colour),
            false => Stroke::new(1.0, Palette::mix(p.background, colour, 0.4)),
        };
        let line = |points: Vec<Pos2>, stroke| ui.painter().add(Shape::line(points, stroke));
        let mut strong_ones = Vec::new();
        for (class, curve) in self.analysis.classes.iter().enumerate().filter(|(_, c)| kind.is_known(c)) {
            let strong = all || self.stands_out == Some(CurveOf::Class(class));
            let points = way(kind, curve, &axes, stride(curve.points.len(), strong));
            if strong {
                strong_ones.push((points, style(true, class_colour(class))));
            } else {
                line(points, style(false, class_colour(class)));
            }
        }
        for (points, stroke) in strong_ones {
            line(points, stroke);
        }
        let of_mean = |of| self.stands_out.is_none_or(|s| s == of);
        if kind.is_known(&self.analysis.micro) {
            let stroke = style(of_mean(CurveOf::Micro), p.text);
            line(way(kind, &self.analysis.micro, &axes, 1), stroke);
        }
        let mean = match kind {
            Kind::PrecisionRecall => &self.analysis.macro_mean.precision_recall,
            Kind::Roc => &self.analysis.macro_mean.roc,
        };
        let mean: Vec<Pos2> = mean.iter().map(|[x, y]| axes.at(*x, *y)).collect();
        ui.painter().extend(Shape::dashed_line(&mean, style(of_mean(CurveOf::Macro), p.text), 6.0, 4.0));
        let response = ui.interact(axes.inner, ui.scope_id().with(kind.axes()), Sense::click());
        response.widget_info(|| {
            let text = format!(
                "{}, {n} classes. Arrow keys move along a curve, Enter shows the pictures of its point",
                self.heading(kind)
            );
            WidgetInfo::labeled(Role::Image, true, text)
        });
        focus_ring_at(ui, &response, axes.inner);
        (axes, response)
    }

    fn mark(&self, ui: &Ui, kind: Kind, axes: &Axes, at: At) {
        if let Some((curve, point)) = self.point(at).filter(|(curve, _)| kind.is_known(curve)) {
            let (x, y) = kind.of(curve, point);
            axes.dot(ui, x, y);
        }
    }

    /// The curves whose points can be pressed.
    fn open(&self) -> impl Iterator<Item = CurveOf> {
        let classes = (0..self.analysis.classes.len()).map(CurveOf::Class);
        let chosen = self.stands_out.filter(|of| *of != CurveOf::Macro);
        classes.chain([CurveOf::Micro]).filter(move |of| chosen.is_none_or(|c| c == *of))
    }

    fn nearest(&self, kind: Kind, axes: &Axes, pos: Pos2) -> Option<At> {
        let mut best = (REACH * REACH, None);
        for of in self.open() {
            let Some(curve) = self.curve(of).filter(|c| kind.is_known(c)) else { continue };
            for (point, p) in curve.points.iter().enumerate() {
                let (x, y) = kind.of(curve, p);
                let off = axes.at(x, y).distance_sq(pos);
                if off < best.0 {
                    best = (off, Some(At { of, point }));
                }
            }
        }
        best.1
    }

    /// Moves along the curve that stands out, or the micro average.
    fn keyboard(&self, ui: &Ui, response: &Response, point: Option<At>) -> Option<At> {
        if !response.has_focus() {
            return None;
        }
        let arrows = EventFilter { horizontal_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(response.id, arrows));
        let of = self.stands_out.filter(|of| *of != CurveOf::Macro).unwrap_or(CurveOf::Micro);
        let last = self.curve(of)?.points.len().checked_sub(1)?;
        let step =
            ui.input(|i| i.num_presses(Key::ArrowRight) as isize - i.num_presses(Key::ArrowLeft) as isize);
        if step == 0 {
            return None;
        }
        // The first key press shows where the curve begins.
        let point = point.filter(|at| at.of == of).map_or(0, |at| at.point.saturating_add_signed(step));
        Some(At { of, point: point.min(last) })
    }

    fn selection(&self, at: At) -> Option<Selection> {
        let (curve, point) = self.point(at)?;
        let class = match at.of {
            CurveOf::Class(class) => Some(class),
            _ => None,
        };
        Some(Selection::Scored { class, low: point.threshold, high: curve.threshold_above(at.point) })
    }

    /// All numbers of a point.
    fn words(&self, at: At) -> String {
        let Some((curve, p)) = self.point(at) else { return String::new() };
        let name = match at.of {
            CurveOf::Class(class) => self.e.classes.get(class).map_or("?", String::as_str),
            _ => "Micro average",
        };
        format!(
            "{name}, from a probability of {:.3} on\nPrecision {:.3} · {}\nRecall (true positive rate) {:.3} · {}\n\
             False positive rate {:.3} · {}",
            p.threshold,
            curve.precision(p),
            part_of(p.hits, p.hits + p.false_alarms),
            curve.recall(p),
            part_of(p.hits, curve.positives),
            curve.false_positive_rate(p),
            part_of(p.false_alarms, curve.negatives)
        )
    }
}

impl Kind {
    fn is_known(self, curve: &Curve) -> bool {
        match self {
            Self::PrecisionRecall => curve.average_precision.is_some(),
            Self::Roc => curve.auc.is_some(),
        }
    }
}

/// The line of a curve, every `stride`th point of it. Precision is that of a threshold for all recall that it adds: steps.
fn way(kind: Kind, curve: &Curve, axes: &Axes, stride: usize) -> Vec<Pos2> {
    let last = curve.points.len().saturating_sub(1);
    let kept = curve.points.iter().enumerate().filter(|(i, _)| i % stride == 0 || *i == last);
    let mut way = Vec::new();
    let mut before = 0.0;
    if kind == Kind::Roc {
        way.push(axes.at(0.0, 0.0));
    }
    for (_, point) in kept {
        let (x, y) = kind.of(curve, point);
        if kind == Kind::PrecisionRecall {
            way.push(axes.at(before, y));
            before = x;
        }
        way.push(axes.at(x, y));
    }
    way
}
