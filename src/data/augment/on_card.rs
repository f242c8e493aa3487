//! Views made by kernels for cards (`nn/ops/card/kernels/views.cu`): random ones from the plans that the processor draws, and those of
//! evaluation.
//!
//! They get the pixels that are cut out, in 8 bits, and do with them what [`Plan::view`] and [`eval_view`](crate::data::transform::eval_view)
//! do, with the same numbers: the taps of the resizing filter are computed here. The views are the processor's to the bit.

use super::operations::{Operation, kept_bits};
use super::plan::{Adjustment, Plan};
use super::{Region, fixed, resized_crop, rotation};
use crate::config::Preprocess;
use crate::data::color::hue_steps;
use crate::data::transform::{eval_picture, eval_taps, levels, taps};
use crate::error::Result;
use crate::nn::ops::card::{self, Change, Recolour, View};
use candle_core::{DType, Device, Tensor};
use image::RgbImage;
use rayon::prelude::*;
use std::sync::Arc;

/// Bytes of pictures that are sent at once, unless a single one has more.
const BYTES: usize = 256 << 20;

/// Pixels for each of a view's, above which a picture is resized on the processor: for one so large that is little beside decoding it,
/// and sending it is not. No card has measured where the line is best drawn.
const LARGEST_CUT: usize = 16;

/// What is made of a picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Recipe {
    /// Its evaluation view.
    Eval,
    /// The picture is the square of the evaluation view.
    Square,
    /// A random view.
    Random(Plan),
}

/// Whether kernels make views on this device.
pub(crate) fn serves(p: &Preprocess, device: &Device) -> bool {
    p.crop_px <= card::LARGEST_VIEW && card::serves_device(device)
}

/// The same of a picture that is worth sending: of a large one, the square that is cut out of it.
///
/// # Errors
/// If the picture is empty, or the plan was drawn for another.
pub(crate) fn lightened(
    image: Arc<RgbImage>,
    recipe: Recipe,
    p: &Preprocess,
) -> Result<(Arc<RgbImage>, Recipe)> {
    let (side, whole) = (p.crop_px, image.width() as usize * image.height() as usize);
    let is_large = |pixels: usize| pixels > side * side * LARGEST_CUT;
    Ok(match recipe {
        Recipe::Eval if is_large(whole) => (Arc::new(eval_picture(&image, p)?), Recipe::Square),
        Recipe::Random(plan) if is_large(plan.region.height * plan.region.width) => {
            let square = resized_crop(&image, plan.region, side, p.interpolation)?;
            let region = Region { top: 0, left: 0, height: side, width: side };
            (Arc::new(square), Recipe::Random(Plan { region, ..plan }))
        }
        recipe => (image, recipe),
    })
}

/// The views of pictures, `[N, crop_px, crop_px, 3]` f32 on `device`, normalised; at least one.
///
/// # Errors
/// If a plan was drawn for another picture, or the device has no room.
pub(crate) fn views(pictures: &[(Arc<RgbImage>, Recipe)], p: &Preprocess, device: &Device) -> Result<Tensor> {
    in_parts(pictures, p, device, BYTES)
}

/// The same, with `most` bytes of pictures at once.
fn in_parts(
    pictures: &[(Arc<RgbImage>, Recipe)],
    p: &Preprocess,
    device: &Device,
    most: usize,
) -> Result<Tensor> {
    let values: Vec<f32> = levels(p).into_iter().flatten().collect();
    let views: Vec<View<'_>> =
        pictures.par_iter().map(|(image, recipe)| view(image, recipe, p)).collect::<Result<_>>()?;
    let (mut parts, mut left) = (Vec::new(), &views[..]);
    while !left.is_empty() {
        let mut bytes = 0;
        let has_room = |view: &&View<'_>| {
            bytes += view.cut[2] * view.cut[3] * 3;
            bytes <= most
        };
        let (now, rest) = left.split_at(left.iter().take_while(has_room).count().max(1));
        parts.push(card::views(now, p.crop_px, &values, device, DType::F32)?);
        left = rest;
    }
    if let [all] = &parts[..] { Ok(all.clone()) } else { Ok(Tensor::cat(&parts, 0)?) }
}

