//! Pooling over windows and over whole maps.

mod on_card;
mod tensors;

use super::cpu::{check_operands, with_values};
use super::graph::{self, Grad, Keeps, Operation, Saved};
use super::memory::filled;
use super::parallel::task_size;
use super::simd;
use super::tensors::Grads;
use crate::error::{Error, ErrorKind, Result};
use candle_core::{Shape, Tensor};
use rayon::prelude::*;
use std::ops::Range;

/// Geometry of a pooling window; the same on both axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolSpec {
    /// Side of the window.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Padding on each side (minus infinity for maximum, zeros that count for average, as PyTorch's defaults).
    pub padding: usize,
    /// Round the output size up (squeezenet's pools).
    pub ceil: bool,
}

/// Maximum over windows. `[N, H, W, C]` to `[N, OH, OW, C]`; the gradient goes to the first maximum, as in PyTorch.
///
/// # Errors
/// If shapes or types do not fit.
pub fn max_pool2d(x: &Tensor, spec: PoolSpec) -> Result<Tensor> {
    pool(x, spec, Kind::Max)
}

/// Mean over windows. `[N, H, W, C]` to `[N, OH, OW, C]`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn avg_pool2d(x: &Tensor, spec: PoolSpec) -> Result<Tensor> {
    pool(x, spec, Kind::Mean)
}

/// Mean over height and width: `[N, H, W, C]` to `[N, C]`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn global_avg_pool(x: &Tensor) -> Result<Tensor> {
    global(x, Kind::Mean)
}

/// Maximum over height and width: `[N, H, W, C]` to `[N, C]`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn global_max_pool(x: &Tensor) -> Result<Tensor> {
    global(x, Kind::Max)
}

fn pool(x: &Tensor, spec: PoolSpec, kind: Kind) -> Result<Tensor> {
    let wrong =
        |why: &str| Error::new(ErrorKind::Numeric, format!("pooling {why}: x {:?}, {spec:?}", x.dims()));
    let &[n, h, w, c] = x.dims() else {
        return Err(wrong("needs x [N, H, W, C]"));
    };
    if [n, h, w, c, spec.kernel, spec.stride].contains(&0) {
        return Err(wrong("with a size of zero"));
    }
    if spec.padding > spec.kernel / 2 {
        return Err(wrong("with more padding than half of the window"));
    }
    let (Some(oh), Some(ow)) = (windows(h, spec), windows(w, spec)) else {
        return Err(wrong("with a window larger than the padded picture"));
    };
    let windows = Windows { n, input: [h, w], output: [oh, ow], channels: c, kernel: [spec.kernel; 2], spec };
    apply(x, windows, kind, Shape::from((n, oh, ow, c)))
}

fn global(x: &Tensor, kind: Kind) -> Result<Tensor> {
    let wrong =
        || Error::new(ErrorKind::Numeric, format!("global pooling needs x [N, H, W, C], not {:?}", x.dims()));
    let &[n, h, w, c] = x.dims() else {
        return Err(wrong());
    };
    if [n, h, w, c].contains(&0) {
        return Err(wrong());
    }
    let spec = PoolSpec { kernel: h.max(w), stride: 1, padding: 0, ceil: false };
    let windows = Windows { n, input: [h, w], output: [1, 1], channels: c, kernel: [h, w], spec };
    apply(x, windows, kind, Shape::from((n, c)))
}

fn apply(x: &Tensor, windows: Windows, kind: Kind, shape: Shape) -> Result<Tensor> {
    check_operands("pooling", [Some(x)])?;
    Ok(graph::apply(Pool { windows, kind, shape }, &[&x.contiguous()?])?)
}

/// Number of windows along an axis. With `ceil`, the last must start in the picture or the padding before it.
fn windows(size: usize, spec: PoolSpec) -> Option<usize> {
    let span = (size + 2 * spec.padding).checked_sub(spec.kernel)?;
    let count = if spec.ceil { span.div_ceil(spec.stride) } else { span / spec.stride } + 1;
    let starts_behind = spec.ceil && (count - 1) * spec.stride >= size + spec.padding;
    Some(count - usize::from(starts_behind))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Max,
    Mean,
}

