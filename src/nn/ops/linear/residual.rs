//! A fully connected layer at the end of a residual branch.

use super::{Dense, NAME, linear_of_activated, scaled};
use crate::error::{Error, ErrorKind, Result};
use crate::nn::ops::cpu::{check_operands, column_sums, with_values};
use crate::nn::ops::graph::{self, Grad, Keeps, Operation, Saved};
use crate::nn::ops::{Activation, residual};
use candle_core::{DType, Device, Shape, Tensor};

/// `addend + scale * (act(x) · weight + bias)`, the end of a residual branch, with one scale a channel (LayerScale: Touvron et al.
/// 2021, "Going deeper with Image Transformers") or without. Differentiable in all of them; only `x` and the parameters are
/// kept for it.
///
/// # Shapes
/// `x: [.., In]`, `weight: [In, Out]`, `bias` and `scale`: `[Out]`, `addend` and the result: `[.., Out]`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn linear_residual(
    act: Activation,
    x: &Tensor,
    (weight, bias): (&Tensor, &Tensor),
    addend: &Tensor,
    scale: Option<&Tensor>,
) -> Result<Tensor> {
    let dense = Dense { before: act, ..Dense::new(x.dims(), weight.dims(), Some(bias.dims()))? };
    let shape = dense.result_shape(x.dims());
    if addend.shape() != &shape || scale.is_some_and(|s| s.dims() != [dense.outputs]) {
        let shapes = (addend.dims(), scale.map(Tensor::dims));
        let what = format!("a fully connected layer to {shape:?} added to and scaled by {shapes:?}");
        return Err(Error::new(ErrorKind::Numeric, what));
    }
    check_operands(NAME, [Some(x), Some(weight), Some(bias), Some(addend), scale])?;
    let all = [x, weight, bias, addend].into_iter().chain(scale).map(Tensor::contiguous);
    let all = all.collect::<candle_core::Result<Vec<Tensor>>>()?;
    let args: Vec<&Tensor> = all.iter().collect();
    if graph::takes(&args) {
        return Ok(graph::apply(Branch { dense, shape }, &args)?);
    }
    residual(addend, &linear_of_activated(act, x, weight, Some(bias))?, scale)
}

/// The operation on `x`, `weight`, `bias`, what is added and, if there is one, the scale.
struct Branch {
    dense: Dense,
    /// Of the result.
    shape: Shape,
}

impl Branch {
    /// The gradients of weight, bias and scale, from `product = act(x)ᵀ · grad` and the sums of the result's gradient. The branch
    /// itself is not needed: the scale's gradient is the sum of `grad * (act(x) · weight + bias)`, and that of
    /// `weight * product`, and of the bias times the sums.
    fn parameter_gradients(
        &self,
        mut product: Vec<f32>,
        sums: Vec<f32>,
        [weight, bias, scale]: [&[f32]; 3],
    ) -> [Vec<f32>; 3] {
        if scale.is_empty() {
            return [product, sums, Vec::new()];
        }
        let outputs = self.dense.outputs;
        let mut of_scale: Vec<f64> =
            bias.iter().zip(&sums).map(|(&b, &s)| f64::from(b) * f64::from(s)).collect();
        for (product, weight) in product.chunks_exact_mut(outputs).zip(weight.chunks_exact(outputs)) {
            let values = product.iter_mut().zip(weight).zip(scale);
            for (((p, &w), s), sum) in values.zip(&mut of_scale) {
                *sum += f64::from(*p) * f64::from(w);
                *p *= s;
            }
        }
        [product, scaled(&sums, scale), of_scale.into_iter().map(|v| v as f32).collect()]
    }
}

impl Operation for Branch {
    fn name(&self) -> &'static str {
        NAME
    }

    fn keeps(&self, wanted: &[bool]) -> Keeps {
        let scale = wanted.get(4).copied();
        let of_product = wanted[1] || scale == Some(true);
        let weight = wanted[0] || scale == Some(true);
        let args = [wanted[0] || of_product, weight, scale == Some(true), false, scale.is_some()];
        Keeps { args: args.iter().enumerate().map(|(i, keep)| u8::from(*keep) << i).sum(), result: false }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        let scale = args.get(4).copied().unwrap_or_default();
        (self.dense.forward(args[0], args[1], [args[2], args[3], scale]), self.shape.clone())
    }

    fn backward(&self, saved: &Saved, grad: Grad, wanted: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let has_scale = wanted.len() > 4;
        let of_scale = wanted.get(4) == Some(&true);
        // What was not kept is not read.
        let absent = Tensor::zeros(0, DType::F32, &Device::Cpu)?;
        let kept = |i: usize| saved.args.get(i).and_then(Option::as_ref).unwrap_or(&absent);
        let mut grads: Vec<Option<Grad>> =
            with_values([0, 1, 2, 4].map(kept), |[x, weight, bias, scale]| {
                grad.with(|grad| {
                    let of_x = wanted[0].then(|| self.dense.input_gradient(x, [weight, scale], grad));
                    let product = (wanted[1] || of_scale).then(|| self.dense.weight_gradient(x, grad));
                    let sums = (wanted[2] || of_scale).then(|| column_sums(grad, self.dense.outputs));
                    let of_parameters = self.parameter_gradients(
                        product.unwrap_or_default(),
                        sums.unwrap_or_default(),
                        [weight, bias, scale],
                    );
                    let all = std::iter::once(of_x.unwrap_or_default()).chain(of_parameters);
                    let wanted = [wanted[0], wanted[1], wanted[2], of_scale];
                    all.zip(wanted).map(|(g, wanted)| wanted.then_some(Grad::Owned(g))).collect()
                })
            })??;
        let of_scale = grads.pop().flatten();
        grads.push(wanted[3].then_some(grad));
        grads.extend(has_scale.then_some(of_scale));
        Ok(grads)
    }
}
