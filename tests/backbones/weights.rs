//! Weight files: formats, damage, names, and what is done with tensors that do not fit.
//! The `.pth` fixtures come from `tests/fixtures/backbones_golden.py`.

use super::support::{fixture, formula_weights, golden, pictures};
use candle_core::{DType, Device, Tensor};
use headstart::backbones::weights::{load_into, read_state_dict};
use headstart::backbones::{Network, StateDict, find};
use headstart::config::{HeadConfig, HeadKind, HeadOutput, Pooling};
use headstart::nn::layers::Forward;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

fn values(state: &StateDict, name: &str) -> Vec<f32> {
    state.tensors[name].flatten_all().unwrap().to_vec1().unwrap()
}

fn eighths(range: std::ops::Range<usize>) -> Vec<f32> {
    range.map(|i| i as f32 / 8.0 - 1.0).collect()
}

fn new_network(name: &str, classes: usize) -> Network {
    Network::new(find(name).unwrap(), None, &HeadConfig::default(), classes, 1, &Device::Cpu).unwrap()
}

fn holds_what_torch_saved(file: &str) {
    let state = read_state_dict(&fixture(file)).unwrap();
    assert_eq!(state.tensors.len(), 8, "without the counter of batches");
    assert_eq!(state.tensors["a"].dims(), [2, 3, 4]);
    assert_eq!(values(&state, "a"), eighths(0..24));
    assert_eq!(state.tensors["transposed"].dims(), [6, 4]);
    assert_eq!(values(&state, "transposed")[..5], [-1.0, -0.25, 0.5, 1.25, -0.875]);
    assert_eq!(values(&state, "tail"), eighths(20..24));
    assert_eq!(state.tensors["half"].dims(), [2, 3]);
    for name in ["half", "brain"] {
        assert_eq!(values(&state, name), eighths(0..6), "{name}");
    }
    assert_eq!(values(&state, "double"), eighths(0..3));
    assert_eq!(values(&state, "parameter"), eighths(0..2));
    assert_eq!(state.tensors["scalar"].rank(), 0);
    assert!(state.tensors.values().all(|t| t.dtype() == DType::F32));
}

#[test]
fn pytorch_files_are_read_with_types_strides_and_offsets() {
    holds_what_torch_saved("backbones_plain.pth");
}

#[test]
fn the_older_form_of_pytorch_files_is_read_too() {
    holds_what_torch_saved("backbones_legacy.pth");
}

#[test]
fn a_checkpoint_is_searched_for_its_state_dict_and_prefixes_are_taken_off() {
    holds_what_torch_saved("backbones_nested.pth");
}

#[test]
fn a_file_that_wants_to_run_something_is_refused_by_name() {
    let e = read_state_dict(&fixture("backbones_evil.pth")).unwrap_err().to_string();
    assert!(e.contains("posix.system") || e.contains("nt.system"), "{e}");
    let e = read_state_dict(&fixture("backbones_module.pth")).unwrap_err().to_string();
    assert!(e.contains("torch.nn.modules.linear.Linear") && e.contains("state_dict()"), "{e}");
}

fn write_safetensors(path: &Path, tensors: &[(&str, Tensor)]) {
    let tensors: HashMap<&str, Tensor> = tensors.iter().cloned().collect();
    candle_core::safetensors::save(&tensors, path).unwrap();
}

#[test]
fn safetensors_are_read_in_every_floating_type() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let base = Tensor::from_vec(eighths(0..6), (2, 3), &Device::Cpu).unwrap();
    let as_type = |t| base.to_dtype(t).unwrap();
    let counter = Tensor::zeros((), DType::I64, &Device::Cpu).unwrap();
    write_safetensors(
        &path,
        &[
            ("f32", base.clone()),
            ("f16", as_type(DType::F16)),
            ("bf16", as_type(DType::BF16)),
            ("f64", as_type(DType::F64)),
            ("bn.num_batches_tracked", counter),
        ],
    );
    let state = read_state_dict(&path).unwrap();
    assert_eq!(state.tensors.keys().collect::<Vec<_>>(), ["bf16", "f16", "f32", "f64"]);
    for name in ["f32", "f16", "bf16", "f64"] {
        assert_eq!((values(&state, name), state.tensors[name].dims()), (eighths(0..6), [2, 3].as_slice()));
    }
}

