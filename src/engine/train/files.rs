//! The files of a run's folder.

use super::Summary;
use crate::engine::EpochRecord;
use crate::error::{Error, Result};
use crate::export::atomic;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Epochs that follow each other faster than this share one sync to disk: a killed process loses nothing by it.
const SYNC_EVERY: Duration = Duration::from_millis(500);

/// Names inside a run's folder.
pub(crate) mod names {
    pub(crate) const CONFIG: &str = "config.toml";
    pub(crate) const METRICS: &str = "metrics.jsonl";
    pub(crate) const CHECKPOINT: &str = "checkpoint";
    pub(crate) const PREDICTIONS: &str = "predictions.csv";
    pub(crate) const SUMMARY: &str = "summary.json";
    pub(crate) const MODEL: &str = "model";
}

/// `metrics.jsonl`: one line an epoch.
#[derive(Debug)]
pub(crate) struct MetricsFile {
    path: PathBuf,
    file: File,
    lines: Vec<String>,
    synced: Instant,
}

impl MetricsFile {
    /// Begins with these lines, replacing what the file held.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub(crate) fn create(dir: &Path, lines: Vec<String>) -> Result<Self> {
        let path = dir.join(names::METRICS);
        let text: String = lines.iter().flat_map(|l| [l.as_str(), "\n"]).collect();
        atomic::write(&path, text.as_bytes())?;
        let file =
            File::options().append(true).open(&path).map_err(|e| Error::io("open for writing", &path, &e))?;
        Ok(Self { path, file, lines, synced: Instant::now() })
    }

    /// Appends an epoch.
    ///
    /// # Errors
    /// If the disk is full.
    pub(crate) fn append(&mut self, record: &EpochRecord) -> Result<()> {
        let line = json(record)?;
        let io = |e: std::io::Error| Error::io("write", &self.path, &e);
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(io)?;
        if self.synced.elapsed() >= SYNC_EVERY {
            self.file.sync_data().map_err(io)?;
            self.synced = Instant::now();
        }
        self.lines.push(line);
        Ok(())
    }

    /// Makes sure that everything is on disk.
    ///
    /// # Errors
    /// If the disk is full.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::io("write", &self.path, &e))
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }
}

/// The records in lines of `metrics.jsonl`.
///
/// # Errors
/// If a line is not a record.
pub(crate) fn parse_records(lines: &[String]) -> Result<Vec<EpochRecord>> {
    lines
        .iter()
        .map(|l| {
            serde_json::from_str(l)
                .map_err(|e| Error::input(format!("a line of {} is damaged ({e})", names::METRICS)))
        })
        .collect()
}

/// Writes `summary.json`, the last file of a run: where it exists the run is finished.
///
/// # Errors
/// If the disk is full.
pub(crate) fn write_summary(dir: &Path, summary: &Summary) -> Result<()> {
    let text = serde_json::to_string_pretty(summary)
        .map_err(|e| Error::internal(format!("could not write the summary ({e})")))?;
    atomic::write(&dir.join(names::SUMMARY), format!("{text}\n").as_bytes())
}

/// Refuses to train where a finished run is: neither over it nor on with it.
///
/// # Errors
/// If the folder holds one.
pub fn check_unfinished(run_dir: &Path) -> Result<()> {
    if run_dir.join(names::SUMMARY).exists() {
        return Err(Error::input("this folder already holds a finished run")
            .with_path(run_dir)
            .with_hint("There is nothing to go on with: train a new run in another folder"));
    }
    Ok(())
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::internal(format!("could not write a record ({e})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_begin_with_the_kept_lines() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("metrics.jsonl"), "old\nhalf a li").unwrap();
        let mut m = MetricsFile::create(dir.path(), vec!["old".into()]).unwrap();
        let record = EpochRecord {
            epoch: 2,
            epochs: 2,
            phase: "head".into(),
            train_loss: 0.5,
            train_accuracy: 1.0,
            val_loss: 0.25,
            val_accuracy: 1.0,
            val_macro_f1: 1.0,
            learning_rate: 0.1,
            images_per_s: 1.0,
            elapsed_s: 1.0,
            eta_s: 0.0,
            best: true,
            batch_size: Some(16),
        };
        m.append(&record).unwrap();
        m.sync().unwrap();
        let text = std::fs::read_to_string(dir.path().join("metrics.jsonl")).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), m.lines());
        assert_eq!(parse_records(&m.lines()[1..]).unwrap(), [record]);
        assert!(parse_records(m.lines()).is_err());
    }
}
