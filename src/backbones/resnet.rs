//! ResNet (He et al. 2016, "Deep Residual Learning for Image Recognition"), as torchvision's `resnet.py`: the bottleneck's
//! stride is on its 3x3 convolution.

use super::block::{BlockDesc, ConvDesc, StageDesc};
use crate::nn::ops::{Activation, PoolSpec};

/// Stages `stem` and `layer1` to `layer4`, the latter of `depths` blocks each.
pub(super) fn stages(depths: [usize; 4], bottleneck: bool) -> Vec<StageDesc> {
    let stem = ConvDesc::normed("conv1", "bn1", (3, 64), 7, Activation::Relu).stride(2);
    let pool = PoolSpec { kernel: 3, stride: 2, padding: 1, ceil: false };
    let mut stages =
        vec![StageDesc { blocks: vec![BlockDesc::Conv(stem), BlockDesc::MaxPool(pool)], channels: 64 }];
    let mut cin = 64;
    for (layer, depth) in depths.into_iter().enumerate() {
        let width = 64 << layer;
        let cout = if bottleneck { 4 * width } else { width };
        let mut blocks = Vec::with_capacity(depth);
        for block in 0..depth {
            let prefix = format!("layer{}.{block}", layer + 1);
            let stride = if layer > 0 && block == 0 { 2 } else { 1 };
            let body = if bottleneck {
                bottleneck_body(&prefix, cin, width, stride)
            } else {
                basic_body(&prefix, cin, width, stride)
            };
            let shortcut = (stride != 1 || cin != cout).then(|| {
                let (conv, norm) = (format!("{prefix}.downsample.0"), format!("{prefix}.downsample.1"));
                ConvDesc::normed(conv, norm, (cin, cout), 1, Activation::Identity).stride(stride)
            });
            blocks.push(BlockDesc::Residual {
                body,
                shortcut: shortcut.map(Box::new),
                act: Activation::Relu,
            });
            cin = cout;
        }
        stages.push(StageDesc { blocks, channels: cout });
    }
    stages
}

fn part(prefix: &str, index: usize, channels: (usize, usize), kernel: usize, act: Activation) -> ConvDesc {
    ConvDesc::normed(format!("{prefix}.conv{index}"), format!("{prefix}.bn{index}"), channels, kernel, act)
}

fn basic_body(prefix: &str, cin: usize, width: usize, stride: usize) -> Vec<ConvDesc> {
    vec![
        part(prefix, 1, (cin, width), 3, Activation::Relu).stride(stride),
        part(prefix, 2, (width, width), 3, Activation::Identity),
    ]
}

fn bottleneck_body(prefix: &str, cin: usize, width: usize, stride: usize) -> Vec<ConvDesc> {
    vec![
        part(prefix, 1, (cin, width), 1, Activation::Relu),
        part(prefix, 2, (width, width), 3, Activation::Relu).stride(stride),
        part(prefix, 3, (width, 4 * width), 1, Activation::Identity),
    ]
}