#[test]
fn a_file_of_another_sort_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pth");
    for (content, word) in [
        (&b""[..], "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (b"\x89HDF\r\n\x1a\n", "Keras"),
        (b"\x80\x04\x95rest", "pickle"),
        (b"PK\x03\x04 no archive", "damaged"),
        (b"some notes", "neither safetensors nor PyTorch"),
        (b"\xff\xff\xff\x00\x00\x00\x00\x00{}", "claims 16777215 bytes"),
    ] {
        std::fs::write(&path, content).unwrap();
        let e = read_state_dict(&path).unwrap_err();
        assert!(e.to_string().contains(word) && e.hint().is_some(), "{word}: {e}");
        assert_eq!(e.path(), Some(path.as_path()));
    }
    assert!(read_state_dict(folder.path()).is_err());
    assert!(read_state_dict(&folder.path().join("none")).is_err());
}

#[test]
fn places_that_overlap_or_overflow_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let entry = |name: &str, shape: &str, range: &str| {
        format!(r#""{name}":{{"dtype":"F32","shape":{shape},"data_offsets":{range}}}"#)
    };
    for header in [
        format!("{{{},{}}}", entry("a", "[2]", "[0,8]"), entry("b", "[2]", "[4,12]")),
        format!("{{{}}}", entry("a", "[4294967296,4294967296,4294967296]", "[0,8]")),
        format!("{{{}}}", entry("a", "[2]", "[8,0]")),
        format!("{{{}}}", entry("a", "[2]", "[0,18446744073709551615]")),
        format!("{{{}}}", entry("a", "[2]", "[8,16]")),
    ] {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&[0; 16]);
        std::fs::write(&path, bytes).unwrap();
        let e = read_state_dict(&path).unwrap_err().to_string();
        assert!(e.contains("safetensors header"), "{header}: {e}");
    }
}

fn snapshot(network: &Network) -> Vec<Vec<f32>> {
    network.store.iter().map(|(_, p)| p.var.flatten_all().unwrap().to_vec1().unwrap()).collect()
}

#[test]
fn a_published_file_leaves_its_head_behind_and_says_so() {
    let published =
        formula_weights(&Network::imagenet(find("squeezenet1_1").unwrap(), 0, &Device::Cpu).unwrap());
    let mut network = new_network("squeezenet1_1", 4);
    let report = load_into(&mut network, &published).unwrap();
    assert_eq!(report.dropped_head, ["classifier.1.bias", "classifier.1.weight"]);
    assert_eq!((report.loaded, report.missing.len(), report.unexpected.len()), (50, 0, 0));
    assert!(report.summary().contains("on purpose"), "{}", report.summary());

    let mut features = published.clone();
    features.tensors.retain(|name, _| name.starts_with("features."));
    let report = load_into(&mut network, &features).unwrap();
    assert_eq!((report.loaded, report.dropped_head.len(), report.missing.len()), (50, 0, 0));

    // In the published network the same file leaves the head missing, and that is said.
    let mut whole = Network::imagenet(find("squeezenet1_1").unwrap(), 0, &Device::Cpu).unwrap();
    assert_eq!(
        load_into(&mut whole, &features).unwrap().missing,
        ["classifier.1.weight", "classifier.1.bias"]
    );
    assert!(load_into(&mut whole, &published).unwrap().missing.is_empty());
}

#[test]
fn a_trained_network_comes_back_with_its_head() {
    let head = HeadConfig { kind: HeadKind::Hidden, hidden: vec![7], ..HeadConfig::default() };
    let spec = find("small_cnn").unwrap();
    let make = |seed| Network::new(spec, Some("block2"), &head, 3, seed, &Device::Cpu).unwrap();
    let (first, mut second) = (make(1), make(2));
    let saved = first.store.to_disk_layout().unwrap().into_iter().collect();
    let report = load_into(&mut second, &StateDict { path: PathBuf::new(), tensors: saved }).unwrap();
    assert_eq!(report.loaded, 14);
    assert_eq!(snapshot(&first), snapshot(&second));
}

