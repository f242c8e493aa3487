//! Learning curves: loss, quality and learning rate over the epochs, with the best epoch marked; those of several runs over each
//! other.

mod marks;
mod series;

pub use series::{
    CurveData, Look, Measure, Quantity, Series, best, describe, nearest, number, overlay, prepare,
};

use self::marks::{NEAREST_TICKS, decades, even_steps, trimmed, whole_epochs};
use crate::engine::EpochRecord;
use crate::ui::theme::{Palette, space, type_size};
use egui::{Color32, FontId, Id, Response, RichText, Role, Sense, Stroke, Ui, WidgetInfo, vec2};
use egui_plot::{AxisHints, Line, LineStyle, MarkerShape, Plot, PlotPoint, PlotPoints, Points, Text, VLine};

/// Height of a heading with the gap under it, in points.
const HEAD: f32 = 24.0 + space::XS;
/// Headings narrower than this have a shorter title, in points.
const NARROW: f32 = 640.0;
/// Points up to which a line is drawn in pieces.
const MOST_TURNS: usize = 400;

/// Draws one plot with its heading, `height` points high. Both plots of a screen share `link`, so that hovering one marks the
/// epoch in both.
pub fn show(
    ui: &mut Ui,
    epochs: &[EpochRecord],
    (quantity, look): (Quantity, Look),
    link: Id,
    height: f32,
) -> Response {
    let p = Palette::of(ui);
    let colours = colours(&p, quantity);
    let data = prepare(epochs, quantity, look);
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing = vec2(space::S, space::XS);
        heading(ui, epochs, &data, (quantity, colours));
        let height = (height - HEAD).max(64.0);
        let (response, under) = plot(ui, quantity.title(), (&data, &colours), link, height);
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, describe(epochs, quantity)));
        let epoch = under.and_then(|x| nearest(epochs, x));
        remember(ui, link, &response, epoch.map(|e| e.epoch));
        if let Some(epoch) = epoch {
            let text = words(epoch);
            response.clone().on_hover_ui_at_pointer(|ui| {
                ui.label(text);
            });
        }
        response
    })
    .inner
}

/// Draws one number of several runs, one line each in its colour, `height` points high.
pub fn show_overlay(
    ui: &mut Ui,
    runs: &[(String, &[EpochRecord], Color32)],
    (measure, look): (Measure, Look),
    height: f32,
) -> Response {
    let lines: Vec<(String, &[EpochRecord])> = runs.iter().map(|r| (r.0.clone(), r.1)).collect();
    let colours: Vec<Color32> = runs.iter().map(|r| r.2).collect();
    let data = overlay(&lines, measure, look);
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing = vec2(space::S, space::XS);
        ui.horizontal(|ui| {
            ui.set_height(24.0);
            ui.label(RichText::new(measure.name()).strong());
            keys(ui, &data, &colours);
        });
        let link = Id::unique("epoch under the pointer, compared");
        let (response, under) = plot(ui, measure.name(), (&data, &colours), link, (height - HEAD).max(64.0));
        let told = |(name, epochs): &(String, &[EpochRecord])| {
            let last = epochs.last().map_or("no epochs".to_owned(), |e| number(measure.of(e)));
            format!("{name} {last}")
        };
        let all: Vec<String> = lines.iter().map(told).collect();
        let label = format!("{}, last epoch: {}", measure.name(), all.join(", "));
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &label));
        let epoch = under.map(|x| x.round().clamp(data.x[0], data.x[1]) as usize);
        remember(ui, link, &response, epoch);
        if let Some(epoch) = epoch {
            response.clone().on_hover_ui_at_pointer(|ui| {
                ui.label(format!("Epoch {epoch}, {}", measure.name().to_lowercase()));
                for (name, epochs) in &lines {
                    if let Some(e) = epochs.iter().find(|e| e.epoch == epoch) {
                        ui.label(format!("{name}: {}", number(measure.of(e))));
                    }
                }
            });
        }
        response
    })
    .inner
}

fn colours(p: &Palette, quantity: Quantity) -> [Color32; 2] {
    match quantity {
        Quantity::Loss | Quantity::Rate => [p.accent, p.muted],
        Quantity::Quality => [p.accent, p.good],
    }
}

