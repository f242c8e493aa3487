//! All that is random about a training view, drawn ahead of what is done with it.

use super::operations::Operation;
use super::{Region, erase, policy, random_erasure, random_region, resized_crop, rotate};
use crate::config::{AugmentConfig, Preprocess};
use crate::data::color;
use crate::data::transform::normalize;
use crate::error::Result;
use crate::nn::rng::Rng;
use image::{RgbImage, imageops};

/// A step of `ColorJitter`, with what torchvision draws for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Adjustment {
    /// Factor.
    Brightness(f64),
    /// Factor.
    Contrast(f64),
    /// Factor.
    Saturation(f64),
    /// Share of a full circle.
    Hue(f64),
}

/// What is done to a picture, in this order.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What is cut out and resized to the view's square.
    pub region: Region,
    /// Whether it is mirrored left to right, and upside down.
    pub mirrored: [bool; 2],
    /// Counter-clockwise, in degrees.
    pub rotation: Option<f64>,
    /// Of colour.
    pub adjustments: Vec<Adjustment>,
    /// Of a policy, each with its magnitude.
    pub operations: Vec<(Operation, f64)>,
    /// What is set to the mean colour.
    pub erased: Option<Region>,
}

impl Plan {
    /// Draws a plan for a picture of these dimensions; the same generator gives the same one.
    ///
    /// # Errors
    /// If the picture is empty.
    pub fn draw(
        dimensions: (u32, u32),
        p: &Preprocess,
        config: &AugmentConfig,
        rng: &mut Rng,
    ) -> Result<Self> {
        let region = random_region(dimensions, config.crop_scale, config.crop_ratio, rng)?;
        let mirrored = [config.hflip, config.vflip].map(|share| rng.uniform() < share);
        let degrees = config.rotation_degrees;
        let rotation = (degrees > 0.0).then(|| rng.range(-degrees, degrees));
        let adjustments = color_jitter(config, rng);
        let operations = policy::draw(config, (p.crop_px as u32, p.crop_px as u32), rng);
        let erased = if rng.uniform() < config.erasing { random_erasure(p.crop_px, rng) } else { None };
        Ok(Self { region, mirrored, rotation, adjustments, operations, erased })
    }

    /// The view of a picture, `[crop_px, crop_px, 3]` f32, normalised.
    ///
    /// # Errors
    /// If the picture is smaller than the one that the plan was drawn for.
    pub fn view(&self, image: &RgbImage, p: &Preprocess) -> Result<Vec<f32>> {
        let mut view = resized_crop(image, self.region, p.crop_px, p.interpolation)?;
        if self.mirrored[0] {
            imageops::flip_horizontal_in_place(&mut view);
        }
        if self.mirrored[1] {
            imageops::flip_vertical_in_place(&mut view);
        }
        if let Some(degrees) = self.rotation {
            view = rotate(&view, degrees);
        }
        for adjustment in &self.adjustments {
            match *adjustment {
                Adjustment::Brightness(factor) => color::adjust_brightness(&mut view, factor),
                Adjustment::Contrast(factor) => color::adjust_contrast(&mut view, factor),
                Adjustment::Saturation(factor) => color::adjust_saturation(&mut view, factor),
                Adjustment::Hue(shift) => color::adjust_hue(&mut view, shift),
            }
        }
        for &(operation, magnitude) in &self.operations {
            operation.apply(&mut view, magnitude);
        }
        let mut out = normalize(&view, p);
        if let Some(region) = self.erased {
            erase(&mut out, p.crop_px, region);
        }
        Ok(out)
    }
}

/// `ColorJitter`: brightness, contrast, saturation and hue in random order, each only where its range is not 0.
fn color_jitter(config: &AugmentConfig, rng: &mut Rng) -> Vec<Adjustment> {
    let mut order = [0, 1, 2, 3];
    rng.shuffle(&mut order);
    let factor = |rng: &mut Rng, range: f64| rng.range((1.0 - range).max(0.0), 1.0 + range);
    let mut adjustments = Vec::with_capacity(order.len());
    for what in order {
        adjustments.push(match what {
            0 if config.brightness > 0.0 => Adjustment::Brightness(factor(rng, config.brightness)),
            1 if config.contrast > 0.0 => Adjustment::Contrast(factor(rng, config.contrast)),
            2 if config.saturation > 0.0 => Adjustment::Saturation(factor(rng, config.saturation)),
            3 if config.hue > 0.0 => Adjustment::Hue(rng.range(-config.hue, config.hue)),
            _ => continue,
        });
    }
    adjustments
}
