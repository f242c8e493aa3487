//! All backbones.

use super::sources;
use super::spec::{Arch, BackboneSpec, HIDDEN_STAGE};
use crate::config::{Interpolation, Pooling, Preprocess};
use crate::error::{Error, Result};

const RESNET_STAGES: &[&str] = &["stem", "layer1", "layer2", "layer3", "layer4"];
const VGG_STAGES: &[&str] = &["block1", "block2", "block3", "block4", "block5", HIDDEN_STAGE];
const CONVNEXT_STAGES: &[&str] = &["stem", "stage1", "stage2", "stage3", "stage4"];

/// Names of numbered stages between others.
macro_rules! numbered {
    ([$($before:expr)?] $prefix:literal $($number:literal)* [$($behind:expr)?]) => {
        &[$($before,)? $(concat!($prefix, $number),)* $($behind)?]
    };
}
const MOBILENET_V2_STAGES: &[&str] =
    numbered!([] "features." 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 []);
const VIT_STAGES: &[&str] = numbered!(["patch_embed"] "blocks." 0 1 2 3 4 5 6 7 8 9 10 11 []);
const MOBILENET_V3_LARGE_STAGES: &[&str] =
    numbered!([] "features." 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 [HIDDEN_STAGE]);
const MOBILENET_V3_SMALL_STAGES: &[&str] =
    numbered!([] "features." 0 1 2 3 4 5 6 7 8 9 10 11 12 [HIDDEN_STAGE]);
const EFFICIENTNET_STAGES: &[&str] = numbered!([] "features." 0 1 2 3 4 5 6 7 8 []);
const DENSENET_STAGES: &[&str] = &["stem", "denseblock1", "denseblock2", "denseblock3", "denseblock4"];
const SQUEEZENET_STAGES: &[&str] = &["stem", "fire2-3", "fire4-5", "fire6-7", "fire8-9"];

/// What timm's own MobileNetV2 weights and the EfficientNet weights were trained with: as torchvision's others, but resized with
/// a cubic filter.
const TIMM_BICUBIC: Preprocess = Preprocess { interpolation: Interpolation::Bicubic, ..Preprocess::IMAGENET };

/// torchvision found a size of its own for each ConvNeXt.
const CONVNEXT_INPUT: Preprocess = Preprocess { resize_px: 236, ..Preprocess::IMAGENET };

/// timm's for its `augreg` weights: nine tenths of the picture, values in `[-1, 1]`.
const VIT_INPUT: Preprocess = Preprocess {
    resize_px: 248,
    crop_px: 224,
    interpolation: Interpolation::Bicubic,
    mean: [0.5; 3],
    std: [0.5; 3],
};

const SMALL_CNN_INPUT: Preprocess = Preprocess { resize_px: 72, crop_px: 64, ..Preprocess::IMAGENET };

