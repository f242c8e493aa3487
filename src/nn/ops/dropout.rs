//! Dropout with randomness from our own generator.

use super::slices::{PARCEL, slice, with_slice};
use crate::error::{Error, Result};
use crate::nn::rng::Rng;
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
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
    if probability == 0.0 || run == 0 {
        return Ok(x.clone());
    }
    let kept = (1.0 / (1.0 - probability)) as f32;
    let draw = |_| if rng.uniform() < probability { 0.0 } else { kept };
    let factors = (0..x.elem_count() / run).map(draw).collect();
    Ok(x.contiguous()?.apply_op1(Mask { factors, run })?)
}

struct Mask {
    factors: Vec<f32>,
    /// Values that share a factor.
    run: usize,
}

impl Mask {
    fn times(&self, x: &[f32]) -> Vec<f32> {
        if self.run == 1 {
            return x.iter().zip(&self.factors).map(|(x, m)| x * m).collect();
        }
        let mut y = vec![0f32; x.len()];
        y.par_chunks_mut(self.run).zip(x.par_chunks(self.run)).zip(&self.factors).for_each(|((y, x), &m)| {
            let parcels = y.par_chunks_mut(PARCEL).zip(x.par_chunks(PARCEL));
            parcels.for_each(|(y, x)| y.iter_mut().zip(x).for_each(|(y, x)| *y = x * m));
        });
        y
    }
}

impl CustomOp1 for Mask {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let y = self.times(slice(storage, layout, self.name())?);
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, arg: &Tensor, _: &Tensor, grad: &Tensor) -> candle_core::Result<Option<Tensor>> {
        if !arg.track_op() {
            return Ok(None);
        }
        let dx = with_slice(&grad.contiguous()?, self.name(), |g| Ok(self.times(g)))?;
        Ok(Some(Tensor::from_vec(dx, arg.shape(), arg.device())?))
    }
}
