//! Maps side by side along their channels.

use super::cpu::check_operands;
use super::graph::{self, Grad, Keeps, Operation, Saved};
use super::memory::filled;
use super::parallel::task_size;
use super::tensors::{Grads, when};
use crate::error::{Error, ErrorKind, Result};
use candle_core::{D, Shape, Tensor};
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
    if rows != rows_b || [a, b].iter().any(|t| t.elem_count() == 0) {
        return Err(wrong());
    }
    check_operands(NAME, [Some(a), Some(b)])?;
    let shape = Shape::from([rows, &[ca + cb]].concat());
    Ok(graph::apply(Concat { channels: [ca, cb], shape }, &[&a.contiguous()?, &b.contiguous()?])?)
}

const NAME: &str = "concat-channels";

struct Concat {
    channels: [usize; 2],
    /// Of the result.
    shape: Shape,
}

impl Concat {
    /// Values of both together in a task.
    fn per_task(&self, rows: usize) -> usize {
        task_size(rows, 64, 1, rows)
    }

    fn join(&self, a: &[f32], b: &[f32]) -> Vec<f32> {
        let [ca, cb] = self.channels;
        let task = self.per_task(a.len() / ca);
        let fill = |out: &mut [f32]| {
            let parts = a.par_chunks(task * ca).zip(b.par_chunks(task * cb));
            out.par_chunks_mut(task * (ca + cb)).zip(parts).for_each(|(out, (a, b))| {
                let parts = a.chunks_exact(ca).zip(b.chunks_exact(cb));
                for (out, (a, b)) in out.chunks_exact_mut(ca + cb).zip(parts) {
                    out[..ca].copy_from_slice(a);
                    out[ca..].copy_from_slice(b);
                }
            });
        };
        // SAFETY: both parts of every row are written.
        unsafe { filled(a.len() + b.len(), fill) }
    }

    /// Channels from `first` on, `count` of them.
    fn part(&self, joined: &[f32], first: usize, count: usize) -> Vec<f32> {
        let total: usize = self.channels.iter().sum();
        let rows = joined.len() / total;
        let task = self.per_task(rows);
        let fill = |out: &mut [f32]| {
            out.par_chunks_mut(task * count).zip(joined.par_chunks(task * total)).for_each(
                |(out, joined)| {
                    for (out, joined) in out.chunks_exact_mut(count).zip(joined.chunks_exact(total)) {
                        out.copy_from_slice(&joined[first..first + count]);
                    }
                },
            );
        };
        // SAFETY: every row is written.
        unsafe { filled(rows * count, fill) }
    }
}

impl Operation for Concat {
    fn name(&self) -> &'static str {
        NAME
    }

    fn keeps(&self, _: &[bool]) -> Keeps {
        Keeps { args: 0, result: false }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        (self.join(args[0], args[1]), self.shape.clone())
    }

    fn backward(&self, _: &Saved, grad: Grad, wanted: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let [ca, cb] = self.channels;
        grad.with(|grad| {
            let parts = [(0, ca), (ca, cb)].into_iter().zip(wanted);
            parts
                .map(|((first, count), wanted)| wanted.then(|| Grad::Owned(self.part(grad, first, count))))
                .collect()
        })
    }

    fn takes_short(&self) -> bool {
        true
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        Tensor::cat(args, D::Minus1)
    }

    fn backward_tensors(&self, _: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        let [ca, cb] = self.channels;
        let part = |((first, count), &wanted): ((usize, usize), &bool)| {
            when(wanted, || grad.narrow(D::Minus1, first, count)?.contiguous())
        };
        [(0, ca), (ca, cb)].into_iter().zip(wanted).map(part).collect()
    }
}
