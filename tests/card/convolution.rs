//! Convolution on the card, which on NVIDIA's is cuDNN's, against the processor's kernels.

#[path = "../ways/mod.rs"]
mod ways;

use candle_core::{Device, Tensor, Var};
use headstart::nn::ops::{Activation, Conv2dSpec, PackedConv, conv2d};
use headstart::nn::tape::Tape;
use std::io::Write;
use std::sync::{Arc, Mutex};

/// Largest difference. Operands are at most 1, so that errors of products add up to about one product's times the root of their
/// number, and the largest of all values has a few times as much.
fn tolerance(([n, h, w, c], [kh, kw], cout, _): Case) -> f32 {
    let products = (n * h * w).max(kh * kw * c.max(cout)) as f32;
    let error = match std::env::var("NVIDIA_TF32_OVERRIDE").as_deref() {
        // f32 has 2^-24; the processor's Winograd transforms lose a few bits of it.
        Ok("0") => 2f32.powi(-20),
        _ => 2f32.powi(-11),
    };
    8.0 * error * products.sqrt()
}

/// `x: [n, h, w, c]`, kernel, result channels, then stride, padding, dilation, groups.
type Case = ([usize; 4], [usize; 2], usize, [usize; 4]);

const CASES: [Case; 14] = [
    // A first layer, of channels that no vector holds.
    ([3, 33, 35, 3], [7, 7], 24, [2, 3, 1, 1]),
    ([2, 32, 32, 3], [16, 16], 40, [16, 0, 1, 1]),
    ([5, 14, 14, 32], [3, 3], 64, [1, 1, 1, 1]),
    ([5, 15, 13, 32], [3, 3], 64, [2, 1, 1, 1]),
    ([2, 9, 7, 19], [3, 3], 35, [1, 1, 1, 1]),
    ([2, 9, 7, 19], [5, 5], 6, [3, 2, 1, 1]),
    ([2, 9, 7, 8], [1, 3], 16, [1, 1, 1, 1]),
    // Single pixels, with and without steps and padding.
    ([4, 7, 7, 64], [1, 1], 128, [1, 0, 1, 1]),
    ([4, 7, 7, 64], [1, 1], 128, [2, 0, 1, 1]),
    ([2, 5, 5, 8], [1, 1], 16, [1, 1, 1, 1]),
    ([2, 11, 11, 16], [3, 3], 24, [1, 2, 2, 1]),
    ([4, 10, 10, 64], [3, 3], 64, [1, 1, 1, 32]),
    ([4, 10, 10, 12], [3, 3], 24, [2, 1, 1, 3]),
    ([1, 4, 4, 16], [3, 3], 16, [1, 1, 1, 1]),
];

fn wave(shape: &[usize], pace: f64, device: &Device) -> Tensor {
    let values: Vec<f32> =
        (0..shape.iter().product()).map(|i| ((i as f64 + 1.0) * pace).sin() as f32).collect();
    Tensor::from_vec(values, shape, device).unwrap()
}

fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

fn spec([stride, padding, dilation, groups]: [usize; 4]) -> Conv2dSpec {
    Conv2dSpec { stride, padding, dilation, groups }
}

fn weight((x, [kh, kw], cout, last): Case, device: &Device) -> Tensor {
    wave(&[kh, kw, x[3] / last[3], cout], 1.3, device)
}

/// The result, and the gradients of input, weights and bias.
fn trained(case: Case, act: Activation, device: &Device) -> [Vec<f32>; 4] {
    let x = Var::from_tensor(&wave(&case.0, 0.7, device)).unwrap();
    let weight = Var::from_tensor(&weight(case, device)).unwrap();
    let bias = Var::from_tensor(&wave(&[case.2], 0.4, device)).unwrap();
    let tape = Tape::record();
    let y = conv2d(&x, &weight, Some(&bias), spec(case.3), act).unwrap();
    let loss = (&y * wave(y.dims(), 0.9, device)).unwrap().sum_all().unwrap();
    let grads = tape.gradients(&loss).unwrap();
    let of = |var: &Var| values(grads.get(var).unwrap());
    [values(&y), of(&x), of(&weight), of(&bias)]
}

/// The result with weights that do not change.
fn frozen(case: Case, act: Activation, added: bool, device: &Device) -> Vec<f32> {
    let conv = PackedConv::new(&weight(case, device), &wave(&[case.2], 0.4, device), spec(case.3));
    let x = wave(&case.0, 0.7, device);
    let plain = conv.forward(&x, None, act).unwrap();
    match added {
        true => values(&conv.forward(&x, Some(&wave(plain.dims(), 0.6, device)), act).unwrap()),
        false => values(&plain),
    }
}

fn assert_close(case: Case, what: &str, card: &[f32], processor: &[f32]) {
    assert_eq!(card.len(), processor.len(), "{case:?} {what}");
    let off = card.iter().zip(processor).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(off <= tolerance(case), "{case:?} {what}: off by {off}, more than {}", tolerance(case));
    assert!(card.iter().all(|v| v.is_finite()), "{case:?} {what}");
}

#[test]
fn a_convolution_and_its_gradients_are_those_of_the_processor() {
    if ways::card_is_missing("convolution") {
        return;
    }
    for case in CASES {
        for act in [Activation::Identity, Activation::Silu] {
            let card = trained(case, act, &ways::device());
            let processor = trained(case, act, &Device::Cpu);
            for (what, (card, processor)) in
                ["result", "input", "weight", "bias"].iter().zip(card.iter().zip(&processor))
            {
                assert_close(case, &format!("{act:?} {what}"), card, processor);
            }
        }
    }
}

#[test]
fn a_frozen_convolution_is_that_of_the_processor() {
    if ways::card_is_missing("frozen convolution") {
        return;
    }
    for case in CASES {
        for act in [Activation::Identity, Activation::Relu, Activation::Relu6, Activation::Hardswish] {
            for added in [false, true] {
                let card = frozen(case, act, added, &ways::device());
                let processor = frozen(case, act, added, &Device::Cpu);
                assert_close(case, &format!("{act:?} added {added}"), &card, &processor);
            }
        }
    }
}

#[test]
fn the_same_convolution_gives_the_same_bits() {
    if ways::card_is_missing("repeated convolution") {
        return;
    }
    // Large enough that many blocks share a sum.
    for case in [([16, 28, 28, 64], [3, 3], 64, [1, 1, 1, 1]), ([16, 56, 56, 3], [7, 7], 64, [2, 3, 1, 1])] {
        let first = trained(case, Activation::Identity, &ways::device());
        for _ in 0..5 {
            assert!(trained(case, Activation::Identity, &ways::device()) == first, "{case:?}");
        }
    }
}

/// What was written to a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(feature = "cuda")]
#[test]
fn cudnn_serves_what_networks_are_made_of() {
    if ways::card_is_missing("what cuDNN serves") {
        return;
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        for case in CASES {
            trained(case, Activation::Identity, &ways::device());
            frozen(case, Activation::Relu, true, &ways::device());
        }
    });
    let told = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!told.contains("cuDNN does not serve"), "{told}");
}
