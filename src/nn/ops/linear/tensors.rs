//! Fully connected layers by tensor operations.

use super::Dense;
use crate::nn::ops::tensors::short::product;
use crate::nn::ops::tensors::{activation, as_rows};
use candle_core::{Result, Tensor};

impl Dense {
    /// `before(x) · weight + bias`, as rows.
    pub(super) fn product_of_tensors(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        let y = product(&activation::value(self.before, &as_rows(x)?)?, weight)?;
        bias.map_or(Ok(y.clone()), |bias| y.broadcast_add(bias))
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
