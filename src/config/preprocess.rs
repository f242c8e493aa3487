//! How a picture is prepared for a backbone: what its weights were trained with.

use serde::{Deserialize, Serialize};

/// How pixels between pixels are made when a picture is resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// Triangle filter, antialiased when shrinking (Pillow's `BILINEAR`).
    Bilinear,
    /// Cubic filter with a = -0.5, antialiased when shrinking (Pillow's `BICUBIC`).
    Bicubic,
}

/// torchvision's `Resize(resize_px) → CenterCrop(crop_px) → Normalize(mean, std)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Length of the shorter side after resizing, in pixels.
    pub resize_px: usize,
    /// Side of the square cut from the middle, in pixels: the network's input size.
    pub crop_px: usize,
    /// Resizing filter.
    pub interpolation: Interpolation,
    /// Mean of each channel (red, green, blue), of pixels in `[0, 1]`.
    pub mean: [f32; 3],
    /// Standard deviation of each channel.
    pub std: [f32; 3],
}

impl Preprocess {
    /// What torchvision's ImageNet weights were trained with: 256, 224, bilinear, ImageNet's mean and deviation.
    pub const IMAGENET: Self = Self {
        resize_px: 256,
        crop_px: 224,
        interpolation: Interpolation::Bilinear,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };
}
