//! The left rail: six places, each an icon over a word, with a dot where its step is done and a number where it has findings.

use crate::ui::Action;
use crate::ui::icons::{self, Icon};
use crate::ui::shell::mark;
use crate::ui::state::{AppState, Screen};
use crate::ui::theme::{self, Palette, space, type_size};
use crate::ui::widgets::{basic::focus_ring_at, paint_icon};
use egui::scroll_area::ScrollBarVisibility;
use egui::{Align2, FontId, Rect, Role, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2};

const HEIGHT: f32 = 60.0;

pub(super) fn show(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    // Everything enlarged, six places may be higher than the window.
    let area = ScrollArea::vertical().scroll_bar_visibility(ScrollBarVisibility::AlwaysHidden);
    area.auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = space::XS;
        home(ui, actions);
        ui.add_space(space::S);
        for (n, screen) in Screen::RAIL.into_iter().enumerate() {
            place(ui, state, screen, n + 1, actions);
        }
    });
}

fn home(ui: &mut Ui, actions: &mut Vec<Action>) {
    let size = vec2(ui.available_width(), theme::frame::HEADER);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Start screen"));
    mark(ui, rect.center(), 24.0);
    focus_ring_at(ui, &response, rect.shrink(space::XS));
    if response.on_hover_text("Start screen").clicked() {
        actions.push(Action::Go(Screen::Start));
    }
}

fn place(ui: &mut Ui, state: &AppState, screen: Screen, number: usize, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    let (outer, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::click());
    let findings = state.findings(screen);
    let done = state.done(screen);
    let selected = state.screen == screen;
    response.widget_info(|| WidgetInfo::selected(Role::Tab, true, selected, screen.name()));
    let rect = outer.shrink2(vec2(space::S, 1.0));
    let lit = selected || response.hovered() || response.has_focus();
    if selected {
        ui.painter().rect_filled(rect, theme::RADIUS, p.accent_faint);
    } else if lit {
        ui.painter().rect_filled(rect, theme::RADIUS, p.raised);
    }
    let ink = if selected {
        p.accent
    } else if lit {
        p.text
    } else {
        p.muted
    };
    paint_icon(ui, pos2(rect.center().x, rect.top() + 21.0), icon(screen), icons::SIZE_RAIL, ink);
    let word = if lit { p.text } else { p.muted };
    let font = FontId::proportional(type_size::CAPTION);
    ui.painter().text(
        pos2(rect.center().x, rect.bottom() - 14.0),
        Align2::CENTER_CENTER,
        screen.name(),
        font,
        word,
    );
    marks(ui, rect, findings, done);
    focus_ring_at(ui, &response, rect);
    if response.on_hover_text(hint(screen, findings, number)).clicked() {
        actions.push(Action::Go(screen));
    }
}

fn marks(ui: &Ui, rect: Rect, findings: usize, done: bool) {
    let p = Palette::of(ui);
    let at = pos2(rect.right() - 12.0, rect.top() + 12.0);
    if findings > 0 {
        ui.painter().circle_filled(at, 8.0, p.warn);
        let text = if findings > 9 { "9+".to_owned() } else { findings.to_string() };
        ui.painter().text(
            at,
            Align2::CENTER_CENTER,
            text,
            FontId::proportional(10.0),
            Palette::text_on(p.warn),
        );
    } else if done {
        ui.painter().circle_filled(at, 3.0, p.good);
    }
}

fn hint(screen: Screen, findings: usize, number: usize) -> String {
    let what = match screen {
        Screen::Start => "Start",
        Screen::Data => "The pictures: classes, splits, problems",
        Screen::Model => "The network and its pretrained weights",
        Screen::Train => "Settings of training, and its progress",
        Screen::Evaluate => "What the model gets right and wrong",
        Screen::Predict => "Classify new pictures",
        Screen::Export => "Save the model for other programs",
    };
    match findings {
        0 => format!("{what} · Ctrl+{number}"),
        1 => format!("{what} · 1 thing to look at · Ctrl+{number}"),
        n => format!("{what} · {n} things to look at · Ctrl+{number}"),
    }
}

fn icon(screen: Screen) -> Icon {
    match screen {
        Screen::Start => Icon::Sprout,
        Screen::Data => Icon::Images,
        Screen::Model => Icon::Layers,
        Screen::Train => Icon::ChartLine,
        Screen::Evaluate => Icon::Grid3x3,
        Screen::Predict => Icon::ScanSearch,
        Screen::Export => Icon::Package,
    }
}
