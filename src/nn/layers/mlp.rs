//! The two fully connected layers of a transformer's block.

use super::{Forward, Layer, Linear};
use crate::error::Result;
use crate::nn::init::{Init, ParamBuilder};
use crate::nn::ops::Activation;
use crate::nn::params::ParamId;
use candle_core::Tensor;

/// `act(x · first) · second` over the last axis, with biases. Only the values before the activation are kept for the gradient.
#[derive(Debug, Clone)]
pub struct Mlp {
    first: Linear,
    second: Linear,
    act: Activation,
}

impl Mlp {
    /// Registers layers called `names` from `width` to `hidden` and back, with weights drawn by `init` and biases of 0.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn new(
        b: &mut ParamBuilder<'_>,
        names: [&str; 2],
        (width, hidden): (usize, usize),
        act: Activation,
        init: Init,
    ) -> Result<Self> {
        let init = (init, Init::Constant(0.0));
        Ok(Self {
            first: Linear::with_init(b, names[0], (width, hidden), Activation::Identity, init)?,
            second: Linear::with_init(b, names[1], (hidden, width), Activation::Identity, init)?,
            act,
        })
    }

    /// `onto + scale * mlp(x)`; without a scale, `onto + mlp(x)`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn add_to(
        &self,
        f: &Forward<'_>,
        onto: &Tensor,
        x: &Tensor,
        scale: Option<ParamId>,
    ) -> Result<Tensor> {
        let hidden = self.first.forward(f, x)?;
        self.second.add_to(f, onto, (self.act, &hidden), scale)
    }
}
