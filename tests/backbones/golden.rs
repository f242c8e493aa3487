//! The backbones against torchvision: logits, and losses of training steps, with formula-made weights and pictures.
//! The reference values come from `tests/fixtures/backbones_golden.py`.

use super::support::{fill, golden, numbers, pictures};
use candle_core::{Device, Tensor};
use headstart::backbones::{Network, find};
use headstart::config::HeadConfig;
use headstart::nn::layers::Forward;
use headstart::nn::loss::cross_entropy;
use headstart::nn::rng::Rng;
use headstart::nn::tape::Tape;
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) fn agrees_with_torchvision(name: &str, expected: &Value) {
    let spec = find(name).unwrap();
    let network = match name {
        "small_cnn" => Network::new(spec, None, &HeadConfig::default(), 1000, 0, &Device::Cpu).unwrap(),
        _ => Network::imagenet(spec, 0, &Device::Cpu).unwrap(),
    };
    gives_logits(network, name, expected);
}

/// The logits of a network with formula-made weights.
pub(crate) fn gives_logits(mut network: Network, name: &str, expected: &Value) {
    fill(&mut network);
    network.store.set_trainable(|_, _| false);
    let batch = expected["norm"].as_array().unwrap().len();
    let x = pictures(batch, expected["side"].as_u64().unwrap() as usize);
    let logits = network.forward(&Forward::eval(&network.store), &x).unwrap();
    assert_logits(name, &logits, expected);
}

/// Logits within 1e-4 of the largest, for every picture, and the length of the whole vector likewise.
pub(crate) fn assert_logits(name: &str, logits: &Tensor, expected: &Value) {
    let logits = logits.to_vec2::<f32>().unwrap();
    let batch = expected["norm"].as_array().unwrap().len();
    assert_eq!((logits.len(), logits[0].len()), (batch, 1000));
    for (n, row) in logits.iter().enumerate() {
        let want = numbers(&expected["logits"][n]);
        let largest = want.iter().fold(0f64, |m, v| m.max(v.abs()));
        for (k, (got, want)) in row.iter().step_by(16).zip(&want).enumerate() {
            let off = (f64::from(*got) - want).abs() / largest;
            assert!(off < 1e-4, "{name}: picture {n}, logit {}: {got} for {want}, {off:.1e} off", 16 * k);
        }
        let norm = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let want = expected["norm"][n].as_f64().unwrap();
        assert!((norm / want - 1.0).abs() < 1e-4, "{name}: picture {n}: length {norm} for {want}");
    }
}

macro_rules! forward_tests {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn logits_are_those_of_torchvision() {
                let name = stringify!($name);
                super::agrees_with_torchvision(name, &super::golden()["forward"][name]);
            }
        }
    )*};
}

forward_tests! {
    mobilenet_v2 mobilenet_v2_050 mobilenet_v2_140 resnet18 resnet34 resnet50 resnet101 vgg16 vgg16_bn squeezenet1_1
    small_cnn
}

/// Ten steps of SGD (0.005, momentum 0.9) with batch statistics and without dropout, on `(batch, side)` pictures: each loss
/// within 1e-3. Gradients come from a tape, as in training.
pub(crate) fn gives_losses(name: &str, (batch, side): (usize, usize), expected: &Value) {
    const CLASSES: usize = 10;
    let spec = find(name).unwrap();
    let mut network = Network::new(spec, None, &HeadConfig::default(), CLASSES, 0, &Device::Cpu).unwrap();
    fill(&mut network);
    network.store.set_trainable(|_, _| true);
    let x = pictures(batch, side);
    let targets: Vec<u32> = (0..batch as u32).map(|n| (3 * n) % CLASSES as u32).collect();
    let want = numbers(expected);
    assert_eq!(want.len(), 10);
    let mut velocities: BTreeMap<usize, Tensor> = BTreeMap::new();
    for (step, want) in want.iter().enumerate() {
        let f = Forward { train: false, ..Forward::train(&network.store, true, Rng::for_key(0, &[])) };
        let tape = Tape::record();
        let loss = cross_entropy(&network.forward(&f, &x).unwrap(), &targets, None, 0.0).unwrap();
        let gradients = tape.gradients(&loss).unwrap();
        let got = f64::from(loss.to_scalar::<f32>().unwrap());
        assert!((got / want - 1.0).abs() < 1e-3, "{name}: step {step}: loss {got} for {want}");
        let learning = network.store.iter().filter(|(_, p)| p.trainable).enumerate();
        for (index, (id, param)) in learning {
            let gradient = gradients.get(param.var.as_tensor()).unwrap().detach();
            let velocity = match velocities.get(&index) {
                Some(old) => ((old * 0.9).unwrap() + &gradient).unwrap(),
                None => gradient,
            };
            let next = (param.var.as_detached_tensor() - (&velocity * 0.005).unwrap()).unwrap();
            network.store.set(id, &next).unwrap();
            velocities.insert(index, velocity);
        }
    }
}

#[test]
fn ten_training_steps_of_resnet18_are_those_of_torch() {
    gives_losses("resnet18", (8, 64), &golden()["train"]["resnet18"]);
}

#[test]
fn ten_training_steps_of_mobilenet_v2_are_those_of_torch() {
    gives_losses("mobilenet_v2", (8, 64), &golden()["train"]["mobilenet_v2"]);
}
