//! Squeeze and excitation: a gate for each channel of a picture, told from the means of all its channels.
//!
//! One operation, picture by picture, so that a map is still in the cache when it is scaled, and so that its gradient, which
//! flows through the product and through the means, is written once.

mod tensors;

use super::Activation;
use super::cpu::{CHUNK, check_operands, with_all_values};
use super::graph::{self, Grad, Keeps, Operation, Saved};
use super::memory::filled;
use super::simd;
use super::tensors::Grads;
use crate::error::{Error, ErrorKind, Result};
use candle_core::{Shape, Tensor};
use rayon::prelude::*;

/// `x * gate(act(mean(x) · squeeze) · excite)` with the mean over height and width (Hu et al. 2018, "Squeeze-and-Excitation
/// Networks"), where each of `squeeze` and `excite` is a weight and a bias. Differentiable in all of them.
///
/// # Shapes
/// `x: [N, H, W, C]`, `squeeze: ([.., C, S], [S])` and `excite: ([.., S, C], [C])`, where `..` stands for axes of length 1; the
/// result has the shape of `x`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn squeeze_excite(
    x: &Tensor,
    squeeze: (&Tensor, &Tensor),
    excite: (&Tensor, &Tensor),
    act: Activation,
    gate: Activation,
) -> Result<Tensor> {
    let parts = [x, squeeze.0, squeeze.1, excite.0, excite.1];
    let (channels, squeezed) = (x.dims().last().copied().unwrap_or(0), squeeze.1.elem_count());
    let matrix = |t: &Tensor, rows: usize, cols: usize| {
        t.dims().ends_with(&[rows, cols]) && t.elem_count() == rows * cols
    };
    let fits = matrix(squeeze.0, channels, squeezed)
        && matrix(excite.0, squeezed, channels)
        && squeeze.1.dims() == [squeezed]
        && excite.1.dims() == [channels];
    let (&[_, h, w, _], true) = (x.dims(), fits && x.elem_count() * squeezed > 0) else {
        let dims = parts.map(Tensor::dims);
        let what =
            format!("squeeze and excitation needs x [N, H, W, C], [C, S], [S], [S, C] and [C], not {dims:?}");
        return Err(Error::new(ErrorKind::Numeric, what));
    };
    check_operands(NAME, parts.map(Some))?;
    let op = Op { shape: x.shape().clone(), positions: h * w, channels, squeezed, act, gate };
    let x = x.contiguous()?;
    let matrices = [squeeze.0, squeeze.1, excite.0, excite.1].map(Tensor::contiguous);
    let [squeeze, squeeze_bias, excite, excite_bias] = matrices;
    let args = [&x, &squeeze?, &squeeze_bias?, &excite?, &excite_bias?];
    if graph::takes(&args) {
        return Ok(graph::apply(op, &args)?);
    }
    // Few enough for candle's graph: all of the small layers' values as one.
    let flat = args[1..].iter().map(|t| t.flatten_all()).collect::<candle_core::Result<Vec<_>>>()?;
    Ok(graph::apply(op, &[&x, &Tensor::cat(&flat, 0)?])?)
}

const NAME: &str = "squeeze-excite";

/// The operation on `x` and the four parts of [`Matrices`], which may be one argument.
struct Op {
    shape: Shape,
    /// Height times width.
    positions: usize,
    channels: usize,
    squeezed: usize,
    act: Activation,
    gate: Activation,
}

