//! Finding weight files: by name in the folders where a person keeps them, and in the cache of the Hugging Face Hub.

use super::{hub, settings};
use crate::backbones::{BackboneSpec, find, registry};
use crate::config::BackboneConfig;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Endings of weight files, in the order in which they are looked for.
const ENDINGS: [&str; 2] = ["safetensors", "pth"];

/// Environment variable with a folder of weight files.
const VARIABLE: &str = "HEADSTART_WEIGHTS";

/// Folders where weights are looked for by name: `$HEADSTART_WEIGHTS`, then `weights` in the program's data folder.
pub fn weight_dirs() -> Vec<PathBuf> {
    let chosen = std::env::var_os(VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from);
    chosen.into_iter().chain(settings::data_dir().map(|d| d.join("weights"))).collect()
}

/// The weight file meant by `given`: the file itself, or a bare name like `mobilenet_v2` looked up in [`weight_dirs`].
///
/// # Errors
/// If there is no such file; the message names the folders that were searched.
pub fn resolve(given: &Path) -> Result<PathBuf> {
    resolve_in(given, &weight_dirs())
}

/// Weights in [`weight_dirs`] whose file name is `backbone` or begins with it and a dot or dash (as `resnet18-f37072fd.pth`
/// does), or is the published one, sorted; then those in the cache of the hub.
pub fn known(backbone: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = weight_dirs()
        .iter()
        .filter_map(|dir| std::fs::read_dir(dir).ok())
        .flat_map(|entries| entries.flatten().map(|e| e.path()))
        .filter(|path| is_weights_of(path, backbone))
        .collect();
    found.sort();
    found.extend(find(backbone).ok().and_then(hub::cached));
    found
}

/// Largest file of a network that a project begins with unasked: larger ones take minutes where others take seconds.
const QUICK_BYTES: u64 = 50_000_000;

/// What a new project begins with: of the networks whose weights are here the one with the best published accuracy that is quick on
/// any machine, else the smallest; where no weights are here, the one that needs none.
pub fn to_begin_with() -> BackboneConfig {
    best_of(known)
}

fn best_of(known: impl Fn(&str) -> Vec<PathBuf>) -> BackboneConfig {
    let with_weights = |spec: &'static BackboneSpec| {
        let top1 = spec.sources.first()?.top1_frac;
        known(spec.name).into_iter().next().map(|file| (spec, top1, file))
    };
    let here: Vec<_> = registry().iter().filter_map(with_weights).collect();
    let quick =
        here.iter().filter(|(spec, ..)| spec.file_bytes() <= QUICK_BYTES).max_by(|a, b| a.1.total_cmp(&b.1));
    match quick.or_else(|| here.iter().min_by_key(|(spec, ..)| spec.file_bytes())) {
        Some((spec, _, file)) => {
            BackboneConfig { name: spec.name.to_owned(), weights: Some(file.clone()), cut_stage: None }
        }
        None => BackboneConfig::default(),
    }
}

fn is_weights_of(path: &Path, backbone: &str) -> bool {
    let ending = path.extension().is_some_and(|e| ENDINGS.iter().any(|x| e.eq_ignore_ascii_case(x)));
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let named_so = name.strip_prefix(backbone).is_some_and(|rest| rest.starts_with(['.', '-']));
    let published =
        || find(backbone).is_ok_and(|spec| spec.sources.iter().any(|s| s.file_name() == Some(name.as_str())));
    ending && (named_so || published()) && path.is_file()
}

fn resolve_in(given: &Path, dirs: &[PathBuf]) -> Result<PathBuf> {
    if given.is_file() {
        return Ok(given.to_path_buf());
    }
    let bare = given.components().count() == 1;
    let candidates = dirs.iter().flat_map(|dir| {
        let with_ending = |ending: &&str| dir.join(format!("{}.{ending}", given.display()));
        std::iter::once(dir.join(given)).chain(ENDINGS.iter().map(with_ending).collect::<Vec<_>>())
    });
    if let Some(found) = candidates.filter(|_| bare).find(|c| c.is_file()) {
        return Ok(found);
    }
    let e = Error::input("there is no such weight file").with_path(given);
    if !bare {
        return Err(e.with_hint("Give a .safetensors or .pth file"));
    }
    if given.extension().is_some_and(|e| ENDINGS.iter().any(|x| e.eq_ignore_ascii_case(x))) {
        return Err(e.with_hint("Check the name and the folder"));
    }
    let searched: Vec<String> = dirs.iter().map(|d| d.display().to_string()).collect();
    Err(e.with_hint(format!(
        "Give a .safetensors or .pth file, or put {0}.safetensors or {0}.pth into one of the folders searched by name: {1}",
        given.display(),
        searched.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_looked_up_in_order() {
        let t = tempfile::tempdir().unwrap();
        let dirs = [t.path().join("a"), t.path().join("b")];
        for (dir, file) in [(0, "m.pth"), (1, "m.safetensors"), (1, "n.safetensors")] {
            std::fs::create_dir_all(&dirs[dir]).unwrap();
            std::fs::write(dirs[dir].join(file), "").unwrap();
        }
        assert_eq!(resolve_in(Path::new("m"), &dirs).unwrap(), dirs[0].join("m.pth"));
        assert_eq!(resolve_in(Path::new("n"), &dirs).unwrap(), dirs[1].join("n.safetensors"));
        assert_eq!(resolve_in(Path::new("n.safetensors"), &dirs).unwrap(), dirs[1].join("n.safetensors"));
        let file = dirs[1].join("n.safetensors");
        assert_eq!(resolve_in(&file, &[]).unwrap(), file);
    }

    #[test]
    fn what_is_not_there_is_named_with_where_it_was_sought() {
        let e = resolve_in(Path::new("nope"), &[PathBuf::from("/w")]).unwrap_err().to_string();
        assert!(e.contains("nope") && e.contains("nope.pth") && e.contains("/w"), "{e}");
        assert!(resolve_in(Path::new("a/nope"), &[PathBuf::from("/w")]).is_err());
    }

    #[test]
    fn a_project_begins_with_the_best_quick_network_that_is_here() {
        let begin = |here: &[&str]| {
            let known = |name: &str| -> Vec<PathBuf> {
                here.iter().filter(|n| **n == name).map(|n| PathBuf::from(format!("/w/{n}.pth"))).collect()
            };
            let config = best_of(known);
            assert_eq!(config.weights.is_some(), !here.is_empty());
            config.name
        };
        assert_eq!(begin(&[]), BackboneConfig::default().name);
        assert_eq!(begin(&["squeezenet1_1", "mobilenet_v2", "resnet50"]), "mobilenet_v2");
        assert_eq!(begin(&["vit_base", "resnet50"]), "resnet50");
    }

    #[test]
    fn a_backbone_s_files_are_known_by_their_names() {
        let t = tempfile::tempdir().unwrap();
        for (name, expected) in [
            ("resnet18.safetensors", true),
            ("resnet18-f37072fd.pth", true),
            ("resnet18.txt", false),
            ("resnet180.pth", false),
            ("resnet34.pth", false),
        ] {
            let path = t.path().join(name);
            std::fs::write(&path, "").unwrap();
            assert_eq!(is_weights_of(&path, "resnet18"), expected, "{name}");
        }
        let path = t.path().join("efficientnet_b0_rwightman-7f5810bc.pth");
        std::fs::write(&path, "").unwrap();
        assert!(is_weights_of(&path, "efficientnet_b0") && !is_weights_of(&path, "resnet18"));
    }
}
