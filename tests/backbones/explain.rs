//! Grad-CAM and attention rollout against values that `tests/fixtures/backbones_explain_golden.py` took from PyTorch, and for every
//! family of networks.

use super::support::{fill, golden_of, numbers, pictures};
use candle_core::Device;
use headstart::backbones::{Network, find};
use headstart::config::{HeadConfig, HeadOutput, Pooling};
use headstart::engine::explain::{attention_rollout, grad_cam};
use headstart::engine::{HeatMap, HeatMethod};
use serde_json::Value;

fn published(name: &str) -> Network {
    let mut network = Network::imagenet(find(name).unwrap(), 0, &Device::Cpu).unwrap();
    fill(&mut network);
    network.store.set_trainable(|_, _| false);
    network
}

fn size(of: &Value, key: &str) -> usize {
    usize::try_from(of[key].as_u64().unwrap()).unwrap()
}

/// Every value within 1e-4 of the largest.
fn agrees(name: &str, map: &HeatMap, expected: &Value) {
    assert_eq!((map.rows, map.columns), (size(expected, "rows"), size(expected, "columns")), "{name}");
    let want = numbers(&expected["values"]);
    assert_eq!(map.values.len(), want.len());
    let most = want.iter().copied().fold(0.0, f64::max);
    assert!(most > 0.0);
    for (i, (got, want)) in map.values.iter().zip(&want).enumerate() {
        let off = (f64::from(*got) - want).abs() / most;
        assert!(off < 1e-4, "{name}: position {i}: {got} for {want}, {off:.1e} off");
    }
}

#[test]
fn grad_cam_is_torchs() {
    let golden = golden_of("backbones_explain_golden.json");
    for (name, expected) in golden["grad_cam"].as_object().unwrap() {
        let x = pictures(1, size(expected, "side"));
        let map = grad_cam(&published(name), &x, size(expected, "class"), HeadOutput::Softmax).unwrap();
        assert_eq!(map.method, HeatMethod::GradCam);
        agrees(name, &map, expected);
    }
}

#[test]
fn attention_rollout_is_that_of_timms_probabilities() {
    let golden = golden_of("backbones_explain_golden.json");
    let expected = &golden["rollout"]["vit_tiny"];
    let x = pictures(1, size(expected, "side"));
    agrees("token", &attention_rollout(&published("vit_tiny"), &x).unwrap(), &expected["token"]);
    let head = HeadConfig { pooling: Some(Pooling::Avg), ..HeadConfig::default() };
    let mut network = Network::new(find("vit_tiny").unwrap(), None, &head, 1000, 0, &Device::Cpu).unwrap();
    fill(&mut network);
    agrees("patches", &attention_rollout(&network, &x).unwrap(), &expected["patches"]);
}

#[test]
fn every_family_has_a_map_of_its_own_for_each_class() {
    for name in [
        "resnet18",
        "vgg16_bn",
        "mobilenet_v2_050",
        "mobilenet_v3_small",
        "efficientnet_b0",
        "densenet121",
        "squeezenet1_1",
        "convnext_tiny",
        "small_cnn",
    ] {
        let spec = find(name).unwrap();
        // VGG without its hidden layers, whose 120 million weights take long to draw.
        let pooling = name.starts_with("vgg").then_some(Pooling::AvgMax);
        let head = HeadConfig { pooling, ..HeadConfig::default() };
        let mut network = Network::new(spec, None, &head, 3, 1, &Device::Cpu).unwrap();
        network.store.set_trainable(|_, _| false);
        let x = pictures(1, 128);
        let maps: Vec<HeatMap> =
            (0..3).map(|class| grad_cam(&network, &x, class, HeadOutput::Softmax).unwrap()).collect();
        for map in &maps {
            assert!(map.rows > 1 && map.values.len() == map.rows * map.columns, "{name}: {map:?}");
            assert!(map.values.iter().all(|v| v.is_finite() && *v >= 0.0), "{name}: {map:?}");
        }
        assert!(maps.windows(2).any(|m| m[0] != m[1]), "{name}: the class makes no difference");
        assert!(grad_cam(&network, &x, 3, HeadOutput::Softmax).is_err());
    }
}

#[test]
fn one_output_for_two_classes_speaks_for_one_and_against_the_other() {
    let head = HeadConfig { output: HeadOutput::Sigmoid, ..HeadConfig::default() };
    let network = Network::new(find("small_cnn").unwrap(), None, &head, 2, 1, &Device::Cpu).unwrap();
    let x = pictures(1, 64);
    let [against, with] = [0, 1].map(|class| grad_cam(&network, &x, class, HeadOutput::Sigmoid).unwrap());
    assert!(against.values.iter().zip(&with.values).all(|(a, b)| *a == 0.0 || *b == 0.0));
    assert_ne!(against.values, with.values);
}

#[test]
fn what_has_no_map_says_so() {
    let of = |name: &str, cut: Option<&str>| {
        Network::new(find(name).unwrap(), cut, &HeadConfig::default(), 2, 0, &Device::Cpu).unwrap()
    };
    let e = grad_cam(&of("resnet18", None), &pictures(1, 32), 0, HeadOutput::Softmax).unwrap_err();
    assert!(e.to_string().contains("single position"), "{e}");
    let e = attention_rollout(&of("vit_tiny", Some("patch_embed")), &pictures(1, 224)).unwrap_err();
    assert!(e.to_string().contains("no attention"), "{e}");
}
