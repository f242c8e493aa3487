//! Training and prediction by tensor operations, the path of every device but the processor, against the processor's kernels.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod ways;

use candle_core::{Device, Tensor};
use headstart::backbones::{Network, find};
use headstart::config::HeadConfig;
use headstart::nn::layers::Forward;
use headstart::nn::loss::cross_entropy;
use headstart::nn::optim::{Optimizer, ParamGroup, Rule};
use headstart::nn::rng::Rng;
use headstart::nn::tape::Tape;

/// Largest difference of losses, relative to them: both paths are f32, and sum in other orders.
const LOSSES: f32 = 2e-4;
/// Length of the difference of two gradients of the whole network, relative to their own.
const GRADIENTS: f64 = 1e-3;
/// Largest difference of logits after training, relative to the largest of them.
const LOGITS: f32 = 2e-3;

/// What some steps of training came to.
struct Trace {
    losses: Vec<f32>,
    /// Of the first step, parameter by parameter.
    gradients: Vec<f32>,
    /// Of the trained and frozen network.
    logits: Vec<f32>,
}

fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

fn train((name, cut, side): (&str, Option<&str>, usize), rule: Rule, lr: f64, device: &Device) -> Trace {
    let head = HeadConfig { dropout: 0.2, ..HeadConfig::default() };
    let mut network = Network::new(find(name).unwrap(), cut, &head, 3, 7, device).unwrap();
    let mut rng = Rng::for_key(1, &[]);
    let x: Vec<f32> = (0..4 * side * side * 3).map(|_| rng.normal() as f32).collect();
    let x = Tensor::from_vec(x, (4, side, side, 3), device).unwrap();
    let ids: Vec<_> = network.store.iter().filter(|(_, p)| p.trainable).map(|(id, _)| id).collect();
    let groups = ParamGroup::split(&network.store, &ids, 1.0, 1e-3);
    let mut optimizer = Optimizer::new(&network.store, rule, groups).unwrap().with_clip_norm(5.0);
    let forward = |network: &Network, f: &Forward<'_>| {
        let x = network.forward_stages(f, &x, 0, network.stage_count()).unwrap();
        network.forward_head(f, &network.pool(f, &x).unwrap()).unwrap()
    };
    let (mut losses, mut gradients) = (Vec::new(), Vec::new());
    for step in 0..3 {
        let tape = Tape::record();
        let f = Forward::train(&network.store, true, Rng::for_key(1, &[step]));
        let loss = cross_entropy(&forward(&network, &f), &[0, 2, 1, 1], Some(&[1.0, 2.0, 0.5]), 0.1).unwrap();
        let grads = tape.gradients(&loss).unwrap();
        if step == 0 {
            let of = |id| grads.get(network.store.get(id).var.as_tensor()).map(values).unwrap_or_default();
            gradients = ids.iter().flat_map(|&id| of(id)).collect();
        }
        optimizer.step(&network.store, &grads, lr).unwrap();
        f.keep_statistics().unwrap();
        losses.push(loss.to_scalar().unwrap());
    }
    network.store.set_trainable(|_, _| false);
    let logits = values(&forward(&network, &Forward::eval(&network.store)));
    Trace { losses, gradients, logits }
}

/// Compares the processor's kernels with tensor operations, on the processor or on the card.
fn compare(network: (&str, Option<&str>, usize), rule: Rule, lr: f64) {
    let name = network.0;
    if ways::card_is_missing(name) {
        return;
    }
    let kernels = train(network, rule, lr, &Device::Cpu);
    let tensors = ways::elsewhere(|| train(network, rule, lr, &ways::device()));
    assert!(kernels.losses[2] != kernels.losses[0], "{name} does not learn: {:?}", kernels.losses);
    for (a, b) in kernels.losses.iter().zip(&tensors.losses) {
        assert!(
            (a - b).abs() < LOSSES * a.abs(),
            "{name}: losses {:?}, {:?}",
            kernels.losses,
            tensors.losses
        );
    }
    assert_eq!(kernels.gradients.len(), tensors.gradients.len(), "{name}");
    let length = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    let pairs = kernels.gradients.iter().zip(&tensors.gradients);
    let off = length(&mut pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)));
    let all = length(&mut kernels.gradients.iter().map(|&v| f64::from(v)));
    assert!(all > 0.0 && off < GRADIENTS * all, "{name}: gradients differ by {off} of {all}");
    let scale = kernels.logits.iter().fold(0f32, |m, v| m.max(v.abs()));
    for (a, b) in kernels.logits.iter().zip(&tensors.logits) {
        assert!((a - b).abs() < LOGITS * scale, "{name}: logits {:?}, {:?}", kernels.logits, tensors.logits);
    }
}

const SGD: Rule = Rule::Sgd { momentum: 0.9, nesterov: true };

#[test]
fn a_small_network_learns_the_same() {
    compare(("small_cnn", None, 32), SGD, 0.05);
    compare(("small_cnn", None, 32), Rule::ADAM_W, 1e-4);
}

#[test]
fn a_residual_network_learns_the_same() {
    compare(("resnet18", Some("layer2"), 32), SGD, 0.005);
}

#[test]
fn a_vision_transformer_learns_the_same() {
    compare(("vit_tiny", Some("blocks.1"), 224), SGD, 0.01);
}

#[test]
fn depthwise_and_gated_layers_learn_the_same() {
    compare(("mobilenet_v3_small", None, 48), SGD, 0.01);
}

#[test]
fn wide_depthwise_kernels_and_scaled_branches_learn_the_same() {
    compare(("convnext_tiny", Some("stage1"), 64), SGD, 0.01);
}

#[test]
fn fire_modules_and_their_pools_learn_the_same() {
    compare(("squeezenet1_1", None, 64), SGD, 0.01);
}
