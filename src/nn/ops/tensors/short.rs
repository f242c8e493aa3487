//! Activations of bf16: mixed precision (Micikevicius et al. 2018, "Mixed Precision Training"; bf16 needs no scaled loss).
//!
//! An operation works in bf16 where an activation that it reads is bf16. Its result and the gradients of its activations are
//! bf16 then; parameters stay f32, and so do their gradients once they leave the operation. How it computes depends on what it is
//! ([`Operation::takes_short`]):
//! - products round their parameters to bf16 beforehand, once for both directions, and sum in f32, as tensor cores do;
//! - what only moves, adds or cuts values off does so as they are;
//! - everything else computes in f32, and its results are rounded.
//!
//! bf16 has the range of f32 and 8 bits of mantissa: rounding is off by 2^-9 of the value at most.

use crate::nn::ops::graph::{Operation, Saved};
use crate::nn::ops::tensors::Grads;
use candle_core::{DType, Result, Tensor};
use std::sync::OnceLock;

/// Whether it is bf16.
pub(crate) fn is_short(t: &Tensor) -> bool {
    t.dtype() == DType::BF16
}

/// The same values in f32.
pub(crate) fn widened(t: &Tensor) -> Result<Tensor> {
    t.to_dtype(DType::F32)
}

/// `body(t)`, in f32 for a bf16 tensor, the result rounded again.
pub(crate) fn in_f32(t: &Tensor, body: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if is_short(t) { body(&widened(t)?)?.to_dtype(DType::BF16) } else { body(t) }
}

/// `body` of the operands of a product. Only NVIDIA's cards multiply bf16 here; elsewhere products of what is the same in f32 are
/// summed in f32 and rounded, which are the results of a card but for the order of the sums.
pub(crate) fn multiplied(
    a: &Tensor,
    b: &Tensor,
    body: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    if is_short(a) && !a.device().is_cuda() {
        return body(&widened(a)?, &widened(b)?)?.to_dtype(DType::BF16);
    }
    body(a, b)
}

/// The matrix product.
pub(crate) fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    multiplied(a, b, Tensor::matmul)
}

/// The arguments as the operation reads them; no graph follows them.
pub(crate) fn operands(op: &(impl Operation + ?Sized), args: &[&Tensor]) -> Result<Vec<Tensor>> {
    let rounded = op.takes_short() && args.iter().any(|t| is_short(t));
    let operand = |t: &&Tensor| if rounded { t.detach().to_dtype(DType::BF16) } else { Ok(t.detach()) };
    args.iter().map(operand).collect()
}

/// [`Operation::forward_tensors`] of [`operands`] of either width.
pub(crate) fn forward(op: &(impl Operation + ?Sized), args: &[&Tensor]) -> Result<Tensor> {
    if op.takes_short() || !args.iter().any(|t| is_short(t)) {
        return op.forward_tensors(args);
    }
    let wide = args.iter().map(|t| widened(t)).collect::<Result<Vec<_>>>()?;
    op.forward_tensors(&wide.iter().collect::<Vec<_>>())?.to_dtype(DType::BF16)
}

/// [`Operation::backward_tensors`] of what was kept of operands of either width.
pub(crate) fn backward(
    op: &(impl Operation + ?Sized),
    saved: &Saved,
    grad: &Tensor,
    wanted: &[bool],
) -> Grads {
    if !is_short(grad) {
        return op.backward_tensors(saved, grad, wanted);
    }
    let dtype = if op.takes_short() { DType::BF16 } else { DType::F32 };
    let cast = |t: &Option<Tensor>| t.as_ref().map(|t| t.to_dtype(dtype)).transpose();
    let args = saved.args.iter().map(cast).collect::<Result<_>>()?;
    let saved = Saved { args, result: cast(&saved.result)? };
    op.backward_tensors(&saved, &grad.to_dtype(dtype)?, wanted)
}

/// Values that do not change, rounded once where activations are bf16.
#[derive(Debug)]
pub(crate) struct Constant {
    values: Tensor,
    short: OnceLock<Tensor>,
}

impl Constant {
    /// Of f32 values.
    pub(crate) fn new(values: &Tensor) -> Self {
        Self { values: values.detach(), short: OnceLock::new() }
    }

    /// The values in f32.
    pub(crate) fn values(&self) -> &Tensor {
        &self.values
    }

    /// The values in the type of `activations`.
    pub(crate) fn like(&self, activations: &Tensor) -> Result<&Tensor> {
        match self.short.get() {
            _ if !is_short(activations) => Ok(&self.values),
            Some(short) => Ok(short),
            None => {
                let short = self.values.to_dtype(DType::BF16)?;
                Ok(self.short.get_or_init(|| short))
            }
        }
    }
}

#[cfg(test)]
mod tests;
