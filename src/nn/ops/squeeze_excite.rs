//! Squeeze and excitation: a gate for each channel of a picture, told from the means of all its channels.
//!
//! One operation, picture by picture, so that a map is still in the cache when it is scaled, and so that its gradient, which
//! flows through the product and through the means, is written once.

use super::Activation;
use super::simd;
use super::slices::{PARCEL, slice, with_slice};
use crate::error::{Error, ErrorKind, Result};
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

/// `x * gate(act(mean(x) · squeeze) · excite)` with the mean over height and width (Hu et al. 2018, "Squeeze-and-Excitation
/// Networks"). Differentiable in `x`, `squeeze` and `excite`.
///
/// # Shapes
/// `x: [N, H, W, C]`, `squeeze: [C + 1, S]` and `excite: [S + 1, C]`, the last row of each being the bias; the result has the
/// shape of `x`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn squeeze_excite(
    x: &Tensor,
    squeeze: &Tensor,
    excite: &Tensor,
    act: Activation,
    gate: Activation,
) -> Result<Tensor> {
    let wrong = || {
        let dims = [x, squeeze, excite].map(Tensor::dims);
        let what =
            format!("squeeze and excitation needs f32 x [N, H, W, C], [C + 1, S], [S + 1, C]: {dims:?}");
        Error::new(ErrorKind::Numeric, what)
    };
    let (&[_, h, w, channels], &[inputs, squeezed], &[hidden, outputs]) =
        (x.dims(), squeeze.dims(), excite.dims())
    else {
        return Err(wrong());
    };
    let fits = inputs == channels + 1 && hidden == squeezed + 1 && outputs == channels;
    let f32s = [x, squeeze, excite].iter().all(|t| t.dtype() == DType::F32);
    if !fits || !f32s || x.elem_count() == 0 || squeezed == 0 {
        return Err(wrong());
    }
    let op = Op { positions: h * w, channels, squeezed, act, gate };
    Ok(x.contiguous()?.apply_op3(&squeeze.contiguous()?, &excite.contiguous()?, op)?)
}

const NAME: &str = "squeeze-excite";

#[derive(Debug, Clone, Copy)]
struct Op {
    /// Height times width.
    positions: usize,
    channels: usize,
    squeezed: usize,
    act: Activation,
    gate: Activation,
}

/// The two small layers' matrices.
#[derive(Debug, Clone, Copy)]
struct Matrices<'a> {
    squeeze: &'a [f32],
    excite: &'a [f32],
}

/// What the two small layers compute for one picture.
struct Gates {
    mean: Vec<f32>,
    /// Before and after its activation.
    hidden: [Vec<f32>; 2],
    /// Before and after its activation.
    gate: [Vec<f32>; 2],
}

/// Gradients before the activations of the small layers, for one picture.
struct SmallGrads {
    mean: Vec<f32>,
    hidden: Vec<f32>,
    d_hidden: Vec<f32>,
    d_gate: Vec<f32>,
}

impl Op {
    /// Values of a picture.
    fn picture(&self) -> usize {
        self.positions * self.channels
    }

    /// Values of a task: whole positions.
    fn parcel(&self) -> usize {
        (PARCEL / self.channels).max(1) * self.channels
    }

    /// Sums over the positions of one picture, of each channel of `x` and, where `grad` is not empty, of `x * grad`.
    fn sums(&self, x: &[f32], grad: Option<&[f32]>) -> (Vec<f32>, Vec<f32>) {
        let channels = self.channels;
        let part = |i: usize, x: &[f32]| {
            let mut sums = (vec![0f32; channels], vec![0f32; channels]);
            let (plain, products) = (&mut sums.0[..channels], &mut sums.1[..channels]);
            simd::vectorised(
                #[inline(always)]
                || match grad {
                    None => x.chunks_exact(channels).for_each(|x| add(plain, x)),
                    Some(grad) => {
                        let grad = &grad[i * self.parcel()..][..x.len()];
                        for (x, grad) in x.chunks_exact(channels).zip(grad.chunks_exact(channels)) {
                            for c in 0..channels {
                                plain[c] += x[c];
                                products[c] += x[c] * grad[c];
                            }
                        }
                    }
                },
            );
            sums
        };
        let parts: Vec<_> = x.par_chunks(self.parcel()).enumerate().map(|(i, x)| part(i, x)).collect();
        let mut parts = parts.into_iter();
        let mut total = parts.next().unwrap_or_default();
        for (plain, products) in parts {
            add(&mut total.0, &plain);
            add(&mut total.1, &products);
        }
        total
    }

