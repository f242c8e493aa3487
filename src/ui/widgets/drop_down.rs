//! Lists that drop down from what is chosen: a choice closes them, made by mouse or by keyboard.

use egui::{Button, ComboBox, Response, Ui, WidgetText};

/// The lines of an open list.
pub struct Lines<'u> {
    ui: &'u mut Ui,
    by_keyboard: bool,
}

impl std::fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("by_keyboard", &self.by_keyboard).finish_non_exhaustive()
    }
}

impl Lines<'_> {
    /// A line; tells whether it was chosen in this frame.
    pub fn line(&mut self, chosen: bool, word: impl Into<WidgetText>) -> bool {
        self.explained(chosen, word, "")
    }

    /// The same with an explanation on hovering, unless it is empty.
    pub fn explained(&mut self, chosen: bool, word: impl Into<WidgetText>, why: &str) -> bool {
        let row = self.ui.selectable_label(chosen, word.into());
        let clicked = row.clicked();
        if clicked {
            // A press of the mouse closes the list by itself, one of the keyboard does not.
            self.by_keyboard = self.ui.input(|i| !i.pointer.any_click());
            self.ui.close();
        }
        if !why.is_empty() {
            row.on_hover_text(why);
        }
        clicked
    }

    /// A line that sets `value` to `option`.
    pub fn value<T: PartialEq>(&mut self, value: &mut T, option: T, word: impl Into<WidgetText>) {
        if self.line(*value == option, word) {
            *value = option;
        }
    }

    /// A line that cannot be chosen; `words` say why in short, `why` all of it on hovering.
    pub fn blocked(&mut self, words: impl Into<WidgetText>, why: &str) {
        self.ui.add_enabled(false, Button::selectable(false, words.into())).on_disabled_hover_text(why);
    }
}

/// Draws `combo` with the lines that `contents` adds. After a choice by keyboard the focus is on what dropped down, as before it.
pub fn drop_down(ui: &mut Ui, combo: ComboBox<'_>, contents: impl FnOnce(&mut Lines<'_>)) -> Response {
    let shown = combo.show_ui(ui, |ui| {
        // A click whose press and release come in one frame raises what the list belongs to as well, a dialog for example, and
        // of two that are raised at once the one that was in front before stays there.
        ui.ctx().move_to_top(ui.layer_id());
        let mut lines = Lines { ui, by_keyboard: false };
        contents(&mut lines);
        lines.by_keyboard
    });
    if shown.inner == Some(true) {
        shown.response.request_focus();
    }
    shown.response
}

/// A list of named choices, each with its explanation.
pub fn choice<T: PartialEq + Copy>(
    ui: &mut Ui,
    salt: &str,
    value: &mut T,
    options: &[(T, &str, &str)],
) -> Response {
    let shown = options.iter().find(|(v, ..)| v == value).map_or("", |(_, word, _)| word);
    drop_down(ui, ComboBox::from_id_salt(salt).selected_text(shown), |lines| {
        for (option, word, why) in options {
            if lines.explained(value == option, *word, why) {
                *value = *option;
            }
        }
    })
}
