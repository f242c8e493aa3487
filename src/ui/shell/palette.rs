//! The list of all commands: type some letters of one, press Enter.

use crate::ui::Action;
use crate::ui::commands::{Command, matching};
use crate::ui::state::AppState;
use crate::ui::theme::{Palette, RADIUS, space, type_size};
use crate::ui::widgets::caption;
use egui::{
    Align, Align2, Context, Event, Id, Key, Label, Layout, Modal, Modifiers, RichText, Role, ScrollArea,
    Sense, TextEdit, Ui, UiBuilder, WidgetInfo, vec2,
};

const WIDTH: f32 = 560.0;
const ROW: f32 = 36.0;
const ROWS: f32 = 10.0;
const TOP: f32 = 96.0;

/// What the list remembers while it is open.
#[derive(Debug, Default)]
pub struct Memory {
    query: String,
    cursor: usize,
}

pub(super) fn show(ui: &Ui, state: &AppState, memory: &mut Memory, actions: &mut Vec<Action>) {
    if !state.palette_open {
        *memory = Memory::default();
        return;
    }
    let commands = state.commands();
    let mut chosen = None;
    let id = Id::unique("commands");
    // Where the list begins stays while it gets shorter.
    let area = Modal::default_area(id).anchor(Align2::CENTER_TOP, vec2(0.0, TOP));
    let modal = Modal::new(id).area(area).show(ui.ctx(), |ui| {
        ui.set_width(WIDTH);
        // Before the text field, which would take the arrow keys.
        let step = ui.input_mut(|i| {
            let down = i.count_and_consume_key(Modifiers::NONE, Key::ArrowDown);
            let up = i.count_and_consume_key(Modifiers::NONE, Key::ArrowUp);
            down as isize - up as isize
        });
        let enter = ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Enter));
        query(ui, memory);
        let found = matching(&commands, &memory.query);
        let last = found.len().saturating_sub(1);
        memory.cursor = memory.cursor.min(last).saturating_add_signed(step).min(last);
        ui.add_space(space::S);
        if found.is_empty() {
            caption(ui, "No command has these words");
        }
        // As high as there are rows, also where the frame before had few: a modal offers no more than it was high.
        let list = ScrollArea::vertical().max_height(ROW * ROWS).min_scrolled_height(ROW * ROWS);
        list.auto_shrink([false, true]).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for (i, command) in found.iter().enumerate() {
                let at_cursor = i == memory.cursor;
                let pressed = row(ui, command, at_cursor, step != 0);
                if command.blocked.is_none() && (pressed || enter && at_cursor) {
                    chosen = Some(command.actions());
                }
            }
        });
    });
    if let Some(chosen) = chosen {
        actions.push(Action::TogglePalette);
        actions.extend(chosen);
    } else if modal.should_close() {
        actions.push(Action::TogglePalette);
    }
}

/// Takes keys that write away from everything else in the frame that opens the list: what they write is for its words.
pub(in crate::ui) fn keep_keys(ctx: &Context) {
    const ITS_OWN: [Key; 4] = [Key::ArrowDown, Key::ArrowUp, Key::Enter, Key::Escape];
    ctx.input_mut(|i| {
        i.events.retain(|event| match event {
            Event::Key { key, pressed: true, modifiers, .. } => !modifiers.is_none() || ITS_OWN.contains(key),
            _ => true,
        });
    });
}

fn query(ui: &mut Ui, memory: &mut Memory) {
    let muted = Palette::of(ui).muted;
    let id = Id::unique("words of a command");
    // Where keys come faster than frames, words are typed before the field has the keyboard.
    if !ui.memory(|m| m.has_focus(id)) {
        ui.input_mut(|i| {
            i.events.retain(|event| match event {
                Event::Text(text) => {
                    memory.query.push_str(text);
                    false
                }
                _ => true,
            });
        });
    }
    let field = ui.add(
        TextEdit::singleline(&mut memory.query)
            .id(id)
            .hint_text(RichText::new("What do you want to do?").color(muted))
            .desired_width(f32::INFINITY)
            .margin(vec2(space::M, space::S)),
    );
    field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Find a command"));
    if field.changed() {
        memory.cursor = 0;
    }
    field.request_focus();
}

fn row(ui: &mut Ui, command: &Command, at_cursor: bool, moved: bool) -> bool {
    let p = Palette::of(ui);
    let enabled = command.blocked.is_none();
    let sense = if enabled { Sense::click() } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), sense);
    let keys = command.keys.map(|keys| ui.ctx().format_shortcut(&keys));
    response.widget_info(|| WidgetInfo::selected(Role::Button, enabled, at_cursor, &command.name));
    if at_cursor {
        ui.painter().rect_filled(rect, RADIUS, p.accent_faint);
        if moved {
            response.scroll_to_me(None);
        }
    } else if response.hovered() && enabled {
        ui.painter().rect_filled(rect, RADIUS, p.raised);
    }
    let inside = UiBuilder::new()
        .max_rect(rect.shrink2(vec2(space::M, 0.0)))
        .layout(Layout::right_to_left(Align::Center));
    let mut ui = ui.new_child(inside);
    let beside = command.blocked.clone().or(keys);
    if let Some(text) = beside {
        ui.add(Label::new(RichText::new(text).size(type_size::CAPTION).color(p.muted)));
    }
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        let ink = if enabled { p.text } else { p.muted };
        ui.add(Label::new(RichText::new(&command.name).color(ink)).truncate());
    });
    response.clicked()
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::RawInput;

    #[test]
    fn what_is_typed_in_the_frame_that_opens_the_list_is_for_its_words_alone() {
        let key =
            |key, modifiers| Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers };
        let typed = Event::Text("t".to_owned());
        let kept = [key(Key::Enter, Modifiers::NONE), key(Key::Z, Modifiers::COMMAND), typed];
        let mut events = kept.to_vec();
        events.splice(
            1..1,
            [
                key(Key::T, Modifiers::NONE),
                key(Key::Num2, Modifiers::NONE),
                key(Key::Delete, Modifiers::NONE),
            ],
        );
        let (ctx, mut left) = (Context::default(), Vec::new());
        let mut drawn = ctx.run_ui(RawInput { events, ..RawInput::default() }, |ui| {
            keep_keys(ui.ctx());
            left = ui.input(|i| i.events.clone());
        });
        drawn.textures_delta.clear();
        assert_eq!(left, kept);
    }
}