/// The two small layers' weights and biases.
#[derive(Debug, Clone, Copy)]
struct Matrices<'a> {
    squeeze: &'a [f32],
    squeeze_bias: &'a [f32],
    excite: &'a [f32],
    excite_bias: &'a [f32],
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
        (CHUNK / self.channels).max(1) * self.channels
    }

    /// How many values each part of [`Matrices`] has.
    fn lengths(&self) -> [usize; 4] {
        let matrix = self.channels * self.squeezed;
        [matrix, self.squeezed, matrix, self.channels]
    }

    /// The small layers' arguments, in four or in one.
    fn matrices<'a>(&self, args: &[&'a [f32]]) -> Matrices<'a> {
        let [squeeze, squeeze_bias, excite, excite_bias] = match *args {
            [squeeze, squeeze_bias, excite, excite_bias] => [squeeze, squeeze_bias, excite, excite_bias],
            ref other => {
                let mut rest = other.first().copied().unwrap_or_default();
                self.lengths().map(|len| {
                    let (part, behind) = rest.split_at(len);
                    rest = behind;
                    part
                })
            }
        };
        Matrices { squeeze, squeeze_bias, excite, excite_bias }
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
        let before = affine(&mean, m.squeeze, m.squeeze_bias);
        let hidden = of(&before, self.act);
        let hidden = [before, hidden];
        let before = affine(&hidden[1], m.excite, m.excite_bias);
        let gate = of(&before, self.gate);
        Gates { mean, hidden, gate: [before, gate] }
    }

    /// Writes the scaled pictures.
    fn scale(&self, x: &[f32], m: Matrices<'_>, y: &mut [f32]) {
        let channels = self.channels;
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
    }

    /// Gradients of one picture: gives those of the small layers, and what [`Self::rewrite`] takes for that of `x`: gate and
    /// offset of each channel, empty where it is not `wanted`.
    fn picture_grads(
        &self,
        x: &[f32],
        grad: &[f32],
        m: Matrices<'_>,
        wanted: bool,
    ) -> (SmallGrads, [Vec<f32>; 2]) {
        let channels = self.channels;
        let (sums, products) = self.sums(x, Some(grad));
        let Gates { mean, hidden, gate } = self.gates(&sums, m);
        let d_gate: Vec<f32> =
            products.iter().zip(&gate[0]).map(|(&d, &v)| self.gate.gradient(v, d)).collect();
        let d_hidden: Vec<f32> = (0..self.squeezed)
            .map(|s| self.act.gradient(hidden[0][s], dot(&m.excite[s * channels..][..channels], &d_gate)))
            .collect();
        // Each position has its share of the mean.
        let share = |row: &[f32]| dot(row, &d_hidden) / self.positions as f32;
        let offset = m.squeeze.chunks_exact(self.squeezed).filter(|_| wanted).map(share).collect();
        let ([_, hidden], [_, gate]) = (hidden, gate);
        (SmallGrads { mean, hidden, d_hidden, d_gate }, [gate, offset])
    }

    /// Turns a picture's gradient into that of `x`.
    fn rewrite(&self, [gate, offset]: &[Vec<f32>; 2], grad: &mut [f32]) {
        let channels = self.channels;
        let (gate, offset) = (&gate[..channels], &offset[..channels]);
        grad.par_chunks_mut(self.parcel()).for_each(|grad| {
            simd::vectorised(
                #[inline(always)]
                || {
                    for grad in grad.chunks_exact_mut(channels) {
                        (0..channels).for_each(|c| grad[c] = grad[c] * gate[c] + offset[c]);
                    }
                },
            );
        });
    }

    /// The gradients of the small layers' arguments, in four or in one, from those of the pictures.
    fn small_grads(&self, small: &[SmallGrads], wanted: &[bool]) -> Vec<Option<Grad>> {
        let (channels, squeezed) = (self.channels, self.squeezed);
        let part = |i: usize| match i {
            0 => matrix_grad(small.iter().map(|s| (&s.mean[..], &s.d_hidden[..])), channels, squeezed),
            1 => bias_grad(small.iter().map(|s| &s.d_hidden[..]), squeezed),
            2 => matrix_grad(small.iter().map(|s| (&s.hidden[..], &s.d_gate[..])), squeezed, channels),
            _ => bias_grad(small.iter().map(|s| &s.d_gate[..]), channels),
        };
        match *wanted {
            [wanted] => vec![wanted.then(|| Grad::Owned((0..4).flat_map(part).collect()))],
            _ => wanted.iter().enumerate().map(|(i, w)| w.then(|| Grad::Owned(part(i)))).collect(),
        }
    }
}

/// `sum += values`.
#[inline(always)]
fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(s, v)| *s += v);
}

/// `x · matrix + bias`.
fn affine(x: &[f32], matrix: &[f32], bias: &[f32]) -> Vec<f32> {
    let mut y = bias.to_vec();
    simd::vectorised(
        #[inline(always)]
        || {
            for (&x, row) in x.iter().zip(matrix.chunks_exact(bias.len())) {
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

/// Gradient of an [`affine`]'s matrix: the sum over the pictures of `input ⊗ grad`.
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
                for (row, x) in sum.chunks_exact_mut(cols).zip(input) {
                    row.iter_mut().zip(grad).for_each(|(s, g)| *s += x * g);
                }
            },
        );
    }
    sum
}

/// Gradient of an [`affine`]'s bias: the sum over the pictures.
fn bias_grad<'a>(grads: impl Iterator<Item = &'a [f32]>, len: usize) -> Vec<f32> {
    let mut sum = vec![0f32; len];
    grads.for_each(|grad| add(&mut sum, grad));
    sum
}

impl Operation for Op {
    fn name(&self) -> &'static str {
        NAME
    }

    fn keeps(&self, wanted: &[bool]) -> Keeps {
        Keeps { args: (1 << wanted.len()) - 1, result: false }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        let (x, m) = (args[0], self.matrices(&args[1..]));
        // SAFETY: every position of every picture is written.
        (unsafe { filled(x.len(), |y| self.scale(x, m, y)) }, self.shape.clone())
    }

    fn backward(&self, saved: &Saved, grad: Grad, wanted: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let kept = (0..wanted.len()).map(|i| saved.arg(i)).collect::<candle_core::Result<Vec<_>>>()?;
        let size = self.picture();
        let (dx, small) = with_all_values(&kept, |args| -> candle_core::Result<_> {
            let (x, m) = (args[0], self.matrices(&args[1..]));
            if !wanted[0] {
                let of_picture = |(x, grad): (&[f32], &[f32])| self.picture_grads(x, grad, m, false).0;
                let small = grad.with(|grad| {
                    x.par_chunks(size).zip(grad.par_chunks(size)).map(of_picture).collect::<Vec<_>>()
                })?;
                return Ok((None, small));
            }
            let mut small: Vec<Option<SmallGrads>> = x.chunks(size).map(|_| None).collect();
            let items = x.par_chunks(size).zip(&mut small);
            let dx = grad.rewrite_with(size, items, |(x, small), grad| {
                let (of_layers, of_x) = self.picture_grads(x, grad, m, true);
                *small = Some(of_layers);
                self.rewrite(&of_x, grad);
            })?;
            Ok((Some(Grad::Owned(dx)), small.into_iter().flatten().collect()))
        })??;
        Ok([dx].into_iter().chain(self.small_grads(&small, &wanted[1..])).collect())
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        self.result_of_tensors(args)
    }

    fn backward_tensors(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        self.gradients_of_tensors(saved, grad, wanted)
    }
    /// The same, of maps of either type of values.
    fn forward_on_card(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        self.result_of_tensors(args)
    }

    fn backward_on_card(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        self.gradients_of_tensors(saved, grad, wanted)
    }
}
