//! timm's form of a model: the shapes of its parameters and the `pretrained_cfg` of its `config.json`.
//!
//! Reference: timm 1.0, `vgg.py` and `_hub.py`.

use crate::backbones::weights::TimmNames;
use crate::backbones::{BackboneSpec, Network};
use crate::config::{HeadConfig, HeadKind, HeadOutput, Interpolation, Preprocess};
use crate::error::Result;
use candle_core::Tensor;
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
                // timm's hidden layers of VGG are convolutions over the 7 x 7 map.
                "pre_logits.fc1.weight" => {
                    let (out, inputs) = tensor.dims2()?;
                    tensor.reshape((out, inputs / 49, 7, 7))?
                }
                "pre_logits.fc2.weight" => {
                    let (out, inputs) = tensor.dims2()?;
                    tensor.reshape((out, inputs, 1, 1))?
                }
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
        "first_conv": network.store.iter().next().map(|(_, first)| layer(&first.name)),
        "classifier": network.store.iter().last().map(|(_, last)| layer(&last.name)),
    })
}

/// The shortest decimal that is this number in f32: 0.485 rather than 0.48500001430511475.
fn decimal(v: f32) -> f64 {
    v.to_string().parse().unwrap_or(f64::from(v))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_layer_are_named_as_timm_names_them() {
        for (backbone, first, last) in [
            ("resnet18", "conv1", "fc"),
            ("mobilenet_v2_050", "conv_stem", "classifier"),
            ("squeezenet1_1", "features.0", "classifier.1"),
        ] {
            let spec = crate::backbones::find(backbone).unwrap();
            let head = HeadConfig::default();
            let network = Network::new(spec, None, &head, 3, 0, &candle_core::Device::Cpu).unwrap();
            let cfg = pretrained_cfg(&network, &spec.preprocess, 3);
            assert_eq!((cfg["first_conv"].as_str(), cfg["classifier"].as_str()), (Some(first), Some(last)));
        }
    }

    #[test]
    fn numbers_are_written_as_people_know_them() {
        assert_eq!([0.485f32, 0.456].map(decimal), [0.485, 0.456]);
    }
}
