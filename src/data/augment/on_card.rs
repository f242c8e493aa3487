//! Training views made by kernels for cards (`nn/ops/card/kernels/views.cu`), from the plans that the processor draws.
//!
//! They get the pixels that are cut out, in 8 bits, and do with them what [`Plan::view`] does, with the same numbers: the taps of the
//! resizing filter are computed here. The views are the processor's to the bit.

use super::plan::{Adjustment, Plan};
use super::{Region, fixed, rotation};
use crate::config::{AugmentConfig, AugmentPolicy, Preprocess};
use crate::data::color::hue_steps;
use crate::data::transform::{levels, taps};
use crate::error::Result;
use crate::nn::ops::card::{self, Recolour, View};
use candle_core::{DType, Device, Tensor};
use image::RgbImage;
use std::sync::Arc;

/// Bytes of pictures that are sent at once, unless a single one has more.
const BYTES: usize = 256 << 20;

/// Whether kernels make views by these settings on this device. The operations of policies look at a picture's levels and
/// neighbourhoods, and stay on the processor.
pub(crate) fn serves(config: &AugmentConfig, p: &Preprocess, device: &Device) -> bool {
    let steps = config.enabled && config.policy == AugmentPolicy::None;
    steps && p.crop_px <= card::LARGEST_VIEW && card::serves_device(device)
}

/// The views of pictures by their plans, `[N, crop_px, crop_px, 3]` f32 on `device`, normalised.
///
/// # Errors
/// If a plan was drawn for another picture, or the device has no room.
pub(crate) fn views(pictures: &[(Arc<RgbImage>, Plan)], p: &Preprocess, device: &Device) -> Result<Tensor> {
    in_parts(pictures, p, device, BYTES)
}

/// The same, with `most` bytes of pictures at once.
fn in_parts(
    pictures: &[(Arc<RgbImage>, Plan)],
    p: &Preprocess,
    device: &Device,
    most: usize,
) -> Result<Tensor> {
    let values: Vec<f32> = levels(p).into_iter().flatten().collect();
    let (mut parts, mut left) = (Vec::new(), pictures);
    while !left.is_empty() {
        let mut bytes = 0;
        let has_room = |(_, plan): &&(Arc<RgbImage>, Plan)| {
            bytes += plan.region.height * plan.region.width * 3;
            bytes <= most
        };
        let (now, rest) = left.split_at(left.iter().take_while(has_room).count().max(1));
        let views: Vec<View<'_>> = now.iter().map(|(image, plan)| view(image, plan, p)).collect();
        parts.push(card::views(&views, p.crop_px, &values, device, DType::F32)?);
        left = rest;
    }
    if let [all] = &parts[..] { Ok(all.clone()) } else { Ok(Tensor::cat(&parts, 0)?) }
}

fn view<'a>(image: &'a RgbImage, plan: &Plan, p: &Preprocess) -> View<'a> {
    let numbers = |r: Region| [r.top, r.left, r.height, r.width];
    let side = p.crop_px;
    let turn = |degrees: f64| {
        let turned = fixed(rotation(degrees, (side as u32, side as u32)));
        // Pictures of some thousand pixels: 16 bits are left for them in front of the point.
        turned.map(|v| v as i32)
    };
    View {
        pixels: image.as_raw(),
        width: image.width() as usize,
        cut: numbers(plan.region),
        taps: [plan.region.height, plan.region.width].map(|size| taps(size, side, p.interpolation)),
        mirrored: plan.mirrored,
        turned: plan.rotation.map(turn),
        recolours: plan.adjustments.iter().map(|a| recolour(*a)).collect(),
        erased: plan.erased.map(numbers),
    }
}

fn recolour(adjustment: Adjustment) -> Recolour {
    match adjustment {
        Adjustment::Brightness(factor) => Recolour::Brightness(factor as f32),
        Adjustment::Contrast(factor) => Recolour::Contrast(factor as f32),
        Adjustment::Saturation(factor) => Recolour::Saturation(factor as f32),
        Adjustment::Hue(shift) => Recolour::Hue(hue_steps(shift)),
    }
}

#[cfg(all(test, feature = "emulated-card"))]
mod tests {
    use super::*;
    use crate::config::Interpolation;
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
            let plans: Vec<(Arc<RgbImage>, Plan)> = keys
                .map(|key| {
                    let image = if key % 3 == 0 { &wide } else { &picture };
                    let config = if key % 4 == 1 { &plain } else { &config };
                    let mut rng = Rng::for_key(3, &[key]);
                    (Arc::clone(image), Plan::draw(image.dimensions(), &p, config, &mut rng).unwrap())
                })
                .collect();
            let made = emulated(|| views(&plans, &p, &Device::Cpu).unwrap());
            assert_eq!(made.dims(), [plans.len(), crop_px, crop_px, 3]);
            let parts = emulated(|| in_parts(&plans, &p, &Device::Cpu, 20_000).unwrap());
            let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(flat(&made) == flat(&parts));
            for (i, (image, plan)) in plans.iter().enumerate() {
                let want = plan.view(image, &p).unwrap();
                let got = made.get(i).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let differing = want.iter().zip(&got).filter(|(a, b)| a != b).count();
                assert_eq!(differing, 0, "{crop_px} {interpolation:?} {plan:?}");
            }
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
        let plans: Vec<(Arc<RgbImage>, Plan)> =
            turns.into_iter().chain(hues).chain(factors).map(|plan| (Arc::clone(&image), plan)).collect();
        let made = emulated(|| views(&plans, &p, &Device::Cpu).unwrap());
        for (i, (image, plan)) in plans.iter().enumerate() {
            let got = made.get(i).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(got == plan.view(image, &p).unwrap(), "{plan:?}");
        }
    }

    #[test]
    fn a_plan_for_another_picture_is_refused() {
        let image = Arc::new(RgbImage::new(20, 10));
        let p = Preprocess { crop_px: 8, ..Preprocess::IMAGENET };
        let plan = Plan::draw((40, 30), &p, &AugmentConfig::default(), &mut Rng::for_key(1, &[0])).unwrap();
        let region = Region { top: 5, left: 0, height: 6, width: 20 };
        let error = emulated(|| views(&[(image, Plan { region, ..plan })], &p, &Device::Cpu).unwrap_err());
        assert!(error.to_string().contains("[5, 0, 6, 20]"), "{error}");
    }
}
