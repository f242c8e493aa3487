//! Many pictures in virtualised rows: only those on the screen are asked for.

use super::basic::words_in;
use super::picture::picture_button;
use crate::ui::theme::{Palette, RADIUS, space, type_size};
use crate::ui::thumbnails::{HUGE_PX, LARGE_PX, Thumb, Thumbnails};
use egui::{
    EventFilter, Rect, Response, RichText, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo,
};
use std::path::{Path, PathBuf};

/// One picture of a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Tile {
    /// The file.
    pub path: PathBuf,
    /// Accessible name.
    pub name: String,
    /// First line under the picture.
    pub title: String,
    /// Second line, muted.
    pub detail: String,
    /// Whether it is selected.
    pub selected: bool,
}

/// Height of the two lines of text.
const TEXT: f32 = 2.0 * (type_size::CAPTION + 4.0);

/// How many tiles of at least `wanted` points fit side by side into `width`, and their size when they fill it.
pub fn columns(width: f32, wanted: f32) -> (usize, f32) {
    let gap = space::S;
    let n = (((width + gap) / (wanted + gap)) as usize).max(1);
    (n, ((width + gap) / n as f32 - gap).floor().max(1.0))
}

/// Draws `count` tiles, made by `tile`, in the space left. Returns the one that was clicked.
pub fn show(
    ui: &mut Ui,
    thumbs: &mut Thumbnails,
    (count, wanted): (usize, f32),
    tile: impl Fn(usize) -> Tile,
) -> Option<usize> {
    let mut clicked = None;
    // The scroll bar lies over the right edge.
    let (n, side) = columns(ui.available_width() - space::S, wanted);
    ui.spacing_mut().item_spacing = egui::vec2(space::S, space::S);
    let area = ScrollArea::vertical().auto_shrink([false, false]);
    area.show_rows(ui, side + TEXT + space::XS, count.div_ceil(n), |ui, rows| {
        for row in rows {
            ui.horizontal_top(|ui| {
                for i in (row * n..(row + 1) * n).filter(|&i| i < count) {
                    if draw(ui, thumbs, side, &tile(i)) {
                        clicked = Some(i);
                    }
                }
            });
        }
    });
    clicked
}

fn draw(ui: &mut Ui, thumbs: &mut Thumbnails, side: f32, tile: &Tile) -> bool {
    let p = Palette::of(ui);
    ui.vertical(|ui| {
        ui.set_width(side);
        ui.set_height(side + TEXT + space::XS);
        ui.spacing_mut().item_spacing.y = 1.0;
        let picture = picture_button(ui, thumbs, &tile.path, side, &tile.name);
        if tile.selected {
            let stroke = Stroke::new(2.0, p.accent);
            ui.painter().rect_stroke(picture.rect.shrink(1.0), RADIUS, stroke, StrokeKind::Inside);
        }
        ui.add_space(3.0);
        ui.add(egui::Label::new(RichText::new(&tile.title).small().color(p.text)).truncate());
        ui.add(egui::Label::new(RichText::new(&tile.detail).small().color(p.muted)).truncate());
        picture.on_hover_text(&tile.name).clicked()
    })
    .inner
}

/// A whole picture in the middle of a ground of `size` points, so that pictures of every shape stand in line with what is around
/// them; `name` is its accessible name.
pub fn staged_picture(ui: &mut Ui, thumbs: &mut Thumbnails, path: &Path, size: Vec2, name: &str) -> Response {
    let ground = Rect::from_min_size(ui.cursor().min, size);
    ui.painter().rect_filled(ground, RADIUS, Palette::of(ui).raised);
    large_picture(ui, thumbs, path, size, name)
}

/// A whole picture, fitted into `size` points; `name` is its accessible name.
pub fn large_picture(ui: &mut Ui, thumbs: &mut Thumbnails, path: &Path, size: Vec2, name: &str) -> Response {
    fitted_picture(ui, thumbs, path, size, name).0
}

/// The same, with the place of the picture itself once it is drawn.
pub fn fitted_picture(
    ui: &mut Ui,
    thumbs: &mut Thumbnails,
    path: &Path,
    size: Vec2,
    name: &str,
) -> (Response, Option<Rect>) {
    fitted(ui, thumbs, path, size, (name, Sense::hover()))
}

/// The same over the screen. It has the keyboard's focus where nothing
/// else has: its name is read out, and the arrow keys are for it.
pub fn enlarged_picture(
    ui: &mut Ui,
    thumbs: &mut Thumbnails,
    path: &Path,
    size: Vec2,
    name: &str,
) -> (Response, Option<Rect>) {
    let (response, place) = fitted(ui, thumbs, path, size, (name, Sense::focusable_noninteractive()));
    ui.memory_mut(|m| {
        if m.focused().is_none() {
            m.request_focus(response.id);
        }
        let arrows = EventFilter { horizontal_arrows: true, ..EventFilter::default() };
        m.set_focus_lock_filter(response.id, arrows);
    });
    (response, place)
}

fn fitted(
    ui: &mut Ui,
    thumbs: &mut Thumbnails,
    path: &Path,
    size: Vec2,
    (name, sense): (&str, Sense),
) -> (Response, Option<Rect>) {
    let mut place = None;
    let (rect, response) = ui.allocate_exact_size(size, sense);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    let p = Palette::of(ui);
    // A little larger than it is looks no worse than another decoding.
    let room_px = size.max_elem() * ui.ctx().pixels_per_point();
    let side_px = if room_px > 1.25 * LARGE_PX as f32 { HUGE_PX } else { LARGE_PX };
    match thumbs.get_sized(ui.ctx(), path, side_px) {
        Thumb::Ready(texture) => {
            let image = texture.size_vec2();
            let scale = (rect.width() / image.x.max(1.0)).min(rect.height() / image.y.max(1.0));
            let fitted = Rect::from_center_size(rect.center(), image * scale);
            egui::Image::new(&texture).corner_radius(RADIUS).paint_at(ui, fitted);
            place = Some(fitted);
        }
        Thumb::Loading => {
            ui.painter().rect_filled(rect, RADIUS, p.raised);
        }
        Thumb::Failed(reason) => {
            ui.painter().rect_filled(rect, RADIUS, p.raised);
            let text = RichText::new(format!("This picture cannot be shown: {reason}")).color(p.muted);
            words_in(ui, rect, text);
        }
    }
    (response, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_takes_the_same_place_whether_it_can_be_shown_or_not() {
        let ctx = egui::Context::default();
        let mut thumbs = Thumbnails::default();
        let missing = Path::new("/there is no such picture.png");
        let mut below = Vec::new();
        // Until the file was looked for, and once it was not found.
        while below.len() < 3 {
            let mut drawn = ctx.run_ui(egui::RawInput::default(), |ui| {
                thumbs.begin_frame(ui.ctx());
                let failed = matches!(thumbs.get_sized(ui.ctx(), missing, LARGE_PX), Thumb::Failed(_));
                large_picture(ui, &mut thumbs, missing, egui::vec2(200.0, 160.0), "missing");
                if below.is_empty() || failed {
                    below.push(ui.cursor().top());
                }
            });
            drawn.textures_delta.clear();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(below[0], below[2]);
    }

    #[test]
    fn tiles_fill_the_width_and_never_vanish() {
        for width in [20.0, 120.0, 333.0, 900.0] {
            let (n, side) = columns(width, 112.0);
            assert!(n >= 1 && side >= 1.0);
            assert!(n as f32 * (side + space::S) - space::S <= width.max(side) + 0.5, "{width} {n} {side}");
        }
        assert_eq!(columns(900.0, 112.0).0, 7);
    }
}
