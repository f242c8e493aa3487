//! Dropout with randomness from our own generator.

use super::slices::{slice, with_slice};
use crate::error::{Error, Result};
use crate::nn::rng::Rng;
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};

/// Sets each value to zero with `probability` and multiplies the others by `1 / (1 - probability)` (Srivastava et al. 2014).
/// Differentiable; any shape.
///
/// # Errors
/// If `x` is not f32, or `probability` is not in `[0, 1)`.
pub fn dropout(x: &Tensor, probability: f64, rng: &mut Rng) -> Result<Tensor> {
    if !(0.0..1.0).contains(&probability) {
        return Err(Error::input(format!("a dropout of {probability} is not in [0, 1)")));
    }
    if probability == 0.0 {
        return Ok(x.clone());
    }
    let kept = (1.0 / (1.0 - probability)) as f32;
    let draw = |_| if rng.uniform() < probability { 0.0 } else { kept };
    let mask = (0..x.elem_count()).map(draw).collect();
    Ok(x.contiguous()?.apply_op1(Mask(mask))?)
}

struct Mask(Vec<f32>);

impl Mask {
    fn times(&self, x: &[f32]) -> Vec<f32> {
        x.iter().zip(&self.0).map(|(x, m)| x * m).collect()
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
