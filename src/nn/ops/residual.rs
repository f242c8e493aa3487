//! The sum at the end of a residual branch.

use super::card::Channelwise;
use super::cpu::{CHUNK, check_operands, with_values};
use super::graph::{self, Grad, Keeps, Operation, Saved};
use super::memory::filled;
use super::parallel::{add_parts, task_size};
use super::tensors::{Grads, channelwise, column_sums_of_products, when};
use super::{Activation, add, simd};
use crate::error::{Error, Result};
use candle_core::{Shape, Tensor};
use rayon::prelude::*;

/// `x + scale * branch` with one scale a channel (LayerScale: Touvron et al. 2021, "Going deeper with Image Transformers"), or
/// `x + branch` without. Differentiable in all of them.
///
/// # Shapes
/// `x` and `branch`: `[.., C]`, `scale: [C]`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn residual(x: &Tensor, branch: &Tensor, scale: Option<&Tensor>) -> Result<Tensor> {
    let channels = x.dims().last().copied().unwrap_or(0);
    if channels == 0 || x.dims() != branch.dims() || scale.is_some_and(|s| s.dims() != [channels]) {
        let shapes = (x.dims(), branch.dims(), scale.map(Tensor::dims));
        return Err(Error::internal(format!("residual sum of x, branch and scale of shapes {shapes:?}")));
    }
    let Some(scale) = scale else { return add(x, branch, Activation::Identity) };
    check_operands(NAME, [Some(x), Some(branch), Some(scale)])?;
    let op = Scaled { shape: x.shape().clone(), channels };
    Ok(graph::apply(op, &[&x.contiguous()?, &branch.contiguous()?, &scale.contiguous()?])?)
}

const NAME: &str = "residual";

/// `x + scale * branch`.
struct Scaled {
    shape: Shape,
    channels: usize,
}

impl Scaled {
    /// Values of a task: whole rows.
    fn parcel(&self) -> usize {
        let rows = self.shape.elem_count() / self.channels;
        task_size(rows, 64, 1, CHUNK.div_ceil(self.channels)) * self.channels
    }

    /// `values * scale + addend` by tensor operations.
    fn scaled(
        &self,
        values: &Tensor,
        scale: &Tensor,
        addend: Option<&Tensor>,
    ) -> candle_core::Result<Tensor> {
        channelwise(values, Channelwise { scale: Some(scale), addend, ..Channelwise::default() })
    }

    /// Writes the sums of rows, on this thread.
    fn sum(&self, [x, branch, scale]: [&[f32]; 3], out: &mut [f32]) {
        let channels = self.channels;
        simd::vectorised(
            #[inline(always)]
            || {
                let rows = out.chunks_exact_mut(channels).zip(x.chunks_exact(channels));
                for ((out, x), branch) in rows.zip(branch.chunks_exact(channels)) {
                    for (((out, x), b), s) in out.iter_mut().zip(x).zip(branch).zip(scale) {
                        *out = x + s * b;
                    }
                }
            },
        );
    }

    /// Adds products of rows to the sums of their columns, on this thread.
    fn add_products(&self, branch: &[f32], grad: &[f32], sums: &mut [f32]) {
        simd::vectorised(
            #[inline(always)]
            || {
                let rows = branch.chunks_exact(self.channels).zip(grad.chunks_exact(self.channels));
                for (branch, grad) in rows {
                    sums.iter_mut().zip(branch).zip(grad).for_each(|((s, b), g)| *s += g * b);
                }
            },
        );
    }

    /// Multiplies rows of `grad` by the scale, on this thread.
    fn scale_rows(&self, scale: &[f32], grad: &mut [f32]) {
        simd::vectorised(
            #[inline(always)]
            || {
                for grad in grad.chunks_exact_mut(self.channels) {
                    grad.iter_mut().zip(scale).for_each(|(g, s)| *g *= s);
                }
            },
        );
    }
}

