//! Toasts: the newest messages for some seconds, in rows above the status bar. The screen makes room for them, so that they
//! cover nothing.

use crate::ui::actions::Action;
use crate::ui::icons::{self, Icon};
use crate::ui::state::{AppState, Notice, Tone, with_setting_names};
use crate::ui::theme::{Palette, space};
use crate::ui::views::train::words::sentence;
use crate::ui::widgets::{icon_beside, icon_button, link_button};
use egui::{Align, Frame, Label, Layout, Margin, Panel, Stroke, TextStyle, TextWrapMode, Ui, WidgetText};

/// How many are on show at most.
const MOST: usize = 3;
/// Height of a row of one line of text.
const ROW: f32 = 28.0;
/// What a row holds besides its text: the icon, the button to dismiss it, gaps.
const BESIDE_TEXT: f32 = 72.0;
/// Room for the button of what can be done about it.
const BUTTON: f32 = 120.0;

/// Takes the place of the messages on show, if there are any.
pub(super) fn place(ui: &mut Ui, state: &AppState) -> Option<Ui> {
    let on_show = on_show(state);
    if on_show.is_empty() {
        return None;
    }
    let p = Palette::of(ui);
    let width = ui.available_width() - 2.0 * space::M;
    let gaps = (on_show.len() - 1) as f32 * ui.spacing().item_spacing.y + 2.0 * space::XS;
    let height = on_show.iter().map(|n| row_height(ui, n, width)).sum::<f32>() + gaps;
    let panel = Panel::bottom("toasts")
        .exact_size(height)
        .show_separator_line(false)
        .frame(Frame::new().fill(p.surface).inner_margin(Margin::symmetric(space::M as i8, space::XS as i8)));
    Some(super::place(ui, panel))
}

/// Draws them there.
pub(super) fn show(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let top = ui.max_rect().expand2(egui::vec2(space::M, space::XS));
    ui.painter().hline(top.x_range(), top.top(), Stroke::new(1.0, Palette::of(ui).stroke));
    for notice in on_show(state) {
        row(ui, notice, actions);
    }
}

fn on_show(state: &AppState) -> Vec<&Notice> {
    if state.notices.open {
        return Vec::new();
    }
    let mut on_show: Vec<&Notice> = state.notices.toasts(state.now_s).collect();
    on_show.split_off(on_show.len().saturating_sub(MOST))
}

fn row_height(ui: &Ui, notice: &Notice, width: f32) -> f32 {
    let text = WidgetText::from(sentence(&with_setting_names(&notice.text)));
    let beside = if notice.next.is_some() { BESIDE_TEXT + BUTTON } else { BESIDE_TEXT };
    let width = width - beside;
    text.into_galley(ui, Some(TextWrapMode::Wrap), width, TextStyle::Body).size().y.max(ROW)
}

/// A message with its icon and a button that takes it away.
pub(super) fn row(ui: &mut Ui, notice: &Notice, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    let (icon, ink) = match notice.tone {
        Tone::Info => (Icon::Info, p.accent),
        Tone::Good => (Icon::CircleCheck, p.good),
        Tone::Warn => (Icon::TriangleAlert, p.warn),
        Tone::Bad => (Icon::CircleAlert, p.bad),
    };
    ui.horizontal(|ui| {
        icon_beside(ui, icon, icons::SIZE, ink);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if icon_button(ui, Icon::X, "Dismiss").clicked() {
                actions.push(Action::Dismiss(notice.id));
            }
            if let Some((word, action)) = &notice.next
                && link_button(ui, *word).clicked()
            {
                actions.extend([action.clone(), Action::Dismiss(notice.id)]);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(Label::new(sentence(&with_setting_names(&notice.text))).wrap().selectable(true));
            });
        });
    });
}
