//! `journal.jsonl`: what happened in a project, one versioned line an event, only ever appended to.

use crate::data::{Dataset, Step};
use crate::error::{Error, Result, thousands};
use crate::export::atomic;
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

/// What every version writes into each line.
#[derive(Deserialize)]
struct AnyVersion {
    version: u32,
}

/// Whether nothing in a line is lost: it is understood, or of a newer version, or there is nothing in it.
fn whole(line: &[u8]) -> bool {
    let newer = || serde_json::from_slice::<AnyVersion>(line).is_ok_and(|l| l.version > VERSION);
    line.trim_ascii().is_empty() || serde_json::from_slice::<Line>(line).is_ok() || newer()
}

/// Takes damaged lines out of the journal, and keeps the file as it was beside it. Returns what was wrong, for a person, if anything was:
/// it is told once. Nothing else may write to the project meanwhile.
///
/// # Errors
/// If the journal cannot be read.
pub(super) fn mend(project: &Path) -> Result<Option<Error>> {
    let path = project.join(FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("read", &path, &e)),
    };
    let lines = || bytes.split_inclusive(|&b| b == b'\n').enumerate();
    let damaged: Vec<usize> = lines().filter(|(_, l)| !whole(l)).map(|(i, _)| i + 1).collect();
    let [first, ..] = damaged.as_slice() else { return Ok(None) };
    let lost = match damaged.len() {
        1 => format!(
            "line {first} of the journal could not be read: a decision about pictures in it is missing"
        ),
        n => format!(
            "{} lines of the journal could not be read, the first is line {first}: decisions about pictures in them are missing",
            thousands(n)
        ),
    };
    let free = |n: &usize| !project.join(damaged_name(*n)).exists();
    let name = damaged_name((1..).find(free).unwrap_or(1));
    let good: Vec<u8> = lines().filter(|(_, l)| whole(l)).flat_map(|(_, l)| l.to_vec()).collect();
    let kept = atomic::write(&project.join(&name), &bytes).and_then(|()| atomic::write(&path, &good));
    let hint = match kept {
        Ok(()) => format!("The journal as it was is kept beside it, as {name}"),
        Err(e) => format!("The journal stays as it is: {}", e.what()),
    };
    Ok(Some(Error::input(lost).with_path(&path).with_hint(hint)))
}

/// Name of a damaged journal that is kept.
fn damaged_name(n: usize) -> String {
    format!("journal.damaged-{n}.jsonl")
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
    fn damaged_lines_are_counted_and_kept_aside_and_the_others_stay() {
        let t = tempfile::tempdir().unwrap();
        assert_eq!(mend(t.path()), Ok(None), "there is no journal yet");
        let file = t.path().join(FILE);
        let decided = |rel: &str| {
            let decided = Decided { decision: Decision::Exclude, pictures: vec![rel.to_owned()] };
            append(t.path(), Entry::Step(Step::Decided(decided))).unwrap();
        };
        append(t.path(), Entry::Created).unwrap();
        decided("a.png");
        decided("b.png");
        assert_eq!(mend(t.path()), Ok(None));
        let newer = "{\"version\":9,\"event\":\"dreamt\"}\n";
        let text = std::fs::read_to_string(&file).unwrap().replace("a.png\"]", "a.p\u{0}") + newer;
        std::fs::write(&file, [text.as_bytes(), b"\xff\xfe{half"].concat()).unwrap();
        let damaged = std::fs::read(&file).unwrap();

        let told = mend(t.path()).unwrap().unwrap().to_string();
        assert!(told.contains("2 lines of the journal could not be read, the first is line 2"), "{told}");
        assert!(told.contains("journal.damaged-1.jsonl"), "{told}");
        assert_eq!(std::fs::read(t.path().join("journal.damaged-1.jsonl")).unwrap(), damaged);
        let left = std::fs::read_to_string(&file).unwrap();
        assert!(left.contains("b.png") && left.ends_with(newer) && left.lines().count() == 3, "{left}");
        assert_eq!(mend(t.path()), Ok(None), "it is told once");

        std::fs::write(&file, b"\x01\x02").unwrap();
        let told = mend(t.path()).unwrap().unwrap().to_string();
        assert!(told.contains("line 1 of the journal") && told.contains("journal.damaged-2.jsonl"), "{told}");
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
