//! Fully connected layer over the last axis.

use super::Activation;
use super::conv::{self, Conv2dSpec, Geometry};
use super::cpu::{check_operands, column_sums, values, with_values};
use super::gemm::{
    Epilogue, LentPanels, Mat, Out, Packed, add_transposed_panels, fill_transposed, padded_columns, product,
    row_unit,
};
use super::parallel::{Shared, add_parts, task_size, with_scratch};
use crate::error::{Error, ErrorKind, Result};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Shape, Tensor};
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
    Ok(match bias {
        Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, dense)?,
        None => x.apply_op2(&weight, dense)?,
    })
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
        task_size(self.rows, TASKS, row_unit(), ROWS)
    }

    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let packed = Packed::new(Mat::rows(weight, inputs, outputs, outputs));
        let epilogue = Epilogue::new(bias, (f32::NEG_INFINITY, f32::INFINITY));
        let mut out = vec![0.0f32; self.rows * outputs];
        let tasks = out.par_chunks_mut(self.tile() * outputs).zip(x.par_chunks(self.tile() * inputs));
        tasks.for_each(|(out, x)| {
            let rows = x.len() / inputs;
            with_scratch(x.len(), |activated| {
                self.before.values(x, activated);
                product(
                    Mat::rows(activated, rows, inputs, inputs),
                    &packed,
                    &epilogue,
                    Out::rows(out, outputs),
                );
            });
        });
        out
    }

    fn input_gradient(&self, x: &[f32], weight: &[f32], grad: &[f32]) -> Vec<f32> {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let weight = Mat::rows(weight, inputs, outputs, outputs);
        let packed = Packed::from_fn(outputs, inputs, |first, cols, panel, width| {
            fill_transposed(weight, first, cols, panel, width);
        });
        let mut out = vec![0.0f32; self.rows * inputs];
        let tasks = out.par_chunks_mut(self.tile() * inputs).zip(x.par_chunks(self.tile() * inputs));
        tasks.zip(grad.par_chunks(self.tile() * outputs)).for_each(|((out, x), grad)| {
            let a = Mat::rows(grad, grad.len() / outputs, outputs, outputs);
            product(a, &packed, &Epilogue::none(), Out::rows(&mut *out, inputs));
            self.before.scale_by_slope(x, out);
        });
        out
    }

    /// The part of each task is a block of the matrix, over all rows or a range of them.
    fn weight_gradient(&self, x: &[f32], grad: &[f32]) -> Vec<f32> {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let grid = [inputs.div_ceil(GRADIENT_INPUTS), outputs.div_ceil(GRADIENT_OUTPUTS)];
        let blocks = grid[0] * grid[1];
        let parts = (TASKS / blocks).clamp(1, self.rows.div_ceil(GRADIENT_PART).max(1));
        let part_rows = self.rows.div_ceil(parts);
        let mut sums = vec![0.0f32; parts * inputs * outputs];
        let shared = Shared::new(&mut sums);
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

    fn run(
        &self,
        x: (&CpuStorage, &Layout),
        weight: (&CpuStorage, &Layout),
        bias: Option<(&CpuStorage, &Layout)>,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let bias = bias.map(values).transpose()?;
        let out = self.forward(values(x)?, values(weight)?, bias);
        Ok((CpuStorage::F32(out), self.result_shape(x.1.dims())))
    }

    fn result_shape(&self, x: &[usize]) -> Shape {
        let mut dims = x.to_vec();
        if let Some(last) = dims.last_mut() {
            *last = self.outputs;
        }
        Shape::from(dims)
    }

    /// Gradients of input and weights, where they are tracked; `grad` is the product's.
    fn gradients(
        &self,
        x: &Tensor,
        weight: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let (of_x, of_weight) = with_values([x, weight, grad], |[xs, ws, gs]| {
            let of_x = x.track_op().then(|| self.input_gradient(xs, ws, gs));
            (of_x, weight.track_op().then(|| self.weight_gradient(xs, gs)))
        })?;
        let tensor =
            |v: Option<Vec<f32>>, like: &Tensor| v.map(|v| Tensor::from_vec(v, like.shape(), like.device()));
        Ok((tensor(of_x, x).transpose()?, tensor(of_weight, weight).transpose()?))
    }
}

impl CustomOp2 for Dense {
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
        self.run((s1, l1), (s2, l2), None)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        self.gradients(x, weight, &grad.contiguous()?)
    }
}

impl CustomOp3 for Dense {
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
        self.run((s1, l1), (s2, l2), Some((s3, l3)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let of_bias = || with_values([&grad], |[grad]| column_sums(grad, self.outputs));
        let bias = match bias.track_op() {
            true => Some(Tensor::from_vec(of_bias()?, self.outputs, bias.device())?),
            false => None,
        };
        let (x, weight) = self.gradients(x, weight, &grad)?;
        Ok((x, weight, bias))
    }
}
