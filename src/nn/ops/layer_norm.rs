//! Layer normalisation over the last axis.
//!
//! The statistics of a row are computed again for its gradient, which costs less than to keep them: the row has to be read
//! anyway. Sums over rows are taken in parcels whose size depends on the row's length alone, and joined in order, so that
//! results are the same for any number of threads.

use super::cpu::{check_operands, values, with_values};
use super::parallel::add_parts;
use super::simd;
use crate::error::{Error, Result};
use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};
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
    let op = Op { channels, eps: eps as f32 };
    Ok(x.contiguous()?.apply_op3(&gamma.contiguous()?, &beta.contiguous()?, op)?)
}

const NAME: &str = "layer-norm";
/// Independent sums within a row: they vectorise, and each stays short enough to be exact.
const LANES: usize = 32;

/// Values in a parcel of whole rows.
fn parcel(channels: usize) -> usize {
    (16_384 / channels).max(1) * channels
}

#[derive(Debug, Clone, Copy)]
struct Op {
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

impl Op {
    /// Mean and `1 / sqrt(var + eps)` of a row.
    #[inline(always)]
    fn moments(self, x: &[f32]) -> (f32, f32) {
        let share = 1.0 / x.len() as f32;
        let mean = sum(x, x, x, |x, _, _| x) * share;
        let var = sum(x, x, x, |x, _, _| (x - mean) * (x - mean)) * share;
        (mean, 1.0 / (var + self.eps).sqrt())
    }

    fn forward(self, x: &[f32], gamma: &[f32], beta: &[f32]) -> Vec<f32> {
        let (channels, size) = (self.channels, parcel(self.channels));
        let mut out = vec![0f32; x.len()];
        out.par_chunks_mut(size).zip(x.par_chunks(size)).for_each(|(out, x)| {
            simd::vectorised(
                #[inline(always)]
                || {
                    for (out, x) in out.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                        let (mean, scale) = self.moments(x);
                        let affine = gamma.iter().zip(beta);
                        for ((out, x), (gamma, beta)) in out.iter_mut().zip(x).zip(affine) {
                            *out = (x - mean) * scale * gamma + beta;
                        }
                    }
                },
            );
        });
        out
    }

    /// Gradients of `x`, `gamma` and `beta`.
    fn backward(self, x: &[f32], gamma: &[f32], grad: &[f32]) -> [Vec<f32>; 3] {
        let (channels, size) = (self.channels, parcel(self.channels));
        let parcels = x.len().div_ceil(size).max(1);
        let mut dx = vec![0f32; x.len()];
        let mut sums = [vec![0f32; parcels * channels], vec![0f32; parcels * channels]];
        let [of_gamma, of_beta] = &mut sums;
        let sums_of_parcels = of_gamma.par_chunks_mut(channels).zip(of_beta.par_chunks_mut(channels));
        let rows = dx.par_chunks_mut(size).zip(x.par_chunks(size)).zip(grad.par_chunks(size));
        rows.zip(sums_of_parcels).for_each(|(((dx, x), grad), (of_gamma, of_beta))| {
            simd::vectorised(
                #[inline(always)]
                || {
                    let rows = dx.chunks_exact_mut(channels).zip(x.chunks_exact(channels));
                    for ((dx, x), grad) in rows.zip(grad.chunks_exact(channels)) {
                        self.row_gradient([x, gamma, grad], dx, of_gamma, of_beta);
                    }
                },
            );
        });
        let [of_gamma, of_beta] = sums;
        [dx, add_parts(of_gamma, channels), add_parts(of_beta, channels)]
    }

    /// With `h = (x - mean) * scale` and `g = grad * gamma`: `dx = scale * (g - mean(g) - h * mean(g * h))`.
    #[inline(always)]
    fn row_gradient(
        self,
        [x, gamma, grad]: [&[f32]; 3],
        dx: &mut [f32],
        of_gamma: &mut [f32],
        of_beta: &mut [f32],
    ) {
        let (mean, scale) = self.moments(x);
        let share = 1.0 / x.len() as f32;
        let mean_g = sum(grad, gamma, gamma, |g, gamma, _| g * gamma) * share;
        let mean_gh = sum(x, grad, gamma, |x, g, gamma| (x - mean) * g * gamma) * scale * share;
        let sums = of_gamma.iter_mut().zip(of_beta);
        let inputs = x.iter().zip(gamma).zip(grad);
        for ((dx, ((x, gamma), g)), (of_gamma, of_beta)) in dx.iter_mut().zip(inputs).zip(sums) {
            let h = (x - mean) * scale;
            *dx = scale * (g * gamma - mean_g - h * mean_gh);
            *of_gamma += g * h;
            *of_beta += g;
        }
    }
}

impl CustomOp3 for Op {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let out = self.forward(values((s1, l1))?, values((s2, l2))?, values((s3, l3))?);
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let gradients = with_values([x, gamma, &grad], |[x, gamma, grad]| self.backward(x, gamma, grad))?;
        let mut wanted = [x, gamma, beta].into_iter().zip(gradients).map(|(arg, values)| {
            arg.track_op().then(|| Tensor::from_vec(values, arg.shape(), arg.device())).transpose()
        });
        let mut next = || wanted.next().transpose().map(Option::flatten);
        Ok((next()?, next()?, next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        for channels in [1, 5, 33, 96] {
            let x = Tensor::from_vec(wave(3 * channels, 0.7), (3, channels), &Device::Cpu).unwrap();
            let ones = Tensor::ones(channels, candle_core::DType::F32, &Device::Cpu).unwrap();
            let y = layer_norm(&x, &(&ones * 2.0).unwrap(), &ones, 0.0001).unwrap().to_vec2::<f32>().unwrap();
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
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        assert!(run(517, 70, 1) == run(517, 70, 3));
    }

    #[test]
    fn only_what_is_tracked_gets_a_gradient() {
        let x = Tensor::from_vec(wave(12, 0.7), (3, 4), &Device::Cpu).unwrap();
        let gamma = Var::from_vec(wave(4, 0.7), 4, &Device::Cpu).unwrap();
        let beta = Tensor::from_vec(wave(4, 0.7), 4, &Device::Cpu).unwrap();
        let grads = layer_norm(&x, &gamma, &beta, 1e-6).unwrap().sum_all().unwrap().backward().unwrap();
        assert!(grads.get(&gamma).is_some() && grads.get(&x).is_none() && grads.get(&beta).is_none());
        assert!(layer_norm(&x, &gamma, &x, 1e-6).unwrap_err().to_string().contains("[3, 4]"));
    }
}