/// Title, and the legend: the values of the last epoch, and behind them the first line's at the best one.
fn heading(
    ui: &mut Ui,
    epochs: &[EpochRecord],
    data: &CurveData,
    (quantity, colours): (Quantity, [Color32; 2]),
) {
    let p = Palette::of(ui);
    ui.horizontal(|ui| {
        ui.set_height(24.0);
        let title = if ui.available_width() < NARROW { quantity.short_title() } else { quantity.title() };
        ui.label(RichText::new(title).strong()).on_hover_text(quantity.meaning());
        keys(ui, data, &colours);
        let value = |e: &EpochRecord| match quantity {
            Quantity::Loss => e.val_loss,
            Quantity::Quality => e.val_accuracy,
            Quantity::Rate => e.learning_rate,
        };
        if let Some(best) = best(epochs).filter(|e| value(e).is_finite()) {
            let text = format!("· best epoch {}: {}", best.epoch, number(value(best)));
            let text = RichText::new(text).small().color(p.muted);
            ui.add(egui::Label::new(text).truncate())
                .on_hover_text("The epoch that is kept as the model. The dotted line marks it");
        }
    });
}

/// What the lines are, with the numbers of the last epoch.
fn keys(ui: &mut Ui, data: &CurveData, colours: &[Color32]) {
    let quiet = |ui: &mut Ui, text: String| {
        let text = RichText::new(text).small().color(Palette::of(ui).muted);
        ui.label(text)
    };
    quiet(ui, "last epoch".to_owned());
    for (series, colour) in data.series.iter().zip(colours) {
        key(ui, series.dashed, *colour);
        let value = series.last.map_or(String::new(), |last| format!(" {}", number(last)));
        quiet(ui, format!("{}{value}", series.name));
    }
}

/// A short piece of the line.
fn key(ui: &mut Ui, dashed: bool, colour: Color32) {
    let (rect, _) = ui.allocate_exact_size(vec2(18.0, 10.0), Sense::hover());
    let stroke = Stroke::new(2.0, colour);
    let (x, y) = (rect.left(), rect.center().y);
    let pieces: &[(f32, f32)] =
        if dashed { &[(0.0, 5.0), (7.0, 12.0), (14.0, 18.0)] } else { &[(0.0, 18.0)] };
    for (from, to) in pieces {
        ui.painter().hline(x + from..=x + to, y, stroke);
    }
}

/// The plot itself, and the horizontal position under the pointer.
fn plot(
    ui: &mut Ui,
    title: &str,
    (data, colours): (&CurveData, &[Color32]),
    link: Id,
    height: f32,
) -> (Response, Option<f64>) {
    let p = Palette::of(ui);
    let log = data.log;
    let hovered: Option<usize> = ui.data(|d| d.get_temp(link));
    let shown = Plot::new(title)
        .height(height)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .allow_axis_zoom_drag(false)
        .sense(Sense::hover())
        .show_background(false)
        .show_crosshair(false)
        .grid_color(p.stroke)
        .x_grid_spacer(whole_epochs)
        .y_grid_spacer(move |input| match log {
            true => decades(input.bounds),
            false => even_steps(input.bounds, height),
        })
        .custom_x_axes(vec![
            ticks(AxisHints::new_x(), &p, height).formatter(|mark, _| format!("{:.0}", mark.value)),
        ])
        .custom_y_axes(vec![
            ticks(AxisHints::new_y(), &p, height)
                .formatter(move |mark, _| trimmed(if log { 10f64.powf(mark.value) } else { mark.value }))
                .label_spacing(NEAREST_TICKS)
                .min_thickness(34.0),
        ])
        .label_formatter(|_| None)
        .show(ui, |plot| {
            plot.set_plot_bounds_x(data.x[0]..=data.x[1]);
            plot.set_plot_bounds_y(data.y[0]..=data.y[1]);
            marks(plot, &p, data, hovered);
            for (i, (series, colour)) in data.series.iter().zip(colours).enumerate().rev() {
                let style = if series.dashed { LineStyle::dashed_dense() } else { LineStyle::Solid };
                let line = |points: &[[f64; 2]]| {
                    Line::new(series.name.clone(), PlotPoints::new(points.to_vec())).allow_hover(false)
                };
                let faint = colour.gamma_multiply(0.35);
                plot.line(line(&series.raw).color(faint).style(style).width(1.2));
                let width = if i == 0 { 2.2 } else { 1.6 };
                for piece in between_turns(&series.points, series.dashed) {
                    plot.line(line(piece).color(*colour).style(style).width(width));
                }
                if let [only] = series.points.as_slice() {
                    plot.points(dots(&series.name, *only, *colour, 3.0));
                }
            }
            if let (Some(best), Some(colour)) = (data.best, colours.first()) {
                plot.points(dots("best epoch", best, *colour, 5.0));
            }
        });
    let response = shown.response;
    let under = response.hover_pos().map(|at| shown.transform.value_from_position(at).x);
    (response, under)
}

