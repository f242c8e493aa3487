//! Layer normalisation as a layer.

use super::{Forward, Layer};
use crate::error::Result;
use crate::nn::init::{Init, ParamBuilder};
use crate::nn::ops::layer_norm;
use crate::nn::params::{ParamId, ParamKind};
use candle_core::Tensor;

/// Normalises each position over its channels.
#[derive(Debug, Clone, Copy)]
pub struct LayerNorm {
    /// Scale, `[C]`.
    pub gamma: ParamId,
    /// Shift, `[C]`.
    pub beta: ParamId,
    /// Added to the variance.
    pub eps: f64,
}

impl LayerNorm {
    /// Registers `name.weight` and `name.bias`, first 1 and 0.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn new(b: &mut ParamBuilder<'_>, name: &str, channels: usize, eps: f64) -> Result<Self> {
        let mut b = b.child(name);
        Ok(Self {
            gamma: b.add("weight", ParamKind::Norm, &[channels], Init::Constant(1.0))?,
            beta: b.add("bias", ParamKind::Norm, &[channels], Init::Constant(0.0))?,
            eps,
        })
    }
}

impl Layer for LayerNorm {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &f.store.tensor(self.gamma), &f.store.tensor(self.beta), self.eps)
    }
}