#[test]
fn weights_of_another_network_name_the_right_one_and_change_nothing() {
    for (theirs, ours) in
        [("resnet18", "resnet34"), ("resnet34", "resnet18"), ("mobilenet_v2_050", "mobilenet_v2")]
    {
        let weights = formula_weights(&new_network(theirs, 1000));
        let mut network = new_network(ours, 2);
        let before = snapshot(&network);
        let e = load_into(&mut network, &weights).unwrap_err().to_string();
        assert!(e.contains(&format!("not of {ours}")) && e.contains(&format!("weights of {theirs}")), "{e}");
        assert!(before == snapshot(&network));
    }
}

#[test]
fn a_value_that_is_no_number_is_refused_and_changes_nothing() {
    let mut network = new_network("small_cnn", 2);
    let mut weights = formula_weights(&network);
    let bad = Tensor::from_vec(vec![f32::NAN; 128], 128, &Device::Cpu).unwrap();
    weights.tensors.insert("block4.bn2.bias".to_owned(), bad);
    let before = snapshot(&network);
    let e = load_into(&mut network, &weights).unwrap_err().to_string();
    assert!(e.contains("block4.bn2.bias") && e.contains("NaN"), "{e}");
    assert!(before == snapshot(&network));
}

#[test]
fn tensors_behind_a_cut_are_counted() {
    let spec = find("resnet18").unwrap();
    let weights = formula_weights(&new_network("resnet18", 1000));
    let mut cut = Network::new(spec, Some("layer3"), &HeadConfig::default(), 2, 0, &Device::Cpu).unwrap();
    let report = load_into(&mut cut, &weights).unwrap();
    assert_eq!((report.unexpected.len(), report.dropped_head.len()), (0, 2));
    assert!(!report.beyond_cut.is_empty() && report.beyond_cut.iter().all(|n| n.starts_with("layer4.")));
}

