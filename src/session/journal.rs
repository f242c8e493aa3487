//! `journal.jsonl`: what happened in a project, one versioned line an event, only ever appended to.

use crate::data::{Dataset, Step};
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
    OpenedData {
        pictures: usize,
        classes: usize,
        skipped: usize,
    },
    RunCreated {
        run: String,
    },
    RunStarted {
        run: String,
        resumed: bool,
    },
    RunFinished {
        run: String,
        outcome: String,
    },
    RunDeleted {
        run: String,
    },
    RunRestored {
        run: String,
    },
    /// A step of deciding about pictures, with its own name of the event.
    #[serde(untagged)]
    Step(Step),
}

impl Entry {
    /// The step of deciding about pictures, if it is one.
    pub(super) fn step(self) -> Option<Step> {
        match self {
            Self::Step(step) => Some(step),
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
    use crate::data::{Decided, Decision};

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
    fn steps_of_deciding_come_back_as_they_were() {
        let t = tempfile::tempdir().unwrap();
        let decided =
            Decided { decision: Decision::Label("bees".to_owned()), pictures: vec!["a.png".to_owned()] };
        let entries = [Step::Decided(decided), Step::Undone, Step::Redone].map(Entry::Step);
        for entry in entries.clone() {
            append(t.path(), entry).unwrap();
        }
        assert_eq!(read(t.path()).unwrap(), entries);
        let text = std::fs::read_to_string(t.path().join(FILE)).unwrap();
        assert!(
            text.contains(r#""event":"decided","decision":"label","as":"bees","pictures":["a.png"]}"#),
            "{text}"
        );
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
