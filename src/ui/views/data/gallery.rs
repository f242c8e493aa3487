//! The pictures in rows, under their class's name where they are in that order; only what is on the screen is laid out.

use super::{DraggedPictures, ViewContext, enlarged, keys};
use crate::data::{Dataset, Preflight, Sample, Split};
use crate::error::thousands;
use crate::ui::Action;
use crate::ui::icons::Icon;
use crate::ui::state::gallery::{Arrangement, Grid, Picked, Row};
use crate::ui::state::split_name;
use crate::ui::theme::{self, Palette, space, type_size};
use crate::ui::widgets::{empty_state, picture_tile};
use egui::accesskit::Live;
use egui::{
    Align2, DragAndDrop, FontId, Id, Modifiers, Pos2, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui,
    UiBuilder, WidgetInfo, pos2, vec2,
};

const GAP: f32 = space::S;
const HEAD: f32 = 34.0;
/// Room for the scroll bar, which lies over the right edge.
const BAR: f32 = 10.0;

/// A rubber band that is being drawn.
#[derive(Debug, Clone)]
pub(super) struct Band {
    /// Where it began, from the gallery's upper left corner.
    from: (f64, f64),
    /// What was selected before, where that is to stay.
    before: Picked,
}

/// The gallery's id, which has the keyboard's focus while its cursor moves.
pub(super) fn id() -> Id {
    Id::unique("picture gallery")
}

/// Draws the gallery into what is left of the screen.
pub(super) fn show(ui: &mut Ui, preflight: &Preflight, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let arrangement = std::mem::take(&mut cx.data.shown.arrangement);
    if arrangement.order.is_empty() {
        let body = "Change what is filtered by above.";
        empty_state(ui, Icon::Images, "No pictures match", body, |_| {});
    } else {
        rows(ui, preflight, &arrangement, cx, actions);
        enlarged::show(ui, &preflight.dataset, &arrangement, cx, actions);
    }
    cx.data.shown.arrangement = arrangement;
}

fn rows(
    ui: &mut Ui,
    preflight: &Preflight,
    shown: &Arrangement,
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    let data = &preflight.dataset;
    let room = ui.available_rect_before_wrap();
    let width = (room.width() - BAR).max(1.0);
    let grid = Grid::new(&shown.sections, width, cx.data.tile, GAP, HEAD);
    let page = (f64::from(room.height()) / grid.pitch()) as usize;
    keys::listen(ui, &grid, shown, page, cx);
    let mut area = ScrollArea::vertical().auto_shrink(false).id_salt((
        "gallery",
        cx.data.filter.class,
        cx.data.filter.finding,
    ));
    // With another number of columns the same pictures stay on the screen.
    if cx.data.columns != grid.columns
        && let Some((_, y)) = grid.corner(cx.data.first_shown)
        && cx.data.first_shown > 0
    {
        area = area.vertical_scroll_offset(y as f32);
    }
    cx.data.columns = grid.columns;
    area.show_viewport(ui, |ui, view| {
        ui.set_height(grid.height() as f32);
        ui.set_width(width);
        let (top, bottom) = (f64::from(view.top()), f64::from(view.bottom()));
        // Far down, only distances to what is on the screen are exact.
        let corner = pos2(ui.min_rect().left(), ui.min_rect().top() + view.top());
        let at = |x: f64, y: f64| corner + vec2(x as f32, (y - top) as f32);
        band(ui, &grid, shown, (corner, top), cx);
        says_where_it_is(ui, data, cx);
        let mut first = None;
        for row in grid.rows(top, bottom) {
            match row {
                Row::Head { section, top } => {
                    let Some(section) = shown.sections.get(section) else { continue };
                    let rect = Rect::from_min_size(at(0.0, top), vec2(width, HEAD));
                    head(ui, data, section.class.unwrap_or(0), section.len, rect);
                }
                Row::Pictures { places, top } => {
                    first = first.or(Some(places.start));
                    for (column, place) in places.enumerate() {
                        let min = at(column as f64 * grid.pitch(), top);
                        let cell = Rect::from_min_size(min, vec2(grid.side as f32, grid.side as f32));
                        tile(ui, data, shown, cx, shown.order[place], cell);
                    }
                }
            }
        }
        cx.data.first_shown = first.unwrap_or(0);
        if let Some((x, y)) = cx.data.bring_into_view.take().and_then(|place| grid.corner(place)) {
            let rect = Rect::from_min_size(at(x, y), egui::Vec2::splat(grid.side as f32)).expand(GAP);
            ui.scroll_to_rect(rect, None);
        }
    });
    super::drop_bar::show(ui, room, data, cx, actions);
    carried(ui, cx);
}

