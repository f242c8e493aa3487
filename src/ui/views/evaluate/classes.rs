//! Recall, precision and F1 of each class as bars, each with the pictures behind it.

use super::Memory;
use super::class_rows::{self, Column};
use super::class_table::heading;
use crate::engine::metrics::{ClassMetrics, wilson_interval};
use crate::engine::{ConfusionMatrix, Evaluation};
use crate::error::part_of;
use crate::ui::Action;
use crate::ui::state::{Selection, ShownEvaluation};
use crate::ui::theme::{Palette, class_colour, space, type_size};
use crate::ui::widgets::basic::focus_ring;
use crate::ui::widgets::{caption, paint_bar};
use egui::{
    Align, Align2, FontId, Label, Layout, Rect, RichText, Role, ScrollArea, Sense, Stroke, Ui, UiBuilder,
    WidgetInfo, pos2, vec2,
};

const ROW: f32 = 32.0;
const BAR: f32 = 8.0;
/// Room for a number such as 0.948.
const NUMBER: f32 = 40.0;
/// Half the height of the ends of an interval.
const CAP: f32 = 6.0;

/// The bars of a class, from left to right.
const BARS: [Column; 3] = [Column::Recall, Column::Precision, Column::F1];

/// Draws the bars; a heading orders them, a bar shows its pictures.
pub(super) fn show(
    ui: &mut Ui,
    shown: &ShownEvaluation,
    selection: Option<Selection>,
    memory: &mut Memory,
    actions: &mut Vec<Action>,
) {
    let e = &shown.evaluation;
    caption(
        ui,
        "The thin line over a bar is the 95 % interval (Wilson): where the number would lie on other pictures like these. \
         Select a bar to see its pictures",
    );
    ui.add_space(space::S);
    let columns = Columns::of(ui.available_width() - space::M);
    let (head, _) = ui.allocate_exact_size(vec2(ui.available_width(), 22.0), Sense::hover());
    for (column, (x, width)) in [Column::Class].into_iter().chain(BARS).zip(columns.all()) {
        let place =
            Rect::from_min_size(pos2(head.left() + x, head.top()), vec2(width.max(0.0), head.height()));
        let layout = Layout::left_to_right(Align::Center);
        ui.scope_builder(UiBuilder::new().max_rect(place).layout(layout), |ui| {
            if heading(ui, column, memory.sort, Align::Min).clicked() {
                memory.sort = memory.sort.clicked(column);
            }
        });
    }
    let rows = class_rows::rows(e, memory.sort);
    ui.spacing_mut().item_spacing.y = 0.0;
    ScrollArea::vertical().auto_shrink([false, false]).show_rows(ui, ROW, rows.len(), |ui, range| {
        for (class, metrics) in rows.get(range).unwrap_or_default() {
            row(ui, (e, *class, metrics), columns, selection, |wanted| {
                memory.enlarged = None;
                actions.push(Action::Select(wanted));
            });
        }
    });
}

/// Where the columns are, relative to the left edge, in points.
#[derive(Debug, Clone, Copy)]
struct Columns {
    name: f32,
    bar: f32,
}

impl Columns {
    fn of(width: f32) -> Self {
        let name = (width * 0.24).clamp(0.0, 180.0);
        Self { name, bar: ((width - name) / 3.0).max(0.0) }
    }

    /// Left edge and width of the name and of each bar.
    fn all(self) -> impl Iterator<Item = (f32, f32)> {
        let bars = (0..3).map(move |i| (self.name + i as f32 * self.bar, self.bar - space::M));
        [(0.0, self.name - space::S)].into_iter().chain(bars)
    }
}

