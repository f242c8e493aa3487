//! The Start screen: open a folder, open a project, try the sample.

use super::ViewContext;
use crate::error::part_of;
use crate::ui::actions::Pick;
use crate::ui::icons::{self, Icon};
use crate::ui::state::{JobKind, file_name};
use crate::ui::theme::{self, Palette, space, type_size};
use crate::ui::views::train::words::sentence;
use crate::ui::widgets::basic::focus_ring;
use crate::ui::widgets::setting::PathChoice;
use crate::ui::widgets::{PathField, caption, icon_beside, lasting_height, paint_icon, progress_bar};
use crate::ui::{Action, AppState};
use egui::{
    Align, Align2, Color32, FontId, Layout, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui,
    WidgetInfo, pos2, vec2,
};
use std::path::Path;

/// What the view remembers between frames.
#[derive(Debug, Default)]
pub struct Memory {
    path: PathField,
}

const CARD: egui::Vec2 = egui::vec2(232.0, 168.0);
const WIDTH: f32 = 3.0 * CARD.x + 2.0 * space::L;

/// Draws the screen.
pub fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let content = 500.0 + 44.0 * state.settings.recent_projects.len() as f32;
        ui.add_space(((lasting_height(ui) - content) * 0.42).max(0.0));
        let margin = ((ui.available_width() - WIDTH) / 2.0).max(0.0);
        ui.horizontal(|ui| {
            ui.add_space(margin);
            ui.vertical(|ui| {
                ui.set_width(WIDTH);
                ui.spacing_mut().item_spacing.y = space::M;
                welcome(ui);
                cards(ui, state, actions);
                progress(ui, state);
                typed_path(ui, state, cx, actions);
                recent(ui, state, actions);
            });
        });
    });
}

fn welcome(ui: &mut Ui) {
    let p = Palette::of(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(WIDTH, 128.0), Sense::hover());
    let x = rect.center().x;
    paint_icon(ui, pos2(x, rect.top() + 28.0), Icon::Sprout, 44.0, p.accent);
    let text = |y: f32, text: &str, size: f32, ink: Color32| {
        ui.painter().text(
            pos2(x, rect.top() + y),
            Align2::CENTER_CENTER,
            text,
            FontId::proportional(size),
            ink,
        )
    };
    text(76.0, "Teach your computer to tell your pictures apart", type_size::TITLE, p.text);
    let below = "Point at a folder, watch it learn, see what it gets wrong, take the model away. Everything stays on this machine.";
    text(104.0, below, type_size::BODY, p.muted);
}

fn cards(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let busy = !state.jobs.is_empty();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::L;
        let open = ("Open a folder…", "One folder for each class, with its pictures inside");
        if card(ui, Icon::FolderOpen, open, busy) {
            actions.push(Action::Pick(Pick::DataFolder));
        }
        let project = ("Open a project…", "Go on where you stopped: settings, runs and results");
        if card(ui, Icon::History, project, busy) {
            actions.push(Action::Pick(Pick::Project));
        }
        let sample = ("Try the sample", "Drawn leaves, ready to train in under two minutes");
        if card(ui, Icon::Leaf, sample, busy) {
            actions.push(Action::TrySample);
        }
    });
}

fn card(ui: &mut Ui, icon: Icon, (title, body): (&str, &str), disabled: bool) -> bool {
    let p = Palette::of(ui);
    let sense = if disabled { Sense::hover() } else { Sense::click() };
    let (rect, response) = ui.allocate_exact_size(CARD, sense);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, !disabled, title));
    let lit = response.hovered() && !disabled || response.has_focus();
    let shadow = egui::Shadow { offset: [0, 2], blur: 10, spread: 0, color: p.shadow };
    ui.painter().add(shadow.as_shape(rect, theme::RADIUS_CARD));
    ui.painter().rect_filled(rect, theme::RADIUS_CARD, if lit { p.accent_faint } else { p.surface });
    let edge = Stroke::new(1.0, if lit { p.accent } else { p.stroke });
    ui.painter().rect_stroke(rect, theme::RADIUS_CARD, edge, StrokeKind::Inside);
    let inner = rect.shrink(20.0);
    let ink = if disabled { p.muted } else { p.accent };
    ui.painter().text(inner.left_top(), Align2::LEFT_TOP, icon.unicode(), icons::font(28.0), ink);
    let title_at = inner.left_top() + vec2(0.0, 52.0);
    let title_ink = if disabled { p.muted } else { p.text };
    ui.painter().text(title_at, Align2::LEFT_TOP, title, FontId::proportional(type_size::SECTION), title_ink);
    let font = FontId::proportional(type_size::BODY);
    let galley = ui.painter().layout(body.to_owned(), font, p.muted, inner.width());
    ui.painter().galley(title_at + vec2(0.0, 28.0), galley, p.muted);
    focus_ring(ui, &response);
    response.clicked()
}

fn progress(ui: &mut Ui, state: &AppState) {
    let Some(job) = state.jobs.iter().find(|j| matches!(j.kind, JobKind::OpenData | JobKind::WriteSample))
    else {
        return;
    };
    let (done, total) = job.progress.unwrap_or((0, 0));
    let frac = if total == 0 { 0.0 } else { done as f32 / total as f32 };
    progress_bar(ui, frac, vec2(WIDTH, 6.0));
    let numbers = if total == 0 { String::new() } else { format!(" · {}", part_of(done, total)) };
    caption(ui, format!("{}{numbers}", job.kind.words()));
}

fn typed_path(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    ui.add_space(space::S);
    match cx.start.path.show_plain(
        ui,
        "Path of a folder or project",
        "Or type a path here, or drop a folder anywhere on this window",
    ) {
        Some(PathChoice::Typed(path)) => actions.push(Action::OpenPaths(vec![path])),
        Some(PathChoice::Browse) => actions.push(Action::Pick(Pick::DataFolder)),
        None => {}
    }
    let data_error = || state.data_error.as_ref().map(ToString::to_string);
    if let Some(why) = state.path_error.clone().or_else(data_error) {
        ui.horizontal_top(|ui| {
            let p = Palette::of(ui);
            icon_beside(ui, Icon::CircleAlert, icons::SIZE, p.bad);
            ui.add(egui::Label::new(sentence(&why)).wrap().selectable(true));
        });
    }
}

fn recent(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    if state.settings.recent_projects.is_empty() {
        return;
    }
    ui.add_space(space::S);
    caption(ui, "Recent projects");
    ui.spacing_mut().item_spacing.y = space::XS;
    for dir in &state.settings.recent_projects {
        if recent_row(ui, dir) {
            actions.push(Action::OpenProject(dir.clone()));
        }
    }
}

fn recent_row(ui: &mut Ui, dir: &Path) -> bool {
    let p = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(WIDTH, 36.0), Sense::click());
    let name = file_name(dir);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Open the project {name}")));
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, theme::RADIUS, p.raised);
    }
    let row = Rect::from_min_max(rect.min + vec2(space::M, 0.0), rect.max - vec2(space::M, 0.0));
    paint_icon(ui, pos2(row.left() + 8.0, row.center().y), Icon::Folder, icons::SIZE, p.muted);
    let mut inside = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(row.with_min_x(row.left() + 28.0))
            .layout(Layout::left_to_right(Align::Center)),
    );
    inside.add(egui::Label::new(name).selectable(false));
    let place = dir.parent().map(|d| d.display().to_string()).unwrap_or_default();
    inside.add(
        egui::Label::new(egui::RichText::new(place).small().color(p.muted)).truncate().selectable(false),
    );
    focus_ring(ui, &response);
    response.clicked()
}