static REGISTRY: [BackboneSpec; 19] = [
    BackboneSpec {
        name: "mobilenet_v2",
        title: "MobileNetV2",
        advice: "Fast and small, with good features: the one to begin with.",
        param_count: 3_504_872,
        preprocess: Preprocess::IMAGENET,
        feature_width: 1280,
        pooling: Pooling::Avg,
        stages: MOBILENET_V2_STAGES,
        sources: sources::MOBILENET_V2,
        timm_name: Some("mobilenetv2_100"),
        arch: Arch::MobileNetV2 { width_percent: 100 },
    },
    BackboneSpec {
        name: "mobilenet_v2_050",
        title: "MobileNetV2, half width",
        advice: "The quickest pretrained network, at some cost in accuracy.",
        param_count: 1_968_680,
        preprocess: TIMM_BICUBIC,
        feature_width: 1280,
        pooling: Pooling::Avg,
        stages: MOBILENET_V2_STAGES,
        sources: sources::MOBILENET_V2_050,
        timm_name: Some("mobilenetv2_050"),
        arch: Arch::MobileNetV2 { width_percent: 50 },
    },
    BackboneSpec {
        name: "mobilenet_v2_140",
        title: "MobileNetV2, 1.4 times as wide",
        advice: "More accurate than the plain MobileNetV2 and still small, at twice the work.",
        param_count: 6_108_776,
        preprocess: TIMM_BICUBIC,
        feature_width: 1792,
        pooling: Pooling::Avg,
        stages: MOBILENET_V2_STAGES,
        sources: sources::MOBILENET_V2_140,
        timm_name: Some("mobilenetv2_140"),
        arch: Arch::MobileNetV2 { width_percent: 140 },
    },
    BackboneSpec {
        name: "mobilenet_v3_small",
        title: "MobileNetV3 small",
        advice: "Very fast, also while it learns, and more accurate than its size suggests.",
        param_count: 2_542_856,
        preprocess: Preprocess::IMAGENET,
        feature_width: 1024,
        pooling: Pooling::Avg,
        stages: MOBILENET_V3_SMALL_STAGES,
        sources: sources::MOBILENET_V3_SMALL,
        timm_name: Some("mobilenetv3_small_100"),
        arch: Arch::MobileNetV3 { small: true },
    },
    BackboneSpec {
        name: "mobilenet_v3_large",
        title: "MobileNetV3 large",
        advice: "More accurate than MobileNetV2 at less work.",
        param_count: 5_483_032,
        preprocess: Preprocess::IMAGENET,
        feature_width: 1280,
        pooling: Pooling::Avg,
        stages: MOBILENET_V3_LARGE_STAGES,
        sources: sources::MOBILENET_V3_LARGE,
        timm_name: Some("mobilenetv3_large_100"),
        arch: Arch::MobileNetV3 { small: false },
    },
    BackboneSpec {
        name: "efficientnet_b0",
        title: "EfficientNet-B0",
        advice: "As accurate as ResNet-101 with a tenth of its parameters.",
        param_count: 5_288_548,
        preprocess: TIMM_BICUBIC,
        feature_width: 1280,
        pooling: Pooling::Avg,
        stages: EFFICIENTNET_STAGES,
        sources: sources::EFFICIENTNET_B0,
        timm_name: Some("efficientnet_b0"),
        arch: Arch::EfficientNetB0,
    },
    BackboneSpec {
        name: "resnet18",
        title: "ResNet-18",
        advice: "Robust and easy to fine-tune: a good second choice.",
        param_count: 11_689_512,
        preprocess: Preprocess::IMAGENET,
        feature_width: 512,
        pooling: Pooling::Avg,
        stages: RESNET_STAGES,
        sources: sources::RESNET18,
        timm_name: Some("resnet18"),
        arch: Arch::ResNet { depths: [2, 2, 2, 2], bottleneck: false },
    },
    BackboneSpec {
        name: "resnet34",
        title: "ResNet-34",
        advice: "Like ResNet-18, more accurate and twice as slow.",
        param_count: 21_797_672,
        preprocess: Preprocess::IMAGENET,
        feature_width: 512,
        pooling: Pooling::Avg,
        stages: RESNET_STAGES,
        sources: sources::RESNET34,
        timm_name: Some("resnet34"),
        arch: Arch::ResNet { depths: [3, 4, 6, 3], bottleneck: false },
    },
    BackboneSpec {
        name: "resnet50",
        title: "ResNet-50",
        advice: "Strong features for frozen training, where time allows.",
        param_count: 25_557_032,
        preprocess: Preprocess::IMAGENET,
        feature_width: 2048,
        pooling: Pooling::Avg,
        stages: RESNET_STAGES,
        sources: sources::RESNET50,
        timm_name: Some("resnet50"),
        arch: Arch::ResNet { depths: [3, 4, 6, 3], bottleneck: true },
    },
    BackboneSpec {
        name: "resnet101",
        title: "ResNet-101",
        advice: "More accurate than ResNet-50, and slow without a graphics card.",
        param_count: 44_549_160,
        preprocess: Preprocess::IMAGENET,
        feature_width: 2048,
        pooling: Pooling::Avg,
        stages: RESNET_STAGES,
        sources: sources::RESNET101,
        timm_name: Some("resnet101"),
        arch: Arch::ResNet { depths: [3, 4, 23, 3], bottleneck: true },
    },
    BackboneSpec {
        name: "densenet121",
        title: "DenseNet-121",
        advice: "Few parameters for its accuracy, and common in medical work; slower than its size suggests.",
        param_count: 7_978_856,
        preprocess: Preprocess::IMAGENET,
        feature_width: 1024,
        pooling: Pooling::Avg,
        stages: DENSENET_STAGES,
        sources: sources::DENSENET121,
        timm_name: Some("densenet121"),
        arch: Arch::DenseNet { depths: [6, 12, 24, 16] },
    },
    BackboneSpec {
        name: "convnext_tiny",
        title: "ConvNeXt, tiny",
        advice: "A modern convolutional network: much better features than ResNet-50's, in about its time.",
        param_count: 28_589_128,
        preprocess: CONVNEXT_INPUT,
        feature_width: 768,
        pooling: Pooling::Avg,
        stages: CONVNEXT_STAGES,
        sources: sources::CONVNEXT_TINY,
        timm_name: Some("convnext_tiny"),
        arch: Arch::ConvNextTiny,
    },
    BackboneSpec {
        name: "vit_tiny",
        title: "Vision transformer, tiny",
        advice: "A transformer that is small and quick, and sees the whole picture from the first block on.",
        param_count: 5_717_416,
        preprocess: VIT_INPUT,
        feature_width: 192,
        pooling: Pooling::Token,
        stages: VIT_STAGES,
        sources: sources::VIT_TINY,
        timm_name: Some("vit_tiny_patch16_224"),
        arch: Arch::Vit { width: 192 },
    },
    BackboneSpec {
        name: "vit_small",
        title: "Vision transformer, small",
        advice: "Learned from fourteen million pictures: strong features for frozen training.",
        param_count: 22_050_664,
        preprocess: VIT_INPUT,
        feature_width: 384,
        pooling: Pooling::Token,
        stages: VIT_STAGES,
        sources: sources::VIT_SMALL,
        timm_name: Some("vit_small_patch16_224"),
        arch: Arch::Vit { width: 384 },
    },
    BackboneSpec {
        name: "vit_base",
        title: "Vision transformer, base",
        advice: "The most accurate of the list, for frozen training where time allows.",
        param_count: 86_567_656,
        preprocess: VIT_INPUT,
        feature_width: 768,
        pooling: Pooling::Token,
        stages: VIT_STAGES,
        sources: sources::VIT_BASE,
        timm_name: Some("vit_base_patch16_224"),
        arch: Arch::Vit { width: 768 },
    },
    BackboneSpec {
        name: "vgg16",
        title: "VGG-16",
        advice: "A classic for comparison with older work: large and slow.",
        param_count: 138_357_544,
        preprocess: Preprocess::IMAGENET,
        feature_width: 4096,
        pooling: Pooling::Flatten,
        stages: VGG_STAGES,
        sources: sources::VGG16,
        timm_name: Some("vgg16"),
        arch: Arch::Vgg { batch_norm: false },
    },
    BackboneSpec {
        name: "vgg16_bn",
        title: "VGG-16 with batch normalisation",
        advice: "VGG-16 that is easier to fine-tune.",
        param_count: 138_365_992,
        preprocess: Preprocess::IMAGENET,
        feature_width: 4096,
        pooling: Pooling::Flatten,
        stages: VGG_STAGES,
        sources: sources::VGG16_BN,
        timm_name: Some("vgg16_bn"),
        arch: Arch::Vgg { batch_norm: true },
    },
    BackboneSpec {
        name: "squeezenet1_1",
        title: "SqueezeNet 1.1",
        advice: "The smallest file of all, for models that must travel light.",
        param_count: 1_235_496,
        preprocess: Preprocess::IMAGENET,
        feature_width: 512,
        pooling: Pooling::Avg,
        stages: SQUEEZENET_STAGES,
        sources: sources::SQUEEZENET,
        timm_name: None,
        arch: Arch::SqueezeNet,
    },
    BackboneSpec {
        name: "small_cnn",
        title: "Small network",
        advice: "Learns from scratch in a minute, without any download: for a first try and as an honest baseline.",
        param_count: 416_672,
        preprocess: SMALL_CNN_INPUT,
        feature_width: 128,
        pooling: Pooling::Avg,
        stages: &["block1", "block2", "block3", "block4"],
        sources: &[],
        timm_name: None,
        arch: Arch::SmallCnn,
    },
];

