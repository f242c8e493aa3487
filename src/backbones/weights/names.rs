//! Names in weight files: wrappers' prefixes, other libraries' names.

use crate::backbones::spec::{Arch, BackboneSpec};
use crate::backbones::{convnext, efficientnet, mobilenet_v2, mobilenet_v3, vgg};
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

/// timm's and torchvision's names of a backbone's parameters, both ways.
#[derive(Debug)]
pub(crate) struct TimmNames {
    /// timm's name of a layer, or of a parameter of none, and torchvision's; those that both name alike are left out.
    layers: Vec<(String, String)>,
    /// torchvision's published file has a dot in the names of a dense layer's parts that its network has not.
    dotted: bool,
}

impl TimmNames {
    pub(crate) fn of(spec: &BackboneSpec) -> Self {
        let layers = match spec.arch {
            Arch::Vgg { .. } => vgg::timm_layers(),
            Arch::MobileNetV2 { .. } => mobilenet_v2::timm_layers(),
            Arch::MobileNetV3 { small } => mobilenet_v3::timm_layers(small),
            Arch::EfficientNetB0 => efficientnet::timm_layers(),
            Arch::ConvNextTiny => convnext::timm_layers(),
            // timm kept torchvision's names for its resnets and densenets, gave vision transformers theirs, and has neither of
            // the others.
            Arch::ResNet { .. }
            | Arch::DenseNet { .. }
            | Arch::SqueezeNet
            | Arch::SmallCnn
            | Arch::Vit { .. } => Vec::new(),
        };
        Self { layers, dotted: matches!(spec.arch, Arch::DenseNet { .. }) }
    }

    /// torchvision's name for a tensor that may carry timm's.
    pub(crate) fn to_torchvision(&self, name: &str) -> String {
        if self.dotted {
            return densenet_from_published(name).unwrap_or_else(|| name.to_owned());
        }
        self.renamed(name, |(timm, torchvision)| (timm, torchvision))
    }

    /// timm's name for a tensor that carries torchvision's.
    pub(crate) fn to_timm(&self, name: &str) -> String {
        self.renamed(name, |(timm, torchvision)| (torchvision, timm))
    }

    fn renamed(&self, name: &str, from_to: fn(&(String, String)) -> (&String, &String)) -> String {
        let (layer, leaf) = name.rsplit_once('.').unwrap_or((name, ""));
        match self.layers.iter().map(from_to).find(|(from, _)| *from == layer || *from == name) {
            Some((from, to)) if from == name => to.clone(),
            Some((_, to)) => format!("{to}.{leaf}"),
            None => name.to_owned(),
        }
    }
}

/// `norm.1` of a dense layer is `norm1`, and so on; timm kept the network's names.
fn densenet_from_published(name: &str) -> Option<String> {
    let (block, part) = name.split_once(".denselayer")?;
    let undotted =
        ["norm.1.", "norm.2.", "conv.1.", "conv.2."].into_iter().find(|dotted| part.contains(dotted))?;
    let part = part.replacen(undotted, &undotted.replacen('.', "", 1), 1);
    Some(format!("{block}.denselayer{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones::{find, registry};
    use candle_core::Device;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_those_of_timm_and_torchvision() {
        let golden = include_str!("../../../tests/fixtures/backbones_golden.json");
        let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
        for (backbone, pairs) in golden["timm_names"].as_object().unwrap() {
            let names = TimmNames::of(find(backbone).unwrap());
            for pair in pairs.as_array().unwrap() {
                let (timm, torchvision) = (pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
                assert_eq!(names.to_torchvision(timm), torchvision, "{backbone}");
                assert_eq!(names.to_timm(torchvision), timm, "{backbone}");
            }
        }
    }

    #[test]
    fn every_parameter_goes_to_timm_and_back() {
        for spec in registry() {
            let names = TimmNames::of(spec);
            let head = ["weight", "bias"].map(|leaf| format!("{}.{leaf}", spec.head_name()));
            let ours: Vec<String> = spec.backbone_params().into_iter().map(|p| p.name).chain(head).collect();
            let theirs: BTreeSet<String> = ours.iter().map(|name| names.to_timm(name)).collect();
            assert_eq!(theirs.len(), ours.len(), "{}: two parameters got one name", spec.name);
            for name in &ours {
                assert_eq!(names.to_torchvision(&names.to_timm(name)), *name, "{}", spec.name);
                // A file with torchvision's own names is read as it is.
                assert_eq!(names.to_torchvision(name), *name, "{}", spec.name);
            }
            for (timm, torchvision) in &names.layers {
                let used = ours
                    .iter()
                    .any(|name| name == torchvision || name.starts_with(&format!("{torchvision}.")));
                assert!(used, "{}: there is no layer {torchvision} for {timm}", spec.name);
            }
        }
    }

    #[test]
    fn strange_names_are_left_as_they_are() {
        let names = TimmNames::of(find("mobilenet_v2").unwrap());
        for other in
            ["blocks.9.0.bn1.bias", "blocks.0.0.bn3.bias", "blocks.1.2.bn1.bias", "blocks.1", "x", ""]
        {
            assert_eq!((names.to_torchvision(other), names.to_timm(other)), (other.into(), other.into()));
        }
    }

    #[test]
    fn the_published_names_of_densenet_are_those_of_the_network() {
        for (file, network) in [
            (
                "features.denseblock1.denselayer12.norm.1.weight",
                "features.denseblock1.denselayer12.norm1.weight",
            ),
            (
                "features.denseblock4.denselayer2.conv.2.weight",
                "features.denseblock4.denselayer2.conv2.weight",
            ),
        ] {
            assert_eq!(densenet_from_published(file).unwrap(), network);
            assert_eq!(densenet_from_published(network), None);
        }
        assert_eq!(densenet_from_published("features.transition1.norm.weight"), None);
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
