//! DenseNet's block: normalise, relu, convolve, and put the result beside everything that was there.

use super::{ConvDesc, ParamDesc};
use crate::error::Result;
use crate::nn::init::ParamBuilder;
use crate::nn::layers::{BatchNorm, ConvNormAct, Forward, Layer, NormAct, NormRates};
use crate::nn::ops::{Activation, concat_channels};
use crate::nn::params::ParamKind;
use candle_core::Tensor;

/// A batch normalisation with relu behind it, called `name`.
#[derive(Debug, Clone)]
pub(in crate::backbones) struct NormDesc {
    pub(in crate::backbones) name: String,
    pub(in crate::backbones) channels: usize,
}

impl NormDesc {
    pub(super) fn params(&self, out: &mut Vec<ParamDesc>) {
        let mut add = |leaf, kind| {
            let name = format!("{}.{leaf}", self.name);
            out.push(ParamDesc { name, kind, disk_shape: vec![self.channels] });
        };
        add("weight", ParamKind::Norm);
        add("bias", ParamKind::Norm);
        add("running_mean", ParamKind::RunningStat);
        add("running_var", ParamKind::RunningStat);
    }

    pub(super) fn build(&self, b: &mut ParamBuilder<'_>) -> Result<NormAct> {
        let norm = BatchNorm::new(b, &self.name, self.channels, NormRates::TORCH)?;
        Ok(NormAct { norm, act: Activation::Relu })
    }
}

/// One layer of the block: what it adds is `grow(bottleneck(relu(norm(x))))`.
#[derive(Debug, Clone)]
pub(in crate::backbones) struct DenseLayerDesc {
    pub(in crate::backbones) norm: NormDesc,
    /// With the second normalisation and relu, so that they fold into it where nothing learns.
    pub(in crate::backbones) bottleneck: ConvDesc,
    pub(in crate::backbones) grow: ConvDesc,
}

impl DenseLayerDesc {
    pub(super) fn params(&self, out: &mut Vec<ParamDesc>) {
        self.norm.params(out);
        self.bottleneck.params(out);
        self.grow.params(out);
    }
}

#[derive(Debug)]
struct DenseLayer {
    norm: NormAct,
    bottleneck: ConvNormAct,
    grow: ConvNormAct,
}

#[derive(Debug)]
pub(super) struct DenseBlock(Vec<DenseLayer>);

pub(super) fn build(layers: &[DenseLayerDesc], b: &mut ParamBuilder<'_>) -> Result<DenseBlock> {
    let layers = layers.iter().map(|layer| {
        Ok(DenseLayer {
            norm: layer.norm.build(b)?,
            bottleneck: layer.bottleneck.build(b)?,
            grow: layer.grow.build(b)?,
        })
    });
    Ok(DenseBlock(layers.collect::<Result<_>>()?))
}

impl Layer for DenseBlock {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.0 {
            let new = layer.bottleneck.forward(f, &layer.norm.forward(f, &x)?)?;
            x = concat_channels(&x, &layer.grow.forward(f, &new)?)?;
        }
        Ok(x)
    }
}
