//! What the operations share on the processor: access to values, clamps as fused activations, sums.

use super::Activation;
use super::parallel::{add_parts, task_size};
use super::simd;
use crate::error::{Error, ErrorKind, Result};
use candle_core::{CpuStorage, DType, Layout, Storage, Tensor};
use rayon::prelude::*;

/// Values of a contiguous f32 operand.
pub(crate) fn values<'a>((storage, layout): (&'a CpuStorage, &Layout)) -> candle_core::Result<&'a [f32]> {
    let Some((begin, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("operand of shape {:?} is not contiguous", layout.shape());
    };
    Ok(&storage.as_slice::<f32>()?[begin..end])
}

/// Calls `body` with the values of contiguous f32 tensors on the processor.
pub(crate) fn with_values<R, const N: usize>(
    tensors: [&Tensor; N],
    body: impl FnOnce([&[f32]; N]) -> R,
) -> candle_core::Result<R> {
    let guards = tensors.map(Tensor::storage_and_layout);
    let mut slices = [&[] as &[f32]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&guards) {
        let Storage::Cpu(storage) = &**storage else {
            candle_core::bail!("operand of shape {:?} is not on the processor", layout.shape());
        };
        *slice = values((storage, layout))?;
    }
    Ok(body(slices))
}

/// Checks that operands are f32 and on the processor, for which these operations are written.
pub(crate) fn check_operands<const N: usize>(op: &str, tensors: [Option<&Tensor>; N]) -> Result<()> {
    for t in tensors.into_iter().flatten() {
        let (dtype, device) = (t.dtype(), t.device());
        if dtype != DType::F32 || !device.is_cpu() {
            let what = format!(
                "{op} needs f32 on the processor, not {dtype:?} {:?} on {:?}",
                t.dims(),
                device.location()
            );
            return Err(Error::new(ErrorKind::Numeric, what));
        }
    }
    Ok(())
}

/// An activation that is a clamp: it costs nothing at the end of a product, and its gradient follows from its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clamp {
    None,
    Relu,
    Relu6,
}

impl Clamp {
    /// Splits an activation into a clamp and what is to be applied after it.
    pub(crate) fn of(act: Activation) -> (Self, Activation) {
        match act {
            Activation::Relu => (Self::Relu, Activation::Identity),
            Activation::Relu6 => (Self::Relu6, Activation::Identity),
            other => (Self::None, other),
        }
    }

    /// Smallest and largest result.
    pub(crate) fn range(self) -> (f32, f32) {
        match self {
            Self::None => (f32::NEG_INFINITY, f32::INFINITY),
            Self::Relu => (0.0, f32::INFINITY),
            Self::Relu6 => (0.0, 6.0),
        }
    }

    /// The gradient before the clamp, contiguous: zero where the result lies on a bound.
    pub(crate) fn gradient(self, result: &Tensor, grad: &Tensor) -> candle_core::Result<Tensor> {
        let grad = grad.contiguous()?;
        if self == Self::None {
            return Ok(grad);
        }
        let (low, high) = self.range();
        let masked = with_values([result, &grad], |[result, grad]| {
            let mut out = vec![0.0f32; grad.len()];
            let chunks = out.par_chunks_mut(CHUNK).zip(result.par_chunks(CHUNK)).zip(grad.par_chunks(CHUNK));
            chunks.for_each(|((out, result), grad)| {
                simd::vectorised(
                    #[inline(always)]
                    || {
                        for ((out, &r), &g) in out.iter_mut().zip(result).zip(grad) {
                            *out = if r <= low || r >= high { 0.0 } else { g };
                        }
                    },
                );
            });
            out
        })?;
        Tensor::from_vec(masked, grad.shape(), grad.device())
    }
}

/// Values of a task in elementwise work.
pub(crate) const CHUNK: usize = 16 * 1024;

/// Sums of the last axis' columns over all other axes: the gradient of a bias.
pub(crate) fn column_sums(grad: &Tensor) -> candle_core::Result<Tensor> {
    let columns = grad.dims().last().copied().unwrap_or(1).max(1);
    let sums = with_values([grad], |[grad]| {
        let per_task = task_size(grad.len() / columns, 32, 1, usize::MAX / 2) * columns;
        let mut sums = vec![0.0f32; grad.len().div_ceil(per_task).max(1) * columns];
        sums.par_chunks_mut(columns).zip(grad.par_chunks(per_task)).for_each(|(sum, grad)| {
            simd::vectorised(
                #[inline(always)]
                || {
                    for row in grad.chunks_exact(columns) {
                        sum.iter_mut().zip(row).for_each(|(s, g)| *s += g);
                    }
                },
            );
        });
        add_parts(sums, columns)
    })?;
    Tensor::from_vec(sums, columns, grad.device())
}
