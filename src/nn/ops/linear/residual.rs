//! A fully connected layer at the end of a residual branch.

use super::{Dense, NAME, linear_of_activated, scaled};
use crate::error::{Error, ErrorKind, Result};
use crate::nn::ops::card::Channelwise;
use crate::nn::ops::cpu::{check_operands, column_sums, with_values};
use crate::nn::ops::graph::{self, Grad, Keeps, Operation, Saved};
use crate::nn::ops::tensors::short::widened;
use crate::nn::ops::tensors::{self, Grads, as_rows, when};
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
    /// The gradient of the scale, from `product = act(x)ᵀ · grad` and the sums of the result's gradient. The branch itself is not
    /// needed: the sum of `grad * (act(x) · weight + bias)` is that of `weight * product`, and the bias times the sums.
    fn scale_gradient(&self, product: &[f32], sums: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
        let mut total: Vec<f64> = bias.iter().zip(sums).map(|(&b, &s)| f64::from(b) * f64::from(s)).collect();
        let outputs = self.dense.outputs;
        for (product, weight) in product.chunks_exact(outputs).zip(weight.chunks_exact(outputs)) {
            let values = product.iter().zip(weight).zip(&mut total);
            values.for_each(|((&p, &w), total)| *total += f64::from(p) * f64::from(w));
        }
        total.into_iter().map(|v| v as f32).collect()
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
        let (packed, bias) = (self.dense.packed(args[1], scale), scaled(args[2].to_vec(), scale));
        (self.dense.forward(args[0], &packed, [&bias, args[3]], Activation::Identity), self.shape.clone())
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
                    let of_scale = match (&product, &sums) {
                        (Some(product), Some(sums)) if of_scale => {
                            Some(self.scale_gradient(product, sums, weight, bias))
                        }
                        _ => None,
                    };
                    let of_weight = product.filter(|_| wanted[1]).map(|product| scaled(product, scale));
                    let of_bias = sums.filter(|_| wanted[2]).map(|sums| scaled(sums, scale));
                    [of_x, of_weight, of_bias, of_scale].map(|g| g.map(Grad::Owned)).into()
                })
            })??;
        let of_scale = grads.pop().flatten();
        grads.push(wanted[3].then_some(grad));
        grads.extend(has_scale.then_some(of_scale));
        Ok(grads)
    }

    fn takes_short(&self) -> bool {
        true
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        let addend = as_rows(args[3])?;
        let behind = Channelwise {
            bias: Some(args[2]),
            scale: args.get(4).copied(),
            addend: Some(&addend),
            ..Channelwise::default()
        };
        self.dense.product_of_tensors(args[0], args[1], behind)?.reshape(&self.shape)
    }

    fn backward_tensors(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        let of_scale = wanted.get(4) == Some(&true);
        let scaled = |t: Tensor| match wanted.len() > 4 {
            true => t.broadcast_mul(&saved.arg(4)?.to_dtype(t.dtype())?),
            false => Ok(t),
        };
        let product = when(wanted[1] || of_scale, || self.dense.weight_gradient_tensor(saved.arg(0)?, grad))?;
        let sums = when(wanted[2] || of_scale, || tensors::column_sums(grad, self.dense.outputs))?;
        let of_x = when(wanted[0], || {
            self.dense.input_gradient_tensor(saved.arg(0)?, saved.arg(1)?, &scaled(grad.clone())?)
        })?;
        // As in `scale_gradient`.
        let of_scale = match (&product, &sums) {
            (Some(product), Some(sums)) if of_scale => {
                let [product, sums] = [widened(product)?, widened(sums)?];
                let [weight, bias] = [widened(saved.arg(1)?)?, widened(saved.arg(2)?)?];
                Some(((product * weight)?.sum(0)? + (sums * bias)?)?)
            }
            _ => None,
        };
        let of_weight = product.filter(|_| wanted[1]).map(scaled).transpose()?;
        let of_bias = sums.filter(|_| wanted[2]).map(scaled).transpose()?;
        let mut grads = vec![of_x, of_weight, of_bias, wanted[3].then(|| grad.clone())];
        grads.extend((wanted.len() > 4).then_some(of_scale));
        Ok(grads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::ops::testing::{both_ways, flat, wave};
    use crate::nn::tape::Tape;
    use candle_core::Var;

    fn close(a: &Tensor, b: &Tensor) -> bool {
        let same = |(a, b): (f32, f32)| (a - b).abs() < 1e-4 * (1.0 + b.abs());
        a.dims() == b.dims() && flat(a).into_iter().zip(flat(b)).all(same)
    }

    /// The definition, with other operations.
    fn apart(v: &[Tensor]) -> Tensor {
        let x = Activation::Gelu.apply(&v[0]).unwrap();
        let branch = x.matmul(&v[1]).unwrap().broadcast_add(&v[2]).unwrap();
        match v.get(4) {
            Some(scale) => (&v[3] + branch.broadcast_mul(scale).unwrap()).unwrap(),
            None => (&v[3] + branch).unwrap(),
        }
    }

    #[test]
    fn whatever_learns_gets_its_gradient() {
        both_ways(|| {
            let shapes: [&[usize]; 5] = [&[70, 9], &[9, 37], &[37], &[70, 37], &[37]];
            let upstream = wave(&[70, 37], 0.9);
            let loss = |y: &Tensor| (y * &upstream).unwrap().sum_all().unwrap();
            for (count, learning) in [4, 5].into_iter().flat_map(|n| (0..1u32 << n).map(move |l| (n, l))) {
                let learns = |i: usize| learning >> i & 1 == 1;
                let var = |i: usize| Var::from_tensor(&wave(shapes[i], 0.3 + 0.2 * i as f64)).unwrap();
                let vars: Vec<Var> = (0..count).map(var).collect();
                let arg = |(i, v): (usize, &Var)| match learns(i) {
                    true => v.as_tensor().clone(),
                    false => v.as_detached_tensor(),
                };
                let args: Vec<Tensor> = vars.iter().enumerate().map(arg).collect();
                let want = apart(&args);
                let want_grads = loss(&want).backward().unwrap();
                let tape = Tape::record();
                let parameters = (&args[1], &args[2]);
                let got =
                    linear_residual(Activation::Gelu, &args[0], parameters, &args[3], args.get(4)).unwrap();
                let grads = tape.gradients(&loss(&got)).unwrap();
                assert!(close(&got, &want), "{count} {learning:b}");
                for (i, var) in vars.iter().enumerate() {
                    let right = match (grads.get(var), want_grads.get(var)) {
                        (Some(ours), Some(candles)) => learns(i) && close(ours, candles),
                        (ours, _) => !learns(i) && ours.is_none(),
                    };
                    assert!(right, "argument {i} of {count}, learning {learning:b}");
                }
            }
        });
    }

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let (x, weight, bias) = (wave(&[70, 9], 0.3), wave(&[9, 37], 0.5), wave(&[37], 0.7));
        let of = |addend: &Tensor, scale: Option<&Tensor>| {
            linear_residual(Activation::Gelu, &x, (&weight, &bias), addend, scale).unwrap_err().to_string()
        };
        assert!(of(&x, None).contains("[70, 9]"));
        assert!(of(&wave(&[70, 37], 0.3), Some(&wave(&[9], 0.3))).contains("[9]"));
    }
}
