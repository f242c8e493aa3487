//! The bundle: `model.safetensors`, `config.json` in timm's form and `README.md`, in one folder.
//!
//! `config.json` has timm's keys (`architecture`, `num_classes`, `num_features`, `label_names`, `pretrained_cfg`) and a
//! `headstart` table with what timm has no key for: the head, the cut, the exact preparation of pictures. Where timm can build
//! the same network the tensors carry timm's names and `timm.create_model("local-dir:…", pretrained=True)` opens the folder.

use super::atomic;
use super::card::{self, Card, Model};
use super::timm;
use crate::backbones::weights::{load_into, read_state_dict};
use crate::backbones::{BackboneSpec, Network, find};
use crate::config::{HeadConfig, Preprocess};
use crate::error::{Error, ErrorKind, Result, place_in_json};
use candle_core::Device;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Name of the file of weights.
pub(crate) const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";
const CARD: &str = "README.md";
/// A run keeps its bundle here.
const RUN_MODEL: &str = "model";
const VERSION: u32 = 1;

/// What a bundle holds besides the network's weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// Class names, in the order of the outputs.
    pub classes: Vec<String>,
    /// What is on top of the backbone.
    pub head: HeadConfig,
    /// The last stage that is used; all of them without it.
    pub cut_stage: Option<String>,
    /// How pictures are prepared.
    pub preprocess: Preprocess,
}

/// The `headstart` table of `config.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Own {
    version: u32,
    backbone: String,
    cut_stage: Option<String>,
    head: HeadConfig,
    preprocess: Preprocess,
}

/// Writes a bundle to `dir`, replacing one that is there; a failure leaves the old one.
///
/// # Errors
/// If the folder cannot be written.
pub fn write_bundle(dir: &Path, network: &Network, bundle: &Bundle, card: &Card) -> Result<()> {
    let cut = bundle.cut_stage.as_deref();
    let timm_name = timm::architecture(network, &bundle.head, cut);
    let num_classes = bundle.classes.len();
    let own = Own {
        version: VERSION,
        backbone: network.spec.name.to_owned(),
        cut_stage: bundle.cut_stage.clone(),
        head: bundle.head.clone(),
        preprocess: bundle.preprocess,
    };
    let config = json!({
        "architecture": timm_name.unwrap_or(network.spec.name),
        "num_classes": num_classes,
        "num_features": network.feature_width(),
        "label_names": bundle.classes,
        "pretrained_cfg": timm::pretrained_cfg(network, &bundle.preprocess, num_classes),
        "headstart": own,
    });
    let model = Model {
        title: network.spec.title,
        classes: &bundle.classes,
        licences: network.spec.sources.iter().map(|s| (s.place, s.licence)).collect(),
        timm: timm_name.is_some(),
        side: bundle.preprocess.crop_px,
    };
    let config = serde_json::to_string_pretty(&config)
        .map_err(|e| Error::internal(format!("could not write the model's description ({e})")))?;
    let weights = weight_bytes(network, timm_name.is_some())?;
    replace_folder(dir, |fresh| {
        atomic::write(&fresh.join(WEIGHTS), &weights)?;
        atomic::write(&fresh.join(CONFIG), format!("{config}\n").as_bytes())?;
        atomic::write(&fresh.join(CARD), card::text(card, &model).as_bytes())
    })
}

fn weight_bytes(network: &Network, timm_names: bool) -> Result<Vec<u8>> {
    let mut tensors = network.store.to_disk_layout()?;
    if timm_names {
        tensors = timm::rename(network.spec, tensors)?;
    }
    let failed =
        |e: safetensors::SafeTensorError| Error::internal(format!("could not write the weights ({e})"));
    let values: Vec<(String, Vec<usize>, Vec<f32>)> = tensors
        .into_iter()
        .map(|(name, t)| Ok((name, t.dims().to_vec(), t.flatten_all()?.to_vec1::<f32>()?)))
        .collect::<Result<_>>()?;
    let views = values
        .iter()
        .map(|(name, shape, v)| {
            TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(v))
                .map(|view| (name.as_str(), view))
                .map_err(failed)
        })
        .collect::<Result<Vec<_>>>()?;
    // transformers and timm look for this note.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(failed)
}