impl Operation for Scaled {
    fn name(&self) -> &'static str {
        NAME
    }

    fn keeps(&self, wanted: &[bool]) -> Keeps {
        Keeps { args: u8::from(wanted[2]) << 1 | u8::from(wanted[1]) << 2, result: false }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        let (x, branch, size) = (args[0], args[1], self.parcel());
        let fill = |out: &mut [f32]| {
            let parts = out.par_chunks_mut(size).zip(x.par_chunks(size)).zip(branch.par_chunks(size));
            parts.for_each(|((out, x), branch)| self.sum([x, branch, args[2]], out));
        };
        // SAFETY: every row is written.
        (unsafe { filled(x.len(), fill) }, self.shape.clone())
    }

    fn backward(&self, saved: &Saved, grad: Grad, wanted: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let (of_x, grad) = match wanted[0] {
            true => {
                let grad = grad.into_tensor(&self.shape)?;
                (Some(Grad::Shared(grad.clone())), Grad::Shared(grad))
            }
            false => (None, grad),
        };
        let (channels, size) = (self.channels, self.parcel());
        let parcels = self.shape.elem_count().div_ceil(size);
        let mut sums = vec![0f32; if wanted[2] { parcels * channels } else { 0 }];
        let mut of_branch = None;
        match (wanted[1], wanted[2]) {
            (true, true) => {
                let values = with_values([saved.arg(1)?, saved.arg(2)?], |[branch, scale]| {
                    let items = branch.par_chunks(size).zip(sums.par_chunks_mut(channels));
                    grad.rewrite_with(size, items, |(branch, sums), grad| {
                        self.add_products(branch, grad, sums);
                        self.scale_rows(scale, grad);
                    })
                })??;
                of_branch = Some(Grad::Owned(values));
            }
            (true, false) => {
                let values = with_values([saved.arg(2)?], |[scale]| {
                    grad.rewrite(size, |_, grad| self.scale_rows(scale, grad))
                })??;
                of_branch = Some(Grad::Owned(values));
            }
            (false, true) => with_values([saved.arg(1)?], |[branch]| {
                grad.with(|grad| {
                    let rows = branch.par_chunks(size).zip(grad.par_chunks(size));
                    let parts = rows.zip(sums.par_chunks_mut(channels));
                    parts.for_each(|((branch, grad), sums)| self.add_products(branch, grad, sums));
                })
            })??,
            (false, false) => {}
        }
        let of_scale = wanted[2].then(|| Grad::Owned(add_parts(sums, channels)));
        Ok(vec![of_x, of_branch, of_scale])
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        self.scaled(args[1], args[2], Some(args[0]))
    }

    fn backward_tensors(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        Ok(vec![
            wanted[0].then(|| grad.clone()),
            when(wanted[1], || self.scaled(grad, saved.arg(2)?, None))?,
            when(wanted[2], || column_sums_of_products(grad, saved.arg(1)?, self.channels))?,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::ops::testing::{both_ways, flat, var};

    #[test]
    fn sums_and_gradients_are_those_of_the_definition() {
        both_ways(|| {
            let (x, branch, scale) = (var(&[700, 3, 9], 0.7), var(&[700, 3, 9], 1.1), var(&[9], 0.3));
            let upstream = var(&[700, 3, 9], 0.9);
            for scale in [None, Some(&scale)] {
                let y = residual(&x, &branch, scale.map(|s| s.as_tensor())).unwrap();
                let loss = (&y * upstream.as_tensor()).unwrap().sum_all().unwrap();
                let grads = loss.backward().unwrap();
                let scaled = match scale {
                    Some(s) => branch.broadcast_mul(s).unwrap(),
                    None => branch.as_tensor().clone(),
                };
                let want = (x.as_tensor() + scaled).unwrap();
                assert!(flat(&y).iter().zip(flat(&want)).all(|(a, b)| (a - b).abs() < 1e-6));
                let want = (&want * upstream.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
                for var in [Some(&x), Some(&branch), scale].into_iter().flatten() {
                    let (ours, candles) = (flat(grads.get(var).unwrap()), flat(want.get(var).unwrap()));
                    assert_eq!(ours.len(), candles.len());
                    assert!(ours.iter().zip(candles).all(|(a, b)| (a - b).abs() < 1e-4 * (1.0 + b.abs())));
                }
            }
        });
    }

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let (x, branch) = (var(&[2, 9], 0.7), var(&[2, 8], 1.1));
        assert!(residual(&x, &branch, None).unwrap_err().to_string().contains("[2, 8]"));
        assert!(residual(&x, &x, Some(&branch)).unwrap_err().to_string().contains("[2, 8]"));
    }
}
