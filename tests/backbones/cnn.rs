//! MobileNetV3, EfficientNet and DenseNet against torchvision and timm.
//! The reference values come from `tests/fixtures/backbones_cnn_golden.py`.

use super::golden::{agrees_with_torchvision, assert_logits, gives_losses};
use super::support::{formula_weights, golden_of, pictures};
use candle_core::{Device, Tensor};
use headstart::backbones::weights::load_into;
use headstart::backbones::{Network, StateDict, find};
use headstart::config::{HeadConfig, Pooling};
use headstart::nn::layers::Forward;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn golden() -> Value {
    golden_of("backbones_cnn_golden.json")
}

macro_rules! forward_tests {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn logits_are_those_of_torchvision() {
                let name = stringify!($name);
                super::agrees_with_torchvision(name, &super::golden()["forward"][name]);
            }

            #[test]
            fn timm_weights_give_the_same_logits() {
                super::takes_timm_weights(stringify!($name));
            }
        }
    )*};
}

forward_tests! { mobilenet_v3_small mobilenet_v3_large efficientnet_b0 densenet121 }

/// timm's weights of the same network: its names, its shapes and, for MobileNetV3, its eps of 1e-5 instead of 1e-3, which the
/// running variances make good for.
fn takes_timm_weights(name: &str) {
    let spec = find(name).unwrap();
    let mut network = Network::imagenet(spec, 0, &Device::Cpu).unwrap();
    let ours = formula_weights(&network);
    let offset = if name.starts_with("mobilenet_v3") { 1e-3 - 1e-5 } else { 0.0 };
    let golden = golden();
    let layers: Vec<(String, String)> = serde_json::from_value(golden["timm_layers"][name].clone()).unwrap();
    let layers: BTreeMap<&str, &str> =
        layers.iter().map(|(timm, torchvision)| (torchvision.as_str(), timm.as_str())).collect();
    let mut tensors = BTreeMap::new();
    for (name, values) in &ours.tensors {
        let (layer, leaf) = name.rsplit_once('.').unwrap();
        let timm = format!("{}.{leaf}", layers.get(layer).unwrap_or(&layer));
        let shape = match &golden["timm_shapes"][spec.name][&timm] {
            Value::Null => values.dims().to_vec(),
            shape => serde_json::from_value(shape.clone()).unwrap(),
        };
        let offset = if leaf == "running_var" { offset } else { 0.0 };
        let values = values.reshape(shape).unwrap().affine(1.0, offset).unwrap();
        assert!(tensors.insert(timm, values).is_none());
    }
    assert_eq!(tensors.len(), ours.tensors.len());
    let report = load_into(&mut network, &StateDict { path: PathBuf::new(), tensors }).unwrap();
    assert_eq!((report.loaded, report.missing.len(), report.unexpected.len()), (ours.tensors.len(), 0, 0));
    network.store.set_trainable(|_, _| false);
    let logits = network.forward(&Forward::eval(&network.store), &pictures(2, 64)).unwrap();
    assert_logits(name, &logits, &golden["forward"][name]);
}

#[test]
fn ten_training_steps_of_mobilenet_v3_are_those_of_torch() {
    gives_losses("mobilenet_v3_small", (8, 64), &golden()["train"]["mobilenet_v3_small"]);
}

#[test]
fn ten_training_steps_of_efficientnet_are_those_of_torch() {
    gives_losses("efficientnet_b0", (8, 64), &golden()["train"]["efficientnet_b0"]);
}

#[test]
fn ten_training_steps_of_densenet_are_those_of_torch() {
    gives_losses("densenet121", (8, 64), &golden()["train"]["densenet121"]);
}

#[test]
fn a_new_head_on_mobilenet_v3_replaces_the_last_layer_alone() {
    let spec = find("mobilenet_v3_small").unwrap();
    let build = |pooling, cut: Option<&str>| {
        let head = HeadConfig { pooling, ..HeadConfig::default() };
        Network::new(spec, cut, &head, 3, 0, &Device::Cpu).unwrap()
    };
    for pooling in [None, Some(Pooling::Avg)] {
        let mut network = build(pooling, None);
        assert_eq!((network.stage_names().last(), network.feature_width()), (Some(&"classifier"), 1024));
        let published = formula_weights(&Network::imagenet(spec, 0, &Device::Cpu).unwrap());
        let report = load_into(&mut network, &published).unwrap();
        assert_eq!(report.dropped_head, ["classifier.3.bias", "classifier.3.weight"]);
        assert_eq!((report.missing.len(), report.unexpected.len(), report.beyond_cut.len()), (0, 0, 0));
        let hidden = network.store.find("classifier.0.weight").unwrap();
        assert_eq!(network.stage_of(hidden), Some(network.stage_count() - 1));
    }
    let max = build(Some(Pooling::Max), None);
    assert_eq!((max.stage_names().last(), max.feature_width()), (Some(&"features.12"), 576));
    assert_eq!((build(None, Some("features.8")).feature_width(), max.pooling()), (48, Pooling::Max));
    let features = max.forward_stages(&Forward::eval(&max.store), &pictures(1, 64), 0, 13).unwrap();
    assert_eq!(features.dims(), [1, 2, 2, 576]);
}

#[test]
fn cut_dense_networks_end_behind_their_transition() {
    let spec = find("densenet121").unwrap();
    let network =
        Network::new(spec, Some("denseblock2"), &HeadConfig::default(), 3, 0, &Device::Cpu).unwrap();
    let x = Tensor::zeros((1, 65, 63, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
    let y = network.forward_stages(&Forward::eval(&network.store), &x, 0, 3).unwrap();
    assert_eq!((y.dims(), network.feature_width()), ([1, 4, 4, 256].as_slice(), 256));
}