/// The ground behind the pictures: dragging on it draws a band around them, a click selects nothing.
fn band(ui: &mut Ui, grid: &Grid<'_>, shown: &Arrangement, (corner, top): (Pos2, f64), cx: &mut ViewContext) {
    let ground = ui.interact(ui.clip_rect(), id(), Sense::click_and_drag());
    ground.widget_info(|| {
        WidgetInfo::labeled(Role::Grid, true, "Gallery: arrow keys move, Shift selects a range, Ctrl+A all")
    });
    let point = |p: Pos2| (f64::from(p.x - corner.x), f64::from(p.y - corner.y) + top);
    let more = ui.input(|i| i.modifiers.command || i.modifiers.shift);
    if ground.clicked() {
        ground.request_focus();
        if !more {
            cx.data.picked.clear();
        }
    }
    if let (true, Some(press)) = (ground.drag_started(), ui.input(|i| i.pointer.press_origin())) {
        ground.request_focus();
        let before = if more { cx.data.picked.clone() } else { Picked::default() };
        cx.data.band = Some(Band { from: point(press), before });
    }
    let Some(band) = cx.data.band.take() else { return };
    let Some(pointer) = ui.ctx().pointer_interact_pos() else { return };
    let to = point(pointer);
    let touched = grid.touched(band.from, to).into_iter().map(|place| shown.order[place]);
    cx.data.picked.band(touched, &band.before);
    if ground.dragged() {
        let start = corner + vec2(band.from.0 as f32, (band.from.1 - top) as f32);
        let p = Palette::of(ui);
        let rect = Rect::from_two_pos(start, pointer);
        // Above the pictures, which are drawn later.
        let painter = ui.ctx().layer_painter(egui::LayerId::new(egui::Order::Foreground, id()));
        let painter = painter.with_clip_rect(ui.clip_rect());
        painter.rect(
            rect,
            2.0,
            p.accent.gamma_multiply(0.12),
            Stroke::new(1.0, p.accent),
            StrokeKind::Inside,
        );
        let clip = ui.clip_rect();
        let beyond = (pointer.y - clip.bottom()).max(0.0) + (pointer.y - clip.top()).min(0.0);
        if beyond != 0.0 {
            ui.scroll_with_delta(vec2(0.0, -beyond.clamp(-40.0, 40.0)));
            ui.ctx().request_repaint();
        }
        cx.data.band = Some(band);
    }
}

/// Tells those who listen which picture the arrows have reached: it has the focus within the gallery, which says its name as well.
fn says_where_it_is(ui: &Ui, data: &Dataset, cx: &ViewContext) {
    let Some(index) = cx.data.picked.cursor() else { return };
    let Some(sample) = data.samples.get(index) else { return };
    ui.ctx().accesskit_node_builder(id(), |node| {
        node.set_value(spoken(data, sample));
        node.set_live(Live::Polite);
    });
}

/// "ants/1.png, ants, training".
fn spoken(data: &Dataset, sample: &Sample) -> String {
    let class = data.classes.get(sample.class).map_or("", String::as_str);
    format!("{}, {class}, {}", sample.rel, split_name(sample.split))
}

