//! How training pictures are varied.

use super::AugmentPolicy;
use serde::{Deserialize, Serialize};

/// `[augment]`: how training pictures are varied. Definitions and parameters are torchvision's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Off: training pictures are prepared exactly like validation pictures.
    pub enabled: bool,
    /// `RandomResizedCrop`: smallest and largest share of the picture's area, each in `(0, 1]`.
    pub crop_scale: [f64; 2],
    /// `RandomResizedCrop`: narrowest and widest aspect ratio (width / height).
    pub crop_ratio: [f64; 2],
    /// Probability of a left-right flip.
    pub hflip: f64,
    /// Probability of an upside-down flip.
    pub vflip: f64,
    /// `RandomRotation`: largest angle to either side, in degrees.
    pub rotation_degrees: f64,
    /// `ColorJitter`: brightness factor is drawn from `[max(0, 1 - b), 1 + b]`.
    pub brightness: f64,
    /// `ColorJitter`: contrast, likewise.
    pub contrast: f64,
    /// `ColorJitter`: saturation, likewise.
    pub saturation: f64,
    /// `ColorJitter`: hue shift is drawn from `[-h, h]`, h at most 0.5.
    pub hue: f64,
    /// `RandomErasing`: probability that a rectangle is blanked.
    pub erasing: f64,
    /// TrivialAugment or RandAugment.
    pub policy: AugmentPolicy,
    /// RandAugment: operations on each view.
    pub rand_operations: usize,
    /// RandAugment: their strength, from 0 to 30.
    pub rand_magnitude: usize,
    /// MixUp (Zhang et al. 2018): each picture is blended with another of its step, and so are their labels. The share of each
    /// is drawn from Beta(alpha, alpha), and this is alpha; 0 is off. Only where the network learns from pictures themselves.
    pub mixup: f64,
    /// CutMix (Yun et al. 2019): a rectangle of each picture is replaced by the same of another, and their labels are blended by
    /// area. Alpha of Beta(alpha, alpha) again; 0 is off. With both, each step draws one of the two.
    pub cutmix: f64,
    /// How many augmented views of each training picture are computed once and kept for a frozen backbone.
    pub views: usize,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            crop_scale: [0.35, 1.0],
            crop_ratio: [3.0 / 4.0, 4.0 / 3.0],
            hflip: 0.5,
            vflip: 0.0,
            rotation_degrees: 0.0,
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            hue: 0.0,
            erasing: 0.0,
            policy: AugmentPolicy::None,
            rand_operations: 2,
            rand_magnitude: 9,
            mixup: 0.0,
            cutmix: 0.0,
            views: 4,
        }
    }
}

impl AugmentConfig {
    /// Whether the pictures of a step are mixed with each other.
    pub fn mixes(&self) -> bool {
        self.enabled && (self.mixup > 0.0 || self.cutmix > 0.0)
    }
}
