//! What the operations share on the processor: access to values, clamps as fused activations, sums.

use super::Activation;
use super::graph::{Grad, Saved};
use super::parallel::{add_parts, task_size};
use super::{simd, tensors};
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

/// Calls `body` with the values of contiguous f32 tensors on the processor, however many.
pub(crate) fn with_all_values<R>(
    tensors: &[&Tensor],
    body: impl FnOnce(&[&[f32]]) -> R,
) -> candle_core::Result<R> {
    let guards: Vec<_> = tensors.iter().map(|t| t.storage_and_layout()).collect();
    let mut slices = Vec::with_capacity(tensors.len());
    for (storage, layout) in &guards {
        let Storage::Cpu(storage) = &**storage else {
            candle_core::bail!("operand of shape {:?} is not on the processor", layout.shape());
        };
        slices.push(values((storage, layout))?);
    }
    Ok(body(&slices))
}

/// Checks that operands are f32, for which these operations are written (bf16 is served by tensor operations as well), and on one
/// device.
pub(crate) fn check_operands<const N: usize>(op: &str, tensors: [Option<&Tensor>; N]) -> Result<()> {
    let first = tensors.iter().flatten().next().map(|t| t.device());
    for t in tensors.into_iter().flatten() {
        let (dtype, device) = (t.dtype(), t.device());
        if dtype != DType::F32 && !(dtype == DType::BF16 && tensors::serve(t)) {
            let what = format!("{op} needs f32, not {dtype:?} {:?}", t.dims());
            return Err(Error::new(ErrorKind::Numeric, what));
        }
        if let Some(first) = first.filter(|first| !first.same_device(device)) {
            let what = format!(
                "{op} needs its operands on one device, not {:?} on {:?} beside {:?}",
                t.dims(),
                device.location(),
                first.location()
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

impl From<Clamp> for Activation {
    fn from(clamp: Clamp) -> Self {
        match clamp {
            Clamp::None => Self::Identity,
            Clamp::Relu => Self::Relu,
            Clamp::Relu6 => Self::Relu6,
        }
    }
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

    /// The gradient before the clamp: zero where the result lies on a bound, which an infinite one does not. Written over `grad`
    /// where that is allowed.
    pub(crate) fn gradient(self, saved: &Saved, grad: Grad) -> candle_core::Result<Grad> {
        if self == Self::None {
            return Ok(grad);
        }
        let (low, high) = self.range();
        let bounded = high.is_finite();
        let masked = with_values([saved.result()?], |[result]| {
            grad.rewrite(CHUNK, |i, grad| {
                let result = &result[i * CHUNK..i * CHUNK + grad.len()];
                simd::vectorised(
                    #[inline(always)]
                    || {
                        // Copies: what is captured might be what the loop writes, for all that the compiler knows.
                        let (low, high, bounded) = (low, high, bounded);
                        for (g, &r) in grad.iter_mut().zip(result) {
                            *g = if (r <= low) | (bounded & (r >= high)) { 0.0 } else { *g };
                        }
                    },
                );
            })
        })??;
        Ok(Grad::Owned(masked))
    }
}

/// Values of a task in elementwise work. Partitions depend on shapes alone, so results do not depend on the number of threads.
pub(crate) const CHUNK: usize = 16 * 1024;

/// Sums of the columns of rows of `columns` values: the gradient of a bias.
pub(crate) fn column_sums(grad: &[f32], columns: usize) -> Vec<f32> {
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
}
