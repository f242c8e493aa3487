//! Gradients from a tape against candle's.

use super::*;
use crate::nn::loss::{binary_cross_entropy, cross_entropy};
use crate::nn::ops::graph::Keeps;
use crate::nn::ops::tensors::{Grads, forced};
use crate::nn::ops::{
    Activation, Conv2dSpec, PoolSpec, add, attention, batch_norm_add, concat_channels, conv2d, dropout,
    dropout_rows, embed_patches, global_avg_pool, layer_norm, linear, linear_of_activated, linear_residual,
    max_pool2d, pick_tokens, residual, squeeze_excite,
};
use crate::nn::rng::Rng;
use candle_core::{Device, Storage, Var};
use std::sync::{Arc, Mutex};

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

/// Variables of these shapes.
fn variables(shapes: &[&[usize]]) -> Vec<Var> {
    let var = |(i, shape): (usize, &&[usize])| Var::from_tensor(&wave(shape, 0.3 + 0.1 * i as f64)).unwrap();
    shapes.iter().enumerate().map(var).collect()
}

/// Something that learns.
trait Learner: Sync {
    fn vars(&self) -> &[Var];

    fn loss(&self) -> Tensor;

    /// Checks the gradients from a tape against those from candle's graph.
    fn check(&self) {
        let plain = self.loss();
        let expected = plain.backward().unwrap();
        let tape = Tape::record();
        let loss = self.loss();
        assert_close(&loss, &plain);
        let grads = tape.gradients(&loss).unwrap();
        for var in self.vars() {
            assert_close(grads.get(var).unwrap(), expected.get(var).unwrap());
        }
    }

    /// The gradients from a tape, on as many threads.
    fn gradients(&self, threads: usize) -> Vec<Vec<f32>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let tape = Tape::record();
            let grads = tape.gradients(&self.loss()).unwrap();
            let values = |v: &Var| grads.get(v).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            self.vars().iter().map(values).collect()
        })
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
        Self { vars: variables(&shapes) }
    }
}

