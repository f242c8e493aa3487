//! The ground of a diagram over shares: from 0 to 1 to the right, from 0 to a highest value upwards.

use crate::error::thousands;
use crate::ui::theme::{Palette, space, type_size};
use egui::{Align2, FontId, Pos2, Rect, Sense, Shape, Stroke, Ui, pos2, vec2};

/// Room for the numbers along the left and the bottom edge, where they are as high as captions.
const EDGE: (f32, f32) = (38.0, 34.0);
/// Parts that the grid divides each axis into.
const PARTS: u32 = 4;

/// Where values lie on the screen.
#[derive(Debug, Clone, Copy)]
pub struct Axes {
    /// What the values fill.
    pub inner: Rect,
    top: f64,
}

impl Axes {
    /// Takes `height` points of the space left, and draws a grid with numbers; `top` is the highest value (above 1 a number of things,
    /// and the grid goes up to a round one), and `title` says what both directions are.
    pub fn new(ui: &mut Ui, height: f32, top: f64, title: &str) -> Self {
        let top = if top <= 1.0 { top } else { round_top(top) };
        let p = Palette::of(ui);
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
        let size = type_size::in_diagram(height);
        let (left, below) = (EDGE.0 * size / type_size::CAPTION, EDGE.1 * size / type_size::CAPTION);
        let min = pos2((rect.left() + left).min(rect.right()), (rect.top() + space::S).min(rect.bottom()));
        let max = pos2((rect.right() - space::L).max(min.x), (rect.bottom() - below).max(min.y));
        let axes = Self { inner: Rect::from_min_max(min, max), top };
        let font = FontId::proportional(size);
        for i in 0..=PARTS {
            let share = f64::from(i) / f64::from(PARTS);
            let value = share * top;
            let y = axes.y(value);
            ui.painter().hline(axes.inner.x_range(), y, Stroke::new(1.0, p.stroke));
            let text = if top <= 1.0 { format!("{value:.2}") } else { thousands(value.round() as usize) };
            let at = pos2(axes.inner.left() - space::XS, y);
            ui.painter().text(at, Align2::RIGHT_CENTER, text, font.clone(), p.muted);
            // The ends stay within, clear of the numbers beside.
            let align = match i {
                0 => Align2::LEFT_TOP,
                PARTS => Align2::RIGHT_TOP,
                _ => Align2::CENTER_TOP,
            };
            let at = pos2(axes.x(share), axes.inner.bottom() + 2.0);
            ui.painter().text(at, align, format!("{share:.2}"), font.clone(), p.muted);
        }
        let below = pos2(axes.inner.center().x, axes.inner.bottom() + size + space::XS);
        ui.painter().text(below, Align2::CENTER_TOP, title, font, p.muted);
        axes
    }

    /// Where a share lies across.
    pub fn x(&self, share: f64) -> f32 {
        self.inner.left() + self.inner.width() * share as f32
    }

    /// Where a value lies upwards.
    pub fn y(&self, value: f64) -> f32 {
        self.inner.bottom() - self.inner.height() * (value / self.top) as f32
    }

    /// Where both lie.
    pub fn at(&self, share: f64, value: f64) -> Pos2 {
        pos2(self.x(share), self.y(value))
    }

    /// The line of equal share and value.
    pub fn diagonal(&self, ui: &Ui) {
        let ends = [self.inner.left_bottom(), self.inner.right_top()];
        let stroke = Stroke::new(1.0, Palette::of(ui).text);
        ui.painter().extend(Shape::dashed_line(&ends, stroke, 5.0, 4.0));
    }

    /// A dot that stands out from lines and bars.
    pub fn dot(&self, ui: &Ui, share: f64, value: f64) {
        let p = Palette::of(ui);
        ui.painter().circle(self.at(share, value), 3.5, p.background, Stroke::new(1.5, p.text));
    }
}

/// The lowest number from `top` on whose parts are round numbers of things.
fn round_top(top: f64) -> f64 {
    const STEPS: [f64; 10] = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let least = (top / f64::from(PARTS)).max(1.0);
    let unit = 10f64.powf(least.log10().floor());
    let round = |step: &f64| *step >= least && step.fract() == 0.0;
    let step = STEPS.iter().map(|step| step * unit).find(round).unwrap_or(10.0 * unit);
    step * f64::from(PARTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_round_numbers_beside_them() {
        let tops: Vec<f64> = [2.0, 4.0, 5.0, 13.0, 94.0, 127.0, 1020.0, 40_001.0].map(round_top).to_vec();
        assert_eq!(tops, [4.0, 4.0, 8.0, 16.0, 100.0, 160.0, 1200.0, 60_000.0]);
    }
}
