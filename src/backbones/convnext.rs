//! ConvNeXt (Liu et al. 2022, "A ConvNet for the 2020s"), as torchvision's `convnext.py`, without its stochastic depth: that
//! serves training on ImageNet for hundreds of epochs.

use super::block::{BlockDesc, ParamDesc, Piece, StageDesc};
use crate::error::Result;
use crate::nn::init::{Init, ParamBuilder};
use crate::nn::layers::{ConvDef, ConvNormAct, Forward, Layer, LayerNorm, Mlp};
use crate::nn::ops::Activation;
use crate::nn::params::{ParamId, ParamKind};
use candle_core::Tensor;
use std::sync::Arc;

/// Added to variances.
pub(super) const NORM_EPS: f64 = 1e-6;

/// Channels and blocks of each of the four stages of the tiny network.
pub(super) const TINY: [(usize, usize); 4] = [(96, 3), (192, 3), (384, 9), (768, 3)];

/// Side of a block's depthwise kernel.
const KERNEL: usize = 7;
/// Hidden width of a block's fully connected layers, as a multiple of its width.
const EXPANSION: usize = 4;
/// torchvision's `trunc_normal_(std=0.02)`, which cuts at 100 deviations.
const INIT: Init = Init::Normal(0.02);
const FIRST_LAYER_SCALE: f32 = 1e-6;

/// Stages `stem` and `stage1` to `stage4`; all but the first of these begin with the halving of the map.
pub(super) fn stages(widths_and_depths: [(usize, usize); 4]) -> Vec<StageDesc> {
    let own = |piece: Patches| BlockDesc::Own(Arc::new(piece));
    let mut cin = widths_and_depths[0].0;
    let stem = Patches { prefix: "features.0".to_owned(), channels: (3, cin), side: 4, norm_first: false };
    let mut stages = vec![StageDesc { blocks: vec![own(stem)], channels: cin }];
    for (i, (width, depth)) in widths_and_depths.into_iter().enumerate() {
        let mut blocks = Vec::with_capacity(depth + 1);
        if i > 0 {
            let prefix = format!("features.{}", 2 * i);
            blocks.push(own(Patches { prefix, channels: (cin, width), side: 2, norm_first: true }));
        }
        blocks.extend((0..depth).map(|block| {
            let prefix = format!("features.{}.{block}", 2 * i + 1);
            BlockDesc::Own(Arc::new(BlockOf { prefix, width }))
        }));
        stages.push(StageDesc { blocks, channels: width });
        cin = width;
    }
    stages
}

/// A convolution of patches that do not overlap, with a normalisation before or behind it.
#[derive(Debug)]
struct Patches {
    prefix: String,
    channels: (usize, usize),
    /// Side of a patch.
    side: usize,
    norm_first: bool,
}

impl Patches {
    /// Name and channels of the normalisation, and name of the convolution.
    fn parts(&self) -> ((String, usize), String) {
        let place = |i: usize| format!("{}.{i}", self.prefix);
        match self.norm_first {
            true => ((place(0), self.channels.0), place(1)),
            false => ((place(1), self.channels.1), place(0)),
        }
    }
}

impl Piece for Patches {
    fn params(&self) -> Vec<ParamDesc> {
        let ((norm, width), conv) = self.parts();
        let shape = [self.channels.1, self.channels.0, self.side, self.side];
        let weight = ParamDesc::new(&format!("{conv}.weight"), ParamKind::ConvWeight, &shape);
        let bias = ParamDesc::new(&format!("{conv}.bias"), ParamKind::Bias, &[self.channels.1]);
        let norm = ParamDesc::norm(&norm, width);
        if self.norm_first {
            [norm, vec![weight, bias]].concat()
        } else {
            [vec![weight, bias], norm].concat()
        }
    }

    fn side_after(&self, side: usize) -> usize {
        side / self.side
    }

    fn kept(&self, side: usize) -> usize {
        let (before, after) = (side * side, (side / self.side).pow(2) * self.channels.1);
        if self.norm_first { before * self.channels.0 + after } else { 2 * after }
    }

    fn build(&self, b: &mut ParamBuilder<'_>) -> Result<Box<dyn Layer>> {
        let ((norm, width), conv) = self.parts();
        let def = ConvDef::new(&conv, self.channels.0, self.channels.1, self.side)
            .stride(self.side)
            .padding(0)
            .bias()
            .init(INIT);
        let norm = |b: &mut ParamBuilder<'_>| LayerNorm::new(b, &norm, width, NORM_EPS);
        // Registered in the file's order.
        Ok(if self.norm_first {
            let norm: Box<dyn Layer> = Box::new(norm(b)?);
            Box::new(Both([norm, Box::new(ConvNormAct::new(b, def)?)]))
        } else {
            let conv: Box<dyn Layer> = Box::new(ConvNormAct::new(b, def)?);
            Box::new(Both([conv, Box::new(norm(b)?)]))
        })
    }
}

