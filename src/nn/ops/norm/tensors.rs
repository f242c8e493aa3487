//! Batch normalisation by tensor operations.

use super::Op;
use crate::nn::ops::Activation;
use crate::nn::ops::cpu::Clamp;
use crate::nn::ops::graph::Saved;
use crate::nn::ops::tensors::{Grads, activation, as_rows, column_sums, short, when};
use candle_core::{Result, Tensor};

/// Mean, biased variance and `1 / sqrt(variance + eps)` of each channel. In two passes, the second of which also corrects the rounding of the mean: the
/// variance of values far from zero would be lost otherwise.
pub(super) fn moments(x: &Tensor, channels: usize, eps: f64) -> Result<[Tensor; 3]> {
    let x = as_rows(&short::widened(x)?)?;
    let share = 1.0 / x.dim(0)? as f64;
    let mean = column_sums(&x, channels)?.affine(share, 0.0)?;
    let centred = x.broadcast_sub(&mean)?;
    let off = column_sums(&centred, channels)?.affine(share, 0.0)?;
    let squares = column_sums(&centred.sqr()?, channels)?.affine(share, 0.0)?;
    let variance = (squares - off.sqr()?)?;
    let inv_std = inverse_deviation(&variance, eps)?;
    Ok([(mean + &off)?, variance, inv_std])
}

/// `1 / sqrt(var + eps)`.
pub(super) fn inverse_deviation(var: &Tensor, eps: f64) -> Result<Tensor> {
    var.affine(1.0, eps)?.sqrt()?.recip()
}

impl Op {
    /// The activation's input without what is added, from the centred values.
    fn before(&self, centred: &Tensor, scale: &Tensor, beta: &Tensor) -> Result<Tensor> {
        centred.broadcast_mul(scale)?.broadcast_add(beta)
    }

    /// `act((x - mean) * scale + beta + addend)`.
    pub(super) fn result_of_tensors(&self, args: &[&Tensor]) -> Result<Tensor> {
        let [mean, inv_std] = self.statistics.tensors(args[0].device())?;
        let scale = (args[1] * inv_std)?;
        let y = self.before(&args[0].broadcast_sub(&mean)?, &scale, args[2])?;
        let y = args.get(3).map_or(Ok(y.clone()), |addend| y + *addend)?;
        activation::value(self.act, &y)
    }

    /// As `backward`.
    pub(super) fn gradients_of_tensors(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        let (x, gamma, beta) = (saved.arg(0)?, saved.arg(1)?, saved.arg(2)?);
        let [mean, inv_std] = self.statistics.tensors(x.device())?;
        let (channels, scale) = (mean.elem_count(), (gamma * &inv_std)?);
        let centred = x.broadcast_sub(&mean)?;
        let grad = match wanted.len() {
            3 if self.act == Activation::Identity => grad.clone(),
            3 => activation::gradient(self.act, &self.before(&centred, &scale, beta)?, grad)?,
            _ => activation::clamp_gradient(Clamp::of(self.act).0, saved, grad)?,
        };
        let through_stats = wanted[0] && self.of_batch;
        let sum = when(wanted[2] || through_stats, || column_sums(&grad, channels))?;
        let weighted = when(wanted[1] || through_stats, || column_sums(&(&grad * &centred)?, channels))?;
        let of_x = when(wanted[0], || {
            let own = grad.broadcast_mul(&scale)?;
            let (Some(sum), Some(weighted)) = (&sum, &weighted) else { return Ok(own) };
            if !self.of_batch {
                return Ok(own);
            }
            let share = channels as f64 / x.elem_count() as f64;
            let offset = (&scale * sum)?.affine(share, 0.0)?;
            let slope = ((&scale * inv_std.sqr()?)? * weighted)?.affine(share, 0.0)?;
            own.broadcast_sub(&offset)? - centred.broadcast_mul(&slope)?
        })?;
        let of_gamma = weighted.filter(|_| wanted[1]).map(|sum| sum * &inv_std).transpose()?;
        let mut grads = vec![of_x, of_gamma, sum.filter(|_| wanted[2])];
        grads.extend(wanted.get(3).map(|wanted| wanted.then(|| grad.clone())));
        Ok(grads)
    }
}