/// timm's file of the same network gives the same values in every parameter.
fn takes_timm_names(name: &str) {
    let mut network = new_network(name, 1000);
    let ours = formula_weights(&network);
    let mut theirs = BTreeMap::new();
    for pair in golden()["timm_names"][name].as_array().unwrap() {
        let (timm, torchvision) = (pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
        theirs.insert(timm.to_owned(), ours.tensors[torchvision].clone());
    }
    let report = load_into(&mut network, &StateDict { path: PathBuf::new(), tensors: theirs }).unwrap();
    assert_eq!(report.loaded, ours.tensors.len());
    assert_eq!(formula_weights(&network).tensors.len(), report.loaded);
    let id = network.store.iter().last().unwrap().0;
    let last = network.store.get(id);
    assert_eq!(last.var.to_vec1::<f32>().unwrap(), values(&ours, &last.name), "{}", last.name);
}

#[test]
fn timm_names_are_accepted() {
    takes_timm_names("mobilenet_v2");
    takes_timm_names("resnet18");
}

/// The shared folder of real weights, beside the repository or where `HEADSTART_SHARED` says.
fn shared(name: &str) -> PathBuf {
    let root = std::env::var_os("HEADSTART_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join("weights").join(name);
    assert!(path.exists(), "{} is not there", path.display());
    path
}

#[test]
#[ignore = "needs ../shared"]
fn real_weights_of_mobilenet_v2_load_completely() {
    let weights = read_state_dict(&shared("mobilenet_v2.safetensors")).unwrap();
    let mut network = Network::imagenet(find("mobilenet_v2").unwrap(), 0, &Device::Cpu).unwrap();
    let report = load_into(&mut network, &weights).unwrap();
    assert_eq!((report.loaded, report.missing.len(), report.unexpected.len()), (262, 0, 0));
    let logits = network.forward(&Forward::eval(&network.store), &pictures(1, 64)).unwrap();
    assert!(logits.to_vec2::<f32>().unwrap()[0].iter().all(|v| v.is_finite()));
}

#[test]
#[ignore = "needs ../shared"]
fn real_features_of_squeezenet_load_without_a_head() {
    let weights = read_state_dict(&shared("squeezenet1_1.safetensors")).unwrap();
    let mut network = new_network("squeezenet1_1", 2);
    let report = load_into(&mut network, &weights).unwrap();
    assert_eq!((report.loaded, report.missing.len(), report.unexpected.len()), (50, 0, 0));
    let e = load_into(&mut new_network("mobilenet_v2", 2), &weights).unwrap_err().to_string();
    assert!(e.contains("weights of squeezenet1_1"), "{e}");
}

#[test]
fn heads_fit_their_pooling_and_their_classes() {
    let spec = find("small_cnn").unwrap();
    let x = pictures(2, 64);
    for (pooling, width) in
        [(Pooling::Avg, 128), (Pooling::Max, 128), (Pooling::AvgMax, 256), (Pooling::Flatten, 128 * 16)]
    {
        let head = HeadConfig { pooling: Some(pooling), ..HeadConfig::default() };
        let network = Network::new(spec, None, &head, 5, 0, &Device::Cpu).unwrap();
        assert_eq!(network.feature_width(), width);
        let logits = network.forward(&Forward::eval(&network.store), &x).unwrap();
        assert_eq!(logits.dims(), [2, 5], "{pooling:?}");
    }
    let sigmoid = HeadConfig { output: HeadOutput::Sigmoid, ..HeadConfig::default() };
    let network = Network::new(spec, None, &sigmoid, 2, 0, &Device::Cpu).unwrap();
    assert_eq!(network.forward(&Forward::eval(&network.store), &x).unwrap().dims(), [2, 1]);
    let e = Network::new(spec, None, &sigmoid, 3, 0, &Device::Cpu).unwrap_err().to_string();
    assert!(e.contains("3 classes") && e.contains("exactly two"), "{e}");
}

#[test]
fn a_cut_network_is_the_beginning_of_the_whole_one() {
    let spec = find("squeezenet1_1").unwrap();
    let weights = formula_weights(&new_network("squeezenet1_1", 2));
    let mut whole = new_network("squeezenet1_1", 2);
    let mut cut = Network::new(spec, Some("fire4-5"), &HeadConfig::default(), 2, 0, &Device::Cpu).unwrap();
    load_into(&mut whole, &weights).unwrap();
    load_into(&mut cut, &weights).unwrap();
    assert_eq!((cut.stage_count(), cut.feature_width()), (3, 256));
    let x = pictures(1, 64);
    let a = cut.forward_stages(&Forward::eval(&cut.store), &x, 0, 3).unwrap();
    let b = whole.forward_stages(&Forward::eval(&whole.store), &x, 0, 3).unwrap();
    let b_again = whole.forward_stages(&Forward::eval(&whole.store), &x, 0, 1).unwrap();
    let b_again = whole.forward_stages(&Forward::eval(&whole.store), &b_again, 1, 3).unwrap();
    let flat = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (a, b, b_again) = (flat(a), flat(b), flat(b_again));
    assert!(a == b && b == b_again && a.iter().any(|v| *v > 0.0));
    let e = Network::new(spec, Some("layer9"), &HeadConfig::default(), 2, 0, &Device::Cpu).unwrap_err();
    assert!(e.to_string().contains("fire8-9"), "{e}");
}

#[test]
fn freezing_follows_the_stages_and_spares_the_head() {
    let mut network = new_network("mobilenet_v2", 3);
    network.freeze_below(17);
    for (id, param) in network.store.iter() {
        let learns = param.name.starts_with("features.17.")
            || param.name.starts_with("features.18.")
            || param.name.starts_with("classifier.");
        let statistic = param.name.contains(".running_");
        assert_eq!(param.trainable, learns && !statistic, "{}", param.name);
        assert_eq!(network.stage_of(id).is_none(), param.name.starts_with("classifier."));
    }
    network.freeze_below(0);
    assert!(network.store.iter().all(|(_, p)| p.trainable || p.name.contains(".running_")));
}

#[test]
fn vgg_does_without_its_hidden_layers_unless_it_flattens() {
    let spec = find("vgg16").unwrap();
    let head = HeadConfig { pooling: Some(Pooling::Max), ..HeadConfig::default() };
    let network = Network::new(spec, None, &head, 2, 0, &Device::Cpu).unwrap();
    assert_eq!((network.stage_names().last(), network.feature_width()), (Some(&"block5"), 512));
    let cut = Network::new(spec, Some("block2"), &HeadConfig::default(), 2, 0, &Device::Cpu).unwrap();
    assert_eq!((cut.pooling(), cut.feature_width()), (Pooling::Avg, 128));
}
