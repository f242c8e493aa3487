//! Augmentation policies: which operation with which magnitude a picture gets.
//!
//! TrivialAugment, wide space (Müller & Hutter 2021, arXiv:2103.10158): one operation, any magnitude. RandAugment (Cubuk et
//! al. 2020, arXiv:1909.13719): several operations of one magnitude. Spaces and bins are torchvision's.

use super::operations::Operation;
use crate::config::{AugmentConfig, AugmentPolicy};
use crate::nn::rng::Rng;

/// Steps from the least to the largest magnitude.
pub const BINS: usize = 31;

/// What the chosen policy does to a picture of these dimensions, each operation with its magnitude; without one, nothing is drawn
/// from `rng`.
pub fn draw(config: &AugmentConfig, dimensions: (u32, u32), rng: &mut Rng) -> Vec<(Operation, f64)> {
    match config.policy {
        AugmentPolicy::None => Vec::new(),
        AugmentPolicy::Trivial => {
            let operation = any(rng);
            let bin = rng.below(BINS);
            vec![signed(operation, trivial(operation, bin), rng)]
        }
        AugmentPolicy::Rand => {
            let mut operations = Vec::with_capacity(config.rand_operations);
            for _ in 0..config.rand_operations {
                let operation = any(rng);
                operations.push(signed(operation, rand(operation, config.rand_magnitude, dimensions), rng));
            }
            operations
        }
    }
}

fn any(rng: &mut Rng) -> Operation {
    Operation::ALL.get(rng.below(Operation::ALL.len())).copied().unwrap_or(Operation::Identity)
}

fn signed(operation: Operation, magnitude: f64, rng: &mut Rng) -> (Operation, f64) {
    let sign = if has_sign(operation) && rng.below(2) == 1 { -1.0 } else { 1.0 };
    (operation, sign * magnitude)
}

/// Whether a magnitude may go either way.
fn has_sign(operation: Operation) -> bool {
    use Operation::*;
    !matches!(operation, Identity | Posterize | Solarize | AutoContrast | Equalize)
}

/// Magnitude of a bin, from 0 to 30, in TrivialAugment's wide space.
pub fn trivial(operation: Operation, bin: usize) -> f64 {
    use Operation::*;
    match operation {
        ShearX | ShearY | Brightness | Color | Contrast | Sharpness => spaced(0.0, 0.99, bin),
        TranslateX | TranslateY => spaced(0.0, 32.0, bin),
        Rotate => spaced(0.0, 135.0, bin),
        Posterize => bits(bin, 6.0),
        Solarize => spaced(255.0, 0.0, bin),
        Identity | AutoContrast | Equalize => 0.0,
    }
}

/// Magnitude of a bin, from 0 to 30, in RandAugment's space, for a picture of `width` and `height` pixels.
pub fn rand(operation: Operation, bin: usize, (width, height): (u32, u32)) -> f64 {
    use Operation::*;
    let shift = |side: u32| spaced(0.0, 150.0 / 331.0 * f64::from(side), bin);
    match operation {
        ShearX | ShearY => spaced(0.0, 0.3, bin),
        TranslateX => shift(width),
        TranslateY => shift(height),
        Rotate => spaced(0.0, 30.0, bin),
        Brightness | Color | Contrast | Sharpness => spaced(0.0, 0.9, bin),
        Posterize => bits(bin, 4.0),
        Solarize => spaced(255.0, 0.0, bin),
        Identity | AutoContrast | Equalize => 0.0,
    }
}

/// A bin of PyTorch's `linspace` in single precision.
fn spaced(from: f64, to: f64, bin: usize) -> f64 {
    let (from, to) = (from as f32, to as f32);
    let step = (to - from) / (BINS - 1) as f32;
    let bin = bin.min(BINS - 1);
    let value = if bin < BINS / 2 { from + step * bin as f32 } else { to - step * (BINS - 1 - bin) as f32 };
    f64::from(value)
}

/// 8 bits less up to `most`.
fn bits(bin: usize, most: f64) -> f64 {
    8.0 - (bin as f64 / ((BINS - 1) as f64 / most)).round_ties_even()
}
