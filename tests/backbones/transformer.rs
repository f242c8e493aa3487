//! Vision transformers and ConvNeXt against timm and torchvision, and what is different about them: tokens, normalised
//! features, timm's names. The reference values come from `tests/fixtures/backbones_transformer_golden.py`.

use super::golden::{gives_logits, gives_losses};
use super::support::{fixture, formula_weights, pictures};
use candle_core::{Device, Tensor};
use headstart::backbones::weights::load_into;
use headstart::backbones::{Network, StateDict, find};
use headstart::config::{HeadConfig, Pooling};
use headstart::nn::layers::Forward;
use headstart::nn::params::ParamKind;
use serde_json::Value;
use std::path::PathBuf;

fn golden() -> Value {
    let path = fixture("backbones_transformer_golden.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn built(name: &str, cut: Option<&str>, pooling: Option<Pooling>, classes: usize) -> Network {
    let head = HeadConfig { pooling, ..HeadConfig::default() };
    Network::new(find(name).unwrap(), cut, &head, classes, 1, &Device::Cpu).unwrap()
}

fn as_published(name: &str) {
    let network = Network::imagenet(find(name).unwrap(), 0, &Device::Cpu).unwrap();
    gives_logits(network, name, &golden()["forward"][name]);
}

#[test]
fn logits_of_vit_tiny_are_those_of_timm() {
    as_published("vit_tiny");
}

#[test]
fn logits_of_vit_small_are_those_of_timm() {
    as_published("vit_small");
}

#[test]
fn logits_of_vit_base_are_those_of_timm() {
    as_published("vit_base");
}

#[test]
fn logits_of_convnext_tiny_are_those_of_torchvision() {
    as_published("convnext_tiny");
}

#[test]
fn the_mean_of_the_patches_is_timms() {
    let network = built("vit_tiny", None, Some(Pooling::Avg), 1000);
    gives_logits(network, "vit_tiny averaged", &golden()["forward"]["vit_tiny_avg"]);
}

fn learns(name: &str) {
    let expected = &golden()["train"][name];
    let size = |key: &str| usize::try_from(expected[key].as_u64().unwrap()).unwrap();
    gives_losses(name, (size("batch"), size("side")), &expected["losses"]);
}

#[test]
fn ten_training_steps_of_vit_tiny_are_those_of_torch() {
    learns("vit_tiny");
}

#[test]
fn ten_training_steps_of_convnext_tiny_are_those_of_torch() {
    learns("convnext_tiny");
}

#[test]
fn timm_names_and_shapes_of_convnext_are_accepted() {
    let mut network = built("convnext_tiny", None, None, 1000);
    let ours = formula_weights(&network);
    let list = golden()["timm_names"].clone();
    let theirs = list.as_array().unwrap().iter().map(|entry| {
        let shape: Vec<usize> = entry[1]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| usize::try_from(d.as_u64().unwrap()).unwrap())
            .collect();
        let tensor = ours.tensors[entry[2].as_str().unwrap()].reshape(shape).unwrap();
        (entry[0].as_str().unwrap().to_owned(), tensor)
    });
    let theirs = StateDict { path: PathBuf::new(), tensors: theirs.collect() };
    let report = load_into(&mut network, &theirs).unwrap();
    assert_eq!((report.loaded, report.reshaped.len()), (ours.tensors.len(), 18));
    for (name, stored) in network.store.to_disk_layout().unwrap() {
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(flat(&stored) == flat(&ours.tensors[&name]), "{name}");
        assert_eq!(stored.dims(), ours.tensors[&name].dims(), "{name}");
    }
}

#[test]
fn tokens_are_a_row_that_begins_with_the_class_token() {
    let network = built("vit_tiny", None, None, 3);
    let f = Forward::eval(&network.store);
    let x = pictures(2, 224);
    let tokens = network.forward_stages(&f, &x, 0, 1).unwrap();
    assert_eq!(tokens.dims(), [2, 1, 197, 192]);
    let value = |name: &str| network.store.tensor(network.store.find(name).unwrap());
    let class = (value("cls_token") + value("pos_embed").narrow(1, 0, 1).unwrap()).unwrap();
    let first = tokens.narrow(2, 0, 1).unwrap();
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(flat(&first.narrow(0, 1, 1).unwrap()) == flat(&class));
    // Behind each further stage the row is as long, and stages can be run one by one.
    let half = network.forward_stages(&f, &tokens, 1, 4).unwrap();
    assert_eq!(half.dims(), tokens.dims());
    let whole = network.forward_stages(&f, &half, 4, network.stage_count()).unwrap();
    let at_once = network.forward_stages(&f, &x, 0, network.stage_count()).unwrap();
    assert!(flat(&whole) == flat(&at_once));
}

