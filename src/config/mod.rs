//! Everything a person can choose about a training job, as versioned, validated types.
//!
//! This is the only place that sets a default. [`TrainConfig`] is what `project.toml`, a run's `config.toml` and
//! `headstart-cli train --config` hold; keys are addressed as `train.epochs`, `head.kind` and so on ([`TrainConfig::set`]).

mod mode_defaults;
mod preprocess;
mod sample;
mod text;

pub use mode_defaults::{ModeDefaults, ResolvedTrain};
pub use preprocess::{Interpolation, Preprocess};

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Version of the configuration's schema that this program writes.
pub const CONFIG_VERSION: u32 = 1;

/// More memory than any machine that this runs on has.
const MAX_CACHE_MIB: usize = 1 << 20;

/// A whole training job: the five tables of a configuration file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Schema version, [`CONFIG_VERSION`].
    pub version: u32,
    /// Which pictures, and how they are split.
    pub data: DataConfig,
    /// Which pretrained network, and where it is cut.
    pub backbone: BackboneConfig,
    /// What is put on top of it.
    pub head: HeadConfig,
    /// How training pictures are varied.
    pub augment: AugmentConfig,
    /// How the weights are learned.
    pub train: OptimConfig,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            version: CONFIG_VERSION,
            data: DataConfig::default(),
            backbone: BackboneConfig::default(),
            head: HeadConfig::default(),
            augment: AugmentConfig::default(),
            train: OptimConfig::default(),
        }
    }
}

/// `[data]`: which pictures, and how they are split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// The folder of pictures. Never written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Share of each class that is held out for validation where the folder has no `val` of its own, in `(0, 1)`.
    pub val_fraction: f64,
    /// Seed of that split.
    pub split_seed: u64,
    /// Largest picture that is decoded, in millions of pixels: a guard against decompression bombs.
    pub max_megapixels: f64,
    /// Go on although more than a fifth of the pictures cannot be decoded.
    pub allow_many_unreadable: bool,
    /// Memory in MiB for decoded pictures and for what the frozen part computed; what does not fit is decoded again, or kept on
    /// disk. Does not change the result.
    pub cache_mib: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            path: None,
            val_fraction: 0.2,
            split_seed: 0,
            max_megapixels: 200.0,
            allow_many_unreadable: false,
            cache_mib: 2048,
        }
    }
}

/// `[backbone]`: which network, and where it is cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackboneConfig {
    /// Registered name, for example `mobilenet_v2`; `headstart-cli backbones` lists them.
    pub name: String,
    /// Pretrained weights: a `.safetensors` or PyTorch `.pth` file. Without it the backbone starts from random weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// Use only the stages up to and including this one; without it, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_stage: Option<String>,
}

impl Default for BackboneConfig {
    fn default() -> Self {
        Self { name: "small_cnn".to_owned(), weights: None, cut_stage: None }
    }
}

/// What the head is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadKind {
    /// One linear layer from features to classes.
    Linear,
    /// Hidden layers before the linear one.
    Hidden,
}

/// How a feature map `[N, H, W, C]` becomes a feature vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Mean over height and width.
    Avg,
    /// Maximum over height and width.
    Max,
    /// Mean and maximum, one behind the other: twice the width.
    AvgMax,
    /// All positions, channel by channel: `C * H * W`, VGG's way.
    Flatten,
    /// The class token of a vision transformer, which only those have. The other ways leave it out.
    Token,
}

/// Activation between the head's hidden layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadActivation {
    /// max(x, 0).
    Relu,
    /// Gaussian error linear unit.
    Gelu,
    /// x * sigmoid(x).
    Silu,
    /// x * relu6(x + 3) / 6.
    Hardswish,
}

/// What the head's outputs mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadOutput {
    /// One logit a class, softmax cross-entropy.
    Softmax,
    /// One logit for the second of exactly two classes, binary cross-entropy.
    Sigmoid,
}

