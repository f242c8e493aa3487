//! How large the gallery's pictures are: by slider, keys, and Ctrl with the wheel; remembered between starts.

use super::ViewContext;
use crate::ui::icons::{self, Icon};
use crate::ui::theme::Palette;
use crate::ui::widgets::icon_beside;
use crate::ui::{Action, AppState};
use egui::{Slider, Ui, WidgetInfo};
use std::time::Duration;

/// Smallest and largest width of a picture, in points.
const RANGE: std::ops::RangeInclusive<f32> = 64.0..=320.0;
/// What one press of a key changes.
pub(super) const STEP: f32 = 1.2;
/// A size that stays for so long is remembered, in seconds.
const SETTLED_S: f64 = 0.5;

/// Makes pictures larger by a factor.
pub(super) fn by(cx: &mut ViewContext, factor: f32) {
    cx.data.tile = (cx.data.tile * factor).clamp(*RANGE.start(), *RANGE.end());
}

/// Takes up the remembered size, and Ctrl with the wheel or two fingers over `ui`; has a size remembered that has come to rest.
pub(super) fn update(ui: &Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let memory = &mut cx.data;
    let kept = f32::from(state.settings.thumbnail_size).clamp(*RANGE.start(), *RANGE.end());
    if memory.tile == 0.0 {
        (memory.tile, memory.tile_before) = (kept, kept);
    }
    let factor = ui.input(|i| i.zoom_delta());
    if factor != 1.0 && ui.rect_contains_pointer(ui.max_rect()) {
        by(cx, factor);
    }
    let memory = &mut cx.data;
    if memory.tile != memory.tile_before {
        (memory.tile_before, memory.tile_changed_s) = (memory.tile, ui.input(|i| i.time));
    }
    let size = memory.tile.round() as u16;
    if size != state.settings.thumbnail_size {
        let left = memory.tile_changed_s + SETTLED_S - ui.input(|i| i.time);
        if left <= 0.0 {
            actions.push(Action::RememberThumbnailSize(size));
        } else {
            ui.ctx().request_repaint_after(Duration::from_secs_f64(left));
        }
    }
}

/// Draws the slider.
pub(super) fn slider(ui: &mut Ui, cx: &mut ViewContext) {
    let muted = Palette::of(ui).muted;
    icon_beside(ui, Icon::Grid3x3, icons::SIZE, muted);
    ui.spacing_mut().slider_width = 96.0;
    let value = f64::from(cx.data.tile);
    let slider = Slider::new(&mut cx.data.tile, RANGE).logarithmic(true).show_value(false);
    let response =
        ui.add(slider).on_hover_text("How large pictures are shown · + and -, Ctrl with the wheel");
    response.widget_info(|| WidgetInfo::slider(true, value, "Size of pictures"));
    icon_beside(ui, Icon::Grid2x2, icons::SIZE, muted);
}
