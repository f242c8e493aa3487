//! The bundle: `model.safetensors`, `config.json` in timm's form and `README.md`, in one folder.
//!
//! `config.json` has timm's keys (`architecture`, `num_classes`, `num_features`, `label_names`, `pretrained_cfg`) and a
//! `headstart` table with what timm has no key for: the head, the cut, the exact preparation of pictures. Where timm can build
//! the same network the tensors carry timm's names and `timm.create_model("local-dir:…", pretrained=True)` opens the folder.

use super::atomic;
use super::card::{self, Card, Model};
use super::timm;
use crate::backbones::weights::{load_into, read_state_dict};
use crate::backbones::{Network, find};
use crate::config::{HeadConfig, Preprocess};
use crate::error::{Error, Result};
use candle_core::Device;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const WEIGHTS: &str = "model.safetensors";
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
    let temporary = |e: std::io::Error| Error::io("create a folder", parent, &e);
    std::fs::create_dir_all(parent).map_err(temporary)?;
    let fresh = tempfile::Builder::new().prefix(".tmp-model-").tempdir_in(parent).map_err(temporary)?;
    fill(fresh.path())?;
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
    let complete = |dir: &Path| dir.join(WEIGHTS).is_file() && dir.join(CONFIG).is_file();
    let inside = run_or_bundle.join(RUN_MODEL);
    if complete(run_or_bundle) {
        return Ok(run_or_bundle.to_path_buf());
    }
    if complete(&inside) {
        return Ok(inside);
    }
    let unfinished = run_or_bundle.join("config.toml").is_file();
    let what = if unfinished {
        "this run has no finished model"
    } else {
        "this folder is neither a run nor a model"
    };
    let hint = if unfinished {
        "Let the run finish, or resume it".to_owned()
    } else {
        format!("A model is a folder with {WEIGHTS} and {CONFIG}")
    };
    Err(Error::input(what).with_path(run_or_bundle).with_hint(hint))
}

/// Reads a bundle and builds its network, everything frozen.
///
/// # Errors
/// If a file is missing or damaged, or they do not fit together.
pub fn read_bundle(dir: &Path, device: &Device) -> Result<(Network, Bundle)> {
    let path = dir.join(CONFIG);
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, &e))?;
    let damaged = |why: String| Error::input(format!("the model's description {why}")).with_path(&path);
    let value: Value = serde_json::from_str(&text).map_err(|e| damaged(format!("is damaged ({e})")))?;
    let Some(own) = value.get("headstart") else {
        return Err(damaged("was not written by this program".to_owned())
            .with_hint("Use the folder's weights as the backbone of a new training"));
    };
    let own: Own = serde_json::from_value(own.clone()).map_err(|e| damaged(format!("is damaged ({e})")))?;
    if own.version > VERSION {
        return Err(damaged(format!("has version {}, and this program knows {VERSION}", own.version))
            .with_hint("Open it with a newer Headstart"));
    }
    let names = value.get("label_names").cloned().unwrap_or_default();
    let classes: Vec<String> =
        serde_json::from_value(names).map_err(|e| damaged(format!("has no class names ({e})")))?;
    check_preprocess(&own.preprocess).map_err(damaged)?;
    let spec = find(&own.backbone).map_err(|e| e.with_path(&path))?;
    let mut network = Network::new(spec, own.cut_stage.as_deref(), &own.head, classes.len(), 0, device)?;
    let weights = read_state_dict(&dir.join(WEIGHTS))?;
    let report = load_into(&mut network, &weights)?;
    if !report.missing.is_empty() || !report.dropped_head.is_empty() {
        return Err(Error::input("the model's weights do not fit its description")
            .with_path(dir.join(WEIGHTS))
            .with_hint("The files may be of two different models"));
    }
    network.store.set_trainable(|_, _| false);
    let bundle = Bundle { classes, head: own.head, cut_stage: own.cut_stage, preprocess: own.preprocess };
    Ok((network, bundle))
}

fn check_preprocess(p: &Preprocess) -> Result<(), String> {
    let sizes = (1..=8192).contains(&p.crop_px) && (p.crop_px..=16_384).contains(&p.resize_px);
    let numbers = p.mean.iter().chain(&p.std).all(|v| v.is_finite()) && p.std.iter().all(|&v| v > 0.0);
    if sizes && numbers { Ok(()) } else { Err("has an impossible preparation of pictures".to_owned()) }
}

/// Copies the bundle of a finished run (`RUN/model`), or a bundle itself, to `out`, which must not exist or be empty.
///
/// # Errors
/// If there is no finished bundle, or `out` cannot be written.
pub fn export_bundle(run_or_bundle: &Path, out: &Path) -> Result<()> {
    let from = find_bundle(run_or_bundle)?;
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_model_can_be_shared_like_any_other_folder() {
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
