//! One picture: its thumbnail, or what stands for it.

use super::basic::{focus_ring, paint_icon};
use crate::ui::icons::Icon;
use crate::ui::theme::{Palette, RADIUS};
use crate::ui::thumbnails::{MEDIUM_PX, THUMB_PX, Thumb, Thumbnails};
use egui::{Color32, Rect, Response, Role, Sense, Ui, Vec2, WidgetInfo, pos2};
use std::path::Path;

/// A picture in a square of `side` points, cropped to fill it; `name` is its accessible name.
pub fn picture(ui: &mut Ui, thumbs: &mut Thumbnails, path: &Path, side: f32, name: &str) -> Response {
    draw(ui, thumbs, path, side, (name, None), Sense::hover())
}

/// The same, to be clicked.
pub fn picture_button(ui: &mut Ui, thumbs: &mut Thumbnails, path: &Path, side: f32, name: &str) -> Response {
    draw(ui, thumbs, path, side, (name, None), Sense::click())
}

/// The same as one of many, to be clicked and dragged; `name` comes with whether it is selected. The keyboard's focus belongs to
/// what holds them all.
pub fn picture_tile(
    ui: &mut Ui,
    thumbs: &mut Thumbnails,
    path: &Path,
    side: f32,
    (name, selected): (&str, bool),
) -> Response {
    draw(ui, thumbs, path, side, (name, Some(selected)), Sense::CLICK | Sense::DRAG)
}

fn draw(
    ui: &mut Ui,
    thumbs: &mut Thumbnails,
    path: &Path,
    side: f32,
    (name, selected): (&str, Option<bool>),
    sense: Sense,
) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(side), sense);
    let role = if sense.senses_click() { Role::Button } else { Role::Image };
    response.widget_info(|| match selected {
        Some(selected) => WidgetInfo::selected(role, ui.is_enabled(), selected, name),
        None => WidgetInfo::labeled(role, ui.is_enabled(), name),
    });
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let p = Palette::of(ui);
    let px = side * ui.ctx().pixels_per_point();
    // A little larger than it is looks no worse than another decoding.
    let thumb = match px > 1.25 * THUMB_PX as f32 {
        true => thumbs.get_sized(ui.ctx(), path, MEDIUM_PX),
        false => thumbs.get(ui.ctx(), path),
    };
    match thumb {
        Thumb::Ready(texture) => {
            egui::Image::new(&texture)
                .uv(cover(texture.size_vec2()))
                .corner_radius(RADIUS)
                .paint_at(ui, rect);
        }
        Thumb::Loading => {
            ui.painter().rect_filled(rect, RADIUS, p.raised);
        }
        Thumb::Failed(_) => {
            ui.painter().rect_filled(rect, RADIUS, p.raised);
            paint_icon(ui, rect.center(), Icon::ImageOff, 18.0, p.muted);
        }
    }
    if sense.senses_click() && response.hovered() {
        let veil = Color32::from_white_alpha(18);
        ui.painter().rect_filled(rect, RADIUS, veil);
    }
    focus_ring(ui, &response);
    response
}

/// Where the whole picture at `path` lies of which [`picture`] shows the middle in `square`; nothing until it is decoded.
pub fn whole_picture(ui: &Ui, thumbs: &mut Thumbnails, path: &Path, square: Rect) -> Option<Rect> {
    let Thumb::Ready(texture) = thumbs.get(ui.ctx(), path) else { return None };
    let seen = cover(texture.size_vec2());
    let size = square.size() / seen.size();
    Some(Rect::from_min_size(square.min - seen.min.to_vec2() * size, size))
}

/// The part of a picture of `size` that fills a square, in texture coordinates.
fn cover(size: Vec2) -> Rect {
    let (w, h) = (size.x.max(1.0), size.y.max(1.0));
    let short = w.min(h);
    let (mx, my) = ((1.0 - short / w) / 2.0, (1.0 - short / h) / 2.0);
    Rect::from_min_max(pos2(mx, my), pos2(1.0 - mx, 1.0 - my))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_picture_loses_its_sides() {
        let r = cover(egui::vec2(200.0, 100.0));
        assert_eq!((r.min.x, r.max.x, r.min.y, r.max.y), (0.25, 0.75, 0.0, 1.0));
    }
}
