//! DenseNet (Huang et al. 2017, "Densely Connected Convolutional Networks"), as torchvision's `densenet.py`.

use super::block::{BlockDesc, ConvDesc, DenseLayerDesc, NormDesc, StageDesc};
use crate::nn::init::Init;
use crate::nn::ops::{Activation, PoolSpec};

/// Channels that each layer adds, and those of the convolution before it.
const GROWTH: usize = 32;
const BOTTLENECK: usize = 4 * GROWTH;

/// Channels of the stem.
const FIRST: usize = 2 * GROWTH;

/// Stages `stem` and `denseblock1` to `denseblock4` of `depths` layers each. The transition behind a block belongs to it: what
/// comes out is four times smaller in height times width and half as wide. The last one ends in a normalisation instead.
pub(super) fn stages(depths: [usize; 4]) -> Vec<StageDesc> {
    let stem = ConvDesc::normed("features.conv0", "features.norm0", (3, FIRST), 7, Activation::Relu)
        .stride(2)
        .init(Init::KaimingNormalFanIn);
    let pool = PoolSpec { kernel: 3, stride: 2, padding: 1, ceil: false };
    let mut stages =
        vec![StageDesc { blocks: vec![BlockDesc::Conv(stem), BlockDesc::MaxPool(pool)], channels: FIRST }];
    let mut channels = FIRST;
    for (index, depth) in depths.into_iter().enumerate() {
        let block = format!("features.denseblock{}", index + 1);
        let layers = (0..depth)
            .map(|layer| dense_layer(&format!("{block}.denselayer{}", layer + 1), channels + layer * GROWTH));
        let mut blocks = vec![BlockDesc::Dense(layers.collect())];
        channels += depth * GROWTH;
        if index + 1 < depths.len() {
            blocks.extend(transition(&format!("features.transition{}", index + 1), channels));
            channels /= 2;
        } else {
            blocks.push(BlockDesc::Norm(NormDesc { name: "features.norm5".to_owned(), channels }));
        }
        stages.push(StageDesc { blocks, channels });
    }
    stages
}

fn dense_layer(prefix: &str, channels: usize) -> DenseLayerDesc {
    let (conv1, norm2) = (format!("{prefix}.conv1"), format!("{prefix}.norm2"));
    let bottleneck = ConvDesc::normed(conv1, norm2, (channels, BOTTLENECK), 1, Activation::Relu);
    let grow = ConvDesc::plain(format!("{prefix}.conv2"), (BOTTLENECK, GROWTH), 3);
    DenseLayerDesc {
        norm: NormDesc { name: format!("{prefix}.norm1"), channels },
        bottleneck: bottleneck.init(Init::KaimingNormalFanIn),
        grow: grow.init(Init::KaimingNormalFanIn),
    }
}

/// Torchvision's convolution comes before the mean over 2 x 2 pixels. A 1x1 convolution without bias may as well follow it, at a
/// quarter of the work.
fn transition(prefix: &str, channels: usize) -> [BlockDesc; 3] {
    let conv = ConvDesc::plain(format!("{prefix}.conv"), (channels, channels / 2), 1);
    [
        BlockDesc::Norm(NormDesc { name: format!("{prefix}.norm"), channels }),
        BlockDesc::AvgPool(PoolSpec { kernel: 2, stride: 2, padding: 0, ceil: false }),
        BlockDesc::Conv(conv.init(Init::KaimingNormalFanIn)),
    ]
}
