//! The sum of two tensors and the activation behind it, as at the end of a residual block.

use super::Activation;
use super::cpu::{CHUNK, Clamp, check_operands};
use super::graph::{self, Grad, Keeps, Operation, Saved};
use super::memory::filled;
use super::simd;
use super::tensors::{Grads, activation};
use crate::error::{Error, ErrorKind, Result};
use candle_core::{Shape, Tensor};
use rayon::prelude::*;

/// `act(a + b)` of two tensors of one shape, in one pass. Differentiable in both.
///
/// # Errors
/// If shapes or types do not fit.
pub fn add(a: &Tensor, b: &Tensor, act: Activation) -> Result<Tensor> {
    if a.dims() != b.dims() {
        let what = format!("the sum of tensors of shapes {:?} and {:?}", a.dims(), b.dims());
        return Err(Error::new(ErrorKind::Numeric, what));
    }
    check_operands("a sum", [Some(a), Some(b)])?;
    let (clamp, rest) = Clamp::of(act);
    let op = Add { shape: a.shape().clone(), clamp };
    let y = graph::apply(op, &[&a.contiguous()?, &b.contiguous()?])?;
    if rest == Activation::Identity { Ok(y) } else { rest.apply(&y) }
}

struct Add {
    shape: Shape,
    clamp: Clamp,
}

impl Operation for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn keeps(&self, _: &[bool]) -> Keeps {
        Keeps { args: 0, result: self.clamp != Clamp::None }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        let (low, high) = self.clamp.range();
        let parts = args[0].par_chunks(CHUNK).zip(args[1].par_chunks(CHUNK));
        let fill = |out: &mut [f32]| {
            out.par_chunks_mut(CHUNK).zip(parts).for_each(|(out, (a, b))| {
                simd::vectorised(
                    #[inline(always)]
                    || {
                        // Copies: what is captured might be what the loop writes, for all that the compiler knows.
                        let (low, high) = (low, high);
                        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                            let sum = a + b;
                            // Comparisons that are false for not-a-number, which stays.
                            let above = if sum < low { low } else { sum };
                            *out = if above > high { high } else { above };
                        }
                    },
                );
            })
        };
        // SAFETY: every value is written.
        (unsafe { filled(args[0].len(), fill) }, self.shape.clone())
    }

    fn backward(&self, saved: &Saved, grad: Grad, wanted: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let grad = self.clamp.gradient(saved, grad)?;
        if wanted == [true, true] {
            let grad = grad.into_tensor(&self.shape)?;
            return Ok(vec![Some(Grad::Shared(grad.clone())), Some(Grad::Shared(grad))]);
        }
        Ok(if wanted[0] { vec![Some(grad), None] } else { vec![None, Some(grad)] })
    }

    fn takes_short(&self) -> bool {
        true
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        activation::sum(args[0], args[1], self.clamp)
    }

    fn backward_tensors(&self, saved: &Saved, grad: &Tensor, wanted: &[bool]) -> Grads {
        let grad = activation::clamp_gradient(self.clamp, saved, grad)?;
        Ok(wanted.iter().map(|wanted| wanted.then(|| grad.clone())).collect())
    }
}
