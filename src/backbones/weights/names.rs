//! Names in weight files: wrappers' prefixes, other libraries' names.

use super::super::spec::{Arch, BackboneSpec};
use candle_core::Tensor;
use std::collections::BTreeMap;

/// Prefixes that wrappers put before every name: `DataParallel`, `torch.compile`, Lightning modules.
const WRAPPER_PREFIXES: [&str; 4] = ["module.", "_orig_mod.", "model.", "backbone."];

/// Whether a tensor is batch normalisation's count of batches, which nothing here uses.
pub(super) fn is_counter(name: &str) -> bool {
    name == "num_batches_tracked" || name.ends_with(".num_batches_tracked")
}

/// Takes off prefixes that every name carries.
pub(super) fn strip_wrappers(mut tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    loop {
        let shared = WRAPPER_PREFIXES
            .iter()
            .find(|p| !tensors.is_empty() && tensors.keys().all(|k| k.starts_with(*p)));
        let Some(prefix) = shared else { return tensors };
        tensors = tensors.into_iter().map(|(k, v)| (k[prefix.len()..].to_owned(), v)).collect();
    }
}

/// torchvision's name for a tensor that may carry timm's.
pub(super) fn to_torchvision(spec: &BackboneSpec, name: &str) -> String {
    let mapped = match spec.arch {
        Arch::Vgg { .. } => vgg_from_timm(name),
        Arch::MobileNetV2 { .. } => mobilenet_v2_from_timm(name),
        // timm kept torchvision's names for its resnets, and has no squeezenet.
        Arch::ResNet { .. } | Arch::SqueezeNet | Arch::SmallCnn => None,
    };
    mapped.unwrap_or_else(|| name.to_owned())
}

fn vgg_from_timm(name: &str) -> Option<String> {
    let (layer, leaf) = name.rsplit_once('.')?;
    let index = match layer {
        "pre_logits.fc1" => 0,
        "pre_logits.fc2" => 3,
        "head.fc" => 6,
        _ => return None,
    };
    Some(format!("classifier.{index}.{leaf}"))
}

/// Blocks of MobileNetV2's seven groups that come before each group.
const MOBILENET_V2_BLOCKS_BEFORE: [usize; 7] = [0, 1, 3, 6, 10, 13, 16];

fn mobilenet_v2_from_timm(name: &str) -> Option<String> {
    let (layer, leaf) = name.rsplit_once('.')?;
    match layer {
        "conv_stem" => return Some(format!("features.0.0.{leaf}")),
        "bn1" => return Some(format!("features.0.1.{leaf}")),
        "conv_head" => return Some(format!("features.18.0.{leaf}")),
        "bn2" => return Some(format!("features.18.1.{leaf}")),
        "classifier" => return Some(format!("classifier.1.{leaf}")),
        _ => {}
    }
    let mut parts = layer.strip_prefix("blocks.")?.split('.');
    let group: usize = parts.next()?.parse().ok()?;
    let block: usize = parts.next()?.parse().ok()?;
    let part = parts.next()?;
    if parts.next().is_some() {
        return None;
    }
    let feature = MOBILENET_V2_BLOCKS_BEFORE.get(group)?.checked_add(block)?.checked_add(1)?;
    // The first group has no expansion, so its parts sit one place earlier.
    let place = match (group, part) {
        (0, "conv_dw") => "0.0",
        (0, "bn1") => "0.1",
        (0, "conv_pw") => "1",
        (0, "bn2") => "2",
        (0, _) => return None,
        (_, "conv_pw") => "0.0",
        (_, "bn1") => "0.1",
        (_, "conv_dw") => "1.0",
        (_, "bn2") => "1.1",
        (_, "conv_pwl") => "2",
        (_, "bn3") => "3",
        _ => return None,
    };
    Some(format!("features.{feature}.conv.{place}.{leaf}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn timm_names_of_mobilenet_v2_are_torchvisions() {
        for (timm, torchvision) in [
            ("conv_stem.weight", "features.0.0.weight"),
            ("blocks.0.0.conv_pw.weight", "features.1.conv.1.weight"),
            ("blocks.1.0.bn3.running_var", "features.2.conv.3.running_var"),
            ("blocks.6.0.conv_dw.weight", "features.17.conv.1.0.weight"),
            ("bn2.bias", "features.18.1.bias"),
            ("classifier.weight", "classifier.1.weight"),
        ] {
            assert_eq!(mobilenet_v2_from_timm(timm).unwrap(), torchvision);
        }
        for other in ["blocks.9.0.bn1.bias", "blocks.0.0.bn3.bias", "blocks.1", "features.0.0.weight"] {
            assert_eq!(mobilenet_v2_from_timm(other), None);
        }
    }

    #[test]
    fn wrappers_are_taken_off_only_where_all_names_have_them() {
        let t = Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu).unwrap();
        let dict =
            |names: &[&str]| names.iter().map(|n| ((*n).to_owned(), t.clone())).collect::<BTreeMap<_, _>>();
        let names = |d: BTreeMap<String, Tensor>| d.into_keys().collect::<Vec<_>>();
        assert_eq!(names(strip_wrappers(dict(&["module.model.a.b", "module.model.c"]))), ["a.b", "c"]);
        assert_eq!(names(strip_wrappers(dict(&["module.a", "b"]))), ["b", "module.a"]);
    }
}
