//! timm's form of a model: the shapes of its parameters and its `config.json`, both ways.
//!
//! Reference: timm 1.0, `efficientnet.py` (mobilenetv2 too), `mobilenetv3.py`, `densenet.py`, `vgg.py`, `convnext.py`,
//! `vision_transformer.py`, `_hub.py`, and for the preparation of pictures `data/config.py` and `data/transforms_factory.py`.

use super::Bundle;
use crate::backbones::weights::TimmNames;
use crate::backbones::{BackboneSpec, Network, find, imagenet};
use crate::config::{HeadConfig, HeadKind, HeadOutput, Interpolation, Preprocess};
use crate::error::{Error, Result};
use crate::nn::params::ParamKind;
use candle_core::Tensor;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// timm's architecture for this network, where timm can build the very same: the whole backbone with its published pooling
/// and one linear layer with one output a class.
pub(crate) fn architecture(network: &Network, head: &HeadConfig, cut: Option<&str>) -> Option<&'static str> {
    let same = cut.is_none()
        && head.kind == HeadKind::Linear
        && head.output == HeadOutput::Softmax
        && network.pooling() == network.spec.pooling;
    network.spec.timm_name.filter(|_| same)
}

/// Parameters in the disk layout under timm's names and shapes.
///
/// # Errors
/// If a tensor cannot be reshaped.
pub(crate) fn rename(spec: &BackboneSpec, tensors: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>> {
    let names = TimmNames::of(spec);
    tensors
        .into_iter()
        .map(|(name, tensor)| {
            let name = names.to_timm(&name);
            let tensor = match name.as_str() {
                // timm's hidden layer of MobileNetV3 is a convolution of one pixel.
                "conv_head.weight" if tensor.rank() == 2 => tensor.unsqueeze(2)?.unsqueeze(3)?,
                timm if timm.ends_with("running_var") => tensor.affine(1.0, spec.timm_variance_offset())?,
                // timm's hidden layers of VGG are convolutions over the 7 x 7 map.
                "pre_logits.fc1.weight" => {
                    let (out, inputs) = tensor.dims2()?;
                    tensor.reshape((out, inputs / 49, 7, 7))?
                }
                "pre_logits.fc2.weight" => {
                    let (out, inputs) = tensor.dims2()?;
                    tensor.reshape((out, inputs, 1, 1))?
                }
                timm if timm.ends_with(".gamma") => tensor.flatten_all()?,
                _ => tensor,
            };
            Ok((name, tensor))
        })
        .collect()
}

/// `pretrained_cfg`: how pictures are prepared, and which layers are the first and the last.
pub(crate) fn pretrained_cfg(network: &Network, p: &Preprocess, num_classes: usize) -> Value {
    let names = TimmNames::of(network.spec);
    let layer = |name: &str| {
        let name = names.to_timm(name);
        name.rsplit_once('.').map(|(layer, _)| layer.to_owned()).unwrap_or(name)
    };
    let first_conv = network.store.iter().map(|(_, p)| p).find(|p| p.kind == ParamKind::ConvWeight);
    json!({
        "input_size": [3, p.crop_px, p.crop_px],
        "interpolation": match p.interpolation {
            Interpolation::Bilinear => "bilinear",
            Interpolation::Bicubic => "bicubic",
        },
        "crop_pct": p.crop_px as f64 / p.resize_px as f64,
        "crop_mode": "center",
        "mean": p.mean.map(decimal),
        "std": p.std.map(decimal),
        "num_classes": num_classes,
        "fixed_input_size": network.spec.has_class_token(),
        "pool_size": (!network.spec.has_class_token()).then(|| [p.crop_px.div_ceil(32); 2]),
        "first_conv": first_conv.map(|first| layer(&first.name)),
        "classifier": network.store.iter().last().map(|(_, last)| layer(&last.name)),
    })
}

/// The shortest decimal that is this number in f32: 0.485 rather than 0.48500001430511475.
fn decimal(v: f32) -> f64 {
    v.to_string().parse().unwrap_or(f64::from(v))
}

/// A model that timm saved, from its `config.json`. What `pretrained_cfg` leaves out is as published for the backbone.
///
/// # Errors
/// If the architecture is not registered, it is changed (`model_args`, `global_pool`), its classes have no names, or pictures
/// are prepared in a way that is not known here.
pub(crate) fn read_config(config: &Value) -> Result<(&'static BackboneSpec, Bundle)> {
    let Some(architecture) = optional::<String>(config, "architecture")? else {
        return Err(unknown("has no `architecture`")
            .with_hint("A model is a folder that Headstart exported or timm saved"));
    };
    let spec = find(&architecture)?;
    if let Some(args) = config.get("model_args").and_then(Value::as_object)
        && let Some((key, value)) = args.iter().find(|(key, value)| changes(key, value))
    {
        return Err(unknown(&format!("changes {architecture} with `{key}` = {value} (`model_args`)"))
            .with_hint("Only unchanged networks can be opened"));
    }
    let pool = optional::<String>(config, "global_pool")?.unwrap_or_else(|| "avg".to_owned());
    if pool != "avg" {
        return Err(unknown(&format!("pools with `{pool}` (`global_pool`), and only `avg` is known")));
    }
    let classes = class_names(config)?;
    let preprocess = read_preprocess(&spec.preprocess, config.get("pretrained_cfg").unwrap_or(&Value::Null))?;
    Ok((spec, Bundle { classes, head: HeadConfig::default(), cut_stage: None, preprocess }))
}

/// Whether an argument makes another network of an architecture than the one that is built here.
fn changes(key: &str, value: &Value) -> bool {
    match key {
        "num_classes" | "drop_rate" | "drop_path_rate" => false,
        "in_chans" => *value != json!(3),
        "global_pool" => *value != json!("avg"),
        _ => true,
    }
}

fn unknown(what: &str) -> Error {
    Error::input(format!("the model's description {what}"))
}

/// The value of a key; none where it is missing or null.
fn optional<T: DeserializeOwned>(table: &Value, key: &str) -> Result<Option<T>> {
    match table.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => serde_json::from_value(value.clone())
            .map(Some)
            .map_err(|e| unknown(&format!("has a `{key}` that cannot be read ({e})"))),
    }
}

