//! The backbones as rows; the chosen one opens to show its weights and stages.

use super::super::ViewContext;
use super::columns::{self, Column, Sort, is_here, millions, shown, stacked};
use super::{stages, weights};
use crate::backbones::BackboneSpec;
use crate::ui::icons::Icon;
use crate::ui::state::{WeightsState, megabytes};
use crate::ui::theme::{self, Palette, space, type_size};
use crate::ui::widgets::basic::focus_ring;
use crate::ui::{Action, AppState};
use egui::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{
    Align2, Button, Color32, FontId, Frame, Label, Margin, Pos2, Rect, RichText, Role, Sense, Stroke,
    TextStyle, Ui, UiBuilder, Vec2, WidgetInfo, pos2, vec2,
};

/// Height of a row with the columns beside the names, and of one with the columns under them.
const ROW: [f32; 2] = [66.0, 76.0];
/// Distance of the columns under the names from the row's lower edge, to their middle.
const UNDER: f32 = 20.0;
/// Lines of a description beside the columns, and above them; what does not fit shows on hovering.
const LINES: [usize; 2] = [2, 1];
/// Room for the scroll bar beside the rows.
const GUTTER: f32 = 10.0;
/// Distance of the last column from the row's right edge.
const EDGE: f32 = 16.0;

/// Size of the button that cancels a row's download; how far that is stands before it.
const CANCEL: Vec2 = vec2(60.0, 26.0);

/// The shown columns with their right edges.
fn placed(row: Rect) -> impl Iterator<Item = (&'static columns::Shape, f32)> {
    let mut right = row.right() - EDGE;
    shown(row.width()).rev().map(move |shape| {
        let at = right;
        right -= shape.width(row.width());
        (shape, at)
    })
}

