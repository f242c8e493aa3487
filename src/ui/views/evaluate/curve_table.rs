//! Average precision and area under the ROC curve of each class, and which curve stands out.

use super::Memory;
use super::curves::CurveOf;
use crate::ui::state::ShownEvaluation;
use crate::ui::theme::{Palette, space, type_size};
use crate::ui::widgets::{caption, class_dot, section};
use egui::{Align, Button, Layout, RichText, Sense, Stroke, Ui, vec2};
use egui_extras::{Column, TableBuilder, TableRow};

const ROW: f32 = 26.0;

/// Draws the table; a click makes a curve stand out, and another gives it back.
pub(super) fn show(ui: &mut Ui, shown: &ShownEvaluation, memory: &mut Memory) {
    let e = &shown.evaluation;
    let Some(analysis) = memory.analysed.of(ui.ctx(), e) else { return };
    section(ui, "Curves");
    caption(ui, "Select a curve to make it stand out, a point in a diagram to see its pictures");
    ui.add_space(space::XS);
    let micro = &analysis.micro;
    let mean = &analysis.macro_mean;
    let of_class = |class: usize| {
        let numbers = analysis.classes.get(class).map(|c| [c.average_precision, c.auc]);
        (CurveOf::Class(class), e.classes.get(class).map_or("?", String::as_str), numbers.unwrap_or_default())
    };
    let averages = [
        (CurveOf::Micro, "Micro average", [micro.average_precision, micro.auc]),
        (CurveOf::Macro, "Macro mean", [mean.average_precision, mean.auc]),
    ];
    ui.spacing_mut().item_spacing = vec2(space::XS, 0.0);
    TableBuilder::new(ui)
        .id_salt("curves")
        .auto_shrink([false, true])
        .vscroll(false)
        .cell_layout(Layout::left_to_right(Align::Center))
        .column(Column::remainder().at_least(64.0).clip(true))
        .columns(Column::exact(52.0), 2)
        .header(22.0, |mut header| {
            header.col(|ui| {
                caption(ui, "Curve");
            });
            for (word, why) in [
                ("AP", "Average precision: the area under the precision-recall curve, 1 at best"),
                ("AUC", "Area under the ROC curve: how often a picture of the class gets a higher probability than another; 0.5 is chance"),
            ] {
                header.col(|ui| {
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| caption(ui, word).on_hover_text(why));
                });
            }
        })
        .body(|body| {
            body.rows(ROW, averages.len() + analysis.classes.len(), |mut row| {
                let (of, name, numbers) = match averages.get(row.index()) {
                    Some(average) => *average,
                    None => of_class(row.index() - averages.len()),
                };
                let on = memory.curve == Some(of);
                if line(&mut row, (of, name), numbers, on) {
                    memory.curve = (!on).then_some(of);
                }
            });
        });
}

fn line(
    row: &mut TableRow<'_, '_>,
    (of, name): (CurveOf, &str),
    numbers: [Option<f64>; 2],
    on: bool,
) -> bool {
    let mut clicked = false;
    row.col(|ui| {
        match of {
            CurveOf::Class(class) => class_dot(ui, class),
            CurveOf::Micro | CurveOf::Macro => key(ui, of == CurveOf::Macro),
        }
        ui.spacing_mut().button_padding.x = 2.0;
        let label = RichText::new(name).size(type_size::CAPTION);
        let why = match of {
            CurveOf::Class(_) => name,
            CurveOf::Micro => "Every picture counts the same: each pair of a picture and a class is one decision",
            CurveOf::Macro => "Every class counts the same: the mean of the classes' curves. Its points belong to no threshold",
        };
        clicked = ui.add(Button::selectable(on, label).truncate()).on_hover_text(why).clicked();
    });
    for number in numbers {
        row.col(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let text = number.map_or_else(|| "–".to_owned(), |n| format!("{n:.3}"));
                let response = ui.label(RichText::new(text).size(type_size::CAPTION));
                if number.is_none() {
                    response.on_hover_text("There is no picture of this class, or of no other");
                }
            });
        });
    }
    clicked
}

/// A piece of an average's line, as wide as a class's dot.
fn key(ui: &mut Ui, dashed: bool) {
    let (rect, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
    let stroke = Stroke::new(2.0, Palette::of(ui).text);
    let (x, y) = (rect.left(), rect.center().y);
    for (from, to) in if dashed { [(0.0, 4.0), (6.0, 10.0)] } else { [(0.0, 5.0), (5.0, 10.0)] } {
        ui.painter().hline(x + from..=x + to, y, stroke);
    }
}
