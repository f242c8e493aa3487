//! Rows of settings: a name with its explanation, a control, and a way back to the default.

use super::basic::slim_icon_button;
use crate::ui::icons::Icon;
use crate::ui::theme::{Palette, space};
use egui::{
    Align, Button, Id, Label, Layout, Response, RichText, TextEdit, TextStyle, TextWrapMode, Ui, WidgetText,
    vec2,
};
use std::path::PathBuf;

/// Height of a row, in points.
const ROW: f32 = 28.0;

/// A setting: its name (hovering explains it), the control to the right, or below where both do not fit beside each other.
/// The control's widget gets the setting's name as its accessible name.
pub fn setting(ui: &mut Ui, name: &str, why: &str, control: impl FnOnce(&mut Ui) -> Response) -> Response {
    let text =
        WidgetText::from(name).into_galley(ui, Some(TextWrapMode::Extend), f32::INFINITY, TextStyle::Body);
    let room = ui.available_width() - text.size().x - ui.spacing().item_spacing.x;
    // How wide a control is shows only once it is drawn: decided by the pass before.
    let id = ui.scope_id().with(("width of the control", name));
    let known = ui.data(|d| d.get_temp::<f32>(id)).unwrap_or(0.0);
    let mut width = 0.0;
    let name_above = (known > room).then(|| ui.add(Label::new(text.clone())));
    let size = vec2(ui.available_width(), ROW);
    let (response, label) = ui
        .allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
            let before = ui.available_width();
            let response = control(ui);
            width = before - ui.available_width();
            let beside = |ui: &mut Ui| ui.add(Label::new(text));
            let label = name_above
                .unwrap_or_else(|| ui.with_layout(Layout::left_to_right(Align::Center), beside).inner);
            (response, label)
        })
        .inner;
    ui.data_mut(|d| d.insert_temp(id, width));
    if (width > room) != (known > room) {
        ui.ctx().request_discard("a setting's control has another width");
    }
    let response = response.labelled_by(label.id);
    if why.is_empty() {
        return response;
    }
    label.on_hover_text(why);
    response.on_hover_text(why)
}

/// A setting that can be set back: where `value` is not `default`, a small arrow does it.
pub fn setting_reset<T: PartialEq + Clone>(
    ui: &mut Ui,
    (name, why): (&str, &str),
    value: &mut T,
    default: &T,
    control: impl FnOnce(&mut Ui, &mut T) -> Response,
) {
    setting(ui, name, why, |ui| {
        let response = control(ui, value);
        // Little room beside it, so that few rows need a second line for it.
        let between = std::mem::replace(&mut ui.spacing_mut().item_spacing.x, space::XS);
        if *value != *default
            && slim_icon_button(ui, Icon::RotateCcw, &format!("Reset {}", name.to_lowercase())).clicked()
        {
            *value = default.clone();
        }
        ui.spacing_mut().item_spacing.x = between;
        response
    });
}

/// A field for typing a path, with a button that opens the native dialog. Keeps its text in the caller's memory.
#[derive(Debug, Default, Clone)]
pub struct PathField {
    /// What is typed.
    pub text: String,
}

const OPEN_WIDTH: f32 = 62.0;
const BROWSE_WIDTH: f32 = 90.0;

fn sized_button(ui: &mut Ui, label: &str, width: f32) -> Response {
    ui.add_sized([width, 28.0], Button::new(label))
}

/// What was done with a [`PathField`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathChoice {
    /// A path was typed and confirmed.
    Typed(PathBuf),
    /// The dialog is wanted.
    Browse,
}

impl PathField {
    /// Draws it with a button that opens the dialog. `name` is its accessible name, `hint` what stands in the empty field.
    pub fn show(&mut self, ui: &mut Ui, name: &str, hint: &str) -> Option<PathChoice> {
        self.draw(ui, name, hint, true)
    }

    /// Draws it without that button, where one stands nearby.
    pub fn show_plain(&mut self, ui: &mut Ui, name: &str, hint: &str) -> Option<PathChoice> {
        self.draw(ui, name, hint, false)
    }

    fn draw(&mut self, ui: &mut Ui, name: &str, hint: &str, browse: bool) -> Option<PathChoice> {
        let mut choice = None;
        // The button's room is there before it can be pressed: typing moves nothing.
        let row = vec2(ui.available_width(), 30.0);
        ui.allocate_ui_with_layout(row, Layout::right_to_left(Align::Center), |ui| {
            if browse && sized_button(ui, "Browse…", BROWSE_WIDTH).clicked() {
                choice = Some(PathChoice::Browse);
            }
            let go = !self.text.trim().is_empty();
            let open = ui.add_enabled_ui(go, |ui| sized_button(ui, "Open", OPEN_WIDTH)).inner;
            let field = self.field(ui, name, hint);
            let entered = field.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
            if entered {
                // The next path, or this one put right.
                field.request_focus();
            }
            if go && (open.clicked() || entered) {
                choice = Some(PathChoice::Typed(PathBuf::from(self.text.trim())));
            }
        });
        choice
    }

    fn field(&mut self, ui: &mut Ui, name: &str, hint: &str) -> Response {
        let muted = Palette::of(ui).muted;
        let field = ui.add(
            TextEdit::singleline(&mut self.text)
                // Its own, so that a message that comes or goes above it takes nothing from it.
                .id(Id::unique(("path field", name)))
                .hint_text(RichText::new(hint).color(muted))
                .desired_width(ui.available_width().max(40.0))
                .margin(egui::vec2(space::S, 6.0)),
        );
        field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, name));
        field
    }
}

/// A fold that is closed to begin with: `title`, and under it the contents.
pub fn fold<R>(ui: &mut Ui, title: &str, contents: impl FnOnce(&mut Ui) -> R) -> Option<R> {
    egui::CollapsingHeader::new(RichText::new(title)).id_salt(title).show(ui, contents).body_returned
}