fn view<'a>(image: &'a RgbImage, recipe: &Recipe, p: &Preprocess) -> Result<View<'a>> {
    let square = [0, 0, p.crop_px, p.crop_px];
    let (cut, taps) = match recipe {
        Recipe::Random(plan) => return Ok(random_view(image, plan, p)),
        Recipe::Eval => eval_taps(image.dimensions(), p)?,
        Recipe::Square => (square, [0, 1].map(|_| taps(p.crop_px, p.crop_px, p.interpolation))),
    };
    Ok(View {
        pixels: image.as_raw(),
        width: image.width() as usize,
        cut,
        taps,
        mirrored: [false; 2],
        turned: None,
        recolours: Vec::new(),
        changes: Vec::new(),
        erased: None,
    })
}

fn random_view<'a>(image: &'a RgbImage, plan: &Plan, p: &Preprocess) -> View<'a> {
    let numbers = |r: Region| [r.top, r.left, r.height, r.width];
    let side = p.crop_px;
    View {
        pixels: image.as_raw(),
        width: image.width() as usize,
        cut: numbers(plan.region),
        taps: [plan.region.height, plan.region.width].map(|size| taps(size, side, p.interpolation)),
        mirrored: plan.mirrored,
        turned: plan.rotation.map(|degrees| turn(degrees, side)),
        recolours: plan.adjustments.iter().map(|a| recolour(*a)).collect(),
        changes: plan.operations.iter().filter_map(|&(o, magnitude)| change(o, magnitude, side)).collect(),
        erased: plan.erased.map(numbers),
    }
}

/// Where the pixels of a turned square come from.
fn turn(degrees: f64, side: usize) -> [i32; 6] {
    from(rotation(degrees.rem_euclid(360.0), (side as u32, side as u32)))
}

/// Pictures of some thousand pixels: 16 bits are left for them in front of the point.
fn from(matrix: [f64; 6]) -> [i32; 6] {
    fixed(matrix).map(|v| v as i32)
}

/// An operation of a policy, unless it changes nothing.
fn change(operation: Operation, magnitude: f64, side: usize) -> Option<Change> {
    let factor = (1.0 + magnitude) as f32;
    if let Some(matrix) = operation.matrix(magnitude) {
        return Some(Change::Move(from(matrix)));
    }
    Some(match operation {
        Operation::Rotate => Change::Move(turn(magnitude, side)),
        Operation::Brightness => Change::Brightness(factor),
        Operation::Color => Change::Colour(factor),
        Operation::Contrast => Change::Contrast(factor),
        Operation::Sharpness => Change::Sharpness(factor),
        Operation::Posterize => Change::Posterize(kept_bits(magnitude)),
        Operation::Solarize => Change::Solarize(magnitude.ceil() as u32),
        Operation::AutoContrast => Change::AutoContrast,
        Operation::Equalize => Change::Equalize,
        _ => return None,
    })
}

fn recolour(adjustment: Adjustment) -> Recolour {
    match adjustment {
        Adjustment::Brightness(factor) => Recolour::Brightness(factor as f32),
        Adjustment::Contrast(factor) => Recolour::Contrast(factor as f32),
        Adjustment::Saturation(factor) => Recolour::Saturation(factor as f32),
        Adjustment::Hue(shift) => Recolour::Hue(hue_steps(shift)),
    }
}

#[cfg(test)]
#[cfg(feature = "emulated-card")]
mod tests {
    use super::*;
    use crate::config::{AugmentConfig, AugmentPolicy, Interpolation};
    use crate::data::augment::policy::{BINS, rand, trivial};
    use crate::data::transform::{eval_view, normalize};
    use crate::nn::ops::card::emulated;
    use crate::nn::rng::Rng;

