//! Batch normalisation over `[N, H, W, C]`, fused with the activation behind it.
//!
//! Both forms compute `act(x * scale + shift)` with one scale and one shift a channel.

mod kernels;
mod on_card;
mod tensors;

use super::Activation;
use super::card;
use super::cpu::{Clamp, with_values};
use super::graph::{self, Grad, Keeps, Operation, Saved};
use super::memory::filled;
use super::tensors::{Grads, serve as on_device, short};
use crate::error::{Error, Result};
use candle_core::{DType, Device, Shape, Tensor};
pub(crate) use on_card::mix_running;

/// Mean and (biased) variance of a batch, each `[C]`, for updating running statistics.
#[derive(Debug, Clone)]
pub struct BatchStats {
    /// Mean of each channel, on the device of the batch.
    pub mean: Tensor,
    /// Biased variance of each channel, there too.
    pub var: Tensor,
    /// How many values each was taken over: `N * H * W`.
    pub count: usize,
}

/// Training form: normalises with the batch's own statistics (Ioffe and Szegedy 2015). Differentiable in `x`, `gamma`, `beta`.
///
/// # Shapes
/// `x: [N, H, W, C]` or `[N, C]`, `gamma` and `beta`: `[C]`; the result has the shape of `x`.
///
/// # Errors
/// If shapes or types do not fit, or there is only one value a channel (its variance would be zero).
pub fn batch_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
    act: Activation,
) -> Result<(Tensor, BatchStats)> {
    batch_norm_add(x, (gamma, beta), eps, None, act)
}

/// [`batch_norm`] with a tensor added before the activation: `act(normalised + addend)`. Differentiable in `addend` too.
///
/// # Errors
/// As [`batch_norm`]; if the shape of `addend` is not that of `x`.
pub fn batch_norm_add(
    x: &Tensor,
    affine: (&Tensor, &Tensor),
    eps: f64,
    addend: Option<&Tensor>,
    act: Activation,
) -> Result<(Tensor, BatchStats)> {
    let channels = check(x, &[affine.0, affine.1])?;
    let x = x.contiguous()?;
    let count = x.elem_count() / channels;
    if count < 2 {
        return Err(Error::input("batch normalisation needs more than one value a channel while training")
            .with_hint("Use a larger batch size"));
    }
    let (statistics, stats) = if on_device(&x) {
        let [mean, var, inv_std] = match card::serves(&x) {
            true => on_card::moments(&x.detach(), eps)?,
            false => tensors::moments(&x.detach(), channels, eps)?,
        };
        (Statistics::Tensors { mean: mean.clone(), inv_std }, BatchStats { mean, var, count })
    } else {
        let (mean, var) = with_values([&x], |[x]| kernels::moments(x, channels))?;
        let inv_std = var.iter().map(|v| (1.0 / (v + eps).sqrt()) as f32).collect();
        let [mean, var] = [mean, var].map(|v| v.iter().map(|&v| v as f32).collect::<Vec<_>>());
        let tensor = |v: &[f32]| Tensor::from_slice(v, channels, x.device());
        let stats = BatchStats { mean: tensor(&mean)?, var: tensor(&var)?, count };
        (Statistics::Values { mean, inv_std }, stats)
    };
    let op = Op { shape: x.shape().clone(), statistics, act, of_batch: true };
    Ok((op.apply(&x, affine, addend)?, stats))
}

/// Frozen form: normalises with given statistics (mean and variance). Differentiable in `x`, `gamma`, `beta`.
///
/// # Shapes
/// As [`batch_norm`]; each of `running`: `[C]`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn batch_norm_frozen(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    running: (&Tensor, &Tensor),
    eps: f64,
    act: Activation,
) -> Result<Tensor> {
    batch_norm_frozen_add(x, (gamma, beta), running, eps, None, act)
}

