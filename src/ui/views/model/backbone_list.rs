//! The backbones as rows; the chosen one opens to show its weights and stages.

use super::super::ViewContext;
use super::{stages, weights};
use crate::backbones::{BackboneSpec, registry};
use crate::ui::state::WeightsState;
use crate::ui::theme::{self, Palette, space, type_size};
use crate::ui::widgets::basic::focus_ring;
use crate::ui::{Action, AppState};
use egui::{
    Align2, FontId, Frame, Label, Margin, Rect, RichText, Role, Sense, Stroke, Ui, UiBuilder, WidgetInfo,
    pos2, vec2,
};

const ROW: f32 = 58.0;
/// Rows narrower than this leave columns out, in points.
const NARROW: f32 = 640.0;
/// Room for the scroll bar beside the rows.
const GUTTER: f32 = 10.0;
/// Distance of the right edges of the columns from the row's right edge.
static COLUMNS: [(&str, &str, f32); 4] = [
    ("Parameters", "Numbers that the network has learned; more need more time and memory", 300.0),
    ("Input", "Side of the square picture that the network looks at, in pixels", 210.0),
    (
        "ImageNet top-1",
        "Share of ImageNet's validation pictures named correctly, as published with the weights",
        104.0,
    ),
    ("Weights", "Whether a weight file is on this computer", 16.0),
];

/// The columns that leave room for names in a row `width` points wide; what is left out shows on hovering.
fn shown(width: f32) -> &'static [(&'static str, &'static str, f32)] {
    if width < NARROW { &COLUMNS[2..] } else { &COLUMNS }
}

/// The columns' heads.
pub(super) fn columns(ui: &mut Ui) {
    let p = Palette::of(ui);
    let (rect, line) =
        ui.allocate_exact_size(vec2(ui.available_width() - GUTTER - 7.0, 16.0), Sense::hover());
    let font = FontId::proportional(type_size::CAPTION);
    for &(name, why, right) in shown(rect.width()) {
        let at = pos2(rect.right() - right, rect.center().y);
        let drawn = ui.painter().text(at, Align2::RIGHT_CENTER, name, font.clone(), p.muted);
        ui.interact(drawn, line.id.with(name), Sense::hover()).on_hover_text(why);
    }
}

/// Draws the rows; returns where the chosen one is.
pub(super) fn show(
    ui: &mut Ui,
    state: &AppState,
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) -> Option<Rect> {
    let mut place = None;
    ui.spacing_mut().item_spacing.y = space::XS;
    ui.set_width(ui.available_width() - GUTTER);
    for spec in registry() {
        let chosen = state.config.backbone.name == spec.name;
        let p = Palette::of(ui);
        let edge = if chosen { p.accent } else { p.stroke };
        let frame = Frame::new()
            .fill(p.surface)
            .stroke(Stroke::new(1.0, edge))
            .corner_radius(theme::RADIUS_CARD)
            .shadow(egui::Shadow { offset: [0, 1], blur: 4, spread: 0, color: p.shadow })
            .show(ui, |ui| {
                if row(ui, state, spec, chosen) && !chosen {
                    actions.push(Action::ChooseBackbone(spec.name));
                }
                if chosen {
                    let margin = Margin { left: 44, right: 16, top: 0, bottom: 14 };
                    Frame::new().inner_margin(margin).show(ui, |ui| {
                        ui.spacing_mut().item_spacing.y = space::S;
                        stages::bar(ui, spec, &state.config);
                        weights::show(ui, state, spec, cx, actions);
                    });
                }
            });
        if chosen {
            place = Some(frame.response.rect);
        }
    }
    place
}

fn row(ui: &mut Ui, state: &AppState, spec: &BackboneSpec, chosen: bool) -> bool {
    let p = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, chosen, spec.title));
    if (response.hovered() || response.has_focus()) && !chosen {
        ui.painter().rect_filled(rect, theme::RADIUS_CARD, p.raised);
    }
    radio(ui, pos2(rect.left() + 24.0, rect.center().y), chosen);
    names(ui, rect, spec);
    let found = state.known_weights.get(spec.name).is_some_and(|f| !f.is_empty());
    let top1 = spec.sources.first().map_or("–".to_owned(), |s| format!("{:.3}", s.top1_frac));
    let loaded = chosen && matches!(state.weights, WeightsState::Ready(_));
    let weights = match (spec.sources.is_empty(), found) {
        _ if loaded => ("loaded", p.good),
        (true, _) => ("not needed", p.muted),
        (false, true) => ("found", p.good),
        (false, false) => ("choose a file", p.muted),
    };
    let cells = [
        (millions(spec.param_count), p.text),
        (format!("{} px", spec.preprocess.crop_px), p.text),
        (top1, p.text),
        (weights.0.to_owned(), weights.1),
    ];
    let columns = shown(rect.width());
    for ((text, ink), (_, _, right)) in cells.into_iter().skip(COLUMNS.len() - columns.len()).zip(columns) {
        let at = pos2(rect.right() - right, rect.center().y);
        ui.painter().text(at, Align2::RIGHT_CENTER, text, FontId::proportional(type_size::BODY), ink);
    }
    focus_ring(ui, &response);
    response.on_hover_text(hover(spec)).clicked()
}

fn radio(ui: &Ui, at: egui::Pos2, chosen: bool) {
    let p = Palette::of(ui);
    ui.painter().circle_stroke(at, 7.0, Stroke::new(1.5, if chosen { p.accent } else { p.muted }));
    if chosen {
        ui.painter().circle_filled(at, 3.5, p.accent);
    }
}

fn names(ui: &mut Ui, rect: Rect, spec: &BackboneSpec) {
    let muted = Palette::of(ui).muted;
    // The first column's heading is about this wide.
    let columns = shown(rect.width()).first().map_or(0.0, |c| c.2) + 90.0;
    let area = Rect::from_min_max(rect.min + vec2(44.0, 9.0), pos2(rect.right() - columns, rect.bottom()));
    let mut ui = ui.new_child(UiBuilder::new().max_rect(area));
    ui.spacing_mut().item_spacing.y = 1.0;
    ui.add(Label::new(RichText::new(spec.title).strong()).truncate().selectable(false));
    ui.add(Label::new(RichText::new(spec.advice).small().color(muted)).truncate().selectable(false));
}

fn hover(spec: &BackboneSpec) -> String {
    match spec.sources.first() {
        Some(s) => format!(
            "{}. {} parameters, pictures of {} px, ImageNet top-1 {:.3} as published. Weights: {} ({}).",
            spec.advice.trim_end_matches('.'),
            millions(spec.param_count),
            spec.preprocess.crop_px,
            s.top1_frac,
            s.place,
            s.licence
        ),
        None => format!("{}. It starts from random weights.", spec.advice.trim_end_matches('.')),
    }
}

/// `11.7 M`, `0.4 M`.
fn millions(count: usize) -> String {
    let m = count as f64 / 1e6;
    if m < 0.95 { format!("{m:.2} M") } else { format!("{m:.1} M") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_painted_edges_stay_in_order() {
        let rights: Vec<f32> = COLUMNS.iter().map(|c| c.2).collect();
        assert!(rights.windows(2).all(|w| w[0] > w[1]));
        assert_eq!([millions(11_689_512), millions(94_000)], ["11.7 M", "0.09 M"]);
    }
}