/// Numbers along an axis of a plot `height` points high step back behind the lines.
fn ticks<'a>(axis: AxisHints<'a>, p: &Palette, height: f32) -> AxisHints<'a> {
    axis.tick_label_color(p.muted).tick_label_font(FontId::proportional(type_size::in_diagram(height)))
}

/// Tells the other plot which epoch is under the pointer; the plot that set it also takes it back.
fn remember(ui: &Ui, link: Id, response: &Response, epoch: Option<usize>) {
    let owner = link.with("owner");
    ui.data_mut(|d| match epoch {
        Some(e) => {
            d.insert_temp(link, e);
            d.insert_temp(owner, response.id);
        }
        None if d.get_temp::<Id>(owner) == Some(response.id) => {
            d.remove::<usize>(link);
            d.remove::<Id>(owner);
        }
        None => {}
    });
}

fn marks(plot: &mut egui_plot::PlotUi<'_>, p: &Palette, data: &CurveData, hovered: Option<usize>) {
    let top = data.y[1];
    let note = |text: String| RichText::new(text).size(type_size::CAPTION);
    for (x, phase) in &data.phases {
        plot.vline(VLine::new("phase", *x).color(p.stroke).width(1.0).allow_hover(false));
        let at = PlotPoint::new(*x, top);
        let text = note(format!(" {phase} learns")).color(p.muted);
        plot.text(Text::new("phase", at, text).anchor(egui::Align2::LEFT_TOP).allow_hover(false));
    }
    // Which epoch it is stands in the heading: in the plot it would lie over the lines.
    if let Some(best) = data.best {
        let line =
            VLine::new("best epoch", best[0]).color(p.muted).width(1.0).style(LineStyle::dotted_dense());
        plot.vline(line.allow_hover(false));
    }
    if let Some(epoch) = hovered {
        plot.vline(VLine::new("pointer", epoch as f64).color(p.text).width(1.0).allow_hover(false));
    }
}

/// The line in pieces that only rise or only fall, each beginning where the one before ends: where a line turns sharply, its joint
/// would be drawn far beyond the turn, above the largest number. Dashes have no joints, and a line of very many points no room for
/// sharp ones to be seen.
fn between_turns(points: &[[f64; 2]], dashed: bool) -> Vec<&[[f64; 2]]> {
    if dashed || points.len() > MOST_TURNS {
        return vec![points];
    }
    let mut pieces = Vec::new();
    let mut from = 0;
    for (i, w) in points.windows(3).enumerate() {
        if (w[1][1] - w[0][1]) * (w[2][1] - w[1][1]) < 0.0 {
            pieces.push(&points[from..=i + 1]);
            from = i + 1;
        }
    }
    pieces.push(&points[from..]);
    pieces
}

fn dots(name: &str, at: [f64; 2], colour: Color32, radius: f32) -> Points<'static> {
    let points = PlotPoints::new(vec![at]);
    Points::new(name, points)
        .color(colour)
        .radius(radius)
        .shape(MarkerShape::Circle)
        .filled(true)
        .allow_hover(false)
}

/// All numbers of an epoch.
fn words(e: &EpochRecord) -> String {
    format!(
        "Epoch {} of {}{}: {} learns\nLoss: validation {:.3}, training {:.3}\nValidation accuracy {:.3}, macro F1 {:.3}\n\
         Training accuracy {:.3}\nLearning rate {:.2e} · {:.0} pictures a second",
        e.epoch,
        e.epochs,
        if e.best { ", the best so far" } else { "" },
        e.phase,
        e.val_loss,
        e.train_loss,
        e.val_accuracy,
        e.val_macro_f1,
        e.train_accuracy,
        e.learning_rate,
        e.images_per_s,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_drawn_in_pieces_that_meet_where_it_turns() {
        let points = [[1.0, 0.2], [2.0, 0.9], [3.0, 1.0], [4.0, 0.7], [5.0, 0.7], [6.0, 0.8]];
        let pieces = between_turns(&points, false);
        assert_eq!(pieces, [&points[..3], &points[2..]]);
        assert_eq!(between_turns(&points, true), [&points[..]]);
        assert_eq!(between_turns(&[], false), [&points[..0]]);
    }
}
