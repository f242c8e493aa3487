//! What a bundle holds, and where it goes.

use crate::session::{EXPORTS, RunInfo};
use crate::ui::AppState;
use std::path::{Path, PathBuf};

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BundleFile {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is, in one sentence.
    pub(super) what: &'static str,
    /// Its size in words.
    pub(super) size: String,
}

/// The files of a bundle whose weights take `weights` bytes, where that is known.
pub(super) fn files(weights: Option<u64>) -> Vec<BundleFile> {
    let size = weights.map_or_else(String::new, megabytes);
    vec![
        BundleFile { name: "model.safetensors", what: "The weights, backbone and head together", size },
        BundleFile {
            name: "config.json",
            what: "Architecture, class names and how pictures are prepared, in timm's form",
            size: "a few kB".to_owned(),
        },
        BundleFile {
            name: "README.md",
            what: "A model card: what it was trained on, how well it does, how to use it",
            size: "a few kB".to_owned(),
        },
    ]
}

fn megabytes(bytes: u64) -> String {
    let mb = bytes as f64 / 1e6;
    if mb < 10.0 { format!("{mb:.1} MB") } else { format!("{mb:.0} MB") }
}

/// Class names of a run, where they are known.
pub(super) fn classes<'a>(state: &'a AppState, run: &RunInfo) -> &'a [String] {
    let judged = state.evaluation.as_ref().filter(|e| e.run_dir.as_ref() == Some(&run.dir));
    match (judged, state.dataset()) {
        (Some(e), _) => &e.evaluation.classes,
        (None, Some(d)) => &d.classes,
        (None, None) => &[],
    }
}

/// A folder for the bundle that is not there yet: in the project, named after the run.
pub(super) fn suggested(state: &AppState, run: &RunInfo) -> PathBuf {
    let name = format!("{}-run-{}", run.config.backbone.name, run.id);
    let place = state.project.as_ref().map(|p| p.dir.join(EXPORTS)).unwrap_or_default();
    free_name(&place, &name, &state.exports)
}

/// `name` in `place`, numbered where that is taken.
fn free_name(place: &Path, name: &str, taken: &[PathBuf]) -> PathBuf {
    let mut path = place.join(name);
    let mut n = 2;
    while taken.contains(&path) {
        path = place.join(format!("{name}-{n}"));
        n += 1;
    }
    path
}

/// Python that opens the bundle in timm.
pub(super) fn snippet(folder: &Path) -> String {
    let path = folder.display().to_string().replace('\\', "/").replace('"', "\\\"");
    format!("import timm\nmodel = timm.create_model(\"local-dir:{path}\", pretrained=True)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!(megabytes(8_900_000), "8.9 MB");
        assert_eq!(megabytes(102_000_000), "102 MB");
    }

    #[test]
    fn a_second_export_gets_a_name_of_its_own() {
        let place = Path::new("/p/exports");
        assert_eq!(free_name(place, "m", &[]), place.join("m"));
        assert_eq!(free_name(place, "m", &[place.join("m-2"), place.join("m")]), place.join("m-3"));
    }

    #[test]
    fn the_snippet_survives_other_systems_paths() {
        let text = snippet(Path::new(r"C:\models\ants"));
        assert!(text.contains("\"local-dir:C:/models/ants\""), "{text}");
    }

    #[test]
    fn a_bundle_has_three_files() {
        let names: Vec<&str> = files(None).iter().map(|f| f.name).collect();
        assert_eq!(names, ["model.safetensors", "config.json", "README.md"]);
    }
}
