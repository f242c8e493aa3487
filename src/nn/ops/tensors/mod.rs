//! Operations by candle's own tensor operations: how they run on devices other than the processor.
//!
//! Each operation has, besides its kernels for the processor, a form of tensor operations that run on any device
//! ([`Operation::forward_tensors`](super::graph::Operation)). Operands are contiguous where a device's kernels ask for it; shapes and
//! layouts are those of the processor's path, and so are the answers for what is not a number and at kinks.

pub(crate) mod activation;
pub(crate) mod short;
pub(super) mod taps;

use super::card::{self, Channelwise};
use candle_core::{Result, Tensor};
use std::cell::Cell;

/// The gradients of an operation's arguments, `None` for those that are not wanted.
pub(crate) type Grads = Result<Vec<Option<Tensor>>>;

thread_local! {
    static FORCED: Cell<bool> = const { Cell::new(false) };
}

/// Calls `body` with every operation of this thread computed as on a device other than the processor, also where the tensors are
/// on the processor. What such a device computes can so be compared where there is none.
pub fn forced<R>(body: impl FnOnce() -> R) -> R {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            FORCED.set(self.0);
        }
    }
    let _before = Before(FORCED.replace(true));
    body()
}

/// Whether what is done with `tensor` is done by tensor operations.
pub(crate) fn serve(tensor: &Tensor) -> bool {
    FORCED.get() || !tensor.device().is_cpu()
}

/// `value()` where it is `wanted`.
pub(crate) fn when(wanted: bool, value: impl FnOnce() -> Result<Tensor>) -> Result<Option<Tensor>> {
    wanted.then(value).transpose()
}

/// All but the last axis as one: `[rows, C]`.
pub(crate) fn as_rows(t: &Tensor) -> Result<Tensor> {
    let columns = t.dim(candle_core::D::Minus1)?;
    t.reshape(((), columns))
}

/// Sums of the columns of rows of `columns` values, `[columns]`: where no kernel serves a matrix product, which every device has fast.
pub(crate) fn column_sums(t: &Tensor, columns: usize) -> Result<Tensor> {
    if card::serves(t) {
        return card::column_sums(t, None, columns);
    }
    let rows = t.reshape(((), columns))?;
    let ones = Tensor::ones((1, rows.dim(0)?), rows.dtype(), rows.device())?;
    short::product(&ones, &rows)?.reshape(columns)
}

/// The same of the products of two tensors.
pub(crate) fn column_sums_of_products(a: &Tensor, b: &Tensor, columns: usize) -> Result<Tensor> {
    match card::serves(a) {
        true => card::column_sums(a, Some(b), columns),
        false => column_sums(&(a * b)?, columns),
    }
}

/// `act((x + bias) * scale + addend)` of `x: [.., C]`, with a bias and a scale a channel; see [`Channelwise`].
pub(crate) fn channelwise(x: &Tensor, what: Channelwise<'_>) -> Result<Tensor> {
    if what.is_nothing() {
        return Ok(x.clone());
    }
    if card::serves(x) {
        return card::channelwise(x, what);
    }
    let y = what.bias.map_or(Ok(x.clone()), |bias| x.broadcast_add(bias))?;
    let y = what.scale.map_or(Ok(y.clone()), |scale| y.broadcast_mul(scale))?;
    let y = what.addend.map_or(Ok(y.clone()), |addend| addend + y)?;
    activation::value(what.act, &y)
}

#[cfg(test)]
mod tests;
