//! Heads: pooling, then linear or hidden layers.

use super::BackboneSpec;
use super::block::LinearDesc;
use crate::config::{HeadActivation, HeadConfig, HeadKind, HeadOutput, Pooling};
use crate::error::{Error, Result};
use crate::nn::init::ParamBuilder;
use crate::nn::layers::{Dropout, Forward, Layer, LayerNorm, Linear};
use crate::nn::ops::{Activation, concat_channels, global_avg_pool, global_max_pool, pick_tokens};
use candle_core::Tensor;

/// Fully connected layers with dropout before each. Without layers, the features are the logits.
#[derive(Debug)]
pub(super) struct Head {
    layers: Vec<Linear>,
    dropout: Dropout,
}

/// Descriptions of the head's layers. The last one of a linear head has the published head's name; those of a head with
/// hidden layers are `head.0`, `head.1` and so on, since no published layer is their like.
///
/// # Errors
/// If a sigmoid output is asked for other than two classes, a width is 0 or there are no classes.
pub(super) fn describe(
    spec: &BackboneSpec,
    config: &HeadConfig,
    features: usize,
    num_classes: usize,
) -> Result<Vec<LinearDesc>> {
    let outputs = match config.output {
        _ if num_classes == 0 => return Err(Error::input("a classifier for 0 classes cannot be built")),
        HeadOutput::Softmax => num_classes,
        HeadOutput::Sigmoid if num_classes == 2 => 1,
        HeadOutput::Sigmoid => {
            return Err(Error::input(format!("head.output = \"sigmoid\" with {num_classes} classes"))
                .with_hint("A sigmoid output needs exactly two classes; set head.output to \"softmax\""));
        }
    };
    if config.kind == HeadKind::Linear {
        let name = spec.head_name().to_owned();
        return Ok(vec![LinearDesc { name, inputs: features, outputs, act: Activation::Identity }]);
    }
    if config.hidden.is_empty() || config.hidden.contains(&0) {
        return Err(Error::input(format!("head.hidden = {:?} is not a list of widths", config.hidden))
            .with_hint("Give each hidden layer a width of 1 or more, for example [256]"));
    }
    let mut inputs = features;
    let mut layers = Vec::with_capacity(config.hidden.len() + 1);
    for &width in &config.hidden {
        let name = format!("head.{}", layers.len());
        layers.push(LinearDesc { name, inputs, outputs: width, act: activation(config.activation) });
        inputs = width;
    }
    let name = format!("head.{}", layers.len());
    layers.push(LinearDesc { name, inputs, outputs, act: Activation::Identity });
    Ok(layers)
}

impl Head {
    pub(super) fn build(layers: &[LinearDesc], dropout: f64, b: &mut ParamBuilder<'_>) -> Result<Self> {
        let layers = layers.iter().map(|layer| layer.build(b)).collect::<Result<_>>()?;
        Ok(Self { layers, dropout: Dropout { probability: dropout } })
    }

    pub(super) fn forward(&self, f: &Forward<'_>, features: &Tensor) -> Result<Tensor> {
        let mut x = features.clone();
        for layer in &self.layers {
            x = layer.forward(f, &self.dropout.forward(f, &x)?)?;
        }
        Ok(x)
    }
}

/// Width of the features that `pooling` makes of a map of `channels` channels and `side` x `side` positions.
pub(super) fn pooled_width(pooling: Pooling, channels: usize, side: usize) -> usize {
    match pooling {
        Pooling::Avg | Pooling::Max | Pooling::Token => channels,
        Pooling::AvgMax => 2 * channels,
        Pooling::Flatten => channels * side * side,
    }
}

/// How the backbone's output becomes features.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) pooling: Pooling,
    /// The first position is a class token, and not a part of the picture.
    pub(super) class_token: bool,
    /// Normalisation of every pooled vector over its channels.
    pub(super) norm: Option<LayerNorm>,
}

impl Pool {
    /// `[N, H, W, C]` to `[N, F]`.
    pub(super) fn features(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let normed = |pooled: Tensor| match &self.norm {
            Some(norm) => norm.forward(f, &pooled),
            None => Ok(pooled),
        };
        let patches = match self.class_token {
            true => &pick_tokens(x, 1..x.dim(2)?)?,
            false => x,
        };
        match self.pooling {
            Pooling::Token => normed(pick_tokens(x, 0..1)?.flatten_from(1)?),
            Pooling::Avg => normed(global_avg_pool(patches)?),
            Pooling::Max => normed(global_max_pool(patches)?),
            Pooling::AvgMax => {
                let halves = [normed(global_avg_pool(patches)?)?, normed(global_max_pool(patches)?)?];
                concat_channels(&halves[0], &halves[1])
            }
            Pooling::Flatten => {
                Ok(normed(patches.clone())?.permute((0, 3, 1, 2))?.contiguous()?.flatten_from(1)?)
            }
        }
    }
}

fn activation(chosen: HeadActivation) -> Activation {
    match chosen {
        HeadActivation::Relu => Activation::Relu,
        HeadActivation::Gelu => Activation::Gelu,
        HeadActivation::Silu => Activation::Silu,
        HeadActivation::Hardswish => Activation::Hardswish,
    }
}
