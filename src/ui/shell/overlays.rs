//! What lies over the screen: the list of notices, the question before closing, the place to drop things.

use super::{clock, toasts};
use crate::error::part_of;
use crate::ui::actions::Action;
use crate::ui::icons::{self, Icon};
use crate::ui::state::{AppState, JobKind, RunningJob};
use crate::ui::theme::{self, Palette, RADIUS_CARD, space};
use crate::ui::widgets::{icon_button, link_button, primary_button, secondary_button};
use egui::{
    Align, Align2, Area, Color32, Frame, Id, Key, Layout, Margin, Modal, Order, RichText, ScrollArea, Stroke,
    StrokeKind, Ui, vec2,
};

const WIDTH: f32 = 380.0;
/// Greatest height of the list of notices, in points.
const LIST: f32 = 420.0;
const KEEP_TRAINING: &str = "Keep training";

pub(super) fn show(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    if state.notices.open {
        panel(ui, state, actions);
        if ui.input(|i| i.key_pressed(Key::Escape)) {
            actions.push(Action::ToggleNotices);
        }
    }
    if let Some(job) = state.lost_by_closing().filter(|_| state.close_asked) {
        close_question(ui, state, job, actions);
    } else if state.cancel_asked && state.training_job().is_some_and(|job| !job.stopping) {
        cancel_question(ui, state, actions);
    }
}

fn panel(ui: &Ui, state: &AppState, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    let area = Area::new(Id::unique("notices"))
        .order(Order::Foreground)
        .anchor(Align2::RIGHT_BOTTOM, vec2(-space::L, -theme::frame::STATUS - space::M));
    area.show(ui.ctx(), |ui| {
        ui.set_width(WIDTH);
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
                ScrollArea::vertical().max_height(LIST).min_scrolled_height(LIST).show(ui, |ui| {
                    for notice in state.notices.all().iter().rev() {
                        toasts::row(ui, notice, actions);
                    }
                });
            });
    });
}

/// What is left of a training that ends now.
fn what_stays(state: &AppState) -> &'static str {
    if state.has_finished_epoch() {
        "The last checkpoint is kept, and you can continue from it later"
    } else {
        "No epoch is finished yet, so nothing of it is kept"
    }
}

fn close_question(ui: &Ui, state: &AppState, job: &RunningJob, actions: &mut Vec<Action>) {
    let answers = (Action::KeepOpen, Action::CloseAnyway);
    if job.is_training() {
        let text = format!("It stops when the window closes. {}.", what_stays(state));
        return question(ui, ("Training is running", &text, [KEEP_TRAINING, "Close"]), answers, actions);
    }
    let far = match (job.progress, job.seconds_left(state.now_s)) {
        (Some((done, total)), Some(left)) => {
            format!(" It is at {}, with about {} left.", part_of(done, total), clock(left))
        }
        _ => String::new(),
    };
    let stays = match job.kind {
        JobKind::Copy => "pictures that are copied already stay",
        _ => "nothing of it is kept",
    };
    let title = format!("{} is not finished", job.kind.words());
    let text = format!("It stops when the window closes, and {stays}.{far}");
    question(ui, (&title, &text, ["Keep the window open", "Close"]), answers, actions);
}

fn cancel_question(ui: &Ui, state: &AppState, actions: &mut Vec<Action>) {
    let mut text = format!("It ends without a model. {}.", what_stays(state));
    if state.has_finished_epoch() {
        text.push_str(" To have a model now, choose \u{201c}Stop and keep the best\u{201d} instead.");
    }
    let words = ("Cancel training?", text.as_str(), [KEEP_TRAINING, "Cancel training"]);
    question(ui, words, (Action::KeepTraining, Action::CancelTraining), actions);
}

/// Asks whether work is to end: the title, what happens then, and the buttons that let it go on and end it.
fn question(
    ui: &Ui,
    (title, text, [go_on, end]): (&str, &str, [&str; 2]),
    (keep_on, give_up): (Action, Action),
    actions: &mut Vec<Action>,
) {
    let modal = Modal::new(Id::unique(title)).show(ui.ctx(), |ui| {
        ui.set_width(WIDTH);
        ui.label(RichText::new(title).text_style(theme::section_style()));
        ui.label(text);
        ui.add_space(space::S);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let keep = primary_button(ui, go_on);
            if ui.memory(|m| m.focused().is_none()) {
                keep.request_focus();
            }
            if keep.clicked() {
                actions.push(keep_on.clone());
            }
            if secondary_button(ui, end).clicked() {
                actions.push(give_up);
            }
        });
    });
    if modal.should_close() {
        actions.push(keep_on);
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
