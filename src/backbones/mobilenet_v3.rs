//! MobileNetV3, large and small (Howard et al. 2019, "Searching for MobileNetV3"), as torchvision's `mobilenetv3.py`.
//!
//! The paper's last stage widens the pooled features by one hidden layer; it is the stage `classifier`, part of the backbone, so
//! that a new head replaces the last layer alone.

use super::block::{BlockDesc, ConvDesc, InvertedShape, LinearDesc, StageDesc};
use super::mobilenet_v2::scaled;
use crate::nn::layers::NormRates;
use crate::nn::ops::Activation::{self, Hardsigmoid, Hardswish, Relu};

/// Kernel, expanded and output channels, squeeze and excitation, activation and stride of each block.
type Row = (usize, usize, usize, bool, Activation, usize);

/// The paper's table 1.
const LARGE: [Row; 15] = [
    (3, 16, 16, false, Relu, 1),
    (3, 64, 24, false, Relu, 2),
    (3, 72, 24, false, Relu, 1),
    (5, 72, 40, true, Relu, 2),
    (5, 120, 40, true, Relu, 1),
    (5, 120, 40, true, Relu, 1),
    (3, 240, 80, false, Hardswish, 2),
    (3, 200, 80, false, Hardswish, 1),
    (3, 184, 80, false, Hardswish, 1),
    (3, 184, 80, false, Hardswish, 1),
    (3, 480, 112, true, Hardswish, 1),
    (3, 672, 112, true, Hardswish, 1),
    (5, 672, 160, true, Hardswish, 2),
    (5, 960, 160, true, Hardswish, 1),
    (5, 960, 160, true, Hardswish, 1),
];

/// The paper's table 2.
const SMALL: [Row; 11] = [
    (3, 16, 16, true, Relu, 2),
    (3, 72, 24, false, Relu, 2),
    (3, 88, 24, false, Relu, 1),
    (5, 96, 40, true, Hardswish, 2),
    (5, 240, 40, true, Hardswish, 1),
    (5, 240, 40, true, Hardswish, 1),
    (5, 120, 48, true, Hardswish, 1),
    (5, 144, 48, true, Hardswish, 1),
    (5, 288, 96, true, Hardswish, 2),
    (5, 576, 96, true, Hardswish, 1),
    (5, 576, 96, true, Hardswish, 1),
];

/// Blocks of each of timm's groups.
const LARGE_GROUPS: &[usize] = &[1, 2, 3, 4, 2, 3];
const SMALL_GROUPS: &[usize] = &[1, 2, 3, 2, 3];

/// Channels of the stem.
const FIRST: usize = 16;

/// The authors' constants; timm's `mobilenetv3_*` have [`TIMM_EPS`] instead.
const NORM_RATES: NormRates = NormRates { eps: 1e-3, momentum: 0.01 };
const TIMM_EPS: f64 = 1e-5;

/// What a running variance of timm's has more than one of torchvision's, so that both networks, each with its own eps, divide
/// by the same.
pub(super) const TIMM_VARIANCE_OFFSET: f64 = NORM_RATES.eps - TIMM_EPS;

/// Stages `features.0` (the stem), one for each block, the widening before the mean, and `classifier`.
pub(super) fn stages(small: bool) -> Vec<StageDesc> {
    let conv = |index: usize, channels, kernel| {
        let (conv, norm) = (format!("features.{index}.0"), format!("features.{index}.1"));
        ConvDesc::normed(conv, norm, channels, kernel, Hardswish).norm_rates(NORM_RATES)
    };
    let stem = BlockDesc::Conv(conv(0, (3, FIRST), 3).stride(2));
    let mut stages = vec![StageDesc { blocks: vec![stem], channels: FIRST }];
    let mut channels = FIRST;
    for shape in blocks(small) {
        let block = shape.describe(&format!("features.{}", stages.len()));
        channels = shape.channels.1;
        stages.push(StageDesc { blocks: vec![BlockDesc::Inverted(Box::new(block))], channels });
    }
    let (wide, hidden) = (6 * channels, if small { 1024 } else { 1280 });
    let widening = BlockDesc::Conv(conv(stages.len(), (channels, wide), 1));
    stages.push(StageDesc { blocks: vec![widening], channels: wide });
    let layer = LinearDesc { name: "classifier.0".to_owned(), inputs: wide, outputs: hidden, act: Hardswish };
    let layer = BlockDesc::Hidden { side: 1, layers: vec![layer], dropout: 0.2 };
    stages.push(StageDesc { blocks: vec![layer], channels: hidden });
    stages
}

fn blocks(small: bool) -> Vec<InvertedShape> {
    let rows = if small { &SMALL[..] } else { &LARGE };
    let mut cin = FIRST;
    let shape = |&(kernel, expanded, cout, squeezes, act, stride): &Row| {
        let channels = (cin, cout);
        cin = cout;
        let squeeze = squeezes.then(|| (scaled(expanded / 4, 100), Relu, Hardsigmoid));
        let norm_rates = NORM_RATES;
        InvertedShape { channels, expanded, kernel, stride, squeeze, act, norm_rates, depth_drop: 0.0 }
    };
    rows.iter().map(shape).collect()
}

/// timm's and torchvision's names of all layers.
pub(super) fn timm_layers(small: bool) -> Vec<(String, String)> {
    let (blocks, groups) = (blocks(small), if small { SMALL_GROUPS } else { LARGE_GROUPS });
    let (widening, last_group) = (blocks.len() + 1, groups.len());
    let mut layers = vec![
        ("conv_stem".to_owned(), "features.0.0".to_owned()),
        ("bn1".to_owned(), "features.0.1".to_owned()),
        (format!("blocks.{last_group}.0.conv"), format!("features.{widening}.0")),
        (format!("blocks.{last_group}.0.bn1"), format!("features.{widening}.1")),
        ("conv_head".to_owned(), "classifier.0".to_owned()),
        ("classifier".to_owned(), "classifier.3".to_owned()),
    ];
    let places = groups.iter().enumerate().flat_map(|(group, &depth)| (0..depth).map(move |b| (group, b)));
    for ((index, shape), (group, block)) in blocks.iter().enumerate().zip(places) {
        layers.extend(shape.timm_parts().into_iter().map(|(ours, theirs)| {
            (format!("blocks.{group}.{block}.{theirs}"), format!("features.{}.{ours}", index + 1))
        }));
    }
    layers
}