/// `label_names`; a thousand classes without names are ImageNet's, as timm takes them to be.
fn class_names(config: &Value) -> Result<Vec<String>> {
    let count: Option<usize> = optional(config, "num_classes")?;
    let names: Option<Vec<String>> = optional(config, "label_names")?;
    match (names, count) {
        (Some(names), count) if count.is_none_or(|n| n == names.len()) => Ok(names),
        (Some(names), _) => {
            Err(unknown(&format!("has {} `label_names` for {} classes", names.len(), count.unwrap_or(0))))
        }
        (None, Some(imagenet::CLASSES)) => Ok(imagenet::class_names()),
        (None, _) => Err(unknown("has no `label_names`: what the classes are is not known")
            .with_hint("Add the list of class names to it as `label_names`, in the order of the outputs")),
    }
}

fn read_preprocess(published: &Preprocess, cfg: &Value) -> Result<Preprocess> {
    let crop_px = match optional::<[usize; 3]>(cfg, "input_size")? {
        None => published.crop_px,
        Some([3, h, w]) if h == w => h,
        Some(size) => return Err(unknown(&format!("has pictures of {size:?}, and only [3, n, n] is known"))),
    };
    let published_share = published.crop_px as f64 / published.resize_px as f64;
    let share = optional::<f64>(cfg, "crop_pct")?.unwrap_or(published_share);
    let interpolation = match optional::<String>(cfg, "interpolation")?.as_deref() {
        None => published.interpolation,
        Some("bilinear") => Interpolation::Bilinear,
        Some("bicubic") => Interpolation::Bicubic,
        Some(other) => {
            return Err(unknown(&format!(
                "resizes with `{other}`, and only `bilinear` and `bicubic` are known"
            )));
        }
    };
    if let Some(mode) = optional::<String>(cfg, "crop_mode")?.filter(|mode| mode != "center") {
        return Err(unknown(&format!("cuts pictures in mode `{mode}`, and only `center` is known")));
    }
    Ok(Preprocess {
        resize_px: (crop_px as f64 / share).floor() as usize,
        crop_px,
        interpolation,
        mean: optional(cfg, "mean")?.unwrap_or(published.mean),
        std: optional(cfg, "std")?.unwrap_or(published.std),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use std::collections::BTreeMap;

    #[test]
    fn the_first_and_the_last_layer_are_named_as_timm_names_them() {
        for (backbone, first, last) in [
            ("resnet18", "conv1", "fc"),
            ("mobilenet_v2_050", "conv_stem", "classifier"),
            ("squeezenet1_1", "features.0", "classifier.1"),
        ] {
            let spec = find(backbone).unwrap();
            let head = HeadConfig::default();
            let network = Network::new(spec, None, &head, 3, 0, &Device::Cpu).unwrap();
            let cfg = pretrained_cfg(&network, &spec.preprocess, 3);
            assert_eq!((cfg["first_conv"].as_str(), cfg["classifier"].as_str()), (Some(first), Some(last)));
        }
    }

    #[test]
    fn whole_networks_get_timms_names_shapes_and_variances() {
        let golden: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/backbones_cnn_golden.json")).unwrap();
        let networks = golden["timm_layers"].as_object().unwrap();
        assert!(networks.len() >= 4);
        for (name, layers) in networks {
            let network = Network::imagenet(find(name).unwrap(), 0, &Device::Cpu).unwrap();
            let layers: Vec<(String, String)> = serde_json::from_value(layers.clone()).unwrap();
            let layers: BTreeMap<_, _> = layers.into_iter().map(|(timm, ours)| (ours, timm)).collect();
            let tensors = network.store.to_disk_layout().unwrap();
            let renamed = rename(network.spec, tensors.clone()).unwrap();
            for ((ours, before), (theirs, after)) in tensors.iter().zip(&renamed) {
                let (layer, leaf) = ours.rsplit_once('.').unwrap();
                let layer = layers.get(layer).map_or(layer, String::as_str);
                assert_eq!(*theirs, format!("{layer}.{leaf}"), "{name}");
                let shape = match &golden["timm_shapes"][name][theirs] {
                    Value::Null => before.dims().to_vec(),
                    shape => serde_json::from_value(shape.clone()).unwrap(),
                };
                assert_eq!(after.dims(), shape, "{name} {theirs}");
            }
            // A fresh variance is 1, to which timm's MobileNetV3 adds 1e-5 and torchvision's 1e-3.
            let want = if name.starts_with("mobilenet_v3") { 1.0 + 1e-3 - 1e-5 } else { 1.0f64 };
            for (n, t) in renamed.iter().filter(|(n, _)| n.ends_with("running_var")) {
                let off = |v: &f32| (f64::from(*v) - want).abs() > 1e-7;
                assert!(!t.to_vec1::<f32>().unwrap().iter().any(off), "{name} {n}");
            }
        }
    }

    #[test]
    fn numbers_are_written_as_people_know_them() {
        assert_eq!([0.485f32, 0.456].map(decimal), [0.485, 0.456]);
    }

    /// timm's own file of a mobilenetv2_050 with three classes.
    fn saved() -> Value {
        serde_json::from_str(include_str!("../../tests/fixtures/export_timm_config.json")).unwrap()
    }

    #[test]
    fn what_timm_saved_is_understood() {
        let (spec, bundle) = read_config(&saved()).unwrap();
        assert_eq!((spec.name, bundle.classes.len()), ("mobilenet_v2_050", 3));
        assert_eq!(bundle.classes[2], "third");
        assert_eq!(bundle.head, HeadConfig::default());
        assert_eq!(bundle.preprocess, spec.preprocess);
        let mut other = saved();
        other["pretrained_cfg"]["input_size"] = json!([3, 288, 288]);
        other["pretrained_cfg"]["crop_pct"] = json!(0.95);
        other["pretrained_cfg"]["mean"] = json!([0.5, 0.5, 0.5]);
        let p = read_config(&other).unwrap().1.preprocess;
        assert_eq!((p.resize_px, p.crop_px, p.mean), (303, 288, [0.5; 3]));
        let bare = json!({"architecture": "resnet18", "num_classes": 1000});
        let (spec, bundle) = read_config(&bare).unwrap();
        assert_eq!(bundle.preprocess, spec.preprocess);
        assert_eq!(bundle.classes[0], "tench");
    }

    #[test]
    fn what_cannot_be_opened_says_what_is_missing() {
        let change = |change: fn(&mut Value)| {
            let mut config = saved();
            change(&mut config);
            read_config(&config).unwrap_err().to_string()
        };
        type Edit = fn(&mut Value);
        let cases: [(Edit, &str); 12] = [
            (|c| c["architecture"] = Value::Null, "has no `architecture`"),
            (
                |c| c["architecture"] = json!("vit_giant_patch14_224"),
                "no backbone called `vit_giant_patch14_224`",
            ),
            (|c| c["architecture"] = json!(18), "`architecture` that cannot be read"),
            (|c| c["model_args"]["in_chans"] = json!(1), "changes mobilenetv2_050 with `in_chans` = 1"),
            (|c| c["model_args"]["output_stride"] = json!(16), "`output_stride` = 16"),
            (|c| c["global_pool"] = json!("max"), "pools with `max`"),
            (|c| c["label_names"] = Value::Null, "has no `label_names`"),
            (|c| c["num_classes"] = json!(4), "3 `label_names` for 4 classes"),
            (|c| c["pretrained_cfg"]["input_size"] = json!([3, 224, 160]), "[3, 224, 160]"),
            (|c| c["pretrained_cfg"]["input_size"] = json!([1, 28, 28]), "[1, 28, 28]"),
            (|c| c["pretrained_cfg"]["interpolation"] = json!("lanczos"), "resizes with `lanczos`"),
            (|c| c["pretrained_cfg"]["crop_mode"] = json!("squash"), "mode `squash`"),
        ];
        for (edit, why) in cases {
            let e = change(edit);
            assert!(e.contains(why), "{e}");
        }
    }
}