/// Fills a new folder beside `dir`, then puts it in `dir`'s place.
fn replace_folder(dir: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = |e: std::io::Error| Error::io("create a folder", parent, &atomic::without_place(e));
    std::fs::create_dir_all(parent).map_err(temporary)?;
    let fresh = tempfile::Builder::new().prefix(".tmp-model-").tempdir_in(parent).map_err(temporary)?;
    // What goes wrong in the new folder is told of the place that its files are for.
    fill(fresh.path()).map_err(|e| match e.path().and_then(|path| path.strip_prefix(fresh.path()).ok()) {
        Some(within) => {
            let place = dir.join(within);
            e.with_path(place)
        }
        None => e,
    })?;
    let io = |e: std::io::Error| Error::io("replace", dir, &e);
    let old = tempfile::Builder::new().prefix(".tmp-old-").tempdir_in(parent).map_err(temporary)?;
    if dir.exists() {
        std::fs::rename(dir, old.path().join("model")).map_err(io)?;
    }
    std::fs::rename(fresh.keep(), dir).map_err(io)
}

/// The bundle's folder for a run or a bundle.
///
/// # Errors
/// If the folder is neither, or the run has no model yet.
pub fn find_bundle(run_or_bundle: &Path) -> Result<PathBuf> {
    let lacks = |dir: &Path| [WEIGHTS, CONFIG].into_iter().filter(|name| !dir.join(name).is_file()).collect();
    let complete = |dir: &Path| Vec::is_empty(&lacks(dir));
    let inside = run_or_bundle.join(RUN_MODEL);
    if complete(run_or_bundle) {
        return Ok(run_or_bundle.to_path_buf());
    }
    if complete(&inside) {
        return Ok(inside);
    }
    let is_run = run_or_bundle.join("config.toml").is_file();
    let (what, hint) = match lacks(run_or_bundle).as_slice() {
        _ if is_run && run_or_bundle.join("summary.json").is_file() => (
            format!("this run's model has no {}", lacks(&inside).join(" and no ")),
            "Bring it back from a copy, or train again with the run's settings".to_owned(),
        ),
        _ if is_run => {
            ("this run has no finished model".to_owned(), "Let the run finish, or resume it".to_owned())
        }
        [missing] => (
            format!("this model has no {missing}"),
            format!("A model is a folder with {WEIGHTS} and {CONFIG}"),
        ),
        _ => (
            "this folder is neither a run nor a model".to_owned(),
            format!("A model is a folder with {WEIGHTS} and {CONFIG}"),
        ),
    };
    Err(Error::input(what).with_path(run_or_bundle).with_hint(hint))
}

/// What to do where a model's own file cannot be read.
const DAMAGED: &str =
    "Choose another model, or bring this file back from a copy; a run can be trained again with its settings";

/// Reads a bundle, or a model that timm saved (`config.json` with `architecture`, `model.safetensors` with timm's names), and
/// builds its network, everything frozen.
///
/// # Errors
/// If a file is missing or damaged, they do not fit together, or timm's model is not one that can be built here.
pub fn read_bundle(dir: &Path, device: &Device) -> Result<(Network, Bundle)> {
    let path = dir.join(CONFIG);
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, &e))?;
    let (spec, bundle) = read_description(&text).map_err(|e| e.with_path(&path))?;
    let mut network =
        Network::new(spec, bundle.cut_stage.as_deref(), &bundle.head, bundle.classes.len(), 0, device)?;
    let weights = read_state_dict(&dir.join(WEIGHTS)).map_err(|e| match e.kind() {
        ErrorKind::Input => Error::input(format!("the model's weights are damaged ({})", e.what()))
            .with_path(dir.join(WEIGHTS))
            .with_hint(DAMAGED),
        _ => e,
    })?;
    let report = load_into(&mut network, &weights)?;
    if report.loaded != network.store.iter().count() || !report.dropped_head.is_empty() {
        return Err(Error::input("the model's weights do not fit its description")
            .with_path(dir.join(WEIGHTS))
            .with_hint("The files may be of two different models"));
    }
    network.store.set_trainable(|_, _| false);
    Ok((network, bundle))
}

