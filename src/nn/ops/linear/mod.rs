//! Fully connected layer over the last axis.

mod packed;
mod residual;
mod tensors;

pub use packed::PackedLinear;
pub use residual::linear_residual;

use super::Activation;
use super::card::Channelwise;
use super::conv::{self, Conv2dSpec, Geometry};
use super::cpu::{Clamp, check_operands, column_sums, with_values};
use super::gemm::{
    Epilogue, LentPanels, Mat, Out, Packed, add_transposed_panels, fill_transposed, padded_columns, product,
    row_unit,
};
use super::graph::{self, Grad, Keeps, Operation, Saved};
use super::memory::filled;
use super::parallel::{Shared, add_parts, parts, prefetch, task_size, with_scratch};
use super::tensors::{Grads, column_sums as tensor_column_sums, when};
use crate::error::{Error, ErrorKind, Result};
use candle_core::{Shape, Tensor};
use rayon::prelude::*;
use std::ops::Range;

/// `act(x · weight + bias)`, differentiable in all three.
///
/// # Shapes
/// `x: [.., In]` of any rank, `weight: [In, Out]`, `bias: [Out]`, result `[.., Out]`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, act: Activation) -> Result<Tensor> {
    let dense = Dense::new(x.dims(), weight.dims(), bias.map(Tensor::dims))?;
    // The same product as a convolution of one pixel.
    let spec = Conv2dSpec { stride: 1, padding: 0, dilation: 1, groups: 1 };
    let (pixels, kernel) = ([dense.rows, 1, 1, dense.inputs], [1, 1, dense.inputs, dense.outputs]);
    let geometry = Geometry::new(&pixels, &kernel, bias.map(Tensor::dims), spec)?;
    conv::apply(geometry, dense.result_shape(x.dims()), x, weight, bias, act)
}

/// `act(x) · weight + bias`, differentiable in all three. `act(x)` is computed a few rows at a time, forwards and backwards:
/// it is never kept.
///
/// # Shapes
/// As [`linear`].
///
/// # Errors
/// If shapes or types do not fit.
pub fn linear_of_activated(
    act: Activation,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let dense = Dense { before: act, ..Dense::new(x.dims(), weight.dims(), bias.map(Tensor::dims))? };
    check_operands(NAME, [Some(x), Some(weight), bias])?;
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    let bias = bias.map(Tensor::contiguous).transpose()?;
    let args: Vec<&Tensor> = [&x, &weight].into_iter().chain(&bias).collect();
    Ok(graph::apply(LinearOfActivated { dense, shape: dense.result_shape(x.dims()) }, &args)?)
}

const NAME: &str = "linear";
/// Enough tasks to keep a desktop processor's cores evenly busy.
const TASKS: usize = 32;
/// Most rows of a task.
const ROWS: usize = 192;

/// Rows and columns of one task's part of a weight gradient, and the steps of its sum that are packed at a time: together
/// they fill half of a usual second-level cache.
const GRADIENT_INPUTS: usize = 192;
const GRADIENT_OUTPUTS: usize = 384;
const GRADIENT_STEPS: usize = 128;
/// Rows between the part of a row that is worked on and the one that is fetched: processors do not look over the gaps themselves.
const AHEAD: usize = 4;
/// Fewest rows for which the sum of a weight gradient is split.
const GRADIENT_PART: usize = 512;

/// `before(x) · weight + bias`.
#[derive(Debug, Clone, Copy)]
struct Dense {
    rows: usize,
    inputs: usize,
    outputs: usize,
    before: Activation,
}

impl Dense {
    fn new(x: &[usize], weight: &[usize], bias: Option<&[usize]>) -> Result<Self> {
        match (x, weight) {
            (&[ref outer @ .., inputs], &[weight_inputs, outputs])
                if inputs == weight_inputs && inputs * outputs > 0 && bias.is_none_or(|b| b == [outputs]) =>
            {
                let rows = outer.iter().product();
                Ok(Self { rows, inputs, outputs, before: Activation::Identity })
            }
            _ => {
                let what = format!(
                    "fully connected layer needs x [.., In], weight [In, Out] and bias [Out]: x {x:?}, weight {weight:?}, bias {bias:?}"
                );
                Err(Error::new(ErrorKind::Numeric, what))
            }
        }
    }

    /// Rows of a task.
    fn tile(&self) -> usize {
        task_size(self.rows, parts(TASKS), row_unit(), ROWS)
    }

