//! One picture of the gallery alone, over the screen.

use super::{ViewContext, gallery};
use crate::data::Dataset;
use crate::ui::Action;
use crate::ui::state::gallery::Arrangement;
use crate::ui::state::split_name;
use crate::ui::views::decide;
use crate::ui::widgets::picture_grid::enlarged_picture;
use crate::ui::widgets::{caption, secondary_button};
use egui::{Align, Id, Key, Layout, Modal, Modifiers, Ui, vec2};

/// Room around the picture, in points.
const AROUND: egui::Vec2 = vec2(160.0, 256.0);

/// Draws it, where one is opened; arrow keys lead to the next of those on show, and the gallery's keys decide about it.
pub(super) fn show(
    ui: &Ui,
    data: &Dataset,
    shown: &Arrangement,
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    let Some(index) = cx.data.enlarged else { return };
    let Some(sample) = data.samples.get(index) else {
        cx.data.enlarged = None;
        return;
    };
    let room = ui.ctx().content_rect().size() - AROUND;
    let class = data.classes.get(sample.class).map_or("", String::as_str);
    let mut close = false;
    let modal = Modal::new(Id::unique("picture of the gallery")).show(ui.ctx(), |ui| {
        let name = format!("Enlarged picture {}", sample.rel);
        let size = room.max(vec2(120.0, 120.0));
        enlarged_picture(ui, &mut cx.thumbnails, &data.path(index), size, &name);
        ui.horizontal(|ui| {
            caption(ui, format!("{} · {class} · {}", sample.rel, split_name(sample.split)));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                close = secondary_button(ui, "Close").clicked();
            });
        });
        decide::controls(ui, data, &sample.rel, actions);
    });
    let pressed = |key| ui.input_mut(|i| i.consume_key(Modifiers::NONE, key));
    let step = i32::from(pressed(Key::ArrowRight)) - i32::from(pressed(Key::ArrowLeft));
    if cx.data.stood.is_none_or(|(of, _)| of != index) {
        cx.data.stood = shown.place(index).map(|place| (index, place));
    }
    if let Some((_, stood)) = cx.data.stood.filter(|_| step != 0) {
        let next = beside(stood, shown.place(index), step).min(shown.order.len().saturating_sub(1));
        if let Some(&index) = shown.order.get(next) {
            cx.data.enlarged = Some(index);
            cx.data.picked.only(index);
            cx.data.bring_into_view = Some(next);
        }
    }
    if close || modal.should_close() {
        (cx.data.enlarged, cx.data.stood) = (None, None);
        ui.memory_mut(|m| m.request_focus(gallery::id()));
    }
}

/// The place one `step` from where a picture stood when it was opened; it may be elsewhere `now`, or not on show, and those after it have
/// moved up.
fn beside(stood: usize, now: Option<usize>, step: i32) -> usize {
    let moved = match now {
        Some(now) if now == stood => step,
        Some(now) if now < stood => step.max(0),
        _ => step.min(0),
    };
    stood.saturating_add_signed(moved as isize)
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn the_next_picture_is_the_one_beside_it_before_something_was_decided() {
        assert_eq!((beside(4, Some(4), 1), beside(4, Some(4), -1)), (5, 3));
        // It went to the end, or is not on show any more: the next one stands in its place.
        for elsewhere in [Some(9), None] {
            assert_eq!((beside(4, elsewhere, 1), beside(4, elsewhere, -1)), (4, 3));
        }
        // It went to the front: the one before it stands in its place.
        assert_eq!((beside(4, Some(0), 1), beside(4, Some(0), -1)), (5, 4));
        assert_eq!(beside(0, None, -1), 0);
    }
}