/// What `config.json` says.
fn read_description(text: &str) -> Result<(&'static BackboneSpec, Bundle)> {
    let damaged = |why: String| Error::input(format!("the model's description {why}"));
    let value: Value =
        serde_json::from_str(text).map_err(|e| damaged(format!("is damaged ({})", place_in_json(&e))))?;
    let (spec, bundle) = match value.get("headstart") {
        None => timm::read_config(&value)?,
        Some(own) => {
            let own: Own = serde_json::from_value(own.clone())
                .map_err(|e| damaged(format!("is damaged ({})", place_in_json(&e))))?;
            if own.version > VERSION {
                return Err(damaged(format!(
                    "has version {}, and this program knows {VERSION}",
                    own.version
                ))
                .with_hint("Open it with a newer Headstart"));
            }
            let names = value.get("label_names").cloned().unwrap_or_default();
            let classes = serde_json::from_value(names)
                .map_err(|e| damaged(format!("has no class names ({})", place_in_json(&e))))?;
            let Own { backbone, cut_stage, head, preprocess, .. } = own;
            (find(&backbone)?, Bundle { classes, head, cut_stage, preprocess })
        }
    };
    check_preprocess(&bundle.preprocess).map_err(damaged)?;
    Ok((spec, bundle))
}

fn check_preprocess(p: &Preprocess) -> Result<(), String> {
    let sizes = (1..=8192).contains(&p.crop_px) && (p.crop_px..=16_384).contains(&p.resize_px);
    let numbers = p.mean.iter().chain(&p.std).all(|v| v.is_finite()) && p.std.iter().all(|&v| v > 0.0);
    if sizes && numbers { Ok(()) } else { Err("has an impossible preparation of pictures".to_owned()) }
}

