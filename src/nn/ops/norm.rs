//! Batch normalisation over `[N, H, W, C]`, fused with the activation behind it.
//!
//! Both forms compute `act(x * scale + shift)` with one scale and one shift a channel. Sums over the batch are taken in
//! parcels whose size depends on the channel count alone, and joined in order, so that results are the same for any number
//! of threads.

use super::Activation;
use super::activation::specialised;
use super::simd;
use super::slices::{slice, with_slice};
use crate::error::{Error, Result};
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

/// Mean and (biased) variance of a batch, each `[C]`, for updating running statistics.
#[derive(Debug, Clone)]
pub struct BatchStats {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Biased variance of each channel.
    pub var: Vec<f32>,
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
    let channels = check(x, &[gamma, beta])?;
    let x = x.contiguous()?;
    let count = x.elem_count() / channels;
    if count < 2 {
        return Err(Error::input("batch normalisation needs more than one value a channel while training")
            .with_hint("Use a larger batch size"));
    }
    let (mean, var) = with_slice(&x, NAME, |x| Ok(moments(x, channels)))?;
    let inv_std = var.iter().map(|v| (1.0 / (v + eps).sqrt()) as f32).collect();
    let to_f32 = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<_>>();
    let stats = BatchStats { mean: to_f32(&mean), var: to_f32(&var), count };
    let op = Op { mean: stats.mean.clone(), inv_std, act, of_batch: true };
    let y = x.apply_op3(&gamma.contiguous()?, &beta.contiguous()?, op)?;
    Ok((y, stats))
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
    check(x, &[gamma, beta, running.0, running.1])?;
    let inv_std = |v: &f32| (1.0 / (f64::from(*v) + eps).sqrt()) as f32;
    let op = Op {
        mean: running.0.to_vec1()?,
        inv_std: running.1.to_vec1::<f32>()?.iter().map(inv_std).collect(),
        act,
        of_batch: false,
    };
    Ok(x.contiguous()?.apply_op3(&gamma.contiguous()?, &beta.contiguous()?, op)?)
}

const NAME: &str = "batch-norm";

