//! Colour adjustments with torchvision's definitions on Pillow pictures, to the bit.

use image::{Rgb, RgbImage};

/// Mixes towards black (`factor` 0) or away from it; 1 changes nothing. Pillow's `ImageEnhance.Brightness`.
pub fn adjust_brightness(image: &mut RgbImage, factor: f64) {
    let table: [u8; 256] = std::array::from_fn(|v| blend(0, v as u8, factor as f32));
    for v in image.iter_mut() {
        *v = table[usize::from(*v)];
    }
}

/// Mixes towards the picture's mean grey. Pillow's `ImageEnhance.Contrast`.
pub fn adjust_contrast(image: &mut RgbImage, factor: f64) {
    let count = u64::from(image.width()) * u64::from(image.height());
    if count == 0 {
        return;
    }
    let sum: u64 = image.pixels().map(|p| u64::from(grey(*p))).sum();
    let mean = (sum as f64 / count as f64 + 0.5) as u8;
    let table: [u8; 256] = std::array::from_fn(|v| blend(mean, v as u8, factor as f32));
    for v in image.iter_mut() {
        *v = table[usize::from(*v)];
    }
}

/// Mixes each pixel towards its own grey. Pillow's `ImageEnhance.Color`.
pub fn adjust_saturation(image: &mut RgbImage, factor: f64) {
    for p in image.pixels_mut() {
        let g = grey(*p);
        p.0 = p.0.map(|v| blend(g, v, factor as f32));
    }
}

/// Turns the hue by `shift` of a full circle, `-0.5..=0.5`, in Pillow's 8-bit HSV.
pub fn adjust_hue(image: &mut RgbImage, shift: f64) {
    let shift = hue_steps(shift);
    for p in image.pixels_mut() {
        let [h, s, v] = to_hsv(*p);
        *p = from_hsv([h.wrapping_add(shift), s, v]);
    }
}

/// A shift of the hue as torchvision adds it: an unsigned byte that wraps.
pub(super) fn hue_steps(shift: f64) -> u8 {
    ((shift * 255.0) as i32).rem_euclid(256) as u8
}

/// Pillow's `Image.blend`: `from + factor * (to - from)`, cut to whole levels.
pub(super) fn blend(from: u8, to: u8, factor: f32) -> u8 {
    let mixed = f32::from(from) + factor * (f32::from(to) - f32::from(from));
    // A cast saturates, which is Pillow's clipping.
    mixed as u8
}

/// Pillow's `convert("L")`: ITU-R 601-2 luma in 16.16 fixed point.
pub(super) fn grey(p: Rgb<u8>) -> u8 {
    let [r, g, b] = p.0.map(u32::from);
    ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
}

/// Pillow's `convert("HSV")`.
fn to_hsv(p: Rgb<u8>) -> [u8; 3] {
    let [r, g, b] = p.0;
    let (max, min) = (r.max(g).max(b), r.min(g).min(b));
    if max == min {
        return [0, 0, max];
    }
    let range = f32::from(max - min);
    let saturation = range / f32::from(max);
    let part = |v: u8| f32::from(max - v) / range;
    let h = if r == max {
        part(b) - part(g)
    } else if g == max {
        (2.0 + f64::from(part(r)) - f64::from(part(b))) as f32
    } else {
        (4.0 + f64::from(part(g)) - f64::from(part(r))) as f32
    };
    let h = ((f64::from(h) / 6.0 + 1.0) % 1.0) as f32;
    [(f64::from(h) * 255.0) as u8, (f64::from(saturation) * 255.0) as u8, max]
}

/// Pillow's HSV to RGB.
fn from_hsv([h, s, v]: [u8; 3]) -> Rgb<u8> {
    if s == 0 {
        return Rgb([v; 3]);
    }
    let sixth = f32::from(h) * 6.0 / 255.0;
    let i = sixth.floor();
    let f = f64::from(sixth - i);
    let saturation = f64::from((f64::from(s) / 255.0) as f32);
    let value = f64::from(v);
    let level = |x: f64| (value * x).round() as u8;
    let p = level(1.0 - saturation);
    let q = level(1.0 - saturation * f);
    let t = level(1.0 - saturation * (1.0 - f));
    Rgb(match i as u32 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    })
}
