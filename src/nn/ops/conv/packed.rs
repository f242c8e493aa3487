//! Convolution with weights that do not change: brought into the form that its kernel reads once, not in every pass.

use super::cudnn::Frozen;
use super::{Conv2dSpec, Form, Geometry, conv2d};
use crate::error::Result;
use crate::nn::ops::cpu::{check_operands, with_values};
use crate::nn::ops::tensors::short::Constant;
use crate::nn::ops::{Activation, add, tensors};
use candle_core::Tensor;
use std::sync::OnceLock;

/// A convolution with constant weights and bias.
#[derive(Debug)]
pub struct PackedConv {
    weight: Constant,
    bias: Constant,
    spec: Conv2dSpec,
    /// For maps on which a matrix product is best, and for those on which Winograd's algorithm is.
    forms: [OnceLock<Form>; 2],
    on_card: Frozen,
}

impl PackedConv {
    /// `weight: [KH, KW, Cin / groups, Cout]` and `bias: [Cout]`; neither gets a gradient.
    pub fn new(weight: &Tensor, bias: &Tensor, spec: Conv2dSpec) -> Self {
        let forms = [OnceLock::new(), OnceLock::new()];
        let (weight, bias) = (Constant::new(weight), Constant::new(bias));
        Self { weight, bias, spec, forms, on_card: Frozen::default() }
    }

    /// `act(convolution(x) + bias + addend)`. Differentiable in `x` and `addend`.
    ///
    /// # Errors
    /// If shapes or types do not fit.
    pub fn forward(&self, x: &Tensor, addend: Option<&Tensor>, act: Activation) -> Result<Tensor> {
        let (weight, bias) = (self.weight.values(), self.bias.values());
        let geometry = Geometry::new(x.dims(), weight.dims(), Some(bias.dims()), self.spec)?;
        let (weight, bias) = match geometry.depthwise() {
            true => (weight, bias),
            false => (self.weight.like(x)?, self.bias.like(x)?),
        };
        let tracked = x.track_op() || addend.is_some_and(Tensor::track_op);
        let separate = addend.is_some_and(|a| geometry.depthwise() || a.dims() != geometry.output_shape());
        if !tracked
            && !separate
            && let Some(y) = self.on_card.forward(&geometry, [x, weight, bias], addend, act)?
        {
            return Ok(y);
        }
        if tracked || separate || tensors::serve(x) {
            let act_of_conv = if addend.is_some() { Activation::Identity } else { act };
            let y = conv2d(x, weight, Some(bias), self.spec, act_of_conv)?;
            return addend.map_or(Ok(y.clone()), |addend| add(&y, addend, act));
        }
        check_operands("conv2d", [Some(x), Some(weight), Some(bias), addend])?;
        let addend = addend.map(Tensor::contiguous).transpose()?;
        let (x, weight, bias) = (x.contiguous()?, weight.contiguous()?, bias.contiguous()?);
        let operands = [&x, &weight, &bias, addend.as_ref().unwrap_or(&bias)];
        let values = with_values(operands, |[x, weight, bias, added]| {
            let form =
                self.forms[usize::from(geometry.winograd().is_some())].get_or_init(|| geometry.form(weight));
            let added = addend.is_some().then_some(added);
            geometry.forward(x, form, Some(bias), added, act)
        })?;
        Ok(Tensor::from_vec(values, &geometry.output_shape(), x.device())?)
    }
}
