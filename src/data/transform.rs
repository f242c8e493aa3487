//! The evaluation view: torchvision's `Resize → CenterCrop → Normalize`.

mod taps;

use crate::config::{Interpolation, Preprocess};
use crate::error::{Error, Result};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use std::cell::RefCell;
pub(in crate::data) use taps::{eval_taps, taps};

/// The evaluation view of a picture, `[crop_px, crop_px, 3]` f32, normalised.
///
/// # Errors
/// If the picture is empty.
pub fn eval_view(image: &RgbImage, p: &Preprocess) -> Result<Vec<f32>> {
    Ok(normalize(&eval_picture(image, p)?, p))
}

/// The evaluation view before normalisation: the 8-bit square that is cut out.
///
/// Only what ends up in the square is resized. A square larger than the resized picture is padded with black.
///
/// # Errors
/// If the picture is empty.
pub fn eval_picture(image: &RgbImage, p: &Preprocess) -> Result<RgbImage> {
    let EvalCut { source, x, y } = EvalCut::of(image.dimensions(), p)?;
    let inner = resize(image, source, (x.len as u32, y.len as u32), p.interpolation)?;
    if (x.len, y.len) == (p.crop_px, p.crop_px) {
        return Ok(inner);
    }
    let side = p.crop_px as u32;
    let mut out = RgbImage::new(side, side);
    image::imageops::replace(&mut out, &inner, x.pad as i64, y.pad as i64);
    Ok(out)
}

/// The part of a picture of these dimensions that [`eval_picture`] cuts out: left, upper, right and lower edge as shares of its
/// width and height. They lie outside of `[0, 1]` where the square is padded.
///
/// # Errors
/// If the picture is empty.
pub fn eval_region(dimensions: (u32, u32), p: &Preprocess) -> Result<[f32; 4]> {
    let (w, h) = resized_dims(dimensions, p.resize_px)?;
    let edges = |size: usize| {
        let axis = Axis::center(size, p.crop_px);
        let first = axis.start as f64 - axis.pad as f64;
        [first, first + p.crop_px as f64].map(|at| (at / size as f64) as f32)
    };
    let ([left, right], [top, bottom]) = (edges(w), edges(h));
    Ok([left, top, right, bottom])
}

/// 8-bit pixels to `(v / 255 - mean) / std`, in the picture's order (rows of RGB).
pub fn normalize(image: &RgbImage, p: &Preprocess) -> Vec<f32> {
    let mut out = vec![0.0; image.as_raw().len()];
    normalize_into(image, p, &mut out);
    out
}

/// [`normalize`] into a slice of the picture's length; a longer rest stays as it is.
pub fn normalize_into(image: &RgbImage, p: &Preprocess, out: &mut [f32]) {
    let tables = levels(p);
    for (o, px) in out.chunks_exact_mut(3).zip(image.as_raw().chunks_exact(3)) {
        for c in 0..3 {
            o[c] = tables[c][usize::from(px[c])];
        }
    }
}

/// What [`normalize`] makes of each level of each channel.
pub(in crate::data) fn levels(p: &Preprocess) -> [[f32; 256]; 3] {
    std::array::from_fn(|c| std::array::from_fn(|v| (v as f32 / 255.0 - p.mean[c]) / p.std[c]))
}

/// A normalised `[side, side, 3]` view as a picture again: the inverse of [`normalize`], rounded to whole levels.
pub fn denormalize(view: &[f32], side: usize, p: &Preprocess) -> RgbImage {
    let level = |c: usize, v: f32| ((v * p.std[c] + p.mean[c]) * 255.0).round() as u8;
    RgbImage::from_fn(side as u32, side as u32, |x, y| {
        let at = (y as usize * side + x as usize) * 3;
        image::Rgb(std::array::from_fn(|c| view.get(at + c).map_or(0, |&v| level(c, v))))
    })
}

/// Width and height after torchvision's `Resize(size)`: the shorter side becomes `size`, the longer one
/// `int(size * long / short)`.
///
/// # Errors
/// If a side or `size` is 0.
pub fn resized_dims((w, h): (u32, u32), size: usize) -> Result<(usize, usize)> {
    if w == 0 || h == 0 || size == 0 {
        return Err(Error::input(format!("a picture of {w}x{h} pixels cannot be resized to {size}")));
    }
    let longer = |long: u32, short: u32| (size as f64 * f64::from(long) / f64::from(short)) as usize;
    Ok(if w <= h { (size, longer(h, w)) } else { (longer(w, h), size) })
}

/// How many times larger than needed a picture must be before it is worth reducing.
const WORTH_REDUCING: f64 = 1.25;

