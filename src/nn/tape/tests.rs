//! Gradients from a tape against candle's.

use super::*;
use crate::nn::loss::cross_entropy;
use crate::nn::ops::{
    Activation, Conv2dSpec, PoolSpec, add, batch_norm_add, conv2d, global_avg_pool, linear, max_pool2d,
};
use candle_core::{Device, Var};

fn wave(shape: &[usize], pace: f64) -> Tensor {
    let values: Vec<f32> =
        (0..shape.iter().product()).map(|i| ((i as f64 + 1.0) * pace).sin() as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn assert_close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.dims(), b.dims());
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (a, b) in values(a).iter().zip(values(b)) {
        assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()), "{a} {b}");
    }
}

/// A residual network with operations of candle between: a sum, a reshape and a product.
struct Network {
    vars: Vec<Var>,
}

impl Network {
    fn new() -> Self {
        let shapes: [&[usize]; 9] =
            [&[2, 8, 8, 3], &[3, 3, 3, 6], &[6], &[6], &[3, 3, 6, 6], &[6], &[6], &[6, 4], &[4]];
        let var =
            |(i, shape): (usize, &&[usize])| Var::from_tensor(&wave(shape, 0.3 + 0.1 * i as f64)).unwrap();
        Self { vars: shapes.iter().enumerate().map(var).collect() }
    }

    fn loss(&self) -> Tensor {
        let v: Vec<&Tensor> = self.vars.iter().map(Var::as_tensor).collect();
        let spec = Conv2dSpec { stride: 1, padding: 1, dilation: 1, groups: 1 };
        let conv = |x: &Tensor, w: &Tensor| conv2d(x, w, None, spec, Activation::Identity).unwrap();
        let (x, _) = batch_norm_add(&conv(v[0], v[1]), (v[2], v[3]), 1e-5, None, Activation::Relu).unwrap();
        let pool = PoolSpec { kernel: 3, stride: 2, padding: 1, ceil: false };
        let x = max_pool2d(&x, pool).unwrap();
        let (y, _) = batch_norm_add(&conv(&x, v[4]), (v[5], v[6]), 1e-5, Some(&x), Activation::Relu).unwrap();
        // The same tensor reaches the sum twice, and once more through candle's operations.
        let z = add(&y, &y, Activation::Relu6).unwrap();
        let z = (z * y.sqr().unwrap()).unwrap();
        let features = global_avg_pool(&z).unwrap().reshape((2, 6)).unwrap();
        let logits = linear(&features, v[7], Some(v[8]), Activation::Silu).unwrap();
        cross_entropy(&logits, &[1, 3], None, 0.1).unwrap()
    }
}

#[test]
fn a_tape_gives_the_gradients_that_candle_gives() {
    let network = Network::new();
    let plain = network.loss();
    let expected = plain.backward().unwrap();
    let tape = Tape::record();
    let loss = network.loss();
    assert_close(&loss, &plain);
    let grads = tape.gradients(&loss).unwrap();
    for var in &network.vars {
        assert_close(grads.get(var).unwrap(), expected.get(var).unwrap());
    }
}

#[test]
fn tapes_nest_and_end() {
    let network = Network::new();
    let outer = Tape::record();
    let first = network.loss();
    drop(Tape::record());
    assert!(recording());
    let grads = outer.gradients(&first).unwrap();
    assert!(grads.get(&network.vars[1]).is_some());
    assert!(!recording());
    assert!(network.loss().backward().unwrap().get(&network.vars[1]).is_some());
}

#[test]
fn constants_get_no_gradient() {
    let spec = Conv2dSpec { stride: 1, padding: 1, dilation: 1, groups: 1 };
    let (x, weight) = (wave(&[1, 5, 5, 3], 0.3), Var::from_tensor(&wave(&[3, 3, 3, 4], 0.5)).unwrap());
    let tape = Tape::record();
    let y = conv2d(&x, &weight, None, spec, Activation::Identity).unwrap();
    let z = conv2d(&y, &wave(&[3, 3, 4, 4], 0.7), None, spec, Activation::Relu).unwrap();
    let grads = tape.gradients(&z.sum_all().unwrap()).unwrap();
    assert!(grads.get(&weight).is_some() && grads.get(&x).is_none());
}
