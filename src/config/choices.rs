//! What a person chooses among: each value is written in kebab case.

use serde::{Deserialize, Serialize};

/// How pictures are divided where the folder does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitKind {
    /// Picture by picture, each class for itself.
    Stratified,
    /// Group by group ([`GroupBy`]): no group is divided.
    Grouped,
}

/// What belongs together in a grouped split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupBy {
    /// Names of one class that differ only in a number at their end, such as frames of a video.
    Sequence,
    /// The folder below the class folder; the same name in two classes is the same group.
    Folder,
    /// What the first bracket of [`group_pattern`](super::DataConfig::group_pattern) captures of the path.
    Pattern,
    /// What the label file's column of groups says.
    Csv,
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

/// Which weights learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainMode {
    /// `frozen` where pretrained weights are given, `scratch` where not.
    Auto,
    /// Only the head learns; the backbone is a feature extractor.
    Frozen,
    /// The head first, then also the last stages ([`last_stages`](super::OptimConfig::last_stages)).
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
    /// Times [`step_gamma`](super::OptimConfig::step_gamma) every [`step_epochs`](super::OptimConfig::step_epochs) epochs.
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

/// Which strong augmentation is drawn for each view, besides the settings of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AugmentPolicy {
    /// None.
    None,
    /// TrivialAugment, wide space: one operation of any strength.
    Trivial,
    /// RandAugment: [`rand_operations`](super::AugmentConfig::rand_operations) operations of one strength.
    Rand,
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

impl DeviceChoice {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Cpu, Self::Cuda, Self::Metal];

    /// What files and command lines call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }
}

/// How many bits activations and their gradients have. Parameters, statistics, logits and losses are always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// `bf16` on NVIDIA cards of compute capability 8.0 or more, otherwise `f32`.
    Auto,
    /// 24 bits of mantissa.
    F32,
    /// 8 bits of mantissa, with the range of f32; on NVIDIA cards of compute capability 8.0 or more.
    Bf16,
}
