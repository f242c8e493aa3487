//! What the golden tests of operations share: operands made by a formula, and digests of what PyTorch computes from them
//! (`fixtures/ops_golden.py`).

use super::ways::device;
use candle_core::Tensor;
use serde_json::Value;

/// `sin((i + 1) * pace)`, in order.
pub(crate) fn wave(shape: &[usize], pace: f64) -> Tensor {
    let values: Vec<f32> =
        (0..shape.iter().product()).map(|i: usize| ((i + 1) as f64 * pace).sin() as f32).collect();
    Tensor::from_vec(values, shape, &device()).unwrap()
}

/// A number of a case.
pub(crate) fn size(case: &Value, key: &str) -> usize {
    usize::try_from(case[key].as_u64().unwrap_or_else(|| panic!("{key} of {case}"))).unwrap()
}

/// A list of numbers.
pub(crate) fn sizes(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|v| usize::try_from(v.as_u64().unwrap()).unwrap()).collect()
}

/// Each n-th value, the sum and the sum of squares are those that the script stored.
pub(crate) fn assert_digest(what: &str, got: &Tensor, want: &Value) {
    assert_eq!(got.dims(), sizes(&want["shape"]), "{what}");
    let got: Vec<f64> =
        got.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect();
    let want_values: Vec<f64> =
        want["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let scale = got.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    let picked: Vec<f64> = got.iter().copied().step_by(size(want, "step")).collect();
    assert_eq!(picked.len(), want_values.len(), "{what}");
    for (i, (g, w)) in picked.iter().zip(&want_values).enumerate() {
        assert!((g - w).abs() < 1e-5 * scale, "{what} value {i}: {g}, PyTorch {w}");
    }
    let (sum, squares) = (got.iter().sum::<f64>(), got.iter().map(|v| v * v).sum::<f64>());
    let (want_sum, want_squares) = (want["sum"].as_f64().unwrap(), want["squares"].as_f64().unwrap());
    let slack = 1e-6 * scale * got.len() as f64;
    assert!((sum - want_sum).abs() < slack, "{what} sum: {sum}, PyTorch {want_sum}");
    assert!(
        (squares - want_squares).abs() < 1e-5 * (1.0 + want_squares),
        "{what} squares: {squares}, PyTorch {want_squares}"
    );
}
