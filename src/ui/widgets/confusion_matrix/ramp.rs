//! The matrix's colours: one hue, from the surface to full strength, in even steps to the eye.

use egui::Color32;

/// A ramp between two colours that runs evenly in OKLab (Ottosson 2020), so that equal steps of the value look equal.
#[derive(Debug, Clone, Copy)]
pub struct Ramp {
    low: [f32; 3],
    high: [f32; 3],
    bend: f32,
}

impl Ramp {
    /// From `low` (nothing) to `high` (everything). Both should be of one hue.
    pub fn new(low: Color32, high: Color32) -> Self {
        Self { low: oklab(low), high: oklab(high), bend: 1.0 }
    }

    /// The same ramp, of which low values get less: `t` to this power.
    pub fn bent(self, bend: f32) -> Self {
        Self { bend, ..self }
    }

    /// The colour of `t` in `[0, 1]`.
    pub fn at(&self, t: f32) -> Color32 {
        from_oklab(self.mix(t))
    }

    fn mix(&self, t: f32) -> [f32; 3] {
        let t = t.clamp(0.0, 1.0).powf(self.bend);
        std::array::from_fn(|i| self.low[i] + (self.high[i] - self.low[i]) * t)
    }
}

/// OKLab's lightness and two opponent axes of an opaque colour.
fn oklab(c: Color32) -> [f32; 3] {
    let linear = [c.r(), c.g(), c.b()].map(|v| {
        let v = f32::from(v) / 255.0;
        if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    });
    crate::ui::theme::oklab(linear)
}

fn from_oklab([lightness, a, b]: [f32; 3]) -> Color32 {
    let l = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    let [r, g, b] = [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s,
        -0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ]
    .map(|v| {
        let v = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
        (v.clamp(0.0, 1.0) * 255.0).round() as u8
    });
    Color32::from_rgb(r, g, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::theme::Palette;

    #[test]
    fn the_ends_are_the_given_colours() {
        let (low, high) = (Color32::from_rgb(32, 36, 45), Color32::from_rgb(140, 196, 255));
        let ramp = Ramp::new(low, high);
        for (t, want) in [(0.0, low), (1.0, high), (-1.0, low), (7.0, high)] {
            let got = ramp.at(t);
            let off = |a: u8, b: u8| a.abs_diff(b) <= 1;
            assert!(
                off(got.r(), want.r()) && off(got.g(), want.g()) && off(got.b(), want.b()),
                "{got:?} {want:?}"
            );
        }
    }

    #[test]
    fn lightness_rises_in_even_steps() {
        let ramp = Ramp::new(Color32::from_rgb(32, 36, 45), Color32::from_rgb(140, 196, 255));
        let l: Vec<f32> = (0..=10).map(|i| oklab(ramp.at(i as f32 / 10.0))[0]).collect();
        let mean = (l[10] - l[0]) / 10.0;
        for pair in l.windows(2) {
            assert!((pair[1] - pair[0] - mean).abs() < 0.006, "{l:?}");
        }
    }

    /// Contrast of WCAG 2.2.
    fn contrast(a: Color32, b: Color32) -> f32 {
        let luminance = |c: Color32| {
            let [r, g, b] = [c.r(), c.g(), c.b()].map(egui::ecolor::linear_f32_from_gamma_u8);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn numbers_on_the_ramp_can_be_read_in_both_themes() {
        for dark in [true, false] {
            let ramp = super::super::ramp(&Palette::for_mode(dark), 10);
            for i in 0..=20 {
                let fill = ramp.at(i as f32 / 20.0);
                let got = contrast(Palette::text_on(fill), fill);
                assert!(got >= 4.5, "dark {dark}, step {i}: {got}");
            }
        }
    }
}
