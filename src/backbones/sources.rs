//! Where the pretrained weights of each backbone can be had; the first source of each can be downloaded by the program where it
//! is on the Hugging Face Hub.
//!
//! Accuracies of torchvision's weights are those in its own table (`torchvision.models.*_Weights`, `IMAGENET1K_V1`), those of
//! timm's are in its `results/results-imagenet.csv`; that of ConvNeXt at 224 pixels is its paper's (Liu et al. 2022, table 1).
//! Digests are the hub's own (Git LFS): where one is known, a file that differs is refused, and elsewhere the digest that the
//! hub names with the file is held against it.

use super::spec::{HubFile, WeightSource};

const BSD: &str = "BSD-3-Clause";
const APACHE: &str = "Apache-2.0";

/// One of timm's repositories on the Hugging Face Hub.
macro_rules! timm {
    ($repository:literal, $licence:expr, $top1:literal, $sha256:expr) => {
        WeightSource {
            place: concat!("timm/", $repository, " on the Hugging Face Hub"),
            hub: Some(HubFile {
                repository: concat!("timm/", $repository),
                revision: "main",
                file: "model.safetensors",
                sha256: $sha256,
            }),
            licence: $licence,
            top1_frac: $top1,
        }
    };
}

/// One of torchvision's files.
macro_rules! torchvision {
    ($file:literal, $top1:literal) => {
        WeightSource {
            place: concat!("torchvision's ", $file, " on download.pytorch.org"),
            hub: None,
            licence: BSD,
            top1_frac: $top1,
        }
    };
}

type Sources = &'static [WeightSource];

pub(super) const MOBILENET_V2: Sources = &[
    timm!(
        "mobilenetv2_100.ra_in1k",
        APACHE,
        0.72976,
        Some("55ea4fb3a96010b933710ebf44fc965b070d5cd054d3f35e44f2d1320b4a714e")
    ),
    torchvision!("mobilenet_v2-b0353104.pth", 0.71878),
];
pub(super) const MOBILENET_V2_050: Sources = &[timm!("mobilenetv2_050.lamb_in1k", APACHE, 0.65950, None)];
pub(super) const MOBILENET_V2_140: Sources = &[timm!("mobilenetv2_140.ra_in1k", APACHE, 0.76520, None)];
pub(super) const MOBILENET_V3_SMALL: Sources = &[
    timm!("mobilenetv3_small_100.lamb_in1k", APACHE, 0.67656, None),
    torchvision!("mobilenet_v3_small-047dcff4.pth", 0.67668),
];
pub(super) const MOBILENET_V3_LARGE: Sources = &[
    timm!(
        "mobilenetv3_large_100.ra_in1k",
        APACHE,
        0.75766,
        Some("f425af34cc1cead2b5d6211f789a1f30b94835dc32f9c0fcc5a916e4fd2dde85")
    ),
    torchvision!("mobilenet_v3_large-8738ca79.pth", 0.74042),
];
/// torchvision took its weights from timm.
pub(super) const EFFICIENTNET_B0: Sources = &[
    timm!("efficientnet_b0.ra_in1k", APACHE, 0.77694, None),
    torchvision!("efficientnet_b0_rwightman-7f5810bc.pth", 0.77692),
];
pub(super) const RESNET18: Sources = &[timm!(
    "resnet18.tv_in1k",
    BSD,
    0.69758,
    Some("694f673df6520a3158624e8a89af086f59923ee4cd7436fe5bc3bc71d295ad81")
)];
pub(super) const RESNET34: Sources = &[timm!("resnet34.tv_in1k", BSD, 0.73314, None)];
pub(super) const RESNET50: Sources = &[timm!(
    "resnet50.tv_in1k",
    BSD,
    0.7613,
    Some("5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888")
)];
pub(super) const RESNET101: Sources = &[timm!("resnet101.tv_in1k", BSD, 0.77374, None)];
/// The same weights; timm names the licence Apache-2.0 and judges them with a cubic filter.
pub(super) const DENSENET121: Sources = &[
    timm!(
        "densenet121.tv_in1k",
        APACHE,
        0.74764,
        Some("c894c6d9caa317a8ca1942986dee7a16a86c77734a4d691d2abe05389cfef358")
    ),
    torchvision!("densenet121-a639ec97.pth", 0.74434),
];
pub(super) const CONVNEXT_TINY: Sources = &[
    timm!("convnext_tiny.fb_in1k", APACHE, 0.821, None),
    torchvision!("convnext_tiny-983f1562.pth", 0.8252),
];
pub(super) const VIT_TINY: Sources =
    &[timm!("vit_tiny_patch16_224.augreg_in21k_ft_in1k", APACHE, 0.75454, None)];
pub(super) const VIT_SMALL: Sources =
    &[timm!("vit_small_patch16_224.augreg_in21k_ft_in1k", APACHE, 0.81384, None)];
pub(super) const VIT_BASE: Sources =
    &[timm!("vit_base_patch16_224.augreg_in21k_ft_in1k", APACHE, 0.84532, None)];
pub(super) const VGG16: Sources = &[timm!(
    "vgg16.tv_in1k",
    BSD,
    0.71592,
    Some("57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8")
)];
pub(super) const VGG16_BN: Sources = &[timm!(
    "vgg16_bn.tv_in1k",
    BSD,
    0.7336,
    Some("88bbedbc8e780413736db38ac4efd41b06fc0e93fd5b8879b584bba63a950129")
)];
pub(super) const SQUEEZENET: Sources = &[torchvision!("squeezenet1_1-b8a52dc0.pth", 0.58178)];
