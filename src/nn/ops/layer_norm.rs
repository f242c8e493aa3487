//! Layer normalisation over the last axis.
//!
//! The statistics of a row are computed again for its gradient, which costs less than to keep them: the row has to be read
//! anyway. Sums over rows are taken in parcels whose size depends on the row's length alone, and joined in order, so that
//! results are the same for any number of threads.

mod on_card;

use super::cpu::{CHUNK, check_operands, column_sums, with_values};
use super::graph::{self, Grad, Keeps, Operation, Saved};
use super::memory::filled;
use super::parallel::add_parts;
use super::simd;
use super::tensors::{self, Grads, when};
use crate::error::{Error, Result};
use candle_core::{D, Shape, Tensor};
use rayon::prelude::*;

/// `(x - mean) / sqrt(var + eps) * gamma + beta` with the mean and the biased variance of each row of the last axis (Ba, Kiros
/// and Hinton 2016, "Layer Normalization"). Differentiable in `x`, `gamma` and `beta`.
///
/// # Shapes
/// `x: [.., C]`, `gamma` and `beta`: `[C]`; the result has the shape of `x`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn layer_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<Tensor> {
    let channels = x.dims().last().copied().unwrap_or(0);
    if channels == 0 || gamma.dims() != [channels] || beta.dims() != [channels] {
        let shapes = (x.dims(), gamma.dims(), beta.dims());
        return Err(Error::internal(format!(
            "layer normalisation of x, gamma and beta of shapes {shapes:?}"
        )));
    }
    check_operands(NAME, [Some(x), Some(gamma), Some(beta)])?;
    let op = Op { rows: Rows { channels, eps: eps as f32 }, shape: x.shape().clone() };
    Ok(graph::apply(op, &[&x.contiguous()?, &gamma.contiguous()?, &beta.contiguous()?])?)
}

const NAME: &str = "layer-norm";
/// Independent sums within a row: they vectorise, and each stays short enough to be exact.
const LANES: usize = 32;

/// Rows of `channels` values, and what is added to their variance.
#[derive(Debug, Clone, Copy)]
struct Rows {
    channels: usize,
    eps: f32,
}