    /// `act(before(x) · weight + bias + addend)`; bias and addend may be empty.
    fn forward(&self, x: &[f32], weight: &Packed, [bias, addend]: [&[f32]; 2], act: Activation) -> Vec<f32> {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let (clamp, act) = Clamp::of(act);
        let epilogue = Epilogue::new((!bias.is_empty()).then_some(bias), clamp.range()).then(act);
        let fill = |out: &mut [f32]| {
            let tile = self.tile();
            let tasks = out.par_chunks_mut(tile * outputs).zip(x.par_chunks(tile * inputs)).enumerate();
            tasks.for_each(|(i, (out, x))| {
                let addend = addend.get(i * tile * outputs..).filter(|a| !a.is_empty());
                let rows = x.len() / inputs;
                let mut multiply = |x: &[f32]| {
                    let out = Out::rows(&mut *out, outputs).plus(addend);
                    product(Mat::rows(x, rows, inputs, inputs), weight, &epilogue, out);
                };
                if self.before == Activation::Identity {
                    multiply(x);
                } else {
                    with_scratch(x.len(), |activated| {
                        self.before.values(x, activated);
                        multiply(activated);
                    });
                }
            });
        };
        // SAFETY: every row's product is written.
        unsafe { filled(self.rows * outputs, fill) }
    }

    /// The weights with their columns scaled, in the form that [`Self::forward`] reads.
    fn packed(&self, weight: &[f32], scale: &[f32]) -> Packed {
        if scale.is_empty() {
            return Packed::new(Mat::rows(weight, self.inputs, self.outputs, self.outputs));
        }
        let fill = |first: usize, cols: usize, panel: &mut [f32], width: usize| {
            let scale = &scale[first..first + cols];
            for (row, weight) in panel.chunks_exact_mut(width).zip(weight.chunks_exact(self.outputs)) {
                row.iter_mut().zip(weight[first..].iter().zip(scale)).for_each(|(p, (w, s))| *p = w * s);
            }
        };
        // SAFETY: every row gets each column.
        unsafe { Packed::from_fn(self.inputs, self.outputs, fill) }
    }

    /// The gradient of `x` from the result's; `scale` may be empty.
    fn input_gradient(&self, x: &[f32], [weight, scale]: [&[f32]; 2], grad: &[f32]) -> Vec<f32> {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let weight = Mat::rows(weight, inputs, outputs, outputs);
        let fill = |first: usize, cols: usize, panel: &mut [f32], width: usize| {
            fill_transposed(weight, first, cols, panel, width);
            for (row, s) in panel.chunks_exact_mut(width).zip(scale) {
                row.iter_mut().for_each(|p| *p *= s);
            }
        };
        // SAFETY: the whole panel is filled before it is scaled.
        let packed = unsafe { Packed::from_fn(outputs, inputs, fill) };
        let fill = |out: &mut [f32]| {
            let tasks = out.par_chunks_mut(self.tile() * inputs).zip(x.par_chunks(self.tile() * inputs));
            tasks.zip(grad.par_chunks(self.tile() * outputs)).for_each(|((out, x), grad)| {
                let a = Mat::rows(grad, grad.len() / outputs, outputs, outputs);
                product(a, &packed, &Epilogue::none(), Out::rows(&mut *out, inputs));
                self.before.scale_by_slope(x, out);
            });
        };
        // SAFETY: every row's product is written before it is scaled.
        unsafe { filled(self.rows * inputs, fill) }
    }

    /// The part of each task is a block of the matrix, over all rows or a range of them.
    fn weight_gradient(&self, x: &[f32], grad: &[f32]) -> Vec<f32> {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let grid = [inputs.div_ceil(GRADIENT_INPUTS), outputs.div_ceil(GRADIENT_OUTPUTS)];
        let blocks = grid[0] * grid[1];
        let parts = (TASKS / blocks).clamp(1, self.rows.div_ceil(GRADIENT_PART).max(1));
        let part_rows = self.rows.div_ceil(parts);
        let fill = |sums: &mut [f32]| {
            let shared = Shared::new(sums);
            (0..parts * blocks).into_par_iter().for_each(|task| {
                let (part, i, o) = (task / blocks, task % blocks / grid[1], task % grid[1]);
                let rows = (part * part_rows).min(self.rows)..((part + 1) * part_rows).min(self.rows);
                let ins = i * GRADIENT_INPUTS..inputs.min((i + 1) * GRADIENT_INPUTS);
                let outs = o * GRADIENT_OUTPUTS..outputs.min((o + 1) * GRADIENT_OUTPUTS);
                self.gradient_block(x, grad, rows, [ins.clone(), outs.clone()], |row, values| {
                    let at = (part * inputs + ins.start + row) * outputs + outs.start;
                    // SAFETY: each task has rows and columns of a part of its own.
                    unsafe { shared.part(at, values.len()) }.copy_from_slice(values);
                });
            });
        };
        // SAFETY: the blocks of each part are the whole matrix.
        let sums = unsafe { filled(parts * inputs * outputs, fill) };
        add_parts(sums, inputs * outputs)
    }