fn head(ui: &Ui, data: &Dataset, class: usize, count: usize, rect: Rect) {
    let p = Palette::of(ui);
    let y = rect.center().y;
    ui.painter().circle_filled(pos2(rect.left() + 5.0, y), 4.5, theme::class_colour(class));
    let name = data.classes.get(class).map_or("", String::as_str);
    let font = FontId::proportional(type_size::BODY);
    let drawn = ui.painter().text(pos2(rect.left() + 18.0, y), Align2::LEFT_CENTER, name, font, p.text);
    let at = pos2(drawn.right() + space::S, y);
    let count = thousands(count);
    ui.painter().text(at, Align2::LEFT_CENTER, count, FontId::proportional(type_size::CAPTION), p.muted);
}

fn tile(ui: &mut Ui, data: &Dataset, shown: &Arrangement, cx: &mut ViewContext, index: usize, cell: Rect) {
    let Some(sample) = data.samples.get(index) else { return };
    let mut ui = ui.new_child(UiBuilder::new().max_rect(cell).id_salt(index));
    let name = format!("{} · {}", sample.rel, split_name(sample.split));
    let selected = cx.data.picked.contains(index);
    let response =
        picture_tile(&mut ui, &mut cx.thumbnails, &data.path(index), cell.width(), (&name, selected));
    let class = data.classes.get(sample.class);
    ui.ctx().accesskit_node_builder(response.id, |node| {
        node.set_description(class.map_or("", String::as_str));
    });
    let p = Palette::of(&ui);
    if sample.split != Split::Train {
        let word = split_name(sample.split).to_owned();
        let galley = ui.painter().layout_no_wrap(word, FontId::proportional(10.5), p.text);
        let size = galley.size() + vec2(10.0, 3.0);
        let rect = Rect::from_min_size(cell.left_bottom() + vec2(6.0, -6.0 - size.y), size);
        ui.painter().rect_filled(rect, 4.0, p.background.gamma_multiply(0.85));
        ui.painter().galley(rect.center() - galley.size() / 2.0, galley, p.text);
    }
    if selected {
        let veil = p.accent.gamma_multiply(0.14);
        ui.painter().rect(cell, theme::RADIUS, veil, Stroke::new(2.0, p.accent), StrokeKind::Inside);
    }
    let focused = ui.memory(|m| m.has_focus(id()));
    if focused && cx.data.picked.cursor() == Some(index) {
        let tile = response.id.accesskit_id();
        ui.ctx().accesskit_node_builder(id(), |gallery| gallery.set_active_descendant(tile));
        let ring = Stroke::new(1.5, p.text);
        ui.painter().rect_stroke(cell.expand(1.0), theme::RADIUS, ring, StrokeKind::Outside);
    }
    if response.double_clicked() {
        cx.data.picked.only(index);
        cx.data.enlarged = Some(index);
    } else if response.clicked() {
        ui.memory_mut(|m| m.request_focus(id()));
        let held: Modifiers = ui.input(|i| i.modifiers);
        if held.shift {
            cx.data.picked.extend_to(index, shown);
        } else if held.command {
            cx.data.picked.toggle(index);
        } else {
            cx.data.picked.click(index);
        }
    }
    if response.drag_started() {
        if !selected {
            cx.data.picked.only(index);
        }
        DragAndDrop::set_payload(ui.ctx(), DraggedPictures);
    }
}

/// How many pictures are being dragged, beside the pointer.
fn carried(ui: &Ui, cx: &ViewContext) {
    let Some(pointer) = ui.ctx().pointer_interact_pos() else { return };
    if !DragAndDrop::has_payload_of_type::<DraggedPictures>(ui.ctx()) {
        return;
    }
    let p = Palette::of(ui);
    let words = crate::error::count(cx.data.picked.len(), "picture", "pictures");
    let painter = ui.ctx().layer_painter(egui::LayerId::new(egui::Order::Tooltip, id()));
    let galley = painter.layout_no_wrap(words, FontId::proportional(type_size::BODY), p.on_accent);
    let rect = Rect::from_min_size(pointer + vec2(14.0, 10.0), galley.size() + vec2(16.0, 8.0));
    painter.rect_filled(rect, theme::RADIUS, p.accent);
    painter.galley(rect.min + vec2(8.0, 4.0), galley, p.on_accent);
    ui.ctx().set_cursor_icon(egui::CursorIcon::Grabbing);
}
