//! The operations that augmentation policies choose among, as torchvision applies them to Pillow pictures (nearest pixel,
//! black outside).

use super::{affine, rotate};
use crate::data::color;
use image::{Rgb, RgbImage};

/// What a policy does to a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Nothing.
    Identity,
    /// Lines slide sideways, by this many pixels for each pixel down.
    ShearX,
    /// Columns slide down, by this many pixels for each pixel to the right.
    ShearY,
    /// To the right, by whole pixels.
    TranslateX,
    /// Down, by whole pixels.
    TranslateY,
    /// Counter-clockwise, by degrees.
    Rotate,
    /// Brightness factor less 1.
    Brightness,
    /// Saturation factor less 1.
    Color,
    /// Contrast factor less 1.
    Contrast,
    /// Sharpness factor less 1.
    Sharpness,
    /// To so many bits a channel.
    Posterize,
    /// Levels from this one on are inverted.
    Solarize,
    /// Each channel stretched to all levels.
    AutoContrast,
    /// Each channel's levels made equally frequent.
    Equalize,
}

impl Operation {
    /// All of them, in torchvision's order.
    pub const ALL: [Self; 14] = [
        Self::Identity,
        Self::ShearX,
        Self::ShearY,
        Self::TranslateX,
        Self::TranslateY,
        Self::Rotate,
        Self::Brightness,
        Self::Color,
        Self::Contrast,
        Self::Sharpness,
        Self::Posterize,
        Self::Solarize,
        Self::AutoContrast,
        Self::Equalize,
    ];

    /// Where pixels come from, as [`affine`] takes it, of what slides and shifts.
    pub(super) fn matrix(self, magnitude: f64) -> Option<[f64; 6]> {
        // torchvision goes through the angle, and so through its rounding.
        let slope = magnitude.atan().to_degrees().to_radians().tan();
        Some(match self {
            Self::ShearX => [1.0, slope, 0.0, 0.0, 1.0, 0.0],
            Self::ShearY => [1.0, 0.0, 0.0, slope, 1.0, 0.0],
            Self::TranslateX => [1.0, 0.0, -magnitude.trunc(), 0.0, 1.0, 0.0],
            Self::TranslateY => [1.0, 0.0, 0.0, 0.0, 1.0, -magnitude.trunc()],
            _ => return None,
        })
    }

    /// Applies it. What `magnitude` means depends on the operation; [`Self::Identity`], [`Self::AutoContrast`] and
    /// [`Self::Equalize`] have none.
    pub fn apply(self, image: &mut RgbImage, magnitude: f64) {
        if let Some(matrix) = self.matrix(magnitude) {
            *image = affine(image, matrix);
            return;
        }
        match self {
            Self::Identity | Self::ShearX | Self::ShearY | Self::TranslateX | Self::TranslateY => {}
            Self::Rotate => *image = rotate(image, magnitude),
            Self::Brightness => color::adjust_brightness(image, 1.0 + magnitude),
            Self::Color => color::adjust_saturation(image, 1.0 + magnitude),
            Self::Contrast => color::adjust_contrast(image, 1.0 + magnitude),
            Self::Sharpness => sharpness(image, 1.0 + magnitude),
            Self::Posterize => {
                let kept = kept_bits(magnitude);
                image.iter_mut().for_each(|v| *v &= kept);
            }
            Self::Solarize => look_up(image, |_| {
                std::array::from_fn(|v| if (v as f64) < magnitude { v as u8 } else { 255 - v as u8 })
            }),
            Self::AutoContrast => look_up(image, stretched),
            Self::Equalize => look_up(image, equalized),
        }
    }
}

/// Pillow's `ImageEnhance.Sharpness`: mixes the smoothed picture with the picture, or beyond it.
fn sharpness(image: &mut RgbImage, factor: f64) {
    let smooth = smoothed(image);
    for (v, s) in image.iter_mut().zip(smooth.iter()) {
        *v = color::blend(*s, *v, factor as f32);
    }
}

/// Pillow's `SMOOTH`: each pixel counts five times among its eight neighbours; those at the edge stay.
fn smoothed(image: &RgbImage) -> RgbImage {
    let (w, h) = image.dimensions();
    RgbImage::from_fn(w, h, |x, y| {
        let own = *image.get_pixel(x, y);
        if x == 0 || y == 0 || x + 1 == w || y + 1 == h {
            return own;
        }
        let mut sum = own.0.map(|v| 4 * u32::from(v));
        for (dx, dy) in (0..9).map(|i| (i % 3, i / 3)) {
            let near = image.get_pixel(x + dx - 1, y + dy - 1);
            for (sum, v) in sum.iter_mut().zip(near.0) {
                *sum += u32::from(v);
            }
        }
        Rgb(sum.map(|s| ((2 * s + 13) / 26) as u8))
    })
}

/// Which bits of a level [`Operation::Posterize`] keeps.
pub(super) fn kept_bits(magnitude: f64) -> u8 {
    u8::MAX.checked_shl(8u32.saturating_sub(magnitude as u32)).unwrap_or(0)
}

/// Levels of each channel through a table that is made from how often they occur.
fn look_up(image: &mut RgbImage, table: impl Fn(&[u64; 256]) -> [u8; 256]) {
    for channel in 0..3 {
        let mut counts = [0u64; 256];
        image.pixels().for_each(|p| counts[usize::from(p.0[channel])] += 1);
        let table = table(&counts);
        image.pixels_mut().for_each(|p| p.0[channel] = table[usize::from(p.0[channel])]);
    }
}

fn unchanged() -> [u8; 256] {
    std::array::from_fn(|v| v as u8)
}

/// Pillow's `ImageOps.autocontrast`.
fn stretched(counts: &[u64; 256]) -> [u8; 256] {
    let low = counts.iter().position(|&n| n > 0);
    let high = counts.iter().rposition(|&n| n > 0);
    let (Some(low), Some(high)) = (low, high) else { return unchanged() };
    if high <= low {
        return unchanged();
    }
    let scale = 255.0 / (high - low) as f64;
    let offset = -(low as f64) * scale;
    // A cast saturates, which is Pillow's clipping.
    std::array::from_fn(|v| (v as f64 * scale + offset) as u8)
}

/// Pillow's `ImageOps.equalize`.
fn equalized(counts: &[u64; 256]) -> [u8; 256] {
    let all: u64 = counts.iter().sum();
    let last = counts.iter().rfind(|&&n| n > 0).copied().unwrap_or(0);
    let step = (all - last) / 255;
    if step == 0 {
        return unchanged();
    }
    let mut below = step / 2;
    std::array::from_fn(|v| {
        let level = (below / step).min(255) as u8;
        below += counts[v];
        level
    })
}