/// All registered backbones, in the order shown to people.
pub fn registry() -> &'static [BackboneSpec] {
    &REGISTRY
}

/// The backbone called `name`, by torchvision's or timm's name.
///
/// # Errors
/// If there is none; the message lists the names.
pub fn find(name: &str) -> Result<&'static BackboneSpec> {
    REGISTRY
        .iter()
        .find(|s| s.name == name)
        .or_else(|| REGISTRY.iter().find(|s| s.timm_name == Some(name)))
        .ok_or_else(|| {
            let names: Vec<&str> = REGISTRY.iter().map(|s| s.name).collect();
            Error::input(format!("there is no backbone called `{name}`"))
                .with_hint(format!("The backbones are {}", names.join(", ")))
        })
}

/// What people call the backbone `name`; the name itself where there is no such backbone.
pub fn title(name: &str) -> &str {
    find(name).map_or(name, |s| s.title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_agrees_with_its_own_description() {
        for spec in registry() {
            let stages = spec.stage_descs();
            assert_eq!(stages.len(), spec.stages.len(), "{}", spec.name);
            assert_eq!(stages.last().unwrap().channels, spec.feature_width, "{}", spec.name);
            let counted: usize = spec.stage_param_counts().iter().sum();
            // The published heads are all one layer to 1000 classes.
            let head = if spec.arch == Arch::SmallCnn { 0 } else { 1000 * (spec.feature_width + 1) };
            assert_eq!(counted + head, spec.param_count, "{}", spec.name);
            assert!(spec.sources.iter().all(|s| (0.5..0.9).contains(&s.top1_frac)));
            let digests = spec.sources.iter().filter_map(|s| s.hub?.sha256);
            assert!(digests.into_iter().all(|d| d.len() == 64 && d.bytes().all(|b| b.is_ascii_hexdigit())));
        }
    }

    #[test]
    fn sizes_of_files_are_those_that_the_hub_lists() {
        for (name, megabytes) in [
            ("resnet18", 46.8),
            ("resnet50", 102.0),
            ("mobilenet_v2", 14.2),
            ("densenet121", 32.3),
            ("vit_tiny", 22.9),
            ("vgg16_bn", 554.0),
            ("convnext_tiny", 114.0),
        ] {
            let told = find(name).unwrap().file_bytes() as f64 / 1e6;
            assert!((told / megabytes - 1.0).abs() < 0.01, "{name}: {told} of {megabytes}");
        }
    }

    #[test]
    fn maps_shrink_as_published() {
        for (name, side, expected) in [
            ("resnet50", 224, 7),
            ("mobilenet_v2", 224, 7),
            ("mobilenet_v3_small", 224, 1),
            ("efficientnet_b0", 224, 7),
            ("densenet121", 224, 7),
            ("squeezenet1_1", 224, 13),
            ("squeezenet1_1", 64, 3),
            ("small_cnn", 64, 4),
            ("vgg16", 224, 1),
            ("convnext_tiny", 224, 7),
            ("vit_small", 224, 14),
        ] {
            let stages = find(name).unwrap().stage_descs();
            assert_eq!(stages.iter().fold(side, |side, s| s.side_after(side)), expected, "{name} at {side}");
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let e = find("resnet19").unwrap_err().to_string();
        assert!(e.contains("resnet19") && e.contains("resnet18") && e.contains("small_cnn"), "{e}");
        assert_eq!(find("mobilenetv2_100").unwrap().name, "mobilenet_v2");
        assert_eq!(find("vit_small_patch16_224").unwrap().name, "vit_small");
    }
}
