//! timm's form of a model: its parameter names and the `pretrained_cfg` of its `config.json`.
//!
//! Reference: timm 1.0, `timm/models/mobilenetv2`, `vgg.py`, `resnet.py` and `_hub.py`.

use crate::backbones::{BackboneSpec, Network};
use crate::config::{HeadConfig, HeadKind, HeadOutput, Interpolation, Preprocess};
use crate::error::Result;
use candle_core::Tensor;
use serde_json::{Value, json};

/// Blocks of MobileNetV2's seven groups that come before each group.
const MOBILENET_V2_BLOCKS_BEFORE: [usize; 7] = [0, 1, 3, 6, 10, 13, 16];

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
    let family = spec.name;
    tensors
        .into_iter()
        .map(|(name, tensor)| {
            let new = if family.starts_with("mobilenet_v2") {
                mobilenet_v2(&name)
            } else if family.starts_with("vgg") {
                vgg(&name)
            } else {
                None
            };
            let tensor = match new.as_deref() {
                // timm's hidden layers of VGG are convolutions over the 7 x 7 map.
                Some("pre_logits.fc1.weight") => {
                    let (out, inputs) = tensor.dims2()?;
                    tensor.reshape((out, inputs / 49, 7, 7))?
                }
                Some("pre_logits.fc2.weight") => {
                    let (out, inputs) = tensor.dims2()?;
                    tensor.reshape((out, inputs, 1, 1))?
                }
                _ => tensor,
            };
            Ok((new.unwrap_or(name), tensor))
        })
        .collect()
}

/// Name of the last layer, for `pretrained_cfg`.
fn classifier_name(spec: &BackboneSpec) -> &'static str {
    match spec.name {
        n if n.starts_with("resnet") => "fc",
        n if n.starts_with("vgg") => "head.fc",
        _ => "classifier",
    }
}

fn first_convolution(spec: &BackboneSpec) -> &'static str {
    match spec.name {
        n if n.starts_with("resnet") => "conv1",
        n if n.starts_with("mobilenet_v2") => "conv_stem",
        _ => "features.0",
    }
}

/// `pretrained_cfg`: how pictures are prepared.
pub(crate) fn pretrained_cfg(spec: &BackboneSpec, p: &Preprocess, num_classes: usize) -> Value {
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
        "pool_size": [p.crop_px.div_ceil(32), p.crop_px.div_ceil(32)],
        "first_conv": first_convolution(spec),
        "classifier": classifier_name(spec),
    })
}

/// The shortest decimal that is this number in f32: 0.485 rather than 0.48500001430511475.
fn decimal(v: f32) -> f64 {
    v.to_string().parse().unwrap_or(f64::from(v))
}

fn vgg(name: &str) -> Option<String> {
    let (layer, leaf) = name.rsplit_once('.')?;
    let new = match layer {
        "classifier.0" => "pre_logits.fc1",
        "classifier.3" => "pre_logits.fc2",
        "classifier.6" => "head.fc",
        _ => return None,
    };
    Some(format!("{new}.{leaf}"))
}

fn mobilenet_v2(name: &str) -> Option<String> {
    let (layer, leaf) = name.rsplit_once('.')?;
    let new = match layer {
        "features.0.0" => "conv_stem".to_owned(),
        "features.0.1" => "bn1".to_owned(),
        "features.18.0" => "conv_head".to_owned(),
        "features.18.1" => "bn2".to_owned(),
        "classifier.1" => "classifier".to_owned(),
        _ => {
            let (feature, place) = layer.strip_prefix("features.")?.split_once(".conv.")?;
            let index = feature.parse::<usize>().ok()?.checked_sub(1)?;
            let group = MOBILENET_V2_BLOCKS_BEFORE.iter().rposition(|&before| before <= index)?;
            let block = index - MOBILENET_V2_BLOCKS_BEFORE[group];
            // The first group has no expansion.
            let part = match (group, place) {
                (0, "0.0") => "conv_dw",
                (0, "0.1") => "bn1",
                (0, "1") => "conv_pw",
                (0, "2") => "bn2",
                (_, "0.0") => "conv_pw",
                (_, "0.1") => "bn1",
                (_, "1.0") => "conv_dw",
                (_, "1.1") => "bn2",
                (_, "2") => "conv_pwl",
                (_, "3") => "bn3",
                _ => return None,
            };
            format!("blocks.{group}.{block}.{part}")
        }
    };
    Some(format!("{new}.{leaf}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_timms() {
        for (ours, timm) in [
            ("features.0.0.weight", "conv_stem.weight"),
            ("features.1.conv.0.0.weight", "blocks.0.0.conv_dw.weight"),
            ("features.1.conv.2.running_mean", "blocks.0.0.bn2.running_mean"),
            ("features.2.conv.0.1.bias", "blocks.1.0.bn1.bias"),
            ("features.3.conv.2.weight", "blocks.1.1.conv_pwl.weight"),
            ("features.17.conv.3.weight", "blocks.6.0.bn3.weight"),
            ("features.18.1.running_var", "bn2.running_var"),
            ("classifier.1.bias", "classifier.bias"),
        ] {
            assert_eq!(mobilenet_v2(ours).unwrap(), timm);
        }
        assert_eq!(vgg("classifier.6.weight").unwrap(), "head.fc.weight");
        assert_eq!(vgg("features.0.weight"), None);
    }

    #[test]
    fn numbers_are_written_as_people_know_them() {
        assert_eq!([0.485f32, 0.456].map(decimal), [0.485, 0.456]);
    }
}
