//! Fully connected layers by tensor operations.

use super::Dense;
use crate::nn::ops::card::Channelwise;
use crate::nn::ops::tensors::short::product;
use crate::nn::ops::tensors::{activation, as_rows, channelwise};
use candle_core::{Result, Tensor};

impl Dense {
    /// `before(x) · weight` and what is done behind it, as rows.
    pub(super) fn product_of_tensors(
        &self,
        x: &Tensor,
        weight: &Tensor,
        behind: Channelwise<'_>,
    ) -> Result<Tensor> {
        channelwise(&product(&activation::value(self.before, &as_rows(x)?)?, weight)?, behind)
    }

    /// The gradient of `weight`.
    pub(super) fn weight_gradient_tensor(&self, x: &Tensor, grad: &Tensor) -> Result<Tensor> {
        product(&activation::value(self.before, &as_rows(x)?)?.t()?, &as_rows(grad)?)
    }

    /// The gradient of `x`, in its shape.
    pub(super) fn input_gradient_tensor(&self, x: &Tensor, weight: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let grad = product(&as_rows(grad)?, &weight.t()?)?.reshape(x.shape())?;
        activation::gradient(self.before, x, &grad)
    }
}
