//! The training view: torchvision's random transforms from a seeded generator.
//!
//! In torchvision's terms: `RandomResizedCrop → RandomHorizontalFlip → RandomVerticalFlip → RandomRotation → ColorJitter →
//! TrivialAugmentWide or RandAugment → ToTensor → Normalize → RandomErasing`, on Pillow pictures.

pub(crate) mod on_card;
pub mod operations;
mod plan;
pub mod policy;

use super::transform::{self, Source};
use crate::config::{AugmentConfig, Interpolation, Preprocess};
use crate::error::{Error, Result};
use crate::nn::rng::Rng;
use image::{RgbImage, imageops};
pub use plan::{Adjustment, Plan};

/// How often a random rectangle is drawn again when it does not fit.
const TRIES: usize = 10;

/// `RandomErasing`: share of the picture's area.
const ERASE_SCALE: [f64; 2] = [0.02, 0.33];

/// `RandomErasing`: height over width.
const ERASE_RATIO: [f64; 2] = [0.3, 3.3];

/// A random training view of a picture, `[crop_px, crop_px, 3]` f32, normalised.
///
/// # Errors
/// If the picture is empty.
pub fn train_view(
    image: &RgbImage,
    p: &Preprocess,
    config: &AugmentConfig,
    rng: &mut Rng,
) -> Result<Vec<f32>> {
    if !config.enabled {
        return transform::eval_view(image, p);
    }
    Plan::draw(image.dimensions(), p, config, rng)?.view(image, p)
}

/// Shorter side in pixels at which a picture is large enough that no random crop of it has to be enlarged to `crop_px`.
pub fn sufficient_side(crop_px: usize, config: &AugmentConfig) -> usize {
    let [low, high] = config.crop_ratio;
    let narrowest = high.max(1.0 / low).max(1.0);
    (crop_px as f64 * (narrowest / config.crop_scale[0]).sqrt()).ceil() as usize
}

/// A rectangle of whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// `RandomResizedCrop.get_params`: an area of `scale` times the picture's and a width over height of `ratio`, log-uniform;
/// after ten that do not fit, the largest central one within the ratios.
///
/// # Errors
/// If the picture is empty.
pub fn random_region(
    (width, height): (u32, u32),
    scale: [f64; 2],
    ratio: [f64; 2],
    rng: &mut Rng,
) -> Result<Region> {
    if width == 0 || height == 0 {
        return Err(Error::input(format!("a picture of {width}x{height} pixels cannot be cropped")));
    }
    let (full_w, full_h) = (width as usize, height as usize);
    let (wf, hf) = (f64::from(width), f64::from(height));
    for _ in 0..TRIES {
        let area = wf * hf * rng.range(scale[0], scale[1]);
        let aspect = rng.range(ratio[0].ln(), ratio[1].ln()).exp();
        let w = (area * aspect).sqrt().round_ties_even() as usize;
        let h = (area / aspect).sqrt().round_ties_even() as usize;
        if (1..=full_w).contains(&w) && (1..=full_h).contains(&h) {
            let top = rng.below(full_h - h + 1);
            let left = rng.below(full_w - w + 1);
            return Ok(Region { top, left, height: h, width: w });
        }
    }
    let (w, h) = if wf / hf < ratio[0] {
        (full_w, (wf / ratio[0]).round_ties_even() as usize)
    } else if wf / hf > ratio[1] {
        ((hf * ratio[1]).round_ties_even() as usize, full_h)
    } else {
        (full_w, full_h)
    };
    let (w, h) = (w.clamp(1, full_w), h.clamp(1, full_h));
    Ok(Region { top: (full_h - h) / 2, left: (full_w - w) / 2, height: h, width: w })
}

/// torchvision's `resized_crop`: cuts out, then resizes to a square of `size`; the filter sees nothing outside of the cut.
///
/// # Errors
/// If the region is empty or not inside of the picture.
pub fn resized_crop(
    image: &RgbImage,
    region: Region,
    size: usize,
    filter: Interpolation,
) -> Result<RgbImage> {
    let Region { top, left, height, width } = region;
    let (w, h) = image.dimensions();
    if top + height > h as usize || left + width > w as usize {
        return Err(Error::internal(format!("the region {region:?} is not inside of {w}x{h}")));
    }
    let cut = imageops::crop_imm(image, left as u32, top as u32, width as u32, height as u32).to_image();
    transform::resize(&cut, Source::whole(&cut), (size as u32, size as u32), filter)
}