/// One layer behind the other.
#[derive(Debug)]
struct Both([Box<dyn Layer>; 2]);

impl Layer for Both {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        self.0[1].forward(f, &self.0[0].forward(f, x)?)
    }
}

#[derive(Debug)]
struct BlockOf {
    prefix: String,
    width: usize,
}

impl Piece for BlockOf {
    fn params(&self) -> Vec<ParamDesc> {
        let (prefix, width) = (&self.prefix, self.width);
        let mut out = vec![
            ParamDesc::new(&format!("{prefix}.layer_scale"), ParamKind::LayerScale, &[width, 1, 1]),
            ParamDesc::new(
                &format!("{prefix}.block.0.weight"),
                ParamKind::ConvWeight,
                &[width, 1, KERNEL, KERNEL],
            ),
            ParamDesc::new(&format!("{prefix}.block.0.bias"), ParamKind::Bias, &[width]),
        ];
        out.extend(ParamDesc::norm(&format!("{prefix}.block.2"), width));
        out.extend(ParamDesc::linear(&format!("{prefix}.block.3"), width, EXPANSION * width));
        out.extend(ParamDesc::linear(&format!("{prefix}.block.5"), EXPANSION * width, width));
        out
    }

    fn kept(&self, side: usize) -> usize {
        // The convolution, its normalisation, the hidden layer before and behind its activation, what is scaled, and the sum.
        side * side * self.width * (2 + 2 * EXPANSION + 2)
    }

    fn build(&self, b: &mut ParamBuilder<'_>) -> Result<Box<dyn Layer>> {
        let (mut b, width) = (b.child(&self.prefix), self.width);
        let first = Init::Constant(FIRST_LAYER_SCALE);
        let depthwise = ConvDef::new("block.0", width, width, KERNEL).groups(width).bias().init(INIT);
        Ok(Box::new(Block {
            scale: b.add("layer_scale", ParamKind::LayerScale, &[width], first)?,
            depthwise: ConvNormAct::new(&mut b, depthwise)?,
            norm: LayerNorm::new(&mut b, "block.2", width, NORM_EPS)?,
            mlp: Mlp::new(
                &mut b,
                ["block.3", "block.5"],
                (width, EXPANSION * width),
                Activation::Gelu,
                INIT,
            )?,
        }))
    }
}

/// A depthwise convolution, then fully connected layers at each position, scaled and added to what they read.
#[derive(Debug)]
struct Block {
    scale: ParamId,
    depthwise: ConvNormAct,
    norm: LayerNorm,
    mlp: Mlp,
}

impl Layer for Block {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let branch = self.norm.forward(f, &self.depthwise.forward(f, x)?)?;
        self.mlp.add_to(f, x, &branch, Some(self.scale))
    }
}

/// Parts of a block: torchvision's name and timm's.
const BLOCK_PARTS: [(&str, &str); 4] =
    [("block.0", "conv_dw"), ("block.2", "norm"), ("block.3", "mlp.fc1"), ("block.5", "mlp.fc2")];
/// Layers outside of the stages: torchvision's name and timm's.
const OUTER: [(&str, &str); 4] = [
    ("features.0.0", "stem.0"),
    ("features.0.1", "stem.1"),
    ("classifier.0", "head.norm"),
    ("classifier.2", "head.fc"),
];

/// timm's and torchvision's names of the layers and of the layer scales.
pub(super) fn timm_layers() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> =
        OUTER.iter().map(|(ours, timm)| ((*timm).to_owned(), (*ours).to_owned())).collect();
    for (stage, depth) in TINY.map(|(_, depth)| depth).into_iter().enumerate() {
        if stage > 0 {
            let part = |i| (format!("stages.{stage}.downsample.{i}"), format!("features.{}.{i}", 2 * stage));
            all.extend([part(0), part(1)]);
        }
        for block in 0..depth {
            let (timm, ours) =
                (format!("stages.{stage}.blocks.{block}"), format!("features.{}.{block}", 2 * stage + 1));
            all.extend(BLOCK_PARTS.iter().map(|(o, t)| (format!("{timm}.{t}"), format!("{ours}.{o}"))));
            all.push((format!("{timm}.gamma"), format!("{ours}.layer_scale")));
        }
    }
    all
}