/// Copies the bundle of a finished run (`RUN/model`), or a bundle itself, to `out`, which must not exist or be empty. It is opened before,
/// so that nothing is handed on that cannot be used.
///
/// # Errors
/// If there is no finished bundle, it is damaged, or `out` cannot be written.
pub fn export_bundle(run_or_bundle: &Path, out: &Path) -> Result<()> {
    let from = find_bundle(run_or_bundle)?;
    read_bundle(&from, &Device::Cpu)?;
    match std::fs::read_dir(out) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(Error::input("the folder for the model is not empty")
                    .with_path(out)
                    .with_hint("Choose a new or empty folder"));
            }
            std::fs::remove_dir(out).map_err(|e| Error::io("replace", out, &e))?;
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(Error::io("read", out, &e)),
    }
    replace_folder(out, |fresh| {
        for name in [WEIGHTS, CONFIG, CARD] {
            let path = from.join(name);
            let bytes = match std::fs::read(&path) {
                Err(e) if name == CARD && e.kind() == std::io::ErrorKind::NotFound => continue,
                other => other.map_err(|e| Error::io("read", &path, &e))?,
            };
            atomic::write(&fresh.join(name), &bytes)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::layers::Forward;
    use candle_core::Tensor;

    /// A model of three classes with random weights, written to `dir`.
    fn written(dir: &Path, backbone: &str) -> Network {
        let spec = find(backbone).unwrap();
        let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
        let head = HeadConfig::default();
        let network = Network::new(spec, None, &head, classes.len(), 5, &Device::Cpu).unwrap();
        let bundle = Bundle { classes, head, cut_stage: None, preprocess: spec.preprocess };
        write_bundle(dir, &network, &bundle, &Card::default()).unwrap();
        network
    }

    fn logits(network: &Network) -> Vec<f32> {
        let values = (0..2 * 64 * 64 * 3).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect();
        let x = Tensor::from_vec(values, (2, 64, 64, 3), &Device::Cpu).unwrap();
        let y = network.forward(&Forward::eval(&network.store), &x).unwrap();
        y.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn a_model_that_timm_saved_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("model");
        let network = written(&model, "mobilenet_v2_050");
        std::fs::remove_file(model.join(CARD)).unwrap();
        std::fs::write(model.join(CONFIG), include_str!("../../tests/fixtures/export_timm_config.json"))
            .unwrap();
        let (back, bundle) = read_bundle(&find_bundle(&model).unwrap(), &Device::Cpu).unwrap();
        assert_eq!(bundle.classes, ["first", "second", "third"]);
        assert_eq!(logits(&back), logits(&network));
        assert!(back.store.iter().all(|(_, p)| !p.trainable));
    }

    #[test]
    fn a_missing_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let e = find_bundle(dir.path()).unwrap_err().to_string();
        assert!(
            e.contains("neither a run nor a model") && e.contains("model.safetensors and config.json"),
            "{e}"
        );
        std::fs::write(dir.path().join(CONFIG), "{}").unwrap();
        let e = find_bundle(dir.path()).unwrap_err().to_string();
        assert!(e.contains("this model has no model.safetensors"), "{e}");
        std::fs::rename(dir.path().join(CONFIG), dir.path().join(WEIGHTS)).unwrap();
        let e = find_bundle(dir.path()).unwrap_err().to_string();
        assert!(e.contains("this model has no config.json"), "{e}");
        std::fs::write(dir.path().join(CONFIG), "{}").unwrap();
        let e = read_bundle(&find_bundle(dir.path()).unwrap(), &Device::Cpu).unwrap_err().to_string();
        assert!(e.contains("has no `architecture`") && e.contains("config.json"), "{e}");
    }

    #[test]
    fn weights_without_the_head_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("model");
        let network = written(&model, "small_cnn");
        read_bundle(&model, &Device::Cpu).unwrap();
        let tensors = network.store.to_disk_layout().unwrap();
        let rest: HashMap<String, Tensor> =
            tensors.into_iter().filter(|(name, _)| !name.starts_with("fc.")).collect();
        candle_core::safetensors::save(&rest, model.join(WEIGHTS)).unwrap();
        let e = read_bundle(&model, &Device::Cpu).unwrap_err().to_string();
        assert!(e.contains("do not fit its description"), "{e}");
    }

    #[test]
    fn a_damaged_model_is_not_exported() {
        let dir = tempfile::tempdir().unwrap();
        let (model, out) = (dir.path().join("model"), dir.path().join("out"));
        written(&model, "small_cnn");
        export_bundle(&model, &out).unwrap();
        let whole = std::fs::read(model.join(WEIGHTS)).unwrap();
        assert_eq!(std::fs::read(out.join(WEIGHTS)).unwrap(), whole);
        std::fs::write(model.join(WEIGHTS), &whole[..whole.len() / 2]).unwrap();
        std::fs::remove_dir_all(&out).unwrap();
        let e = export_bundle(&model, &out).unwrap_err().to_string();
        assert!(e.contains("the model's weights are damaged") && e.contains(WEIGHTS), "{e}");
        assert!(!out.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_model_can_be_shared_like_any_other_folder() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (model, plain) = (dir.path().join("model"), dir.path().join("plain"));
        std::fs::create_dir(&plain).unwrap();
        std::fs::write(plain.join(CONFIG), b"{}").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        for _ in ["new", "replaced"] {
            replace_folder(&model, |fresh| atomic::write(&fresh.join(CONFIG), b"{}")).unwrap();
            assert_eq!(mode(&model), mode(&plain), "{:o}", mode(&model));
            assert_eq!(mode(&model.join(CONFIG)), mode(&plain.join(CONFIG)));
        }
    }
}
