//! A fully connected layer whose parameters do not change: packed once, not in every pass.

use super::{Dense, NAME, linear_residual, scaled};
use crate::error::{Error, ErrorKind, Result};
use crate::nn::ops::cpu::{check_operands, with_values};
use crate::nn::ops::gemm::Packed;
use crate::nn::ops::tensors::short::Constant;
use crate::nn::ops::{Activation, linear_of_activated, tensors};
use candle_core::Tensor;
use std::sync::OnceLock;

/// A fully connected layer with constant weights, bias and scale.
#[derive(Debug)]
pub struct PackedLinear {
    weight: Constant,
    bias: Constant,
    scale: Option<Constant>,
    /// The weights and the bias times the scale.
    form: OnceLock<(Packed, Vec<f32>)>,
}

impl PackedLinear {
    /// `weight: [In, Out]`, `bias` and `scale`: `[Out]`; none of them gets a gradient.
    pub fn new(weight: &Tensor, bias: &Tensor, scale: Option<&Tensor>) -> Self {
        let (weight, bias) = (Constant::new(weight), Constant::new(bias));
        Self { weight, bias, scale: scale.map(Constant::new), form: OnceLock::new() }
    }

    /// `act(addend + scale * (before(x) · weight + bias))`. Differentiable in `x` and `addend`.
    ///
    /// # Shapes
    /// `x: [.., In]`; `addend` and the result: `[.., Out]`.
    ///
    /// # Errors
    /// If shapes or types do not fit.
    pub fn forward(
        &self,
        before: Activation,
        x: &Tensor,
        addend: Option<&Tensor>,
        act: Activation,
    ) -> Result<Tensor> {
        let (weight, bias) = (self.weight.like(x)?, self.bias.like(x)?);
        let scale = self.scale.as_ref().map(|scale| scale.like(x)).transpose()?;
        let dense = Dense { before, ..Dense::new(x.dims(), weight.dims(), Some(bias.dims()))? };
        let shape = dense.result_shape(x.dims());
        if addend.is_some_and(|a| a.shape() != &shape) {
            let what =
                format!("a fully connected layer to {shape:?} added to {:?}", addend.map(Tensor::dims));
            return Err(Error::new(ErrorKind::Numeric, what));
        }
        if tensors::serve(x) || x.track_op() || addend.is_some_and(Tensor::track_op) {
            let y = match (addend, scale) {
                (Some(addend), scale) => linear_residual(before, x, (weight, bias), addend, scale)?,
                (None, Some(scale)) => {
                    linear_of_activated(before, x, weight, Some(bias))?.broadcast_mul(scale)?
                }
                (None, None) => linear_of_activated(before, x, weight, Some(bias))?,
            };
            return act.apply(&y);
        }
        check_operands(NAME, [Some(x), Some(weight), Some(bias), addend, scale])?;
        let contiguous = |t: Option<&Tensor>| t.map(Tensor::contiguous).transpose();
        let (x, addend, scale) = (x.contiguous()?, contiguous(addend)?, contiguous(scale)?);
        let operands = [&x, weight, bias, scale.as_ref().unwrap_or(bias), addend.as_ref().unwrap_or(bias)];
        let values = with_values(operands, |[x, weight, bias, scaling, added]| {
            let scaling = if scale.is_some() { scaling } else { &[] };
            let (packed, bias) =
                self.form.get_or_init(|| (dense.packed(weight, scaling), scaled(bias.to_vec(), scaling)));
            dense.forward(x, packed, [bias, if addend.is_some() { added } else { &[] }], act)
        })?;
        Ok(Tensor::from_vec(values, shape, x.device())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::ops::testing::{both_ways, flat, wave};
    use candle_core::Var;

    #[test]
    fn the_packed_layer_is_the_layer() {
        both_ways(|| {
            let (weight, bias, scale) = (wave(&[19, 37], 0.5), wave(&[37], 0.7), wave(&[37], 1.1));
            let (x, onto) = (wave(&[5, 14, 19], 0.3), wave(&[5, 14, 37], 0.9));
            let identity = Activation::Identity;
            for (scale, onto) in
                [(None, None), (Some(&scale), None), (None, Some(&onto)), (Some(&scale), Some(&onto))]
            {
                for (before, act) in [
                    (identity, Activation::Relu6),
                    (Activation::Gelu, identity),
                    (identity, Activation::Silu),
                ] {
                    let layer = PackedLinear::new(&weight, &bias, scale);
                    // Twice: packed, and as it was packed.
                    let packed = [(); 2].map(|()| layer.forward(before, &x, onto, act).unwrap());
                    let tracked =
                        layer.forward(before, Var::from_tensor(&x).unwrap().as_tensor(), onto, act).unwrap();
                    let product = before.apply(&x).unwrap().broadcast_matmul(&weight).unwrap();
                    let mut want = product.broadcast_add(&bias).unwrap();
                    want = scale.map_or(want.clone(), |scale| want.broadcast_mul(scale).unwrap());
                    want = onto.map_or(want.clone(), |onto| (onto + &want).unwrap());
                    want = act.apply(&want).unwrap();
                    for got in packed.iter().chain([&tracked]) {
                        assert_eq!(got.dims(), want.dims());
                        let differ = |(a, b): (f32, f32)| (a - b).abs() > 1e-5 * (1.0 + b.abs());
                        assert!(!flat(got).into_iter().zip(flat(&want)).any(differ), "{before:?} {act:?}");
                    }
                }
            }
        });
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let layer = PackedLinear::new(&wave(&[19, 37], 0.5), &wave(&[37], 0.7), None);
        let error = |x: &[usize], onto: &[usize]| {
            let (x, onto) = (wave(x, 0.3), wave(onto, 0.9));
            let result = layer.forward(Activation::Identity, &x, Some(&onto), Activation::Identity);
            result.unwrap_err().to_string()
        };
        assert!(error(&[4, 19], &[4, 36]).contains("[4, 36]"));
        assert!(error(&[4, 18], &[4, 37]).contains("[4, 18]"));
    }
}