/// The columns' heads: a press sorts.
pub(super) fn heads(ui: &mut Ui, sort: &mut Option<Sort>) {
    let p = Palette::of(ui);
    let (line, _) = ui.allocate_exact_size(vec2(ui.available_width() - GUTTER - 7.0, 20.0), Sense::hover());
    let font = FontId::proportional(type_size::CAPTION);
    // By Tab they come from left to right.
    for (shape, right) in placed(line).collect::<Vec<_>>().into_iter().rev() {
        let sorted = sort.filter(|s| s.column == shape.column);
        let arrow = |s: Sort| if s.descending { Icon::ArrowDown } else { Icon::ArrowUp };
        let name = sorted.map_or(shape.name.to_owned(), |s| format!("{} {}", arrow(s).unicode(), shape.name));
        let ink = if sorted.is_some() { p.text } else { p.muted };
        let text = ui.painter().layout_no_wrap(name, font.clone(), ink);
        let rect = Align2::RIGHT_CENTER.anchor_size(pos2(right, line.center().y), text.size());
        let head = ui.interact(rect.expand(3.0), ui.scope_id().with(("sort", shape.name)), Sense::click());
        head.widget_info(|| {
            WidgetInfo::labeled(Role::Button, true, format!("Sort by {}", shape.name.to_lowercase()))
        });
        ui.painter().galley(rect.min, text, ink);
        focus_ring(ui, &head);
        if head.on_hover_text(format!("{}. Press to sort", shape.why)).clicked() {
            *sort = Sort::pressed(*sort, shape.column);
        }
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
    for spec in columns::sorted(state, cx.model.sort) {
        let chosen = state.config.backbone.name == spec.name;
        let p = Palette::of(ui);
        let edge = if chosen { p.accent } else { p.stroke };
        let frame = Frame::new()
            .fill(p.surface)
            .stroke(Stroke::new(1.0, edge))
            .corner_radius(theme::RADIUS_CARD)
            .shadow(egui::Shadow { offset: [0, 1], blur: 4, spread: 0, color: p.shadow })
            .show(ui, |ui| {
                row(ui, state, spec, chosen, actions);
                if chosen {
                    let margin = Margin { left: 44, right: 16, top: space::S as i8, bottom: 14 };
                    Frame::new().inner_margin(margin).show(ui, |ui| {
                        ui.spacing_mut().item_spacing.y = space::S;
                        stages::bar(ui, spec, &state.config, actions);
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

fn row(ui: &mut Ui, state: &AppState, spec: &'static BackboneSpec, chosen: bool, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    let width = ui.available_width();
    let stacked = stacked(width);
    let height = ROW[usize::from(stacked)];
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, chosen, spec.title));
    if (response.hovered() || response.has_focus()) && !chosen {
        ui.painter().rect_filled(rect, theme::RADIUS_CARD, p.raised);
    }
    radio(ui, pos2(rect.left() + 24.0, rect.center().y), chosen);
    let mut names_end = rect.right();
    let middle = if stacked { rect.bottom() - UNDER } else { rect.center().y };
    for (shape, right) in placed(rect) {
        let at = pos2(right, middle);
        if !stacked {
            names_end = right - shape.width(width);
        }
        match shape.column.text(state, spec) {
            Some(text) => {
                let ink = if text == "–" { p.muted } else { p.text };
                ui.painter().text(at, Align2::RIGHT_CENTER, text, FontId::proportional(type_size::BODY), ink);
            }
            None => weights_cell(ui, state, spec, chosen, at, actions),
        }
    }
    let cut = names(ui, rect, names_end, spec, LINES[usize::from(stacked)]);
    focus_ring(ui, &response);
    // What is hovered would lie under what it says: only where the row does not say it.
    let response = if cut || shown(rect.width()).count() < columns::COUNT {
        response.on_hover_text(hover(state, spec))
    } else {
        response
    };
    if response.clicked() && !chosen {
        actions.push(Action::ChooseBackbone(spec.name));
    }
}

/// Whether weights are here, and otherwise the way to them.
fn weights_cell(
    ui: &mut Ui,
    state: &AppState,
    spec: &'static BackboneSpec,
    chosen: bool,
    at: Pos2,
    actions: &mut Vec<Action>,
) {
    let p = Palette::of(ui);
    let say = |text: &str, ink: Color32| {
        ui.painter().text(at, Align2::RIGHT_CENTER, text, FontId::proportional(type_size::BODY), ink);
    };
    let download = state.downloads.get(spec.name).filter(|d| d.runs());
    if chosen && matches!(state.weights, WeightsState::Ready(_)) {
        say("loaded", p.good);
    } else if spec.sources.is_empty() {
        say("not needed", p.muted);
    } else if is_here(state, spec) {
        say("here", p.good);
    } else if let Some(download) = download {
        let share = format!("{:.0} %", (download.frac().unwrap_or(0.0) * 100.0).floor());
        if chosen {
            // How far it is and a way to end it stand below the row.
            return say(&format!("downloading {share}"), p.accent);
        }
        if download.stopping {
            return say("stopping", p.muted);
        }
        let rect = Align2::RIGHT_CENTER.anchor_size(at, CANCEL);
        let name = format!("Cancel the download of {}", spec.title);
        let button = ui.put(rect, Button::new(RichText::new("Cancel").small()));
        button.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
        let why = format!("{}. What has arrived is kept", download.megabytes());
        if button.on_hover_text(why).clicked() {
            actions.push(Action::CancelDownload(spec.name));
        }
        let left = pos2(rect.left() - space::S, at.y);
        ui.painter().text(left, Align2::RIGHT_CENTER, share, FontId::proportional(type_size::BODY), p.accent);
    } else if spec.hub_file().is_none() {
        say("choose a file", p.muted);
    } else {
        let size = megabytes(columns::file_bytes(spec));
        let rect = Align2::RIGHT_CENTER.anchor_size(at, vec2(82.0, 26.0));
        let button = ui.put(rect, Button::new(RichText::new("Download").small()));
        let name = format!("Download {}, {size}", spec.title);
        button.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
        let why = spec.sources.first().map_or("", |s| s.place);
        if button.on_hover_text(format!("{size} from {why}")).clicked() {
            actions.push(Action::DownloadWeights(spec.name));
        }
    }
}

fn radio(ui: &Ui, at: Pos2, chosen: bool) {
    let p = Palette::of(ui);
    ui.painter().circle_stroke(at, 7.0, Stroke::new(1.5, if chosen { p.accent } else { p.muted }));
    if chosen {
        ui.painter().circle_filled(at, 3.5, p.accent);
    }
}

/// Draws name and description; whether the description is cut.
fn names(ui: &mut Ui, rect: Rect, end: f32, spec: &BackboneSpec, lines: usize) -> bool {
    let muted = Palette::of(ui).muted;
    let area = Rect::from_min_max(rect.min + vec2(44.0, 8.0), pos2(end - space::S, rect.bottom()));
    let mut ui = ui.new_child(UiBuilder::new().max_rect(area));
    ui.spacing_mut().item_spacing.y = 1.0;
    ui.add(Label::new(RichText::new(spec.title).strong()).truncate().selectable(false));
    let format = TextFormat::simple(TextStyle::Small.resolve(ui.style()), muted);
    let mut advice = LayoutJob::single_section(spec.advice.to_owned(), format);
    advice.wrap = TextWrapping { max_width: area.width(), max_rows: lines, ..TextWrapping::default() };
    let advice = ui.painter().layout_job(advice);
    let cut = advice.elided;
    ui.add(Label::new(advice).selectable(false));
    cut
}

fn hover(state: &AppState, spec: &BackboneSpec) -> String {
    let advice = spec.advice.trim_end_matches('.');
    let Some(s) = spec.sources.first() else { return format!("{advice}. It starts from random weights.") };
    let speed = Column::Speed.text(state, spec).filter(|t| t != "–");
    let speed = speed.map_or(String::new(), |t| format!(" {t} measured here."));
    format!(
        "{advice}. {} parameters, pictures of {} px, ImageNet top-1 {:.3} as published.{speed} Weights: {} ({}).",
        millions(spec.param_count),
        spec.preprocess.crop_px,
        s.top1_frac,
        s.place,
        s.licence
    )
}