    /// The small layers, from the channels' sums.
    fn gates(&self, sums: &[f32], m: Matrices<'_>) -> Gates {
        let mean: Vec<f32> = sums.iter().map(|s| s / self.positions as f32).collect();
        let of = |before: &[f32], act: Activation| before.iter().map(|&v| act.value(v)).collect::<Vec<_>>();
        let before = affine(&mean, m.squeeze, self.squeezed);
        let hidden = of(&before, self.act);
        let hidden = [before, hidden];
        let before = affine(&hidden[1], m.excite, self.channels);
        let gate = of(&before, self.gate);
        Gates { mean, hidden, gate: [before, gate] }
    }

    fn forward(&self, x: &[f32], m: Matrices<'_>) -> Vec<f32> {
        let channels = self.channels;
        let mut y = vec![0f32; x.len()];
        y.par_chunks_mut(self.picture()).zip(x.par_chunks(self.picture())).for_each(|(y, x)| {
            let gates = self.gates(&self.sums(x, None).0, m);
            let gate = &gates.gate[1][..channels];
            y.par_chunks_mut(self.parcel()).zip(x.par_chunks(self.parcel())).for_each(|(y, x)| {
                simd::vectorised(
                    #[inline(always)]
                    || {
                        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                            (0..channels).for_each(|c| y[c] = x[c] * gate[c]);
                        }
                    },
                );
            });
        });
        y
    }

    /// Gradients of one picture: writes that of `x` into `dx` if it is wanted, and gives those of the small layers.
    fn picture_grads(&self, x: &[f32], grad: &[f32], m: Matrices<'_>, dx: Option<&mut [f32]>) -> SmallGrads {
        let channels = self.channels;
        let (sums, products) = self.sums(x, Some(grad));
        let Gates { mean, hidden, gate } = self.gates(&sums, m);
        let d_gate: Vec<f32> =
            products.iter().zip(&gate[0]).map(|(d, &v)| d * self.gate.derivative(v)).collect();
        let d_hidden: Vec<f32> = (0..self.squeezed)
            .map(|s| dot(&m.excite[s * channels..][..channels], &d_gate) * self.act.derivative(hidden[0][s]))
            .collect();
        if let Some(dx) = dx {
            // Each position has its share of the mean.
            let share = |row: &[f32]| dot(row, &d_hidden) / self.positions as f32;
            let offset: Vec<f32> = m.squeeze.chunks_exact(self.squeezed).take(channels).map(share).collect();
            let (gate, offset) = (&gate[1][..channels], &offset[..channels]);
            dx.par_chunks_mut(self.parcel()).zip(grad.par_chunks(self.parcel())).for_each(|(dx, grad)| {
                simd::vectorised(
                    #[inline(always)]
                    || {
                        for (dx, grad) in dx.chunks_exact_mut(channels).zip(grad.chunks_exact(channels)) {
                            (0..channels).for_each(|c| dx[c] = grad[c] * gate[c] + offset[c]);
                        }
                    },
                );
            });
        }
        let [_, hidden] = hidden;
        SmallGrads { mean, hidden, d_hidden, d_gate }
    }

    /// Gradients of all pictures: that of `x`, empty where it is not wanted, and those of the small layers.
    fn backward(
        &self,
        x: &[f32],
        grad: &[f32],
        m: Matrices<'_>,
        wants_x: bool,
    ) -> (Vec<f32>, Vec<SmallGrads>) {
        let size = self.picture();
        let pictures = x.par_chunks(size).zip(grad.par_chunks(size));
        if !wants_x {
            let small = pictures.map(|(x, grad)| self.picture_grads(x, grad, m, None)).collect();
            return (Vec::new(), small);
        }
        let mut dx = vec![0f32; x.len()];
        let small = dx
            .par_chunks_mut(size)
            .zip(pictures)
            .map(|(dx, (x, grad))| self.picture_grads(x, grad, m, Some(dx)))
            .collect();
        (dx, small)
    }
}

