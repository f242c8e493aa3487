//! What is on disk of a run, also of one that was killed in the middle.

use super::lock;
use crate::config::TrainConfig;
use crate::engine::{EpochRecord, Summary};
use crate::error::{Error, Result, place_in_json};
use crate::export::atomic;
use std::io::ErrorKind as IoKind;
use std::path::{Path, PathBuf};

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It ended and has a model.
    Finished,
    /// It was cut off but has a checkpoint to go on from.
    Interrupted,
    /// It never reached a checkpoint.
    Empty,
    /// A process works on it: this one, or another.
    Training,
}

/// What is on disk of a run.
#[derive(Debug, Clone)]
pub struct RunInfo {
    /// Folder name.
    pub id: String,
    /// Its folder.
    pub dir: PathBuf,
    /// How far it came.
    pub state: RunState,
    /// Its settings.
    pub config: TrainConfig,
    /// Epochs on record.
    pub epochs: Vec<EpochRecord>,
    /// The end's numbers, if it ended.
    pub summary: Option<Summary>,
    /// Size of its model's weights, if it ended.
    pub model_bytes: Option<u64>,
    /// What the user wrote about it; often nothing.
    pub notes: String,
    /// What of it cannot be read though the rest can be used, if anything.
    pub damage: Option<String>,
}

/// File of a run's folder with what the user wrote about it.
const NOTES: &str = "notes.txt";
/// More of it than this is not read, in bytes.
const MOST_NOTES: usize = 64 << 10;

/// Keeps what the user writes about a run.
///
/// # Errors
/// If the run's folder cannot be written.
pub fn save_notes(run_dir: &Path, notes: &str) -> Result<()> {
    atomic::write(&run_dir.join(NOTES), notes.as_bytes())
}

/// What the user wrote about a run.
fn read_notes(run_dir: &Path) -> Result<String> {
    let bytes = read_optional(&run_dir.join(NOTES))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes[..bytes.len().min(MOST_NOTES)]).trim().to_owned())
}

/// Reads what is on disk of a run. A half-written last line of `metrics.jsonl` is what a killed process leaves behind, and
/// is ignored. A run that was killed before it wrote its settings gets `fallback`.
///
/// # Errors
/// If a file of the run cannot be read, or one other than its summary is damaged.
pub fn read_run(dir: &Path, fallback: &TrainConfig) -> Result<RunInfo> {
    let id = dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let config_file = dir.join("config.toml");
    let config = if config_file.exists() { TrainConfig::load(&config_file)? } else { fallback.clone() };
    let (summary, damage) = match read_summary(dir) {
        Ok(summary) => (summary, None),
        // The model stands beside its numbers and can be used without them.
        Err(e) => (None, Some(e.to_string())),
    };
    let epochs = read_epochs(dir)?;
    let weights = std::fs::metadata(dir.join("model/model.safetensors")).ok().filter(|m| m.is_file());
    // The summary is written last: without a model that is one that was lost.
    let state = if summary.is_some() || damage.is_some() && weights.is_some() {
        RunState::Finished
    } else if lock::is_taken(dir) {
        RunState::Training
    } else if has_files(&dir.join("checkpoint")) {
        RunState::Interrupted
    } else {
        RunState::Empty
    };
    let finished = state == RunState::Finished;
    let summary = summary.filter(|_| finished);
    let model_bytes = weights.map(|m| m.len()).filter(|_| finished);
    let notes = read_notes(dir)?;
    Ok(RunInfo { id, dir: dir.to_path_buf(), state, config, epochs, summary, model_bytes, notes, damage })
}

fn has_files(dir: &Path) -> bool {
    std::fs::read_dir(dir)
        .is_ok_and(|entries| entries.flatten().any(|e| !e.file_name().to_string_lossy().starts_with('.')))
}

fn read_optional(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == IoKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", path, &e)),
    }
}

fn read_summary(dir: &Path) -> Result<Option<Summary>> {
    let path = dir.join("summary.json");
    let Some(bytes) = read_optional(&path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|e| {
        Error::input(format!("the run's summary is damaged ({})", place_in_json(&e))).with_path(path)
    })
}

fn read_epochs(dir: &Path) -> Result<Vec<EpochRecord>> {
    let path = dir.join("metrics.jsonl");
    let Some(bytes) = read_optional(&path)? else { return Ok(Vec::new()) };
    let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
    let lines = bytes[..whole].split(|&b| b == b'\n').enumerate().filter(|(_, l)| !l.is_empty());
    lines
        .map(|(i, line)| {
            serde_json::from_slice(line).map_err(|e| {
                let why = place_in_json(&e);
                Error::input(format!("line {} of the run's metrics is damaged ({why})", i + 1))
                    .with_path(&path)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::train::SplitScore;

    #[test]
    fn a_finished_run_that_lost_its_model_is_none_to_go_on_with() {
        let t = tempfile::tempdir().unwrap();
        let val = SplitScore { accuracy: 0.9, macro_f1: 0.9, loss: 0.2, pictures: 10, copies_in_training: 0 };
        let summary = serde_json::json!({
            "version": 1, "backbone": "small_cnn", "mode": "scratch", "device": "cpu", "epochs_run": 3, "best_epoch": 3,
            "val": val, "wall_s": 1.0, "images_per_s": 10.0, "peak_rss_mib": 0
        });
        std::fs::create_dir(t.path().join("checkpoint")).unwrap();
        std::fs::write(t.path().join("checkpoint/state.safetensors"), "state").unwrap();
        std::fs::write(t.path().join("summary.json"), summary.to_string()).unwrap();
        let run = read_run(t.path(), &TrainConfig::default()).unwrap();
        assert_eq!((run.state, run.model_bytes, run.damage), (RunState::Finished, None, None));
        assert_eq!(run.summary.unwrap().val, val);
    }

    #[test]
    fn a_run_with_a_damaged_summary_keeps_its_model() {
        let t = tempfile::tempdir().unwrap();
        std::fs::create_dir(t.path().join("model")).unwrap();
        std::fs::write(t.path().join("model/model.safetensors"), "weights").unwrap();
        std::fs::write(t.path().join("summary.json"), "{\"version\": 1, ").unwrap();
        let run = read_run(t.path(), &TrainConfig::default()).unwrap();
        assert_eq!((run.state, run.summary, run.model_bytes), (RunState::Finished, None, Some(7)));
        assert!(run.damage.unwrap().contains("summary is damaged"));
    }

    #[test]
    fn notes_are_kept_with_the_run_and_may_be_missing() {
        let t = tempfile::tempdir().unwrap();
        let notes = || read_run(t.path(), &TrainConfig::default()).unwrap().notes;
        assert_eq!(notes(), "");
        save_notes(t.path(), "with brighter lamps\n").unwrap();
        assert_eq!(notes(), "with brighter lamps");
        save_notes(t.path(), "").unwrap();
        assert_eq!(notes(), "");
    }
}
