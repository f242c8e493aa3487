//! Where pictures that are being dragged can be dropped: a bar over the gallery, and the classes and splits beside it.

use super::{DraggedPictures, ViewContext};
use crate::data::{Dataset, Decision, Split};
use crate::ui::Action;
use crate::ui::icons::Icon;
use crate::ui::state::split_name;
use crate::ui::theme::{self, Palette, space, type_size};
use crate::ui::views::decide;
use crate::ui::widgets::paint_icon;
use egui::{
    Align2, DragAndDrop, FontId, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

const HEIGHT: f32 = 56.0;

/// Draws the bar along the lower edge of `room` while pictures are dragged.
pub(super) fn show(ui: &mut Ui, room: Rect, data: &Dataset, cx: &ViewContext, actions: &mut Vec<Action>) {
    if !DragAndDrop::has_payload_of_type::<DraggedPictures>(ui.ctx()) {
        return;
    }
    let p = Palette::of(ui);
    let bar = Rect::from_min_max(pos2(room.left(), room.bottom() - HEIGHT), room.max);
    ui.painter().rect(bar, theme::RADIUS_CARD, p.surface, Stroke::new(1.0, p.stroke), StrokeKind::Inside);
    let splits = [Split::Train, Split::Val, Split::Test]
        .map(|s| (Icon::ArrowRight, split_name(s), Decision::Split(s)));
    let targets = splits.into_iter().chain([(Icon::X, "leave out", Decision::Exclude)]);
    let width = (bar.width() - space::S) / 4.0;
    for (n, (icon, word, decision)) in targets.enumerate() {
        let min = bar.min + vec2(space::S + n as f32 * width, space::S);
        let rect = Rect::from_min_size(min, vec2(width - space::S, HEIGHT - 2.0 * space::S));
        let response = ui.interact(rect, ui.scope_id().with(("drop", word)), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Drop on {word}")));
        let over = response.dnd_hover_payload::<DraggedPictures>().is_some();
        let (fill, ink) = if over { (p.accent, p.on_accent) } else { (p.raised, p.text) };
        ui.painter().rect_filled(rect, theme::RADIUS, fill);
        let font = FontId::proportional(type_size::BODY);
        let text = ui.painter().layout_no_wrap(word.to_owned(), font, ink);
        let left = rect.center().x - text.size().x / 2.0;
        paint_icon(ui, pos2(left - 10.0, rect.center().y), icon, 14.0, ink);
        let at = Align2::LEFT_CENTER.anchor_size(pos2(left + 4.0, rect.center().y), text.size());
        ui.painter().galley(at.min, text, ink);
        take(&response, decision, data, cx, actions);
    }
}

/// Decides about the dragged pictures where they are dropped on `response`. True while they are over it.
pub(super) fn take(
    response: &Response,
    decision: Decision,
    data: &Dataset,
    cx: &ViewContext,
    actions: &mut Vec<Action>,
) -> bool {
    if response.dnd_release_payload::<DraggedPictures>().is_some() {
        actions.extend(decide::about_all(decision, data, cx.data.picked.iter()));
    }
    response.dnd_hover_payload::<DraggedPictures>().is_some()
}