/// `sum += values`.
#[inline(always)]
fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(s, v)| *s += v);
}

/// `x · matrix` with the bias as the matrix' last row.
fn affine(x: &[f32], matrix: &[f32], outputs: usize) -> Vec<f32> {
    let (rows, bias) = matrix.split_at(x.len() * outputs);
    let mut y = bias.to_vec();
    simd::vectorised(
        #[inline(always)]
        || {
            for (&x, row) in x.iter().zip(rows.chunks_exact(outputs)) {
                y.iter_mut().zip(row).for_each(|(y, w)| *y += x * w);
            }
        },
    );
    y
}

/// Sum of products, in independent partial sums that vectorise.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    simd::vectorised(
        #[inline(always)]
        || {
            let mut sums = [0f32; LANES];
            let (a_runs, b_runs) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
            let rest: f32 = a_runs.remainder().iter().zip(b_runs.remainder()).map(|(a, b)| a * b).sum();
            for (a, b) in a_runs.zip(b_runs) {
                (0..LANES).for_each(|i| sums[i] += a[i] * b[i]);
            }
            sums.iter().sum::<f32>() + rest
        },
    )
}

/// Gradient of an [`affine`]'s matrix: the sum over the pictures of `input ⊗ grad`, and of `grad` in the last row.
fn matrix_grad<'a>(
    pairs: impl Iterator<Item = (&'a [f32], &'a [f32])>,
    rows: usize,
    cols: usize,
) -> Vec<f32> {
    let mut sum = vec![0f32; rows * cols];
    for (input, grad) in pairs {
        simd::vectorised(
            #[inline(always)]
            || {
                for (row, x) in sum.chunks_exact_mut(cols).zip(input.iter().chain(&[1.0])) {
                    row.iter_mut().zip(grad).for_each(|(s, g)| *s += x * g);
                }
            },
        );
    }
    sum
}

impl CustomOp3 for Op {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        squeeze: &CpuStorage,
        squeeze_layout: &Layout,
        excite: &CpuStorage,
        excite_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let m = Matrices {
            squeeze: slice(squeeze, squeeze_layout, NAME)?,
            excite: slice(excite, excite_layout, NAME)?,
        };
        let y = self.forward(slice(x, x_layout, NAME)?, m);
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        squeeze: &Tensor,
        excite: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (dx, small) = with_slice(x, NAME, |xs| {
            with_slice(&grad, NAME, |gs| {
                with_slice(squeeze, NAME, |squeeze| {
                    with_slice(excite, NAME, |excite| {
                        Ok(self.backward(xs, gs, Matrices { squeeze, excite }, x.track_op()))
                    })
                })
            })
        })?;
        let dx = x.track_op().then(|| Tensor::from_vec(dx, x.shape(), x.device())).transpose()?;
        let of = |arg: &Tensor, values: &dyn Fn() -> Vec<f32>| {
            arg.track_op().then(|| Tensor::from_vec(values(), arg.shape(), arg.device())).transpose()
        };
        let pairs = || small.iter().map(|s| (s.mean.as_slice(), s.d_hidden.as_slice()));
        let d_squeeze = of(squeeze, &|| matrix_grad(pairs(), self.channels + 1, self.squeezed))?;
        let pairs = || small.iter().map(|s| (s.hidden.as_slice(), s.d_gate.as_slice()));
        let d_excite = of(excite, &|| matrix_grad(pairs(), self.squeezed + 1, self.channels))?;
        Ok((dx, d_squeeze, d_excite))
    }
}
