//! Dropout with randomness from our own generator.

use super::cpu::{CHUNK, check_operands};
use super::graph::{self, Grad, Keeps, Operation, Saved};
use super::memory::filled;
use super::simd;
use super::tensors::Grads;
use crate::error::{Error, Result};
use crate::nn::rng::Rng;
use candle_core::{Shape, Tensor};
use rayon::prelude::*;

/// Sets each value to zero with `probability` and multiplies the others by `1 / (1 - probability)` (Srivastava et al. 2014).
/// Differentiable; any shape.
///
/// # Errors
/// If `x` is not f32, or `probability` is not in `[0, 1)`.
pub fn dropout(x: &Tensor, probability: f64, rng: &mut Rng) -> Result<Tensor> {
    drop_runs(x, 1, probability, rng)
}

/// The same for whole rows of the first axis, that is for all values of a picture at once: stochastic depth, where `x` is what
/// a residual block adds (Huang et al. 2016, "Deep Networks with Stochastic Depth"). Differentiable; any shape but a scalar.
///
/// # Errors
/// As for [`dropout`].
pub fn dropout_rows(x: &Tensor, probability: f64, rng: &mut Rng) -> Result<Tensor> {
    let rows = x.dim(0)?.max(1);
    drop_runs(x, x.elem_count() / rows, probability, rng)
}

/// Keeps or drops `run` values at a time.
fn drop_runs(x: &Tensor, run: usize, probability: f64, rng: &mut Rng) -> Result<Tensor> {
    if !(0.0..1.0).contains(&probability) {
        return Err(Error::input(format!("a dropout of {probability} is not in [0, 1)")));
    }
    check_operands(NAME, [Some(x)])?;
    if probability == 0.0 || run == 0 {
        return Ok(x.clone());
    }
    let kept = (1.0 / (1.0 - probability)) as f32;
    let draw = |_| if rng.uniform() < probability { 0.0 } else { kept };
    let factors = (0..x.elem_count() / run).map(draw).collect();
    Ok(graph::apply(Mask { factors, run, shape: x.shape().clone() }, &[&x.contiguous()?])?)
}

const NAME: &str = "dropout";

struct Mask {
    factors: Vec<f32>,
    /// Values that share a factor.
    run: usize,
    shape: Shape,
}

impl Mask {
    /// Values of a task.
    fn parcel(&self) -> usize {
        if self.run == 1 { CHUNK } else { self.run }
    }

    /// Multiplies the values of task `i` by their factors.
    fn scale(&self, i: usize, values: &mut [f32]) {
        let first = i * self.parcel() / self.run;
        let factors = &self.factors[first..first + values.len() / self.run];
        simd::vectorised(
            #[inline(always)]
            || match *factors {
                [factor] => values.iter_mut().for_each(|v| *v *= factor),
                _ => values.iter_mut().zip(factors).for_each(|(v, m)| *v *= m),
            },
        );
    }

    /// Multiplies values by their factors, on their device.
    fn scale_tensor(&self, values: &Tensor) -> candle_core::Result<Tensor> {
        let factors = Tensor::from_slice(&self.factors, (self.factors.len(), 1), values.device())?;
        values.reshape((self.factors.len(), self.run))?.broadcast_mul(&factors)?.reshape(&self.shape)
    }
}

impl Operation for Mask {
    fn name(&self) -> &'static str {
        NAME
    }

    fn keeps(&self, _: &[bool]) -> Keeps {
        Keeps { args: 0, result: false }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        let (x, size) = (args[0], self.parcel());
        let fill = |y: &mut [f32]| {
            y.par_chunks_mut(size).zip(x.par_chunks(size)).enumerate().for_each(|(i, (y, x))| {
                y.copy_from_slice(x);
                self.scale(i, y);
            });
        };
        // SAFETY: every value is copied before anything else.
        (unsafe { filled(x.len(), fill) }, self.shape.clone())
    }

    fn backward(&self, _: &Saved, grad: Grad, _: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let dx = grad.rewrite(self.parcel(), |i, grad| self.scale(i, grad))?;
        Ok(vec![Some(Grad::Owned(dx))])
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        self.scale_tensor(args[0])
    }

    fn backward_tensors(&self, _: &Saved, grad: &Tensor, _: &[bool]) -> Grads {
        Ok(vec![Some(self.scale_tensor(grad)?)])
    }
}