fn row(
    ui: &mut Ui,
    (e, class, metrics): (&Evaluation, usize, &ClassMetrics),
    columns: Columns,
    selection: Option<Selection>,
    mut choose: impl FnMut(Option<Selection>),
) {
    let name = e.classes.get(class).map_or("?", String::as_str);
    let (whole, _) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
    for (i, (x, width)) in columns.all().enumerate() {
        let place = Rect::from_min_size(whole.min + vec2(x, 0.0), vec2(width.max(0.0), ROW));
        let Some(column) = i.checked_sub(1).and_then(|i| BARS.get(i)) else {
            class_name(ui, place, class, name);
            continue;
        };
        let share = Share::of(&e.confusion, class, metrics, *column);
        let id = ui.scope_id().with((class, i));
        let response = ui.interact(place, id, Sense::click());
        let on = selection == Some(share.selection);
        let text = share.sentence(name);
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, text.as_str()));
        share.paint(ui, place, on || response.hovered());
        focus_ring(ui, &response);
        if response.clicked() {
            choose((!on).then_some(share.selection));
        }
        response.on_hover_text(text);
    }
}

fn class_name(ui: &mut Ui, place: Rect, class: usize, name: &str) {
    let dot = pos2(place.left() + 5.0, place.center().y);
    ui.painter().circle_filled(dot, 4.5, class_colour(class));
    let mut text = place;
    text.min.x = (text.min.x + 16.0).min(text.max.x);
    let label = Label::new(RichText::new(name).size(type_size::CAPTION)).truncate();
    let layout = Layout::left_to_right(Align::Center);
    ui.scope_builder(UiBuilder::new().max_rect(text).layout(layout), |ui| ui.add(label));
}

/// A number of a class, what it is of, and the pictures it is about.
struct Share {
    what: &'static str,
    value: f64,
    /// Pictures that count, and all; none for F1 of a class that occurs, which is no share of pictures.
    of: Option<(usize, usize)>,
    selection: Selection,
}

impl Share {
    fn of(confusion: &ConfusionMatrix, class: usize, m: &ClassMetrics, column: Column) -> Self {
        let hit = confusion.count(class, class);
        match column {
            Column::Precision => Self {
                what: "precision",
                value: m.precision,
                of: Some((hit, confusion.column_total(class))),
                selection: Selection::PredictedAs(class),
            },
            Column::F1 => Self {
                what: "F1",
                value: m.f1,
                of: (!confusion.occurs(class)).then_some((0, 0)),
                selection: Selection::ClassOrPredictedAs(class),
            },
            _ => Self {
                what: "recall",
                value: m.recall,
                of: Some((hit, m.support)),
                selection: Selection::Class(class),
            },
        }
    }

    /// "recall of ants: 0.920 · 46 of 50 · between 0.812 and 0.968 with 95 % confidence".
    fn sentence(&self, class: &str) -> String {
        let Self { what, value, of, .. } = self;
        match of {
            None => format!("{what} of {class}: {value:.3} · the harmonic mean of recall and precision"),
            Some((_, 0)) => format!("{what} of {class}: there are no such pictures"),
            Some((part, whole)) => {
                let (low, high) = wilson_interval(*part, *whole);
                format!(
                    "{what} of {class}: {value:.3} · {} · between {low:.3} and {high:.3} with 95 % confidence",
                    part_of(*part, *whole)
                )
            }
        }
    }

    fn paint(&self, ui: &Ui, place: Rect, lit: bool) {
        let p = Palette::of(ui);
        let track = Rect::from_min_max(
            pos2(place.left(), place.center().y - BAR / 2.0),
            pos2((place.right() - NUMBER).max(place.left()), place.center().y + BAR / 2.0),
        );
        let at = |share: f64| track.left() + track.width() * share as f32;
        let known = self.of.is_none_or(|(_, whole)| whole > 0);
        paint_bar(
            ui,
            track,
            self.value as f32,
            if lit { Palette::mix(p.accent, p.text, 0.25) } else { p.accent },
        );
        if let Some((part, whole)) = self.of.filter(|_| known) {
            let (low, high) = wilson_interval(part, whole);
            let stroke = Stroke::new(1.5, p.text);
            ui.painter().hline(at(low)..=at(high), place.center().y, stroke);
            for x in [at(low), at(high)] {
                ui.painter().vline(x, place.center().y - CAP..=place.center().y + CAP, stroke);
            }
        }
        let text = if known { format!("{:.3}", self.value) } else { "–".to_owned() };
        let font = FontId::proportional(type_size::CAPTION);
        let ink = if lit { p.text } else { p.muted };
        ui.painter().text(place.right_center(), Align2::RIGHT_CENTER, text, font, ink);
    }
}
