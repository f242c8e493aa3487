//! A heat map over a picture.

use super::confusion_matrix::Ramp;
use crate::engine::{Explanation, HeatMap, HeatMethod};
use crate::session::Explained;
use crate::ui::theme;
use egui::{Color32, ColorImage, Rect, Stroke, StrokeKind, TextureHandle, TextureOptions, Ui, pos2, vec2};
use std::sync::Arc;

/// How much of it covers the picture where it counts most, in `[0, 1]`, to begin with.
pub const STRENGTH: f32 = 0.7;

/// The texture of the map that was drawn last.
#[derive(Default)]
pub struct HeatOverlay(Option<(Arc<Explained>, TextureHandle)>);

impl std::fmt::Debug for HeatOverlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HeatOverlay").field(&self.0.as_ref().map(|(of, _)| &of.picture)).finish()
    }
}

impl HeatOverlay {
    /// Draws the map over the picture that fills `place`, of which `shown` can be seen; nothing where there is no map.
    pub fn paint(
        &mut self,
        ui: &Ui,
        (place, shown): (Rect, Rect),
        explained: &Arc<Explained>,
        strength: f32,
    ) {
        let Ok(heat) = &explained.explanation.heat else { return };
        if self.0.as_ref().is_none_or(|(of, _)| !Arc::ptr_eq(of, explained)) {
            let texture = ui.ctx().load_texture("heat map", image(heat), TextureOptions::LINEAR);
            self.0 = Some((Arc::clone(explained), texture));
        }
        let Some((_, texture)) = &self.0 else { return };
        let painter = ui.painter().with_clip_rect(shown.intersect(ui.clip_rect()));
        let seen = seen(place, &explained.explanation);
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        painter.image(texture.id(), seen, whole, Color32::from_white_alpha((strength * 255.0) as u8));
        let visible = seen.intersect(shown);
        if visible.width() < shown.width() - 1.0 || visible.height() < shown.height() - 1.0 {
            let edge = Stroke::new(1.0, Color32::from_white_alpha(150));
            painter.rect_stroke(visible, 0, edge, StrokeKind::Inside);
        }
    }
}

/// Where the square that the network sees lies on the screen.
fn seen(place: Rect, explanation: &Explanation) -> Rect {
    let [left, top, right, bottom] = explanation.seen;
    let at = |x: f32, y: f32| place.min + vec2(x * place.width(), y * place.height());
    Rect::from_min_max(at(left, top), at(right, bottom))
}

/// The map in the ramp's colours: what counts little covers little.
fn image(heat: &HeatMap) -> ColorImage {
    let ramp = Ramp::new(theme::HEAT[0], theme::HEAT[1]);
    let pixel = |v: f32| {
        let [r, g, b, _] = ramp.at(v).to_array();
        Color32::from_rgba_unmultiplied(r, g, b, ((0.12 + 0.88 * v) * 255.0) as u8)
    };
    let pixels: Vec<Color32> = heat.relative().into_iter().map(pixel).collect();
    ColorImage::new([heat.columns, heat.rows], pixels)
}

/// What the map's colours mean; `class` is the class that it is of.
pub fn meaning(heat: &HeatMap, class: &str) -> String {
    match heat.method {
        HeatMethod::GradCam if heat.values.iter().all(|v| *v == 0.0) => {
            format!("Nothing in the picture speaks for {class}")
        }
        HeatMethod::GradCam => format!("The brighter, the more it speaks for {class}"),
        HeatMethod::AttentionRollout => {
            "The brighter, the more of it the network reads, for any class".to_owned()
        }
    }
}

/// How it was made.
pub fn method(method: HeatMethod) -> &'static str {
    match method {
        HeatMethod::GradCam => {
            "Which parts of the picture raise the class's score (Grad-CAM). It is as coarse as the network's last map"
        }
        HeatMethod::AttentionRollout => {
            "How much of each part reaches the network's answer through all of its attention (attention rollout)"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn the_square_that_is_seen_lies_in_the_middle_of_a_wide_picture() {
        let place = Rect::from_min_size(pos2(10.0, 20.0), vec2(200.0, 100.0));
        let explanation = Explanation {
            class: 0,
            probabilities: vec![1.0],
            features: Vec::new(),
            seen: [0.25, 0.0, 0.75, 1.0],
            heat: Err(Error::input("none")),
        };
        assert_eq!(seen(place, &explanation), Rect::from_min_size(pos2(60.0, 20.0), vec2(100.0, 100.0)));
    }

    #[test]
    fn what_counts_more_is_lighter_and_covers_more() {
        let values = vec![0.0, 0.5, 1.0];
        let heat = HeatMap { method: HeatMethod::GradCam, rows: 1, columns: 3, values };
        let image = image(&heat);
        let alphas: Vec<u8> = image.pixels.iter().map(|p| p.a()).collect();
        assert_eq!((image.size, alphas[2]), ([3, 1], 255));
        assert!(alphas.is_sorted() && alphas[0] < 40, "{alphas:?}");
    }
}
