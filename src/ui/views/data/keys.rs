//! The gallery's keys: arrows, Home, End and Page move the cursor, Shift selects on the way; Ctrl+A, Escape, Space; Enter
//! enlarges; + and - zoom.

use super::ViewContext;
use super::gallery::id;
use super::zoom;
use crate::ui::state::gallery::{Arrangement, Grid, Move};
use crate::ui::widgets::is_behind_question;
use egui::{Event, EventFilter, FocusDirection, Key, Modifiers, Ui};

/// Arrow keys belong to the gallery while it has the focus.
const OWN: EventFilter =
    EventFilter { tab: false, horizontal_arrows: true, vertical_arrows: true, escape: true };

/// Listens where nothing else has the keyboard's focus. `page` is how many rows fit on the screen.
pub(super) fn listen(ui: &Ui, grid: &Grid<'_>, shown: &Arrangement, page: usize, cx: &mut ViewContext) {
    let focused = ui.memory(|m| m.focused());
    let elsewhere = focused.is_some_and(|f| f != id()) || egui::Popup::is_any_open(ui.ctx());
    if cx.data.enlarged.is_some() || elsewhere || is_behind_question(ui) {
        return;
    }
    ui.memory_mut(|m| m.set_focus_lock_filter(id(), OWN));
    for (key, modifiers) in pressed(ui) {
        if let Some(to) = movement(key, page.max(1)) {
            step(ui, grid, shown, cx, to, modifiers);
            continue;
        }
        match key {
            Key::A if modifiers.command => cx.data.picked.all(shown),
            Key::Escape => cx.data.picked.clear(),
            Key::Enter => cx.data.enlarged = cx.data.picked.cursor(),
            Key::Space => {
                if let Some(index) = cx.data.picked.cursor() {
                    cx.data.picked.toggle(index);
                }
            }
            Key::Plus | Key::Equals if !modifiers.command => zoom::by(cx, zoom::STEP),
            Key::Minus if !modifiers.command => zoom::by(cx, 1.0 / zoom::STEP),
            _ => {}
        }
    }
}

fn pressed(ui: &Ui) -> Vec<(Key, Modifiers)> {
    let press = |e: &Event| match e {
        Event::Key { key, pressed: true, modifiers, .. } => Some((*key, *modifiers)),
        _ => None,
    };
    ui.input(|i| i.events.iter().filter_map(press).collect())
}

fn movement(key: Key, page: usize) -> Option<Move> {
    Some(match key {
        Key::ArrowLeft => Move::Left,
        Key::ArrowRight => Move::Right,
        Key::ArrowUp => Move::Up,
        Key::ArrowDown => Move::Down,
        Key::PageUp => Move::PageUp(page),
        Key::PageDown => Move::PageDown(page),
        Key::Home => Move::First,
        Key::End => Move::Last,
        _ => return None,
    })
}

fn step(ui: &Ui, grid: &Grid<'_>, shown: &Arrangement, cx: &mut ViewContext, to: Move, held: Modifiers) {
    let place = match cx.data.picked.cursor().and_then(|index| shown.place(index)) {
        Some(place) => grid.moved(place, to),
        None => cx.data.first_shown,
    };
    let Some(&index) = shown.order.get(place) else { return };
    if held.shift {
        cx.data.picked.extend_to(index, shown);
    } else {
        cx.data.picked.only(index);
    }
    cx.data.bring_into_view = Some(place);
    ui.memory_mut(|m| {
        m.request_focus(id());
        // The arrow that brought the focus here must not carry it on.
        m.move_focus(FocusDirection::None);
    });
}
