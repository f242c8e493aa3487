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

/// How much of the picture the map covers at its full strength, where it counts least and where it counts most, in `[0, 1]`.
const COVERS: [f32; 2] = [0.6, 0.75];

/// The map in the ramp's colours. What counts little is darkened, because on a bright picture nothing bright would be seen.
fn image(heat: &HeatMap) -> ColorImage {
    let ramp = Ramp::new(theme::HEAT[0], theme::HEAT[1]);
    let pixel = |v: f32| {
        let [r, g, b, _] = ramp.at(v).to_array();
        let covers = COVERS[0] + (COVERS[1] - COVERS[0]) * v;
        Color32::from_rgba_unmultiplied(r, g, b, (covers * 255.0) as u8)
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
    fn what_counts_more_is_lighter_on_bright_and_on_dark_pictures() {
        let values = vec![0.0, 0.5, 1.0];
        let heat = HeatMap { method: HeatMethod::GradCam, rows: 1, columns: 3, values };
        let image = image(&heat);
        assert_eq!(image.size, [3, 1]);
        for (ground, least) in [(Color32::WHITE, 1.8), (Color32::GRAY, 2.0), (Color32::BLACK, 3.0)] {
            let luminance = |p: &Color32| {
                let [r, g, b, _] = ground.blend(p.gamma_multiply(STRENGTH)).to_array();
                let [r, g, b] = [r, g, b].map(egui::ecolor::linear_f32_from_gamma_u8);
                0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05
            };
            let seen: Vec<f32> = image.pixels.iter().map(luminance).collect();
            assert!(seen.is_sorted() && seen[2] / seen[0] > least, "{ground:?} {seen:?}");
        }
    }
}
