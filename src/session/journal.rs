//! `journal.jsonl`: what happened in a project, one versioned line an event, only ever appended to.

use crate::data::{Dataset, Decided, Step};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const VERSION: u32 = 1;
const FILE: &str = "journal.jsonl";

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Entry {
    Created,
    OpenedData { pictures: usize, classes: usize, skipped: usize },
    RunCreated { run: String },
    RunStarted { run: String, resumed: bool },
    RunFinished { run: String, outcome: String },
    Decided(Decided),
    Undone,
    Redone,
}

impl From<Step> for Entry {
    fn from(step: Step) -> Self {
        match step {
            Step::Decided(decided) => Self::Decided(decided),
            Step::Undone => Self::Undone,
            Step::Redone => Self::Redone,
        }
    }
}

impl Entry {
    /// The step of deciding about pictures, if it is one.
    pub(super) fn step(self) -> Option<Step> {
        match self {
            Self::Decided(decided) => Some(Step::Decided(decided)),
            Self::Undone => Some(Step::Undone),
            Self::Redone => Some(Step::Redone),
            _ => None,
        }
    }

    /// Pictures were looked through.
    pub(super) fn opened(d: &Dataset) -> Self {
        Self::OpenedData { pictures: d.samples.len(), classes: d.classes.len(), skipped: d.skipped.len() }
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    version: u32,
    at_unix_s: u64,
    #[serde(flatten)]
    entry: Entry,
}

/// Appends one line. A line that a killed process left half is ended first, so that it spoils nothing but itself.
pub(super) fn append(project: &Path, entry: Entry) -> Result<()> {
    let path = project.join(FILE);
    let io = |e: std::io::Error| Error::io("write", &path, &e);
    let at_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let mut text = serde_json::to_vec(&Line { version: VERSION, at_unix_s, entry })
        .map_err(|e| Error::internal(format!("could not write a journal line ({e})")))?;
    text.push(b'\n');
    let mut file =
        std::fs::OpenOptions::new().create(true).read(true).append(true).open(&path).map_err(io)?;
    if file.metadata().map_err(io)?.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1)).map_err(io)?;
        file.read_exact(&mut last).map_err(io)?;
        if last != *b"\n" {
            text.insert(0, b'\n');
        }
    }
    file.write_all(&text).map_err(io)?;
    file.sync_data().map_err(io)
}

/// All whole lines that this version understands.
pub(super) fn read(project: &Path) -> Result<Vec<Entry>> {
    let path = project.join(FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("read", &path, &e)),
    };
    let lines = bytes.split(|&b| b == b'\n').filter_map(|l| serde_json::from_slice::<Line>(l).ok());
    Ok(lines.filter(|l| l.version <= VERSION).map(|l| l.entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_line_costs_only_itself() {
        let t = tempfile::tempdir().unwrap();
        append(t.path(), Entry::Created).unwrap();
        let file = t.path().join(FILE);
        let mut text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with(r#"{"version":1,"at_unix_s":"#) && text.ends_with("\"event\":\"created\"}\n")
        );
        text.push_str(r#"{"version":1,"at_u"#);
        std::fs::write(&file, text).unwrap();
        let run = Entry::RunCreated { run: "0001".to_owned() };
        append(t.path(), run.clone()).unwrap();
        assert_eq!(read(t.path()).unwrap(), [Entry::Created, run]);
    }

    #[test]
    fn lines_of_a_newer_version_are_left_alone() {
        let t = tempfile::tempdir().unwrap();
        std::fs::write(t.path().join(FILE), "{\"version\":9,\"at_unix_s\":0,\"event\":\"created\"}\n")
            .unwrap();
        append(t.path(), Entry::Created).unwrap();
        assert_eq!(read(t.path()).unwrap().len(), 1);
    }
}
