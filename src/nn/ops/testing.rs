//! What tests of operations share.

use super::tensors;
use candle_core::{Device, Tensor, Var};

/// Calls `body` with the processor's kernels, and with the tensor operations by which other devices compute; with the feature
/// `emulated-card` also with the kernels for cards.
pub(super) fn both_ways(body: impl Fn()) {
    body();
    tensors::forced(&body);
    #[cfg(feature = "emulated-card")]
    super::card::emulated(&body);
}

/// A tensor of `sin((i + 1) * pace)`, in order.
pub(super) fn wave(shape: &[usize], pace: f64) -> Tensor {
    let len: usize = shape.iter().product();
    let values: Vec<f32> = (0..len).map(|i| ((i as f64 + 1.0) * pace).sin() as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// [`wave`] as something that learns.
pub(super) fn var(shape: &[usize], pace: f64) -> Var {
    Var::from_tensor(&wave(shape, pace)).unwrap()
}

/// All values, in order.
pub(super) fn flat(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}
