//! What tests of operations share.

use candle_core::{Device, Tensor, Var};

/// `sin((i + 1) * pace)`, in order.
pub(super) fn var(shape: &[usize], pace: f64) -> Var {
    let len = shape.iter().product();
    let values: Vec<f32> = (0..len).map(|i: usize| ((i as f64 + 1.0) * pace).sin() as f32).collect();
    Var::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// All values, in order.
pub(super) fn flat(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}