impl Learner for Network {
    fn vars(&self) -> &[Var] {
        &self.vars
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

/// A vision transformer of one block.
struct Transformer {
    vars: Vec<Var>,
}

impl Transformer {
    fn new() -> Self {
        let shapes: [&[usize]; 22] = [
            // The picture is constant: the first convolution gets no gradient for it.
            &[4, 4, 3, 24],
            &[24],
            &[1, 1, 24],
            &[1, 65, 24],
            &[24],
            &[24],
            &[24, 72],
            &[72],
            &[24, 24],
            &[24],
            &[24],
            &[24],
            &[24],
            &[24, 40],
            &[40],
            &[40, 24],
            &[24],
            &[24],
            &[24],
            &[24],
            &[24, 4],
            &[4],
        ];
        Self { vars: variables(&shapes) }
    }
}

impl Learner for Transformer {
    fn vars(&self) -> &[Var] {
        &self.vars
    }

    fn loss(&self) -> Tensor {
        let v: Vec<&Tensor> = self.vars.iter().map(Var::as_tensor).collect();
        let identity = Activation::Identity;
        let spec = Conv2dSpec { stride: 4, padding: 0, dilation: 1, groups: 1 };
        let pictures = wave(&[12, 32, 32, 3], 0.37);
        let patches = conv2d(&pictures, v[0], Some(v[1]), spec, identity).unwrap();
        let x = embed_patches(v[2], &patches, v[3]).unwrap();
        let qkv = linear(&layer_norm(&x, v[4], v[5], 1e-6).unwrap(), v[6], Some(v[7]), identity).unwrap();
        let branch = linear(&attention(&qkv, 2).unwrap(), v[8], Some(v[9]), identity).unwrap();
        let x = residual(&x, &branch, Some(v[10])).unwrap();
        let hidden =
            linear(&layer_norm(&x, v[11], v[12], 1e-6).unwrap(), v[13], Some(v[14]), identity).unwrap();
        let branch = linear_of_activated(Activation::Gelu, &hidden, v[15], Some(v[16])).unwrap();
        let x = residual(&x, &branch, None).unwrap();
        let x = residual(&x, &x, Some(v[17])).unwrap();
        let x = linear_residual(Activation::Silu, &hidden, (v[15], v[16]), &x, Some(v[10])).unwrap();
        let x = linear_residual(identity, &hidden, (v[15], v[16]), &x, None).unwrap();
        let class = pick_tokens(&x, 0..1).unwrap().flatten_from(1).unwrap();
        let features = layer_norm(&class, v[18], v[19], 1e-6).unwrap();
        let logits = linear(&features, v[20], Some(v[21]), identity).unwrap();
        cross_entropy(&logits, &[1, 3, 0, 2, 1, 1, 2, 3, 0, 0, 1, 2], Some(&[1.0, 2.0, 0.5, 1.0]), 0.1)
            .unwrap()
    }
}

/// A block of a mobile network between others' operations.
struct Mobile {
    vars: Vec<Var>,
}

impl Mobile {
    fn new() -> Self {
        let shapes: [&[usize]; 7] =
            [&[5, 16, 16, 32], &[1, 1, 32, 32], &[1, 1, 32, 8], &[8], &[1, 1, 8, 32], &[32], &[64, 1]];
        Self { vars: variables(&shapes) }
    }
}

impl Learner for Mobile {
    fn vars(&self) -> &[Var] {
        &self.vars
    }

    fn loss(&self) -> Tensor {
        let v: Vec<&Tensor> = self.vars.iter().map(Var::as_tensor).collect();
        let mut rng = Rng::for_key(3, &[]);
        let spec = Conv2dSpec { stride: 1, padding: 0, dilation: 1, groups: 1 };
        let x = conv2d(v[0], v[1], None, spec, Activation::Silu).unwrap();
        let gated =
            squeeze_excite(&x, (v[2], v[3]), (v[4], v[5]), Activation::Silu, Activation::Sigmoid).unwrap();
        let branch = dropout_rows(&gated, 0.5, &mut rng).unwrap();
        let y = add(&x, &branch, Activation::Hardswish).unwrap();
        let both = dropout(&concat_channels(&x, &y).unwrap(), 0.25, &mut rng).unwrap();
        let logits = linear(&global_avg_pool(&both).unwrap(), v[6], None, Activation::Identity).unwrap();
        binary_cross_entropy(&logits, &[1.0, 0.0, 0.5, 0.0, 1.0], Some(2.0)).unwrap()
    }
}

#[test]
fn a_tape_gives_the_gradients_that_candle_gives() {
    Network::new().check();
    Transformer::new().check();
    Mobile::new().check();
}

#[test]
fn gradients_do_not_depend_on_the_number_of_threads() {
    let learners: [&dyn Learner; 3] = [&Network::new(), &Transformer::new(), &Mobile::new()];
    for learner in learners {
        assert!(learner.gradients(1) == learner.gradients(3));
    }
}

#[test]
fn candles_way_back_is_refused_for_what_is_recorded() {
    let network = Network::new();
    let tape = Tape::record();
    let loss = network.loss();
    for loss in [&loss, &(&loss * 2.0).unwrap()] {
        let error = loss.backward().unwrap_err().to_string();
        assert!(error.contains("Tape::gradients"), "{error}");
    }
    let grads = tape.gradients(&loss).unwrap();
    assert!(grads.get(&network.vars[0]).is_some());
    assert!(loss.backward().is_err());
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

fn flat(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

/// Gives its argument, the end of it, or twice of it, and tells where the result lay.
struct Probe {
    kind: Kind,
    lay: Arc<Mutex<usize>>,
}

#[derive(Clone, Copy)]
enum Kind {
    Same,
    End,
    Twice,
}

fn address(tensor: &Tensor) -> usize {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { panic!("not on the processor") };
    storage.as_slice::<f32>().unwrap()[layout.start_offset()..].as_ptr() as usize
}

impl Operation for Probe {
    fn name(&self) -> &'static str {
        "probe"
    }

    fn keeps(&self, _: &[bool]) -> Keeps {
        Keeps { args: 0, result: false }
    }

    fn forward(&self, _: &[&[f32]]) -> (Vec<f32>, Shape) {
        unreachable!("by tensor operations alone")
    }

    fn backward(&self, _: &Saved, _: Grad, _: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        unreachable!("by tensor operations alone")
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        let made = match self.kind {
            Kind::Same => args[0].clone(),
            Kind::End => (args[0] * 2.0)?.narrow(0, 1, 2)?,
            Kind::Twice => (args[0] * 2.0)?,
        };
        *self.lay.lock().unwrap() = address(&made);
        Ok(made)
    }

    fn backward_tensors(&self, _: &Saved, grad: &Tensor, _: &[bool]) -> Grads {
        Ok(vec![Some((grad * 2.0)?)])
    }
}

#[test]
fn what_was_made_for_a_result_is_not_copied_and_what_is_shared_is() {
    let x = Var::from_tensor(&wave(&[3, 4], 0.7)).unwrap();
    let before = flat(&x);
    forced(|| {
        for (kind, moved, rows) in [(Kind::Same, false, 3), (Kind::End, false, 2), (Kind::Twice, true, 3)] {
            let tape = Tape::record();
            let lay = Arc::new(Mutex::new(0));
            let y = graph::apply(Probe { kind, lay: lay.clone() }, &[x.as_tensor()]).unwrap();
            assert!(y.track_op() && y.dims() == [rows, 4]);
            assert_eq!(address(&y) == *lay.lock().unwrap(), moved);
            assert_ne!(address(&y), address(&x));
            let factor = if matches!(kind, Kind::Same) { 1.0 } else { 2.0 };
            let want: Vec<f32> = before[12 - 4 * rows..].iter().map(|v| v * factor).collect();
            assert_eq!(flat(&y), want);
            drop(tape);
        }
    });
    assert_eq!(flat(&x), before);
}

#[test]
fn a_moved_result_hands_its_gradient_to_the_tape() {
    let x = Var::from_tensor(&wave(&[3, 4], 0.7)).unwrap();
    forced(|| {
        let tape = Tape::record();
        let lay = Arc::new(Mutex::new(0));
        let y = graph::apply(Probe { kind: Kind::Twice, lay }, &[x.as_tensor()]).unwrap();
        let loss = y.sqr().unwrap().sum_all().unwrap();
        assert!(loss.backward().is_err());
        let grads = tape.gradients(&loss).unwrap();
        let want: Vec<f32> = flat(&x).iter().map(|v| v * 8.0).collect();
        assert_eq!(flat(grads.get(&x).unwrap()), want);
    });
}
