//! Forward passes and training steps of whole networks on one thread and on more: the same bits.

use super::support::{fill, pictures};
use candle_core::{Device, Tensor};
use headstart::backbones::{Network, find};
use headstart::config::HeadConfig;
use headstart::nn::layers::Forward;
use headstart::nn::loss::cross_entropy;
use headstart::nn::rng::Rng;
use headstart::nn::tape::Tape;
use std::collections::BTreeMap;

const CLASSES: usize = 10;

/// A network with formula-made weights, its first `stages` stages.
fn network(name: &str, stages: usize) -> Network {
    let spec = find(name).unwrap();
    let cut = Some(spec.stages[stages - 1]);
    let mut network = Network::new(spec, cut, &HeadConfig::default(), CLASSES, 0, &Device::Cpu).unwrap();
    fill(&mut network);
    network
}

fn bits(values: &Tensor) -> Vec<u32> {
    let values = values.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(values.iter().all(|v| v.is_finite()) && values.iter().any(|v| *v != 0.0));
    values.into_iter().map(f32::to_bits).collect()
}

/// What `run` gives, by name, is the same on 1, 2 and 3 threads.
fn same(name: &str, run: impl Fn() -> BTreeMap<String, Vec<u32>> + Sync) {
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&run);
    let alone = with(1);
    assert!(!alone.is_empty());
    for threads in [2, 3] {
        let other = with(threads);
        assert!(alone.keys().eq(other.keys()));
        let differ: Vec<&String> = alone.keys().filter(|key| alone[*key] != other[*key]).collect();
        assert!(differ.is_empty(), "{name}: on {threads} threads other values of {differ:?}");
    }
}

/// Activations of frozen layers, behind each stage: those that are run picture by picture and those that are not.
fn frozen(name: &str, stages: usize, side: usize) {
    let mut network = network(name, stages);
    network.store.set_trainable(|_, _| false);
    let x = pictures(5, side);
    same(name, || {
        let f = Forward::eval(&network.store);
        let behind = |stage| bits(&network.forward_stages(&f, &x, 0, stage).unwrap());
        (1..=stages).map(|stage| (network.stage_names()[stage - 1].to_owned(), behind(stage))).collect()
    });
}

/// Loss, gradients and running statistics of a training step with batch statistics and dropout.
fn step(name: &str, stages: usize, side: usize) {
    let x = pictures(5, side);
    let targets = [3u32, 1, 4, 1, 5];
    same(name, || {
        let mut network = network(name, stages);
        network.store.set_trainable(|_, _| true);
        let f = Forward::train(&network.store, true, Rng::for_key(1, &[]));
        let tape = Tape::record();
        let loss = cross_entropy(&network.forward(&f, &x).unwrap(), &targets, None, 0.1).unwrap();
        let gradients = tape.gradients(&loss).unwrap();
        f.keep_statistics().unwrap();
        let mut found = BTreeMap::from([("loss".to_owned(), bits(&loss))]);
        for (_, param) in network.store.iter() {
            let values = if param.trainable { gradients.get(param.var.as_tensor()) } else { None };
            found.insert(param.name.clone(), bits(values.unwrap_or(param.var.as_tensor())));
        }
        found
    });
}

#[test]
fn frozen_layers_give_the_same_on_any_number_of_threads() {
    frozen("mobilenet_v3_small", 13, 64);
    frozen("squeezenet1_1", 5, 67);
    frozen("resnet18", 3, 67);
    frozen("densenet121", 2, 67);
    frozen("vit_tiny", 3, 224);
    frozen("convnext_tiny", 3, 64);
}

#[test]
fn a_training_step_of_mobilenet_v3_is_the_same_on_any_number_of_threads() {
    step("mobilenet_v3_small", 14, 64);
}

#[test]
fn a_training_step_of_resnet_is_the_same_on_any_number_of_threads() {
    step("resnet18", 3, 67);
}

#[test]
fn a_training_step_of_densenet_is_the_same_on_any_number_of_threads() {
    step("densenet121", 2, 67);
}

#[test]
fn a_training_step_of_a_vision_transformer_is_the_same_on_any_number_of_threads() {
    step("vit_tiny", 3, 224);
}

#[test]
fn a_training_step_of_convnext_is_the_same_on_any_number_of_threads() {
    step("convnext_tiny", 3, 64);
}