/// The sum of `value` over three rows of the same length.
#[inline(always)]
fn sum(x: &[f32], y: &[f32], z: &[f32], value: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let (xs, ys, zs) = (x.chunks_exact(LANES), y.chunks_exact(LANES), z.chunks_exact(LANES));
    let rest = xs.remainder().iter().zip(ys.remainder()).zip(zs.remainder());
    let rest: f32 = rest.map(|((&x, &y), &z)| value(x, y, z)).sum();
    for ((x, y), z) in xs.zip(ys).zip(zs) {
        for lane in 0..LANES {
            lanes[lane] += value(x[lane], y[lane], z[lane]);
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0] + rest
}

impl Rows {
    /// Values in a parcel of whole rows.
    fn parcel(self) -> usize {
        (CHUNK / self.channels).max(1) * self.channels
    }

    /// Mean and `1 / sqrt(var + eps)` of a row.
    #[inline(always)]
    fn moments(self, x: &[f32]) -> (f32, f32) {
        let share = 1.0 / x.len() as f32;
        let mean = sum(x, x, x, |x, _, _| x) * share;
        let var = sum(x, x, x, |x, _, _| (x - mean) * (x - mean)) * share;
        (mean, 1.0 / (var + self.eps).sqrt())
    }

    /// Rows with mean 0 and deviation 1, and each row's `1 / sqrt(var + eps)`, on their device.
    fn normal(self, x: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let var = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let scale = var.affine(1.0, f64::from(self.eps))?.sqrt()?.recip()?;
        Ok((centred.broadcast_mul(&scale)?, scale))
    }

    /// Writes the normalised rows of `x`, on this thread.
    fn normalise(self, x: &[f32], gamma: &[f32], beta: &[f32], out: &mut [f32]) {
        simd::vectorised(
            #[inline(always)]
            || {
                let rows = out.chunks_exact_mut(self.channels).zip(x.chunks_exact(self.channels));
                for (out, x) in rows {
                    let (mean, scale) = self.moments(x);
                    let affine = gamma.iter().zip(beta);
                    for ((out, x), (gamma, beta)) in out.iter_mut().zip(x).zip(affine) {
                        *out = (x - mean) * scale * gamma + beta;
                    }
                }
            },
        );
    }

    /// Adds to `sums`, gamma's and beta's one behind the other, what the rows contribute.
    fn add_affine(self, x: &[f32], grad: &[f32], sums: &mut [f32]) {
        simd::vectorised(
            #[inline(always)]
            || {
                let rows = x.chunks_exact(self.channels).zip(grad.chunks_exact(self.channels));
                rows.for_each(|(x, grad)| add_affine(self.moments(x), x, grad, sums));
            },
        );
    }

    /// Writes the gradient of rows `x` over `grad`, and adds to `sums`, if there are any, as [`Self::add_affine`].
    fn rewrite(self, x: &[f32], gamma: &[f32], grad: &mut [f32], sums: &mut [f32]) {
        simd::vectorised(
            #[inline(always)]
            || {
                let rows = x.chunks_exact(self.channels).zip(grad.chunks_exact_mut(self.channels));
                for (x, grad) in rows {
                    let moments = self.moments(x);
                    if !sums.is_empty() {
                        add_affine(moments, x, grad, sums);
                    }
                    input_gradient(moments, [x, gamma], grad);
                }
            },
        );
    }
}

/// With `h = (x - mean) * scale`: gamma's gradient grows by `grad * h`, beta's by `grad`.
#[inline(always)]
fn add_affine((mean, scale): (f32, f32), x: &[f32], grad: &[f32], sums: &mut [f32]) {
    let (of_gamma, of_beta) = sums.split_at_mut(x.len());
    for (((x, g), of_gamma), of_beta) in x.iter().zip(grad).zip(of_gamma).zip(of_beta) {
        *of_gamma += g * ((x - mean) * scale);
        *of_beta += g;
    }
}

/// With `h = (x - mean) * scale` and `g = grad * gamma`: `scale * (g - mean(g) - h * mean(g * h))`, written over `grad`.
#[inline(always)]
fn input_gradient((mean, scale): (f32, f32), [x, gamma]: [&[f32]; 2], grad: &mut [f32]) {
    let share = 1.0 / x.len() as f32;
    let mean_g = sum(grad, gamma, gamma, |g, gamma, _| g * gamma) * share;
    let mean_gh = sum(x, grad, gamma, |x, g, gamma| (x - mean) * g * gamma) * scale * share;
    for ((g, x), gamma) in grad.iter_mut().zip(x).zip(gamma) {
        let h = (x - mean) * scale;
        *g = scale * (*g * gamma - mean_g - h * mean_gh);
    }
}

/// The operation on `x`, `gamma` and `beta`.
struct Op {
    rows: Rows,
    shape: Shape,
}

impl Operation for Op {
    fn name(&self) -> &'static str {
        NAME
    }

    fn keeps(&self, wanted: &[bool]) -> Keeps {
        Keeps { args: u8::from(wanted[0] || wanted[1]) | u8::from(wanted[0]) << 1, result: false }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        let (x, size) = (args[0], self.rows.parcel());
        let fill = |out: &mut [f32]| {
            let parts = out.par_chunks_mut(size).zip(x.par_chunks(size));
            parts.for_each(|(out, x)| self.rows.normalise(x, args[1], args[2], out));
        };
        // SAFETY: every row is written.
        (unsafe { filled(x.len(), fill) }, self.shape.clone())
    }

    fn backward(&self, saved: &Saved, grad: Grad, wanted: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let (channels, size) = (self.rows.channels, self.rows.parcel());
        let of_affine = wanted[1] || wanted[2];
        if !wanted[0] && !wanted[1] {
            let sums = |grad: &[f32]| column_sums(grad, channels);
            return Ok(vec![None, None, if wanted[2] { Some(Grad::Owned(grad.with(sums)?)) } else { None }]);
        }
        let parcels = self.shape.elem_count().div_ceil(size);
        let mut sums = vec![0f32; if of_affine { parcels * 2 * channels } else { 0 }];
        let mut dx = None;
        if wanted[0] {
            let mut parts: Vec<&mut [f32]> = match of_affine {
                true => sums.chunks_exact_mut(2 * channels).collect(),
                false => (0..parcels).map(|_| <&mut [f32]>::default()).collect(),
            };
            let values = with_values([saved.arg(0)?, saved.arg(1)?], |[x, gamma]| {
                let items = x.par_chunks(size).zip(&mut parts);
                grad.rewrite_with(size, items, |(x, sums), grad| self.rows.rewrite(x, gamma, grad, sums))
            })??;
            dx = Some(Grad::Owned(values));
        } else {
            with_values([saved.arg(0)?], |[x]| {
                grad.with(|grad| {
                    let rows = x.par_chunks(size).zip(grad.par_chunks(size));
                    let parts = rows.zip(sums.par_chunks_exact_mut(2 * channels));
                    parts.for_each(|((x, grad), sums)| self.rows.add_affine(x, grad, sums));
                })
            })??;
        }
        let mut sums = add_parts(sums, 2 * channels);
        let of_beta = of_affine.then(|| sums.split_off(channels));
        let of_gamma = of_affine.then_some(sums);
        Ok(vec![
            dx,
            of_gamma.filter(|_| wanted[1]).map(Grad::Owned),
            of_beta.filter(|_| wanted[2]).map(Grad::Owned),
        ])
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        let (normal, _) = self.rows.normal(args[0])?;
        normal.broadcast_mul(args[1])?.broadcast_add(args[2])
    }

    fn backward_tensors(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        let channels = self.rows.channels;
        let of_beta = when(wanted[2], || tensors::column_sums(grad, channels))?;
        if !wanted[0] && !wanted[1] {
            return Ok(vec![None, None, of_beta]);
        }
        let (normal, scale) = self.rows.normal(saved.arg(0)?)?;
        let of_x = when(wanted[0], || {
            let grad = grad.broadcast_mul(saved.arg(1)?)?;
            let through_mean = grad.mean_keepdim(D::Minus1)?;
            let through_scale = normal.broadcast_mul(&(&grad * &normal)?.mean_keepdim(D::Minus1)?)?;
            (grad.broadcast_sub(&through_mean)? - through_scale)?.broadcast_mul(&scale)
        })?;
        let of_gamma = when(wanted[1], || tensors::column_sums(&(grad * &normal)?, channels))?;
        Ok(vec![of_x, of_gamma, of_beta])
    }

    fn forward_on_card(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        self.result_on_card([args[0], args[1], args[2]])
    }

    fn backward_on_card(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        self.gradients_on_card(saved, grad, wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::ops::testing::both_ways;
    use candle_core::{Device, Var};

    fn wave(len: usize, pace: f64) -> Vec<f32> {
        (0..len).map(|i| ((i as f64 + 1.0) * pace).sin() as f32).collect()
    }

    fn run(rows: usize, channels: usize, threads: usize) -> [Vec<f32>; 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let var = |shape: &[usize], pace| {
                Var::from_vec(wave(shape.iter().product(), pace), shape, &Device::Cpu).unwrap()
            };
            let (x, gamma, beta) =
                (var(&[rows, channels], 0.7), var(&[channels], 1.3), var(&[channels], 0.4));
            let y = layer_norm(&x, &gamma, &beta, 1e-6).unwrap();
            let weight = var(&[rows, channels], 0.9);
            let grads = (&y * weight.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
            let of = |v: &Var| grads.get(v).unwrap().clone();
            [y, of(&x), of(&gamma), of(&beta)].map(|t| t.flatten_all().unwrap().to_vec1().unwrap())
        })
    }

    #[test]
    fn rows_have_the_mean_and_deviation_of_shift_and_scale() {
        both_ways(|| {
            for channels in [1, 5, 33, 96] {
                let x = Tensor::from_vec(wave(3 * channels, 0.7), (3, channels), &Device::Cpu).unwrap();
                let ones = Tensor::ones(channels, candle_core::DType::F32, &Device::Cpu).unwrap();
                let y =
                    layer_norm(&x, &(&ones * 2.0).unwrap(), &ones, 0.0001).unwrap().to_vec2::<f32>().unwrap();
                for (y, x) in y.iter().zip(x.to_vec2::<f32>().unwrap()) {
                    let n = channels as f32;
                    let mean = x.iter().sum::<f32>() / n;
                    let var = x.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n;
                    for (y, x) in y.iter().zip(&x) {
                        let want = (x - mean) / (var + 0.0001).sqrt() * 2.0 + 1.0;
                        assert!((y - want).abs() < 1e-4, "{channels}: {y} for {want}");
                    }
                }
            }
        });
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        assert!(run(517, 70, 1) == run(517, 70, 3));
    }

    #[test]
    fn only_what_is_tracked_gets_a_gradient() {
        both_ways(|| {
            let x = Tensor::from_vec(wave(12, 0.7), (3, 4), &Device::Cpu).unwrap();
            let gamma = Var::from_vec(wave(4, 0.7), 4, &Device::Cpu).unwrap();
            let beta = Tensor::from_vec(wave(4, 0.7), 4, &Device::Cpu).unwrap();
            let grads = layer_norm(&x, &gamma, &beta, 1e-6).unwrap().sum_all().unwrap().backward().unwrap();
            assert!(grads.get(&gamma).is_some() && grads.get(&x).is_none() && grads.get(&beta).is_none());
            assert!(layer_norm(&x, &gamma, &x, 1e-6).unwrap_err().to_string().contains("[3, 4]"));
        });
    }
}
