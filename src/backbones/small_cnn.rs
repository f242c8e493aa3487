//! A small network of our own for learning from scratch on a processor: six 3x3 convolutions that halve the map four times.
//!
//! At 64 pixels a picture costs 19 million multiplications, a hundredth of ResNet-18 at 224, in matrix products of friendly
//! widths, so that a few hundred pictures are learned in a minute.

use super::block::{BlockDesc, ConvDesc, StageDesc};
use crate::nn::ops::Activation;

/// Width of each block and how many convolutions it has, the first with stride 2.
const BLOCKS: [(usize, usize); 4] = [(32, 1), (64, 1), (96, 2), (128, 2)];

/// Stages `block1` to `block4`.
pub(super) fn stages() -> Vec<StageDesc> {
    let mut cin = 3;
    let mut stages = Vec::with_capacity(BLOCKS.len());
    for (block, (width, depth)) in BLOCKS.into_iter().enumerate() {
        let mut blocks = Vec::with_capacity(depth);
        for layer in 0..depth {
            let prefix = format!("block{}", block + 1);
            let (conv, norm) = (format!("{prefix}.conv{}", layer + 1), format!("{prefix}.bn{}", layer + 1));
            let stride = if layer == 0 { 2 } else { 1 };
            let conv = ConvDesc::normed(conv, norm, (cin, width), 3, Activation::Relu).stride(stride);
            blocks.push(BlockDesc::Conv(conv));
            cin = width;
        }
        stages.push(StageDesc { blocks, channels: width });
    }
    stages
}