#[derive(Debug, Clone, Copy)]
struct Windows {
    n: usize,
    input: [usize; 2],
    output: [usize; 2],
    channels: usize,
    kernel: [usize; 2],
    spec: PoolSpec,
}

impl Windows {
    /// Pixels of window `i` along an axis that lie in the picture, and their number with the padding that counts.
    fn range(&self, axis: usize, i: usize) -> (Range<usize>, usize) {
        let (size, padding, start) = (self.input[axis], self.spec.padding, i * self.spec.stride);
        let end = (start + self.kernel[axis]).min(size + 2 * padding);
        (start.saturating_sub(padding)..(end - padding.min(end)).min(size), end - start)
    }

    /// Windows along an axis that contain pixel `i`.
    fn containing(&self, axis: usize, i: usize) -> Range<usize> {
        let at = i + self.spec.padding;
        let first = (at + 1).saturating_sub(self.kernel[axis]).div_ceil(self.spec.stride);
        first..(at / self.spec.stride + 1).min(self.output[axis])
    }

    /// Splits `out` into rows of pixels and calls `row(picture, y, row)` in parallel.
    fn by_rows(&self, size: [usize; 2], out: &mut [f32], row: impl Fn(usize, usize, &mut [f32]) + Sync) {
        let line = size[1] * self.channels;
        let lines = self.n * size[0];
        let per_task = task_size(lines, 64, 1, lines);
        out.par_chunks_mut(line * per_task).enumerate().for_each(|(task, rows)| {
            for (i, out) in rows.chunks_exact_mut(line).enumerate() {
                let index = task * per_task + i;
                row(index / size[0], index % size[0], out);
            }
        });
    }

    fn pixel<'a>(&self, x: &'a [f32], picture: usize, y: usize, column: usize) -> &'a [f32] {
        let at = ((picture * self.input[0] + y) * self.input[1] + column) * self.channels;
        &x[at..at + self.channels]
    }

    fn result<'a>(&self, y: &'a [f32], picture: usize, row: usize, column: usize) -> &'a [f32] {
        let at = ((picture * self.output[0] + row) * self.output[1] + column) * self.channels;
        &y[at..at + self.channels]
    }

    fn forward(&self, x: &[f32], kind: Kind) -> Vec<f32> {
        let row = |picture, oy, out: &mut [f32]| {
            let (ys, high) = self.range(0, oy);
            for (ox, out) in out.chunks_exact_mut(self.channels).enumerate() {
                let (xs, wide) = self.range(1, ox);
                simd::vectorised(
                    #[inline(always)]
                    || {
                        out.fill(if kind == Kind::Max { f32::NEG_INFINITY } else { 0.0 });
                        for y in ys.clone() {
                            for column in xs.clone() {
                                accumulate(kind, self.pixel(x, picture, y, column), out);
                            }
                        }
                        if kind == Kind::Mean {
                            let scale = 1.0 / (high * wide) as f32;
                            out.iter_mut().for_each(|o| *o *= scale);
                        }
                    },
                );
            }
        };
        let len = self.n * self.output[0] * self.output[1] * self.channels;
        // SAFETY: every window's result begins with a fill.
        unsafe { filled(len, |out| self.by_rows(self.output, out, row)) }
    }

    /// Each pixel's gradient: its share of the windows that contain it.
    fn mean_gradient(&self, grad: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0f32; self.n * self.input[0] * self.input[1] * self.channels];
        self.by_rows(self.input, &mut out, |picture, y, out| {
            for (x, out) in out.chunks_exact_mut(self.channels).enumerate() {
                for oy in self.containing(0, y) {
                    for ox in self.containing(1, x) {
                        let scale = 1.0 / (self.range(0, oy).1 * self.range(1, ox).1) as f32;
                        let grad = self.result(grad, picture, oy, ox);
                        simd::vectorised(
                            #[inline(always)]
                            || out.iter_mut().zip(grad).for_each(|(o, g)| *o += scale * g),
                        );
                    }
                }
            }
        });
        out
    }

    /// Finds each window's first maximum and adds its gradient there; pictures are independent of each other.
    fn max_gradient(&self, x: &[f32], maxima: &[f32], grad: &[f32]) -> Vec<f32> {
        let picture_len = self.input[0] * self.input[1] * self.channels;
        let mut out = vec![0.0f32; self.n * picture_len];
        out.par_chunks_mut(picture_len).enumerate().for_each(|(picture, out)| {
            let mut left = vec![0.0f32; self.channels];
            for oy in 0..self.output[0] {
                for ox in 0..self.output[1] {
                    left.copy_from_slice(self.result(grad, picture, oy, ox));
                    let maximum = self.result(maxima, picture, oy, ox);
                    for y in self.range(0, oy).0 {
                        for column in self.range(1, ox).0 {
                            let at = (y * self.input[1] + column) * self.channels;
                            let pixel = self.pixel(x, picture, y, column);
                            give(pixel, maximum, &mut left, &mut out[at..at + self.channels]);
                        }
                    }
                }
            }
        });
        out
    }
}