#[test]
fn features_come_from_the_class_token_or_from_the_patches() {
    let x = pictures(2, 224);
    for (cut, pooling, used, width) in [
        (None, None, Pooling::Token, 192),
        (None, Some(Pooling::AvgMax), Pooling::AvgMax, 384),
        (Some("blocks.2"), None, Pooling::Token, 192),
        (Some("blocks.0"), Some(Pooling::Max), Pooling::Max, 192),
        (Some("patch_embed"), None, Pooling::Avg, 192),
        (Some("patch_embed"), Some(Pooling::Flatten), Pooling::Flatten, 192 * 196),
    ] {
        let network = built("vit_tiny", cut, pooling, 3);
        assert_eq!((network.pooling(), network.feature_width()), (used, width), "{cut:?} {pooling:?}");
        let f = Forward::eval(&network.store);
        let tokens = network.forward_stages(&f, &x, 0, network.stage_count()).unwrap();
        assert_eq!(network.pool(&f, &tokens).unwrap().dims(), [2, width]);
        // A change of the class token alone shows only where it is read.
        let bump = Tensor::zeros(tokens.shape(), tokens.dtype(), &Device::Cpu).unwrap();
        let one = Tensor::arange(0f32, 192f32, &Device::Cpu).unwrap().reshape((1, 1, 1, 192)).unwrap();
        let ranges = [0..2, 0..1, 0..1, 0..192];
        let one = one.broadcast_as((2, 1, 1, 192)).unwrap();
        let bumped = (&tokens + bump.slice_assign(&ranges, &one).unwrap()).unwrap();
        let rows = |t: &Tensor| network.pool(&f, t).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(rows(&tokens) != rows(&bumped), used == Pooling::Token, "{cut:?} {pooling:?}");
    }
    let head = HeadConfig { pooling: Some(Pooling::Token), ..HeadConfig::default() };
    let e = Network::new(find("resnet18").unwrap(), None, &head, 2, 0, &Device::Cpu).unwrap_err();
    assert!(e.to_string().contains("ResNet-18 has no class token"), "{e}");
}

#[test]
fn the_normalisation_of_features_belongs_to_the_last_stage() {
    for (name, norm, last, before) in
        [("vit_tiny", "norm.weight", 12, "blocks.10"), ("convnext_tiny", "classifier.0.weight", 4, "stage3")]
    {
        let mut network = built(name, None, None, 2);
        let id = network.store.find(norm).unwrap();
        assert_eq!(network.stage_of(id), Some(last), "{name}");
        network.freeze_below(last);
        assert!(network.store.get(id).trainable);
        network.freeze_below(last + 1);
        assert!(!network.store.get(id).trainable);
        let mut cut = built(name, Some(before), None, 2);
        assert!(cut.store.find(norm).is_none());
        let report = load_into(&mut cut, &formula_weights(&network)).unwrap();
        assert!(report.beyond_cut.iter().any(|n| n == norm) && report.unexpected.is_empty(), "{report:?}");
    }
}

#[test]
fn convnext_pools_and_cuts_like_any_map() {
    let x = pictures(1, 64);
    for (cut, pooling, width) in [
        (None, Some(Pooling::AvgMax), 1536),
        (None, Some(Pooling::Flatten), 768 * 49),
        (Some("stem"), None, 96),
        (Some("stage2"), Some(Pooling::Max), 192),
    ] {
        let network = built("convnext_tiny", cut, pooling, 3);
        assert_eq!(network.feature_width(), width, "{cut:?} {pooling:?}");
        if pooling != Some(Pooling::Flatten) {
            let logits = network.forward(&Forward::eval(&network.store), &x).unwrap();
            assert_eq!(logits.dims(), [1, 3]);
        }
    }
}

#[test]
fn a_picture_of_another_size_is_refused_with_the_right_one() {
    let network = built("vit_tiny", None, None, 2);
    let e = network.forward(&Forward::eval(&network.store), &pictures(1, 64)).unwrap_err().to_string();
    assert!(e.contains("224 x 224") && e.contains("64 x 64"), "{e}");
}

#[test]
fn embeddings_and_scales_do_not_decay() {
    use headstart::nn::optim::ParamGroup;
    for name in ["vit_tiny", "convnext_tiny"] {
        let network = built(name, None, None, 2);
        let store = &network.store;
        for group in ParamGroup::split(store, &store.trainable_ids(), 1.0, 0.1) {
            for id in group.ids {
                let weight = matches!(store.get(id).kind, ParamKind::ConvWeight | ParamKind::LinearWeight);
                assert_eq!(group.weight_decay > 0.0, weight, "{}", store.get(id).name);
            }
        }
    }
}
