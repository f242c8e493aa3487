//! Two-dimensional convolution.

mod backward;
mod cudnn;
mod depthwise;
mod direct;
mod geometry;
mod on_card;
mod packed;
mod tensors;
mod winograd;

use super::Activation;
use super::card::Channelwise;
use super::cpu::{Clamp, check_operands, column_sums, with_values};
use super::graph::{self, Grad, Keeps, Operation, Saved};
use super::tensors::{Grads, activation, channelwise, column_sums as tensor_sums, short, when};
use crate::error::Result;
use candle_core::{Shape, Tensor};
use geometry::Form;
pub(super) use geometry::Geometry;
pub use packed::PackedConv;

/// Geometry of a convolution. Square kernels are not assumed; stride, padding and dilation are the same on both axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conv2dSpec {
    /// Step between output positions.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
    /// Distance between kernel taps.
    pub dilation: usize,
    /// 1, or the number of input channels (depthwise), or any divisor of both channel counts.
    pub groups: usize,
}

/// Convolution with fused bias and activation. Differentiable in `x`, `weight` and `bias`; no gradient is computed for an
/// argument that is not tracked.
///
/// # Shapes
/// `x: [N, H, W, Cin]`, `weight: [KH, KW, Cin / groups, Cout]`, `bias: [Cout]`, result `[N, OH, OW, Cout]`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    spec: Conv2dSpec,
    act: Activation,
) -> Result<Tensor> {
    let geometry = Geometry::new(x.dims(), weight.dims(), bias.map(Tensor::dims), spec)?;
    apply(geometry, Shape::from(&geometry.output_shape()[..]), x, weight, bias, act)
}

/// The convolution with a result of this shape.
pub(super) fn apply(
    geometry: Geometry,
    shape: Shape,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    act: Activation,
) -> Result<Tensor> {
    check_operands("conv2d", [Some(x), Some(weight), bias])?;
    // What a clamp does not express runs as an operation of its own, which keeps the values that its gradient needs.
    let (clamp, rest) = Clamp::of(act);
    let (x, weight, bias) =
        (x.contiguous()?, weight.contiguous()?, bias.map(Tensor::contiguous).transpose()?);
    let args: Vec<&Tensor> = [&x, &weight].into_iter().chain(&bias).collect();
    let y = graph::apply(Conv { geometry, clamp, shape }, &args)?;
    if rest == Activation::Identity { Ok(y) } else { rest.apply(&y) }
}

/// The operation on `x`, `weight` and, if there is one, `bias`.
#[derive(Debug, Clone)]
struct Conv {
    geometry: Geometry,
    clamp: Clamp,
    shape: Shape,
}

impl Operation for Conv {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn keeps(&self, wanted: &[bool]) -> Keeps {
        Keeps { args: u8::from(wanted[1]) | u8::from(wanted[0]) << 1, result: self.clamp != Clamp::None }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        let form = self.geometry.form(args[1]);
        let out = self.geometry.forward(args[0], &form, args.get(2).copied(), None, self.clamp.into());
        (out, self.shape.clone())
    }

    fn backward(&self, saved: &Saved, grad: Grad, wanted: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let grad = self.clamp.gradient(saved, grad)?;
        grad.with(|grad| {
            // The input's first: the copy of the weights that it needs is gone when the weights' gradient takes its room.
            let x = match wanted[0] {
                true => {
                    Some(with_values([saved.arg(1)?], |[weight]| self.geometry.input_gradient(weight, grad))?)
                }
                false => None,
            };
            let weight = match wanted[1] {
                true => Some(with_values([saved.arg(0)?], |[x]| self.geometry.weight_gradient(x, grad))?),
                false => None,
            };
            let mut grads = vec![x.map(Grad::Owned), weight.map(Grad::Owned)];
            if let Some(&bias) = wanted.get(2) {
                grads.push(bias.then(|| Grad::Owned(column_sums(grad, self.geometry.output[2]))));
            }
            Ok(grads)
        })?
    }

    fn takes_short(&self) -> bool {
        // Depthwise, values of a channel are added one by one.
        !self.geometry.depthwise()
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        let y = self.geometry.forward_tensors(args[0], args[1])?;
        let bias = args.get(2).copied();
        let behind = Channelwise { bias, act: self.clamp.into(), ..Channelwise::default() };
        channelwise(&y, behind)?.reshape(&self.shape)
    }

    fn backward_tensors(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        let grad = activation::clamp_gradient(self.clamp, saved, grad)?;
        let mut grads = vec![
            when(wanted[0], || self.geometry.input_gradient_tensor(saved.arg(1)?, &grad))?,
            when(wanted[1], || self.geometry.weight_gradient_tensor(saved.arg(0)?, &grad))?,
        ];
        if let Some(&bias) = wanted.get(2) {
            grads.push(when(bias, || tensor_sums(&grad, self.geometry.output[2]))?);
        }
        Ok(grads)
    }

    fn forward_on_card(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        match self.geometry.depthwise() {
            true => self.depthwise_result_on_card(args),
            false => short::forward(self, args),
        }
    }

    fn backward_on_card(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        match self.geometry.depthwise() {
            true => self.depthwise_gradients_on_card(saved, grad, wanted),
            false => short::backward(self, saved, grad, wanted),
        }
    }
}

#[cfg(test)]
mod tests;
