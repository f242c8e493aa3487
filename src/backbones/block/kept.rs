//! How many values of a picture a network keeps while it learns, until its gradient has been taken.

use super::{BlockDesc, ConvDesc, DenseLayerDesc, InvertedDesc, StageDesc};

/// A convolution, its normalisation and its activation each leave a map of the same size.
const MAPS_OF_A_CONVOLUTION: usize = 3;
/// Without a normalisation, the convolution and its activation.
const MAPS_WITHOUT_NORM: usize = 2;

impl ConvDesc {
    /// What it keeps of an input of `side` pixels, and the side of its output.
    fn kept(&self, side: usize) -> (usize, usize) {
        let after = self.side_after(side);
        let maps = if self.norm.is_some() { MAPS_OF_A_CONVOLUTION } else { MAPS_WITHOUT_NORM };
        (maps * after * after * self.channels.1, after)
    }
}

/// What convolutions behind each other keep.
fn chain<'a>(convs: impl IntoIterator<Item = &'a ConvDesc>, side: usize) -> usize {
    let step = |(sum, side): (usize, usize), conv: &ConvDesc| {
        let (kept, after) = conv.kept(side);
        (sum + kept, after)
    };
    convs.into_iter().fold((0, side), step).0
}

impl InvertedDesc {
    fn kept(&self, side: usize) -> usize {
        let convs = self.expand.iter().chain([&self.depthwise, &self.project]);
        let after = self.depthwise.side_after(side);
        // The squeezed map is kept beside the one that it scales.
        let squeezed = self.squeeze.as_ref().map_or(0, |s| after * after * s.channels);
        chain(convs, side) + squeezed
    }
}

impl DenseLayerDesc {
    fn kept(&self, side: usize) -> usize {
        // What came in is normalised, passed through relu, and put beside what is new.
        3 * side * side * self.norm.channels + chain([&self.bottleneck, &self.grow], side)
    }
}

impl BlockDesc {
    /// Values kept of an input of `side` by `side` pixels with so many channels.
    fn kept(&self, side: usize, channels: usize) -> usize {
        match self {
            Self::Conv(conv) => conv.kept(side).0,
            Self::MaxPool(spec) | Self::AvgPool(spec) => super::pooled_side(*spec, side).pow(2) * channels,
            Self::Norm(norm) => 2 * side * side * norm.channels,
            Self::Dense(layers) => layers.iter().map(|layer| layer.kept(side)).sum(),
            Self::Inverted(block) => block.kept(side),
            Self::Residual { body, shortcut, .. } => {
                chain(body, side) + shortcut.as_ref().map_or(0, |conv| conv.kept(side).0)
            }
            Self::Fire { squeeze, narrow, wide } => {
                let (kept, after) = squeeze.kept(side);
                kept + chain([narrow.as_ref()], after) + chain([wide.as_ref()], after)
            }
            Self::Hidden { layers, .. } => layers.iter().map(|l| l.inputs + 2 * l.outputs).sum(),
            Self::Own(piece) => piece.kept(side),
        }
    }
}

impl StageDesc {
    /// Values that it keeps of one picture for its gradient, where what comes in is `side` by `side` pixels with so many channels.
    pub(in crate::backbones) fn kept(&self, side: usize, channels: usize) -> usize {
        let step = |(sum, side): (usize, usize), block: &BlockDesc| {
            let one = Self { blocks: vec![block.clone()], channels: self.channels };
            (sum + block.kept(side, channels), one.side_after(side))
        };
        self.blocks.iter().fold((0, side), step).0
    }
}
