//! MobileNetV2 (Sandler et al. 2018, "Inverted Residuals and Linear Bottlenecks"), as torchvision's `mobilenetv2.py`.

use super::block::{BlockDesc, ConvDesc, StageDesc};
use crate::nn::ops::Activation;

/// Expansion, output channels, repeats and stride of each group: the paper's table 2.
const GROUPS: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

/// Stages `features.0` to `features.18`. `width_percent` is the width multiplier times 100.
pub(super) fn stages(width_percent: usize) -> Vec<StageDesc> {
    let first = scaled(32, width_percent);
    let stem = ConvDesc::normed("features.0.0", "features.0.1", (3, first), 3, Activation::Relu6).stride(2);
    let mut stages = vec![StageDesc { blocks: vec![BlockDesc::Conv(stem)], channels: first }];
    let mut cin = first;
    for (expansion, channels, repeats, stride) in GROUPS {
        let cout = scaled(channels, width_percent);
        for repeat in 0..repeats {
            let stride = if repeat == 0 { stride } else { 1 };
            let prefix = format!("features.{}", stages.len());
            let body = inverted_residual(&prefix, (cin, cout), expansion, stride);
            let blocks = if stride == 1 && cin == cout {
                vec![BlockDesc::Residual { body, shortcut: None, act: Activation::Identity }]
            } else {
                body.into_iter().map(BlockDesc::Conv).collect()
            };
            stages.push(StageDesc { blocks, channels: cout });
            cin = cout;
        }
    }
    // The last layer is never narrower than in the paper.
    let last = scaled(1280, width_percent.max(100));
    let conv = ConvDesc::normed("features.18.0", "features.18.1", (cin, last), 1, Activation::Relu6);
    stages.push(StageDesc { blocks: vec![BlockDesc::Conv(conv)], channels: last });
    stages
}

/// Layers that timm names differently: timm's name, torchvision's. Reference: timm 1.0, `_efficientnet_builder.py`.
pub(super) fn timm_layers() -> Vec<(String, String)> {
    let ends = [
        ("conv_stem", "features.0.0"),
        ("bn1", "features.0.1"),
        ("conv_head", "features.18.0"),
        ("bn2", "features.18.1"),
        ("classifier", "classifier.1"),
    ];
    let mut layers: Vec<(String, String)> =
        ends.map(|(timm, torchvision)| (timm.to_owned(), torchvision.to_owned())).to_vec();
    let mut feature = 0;
    for (group, (expansion, _, repeats, _)) in GROUPS.into_iter().enumerate() {
        // Without an expansion the block begins with its depthwise convolution.
        let parts: &[(&str, &str)] = if expansion == 1 {
            &[("conv_dw", "0.0"), ("bn1", "0.1"), ("conv_pw", "1"), ("bn2", "2")]
        } else {
            &[
                ("conv_pw", "0.0"),
                ("bn1", "0.1"),
                ("conv_dw", "1.0"),
                ("bn2", "1.1"),
                ("conv_pwl", "2"),
                ("bn3", "3"),
            ]
        };
        for block in 0..repeats {
            feature += 1;
            let named = |(timm, place): &(&str, &str)| {
                (format!("blocks.{group}.{block}.{timm}"), format!("features.{feature}.conv.{place}"))
            };
            layers.extend(parts.iter().map(named));
        }
    }
    layers
}

fn inverted_residual(
    prefix: &str,
    (cin, cout): (usize, usize),
    expansion: usize,
    stride: usize,
) -> Vec<ConvDesc> {
    let hidden = cin * expansion;
    let inner = |place: usize, channels, kernel| {
        let (conv, norm) = (format!("{prefix}.conv.{place}.0"), format!("{prefix}.conv.{place}.1"));
        ConvDesc::normed(conv, norm, channels, kernel, Activation::Relu6)
    };
    let mut convs = Vec::with_capacity(3);
    if expansion != 1 {
        convs.push(inner(0, (cin, hidden), 1));
    }
    convs.push(inner(convs.len(), (hidden, hidden), 3).depthwise().stride(stride));
    let place = convs.len();
    let (conv, norm) = (format!("{prefix}.conv.{place}"), format!("{prefix}.conv.{}", place + 1));
    convs.push(ConvDesc::normed(conv, norm, (hidden, cout), 1, Activation::Identity));
    convs
}

/// `channels` times the multiplier, to the nearest multiple of 8, never less than nine tenths of it (the authors'
/// `_make_divisible`).
pub(super) fn scaled(channels: usize, width_percent: usize) -> usize {
    let exact = channels * width_percent;
    let rounded = ((exact + 400) / 800 * 8).max(8);
    if rounded * 1000 < exact * 9 { rounded + 8 } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn widths_are_those_of_the_reference() {
        // torchvision's _make_divisible(c * multiplier, 8).
        let of = |percent| [32, 16, 24, 64, 96, 160, 320, 1280].map(|c| scaled(c, percent));
        assert_eq!(of(100), [32, 16, 24, 64, 96, 160, 320, 1280]);
        assert_eq!(of(50), [16, 8, 16, 32, 48, 80, 160, 640]);
        assert_eq!(of(140), [48, 24, 32, 88, 136, 224, 448, 1792]);
    }
}
