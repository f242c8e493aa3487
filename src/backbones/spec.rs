//! A [`BackboneSpec`] binds everything about a network that must agree.

use super::block::{ParamDesc, StageDesc};
use super::{
    convnext, densenet, efficientnet, mobilenet_v2, mobilenet_v3, resnet, small_cnn, squeezenet, vgg, vit,
};
use crate::config::{Pooling, Preprocess};

/// A file in a repository of the Hugging Face Hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubFile {
    /// Owner and name: `timm/resnet18.tv_in1k`.
    pub repository: &'static str,
    /// Branch, tag or commit.
    pub revision: &'static str,
    /// Its path in the repository.
    pub file: &'static str,
    /// SHA-256 of its bytes in lower-case hexadecimal, where it is known.
    pub sha256: Option<&'static str>,
}

/// Where pretrained weights can be had.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightSource {
    /// Where a person finds the file, for example `timm/resnet18.tv_in1k on the Hugging Face Hub`.
    pub place: &'static str,
    /// The same for the program, where it can download the file.
    pub hub: Option<HubFile>,
    /// Licence of the weights.
    pub licence: &'static str,
    /// Published ImageNet top-1 of these weights, in `[0, 1]`.
    pub top1_frac: f64,
}

impl WeightSource {
    /// The address that the file can be downloaded from with any browser.
    pub fn url(&self) -> String {
        match self.hub {
            Some(HubFile { repository, revision, file, .. }) => {
                format!("https://huggingface.co/{repository}/resolve/{revision}/{file}")
            }
            None => format!("https://download.pytorch.org/models/{}", self.file_name().unwrap_or_default()),
        }
    }

    /// Name of the file where it says which weights these are, as torchvision's do: `mobilenet_v2-b0353104.pth`.
    pub fn file_name(&self) -> Option<&'static str> {
        self.place.split(' ').find(|word| word.ends_with(".pth"))
    }
}

/// Everything about a backbone that must agree.
#[derive(Debug, Clone)]
pub struct BackboneSpec {
    /// torchvision's name, `mobilenet_v2`; for vision transformers timm's, shortened: `vit_tiny`.
    pub name: &'static str,
    /// Name for people: `MobileNetV2`.
    pub title: &'static str,
    /// One plain sentence on when to choose it.
    pub advice: &'static str,
    /// Parameters with the 1000-class head (without a head for `small_cnn`).
    pub param_count: usize,
    /// What its weights were trained with.
    pub preprocess: Preprocess,
    /// Width of the feature vector after [`Self::pooling`].
    pub feature_width: usize,
    /// Pooling that the published network uses.
    pub pooling: Pooling,
    /// Stage names from input to output: cut points for freezing and truncation.
    pub stages: &'static [&'static str],
    /// Published pretrained weights; empty for `small_cnn`.
    pub sources: &'static [WeightSource],
    /// timm's architecture name for the exported `config.json`, where timm has it.
    pub timm_name: Option<&'static str>,
    pub(crate) arch: Arch,
}

/// How a backbone is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arch {
    ResNet { depths: [usize; 4], bottleneck: bool },
    Vgg { batch_norm: bool },
    MobileNetV2 { width_percent: usize },
    MobileNetV3 { small: bool },
    EfficientNetB0,
    DenseNet { depths: [usize; 4] },
    SqueezeNet,
    SmallCnn,
    Vit { width: usize },
    ConvNextTiny,
}

/// A layer normalisation of the pooled features; it belongs to the last stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct FeatureNorm {
    pub(super) name: &'static str,
    pub(super) channels: usize,
    pub(super) eps: f64,
}

/// Name of the stage of hidden layers behind VGG's and MobileNetV3's convolutions.
pub(super) const HIDDEN_STAGE: &str = "classifier";

impl BackboneSpec {
    /// Descriptions of the stages, one for each of [`Self::stages`].
    pub(super) fn stage_descs(&self) -> Vec<StageDesc> {
        match self.arch {
            Arch::ResNet { depths, bottleneck } => resnet::stages(depths, bottleneck),
            Arch::Vgg { batch_norm } => vgg::stages(batch_norm),
            Arch::MobileNetV2 { width_percent } => mobilenet_v2::stages(width_percent),
            Arch::MobileNetV3 { small } => mobilenet_v3::stages(small),
            Arch::EfficientNetB0 => efficientnet::stages(),
            Arch::DenseNet { depths } => densenet::stages(depths),
            Arch::SqueezeNet => squeezenet::stages(),
            Arch::SmallCnn => small_cnn::stages(),
            Arch::Vit { width } => vit::stages(width),
            Arch::ConvNextTiny => convnext::stages(convnext::TINY),
        }
    }

    /// Name of the last linear layer.
    pub(super) fn head_name(&self) -> &'static str {
        match self.arch {
            Arch::ResNet { .. } | Arch::SmallCnn => "fc",
            Arch::Vgg { .. } => "classifier.6",
            Arch::MobileNetV2 { .. } | Arch::EfficientNetB0 | Arch::SqueezeNet => "classifier.1",
            Arch::MobileNetV3 { .. } => "classifier.3",
            Arch::DenseNet { .. } => "classifier",
            Arch::Vit { .. } => "head",
            Arch::ConvNextTiny => "classifier.2",
        }
    }

    /// How much more a running variance is in timm's network than in torchvision's, because timm's adds less to it.
    pub(crate) fn timm_variance_offset(&self) -> f64 {
        match self.arch {
            Arch::MobileNetV3 { .. } => mobilenet_v3::TIMM_VARIANCE_OFFSET,
            _ => 0.0,
        }
    }

    /// Normalisation of the pooled features, where the network has one.
    pub(super) fn feature_norm(&self) -> Option<FeatureNorm> {
        let norm = |name, eps| Some(FeatureNorm { name, channels: self.feature_width, eps });
        match self.arch {
            Arch::Vit { .. } => norm("norm", vit::NORM_EPS),
            Arch::ConvNextTiny => norm("classifier.0", convnext::NORM_EPS),
            _ => None,
        }
    }

    /// How many values each stage learns, in the order of [`Self::stages`]; the last has the normalisation of the pooled
    /// features too.
    pub fn stage_param_counts(&self) -> Vec<usize> {
        let mut counts: Vec<usize> = self.stage_descs().iter().map(StageDesc::param_count).collect();
        if let (Some(last), Some(norm)) = (counts.last_mut(), self.feature_norm()) {
            // A scale and a shift.
            *last += 2 * norm.channels;
        }
        counts
    }

    /// The file on the Hugging Face Hub that the program can download.
    pub fn hub_file(&self) -> Option<HubFile> {
        self.sources.iter().find_map(|source| source.hub)
    }

    /// Size in bytes of a published weight file, to about a hundredth: values of four bytes, and their names.
    pub fn file_bytes(&self) -> u64 {
        let stats: usize = self.backbone_params().iter().filter(|p| !p.learns()).map(ParamDesc::len).sum();
        4 * (self.param_count + stats) as u64
    }

    /// Whether the first position behind every stage is a class token, and not a part of the picture.
    pub fn has_class_token(&self) -> bool {
        self.pooling == Pooling::Token
    }

    /// Names and shapes of the backbone's parameters in the published files, the head's left out.
    pub(super) fn backbone_params(&self) -> Vec<ParamDesc> {
        let norm = self.feature_norm().map(|n| ParamDesc::norm(n.name, n.channels)).unwrap_or_default();
        self.stage_descs().iter().flat_map(StageDesc::params).chain(norm).collect()
    }
}
