//! What the tests of backbones share: formula-made weights and pictures, the same as in `tests/fixtures/backbones_golden.py`.

use candle_core::{Device, Tensor};
use headstart::backbones::{Network, StateDict, weights};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub(crate) fn golden() -> serde_json::Value {
    golden_of("backbones_golden.json")
}

pub(crate) fn golden_of(file: &str) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(fixture(file)).unwrap()).unwrap()
}

/// Numbers of a JSON list.
pub(crate) fn numbers(list: &serde_json::Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Uniform in [-1, 1): a 32-bit integer hash (lowbias32) of the position.
fn noise(stream: u32, position: usize) -> f64 {
    let mut x = (position as u32).wrapping_add(stream.wrapping_mul(0x9E37_79B1));
    x ^= x >> 16;
    x = x.wrapping_mul(0x7FEB_352D);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846C_A68B);
    x ^= x >> 16;
    f64::from(x) / 2f64.powi(31) - 1.0
}

/// Formula weights under the network's own names, in the disk layout.
pub(crate) fn formula_weights(network: &Network) -> StateDict {
    let store = &network.store;
    let shifted = ["mobilenet", "densenet"].iter().any(|family| network.spec.name.starts_with(family));
    let (shift, spread) = if shifted { (1.0, 0.2) } else { (0.0, 0.1) };
    let shapes: BTreeMap<String, Vec<usize>> =
        store.iter().map(|(_, p)| (p.name.clone(), p.kind.disk_shape(p.var.dims()))).collect();
    let mut tensors = BTreeMap::new();
    let is_shift = |name: &str| {
        name.strip_suffix("bias").is_some_and(|layer| shapes.contains_key(&format!("{layer}running_mean")))
    };
    for (stream, (name, shape)) in shapes.iter().enumerate() {
        let scaled: Box<dyn Fn(f64) -> f64> = match shape.as_slice() {
            [_, cin, kh, kw] => {
                let bound = (6.0 / (cin * kh * kw) as f64).sqrt();
                Box::new(move |u| u * bound)
            }
            [_, inputs] => {
                let bound = (3.0 / *inputs as f64).sqrt();
                Box::new(move |u| u * bound)
            }
            [_, _, _] => Box::new(|u| u * 0.5),
            _ if name.ends_with("running_var") => Box::new(|u| 1.0 + 0.5 * u),
            _ if name.ends_with(".weight") => Box::new(|u| 0.6 + 0.2 * u),
            _ if is_shift(name) => Box::new(move |u| shift + spread * u),
            _ => Box::new(|u| u * 0.1),
        };
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i| scaled(noise(stream as u32, i)) as f32).collect();
        tensors.insert(name.clone(), Tensor::from_vec(values, shape.as_slice(), &Device::Cpu).unwrap());
    }
    StateDict { path: PathBuf::new(), tensors }
}

/// Loads formula weights into every parameter of the network.
pub(crate) fn fill(network: &mut Network) {
    let weights = formula_weights(network);
    let report = weights::load_into(network, &weights).unwrap();
    assert_eq!((report.loaded, report.missing), (weights.tensors.len(), vec![]));
}

/// Formula pictures, `[batch, side, side, 3]`.
pub(crate) fn pictures(batch: usize, side: usize) -> Tensor {
    let mut values = Vec::with_capacity(batch * side * side * 3);
    for n in 0..batch {
        for h in 0..side {
            for w in 0..side {
                for c in 0..3 {
                    let pattern = ((h * (n + 1) + w * 3 + c * 5) % 17) as f64 / 17.0;
                    let position = ((n * 3 + c) * side + h) * side + w;
                    values.push((pattern + 0.5 * noise(9999, position)) as f32);
                }
            }
        }
    }
    Tensor::from_vec(values, (batch, side, side, 3), &Device::Cpu).unwrap()
}
