//! Maps side by side along their channels.

use super::parallel::task_size;
use super::slices::{slice, with_slice};
use crate::error::{Error, ErrorKind, Result};
use candle_core::{CpuStorage, CustomOp2, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

/// The channels of `a`, then those of `b`. Differentiable in both.
///
/// # Shapes
/// `a: [.., Ca]` and `b: [.., Cb]`, alike but for the last axis; the result is `[.., Ca + Cb]`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn concat_channels(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let wrong = || {
        let what =
            format!("maps of {:?} {:?} and {:?} {:?} side by side", a.dtype(), a.dims(), b.dtype(), b.dims());
        Error::new(ErrorKind::Numeric, what)
    };
    let (Some((&ca, rows)), Some((&cb, rows_b))) = (a.dims().split_last(), b.dims().split_last()) else {
        return Err(wrong());
    };
    if rows != rows_b || [a, b].iter().any(|t| t.elem_count() == 0 || t.dtype() != DType::F32) {
        return Err(wrong());
    }
    Ok(a.contiguous()?.apply_op2(&b.contiguous()?, Concat { channels: [ca, cb] })?)
}

const NAME: &str = "concat-channels";

struct Concat {
    channels: [usize; 2],
}

impl Concat {
    /// Values of both together in a task.
    fn per_task(&self, rows: usize) -> usize {
        task_size(rows, 64, 1, rows)
    }

    fn join(&self, a: &[f32], b: &[f32]) -> Vec<f32> {
        let [ca, cb] = self.channels;
        let rows = a.len() / ca;
        let task = self.per_task(rows);
        let mut out = vec![0f32; a.len() + b.len()];
        let parts = a.par_chunks(task * ca).zip(b.par_chunks(task * cb));
        out.par_chunks_mut(task * (ca + cb)).zip(parts).for_each(|(out, (a, b))| {
            let parts = a.chunks_exact(ca).zip(b.chunks_exact(cb));
            for (out, (a, b)) in out.chunks_exact_mut(ca + cb).zip(parts) {
                out[..ca].copy_from_slice(a);
                out[ca..].copy_from_slice(b);
            }
        });
        out
    }

    /// Channels from `first` on, `count` of them.
    fn part(&self, joined: &[f32], first: usize, count: usize) -> Vec<f32> {
        let total: usize = self.channels.iter().sum();
        let rows = joined.len() / total;
        let task = self.per_task(rows);
        let mut out = vec![0f32; rows * count];
        out.par_chunks_mut(task * count).zip(joined.par_chunks(task * total)).for_each(|(out, joined)| {
            for (out, joined) in out.chunks_exact_mut(count).zip(joined.chunks_exact(total)) {
                out.copy_from_slice(&joined[first..first + count]);
            }
        });
        out
    }
}

impl CustomOp2 for Concat {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let out = self.join(slice(a, a_layout, NAME)?, slice(b, b_layout, NAME)?);
        let mut dims = a_layout.dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last += self.channels[1];
        }
        Ok((CpuStorage::F32(out), Shape::from(dims)))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let [ca, cb] = self.channels;
        let of = |arg: &Tensor, first, count| {
            if !arg.track_op() {
                return Ok(None);
            }
            let part = with_slice(&grad, NAME, |grad| Ok(self.part(grad, first, count)))?;
            Tensor::from_vec(part, arg.shape(), arg.device()).map(Some)
        };
        Ok((of(a, 0, ca)?, of(b, ca, cb)?))
    }
}