    /// Calls `store(row, values)` for each row of the block `[ins, outs]` of `before(x)ᵀ · grad`, summed over `rows`.
    fn gradient_block(
        &self,
        x: &[f32],
        grad: &[f32],
        rows: Range<usize>,
        [ins, outs]: [Range<usize>; 2],
        store: impl Fn(usize, &[f32]),
    ) {
        let width = padded_columns(outs.len());
        let (sum_len, left_len) = (ins.len() * width, GRADIENT_STEPS * ins.len());
        with_scratch(sum_len + left_len + LentPanels::len(GRADIENT_STEPS, outs.len()), |scratch| {
            let (sum, scratch) = scratch.split_at_mut(sum_len);
            let (left, right) = scratch.split_at_mut(left_len);
            sum.fill(0.0);
            for first in rows.clone().step_by(GRADIENT_STEPS) {
                let steps = GRADIENT_STEPS.min(rows.end - first);
                for (step, left) in left.chunks_exact_mut(ins.len()).take(steps).enumerate() {
                    let from = (first + step) * self.inputs;
                    if let Some(ahead) = x.get(from + AHEAD * self.inputs + ins.start..) {
                        prefetch(&ahead[..ins.len().min(ahead.len())]);
                    }
                    self.before.values(&x[from + ins.start..from + ins.end], left);
                }
                let right = &mut right[..LentPanels::len(steps, outs.len())];
                let grad = Mat::rows(grad, self.rows, self.outputs, self.outputs);
                let panels = LentPanels::pack(grad.row_range(first, steps).col_range(outs.clone()), right);
                let left = Mat::rows(left, steps, ins.len(), ins.len());
                add_transposed_panels(left, panels, 0..steps, Out::rows(&mut *sum, width));
            }
            sum.chunks_exact(width).enumerate().for_each(|(row, sum)| store(row, &sum[..outs.len()]));
        });
    }

    fn result_shape(&self, x: &[usize]) -> Shape {
        let mut dims = x.to_vec();
        if let Some(last) = dims.last_mut() {
            *last = self.outputs;
        }
        Shape::from(dims)
    }
}

/// Rows of values times the scale, or the values where the scale is empty.
fn scaled(mut values: Vec<f32>, scale: &[f32]) -> Vec<f32> {
    if !scale.is_empty() {
        values
            .chunks_exact_mut(scale.len())
            .for_each(|row| row.iter_mut().zip(scale).for_each(|(v, s)| *v *= s));
    }
    values
}

/// The operation on `x`, `weight` and, if there is one, `bias`.
struct LinearOfActivated {
    dense: Dense,
    /// Of the result.
    shape: Shape,
}

impl Operation for LinearOfActivated {
    fn name(&self) -> &'static str {
        NAME
    }

    fn keeps(&self, wanted: &[bool]) -> Keeps {
        Keeps { args: u8::from(wanted[0] || wanted[1]) | u8::from(wanted[0]) << 1, result: false }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        let (packed, bias) = (self.dense.packed(args[1], &[]), args.get(2).copied().unwrap_or_default());
        (self.dense.forward(args[0], &packed, [bias, &[]], Activation::Identity), self.shape.clone())
    }

    fn backward(&self, saved: &Saved, grad: Grad, wanted: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        grad.with(|grad| {
            let weight = match wanted[1] {
                true => Some(with_values([saved.arg(0)?], |[x]| self.dense.weight_gradient(x, grad))?),
                false => None,
            };
            let x = match wanted[0] {
                true => Some(with_values([saved.arg(0)?, saved.arg(1)?], |[x, weight]| {
                    self.dense.input_gradient(x, [weight, &[]], grad)
                })?),
                false => None,
            };
            let mut grads = vec![x.map(Grad::Owned), weight.map(Grad::Owned)];
            if let Some(&bias) = wanted.get(2) {
                grads.push(bias.then(|| Grad::Owned(column_sums(grad, self.dense.outputs))));
            }
            Ok(grads)
        })?
    }

    fn takes_short(&self) -> bool {
        true
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        let behind = Channelwise { bias: args.get(2).copied(), ..Channelwise::default() };
        self.dense.product_of_tensors(args[0], args[1], behind)?.reshape(&self.shape)
    }

    fn backward_tensors(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        let weight = when(wanted[1], || self.dense.weight_gradient_tensor(saved.arg(0)?, grad))?;
        let x = when(wanted[0], || self.dense.input_gradient_tensor(saved.arg(0)?, saved.arg(1)?, grad))?;
        let mut grads = vec![x, weight];
        if let Some(&bias) = wanted.get(2) {
            grads.push(when(bias, || tensor_column_sums(grad, self.dense.outputs))?);
        }
        Ok(grads)
    }
}