fn check(x: &Tensor, per_channel: &[&Tensor]) -> Result<usize> {
    let channels = x.dims().last().copied().unwrap_or(0);
    if channels == 0 || x.elem_count() == 0 || x.dtype() != DType::F32 {
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

/// Values in a parcel: whole rows, some 32 thousand values, and few enough rows that f32 sums stay exact to some 1e-6.
fn parcel(channels: usize) -> usize {
    (32_768 / channels).clamp(16, 512) * channels
}

/// Mean and biased variance of each channel: two passes within each parcel, which stays in the cache between them, joined
/// in f64 by the update of Chan, Golub and LeVeque (1979).
fn moments(x: &[f32], channels: usize) -> (Vec<f64>, Vec<f64>) {
    let parts: Vec<_> = x.par_chunks(parcel(channels)).map(|x| parcel_moments(x, channels)).collect();
    let (mut mean, mut m2) = (vec![0f64; channels], vec![0f64; channels]);
    let mut seen = 0f64;
    for (rows, part_mean, part_m2) in &parts {
        let rows = *rows as f64;
        let total = seen + rows;
        let moments = mean.iter_mut().zip(&mut m2);
        for ((mean, m2), (&part_mean, &part_m2)) in moments.zip(part_mean.iter().zip(part_m2)) {
            let delta = f64::from(part_mean) - *mean;
            *mean += delta * rows / total;
            *m2 += f64::from(part_m2) + delta * delta * seen * rows / total;
        }
        seen = total;
    }
    m2.iter_mut().for_each(|v| *v /= seen);
    (mean, m2)
}

fn parcel_moments(x: &[f32], channels: usize) -> (usize, Vec<f32>, Vec<f32>) {
    let rows = x.len() / channels;
    let (mut mean, mut m2) = (vec![0f32; channels], vec![0f32; channels]);
    simd::vectorised(
        #[inline(always)]
        || {
            for row in x.chunks_exact(channels) {
                mean.iter_mut().zip(row).for_each(|(s, &x)| *s += x);
            }
            mean.iter_mut().for_each(|s| *s /= rows as f32);
            for row in x.chunks_exact(channels) {
                m2.iter_mut().zip(&mean).zip(row).for_each(|((s, &m), &x)| *s += (x - m) * (x - m));
            }
        },
    );
    (rows, mean, m2)
}

struct Op {
    mean: Vec<f32>,
    inv_std: Vec<f32>,
    act: Activation,
    /// The statistics are the batch's own, so that they depend on `x`.
    of_batch: bool,
}

/// What one pass backwards reads, a parcel at a time.
#[derive(Clone, Copy)]
struct Rows<'a> {
    x: &'a [f32],
    y: &'a [f32],
    grad: &'a [f32],
}

impl Op {
    /// `(scale, shift)` so that the normalised and scaled value is `x * scale + shift`.
    fn affine(&self, gamma: &[f32], beta: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let scale: Vec<f32> = gamma.iter().zip(&self.inv_std).map(|(g, s)| g * s).collect();
        let shift = beta.iter().zip(&self.mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        (scale, shift)
    }

    /// Gradients at the activation's input, from those at its output.
    #[inline(always)]
    fn pre_grad(act: Activation, x: f32, y: f32, grad: f32, scale: f32, shift: f32) -> f32 {
        let slope = if act.known_from_output() {
            act.derivative_from_output(y)
        } else {
            act.derivative(x * scale + shift)
        };
        grad * slope
    }

    /// Sums over the batch of `dz` and `dz * xhat`, where `z` is the activation's input.
    fn sums(&self, rows: Rows<'_>, scale: &[f32], shift: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let channels = scale.len();
        let size = parcel(channels);
        let parcels = rows.x.par_chunks(size).zip(rows.y.par_chunks(size)).zip(rows.grad.par_chunks(size));
        let part = |((x, y), grad)| self.parcel_sums(Rows { x, y, grad }, scale, shift);
        let parts: Vec<_> = parcels.map(part).collect();
        let (mut beta, mut gamma) = (vec![0f64; channels], vec![0f64; channels]);
        for (part_beta, part_gamma) in &parts {
            beta.iter_mut().zip(part_beta).for_each(|(s, &v)| *s += f64::from(v));
            gamma.iter_mut().zip(part_gamma).for_each(|(s, &v)| *s += f64::from(v));
        }
        (beta, gamma)
    }

    fn parcel_sums(&self, rows: Rows<'_>, scale: &[f32], shift: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let channels = scale.len();
        let (mut beta, mut gamma) = (vec![0f32; channels], vec![0f32; channels]);
        let (mean, inv_std) = (&self.mean[..channels], &self.inv_std[..channels]);
        specialised!(self.act, act => simd::vectorised(
            #[inline(always)]
            || {
                let (beta, gamma) = (&mut beta[..channels], &mut gamma[..channels]);
                let (scale, shift) = (&scale[..channels], &shift[..channels]);
                let rows = rows.x.chunks_exact(channels).zip(rows.y.chunks_exact(channels)).zip(rows.grad.chunks_exact(channels));
                for ((x, y), grad) in rows {
                    for c in 0..channels {
                        let dz = Self::pre_grad(act, x[c], y[c], grad[c], scale[c], shift[c]);
                        beta[c] += dz;
                        gamma[c] += dz * ((x[c] - mean[c]) * inv_std[c]);
                    }
                }
            }
        ));
        (beta, gamma)
    }

    /// `dx = dz * scale - offset - x * slope`, the last two being what flows through the batch's statistics.
    fn input_grad(
        &self,
        rows: Rows<'_>,
        affine: (&[f32], &[f32]),
        through_stats: (&[f32], &[f32]),
    ) -> Vec<f32> {
        let channels = affine.0.len();
        let size = parcel(channels);
        let mut dx = vec![0f32; rows.x.len()];
        let parcels = rows.x.par_chunks(size).zip(rows.y.par_chunks(size)).zip(rows.grad.par_chunks(size));
        dx.par_chunks_mut(size).zip(parcels).for_each(|(dx, ((x, y), grad))| {
            specialised!(self.act, act => simd::vectorised(
                #[inline(always)]
                || {
                    let (scale, shift) = (&affine.0[..channels], &affine.1[..channels]);
                    let (offset, slope) = (&through_stats.0[..channels], &through_stats.1[..channels]);
                    let inputs = x.chunks_exact(channels).zip(y.chunks_exact(channels)).zip(grad.chunks_exact(channels));
                    for (dx, ((x, y), grad)) in dx.chunks_exact_mut(channels).zip(inputs) {
                        for c in 0..channels {
                            let dz = Self::pre_grad(act, x[c], y[c], grad[c], scale[c], shift[c]);
                            dx[c] = dz * scale[c] - (offset[c] + x[c] * slope[c]);
                        }
                    }
                }
            ));
        });
        dx
    }

    /// `(offset, slope)` of [`Self::input_grad`]: `scale * (mean(dz) + xhat * mean(dz * xhat))` as a function of x.
    fn through_stats(&self, scale: &[f32], sums: (&[f64], &[f64]), count: usize) -> (Vec<f32>, Vec<f32>) {
        let share = |c: usize| {
            let (scale, inv_std) = (f64::from(scale[c]), f64::from(self.inv_std[c]));
            let slope = scale * inv_std * sums.1[c] / count as f64;
            ((scale * sums.0[c] / count as f64 - slope * f64::from(self.mean[c])) as f32, slope as f32)
        };
        (0..scale.len()).map(share).unzip()
    }
}

impl CustomOp3 for Op {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        beta: &CpuStorage,
        beta_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (scale, shift) = self.affine(slice(gamma, gamma_layout, NAME)?, slice(beta, beta_layout, NAME)?);
        let x = slice(x, x_layout, NAME)?;
        let channels = scale.len();
        let size = parcel(channels);
        let mut y = vec![0f32; x.len()];
        y.par_chunks_mut(size).zip(x.par_chunks(size)).for_each(|(y, x)| {
            specialised!(self.act, act => simd::vectorised(
                #[inline(always)]
                || {
                    let (scale, shift) = (&scale[..channels], &shift[..channels]);
                    for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                        for c in 0..channels {
                            y[c] = act.value(x[c] * scale[c] + shift[c]);
                        }
                    }
                }
            ));
        });
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        y: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (scale, shift) = with_slice(gamma, NAME, |g| with_slice(beta, NAME, |b| Ok(self.affine(g, b))))?;
        let wanted = (x.track_op(), gamma.track_op(), beta.track_op());
        let needs_sums = wanted.1 || wanted.2 || (wanted.0 && self.of_batch);
        let grad = grad.contiguous()?;
        let (dx, sums) = with_slice(x, NAME, |xs| {
            with_slice(y, NAME, |ys| {
                with_slice(&grad, NAME, |gs| {
                    let rows = Rows { x: xs, y: ys, grad: gs };
                    let sums = needs_sums.then(|| self.sums(rows, &scale, &shift));
                    let zeros = || (vec![0f32; scale.len()], vec![0f32; scale.len()]);
                    let (offset, slope) = match &sums {
                        Some((b, g)) if self.of_batch => {
                            self.through_stats(&scale, (b, g), xs.len() / scale.len())
                        }
                        _ => zeros(),
                    };
                    let dx = wanted.0.then(|| self.input_grad(rows, (&scale, &shift), (&offset, &slope)));
                    Ok((dx, sums))
                })
            })
        })?;
        let dx = dx.map(|v| Tensor::from_vec(v, x.shape(), x.device())).transpose()?;
        let (sum_beta, sum_gamma) = sums.unzip();
        let per_channel = |sum: Option<Vec<f64>>, wanted: bool| {
            let values = sum.filter(|_| wanted).map(|v| v.iter().map(|&v| v as f32).collect::<Vec<_>>());
            values.map(|v| Tensor::from_vec(v, scale.len(), x.device())).transpose()
        };
        Ok((dx, per_channel(sum_gamma, wanted.1)?, per_channel(sum_beta, wanted.2)?))
    }
}