/// Takes a pixel into a window's result; NaN wins, as in PyTorch.
#[inline(always)]
fn accumulate(kind: Kind, pixel: &[f32], out: &mut [f32]) {
    match kind {
        Kind::Max => {
            out.iter_mut().zip(pixel).for_each(|(o, &v)| *o = if v > *o || v.is_nan() { v } else { *o })
        }
        Kind::Mean => out.iter_mut().zip(pixel).for_each(|(o, &v)| *o += v),
    }
}

/// Gives what is left of a window's gradient to a pixel where it is the maximum.
fn give(pixel: &[f32], maximum: &[f32], left: &mut [f32], out: &mut [f32]) {
    simd::vectorised(
        #[inline(always)]
        || {
            for (((&v, &m), left), out) in pixel.iter().zip(maximum).zip(left).zip(out) {
                let hit = v == m || (v.is_nan() && m.is_nan());
                *out += if hit { *left } else { 0.0 };
                *left = if hit { 0.0 } else { *left };
            }
        },
    );
}

#[derive(Debug, Clone)]
struct Pool {
    windows: Windows,
    kind: Kind,
    shape: Shape,
}

impl Operation for Pool {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Max => "max-pool",
            Kind::Mean => "avg-pool",
        }
    }

    fn keeps(&self, _: &[bool]) -> Keeps {
        let max = self.kind == Kind::Max;
        Keeps { args: u8::from(max), result: max }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        (self.windows.forward(args[0], self.kind), self.shape.clone())
    }

    fn backward(&self, saved: &Saved, grad: Grad, _: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let out = grad.with(|grad| match self.kind {
            Kind::Max => with_values([saved.arg(0)?, saved.result()?], |[x, maxima]| {
                self.windows.max_gradient(x, maxima, grad)
            }),
            Kind::Mean => Ok(self.windows.mean_gradient(grad)),
        })??;
        Ok(vec![Some(Grad::Owned(out))])
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        self.windows.forward_tensors(args[0], self.kind)?.reshape(&self.shape)
    }

    fn backward_tensors(&self, saved: &Saved, grad: &Tensor, _: &[bool]) -> Grads {
        let grad = match self.kind {
            Kind::Max => self.windows.max_gradient_tensor(saved.arg(0)?, saved.result()?, grad),
            Kind::Mean => self.windows.mean_gradient_tensor(grad),
        };
        Ok(vec![Some(grad?)])
    }

    fn forward_on_card(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        self.windows.result_on_card(args[0], self.kind)?.reshape(&self.shape)
    }

    fn backward_on_card(&self, saved: &Saved, grad: &Tensor, _: &[bool]) -> Grads {
        let grad = match self.kind {
            Kind::Max => self.windows.max_gradient_on_card(saved.arg(0)?, saved.result()?, grad),
            Kind::Mean => self.windows.mean_gradient_on_card(grad),
        };
        Ok(vec![Some(grad?)])
    }
}

#[cfg(test)]
mod tests;
