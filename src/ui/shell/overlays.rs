//! What lies over the screen: toasts, the list of notices, the question before closing, the place to drop things.

use crate::ui::actions::Action;
use crate::ui::icons::{self, Icon};
use crate::ui::state::{AppState, Notice, Tone};
use crate::ui::theme::{self, Palette, RADIUS_CARD, space};
use crate::ui::widgets::{icon_button, link_button, primary_button, secondary_button};
use egui::{
    Align, Align2, Area, Color32, Frame, Id, Layout, Margin, Modal, Order, RichText, ScrollArea, Stroke,
    StrokeKind, Ui, vec2,
};

/// How many toasts are on show at most.
const TOASTS: usize = 3;
const WIDTH: f32 = 380.0;

pub(super) fn show(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    if state.notices.open {
        panel(ui, state, actions);
    } else {
        toasts(ui, state, actions);
    }
    if state.close_asked && state.training_job().is_some() {
        close_question(ui, actions);
    }
}

fn floating(ui: &Ui, id: &str, contents: impl FnOnce(&mut Ui)) {
    Area::new(Id::unique(id))
        .order(Order::Foreground)
        .anchor(Align2::RIGHT_BOTTOM, vec2(-space::L, -theme::frame::STATUS - space::M))
        .show(ui.ctx(), |ui| {
            ui.set_width(WIDTH);
            contents(ui);
        });
}

fn toasts(ui: &Ui, state: &AppState, actions: &mut Vec<Action>) {
    let on_show: Vec<&Notice> = state.notices.toasts(state.now_s).collect();
    if on_show.is_empty() {
        return;
    }
    floating(ui, "toasts", |ui| {
        for notice in on_show.iter().rev().take(TOASTS).rev() {
            notice_card(ui, notice, actions);
        }
    });
}

fn notice_card(ui: &mut Ui, notice: &Notice, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    Frame::new()
        .fill(p.surface)
        .stroke(Stroke::new(1.0, p.stroke))
        .corner_radius(RADIUS_CARD)
        .shadow(ui.visuals().popup_shadow)
        .inner_margin(Margin::same(space::M as i8))
        .show(ui, |ui| notice_row(ui, notice, actions));
}

fn notice_row(ui: &mut Ui, notice: &Notice, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    let (icon, ink) = match notice.tone {
        Tone::Info => (Icon::Info, p.accent),
        Tone::Good => (Icon::CircleCheck, p.good),
        Tone::Warn => (Icon::TriangleAlert, p.warn),
        Tone::Bad => (Icon::CircleAlert, p.bad),
    };
    ui.horizontal_top(|ui| {
        ui.label(icons::coloured(icon, icons::SIZE, ink));
        ui.with_layout(Layout::right_to_left(Align::TOP), |ui| {
            if icon_button(ui, Icon::X, "Dismiss").clicked() {
                actions.push(Action::Dismiss(notice.id));
            }
            ui.with_layout(Layout::top_down(Align::LEFT), |ui| {
                ui.add(egui::Label::new(&notice.text).wrap().selectable(true));
            });
        });
    });
}

fn panel(ui: &Ui, state: &AppState, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    floating(ui, "notices", |ui| {
        Frame::new()
            .fill(p.surface)
            .stroke(Stroke::new(1.0, p.stroke))
            .corner_radius(RADIUS_CARD)
            .shadow(ui.visuals().popup_shadow)
            .inner_margin(Margin::same(space::M as i8))
            .show(ui, |ui| {
                ui.horizontal(|ui| {
                    ui.label(RichText::new("Notices").text_style(theme::section_style()));
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                        if icon_button(ui, Icon::X, "Close notices").clicked() {
                            actions.push(Action::ToggleNotices);
                        }
                        if link_button(ui, "Dismiss all").clicked() {
                            actions.push(Action::DismissAll);
                        }
                    });
                });
                ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
                    for notice in state.notices.all().iter().rev() {
                        notice_row(ui, notice, actions);
                    }
                });
            });
    });
}

fn close_question(ui: &Ui, actions: &mut Vec<Action>) {
    let modal = Modal::new(Id::unique("close")).show(ui.ctx(), |ui| {
        ui.set_width(WIDTH);
        ui.label(RichText::new("Training is running").text_style(theme::section_style()));
        ui.label("It stops when the window closes. The last checkpoint is kept, and you can continue from it next time.");
        ui.add_space(space::S);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if primary_button(ui, "Keep training").clicked() {
                actions.push(Action::KeepOpen);
            }
            if secondary_button(ui, "Close").clicked() {
                actions.push(Action::CloseAnyway);
            }
        });
    });
    if modal.should_close() {
        actions.push(Action::KeepOpen);
    }
}

/// The place to drop things, while something is dragged across the window.
pub fn drop_overlay(ui: &Ui, hint: &str) {
    let p = Palette::of(ui);
    let screen = ui.ctx().content_rect();
    let painter = ui.ctx().layer_painter(egui::LayerId::new(Order::Foreground, Id::unique("drop")));
    let [r, g, b, _] = p.background.to_array();
    painter.rect_filled(screen, 0.0, Color32::from_rgba_unmultiplied(r, g, b, 225));
    let frame = screen.shrink(space::XL);
    painter.rect_stroke(frame, f32::from(RADIUS_CARD), Stroke::new(2.0, p.accent), StrokeKind::Inside);
    let above = frame.center() - vec2(0.0, 28.0);
    painter.text(above, Align2::CENTER_CENTER, Icon::Download.unicode(), icons::font(36.0), p.accent);
    let below = frame.center() + vec2(0.0, 20.0);
    let font = egui::FontId::proportional(theme::type_size::TITLE);
    painter.text(below, Align2::CENTER_CENTER, hint, font, p.text);
}
