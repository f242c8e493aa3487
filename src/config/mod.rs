//! Everything a person can choose about a training job, as versioned, validated types.
//!
//! This is the only place that sets a default. [`TrainConfig`] is what `project.toml`, a run's `config.toml` and
//! `headstart-cli train --config` hold; keys are addressed as `train.epochs`, `head.kind` and so on ([`TrainConfig::set`]).

mod augment;
mod choices;
mod differences;
mod mode_defaults;
mod phases;
mod preprocess;
mod sample;
mod text;
mod validate;

pub use augment::AugmentConfig;
pub use choices::{
    AugmentPolicy, BatchNormMode, DeviceChoice, GroupBy, HeadActivation, HeadKind, HeadOutput, Metric,
    OptimizerKind, Pooling, Precision, ScheduleKind, Solver, SplitKind, TrainMode,
};
pub use differences::Difference;
pub use mode_defaults::{ModeDefaults, ResolvedTrain};
pub use phases::{CarryOver, Learns, PhaseConfig, PlannedPhase};
pub use preprocess::{Interpolation, Preprocess};

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Folds where only which one is held out was said.
pub const DEFAULT_FOLDS: usize = 5;

/// Version of the configuration's schema that this program writes.
pub const CONFIG_VERSION: u32 = 1;

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

impl TrainConfig {
    /// The same from random weights: the honest baseline. Everything is kept that means something there, and everything learns from
    /// the first epoch on, at the rate of the head, which had started from nothing too.
    #[must_use]
    pub fn from_scratch(&self) -> Self {
        let mut c = self.clone();
        let plan = self.train.plan(self.backbone.weights.is_some());
        let kept = (self.train.solver == Solver::Gradient).then(|| plan.last()).flatten();
        c.backbone.weights = None;
        c.train = OptimConfig {
            mode: TrainMode::Scratch,
            epochs: kept.map(|_| plan.iter().map(|p| p.epochs).sum()),
            learning_rate: kept
                .map(|last| plan.iter().find(|p| p.learns == Learns::Head).unwrap_or(last).learning_rate),
            schedule: kept.map(|last| last.schedule),
            ..c.train
        };
        // Without phases of its own, nothing to be close to, and statistics that are nobody's.
        let d = OptimConfig::default();
        (c.train.phases, c.train.head_epochs, c.train.head_learning_rate) = (d.phases, None, None);
        (c.train.l2_sp, c.train.stage_decay, c.train.batch_norm) = (d.l2_sp, d.stage_decay, d.batch_norm);
        (c.train.solver, c.train.last_stages) = (d.solver, d.last_stages);
        c
    }
}

/// `[data]`: which pictures, and how they are split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// The folder of pictures. Never written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// A table (CSV) that names the pictures and their labels, where folders do not; relative to the folder of pictures, or absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// Its column with the files; without this and the next three, columns are known by their usual names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csv_file: Option<String>,
    /// Its column with the labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csv_label: Option<String>,
    /// Its column with the parts: train, val or test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csv_split: Option<String>,
    /// Its column with the groups (for `group_by = "csv"`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csv_group: Option<String>,
    /// Share of each class that is held out for validation where the folder has no `val` of its own, in `(0, 1)`.
    pub val_fraction: f64,
    /// Seed of that split.
    pub split_seed: u64,
    /// Picture by picture, or by groups that stay together.
    pub split: SplitKind,
    /// What a group is.
    pub group_by: GroupBy,
    /// Regular expression for the path relative to the folder, whose first bracket captures the group (for `group_by = "pattern"`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_pattern: Option<String>,
    /// Share of each class that is kept for testing, in `[0, 1)`, where the folder has no `test` of its own.
    pub test_fraction: f64,
    /// Parts of equal size for cross-validation, one of which is held out instead of [`val_fraction`](Self::val_fraction); 0 is none.
    pub folds: usize,
    /// Which of them is held out, from 1.
    pub fold: usize,
    /// Largest picture that is decoded, in millions of pixels: a guard against decompression bombs.
    pub max_megapixels: f64,
    /// Go on although more than a fifth of the pictures cannot be decoded.
    pub allow_many_unreadable: bool,
    /// Memory in MiB for decoded pictures and for what the frozen part computed; what does not fit is decoded again, or kept on
    /// disk. Does not change the result.
    pub cache_mib: usize,
}

impl DataConfig {
    /// These settings, with the pictures read and divided as in others.
    pub fn with_pictures_of(&self, others: &Self) -> Self {
        // These two change no picture.
        let (cache_mib, allow_many_unreadable) = (self.cache_mib, self.allow_many_unreadable);
        Self { cache_mib, allow_many_unreadable, ..others.clone() }
    }

    /// Whether others read the pictures, or divide them, in another way.
    pub fn reads_otherwise(&self, others: &Self) -> bool {
        *self != self.with_pictures_of(others)
    }
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            path: None,
            labels: None,
            csv_file: None,
            csv_label: None,
            csv_split: None,
            csv_group: None,
            val_fraction: 0.2,
            split_seed: 0,
            split: SplitKind::Stratified,
            group_by: GroupBy::Sequence,
            group_pattern: None,
            test_fraction: 0.0,
            folds: 0,
            fold: 1,
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
    /// Bits of what the network computes there.
    pub precision: Precision,
    /// Threads for the work; 0 is one for each core.
    pub threads: usize,
    /// Which weights a phase begins with that follows another.
    pub carry_over: CarryOver,
    /// The user's own phases, in place of those that follow from the mode.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseConfig>,
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
            precision: Precision::Auto,
            threads: 0,
            carry_over: CarryOver::Last,
            phases: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_scratch_is_the_same_but_for_what_means_nothing_there() {
        let mut c = TrainConfig::default();
        c.backbone.weights = Some("w".into());
        for (key, value) in [
            ("train.mode", "full"),
            ("train.batch_size", "12"),
            ("train.optimizer", "adam"),
            ("train.weight_decay", "0.02"),
            ("train.patience", "4"),
            ("train.epochs", "9"),
            ("train.head_epochs", "3"),
            ("train.schedule", "step"),
            ("train.head_learning_rate", "0.007"),
            ("train.l2_sp", "0.1"),
            ("head.dropout", "0.25"),
        ] {
            c.set(key, value).unwrap();
        }
        let keys = |c: &TrainConfig| -> Vec<String> {
            c.differences(&c.from_scratch()).unwrap().into_iter().map(|d| d.key).collect()
        };
        let other = ["head_epochs", "head_learning_rate", "l2_sp", "learning_rate", "mode"]
            .map(|k| format!("train.{k}"));
        assert_eq!(keys(&c), [vec!["backbone.weights".to_owned()], other.to_vec()].concat());
        assert_eq!(
            (c.from_scratch().train.learning_rate, c.from_scratch().train.epochs),
            (Some(0.007), Some(9))
        );
        c.from_scratch().validate().unwrap();
        let mut own = TrainConfig::default();
        own.train.set_phases(c.train.own_phases(true));
        assert_eq!((own.from_scratch().train.epochs, own.from_scratch().train.phases.len()), (Some(9), 0));
        own.from_scratch().validate().unwrap();
    }
}