/// A copy whose shorter side is `side`, antialiased; none where the picture is hardly larger than that.
///
/// # Errors
/// If the picture is empty.
pub fn reduced(image: &RgbImage, side: usize) -> Result<Option<RgbImage>> {
    let (w, h) = image.dimensions();
    if f64::from(w.min(h)) < side as f64 * WORTH_REDUCING {
        return Ok(None);
    }
    let (w, h) = resized_dims((w, h), side)?;
    resize(image, Source::whole(image), (w as u32, h as u32), Interpolation::Bilinear).map(Some)
}

/// One axis of a centre crop.
struct Axis {
    /// First kept pixel.
    start: usize,
    /// Kept pixels.
    len: usize,
    /// Black pixels before them.
    pad: usize,
}

impl Axis {
    /// torchvision's `CenterCrop`: half of the difference, rounded to even; a picture that is too small is padded first.
    fn center(size: usize, crop: usize) -> Self {
        if crop > size {
            return Self { start: 0, len: size, pad: (crop - size) / 2 };
        }
        let start = ((size - crop) as f64 / 2.0).round_ties_even() as usize;
        Self { start, len: crop, pad: 0 }
    }
}

/// What the evaluation view shows of a picture.
struct EvalCut {
    /// What is resized.
    source: Source,
    /// The columns of the resized picture that are kept.
    x: Axis,
    /// Its rows.
    y: Axis,
}

impl EvalCut {
    fn of((width, height): (u32, u32), p: &Preprocess) -> Result<Self> {
        let (w, h) = resized_dims((width, height), p.resize_px)?;
        let x = Axis::center(w, p.crop_px);
        let y = Axis::center(h, p.crop_px);
        let scale_x = f64::from(width) / w as f64;
        let scale_y = f64::from(height) / h as f64;
        let source = Source {
            left: x.start as f64 * scale_x,
            top: y.start as f64 * scale_y,
            width: x.len as f64 * scale_x,
            height: y.len as f64 * scale_y,
        };
        Ok(Self { source, x, y })
    }
}

/// A part of a picture, in pixels; edges may lie between pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Source {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Source {
    /// All of a picture.
    pub fn whole(image: &RgbImage) -> Self {
        let (width, height) = (f64::from(image.width()), f64::from(image.height()));
        Self { left: 0.0, top: 0.0, width, height }
    }
}

/// Start and length of a part of an axis of `size` pixels, of which rounding may have put an edge a hair outside.
fn span(start: f64, len: f64, size: u32) -> (f64, f64) {
    let start = start.clamp(0.0, f64::from(size));
    (start, len.min(f64::from(size) - start))
}

thread_local! {
    /// Keeps the buffer between its passes.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

/// Resizes a part of a picture with Pillow's antialiased filters. Pixels outside of the part, but in the picture, still count
/// where the filter reaches them.
///
/// # Errors
/// If the picture, the part or the result is empty, or the part reaches outside.
pub fn resize(
    image: &RgbImage,
    from: Source,
    (width, height): (u32, u32),
    filter: Interpolation,
) -> Result<RgbImage> {
    let failed = |e: &dyn std::fmt::Display| {
        let (w, h) = image.dimensions();
        Error::input(format!("a picture of {w}x{h} pixels cannot be resized to {width}x{height} ({e})"))
    };
    let source = ImageRef::new(image.width(), image.height(), image.as_raw(), PixelType::U8x3)
        .map_err(|e| failed(&e))?;
    let filter = match filter {
        Interpolation::Bilinear => FilterType::Bilinear,
        Interpolation::Bicubic => FilterType::CatmullRom,
    };
    let (left, w) = span(from.left, from.width, image.width());
    let (top, h) = span(from.top, from.height, image.height());
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter))
        .crop(left, top, w, h)
        .use_alpha(false);
    let mut target = Image::new(width, height, PixelType::U8x3);
    RESIZER.with_borrow_mut(|r| r.resize(&source, &mut target, &options)).map_err(|e| failed(&e))?;
    RgbImage::from_raw(width, height, target.into_vec())
        .ok_or_else(|| Error::internal("a resized picture has the wrong length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_that_is_seen_is_in_the_middle_and_reaches_out_where_it_is_padded() {
        let p = |resize_px, crop_px| Preprocess { resize_px, crop_px, ..Preprocess::IMAGENET };
        assert_eq!(eval_region((400, 200), &p(100, 80)).unwrap(), [0.3, 0.1, 0.7, 0.9]);
        assert_eq!(eval_region((200, 200), &p(100, 100)).unwrap(), [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(eval_region((50, 100), &p(100, 120)).unwrap(), [-0.1, 0.2, 1.1, 0.8]);
    }

    #[test]
    fn only_much_larger_pictures_are_reduced() {
        let of = |w, h| reduced(&RgbImage::new(w, h), 100).unwrap().map(|i| i.dimensions());
        assert_eq!(of(124, 300), None);
        assert_eq!(of(125, 300), Some((100, 240)));
        assert_eq!(of(800, 400), Some((200, 100)));
    }
}