/// `[head]`: what is put on top of the backbone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeadConfig {
    /// Linear, or with hidden layers.
    pub kind: HeadKind,
    /// Pooling before the head; without it, the backbone's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// Widths of the hidden layers (for `kind = "hidden"`).
    pub hidden: Vec<usize>,
    /// Activation after each hidden layer.
    pub activation: HeadActivation,
    /// Share of features dropped before each linear layer while training, in `[0, 1)`.
    pub dropout: f64,
    /// Softmax over the classes, or a single sigmoid for a pair.
    pub output: HeadOutput,
}

impl Default for HeadConfig {
    fn default() -> Self {
        Self {
            kind: HeadKind::Linear,
            pooling: None,
            hidden: vec![256],
            activation: HeadActivation::Relu,
            dropout: 0.0,
            output: HeadOutput::Softmax,
        }
    }
}

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
            views: 4,
        }
    }
}

/// Which weights learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainMode {
    /// `frozen` where pretrained weights are given, `scratch` where not.
    Auto,
    /// Only the head learns; the backbone is a feature extractor.
    Frozen,
    /// The head first, then also the last stages ([`OptimConfig::last_stages`]).
    LastStages,
    /// The head first, then everything.
    Full,
    /// Everything from random weights: the honest baseline.
    Scratch,
}

/// How a linear head on frozen features is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// Epochs of gradient descent with the chosen optimizer.
    Gradient,
    /// At once, as an L2-regularised logistic regression (L-BFGS); frozen mode and a linear head only.
    Logistic,
}

/// The update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam, weight decay added to the gradient.
    Adam,
    /// Adam with decoupled weight decay.
    AdamW,
}

/// How the learning rate moves with the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Unchanged.
    Constant,
    /// Times [`OptimConfig::step_gamma`] every [`OptimConfig::step_epochs`] epochs.
    Step,
    /// Half a cosine down to zero.
    Cosine,
    /// Up to the rate, then down to almost nothing (1cycle).
    OneCycle,
}

/// Which number decides the best epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Share of validation pictures classified correctly; higher is better.
    Accuracy,
    /// Unweighted mean of the classes' F1; higher is better.
    MacroF1,
    /// Validation loss; lower is better.
    Loss,
}

/// What batch normalisation does while the backbone learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchNormMode {
    /// `frozen` for pretrained backbones, `train` from scratch.
    Auto,
    /// The pretrained running statistics are used and kept.
    Frozen,
    /// Batch statistics are used and the running ones updated.
    Train,
}

/// Where the work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceChoice {
    /// The graphics card where this build has one, otherwise the processor.
    Auto,
    /// The processor.
    Cpu,
    /// The first NVIDIA card.
    Cuda,
    /// The Mac's graphics.
    Metal,
}

/// `[train]`: how the weights are learned. `None` means "what suits the mode", see [`ModeDefaults`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimConfig {
    /// Which weights learn.
    pub mode: TrainMode,
    /// Gradient descent, or a logistic regression at once.
    pub solver: Solver,
    /// Passes over the training pictures, the head's own included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Epochs in which only the head learns before stages are unfrozen (`last-stages`, `full`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_epochs: Option<usize>,
    /// Pictures in one step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Step size of the backbone's weights; in `frozen` mode and the head's own phase, of the head's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Step size of the head while the backbone is frozen in `last-stages` and `full`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_learning_rate: Option<f64>,
    /// Each stage below the head learns at this multiple of the stage above it, in `(0, 1]`; 1 is one rate for all.
    pub stage_decay: f64,
    /// How many stages learn in `last-stages` mode.
    pub last_stages: usize,
    /// The update rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<OptimizerKind>,
    /// SGD's momentum, in `[0, 1)`.
    pub momentum: f64,
    /// Nesterov's form of it.
    pub nesterov: bool,
    /// Pull of the weights (not of biases and norms) towards zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// How the learning rate moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleKind>,
    /// Epochs over which the rate rises from zero at the start of each phase; may be a fraction.
    pub warmup_epochs: f64,
    /// Step schedule: epochs between drops.
    pub step_epochs: usize,
    /// Step schedule: factor of each drop.
    pub step_gamma: f64,
    /// L2-SP: strength of the pull towards the pretrained weights (Li et al. 2018); 0 is off.
    pub l2_sp: f64,
    /// Cross-entropy with smoothed labels, in `[0, 1)`.
    pub label_smoothing: f64,
    /// Weight each class by the inverse of its number of pictures.
    pub balance_classes: bool,
    /// Largest norm of the whole gradient; 0 is off.
    pub clip_norm: f64,
    /// Batch normalisation while the backbone learns.
    pub batch_norm: BatchNormMode,
    /// Which number decides the best epoch.
    pub keep_best_by: Metric,
    /// Stop after this many epochs without a better one; 0 is off.
    pub patience: usize,
    /// Seed of everything random in training.
    pub seed: u64,
    /// Where the work is done.
    pub device: DeviceChoice,
    /// Threads for the work; 0 is one for each core.
    pub threads: usize,
}

