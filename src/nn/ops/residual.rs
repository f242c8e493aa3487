//! The sum at the end of a residual branch.

use super::cpu::{CHUNK, check_operands, values, with_values};
use super::parallel::{add_parts, task_size};
use super::simd;
use crate::error::{Error, Result};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Shape, Tensor};
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
    check_operands(NAME, [Some(x), Some(branch), scale])?;
    let (x, branch) = (x.contiguous()?, branch.contiguous()?);
    Ok(match scale {
        Some(scale) => x.apply_op3(&branch, &scale.contiguous()?, Sum)?,
        None => x.apply_op2(&branch, Sum)?,
    })
}

const NAME: &str = "residual";

/// Values of a task: whole rows.
fn chunk(channels: usize) -> usize {
    (CHUNK / channels).max(1) * channels
}

struct Sum;

impl Sum {
    fn forward(x: &[f32], branch: &[f32], scale: Option<&[f32]>) -> Vec<f32> {
        let mut out = vec![0f32; x.len()];
        let size = scale.map_or(CHUNK, |s| chunk(s.len()));
        let parts = out.par_chunks_mut(size).zip(x.par_chunks(size)).zip(branch.par_chunks(size));
        parts.for_each(|((out, x), branch)| {
            simd::vectorised(
                #[inline(always)]
                || match scale {
                    None => out.iter_mut().zip(x).zip(branch).for_each(|((out, x), b)| *out = x + b),
                    Some(scale) => {
                        let rows = out.chunks_exact_mut(scale.len()).zip(x.chunks_exact(scale.len()));
                        for ((out, x), branch) in rows.zip(branch.chunks_exact(scale.len())) {
                            for (((out, x), b), s) in out.iter_mut().zip(x).zip(branch).zip(scale) {
                                *out = x + s * b;
                            }
                        }
                    }
                },
            );
        });
        out
    }

    /// Gradients of the branch and of its scale.
    fn scaled_gradients(branch: &[f32], scale: &[f32], grad: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let channels = scale.len();
        let size = task_size(grad.len() / channels, 64, 1, CHUNK.div_ceil(channels)) * channels;
        let mut of_branch = vec![0f32; grad.len()];
        let mut of_scale = vec![0f32; grad.len().div_ceil(size).max(1) * channels];
        let parts = of_branch.par_chunks_mut(size).zip(of_scale.par_chunks_mut(channels));
        let inputs = branch.par_chunks(size).zip(grad.par_chunks(size));
        parts.zip(inputs).for_each(|((of_branch, of_scale), (branch, grad))| {
            simd::vectorised(
                #[inline(always)]
                || {
                    let rows = of_branch.chunks_exact_mut(channels).zip(branch.chunks_exact(channels));
                    for ((of_branch, branch), grad) in rows.zip(grad.chunks_exact(channels)) {
                        let sums = of_scale.iter_mut().zip(scale);
                        let values = of_branch.iter_mut().zip(branch).zip(grad);
                        for (((of_branch, b), g), (of_scale, s)) in values.zip(sums) {
                            *of_branch = g * s;
                            *of_scale += g * b;
                        }
                    }
                },
            );
        });
        (of_branch, add_parts(of_scale, channels))
    }
}

impl CustomOp2 for Sum {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let out = Self::forward(values((s1, l1))?, values((s2, l2))?, None);
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        branch: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((x.track_op().then(|| grad.clone()), branch.track_op().then(|| grad.clone())))
    }
}

impl CustomOp3 for Sum {
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
        let out = Self::forward(values((s1, l1))?, values((s2, l2))?, Some(values((s3, l3))?));
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        branch: &Tensor,
        scale: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let of_x = x.track_op().then(|| grad.clone());
        if !branch.track_op() && !scale.track_op() {
            return Ok((of_x, None, None));
        }
        let grad = grad.contiguous()?;
        let (of_branch, of_scale) =
            with_values([branch, scale, &grad], |[b, s, g]| Self::scaled_gradients(b, s, g))?;
        let tensor = |values: Vec<f32>, like: &Tensor| {
            like.track_op().then(|| Tensor::from_vec(values, like.shape(), like.device())).transpose()
        };
        Ok((of_x, tensor(of_branch, branch)?, tensor(of_scale, scale)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn var(shape: &[usize], pace: f64) -> Var {
        let len = shape.iter().product();
        let values: Vec<f32> = (0..len).map(|i: usize| ((i as f64 + 1.0) * pace).sin() as f32).collect();
        Var::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn flat(t: &Tensor) -> Vec<f32> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn sums_and_gradients_are_those_of_the_definition() {
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
    }

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let (x, branch) = (var(&[2, 9], 0.7), var(&[2, 8], 1.1));
        assert!(residual(&x, &branch, None).unwrap_err().to_string().contains("[2, 8]"));
        assert!(residual(&x, &x, Some(&branch)).unwrap_err().to_string().contains("[2, 8]"));
    }
}
