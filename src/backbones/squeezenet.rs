//! SqueezeNet 1.1 (Iandola et al. 2016), as torchvision's `squeezenet.py`.

use super::block::{BlockDesc, ConvDesc, StageDesc};
use crate::nn::init::Init;
use crate::nn::ops::PoolSpec;

/// Stages `stem` (features 0 to 2) and four pairs of fire modules, named as in the paper, with the pooling behind them.
pub(super) fn stages() -> Vec<StageDesc> {
    let pool = || BlockDesc::MaxPool(PoolSpec { kernel: 3, stride: 2, padding: 0, ceil: true });
    let stem = conv("features.0".to_owned(), (3, 64), 3).stride(2).padding(0);
    vec![
        StageDesc { blocks: vec![BlockDesc::Conv(stem), pool()], channels: 64 },
        StageDesc { blocks: vec![fire(3, 64, 16), fire(4, 128, 16), pool()], channels: 128 },
        StageDesc { blocks: vec![fire(6, 128, 32), fire(7, 256, 32), pool()], channels: 256 },
        StageDesc { blocks: vec![fire(9, 256, 48), fire(10, 384, 48)], channels: 384 },
        StageDesc { blocks: vec![fire(11, 384, 64), fire(12, 512, 64)], channels: 512 },
    ]
}

/// The published head: a 1x1 convolution to the classes with relu, averaged over all positions afterwards.
pub(super) fn published_head(channels: usize, num_classes: usize) -> StageDesc {
    let conv = ConvDesc::biased("classifier.1", (channels, num_classes), 1).init(Init::Normal(0.01));
    StageDesc { blocks: vec![BlockDesc::Conv(conv)], channels: num_classes }
}

fn conv(name: String, channels: (usize, usize), kernel: usize) -> ConvDesc {
    ConvDesc::biased(name, channels, kernel).init(Init::KaimingUniformFanIn)
}

/// A fire module squeezes to `squeezed` channels and expands to eight times as many.
fn fire(index: usize, cin: usize, squeezed: usize) -> BlockDesc {
    let prefix = format!("features.{index}");
    let expanded = (squeezed, 4 * squeezed);
    BlockDesc::Fire {
        squeeze: Box::new(conv(format!("{prefix}.squeeze"), (cin, squeezed), 1)),
        narrow: Box::new(conv(format!("{prefix}.expand1x1"), expanded, 1)),
        wide: Box::new(conv(format!("{prefix}.expand3x3"), expanded, 3)),
    }
}
