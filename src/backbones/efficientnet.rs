//! EfficientNet-B0 (Tan and Le 2019, "EfficientNet: Rethinking Model Scaling"), as torchvision's `efficientnet.py`.

use super::block::{BlockDesc, ConvDesc, InvertedShape, StageDesc};
use crate::nn::layers::NormRates;
use crate::nn::ops::Activation;

/// Expansion, kernel, stride, input and output channels and repeats of each group: the paper's table 1.
const GROUPS: [(usize, usize, usize, usize, usize, usize); 7] = [
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
];

/// Probability with which the block behind the last one would be left out in training; it grows from 0 block by block.
const DEPTH_DROP: f64 = 0.2;

/// Stages `features.0` to `features.8`: the stem, the seven groups, and the widening before the mean.
pub(super) fn stages() -> Vec<StageDesc> {
    let conv = |index: usize, channels, kernel| {
        let (conv, norm) = (format!("features.{index}.0"), format!("features.{index}.1"));
        ConvDesc::normed(conv, norm, channels, kernel, Activation::Silu)
    };
    let (first, last) = (32, 1280);
    let stem = BlockDesc::Conv(conv(0, (3, first), 3).stride(2));
    let mut stages = vec![StageDesc { blocks: vec![stem], channels: first }];
    let mut channels = first;
    for group in groups() {
        let blocks = group.iter().enumerate().map(|(block, shape)| {
            BlockDesc::Inverted(Box::new(shape.describe(&format!("features.{}.{block}", stages.len()))))
        });
        let blocks = blocks.collect();
        channels = group.last().map_or(channels, |shape| shape.channels.1);
        stages.push(StageDesc { blocks, channels });
    }
    let widening = BlockDesc::Conv(conv(stages.len(), (channels, last), 1));
    stages.push(StageDesc { blocks: vec![widening], channels: last });
    stages
}

/// The blocks of each group.
fn groups() -> Vec<Vec<InvertedShape>> {
    let blocks: usize = GROUPS.iter().map(|group| group.5).sum();
    let mut seen = 0u32;
    let of_group = |&(expansion, kernel, stride, cin, cout, repeats): &(_, _, _, _, _, usize)| {
        let mut shape = |repeat| {
            let (cin, stride) = if repeat == 0 { (cin, stride) } else { (cout, 1) };
            seen += 1;
            InvertedShape {
                channels: (cin, cout),
                expanded: cin * expansion,
                kernel,
                stride,
                squeeze: Some((cin / 4, Activation::Silu, Activation::Sigmoid)),
                act: Activation::Silu,
                norm_rates: NormRates::TORCH,
                depth_drop: DEPTH_DROP * f64::from(seen - 1) / blocks as f64,
            }
        };
        (0..repeats).map(&mut shape).collect()
    };
    GROUPS.iter().map(of_group).collect()
}

/// timm's and torchvision's names of all layers.
pub(super) fn timm_layers() -> Vec<(String, String)> {
    let mut layers: Vec<(String, String)> = [
        ("conv_stem", "features.0.0"),
        ("bn1", "features.0.1"),
        ("conv_head", "features.8.0"),
        ("bn2", "features.8.1"),
        ("classifier", "classifier.1"),
    ]
    .map(|(timm, torchvision)| (timm.to_owned(), torchvision.to_owned()))
    .into();
    for (group, blocks) in groups().iter().enumerate() {
        for (block, shape) in blocks.iter().enumerate() {
            layers.extend(shape.timm_parts().into_iter().map(|(ours, theirs)| {
                (format!("blocks.{group}.{block}.{theirs}"), format!("features.{}.{block}.{ours}", group + 1))
            }));
        }
    }
    layers
}