/// torchvision's `rotate` with its defaults (Pillow's `rotate`): counter-clockwise about the centre, nearest pixel, black
/// outside, same size. Repeats Pillow's exact quarter turns.
pub fn rotate(image: &RgbImage, degrees: f64) -> RgbImage {
    let (w, h) = image.dimensions();
    let degrees = degrees.rem_euclid(360.0);
    if degrees == 0.0 {
        return image.clone();
    }
    if degrees == 180.0 {
        return imageops::rotate180(image);
    }
    if w == h && degrees == 90.0 {
        return imageops::rotate270(image);
    }
    if w == h && degrees == 270.0 {
        return imageops::rotate90(image);
    }
    affine(image, rotation(degrees, (w, h)))
}

/// Pillow's matrix of [`rotate`] for a picture of `w` times `h` pixels, as [`affine`] takes it.
fn rotation(degrees: f64, (w, h): (u32, u32)) -> [f64; 6] {
    let angle = -degrees.to_radians();
    let round15 = |v: f64| (v * 1e15).round() / 1e15;
    let (a, b, d, e) =
        (round15(angle.cos()), round15(angle.sin()), round15(-angle.sin()), round15(angle.cos()));
    let (cx, cy) = (f64::from(w) / 2.0, f64::from(h) / 2.0);
    let c = a * -cx + b * -cy + cx;
    let f = d * -cx + e * -cy + cy;
    [a, b, c, d, e, f]
}

/// Pillow's `transform(size, AFFINE, [a, b, c, d, e, f], NEAREST)`: the pixel at (x, y) is the one of `image` at
/// (ax + by + c, dx + ey + f), black where that is outside. Repeats Pillow's 16.16 fixed-point arithmetic.
pub(super) fn affine(image: &RgbImage, matrix: [f64; 6]) -> RgbImage {
    let (w, h) = image.dimensions();
    let [start_x, start_y, x_of_x, y_of_x, x_of_y, y_of_y] = fixed(matrix);
    RgbImage::from_fn(w, h, |x, y| {
        let (x, y) = (i64::from(x), i64::from(y));
        let from_x = (start_x + x * x_of_x + y * x_of_y) >> 16;
        let from_y = (start_y + x * y_of_x + y * y_of_y) >> 16;
        match (u32::try_from(from_x), u32::try_from(from_y)) {
            (Ok(x), Ok(y)) if x < w && y < h => *image.get_pixel(x, y),
            _ => image::Rgb([0, 0, 0]),
        }
    })
}

/// A matrix with 16 bits behind the point: where the middle of the first pixel comes from, x and y, and how far that moves with x and
/// with y.
fn fixed([a, b, c, d, e, f]: [f64; 6]) -> [i64; 6] {
    let fix = |v: f64| (v * 65536.0 + 0.5).floor() as i64;
    let start = (fix(c + a * 0.5 + b * 0.5), fix(f + d * 0.5 + e * 0.5));
    [start.0, start.1, fix(a), fix(d), fix(b), fix(e)]
}

/// `RandomErasing.get_params` for a square of `side`: 2 to 33 % of the area, height over width from 0.3 to 3.3, log-uniform;
/// none where ten do not fit.
pub fn random_erasure(side: usize, rng: &mut Rng) -> Option<Region> {
    let area = (side * side) as f64;
    (0..TRIES).find_map(|_| {
        let erased = area * rng.range(ERASE_SCALE[0], ERASE_SCALE[1]);
        let aspect = rng.range(ERASE_RATIO[0].ln(), ERASE_RATIO[1].ln()).exp();
        let height = (erased * aspect).sqrt().round_ties_even() as usize;
        let width = (erased / aspect).sqrt().round_ties_even() as usize;
        if height >= side || width >= side {
            return None;
        }
        let top = rng.below(side - height + 1);
        let left = rng.below(side - width + 1);
        Some(Region { top, left, height, width })
    })
}

/// Sets a rectangle of a normalised `[side, side, 3]` view to 0: the mean colour.
pub fn erase(view: &mut [f32], side: usize, r: Region) {
    for row in view.chunks_exact_mut(side * 3).skip(r.top).take(r.height) {
        if let Some(part) = row.get_mut(r.left * 3..(r.left + r.width) * 3) {
            part.fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_crop_of_a_sufficient_picture_is_enlarged_and_of_a_smaller_one_some_are() {
        let config = AugmentConfig::default();
        let side = sufficient_side(224, &config) as u32;
        let smallest = |size: (u32, u32)| {
            let mut rng = Rng::for_key(1, &[]);
            let one = |_| random_region(size, config.crop_scale, config.crop_ratio, &mut rng).unwrap();
            (0..5000).map(one).map(|r| r.width.min(r.height)).min().unwrap()
        };
        for size in [(side, side), (side, 2 * side), (3 * side, side)] {
            assert!(smallest(size) >= 224, "{size:?}: {}", smallest(size));
        }
        assert!(smallest((side * 9 / 10, side * 9 / 10)) < 224);
    }
}