/// [`batch_norm_frozen`] with a tensor added before the activation, as by [`batch_norm_add`].
///
/// # Errors
/// As there.
pub fn batch_norm_frozen_add(
    x: &Tensor,
    affine: (&Tensor, &Tensor),
    running: (&Tensor, &Tensor),
    eps: f64,
    addend: Option<&Tensor>,
    act: Activation,
) -> Result<Tensor> {
    check(x, &[affine.0, affine.1, running.0, running.1])?;
    let statistics = if on_device(x) {
        let inv_std = match card::serves(x) {
            true => on_card::inverse_deviation(&running.1.detach(), eps)?,
            false => tensors::inverse_deviation(&running.1.detach(), eps)?,
        };
        Statistics::Tensors { mean: running.0.detach(), inv_std }
    } else {
        let inv_std = |v: &f32| (1.0 / (f64::from(*v) + eps).sqrt()) as f32;
        let inv_std = running.1.to_vec1::<f32>()?.iter().map(inv_std).collect();
        Statistics::Values { mean: running.0.to_vec1()?, inv_std }
    };
    let op = Op { shape: x.shape().clone(), statistics, act, of_batch: false };
    op.apply(&x.contiguous()?, affine, addend)
}

const NAME: &str = "batch-norm";

fn check(x: &Tensor, per_channel: &[&Tensor]) -> Result<usize> {
    let channels = x.dims().last().copied().unwrap_or(0);
    let served = x.dtype() == DType::F32 || short::is_short(x) && on_device(x);
    if channels == 0 || x.elem_count() == 0 || !served {
        return Err(Error::internal(format!("batch normalisation of {:?} {:?}", x.dtype(), x.dims())));
    }
    match per_channel.iter().find(|t| t.dims() != [channels] || t.dtype() != DType::F32) {
        None => Ok(channels),
        Some(t) => Err(Error::internal(format!(
            "batch normalisation of {:?} with a parameter of shape {:?}",
            x.dims(),
            t.dims()
        ))),
    }
}

/// The operation on `x`, `gamma`, `beta` and, if there is one, what is added before the activation.
struct Op {
    shape: Shape,
    statistics: Statistics,
    act: Activation,
    /// The statistics are the batch's own, so that they depend on `x`.
    of_batch: bool,
}

/// What the values are normalised with: the mean and `1 / sqrt(var + eps)` of each channel.
enum Statistics {
    /// On the processor.
    Values { mean: Vec<f32>, inv_std: Vec<f32> },
    /// `[C]` each, on other devices.
    Tensors { mean: Tensor, inv_std: Tensor },
}

impl Statistics {
    /// Mean and inverse deviation, for the kernels of the processor; none on other devices.
    fn values(&self) -> [&[f32]; 2] {
        match self {
            Self::Values { mean, inv_std } => [mean, inv_std],
            Self::Tensors { .. } => [&[]; 2],
        }
    }

    /// The same as tensors.
    fn tensors(&self, device: &Device) -> candle_core::Result<[Tensor; 2]> {
        Ok(match self {
            Self::Values { mean, inv_std } => [
                Tensor::from_slice(mean, mean.len(), device)?,
                Tensor::from_slice(inv_std, inv_std.len(), device)?,
            ],
            Self::Tensors { mean, inv_std } => [mean.clone(), inv_std.clone()],
        })
    }
}

impl Op {
    fn apply(self, x: &Tensor, affine: (&Tensor, &Tensor), addend: Option<&Tensor>) -> Result<Tensor> {
        let (gamma, beta) = (affine.0.contiguous()?, affine.1.contiguous()?);
        let Some(addend) = addend else {
            return Ok(graph::apply(self, &[x, &gamma, &beta])?);
        };
        if addend.dims() != x.dims() || addend.dtype() != x.dtype() {
            return Err(Error::internal(format!(
                "a sum of {:?} {:?} and a batch normalisation of {:?}",
                addend.dtype(),
                addend.dims(),
                x.dims()
            )));
        }
        let addend = addend.contiguous()?;
        let args = [x, &gamma, &beta, &addend];
        let act = self.act;
        if graph::takes(&args) && Clamp::of(act).1 == Activation::Identity {
            return Ok(graph::apply(self, &args)?);
        }
        let y = graph::apply(Self { act: Activation::Identity, ..self }, &args[..3])?;
        super::add(&y, &addend, act)
    }

