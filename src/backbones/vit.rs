//! Vision transformers (Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words") of 12 blocks on patches of 16 x 16 pixels, as
//! timm's `vision_transformer.py`, under timm's names.
//!
//! Behind every stage the activations are `[N, 1, T, C]`: a row of T = 197 tokens, the class token first, then the 14 x 14
//! patches line by line. There is no drop path: timm's own fine-tuning of these weights did without it, and what is left to
//! learn here is little.

use super::block::{BlockDesc, ParamDesc, Piece, StageDesc};
use crate::error::{Error, Result};
use crate::nn::init::{Init, ParamBuilder};
use crate::nn::layers::{ConvDef, ConvNormAct, Forward, Layer, LayerNorm, Linear, Mlp};
use crate::nn::ops::{Activation, attention, attention_weights, embed_patches};
use crate::nn::params::{ParamId, ParamKind};
use candle_core::Tensor;
use std::sync::Arc;

/// Added to variances.
pub(super) const NORM_EPS: f64 = 1e-6;

const PATCH_PX: usize = 16;
/// Patches along each side of the picture. The positions are learned, so it is the only size.
const GRID: usize = 14;
const BLOCKS: usize = 12;
/// Hidden width of a block's fully connected layers, as a multiple of its width.
const EXPANSION: usize = 4;
/// Values of a head.
const HEAD_WIDTH: usize = 64;
/// timm's `trunc_normal_(std=0.02)`, which cuts at 100 deviations.
const INIT: Init = Init::Normal(0.02);

/// Patches and the class token.
const TOKENS: usize = GRID * GRID + 1;

/// Stages `patch_embed` and `blocks.0` to `blocks.11`.
pub(super) fn stages(width: usize) -> Vec<StageDesc> {
    let stage = |piece: Arc<dyn Piece>| StageDesc { blocks: vec![BlockDesc::Own(piece)], channels: width };
    let blocks = (0..BLOCKS).map(|i| stage(Arc::new(EncoderDesc { name: format!("blocks.{i}"), width })));
    std::iter::once(stage(Arc::new(TokensDesc { width }))).chain(blocks).collect()
}

#[derive(Debug)]
struct TokensDesc {
    width: usize,
}

impl Piece for TokensDesc {
    fn params(&self) -> Vec<ParamDesc> {
        let embedding = |name, tokens| ParamDesc::new(name, ParamKind::Embedding, &[1, tokens, self.width]);
        let weight = [self.width, 3, PATCH_PX, PATCH_PX];
        vec![
            embedding("cls_token", 1),
            embedding("pos_embed", GRID * GRID + 1),
            ParamDesc::new("patch_embed.proj.weight", ParamKind::ConvWeight, &weight),
            ParamDesc::new("patch_embed.proj.bias", ParamKind::Bias, &[self.width]),
        ]
    }

    fn side_after(&self, side: usize) -> usize {
        side / PATCH_PX
    }

    fn kept(&self, _: usize) -> usize {
        // The patches, and with their places.
        2 * TOKENS * self.width
    }

    fn build(&self, b: &mut ParamBuilder<'_>) -> Result<Box<dyn Layer>> {
        let embedding = ParamKind::Embedding;
        let class = b.add("cls_token", embedding, &[1, 1, self.width], Init::Normal(1e-6))?;
        let positions = b.add("pos_embed", embedding, &[1, GRID * GRID + 1, self.width], INIT)?;
        let proj = ConvDef::new("patch_embed.proj", 3, self.width, PATCH_PX)
            .stride(PATCH_PX)
            .padding(0)
            .bias()
            .init(Init::TorchDefault { fan_in: 3 * PATCH_PX * PATCH_PX });
        Ok(Box::new(Tokens { class, positions, proj: ConvNormAct::new(b, proj)? }))
    }
}

/// Pictures to tokens.
#[derive(Debug)]
struct Tokens {
    class: ParamId,
    positions: ParamId,
    proj: ConvNormAct,
}

impl Layer for Tokens {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let (_, h, w, _) = x.dims4()?;
        let side = GRID * PATCH_PX;
        if (h, w) != (side, side) {
            return Err(Error::input(format!(
                "a vision transformer reads pictures of {side} x {side} pixels, not {h} x {w}"
            ))
            .with_hint("Its positions are learned for one size: prepare pictures as the backbone says"));
        }
        embed_patches(&f.store.tensor(self.class), &self.proj.forward(f, x)?, &f.store.tensor(self.positions))
    }
}

#[derive(Debug)]
struct EncoderDesc {
    name: String,
    width: usize,
}

impl Piece for EncoderDesc {
    fn params(&self) -> Vec<ParamDesc> {
        let (name, width) = (&self.name, self.width);
        let mut out = ParamDesc::norm(&format!("{name}.norm1"), width);
        out.extend(ParamDesc::linear(&format!("{name}.attn.qkv"), width, 3 * width));
        out.extend(ParamDesc::linear(&format!("{name}.attn.proj"), width, width));
        out.extend(ParamDesc::norm(&format!("{name}.norm2"), width));
        out.extend(ParamDesc::linear(&format!("{name}.mlp.fc1"), width, EXPANSION * width));
        out.extend(ParamDesc::linear(&format!("{name}.mlp.fc2"), EXPANSION * width, width));
        out
    }

    fn kept(&self, _: usize) -> usize {
        // Two normalisations, queries, keys and values, what was attended to, two sums, and the hidden layer before and behind its
        // activation.
        TOKENS * self.width * (2 + 3 + 1 + 2 + 2 * EXPANSION)
    }

    fn build(&self, b: &mut ParamBuilder<'_>) -> Result<Box<dyn Layer>> {
        let (mut b, width) = (b.child(&self.name), self.width);
        let init = (INIT, Init::Constant(0.0));
        let identity = Activation::Identity;
        Ok(Box::new(Encoder {
            norm1: LayerNorm::new(&mut b, "norm1", width, NORM_EPS)?,
            qkv: Linear::with_init(&mut b, "attn.qkv", (width, 3 * width), identity, init)?,
            heads: width / HEAD_WIDTH,
            proj: Linear::with_init(&mut b, "attn.proj", (width, width), identity, init)?,
            norm2: LayerNorm::new(&mut b, "norm2", width, NORM_EPS)?,
            mlp: Mlp::new(
                &mut b,
                ["mlp.fc1", "mlp.fc2"],
                (width, EXPANSION * width),
                Activation::Gelu,
                INIT,
            )?,
        }))
    }
}

/// A block: attention, then fully connected layers, each normalised before and added to what it read.
#[derive(Debug)]
struct Encoder {
    norm1: LayerNorm,
    qkv: Linear,
    heads: usize,
    proj: Linear,
    norm2: LayerNorm,
    mlp: Mlp,
}

impl Layer for Encoder {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let qkv = self.qkv.forward(f, &self.norm1.forward(f, x)?)?;
        let x = self.proj.add_to(f, x, (Activation::Identity, &attention(&qkv, self.heads)?), None)?;
        self.mlp.add_to(f, &x, &self.norm2.forward(f, &x)?, None)
    }

    fn attention(&self, f: &Forward<'_>, x: &Tensor) -> Result<Option<Tensor>> {
        let qkv = self.qkv.forward(f, &self.norm1.forward(f, x)?)?;
        attention_weights(&qkv, self.heads).map(Some)
    }
}
