//! Squeeze and excitation as a layer.

use super::{Forward, Layer};
use crate::error::Result;
use crate::nn::init::{Init, ParamBuilder};
use crate::nn::ops::{Activation, squeeze_excite};
use crate::nn::params::{ParamId, ParamKind};
use candle_core::Tensor;

/// Scales each channel by a gate told from the means of all channels (Hu et al. 2018).
#[derive(Debug, Clone)]
pub struct SqueezeExcite {
    /// `[1, 1, C, S]`: torchvision keeps it as a convolution, as it does `excite`.
    pub squeeze: ParamId,
    /// `[S]`.
    pub squeeze_bias: ParamId,
    /// `[1, 1, S, C]`.
    pub excite: ParamId,
    /// `[C]`.
    pub excite_bias: ParamId,
    /// Activation between the two.
    pub act: Activation,
    /// Activation that makes the gate.
    pub gate: Activation,
}

impl SqueezeExcite {
    /// Registers `name.fc1.weight`, `name.fc1.bias`, `name.fc2.weight` and `name.fc2.bias` for `(channels, squeezed)` with
    /// torchvision's first values.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn new(
        b: &mut ParamBuilder<'_>,
        name: &str,
        (channels, squeezed): (usize, usize),
        act: Activation,
        gate: Activation,
    ) -> Result<Self> {
        let mut b = b.child(name);
        let mut layer = |name: &str, inputs, outputs| -> Result<_> {
            let mut b = b.child(name);
            let shape = [1, 1, inputs, outputs];
            let weight = b.add("weight", ParamKind::ConvWeight, &shape, Init::KaimingNormalFanOut)?;
            Ok((weight, b.add("bias", ParamKind::Bias, &[outputs], Init::Constant(0.0))?))
        };
        let (squeeze, squeeze_bias) = layer("fc1", channels, squeezed)?;
        let (excite, excite_bias) = layer("fc2", squeezed, channels)?;
        Ok(Self { squeeze, squeeze_bias, excite, excite_bias, act, gate })
    }
}

impl Layer for SqueezeExcite {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let parts = [self.squeeze, self.squeeze_bias, self.excite, self.excite_bias];
        let [squeeze, squeeze_bias, excite, excite_bias] = parts.map(|id| f.store.tensor(id));
        let (squeeze, excite) = ((&squeeze, &squeeze_bias), (&excite, &excite_bias));
        squeeze_excite(x, squeeze, excite, self.act, self.gate)
    }
}