    /// `(scale, shift)` so that the normalised and scaled value is `x * scale + shift`.
    fn affine(&self, gamma: &[f32], beta: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let [mean, inv_std] = self.statistics.values();
        let scale: Vec<f32> = gamma.iter().zip(inv_std).map(|(g, s)| g * s).collect();
        let shift = beta.iter().zip(mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        (scale, shift)
    }

    /// What flows through the batch's statistics, `scale * (mean(dz) + xhat * mean(dz * xhat))`, as offset and slope of a
    /// function of x.
    fn through_stats(&self, scale: &[f32], sums: (&[f64], &[f64]), count: usize) -> (Vec<f32>, Vec<f32>) {
        let [mean, inv_std] = self.statistics.values();
        let share = |c: usize| {
            let (scale, inv_std) = (f64::from(scale[c]), f64::from(inv_std[c]));
            let slope = scale * inv_std * inv_std * sums.1[c] / count as f64;
            ((scale * sums.0[c] / count as f64 - slope * f64::from(mean[c])) as f32, slope as f32)
        };
        (0..scale.len()).map(share).unzip()
    }
}

impl Operation for Op {
    fn name(&self) -> &'static str {
        NAME
    }

    fn keeps(&self, wanted: &[bool]) -> Keeps {
        Keeps { args: 0b111, result: wanted.len() > 3 && self.act != Activation::Identity }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        let (scale, shift) = self.affine(args[1], args[2]);
        let addend = args.get(3).copied().unwrap_or_default();
        let fill = |y: &mut [f32]| kernels::normalise(self.act, args[0], (&scale, &shift), addend, y);
        // SAFETY: every row is written.
        (unsafe { filled(args[0].len(), fill) }, self.shape.clone())
    }

    fn backward(&self, saved: &Saved, grad: Grad, wanted: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let (scale, shift) =
            with_values([saved.arg(1)?, saved.arg(2)?], |[gamma, beta]| self.affine(gamma, beta))?;
        let affine = (&scale[..], &shift[..]);
        let [mean, inv_std] = self.statistics.values();
        // What is added gets the gradient at the activation's input: that is made first, and the rest follows from it.
        let (act, mut grad) = match wanted.len() {
            3 => (self.act, grad),
            _ => (Activation::Identity, Clamp::of(self.act).0.gradient(saved, grad)?),
        };
        let mut addend = None;
        if wanted.get(3) == Some(&true) {
            let shared = grad.into_tensor(&self.shape)?;
            (addend, grad) = (Some(Grad::Shared(shared.clone())), Grad::Shared(shared));
        }
        let x = saved.arg(0)?;
        let needs_sums = wanted[1] || wanted[2] || (wanted[0] && self.of_batch);
        let sums = match needs_sums {
            true => {
                Some(grad.with(|grad| with_values([x], |[x]| kernels::sums(act, (x, grad), affine, mean)))??)
            }
            false => None,
        };
        let dx = match wanted[0] {
            true => {
                let zeros = || (vec![0f32; scale.len()], vec![0f32; scale.len()]);
                let (offset, slope) = match &sums {
                    Some((b, g)) if self.of_batch => {
                        self.through_stats(&scale, (b, g), self.shape.elem_count() / scale.len())
                    }
                    _ => zeros(),
                };
                let size = kernels::parcel(scale.len());
                let dx = with_values([x], |[x]| {
                    grad.rewrite(size, |i, grad| {
                        let x = &x[i * size..i * size + grad.len()];
                        kernels::input_gradient(act, x, grad, affine, (&offset, &slope));
                    })
                })??;
                Some(Grad::Owned(dx))
            }
            false => None,
        };
        let (sum_beta, mut sum_gamma) = sums.unzip();
        sum_gamma.iter_mut().flatten().zip(inv_std).for_each(|(s, v)| *s *= f64::from(*v));
        let per_channel = |sum: Option<Vec<f64>>, wanted: bool| {
            sum.filter(|_| wanted).map(|v| Grad::Owned(v.iter().map(|&v| v as f32).collect()))
        };
        let mut grads = vec![dx, per_channel(sum_gamma, wanted[1]), per_channel(sum_beta, wanted[2])];
        grads.extend((wanted.len() > 3).then_some(addend));
        Ok(grads)
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        self.result_of_tensors(args)
    }

    fn backward_tensors(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        self.gradients_of_tensors(saved, grad, wanted)
    }

    fn forward_on_card(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        self.result_on_card(args)
    }

    fn backward_on_card(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        self.gradients_on_card(saved, grad, wanted)
    }
}