impl Default for OptimConfig {
    fn default() -> Self {
        Self {
            mode: TrainMode::Auto,
            solver: Solver::Gradient,
            epochs: None,
            head_epochs: None,
            batch_size: None,
            learning_rate: None,
            head_learning_rate: None,
            stage_decay: 1.0,
            last_stages: 2,
            optimizer: None,
            momentum: 0.9,
            nesterov: false,
            weight_decay: None,
            schedule: None,
            warmup_epochs: 0.0,
            step_epochs: 7,
            step_gamma: 0.1,
            l2_sp: 0.0,
            label_smoothing: 0.0,
            balance_classes: false,
            clip_norm: 0.0,
            batch_norm: BatchNormMode::Auto,
            keep_best_by: Metric::Accuracy,
            patience: 0,
            seed: 0,
            device: DeviceChoice::Auto,
            threads: 0,
        }
    }
}

fn check(ok: bool, key: &str, value: impl std::fmt::Debug, range: &str) -> Result<()> {
    if ok {
        Ok(())
    } else {
        Err(Error::input(format!("{key} = {value:?} is out of range"))
            .with_hint(format!("It must be {range}")))
    }
}

impl TrainConfig {
    /// Checks every value's range.
    ///
    /// # Errors
    /// Names the first key that is out of range, its value and the range.
    pub fn validate(&self) -> Result<()> {
        let unit = |v: f64| (0.0..=1.0).contains(&v);
        let below_one = |v: f64| (0.0..1.0).contains(&v);
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let not_negative = |v: f64| v.is_finite() && v >= 0.0;
        check(
            (1..=CONFIG_VERSION).contains(&self.version),
            "version",
            self.version,
            "a version this program knows; a newer Headstart wrote this file",
        )?;
        let d = &self.data;
        check(
            d.val_fraction > 0.0 && d.val_fraction < 1.0,
            "data.val_fraction",
            d.val_fraction,
            "above 0 and below 1",
        )?;
        check(positive(d.max_megapixels), "data.max_megapixels", d.max_megapixels, "above 0")?;
        check(d.cache_mib <= MAX_CACHE_MIB, "data.cache_mib", d.cache_mib, "at most 1048576 (a tebibyte)")?;
        let h = &self.head;
        check(below_one(h.dropout), "head.dropout", h.dropout, "at least 0 and below 1")?;
        check(
            h.hidden.iter().all(|&w| (1..=65_536).contains(&w)),
            "head.hidden",
            &h.hidden,
            "widths from 1 to 65536",
        )?;
        let a = &self.augment;
        let [lo, hi] = a.crop_scale;
        check(
            lo > 0.0 && lo <= hi && hi <= 1.0,
            "augment.crop_scale",
            a.crop_scale,
            "two shares, 0 < low <= high <= 1",
        )?;
        let [lo, hi] = a.crop_ratio;
        check(
            lo > 0.0 && lo <= hi && hi <= 100.0,
            "augment.crop_ratio",
            a.crop_ratio,
            "two ratios, 0 < low <= high",
        )?;
        for (key, v) in [("hflip", a.hflip), ("vflip", a.vflip), ("erasing", a.erasing)] {
            check(unit(v), &format!("augment.{key}"), v, "a probability from 0 to 1")?;
        }
        check(
            (0.0..=180.0).contains(&a.rotation_degrees),
            "augment.rotation_degrees",
            a.rotation_degrees,
            "0 to 180",
        )?;
        for (key, v) in [("brightness", a.brightness), ("contrast", a.contrast), ("saturation", a.saturation)]
        {
            check(not_negative(v) && v <= 10.0, &format!("augment.{key}"), v, "0 to 10")?;
        }
        check((0.0..=0.5).contains(&a.hue), "augment.hue", a.hue, "0 to 0.5")?;
        check((1..=64).contains(&a.views), "augment.views", a.views, "1 to 64")?;
        let t = &self.train;
        check(
            t.epochs.is_none_or(|e| (1..=100_000).contains(&e)),
            "train.epochs",
            t.epochs.unwrap_or_default(),
            "1 to 100000",
        )?;
        check(
            t.batch_size.is_none_or(|b| (1..=4096).contains(&b)),
            "train.batch_size",
            t.batch_size,
            "1 to 4096",
        )?;
        check(
            t.learning_rate.is_none_or(positive),
            "train.learning_rate",
            t.learning_rate.unwrap_or_default(),
            "above 0",
        )?;
        check(
            t.head_learning_rate.is_none_or(positive),
            "train.head_learning_rate",
            t.head_learning_rate,
            "above 0",
        )?;
        check(
            t.stage_decay > 0.0 && t.stage_decay <= 1.0,
            "train.stage_decay",
            t.stage_decay,
            "above 0, at most 1",
        )?;
        check(t.last_stages >= 1, "train.last_stages", t.last_stages, "at least 1")?;
        check(below_one(t.momentum), "train.momentum", t.momentum, "at least 0 and below 1")?;
        check(
            t.weight_decay.is_none_or(not_negative),
            "train.weight_decay",
            t.weight_decay.unwrap_or_default(),
            "at least 0",
        )?;
        check(not_negative(t.warmup_epochs), "train.warmup_epochs", t.warmup_epochs, "at least 0")?;
        check(t.step_epochs >= 1, "train.step_epochs", t.step_epochs, "at least 1")?;
        check(unit(t.step_gamma), "train.step_gamma", t.step_gamma, "0 to 1")?;
        check(not_negative(t.l2_sp), "train.l2_sp", t.l2_sp, "at least 0")?;
        check(
            below_one(t.label_smoothing),
            "train.label_smoothing",
            t.label_smoothing,
            "at least 0 and below 1",
        )?;
        check(not_negative(t.clip_norm), "train.clip_norm", t.clip_norm, "at least 0")?;
        check(t.threads <= 1024, "train.threads", t.threads, "0 to 1024")?;
        if t.solver == Solver::Logistic {
            if h.kind != HeadKind::Linear {
                return Err(Error::input(
                    "train.solver = \"logistic\" fits a linear head, and head.kind is \"hidden\"",
                )
                .with_hint("Set head.kind to \"linear\", or train.solver to \"gradient\""));
            }
            if !matches!(t.mode, TrainMode::Auto | TrainMode::Frozen) {
                return Err(Error::input(
                    "train.solver = \"logistic\" needs a frozen backbone, and train.mode is not \"frozen\"",
                )
                .with_hint("Set train.mode to \"frozen\", or train.solver to \"gradient\""));
            }
        }
        if h.kind == HeadKind::Hidden && h.hidden.is_empty() {
            return Err(Error::input("head.kind = \"hidden\" with no hidden layers")
                .with_hint("Give head.hidden a width, for example [256]"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        TrainConfig::default().validate().unwrap();
    }

    #[test]
    fn a_value_out_of_range_is_named_with_its_range() {
        let mut c = TrainConfig::default();
        c.data.val_fraction = 1.4;
        let e = c.validate().unwrap_err().to_string();
        assert!(e.contains("data.val_fraction") && e.contains("1.4") && e.contains("below 1"), "{e}");
    }

    #[test]
    fn logistic_needs_a_linear_head() {
        let mut c = TrainConfig::default();
        c.train.solver = Solver::Logistic;
        c.validate().unwrap();
        c.head.kind = HeadKind::Hidden;
        assert!(c.validate().is_err());
    }
}