    /// Everything at once, with both filters, smaller and larger than the cuts: no value differs.
    #[test]
    fn views_are_those_of_the_processor_to_the_bit() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = root.join("tests/fixtures/data_policies.png");
        let picture = Arc::new(image::open(file).unwrap().to_rgb8());
        let wide = Arc::new(image::imageops::crop_imm(&*picture, 0, 10, picture.width(), 37).to_image());
        let mut config =
            AugmentConfig { enabled: true, policy: AugmentPolicy::None, ..AugmentConfig::default() };
        config.hflip = 0.5;
        config.vflip = 0.5;
        config.rotation_degrees = 40.0;
        [config.brightness, config.contrast, config.saturation, config.hue] = [0.6, 0.7, 0.8, 0.5];
        config.erasing = 0.5;
        let plain = AugmentConfig {
            rotation_degrees: 0.0,
            brightness: 0.0,
            contrast: 0.0,
            hue: 0.0,
            ..config.clone()
        };
        for (crop_px, interpolation) in
            [(40, Interpolation::Bilinear), (33, Interpolation::Bicubic), (230, Interpolation::Bicubic)]
        {
            let p = Preprocess { crop_px, interpolation, ..Preprocess::IMAGENET };
            let keys = if crop_px > 100 { 0..4 } else { 0..24 };
            let mut plans: Vec<(Arc<RgbImage>, Recipe)> = keys
                .map(|key| {
                    let image = if key % 3 == 0 { &wide } else { &picture };
                    let config = if key % 4 == 1 { &plain } else { &config };
                    let mut rng = Rng::for_key(3, &[key]);
                    let plan = Plan::draw(image.dimensions(), &p, config, &mut rng).unwrap();
                    (Arc::clone(image), Recipe::Random(plan))
                })
                .collect();
            // Views of one picture that are sent together, and of which each is sent.
            plans.sort_by_key(|(image, _)| image.height());
            let made = emulated(|| views(&plans, &p, &Device::Cpu).unwrap());
            assert_eq!(made.dims(), [plans.len(), crop_px, crop_px, 3]);
            let parts = emulated(|| in_parts(&plans, &p, &Device::Cpu, 20_000).unwrap());
            let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(flat(&made) == flat(&parts));
            for (i, (image, recipe)) in plans.iter().enumerate() {
                let want = on_processor(image, recipe, &p).unwrap();
                let got = made.get(i).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let differing = want.iter().zip(&got).filter(|(a, b)| a != b).count();
                assert_eq!(differing, 0, "{crop_px} {interpolation:?} {recipe:?}");
            }
        }
    }

    fn on_processor(image: &RgbImage, recipe: &Recipe, p: &Preprocess) -> Result<Vec<f32>> {
        match recipe {
            Recipe::Random(plan) => plan.view(image, p),
            Recipe::Eval => eval_view(image, p),
            Recipe::Square => Ok(normalize(image, p)),
        }
    }

    /// Enlarged and reduced, cut and padded, both ways around, of even and odd sides, with both filters: no value differs.
    #[test]
    fn evaluation_views_are_those_of_the_processor_to_the_bit() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let picture = image::open(root.join("tests/fixtures/data_policies.png")).unwrap().to_rgb8();
        let (w, h) = picture.dimensions();
        let cut = |w: u32, h: u32| Arc::new(image::imageops::crop_imm(&picture, 3, 2, w, h).to_image());
        let images = [cut(w - 3, h - 2), cut(w - 3, 29), cut(23, h - 2), cut(40, 40), cut(41, 40), cut(1, 9)];
        for (resize_px, crop_px) in [(40, 32), (33, 33), (24, 37), (61, 20), (50, 49), (256, 224)] {
            for interpolation in [Interpolation::Bilinear, Interpolation::Bicubic] {
                let p = Preprocess { resize_px, crop_px, interpolation, ..Preprocess::IMAGENET };
                let images = if crop_px > 100 { &images[..1] } else { &images[..] };
                let whole = images.iter().map(|image| (Arc::clone(image), Recipe::Eval));
                let square = |image| (Arc::new(eval_picture(image, &p).unwrap()), Recipe::Square);
                let all: Vec<_> = whole.chain(images.iter().map(|image| square(image))).collect();
                let made = emulated(|| views(&all, &p, &Device::Cpu).unwrap());
                for (i, (image, recipe)) in all.iter().enumerate() {
                    let got = made.get(i).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                    let size = image.dimensions();
                    assert!(
                        got == on_processor(image, recipe, &p).unwrap(),
                        "{recipe:?} of {size:?} by {p:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn of_large_pictures_the_square_is_sent_and_shows_the_same() {
        let p = Preprocess { resize_px: 10, crop_px: 8, ..Preprocess::IMAGENET };
        let picture = |w: u32, h: u32| {
            Arc::new(RgbImage::from_fn(w, h, |x, y| {
                image::Rgb([x * 3, y * 5, x * y].map(|level| level as u8))
            }))
        };
        let (small, large) = (picture(32, 32), picture(60, 40));
        let config = AugmentConfig { enabled: true, crop_scale: [0.9, 1.0], ..AugmentConfig::default() };
        let draw = |image: &RgbImage| {
            Recipe::Random(Plan::draw(image.dimensions(), &p, &config, &mut Rng::for_key(1, &[])).unwrap())
        };
        for recipe in [Recipe::Eval, draw(&small)] {
            let (image, same) = lightened(Arc::clone(&small), recipe.clone(), &p).unwrap();
            assert!(Arc::ptr_eq(&image, &small) && same == recipe);
        }
        for recipe in [Recipe::Eval, draw(&large)] {
            let (image, light) = lightened(Arc::clone(&large), recipe.clone(), &p).unwrap();
            assert_eq!(image.dimensions(), (8, 8));
            assert!(
                on_processor(&image, &light, &p).unwrap() == on_processor(&large, &recipe, &p).unwrap(),
                "{recipe:?}"
            );
        }
    }

    /// Quarter turns, a cut of the square's own size, every hue and all levels.
    #[test]
    fn exact_turns_and_all_colours_are_those_of_the_processor() {
        let side = 64;
        let levels = |x: u32, y: u32| [x * 4 + y % 4, (y * 4) ^ (x % 4), (x * 7 + y * 13) % 256];
        let image =
            Arc::new(RgbImage::from_fn(side, side, |x, y| image::Rgb(levels(x, y).map(|level| level as u8))));
        let p = Preprocess { crop_px: side as usize, ..Preprocess::IMAGENET };
        let whole = Region { top: 0, left: 0, height: side as usize, width: side as usize };
        let plan = |degrees: Option<f64>, adjustments| Plan {
            region: whole,
            mirrored: [false; 2],
            rotation: degrees,
            adjustments,
            operations: Vec::new(),
            erased: None,
        };
        let turns =
            [0.0, 90.0, 180.0, 270.0, -90.0, 360.0, 45.0].map(|degrees| plan(Some(degrees), Vec::new()));
        let hues = (-8..=8).map(|i| plan(None, vec![Adjustment::Hue(f64::from(i) / 16.0)]));
        let factors = [0.0, 0.3, 1.0, 1.7, 4.0].into_iter().flat_map(|factor| {
            let all = [Adjustment::Brightness, Adjustment::Contrast, Adjustment::Saturation];
            all.map(|of| plan(None, vec![of(factor)]))
        });
        let plans: Vec<(Arc<RgbImage>, Recipe)> = turns
            .into_iter()
            .chain(hues)
            .chain(factors)
            .map(|plan| (Arc::clone(&image), Recipe::Random(plan)))
            .collect();
        let made = emulated(|| views(&plans, &p, &Device::Cpu).unwrap());
        for (i, (image, recipe)) in plans.iter().enumerate() {
            let got = made.get(i).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(got == on_processor(image, recipe, &p).unwrap(), "{recipe:?}");
        }
    }

    /// Every operation with the least and the largest magnitudes and some between, both ways, of a picture with all levels, of one with
    /// few and of one with a single colour; two operations in a row; behind turns and jitter: no value differs.
    #[test]
    fn operations_of_policies_are_those_of_the_processor_to_the_bit() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let many = Arc::new(image::open(root.join("tests/fixtures/data_policies.png")).unwrap().to_rgb8());
        let (w, h) = many.dimensions();
        let few =
            |x: u32, y: u32| [90 + x % 3, 100 + (x * y) % 7, if y < 9 { 0 } else { 31 }].map(|v| v as u8);
        let few = Arc::new(RgbImage::from_fn(w, h, |x, y| image::Rgb(few(x, y))));
        let one = Arc::new(RgbImage::from_pixel(w, h, image::Rgb([7, 200, 255])));
        let side = 45;
        let p = Preprocess { crop_px: side, ..Preprocess::IMAGENET };
        let region = Region { top: 1, left: 2, height: h as usize - 1, width: w as usize - 2 };
        let plan = |operations, rotation, adjustments| {
            let mirrored = [false; 2];
            Recipe::Random(Plan { region, mirrored, rotation, adjustments, operations, erased: None })
        };
        let mut all = Vec::new();
        for operation in Operation::ALL {
            let bins = [0, 1, 7, 15, 22, BINS - 1];
            let wide = bins.map(|bin| trivial(operation, bin));
            let magnitudes = wide.into_iter().chain(bins.map(|bin| rand(operation, bin, (45, 45))));
            for (i, magnitude) in magnitudes.enumerate() {
                let image = [&many, &few, &one][i % 3];
                let signed = if i % 2 == 0 { magnitude } else { -magnitude };
                let steps = matches!(operation, Operation::Posterize | Operation::Solarize);
                let first = (operation, if steps { magnitude } else { signed });
                all.push((Arc::clone(image), plan(vec![first], None, Vec::new())));
                let next = (Operation::ALL[(i * 5 + 3) % Operation::ALL.len()], 0.4);
                let (turned, contrast) = (Some(11.0), vec![Adjustment::Contrast(1.3)]);
                all.push((Arc::clone(&many), plan(vec![first, next], turned, contrast)));
            }
        }
        // None at all among them, and policies as they are drawn.
        all.push((Arc::clone(&many), plan(Vec::new(), Some(20.0), vec![Adjustment::Saturation(0.2)])));
        for (key, policy) in (0..24).map(|key| (key, [AugmentPolicy::Trivial, AugmentPolicy::Rand][key % 2]))
        {
            let config = AugmentConfig { policy, erasing: 0.5, ..AugmentConfig::default() };
            let mut rng = Rng::for_key(5, &[key as u64]);
            let drawn = Plan::draw(many.dimensions(), &p, &config, &mut rng).unwrap();
            all.push((Arc::clone(&many), Recipe::Random(drawn)));
        }
        let made = emulated(|| views(&all, &p, &Device::Cpu).unwrap());
        for (i, (image, recipe)) in all.iter().enumerate() {
            let got = made.get(i).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let want = on_processor(image, recipe, &p).unwrap();
            let differing = want.iter().zip(&got).filter(|(a, b)| a != b).count();
            assert_eq!(differing, 0, "{recipe:?}");
        }
    }

    #[test]
    fn a_plan_for_another_picture_is_refused() {
        let image = Arc::new(RgbImage::new(20, 10));
        let p = Preprocess { crop_px: 8, ..Preprocess::IMAGENET };
        let plan = Plan::draw((40, 30), &p, &AugmentConfig::default(), &mut Rng::for_key(1, &[0])).unwrap();
        let region = Region { top: 5, left: 0, height: 6, width: 20 };
        let other = Recipe::Random(Plan { region, ..plan });
        let error = emulated(|| views(&[(image, other)], &p, &Device::Cpu).unwrap_err());
        assert!(error.to_string().contains("[5, 0, 6, 20]"), "{error}");
    }
}
